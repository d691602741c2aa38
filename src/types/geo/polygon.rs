//! Polygons on the map, as GEOSEARCH … BYPOLYGON takes them: edges are straight in degrees, and none crosses the date line.

use super::{
    Point,
    cell::{Area, Cell},
    distance::{degrees, radians},
};
use pxfm::{f_atan2, f_cos, f_sin};

/// Cells that are searched at most.
const CELLS_MAX: u64 = 9;

/// Vertices, the last of which is connected with the first.
#[derive(Debug, Clone, PartialEq)]
pub struct Polygon {
    vertices: Vec<Point>,
    bounds: Area,
}

impl Polygon {
    /// That of these vertices.
    pub fn new(vertices: Vec<Point>) -> Self {
        let nowhere = Area {
            west: f64::INFINITY,
            east: f64::NEG_INFINITY,
            south: f64::INFINITY,
            north: f64::NEG_INFINITY,
        };
        let bounds = vertices.iter().fold(nowhere, |area, point| Area {
            west: area.west.min(point.longitude),
            east: area.east.max(point.longitude),
            south: area.south.min(point.latitude),
            north: area.north.max(point.latitude),
        });
        Polygon { vertices, bounds }
    }

    /// The place in the middle of its vertices on the sphere, which distances are reckoned from.
    pub fn centre(&self) -> Point {
        let (mut x, mut y, mut z) = (0.0, 0.0, 0.0);
        for Point { longitude, latitude } in &self.vertices {
            let (longitude, latitude) = (radians(*longitude), radians(*latitude));
            x += f_cos(latitude) * f_cos(longitude);
            y += f_cos(latitude) * f_sin(longitude);
            z += f_sin(latitude);
        }
        Point { longitude: degrees(f_atan2(y, x)), latitude: degrees(f_atan2(z, (x * x + y * y).sqrt())) }
    }

    /// Whether a point lies within: a ray from it to the east crosses an odd number of edges.
    pub fn contains(&self, place: Point) -> bool {
        if !self.may_contain(place) {
            return false;
        }
        let ends = self.vertices.iter().cycle().skip(1);
        let crossed = self.vertices.iter().zip(ends).filter(|(from, to)| {
            let is_between = (from.latitude > place.latitude) != (to.latitude > place.latitude);
            let share = (place.latitude - from.latitude) / (to.latitude - from.latitude);
            is_between && place.longitude < from.longitude + share * (to.longitude - from.longitude)
        });
        crossed.count() % 2 == 1
    }

    /// What `contains` costs, in bytes looked at.
    pub(super) fn cost_of_test(&self, place: Point) -> usize {
        if self.may_contain(place) { self.vertices.len().saturating_mul(size_of::<Point>()) } else { 0 }
    }

    /// Cells that cover it.
    pub(super) fn cells(&self) -> Vec<Cell> {
        if self.vertices.is_empty() { Vec::new() } else { Cell::covering(&self.bounds, CELLS_MAX) }
    }

    fn may_contain(&self, place: Point) -> bool {
        let Area { west, east, south, north } = self.bounds;
        (west..=east).contains(&place.longitude) && (south..=north).contains(&place.latitude)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn polygon(degrees: &[(f64, f64)]) -> Polygon {
        let point = |(longitude, latitude): &(f64, f64)| Point::new(*longitude, *latitude).unwrap();
        Polygon::new(degrees.iter().map(point).collect())
    }

    fn is_in(polygon: &Polygon, longitude: f64, latitude: f64) -> bool {
        polygon.contains(Point { longitude, latitude })
    }

    #[test]
    fn points_are_within_or_not() {
        let notched = polygon(&[(0.0, 0.0), (10.0, 0.0), (10.0, 10.0), (5.0, 5.0), (0.0, 10.0)]);
        for (longitude, latitude, expected) in [
            (5.0, 2.0, true),
            (5.0, 7.0, false),
            (1.0, 7.0, true),
            (9.0, 7.0, true),
            (-1.0, 2.0, false),
            (5.0, 11.0, false),
        ] {
            assert_eq!(is_in(&notched, longitude, latitude), expected, "{longitude} {latitude}");
        }
        let crossed = polygon(&[(-1.0, -1.0), (2.0, 2.0), (2.0, -1.0), (-1.0, 2.0)]);
        assert!(is_in(&crossed, 1.9, 1.0) && !is_in(&crossed, 0.5, 1.5));
        assert!(!is_in(&polygon(&[(0.0, 0.0), (0.0, 0.0), (0.0, 0.0)]), 0.0, 0.0));
    }

    /// Recorded from Valkey 9.1: distances from the centre of the square to its south-western corner's neighbour and its middle.
    #[test]
    fn the_centre_is_that_on_the_sphere() {
        let square = polygon(&[(-1.0, -1.0), (11.0, -1.0), (11.0, 11.0), (-1.0, 11.0)]);
        let centre = square.centre();
        assert!(
            (centre.longitude - 5.0).abs() < 1e-9 && (centre.latitude - 5.0274).abs() < 1e-4,
            "{centre:?}"
        );
    }

    proptest! {
        /// No point within is in a cell that is not searched.
        #[test]
        fn the_cells_cover_it(
            corners in prop::collection::vec((-180.0..=180.0_f64, -85.0..=85.0_f64), 3..8),
            place in (0.0..=1.0_f64, 0.0..=1.0_f64),
            scale in prop_oneof![Just(1.0), Just(1e-3), Just(1e-7)],
        ) {
            let corners: Vec<(f64, f64)> = corners.iter().map(|(x, y)| (x * scale, y * scale)).collect();
            let polygon = polygon(&corners);
            let Area { west, east, south, north } = polygon.bounds;
            let point = Point {
                longitude: west + place.0 * (east - west),
                latitude: south + place.1 * (north - south),
            };
            let score = point.score();
            let cells = polygon.cells();
            prop_assert!(cells.len() as u64 <= CELLS_MAX);
            let found = cells.iter().filter(|cell| {
                let (from, to) = cell.scores();
                from <= score && score < to
            });
            prop_assert_eq!(found.count(), 1);
        }
    }
}
