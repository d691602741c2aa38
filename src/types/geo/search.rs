//! Chooses the cells that a search must visit, and tests the members in them.
//!
//! The cells are the centre's cell and its eight neighbours, of a size at which they cover the searched shape; neighbours
//! that cannot contain a result are left out. Their order is Redis's: it shows if a client asks for no order.

use super::{
    Point,
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
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Shape {
    Circle { radius: f64 },
    Box { width: f64, height: f64 },
}

/// A shape somewhere.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Search {
    pub centre: Point,
    pub shape: Shape,
}

impl Search {
    /// Metres from the centre to a point, if it is inside.
    pub fn find(&self, place: Point) -> Option<f64> {
        if let Shape::Box { width, height } = self.shape {
            let along = distance_along_meridian_m(place.latitude, self.centre.latitude);
            let across = distance_m(place, Point { longitude: self.centre.longitude, ..place });
            if along > height / 2.0 || across > width / 2.0 {
                return None;
            }
        }
        let distance = distance_m(self.centre, place);
        match self.shape {
            Shape::Circle { radius } if distance > radius => None,
            Shape::Circle { .. } | Shape::Box { .. } => Some(distance),
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
        let bounds = self.bounds();
        let mut steps = self.steps();
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
    fn steps(&self) -> u32 {
        let mut radius = match self.shape {
            Shape::Circle { radius } => radius,
            Shape::Box { width, height } => {
                (width / 2.0 * (width / 2.0) + height / 2.0 * (height / 2.0)).sqrt()
            }
        };
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
    fn bounds(&self) -> Area {
        let (half_width, half_height) = match self.shape {
            Shape::Circle { radius } => (radius, radius),
            Shape::Box { width, height } => (width / 2.0, height / 2.0),
        };
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
