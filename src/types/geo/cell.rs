//! Cells of the earth: halved in turn by longitude and latitude, up to 26 times each.
//!
//! The bits of a cell are those of its column (odd positions) and its row (even positions), interleaved.

use super::{LATITUDES, LONGITUDES, Point};
use std::ops::RangeInclusive;

/// Halvings of the smallest cells.
pub(super) const STEPS_MAX: u32 = 26;
/// The bits of rows.
const ROW_BITS: u64 = 0x5555_5555_5555_5555;
const COLUMN_BITS: u64 = !ROW_BITS;
/// The letters and digits of geohashes.
const ALPHABET: &[u8; 32] = b"0123456789bcdefghjkmnpqrstuvwxyz";
const TEXT_LEN: u32 = 11;

/// A cell of the grid.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Cell {
    bits: u64,
    steps: u32,
}

/// The area of a cell, degrees.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Area {
    pub(super) west: f64,
    pub(super) east: f64,
    pub(super) south: f64,
    pub(super) north: f64,
}

impl Cell {
    pub(super) fn new(bits: u64, steps: u32) -> Self {
        Cell { bits, steps }
    }

    /// The cell of this size that contains a point. The last meridian counts as one column more.
    pub(super) fn at(point: Point, steps: u32) -> Self {
        Self::within(point, steps, &LATITUDES)
    }

    fn within(point: Point, steps: u32, latitudes: &RangeInclusive<f64>) -> Self {
        let column = part(point.longitude, &LONGITUDES, steps);
        let row = part(point.latitude, latitudes, steps);
        Cell { bits: spread(row) | spread(column) << 1, steps }
    }

    pub(super) fn bits(self) -> u64 {
        self.bits
    }

    /// The range of scores of the points in it: from the first to before the second.
    pub(super) fn scores(self) -> (f64, f64) {
        let shift = 2 * (STEPS_MAX - self.steps);
        ((self.bits << shift) as f64, (self.bits.wrapping_add(1) << shift) as f64)
    }

    pub(super) fn area(self) -> Area {
        let (row, column) = (gather(self.bits), gather(self.bits >> 1));
        let edge = |range: &RangeInclusive<f64>, index: u64| {
            range.start() + index as f64 / (1_u64 << self.steps) as f64 * (range.end() - range.start())
        };
        Area {
            west: edge(&LONGITUDES, column),
            east: edge(&LONGITUDES, column + 1),
            south: edge(&LATITUDES, row),
            north: edge(&LATITUDES, row + 1),
        }
    }

    /// Cells of one size that cover an area, as small as they can be if there are to be so few; four halves of the map always do.
    pub(super) fn covering(area: &Area, most: u64) -> Vec<Self> {
        let mut steps = STEPS_MAX;
        loop {
            let columns = part(area.west, &LONGITUDES, steps)..=part(area.east, &LONGITUDES, steps);
            let rows = part(area.south, &LATITUDES, steps)..=part(area.north, &LATITUDES, steps);
            let count =
                |range: &RangeInclusive<u32>| u64::from(range.end().saturating_sub(*range.start())) + 1;
            if steps == 1 || count(&columns) * count(&rows) <= most {
                let cell = move |row| move |column| Cell { bits: spread(row) | spread(column) << 1, steps };
                return rows.flat_map(|row| columns.clone().map(cell(row))).collect();
            }
            steps -= 1;
        }
    }

    /// The point in its middle.
    pub(super) fn middle(self) -> Point {
        let Area { west, east, south, north } = self.area();
        Point {
            longitude: ((west + east) / 2.0).clamp(*LONGITUDES.start(), *LONGITUDES.end()),
            latitude: ((south + north) / 2.0).clamp(*LATITUDES.start(), *LATITUDES.end()),
        }
    }

    /// The cell that many columns east and rows north (each -1, 0 or 1), around the earth if need be.
    pub(super) fn neighbour(self, east: i32, north: i32) -> Self {
        let used = u64::MAX >> (64 - 2 * self.steps);
        let column = moved(self.bits & COLUMN_BITS, east, ROW_BITS & used, COLUMN_BITS & used);
        let row = moved(self.bits & ROW_BITS, north, COLUMN_BITS & used, ROW_BITS & used);
        Cell { bits: column | row, steps: self.steps }
    }
}

/// Adds to the interleaved number in the bits `own`: with the gaps filled, a carry runs across them.
fn moved(number: u64, by: i32, gaps: u64, own: u64) -> u64 {
    let moved = match by {
        0 => return number,
        1.. => number.wrapping_add(gaps.wrapping_add(1)),
        ..0 => (number | gaps).wrapping_sub(gaps.wrapping_add(1)),
    };
    moved & own
}

/// The index of a number among the 2^steps equal parts of a range.
fn part(number: f64, range: &RangeInclusive<f64>, steps: u32) -> u32 {
    let share = (number - range.start()) / (range.end() - range.start());
    (share * (1_u64 << steps) as f64) as u32
}

/// Moves the bits of a number to the even positions.
fn spread(number: u32) -> u64 {
    let mut x = u64::from(number);
    for (shift, mask) in [
        (16, 0x0000_ffff_0000_ffff),
        (8, 0x00ff_00ff_00ff_00ff),
        (4, 0x0f0f_0f0f_0f0f_0f0f),
        (2, 0x3333_3333_3333_3333),
        (1, ROW_BITS),
    ] {
        x = (x | x << shift) & mask;
    }
    x
}

/// Moves the bits at even positions together.
fn gather(bits: u64) -> u64 {
    let mut x = bits & ROW_BITS;
    for (shift, mask) in [
        (1, 0x3333_3333_3333_3333),
        (2, 0x0f0f_0f0f_0f0f_0f0f),
        (4, 0x00ff_00ff_00ff_00ff),
        (8, 0x0000_ffff_0000_ffff),
        (16, 0x0000_0000_ffff_ffff),
    ] {
        x = (x | x >> shift) & mask;
    }
    x
}

/// The usual geohash of a point, which divides all latitudes up to the poles. The last of its eleven characters is always
/// 0: 52 bits are not enough for it.
pub fn geohash_text(point: Point) -> String {
    let bits = Cell::within(point, STEPS_MAX, &(-90.0..=90.0)).bits;
    let letter = |at: u32| {
        let shift = (2 * STEPS_MAX).checked_sub((at + 1) * 5);
        let index = shift.map_or(0, |shift| bits >> shift & 0x1f);
        char::from(ALPHABET.get(index as usize).copied().unwrap_or(b'0'))
    };
    (0..TEXT_LEN).map(letter).collect()
}
