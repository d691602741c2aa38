//! Cardinality from registers: the improved estimator of Otmar Ertl, "New cardinality estimation algorithms for
//! HyperLogLog sketches" (arXiv:1702.01284), section 4, algorithm 6. Redis uses the same.

use super::{RANK_BITS, REGISTERS};

/// 1 / (2 ln 2).
const ALPHA: f64 = 0.721_347_520_444_481_7;

/// The number of registers of each rank.
pub(super) struct Histogram([u32; 64]);

impl Histogram {
    pub(super) fn new() -> Self {
        Histogram([0; 64])
    }

    /// Adds this many registers of this rank (at most 63).
    pub(super) fn add(&mut self, rank: u8, registers: usize) {
        if let Some(count) = self.0.get_mut(usize::from(rank)) {
            *count = count.saturating_add(u32::try_from(registers).unwrap_or(u32::MAX));
        }
    }

    fn of(&self, rank: u32) -> f64 {
        self.0.get(rank as usize).copied().unwrap_or(0).into()
    }

    /// The estimated number of different elements.
    pub(super) fn cardinality(&self) -> u64 {
        let m = REGISTERS as f64;
        let full = self.of(RANK_BITS + 1);
        let mut sum = m * tau((m - full) / m);
        for rank in (1..=RANK_BITS).rev() {
            sum = (sum + self.of(rank)) * 0.5;
        }
        sum += m * sigma(self.of(0) / m);
        (ALPHA * m * m / sum).round() as u64
    }
}

/// Corrects for registers at their highest rank.
fn tau(x: f64) -> f64 {
    if x == 0.0 || x == 1.0 {
        return 0.0;
    }
    let (mut x, mut y, mut z) = (x, 1.0, 1.0 - x);
    loop {
        let before = z;
        x = x.sqrt();
        y *= 0.5;
        z -= (1.0 - x) * (1.0 - x) * y;
        if z == before {
            return z / 3.0;
        }
    }
}

/// Corrects for registers that nothing has touched.
fn sigma(x: f64) -> f64 {
    if x == 1.0 {
        return f64::INFINITY;
    }
    let (mut x, mut y, mut z) = (x, 1.0, x);
    loop {
        let before = z;
        x *= x;
        z += x * y;
        y += y;
        if z == before {
            return z;
        }
    }
}
