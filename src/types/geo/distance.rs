//! Distance on a sphere, by the haversine formula.

use super::Point;
use pxfm::{f_asin, f_cos, f_sin};
use std::f64::consts::PI;

/// Redis's radius of the earth; distances that it computed must stay the same.
pub(super) const EARTH_RADIUS_M: f64 = 6_372_797.560_856;

const RADIANS: f64 = PI / 180.0;

pub(super) fn radians(degrees: f64) -> f64 {
    degrees * RADIANS
}

pub(super) fn degrees(radians: f64) -> f64 {
    radians / RADIANS
}

/// Metres between two points.
pub fn distance_m(a: Point, b: Point) -> f64 {
    let v = f_sin((radians(b.longitude) - radians(a.longitude)) / 2.0);
    if v == 0.0 {
        return distance_along_meridian_m(a.latitude, b.latitude);
    }
    let (a, b) = (radians(a.latitude), radians(b.latitude));
    let u = f_sin((b - a) / 2.0);
    let chord = u * u + f_cos(a) * f_cos(b) * v * v;
    2.0 * EARTH_RADIUS_M * f_asin(chord.sqrt())
}

/// Metres between two latitudes.
pub(super) fn distance_along_meridian_m(a: f64, b: f64) -> f64 {
    EARTH_RADIUS_M * (radians(b) - radians(a)).abs()
}
