//! Chooses the cells that a search must visit, and tests the members in them.
//!
//! Of a circle or a box, the cells are the centre's cell and its eight neighbours, of a size at which they cover the searched
//! shape; neighbours that cannot contain a result are left out. Their order is Redis's: it shows if a client asks for no order.

use super::{
    Point, Polygon,
    cell::{Area, Cell, STEPS_MAX},
    distance::{EARTH_RADIUS_M, degrees, distance_along_meridian_m, distance_m, radians},
};
use pxfm::f_cos;

/// Half of the map's width, metres.
const MAP_MAX_M: f64 = 20_037_726.37;

/// East and north of the centre, in the order in which cells are looked at.
const NEIGHBOURS: [(i32, i32); 9] =
    [(0, 0), (0, 1), (0, -1), (1, 0), (-1, 0), (1, 1), (-1, 1), (1, -1), (-1, -1)];

/// The searched shape around the centre, metres.
#[derive(Debug, Clone, PartialEq)]
pub enum Shape {
    Circle {
        radius: f64,
    },
    Box {
        width: f64,
        height: f64,
    },
    /// Lies where its vertices are; the centre is only what distances are reckoned from.
    Polygon(Polygon),
}

/// A shape somewhere.
#[derive(Debug, Clone, PartialEq)]
pub struct Search {
    pub centre: Point,
    pub shape: Shape,
}

impl Search {
    /// Metres from the centre to a point, if it is inside.
    pub fn find(&self, place: Point) -> Option<f64> {
        match &self.shape {
            Shape::Circle { radius } => {
                let distance = distance_m(self.centre, place);
                return (distance <= *radius).then_some(distance);
            }
            Shape::Box { width, height } => {
                let along = distance_along_meridian_m(place.latitude, self.centre.latitude);
                let across = distance_m(place, Point { longitude: self.centre.longitude, ..place });
                if along > height / 2.0 || across > width / 2.0 {
                    return None;
                }
            }
            Shape::Polygon(polygon) if !polygon.contains(place) => return None,
            Shape::Polygon(_) => {}
        }
        Some(distance_m(self.centre, place))
    }

    /// What a test of a point costs beside reading it, as bytes: each edge of a polygon is looked at.
    pub fn cost_of_test(&self, place: Point) -> usize {
        match &self.shape {
            Shape::Circle { .. } | Shape::Box { .. } => 0,
            Shape::Polygon(polygon) => polygon.cost_of_test(place),
        }
    }

    /// Ranges of scores to search, in order: from the first to before the second.
    pub fn score_ranges(&self) -> Vec<(f64, f64)> {
        let mut ranges = Vec::new();
        let mut last = None;
        for (at, cell) in self.cells().into_iter().enumerate() {
            // In a search as wide as the earth, neighbours are the same.
            if last == Some(cell) {
                continue;
            }
            ranges.push(cell.scores());
            if at != 0 {
                last = Some(cell);
            }
        }
        ranges
    }

    fn cells(&self) -> Vec<Cell> {
        match &self.shape {
            Shape::Circle { radius } => self.cells_around(*radius, (*radius, *radius)),
            Shape::Box { width, height } => {
                let (width, height) = (width / 2.0, height / 2.0);
                self.cells_around((width * width + height * height).sqrt(), (width, height))
            }
            Shape::Polygon(polygon) => polygon.cells(),
        }
    }

    /// Those of a shape that reaches so far in any direction, and so far across and along.
    fn cells_around(&self, radius: f64, half: (f64, f64)) -> Vec<Cell> {
        let bounds = self.bounds(half);
        let mut steps = self.steps(radius);
        let mut centre = Cell::at(self.centre, steps);
        if steps > 1 && !reaches(centre, &bounds) {
            steps -= 1;
            centre = Cell::at(self.centre, steps);
        }
        let area = centre.area();
        let needed = |(east, north): (i32, i32)| {
            let (inside_south, inside_north) = (area.south < bounds.south, area.north > bounds.north);
            let (inside_west, inside_east) = (area.west < bounds.west, area.east > bounds.east);
            !(north < 0 && inside_south
                || north > 0 && inside_north
                || east < 0 && inside_west
                || east > 0 && inside_east)
        };
        let chosen = NEIGHBOURS.into_iter().filter(|direction| steps < 2 || needed(*direction));
        chosen.map(|(east, north)| centre.neighbour(east, north)).collect()
    }

    /// The size of cells at which nine are about enough.
    fn steps(&self, mut radius: f64) -> u32 {
        if radius == 0.0 {
            return STEPS_MAX;
        }
        let mut steps = 1_i32;
        while radius < MAP_MAX_M {
            radius *= 2.0;
            steps = steps.saturating_add(1);
        }
        // Most searches fit then; cells get narrower towards the poles.
        steps = steps.saturating_sub(match self.centre.latitude.abs() {
            latitude if latitude > 80.0 => 4,
            latitude if latitude > 66.0 => 3,
            _ => 2,
        });
        steps.clamp(1, STEPS_MAX as i32) as u32
    }

    /// A box that contains the shape, degrees; may reach beyond the map.
    fn bounds(&self, (half_width, half_height): (f64, f64)) -> Area {
        let Point { longitude, latitude } = self.centre;
        let rise = degrees(half_height / EARTH_RADIUS_M);
        // The edge nearer to the pole spans more degrees.
        let edge = if latitude < 0.0 { latitude - rise } else { latitude + rise };
        let spread = degrees(half_width / EARTH_RADIUS_M / f_cos(radians(edge)));
        Area {
            west: longitude - spread,
            east: longitude + spread,
            south: latitude - rise,
            north: latitude + rise,
        }
    }
}

/// Whether a cell's four neighbours reach all edges of the searched shape.
fn reaches(centre: Cell, bounds: &Area) -> bool {
    let area = |east, north| centre.neighbour(east, north).area();
    area(0, 1).north >= bounds.north
        && area(0, -1).south <= bounds.south
        && area(1, 0).east >= bounds.east
        && area(-1, 0).west <= bounds.west
}
