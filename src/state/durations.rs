//! How long things took, counted: for the histograms of the metrics, and for percentiles of the last seconds.
//!
//! Eight counters for each power of two, from a nanosecond to 68 seconds, so that a value read back exceeds the measured one by
//! an eighth at most: 272 counters, 2 KiB. Counting is two additions without a lock. A thread that counts often has a histogram of its own, and
//! readers add up.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

/// 2^3 counters for each power of two.
const PRECISION: u32 = 3;
const PER_POWER: u64 = 1 << PRECISION;
/// What takes 2^36 ns or longer is counted as that long.
const POWER_MAX: u32 = 36;
const NANOS_MAX: u64 = (1 << POWER_MAX) - 1;
const COUNTERS: usize = ((POWER_MAX - PRECISION + 1) as usize) << PRECISION;
const _: () = assert!(COUNTERS == 272);

/// Counts durations.
#[derive(Debug)]
pub struct Durations {
    counts: Box<[AtomicU64]>,
    nanos: AtomicU64,
}

/// What was counted until some moment.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct DurationCounts {
    /// Empty: nothing.
    counts: Vec<u64>,
    nanos: u64,
}

impl Default for Durations {
    fn default() -> Self {
        Durations { counts: (0..COUNTERS).map(|_| AtomicU64::new(0)).collect(), nanos: AtomicU64::new(0) }
    }
}

/// The counter of a value.
fn counter_of(nanos: u64) -> usize {
    let nanos = nanos.min(NANOS_MAX);
    let at = match nanos.checked_ilog2().and_then(|power| power.checked_sub(PRECISION)) {
        // Below 2^3 each value has its own.
        None => nanos,
        // The first bits, behind the counters of all lower powers.
        Some(shift) => (u64::from(shift) << PRECISION).saturating_add(nanos >> shift),
    };
    usize::try_from(at).unwrap_or(usize::MAX)
}

/// The least value that the next counter counts.
fn end_of(counter: usize) -> u64 {
    let next = (counter as u64).saturating_add(1);
    match (next >> PRECISION).checked_sub(1) {
        None => next,
        Some(shift) => (next & (PER_POWER - 1)).saturating_add(PER_POWER) << shift,
    }
}

impl Durations {
    /// Counts one.
    #[inline]
    pub fn add(&self, took: Duration) {
        self.add_nanos(u64::try_from(took.as_nanos()).unwrap_or(u64::MAX));
    }

    /// Counts one.
    #[inline]
    pub fn add_nanos(&self, nanos: u64) {
        if let Some(counter) = self.counts.get(counter_of(nanos)) {
            counter.fetch_add(1, Ordering::Relaxed);
            self.nanos.fetch_add(nanos.min(NANOS_MAX), Ordering::Relaxed);
        }
    }

    /// All that was counted.
    pub fn counts(&self) -> DurationCounts {
        let counts = self.counts.iter().map(|count| count.load(Ordering::Relaxed)).collect();
        DurationCounts { counts, nanos: self.nanos.load(Ordering::Relaxed) }
    }
}

impl DurationCounts {
    /// How many.
    pub fn count(&self) -> u64 {
        self.counts.iter().fold(0, |sum, count| sum.saturating_add(*count))
    }

    /// All of them together.
    pub fn seconds(&self) -> f64 {
        self.nanos as f64 / 1e9
    }

    /// Those of another histogram as well.
    pub fn plus(mut self, other: &DurationCounts) -> DurationCounts {
        if self.counts.is_empty() {
            return other.clone();
        }
        for (count, more) in self.counts.iter_mut().zip(&other.counts) {
            *count = count.saturating_add(*more);
        }
        self.nanos = self.nanos.saturating_add(other.nanos);
        self
    }

    /// Those that came since.
    pub fn since(&self, before: &DurationCounts) -> DurationCounts {
        let older = before.counts.iter().copied().chain(std::iter::repeat(0));
        let counts = self.counts.iter().zip(older).map(|(now, before)| now.saturating_sub(before)).collect();
        DurationCounts { counts, nanos: self.nanos.saturating_sub(before.nanos) }
    }

    /// Nanoseconds that this share of them (0.0 to 1.0) took at most; 0 = there are none.
    pub fn quantile(&self, share: f64) -> u64 {
        let all = self.count();
        let wanted = ((all as f64 * share).ceil() as u64).clamp(1, all.max(1));
        let mut sum = 0_u64;
        for (counter, count) in self.counts.iter().enumerate() {
            sum = sum.saturating_add(*count);
            if sum >= wanted {
                return end_of(counter).saturating_sub(1);
            }
        }
        0
    }

    /// How many took less than 2^power ns, for these powers in ascending order.
    pub fn below(&self, powers: impl Iterator<Item = u32>) -> Vec<u64> {
        let (mut counts, mut sum) = (self.counts.iter().enumerate().peekable(), 0_u64);
        let mut below = |power: u32| {
            let end = 1_u64.checked_shl(power).unwrap_or(u64::MAX);
            while let Some((_, count)) = counts.next_if(|(counter, _)| end_of(*counter) <= end) {
                sum = sum.saturating_add(*count);
            }
            sum
        };
        powers.map(&mut below).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counters_follow_each_other_without_gaps() {
        assert_eq!((counter_of(0), counter_of(7), counter_of(8)), (0, 7, 8));
        for counter in 0..COUNTERS {
            let end = end_of(counter);
            assert_eq!(counter_of(end - 1), counter);
            assert!(counter_of(end) == counter + 1 || end > NANOS_MAX, "{counter}: {end}");
        }
        assert_eq!(counter_of(u64::MAX), COUNTERS - 1);
    }

    #[test]
    fn quantiles_are_within_an_eighth_and_bounds_are_exact() {
        let durations = Durations::default();
        assert_eq!((durations.counts().quantile(0.5), durations.counts().count()), (0, 0));
        for micros in 1..=1000_u64 {
            durations.add(Duration::from_micros(micros));
        }
        let counts = durations.counts();
        for (share, wanted) in [(0.0, 1e3), (0.5, 5e5), (0.99, 9.9e5), (1.0, 1e6)] {
            let found = counts.quantile(share) as f64;
            assert!(found >= wanted && found <= wanted * 1.125, "{found} for {wanted}");
        }
        assert!((counts.seconds() - 0.5005).abs() < 1e-6);
        // 2^14 ns are 16.384 µs, 2^20 ns 1048.576 µs.
        assert_eq!(counts.below([14, 15, 20, 40].into_iter()), [16, 32, 1000, 1000]);
    }

    #[test]
    fn what_came_since_is_told_apart_and_threads_add_up() {
        let (one, other) = (Durations::default(), Durations::default());
        one.add_nanos(100);
        let before = DurationCounts::default().plus(&one.counts()).plus(&other.counts());
        other.add_nanos(1_000_000);
        one.add_nanos(u64::MAX);
        let now = one.counts().plus(&other.counts());
        let since = now.since(&before);
        assert_eq!((before.count(), now.count(), since.count()), (1, 3, 2));
        assert!(since.quantile(0.5) >= 1_000_000 && since.quantile(1.0) == NANOS_MAX);
        assert_eq!(now.since(&DurationCounts::default()), now);
    }
}
