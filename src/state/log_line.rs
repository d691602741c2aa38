//! Log time as a straight line over the monotonic clock, which bends towards a goal and never jumps.
//!
//! ```text
//! log time = monotonic clock + offset;   the offset moves towards its target by a twentieth of the time that passes
//! ```
//! **Invariants.** Of two readings the later one is not before the earlier one. Log time passes at 19/20 to 21/20 of the
//! speed of the monotonic clock. Without further steering (a paused process, no contact) it reaches its target and
//! continues at the speed of the monotonic clock.

use crate::time::difference;

/// A twentieth of the time that passes is what log time may gain or lose meanwhile.
pub(super) const SLEW_PART: u64 = 20;

/// The line. Microseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct LogLine {
    /// The time at which the offset was exact.
    pub(super) from: u64,
    pub(super) offset: i64,
    pub(super) target: i64,
}

impl LogLine {
    /// That goes through this point, at the speed of the monotonic clock.
    pub(super) fn through(monotonic: u64, log: u64) -> Self {
        let offset = difference(log, monotonic);
        LogLine { from: monotonic, offset, target: offset }
    }

    /// The offset at this reading of the monotonic clock.
    pub(super) fn offset_at(&self, monotonic: u64) -> i64 {
        let step = monotonic.saturating_sub(self.from) / SLEW_PART;
        let missing = self.target.saturating_sub(self.offset);
        let step = i64::try_from(step.min(missing.unsigned_abs())).unwrap_or(i64::MAX);
        if missing < 0 { self.offset.saturating_sub(step) } else { self.offset.saturating_add(step) }
    }

    /// Log time at this reading of the monotonic clock.
    pub(super) fn at(&self, monotonic: u64) -> u64 {
        monotonic.saturating_add_signed(self.offset_at(monotonic))
    }

    /// As this from here on, but no earlier than `log` now.
    pub(super) fn raised(&self, monotonic: u64, log: u64) -> Self {
        let from = monotonic.max(self.from);
        let offset = self.offset_at(from).max(difference(log, monotonic));
        LogLine { from, offset, target: self.target.max(offset) }
    }

    /// The same line up to here, and on to this target.
    pub(super) fn bent(&self, monotonic: u64, target: i64) -> Self {
        let from = monotonic.max(self.from);
        LogLine { from, offset: self.offset_at(from), target }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn it_comes_to_its_target_at_a_twentieth_and_goes_on_straight() {
        let line = LogLine::through(1_000_000, 50_000_000).bent(1_000_000, 49_000_000 + 100_000);
        assert_eq!(line.at(1_000_000), 50_000_000);
        assert_eq!(line.at(2_000_000), 51_050_000);
        assert_eq!(line.at(3_000_000), 52_100_000);
        assert_eq!(line.at(4_000_000), 53_100_000);
        let back = LogLine::through(0, 50_000_000).bent(0, 0);
        assert_eq!(back.at(20_000_000), 69_000_000);
        assert_eq!(back.at(1_000_000_000), 1_000_000_000);
    }

    #[test]
    fn it_is_raised_and_goes_on_to_where_it_went_if_that_is_further() {
        let line = LogLine::through(0, 1000).bent(0, 500_000).raised(100, 40_000);
        assert_eq!((line.offset, line.target), (39_900, 500_000));
        assert_eq!(line.raised(100, 7).at(100), 40_000);
        let down = LogLine::through(0, 100_000).bent(0, 0).raised(0, 200_000);
        assert_eq!(down.at(1_000_000), 1_200_000);
    }

    proptest! {
        /// However often and wherever to it is bent.
        #[test]
        fn ten_seconds_last_between_nine_and_a_half_and_ten_and_a_half(
            bends in proptest::collection::vec((0_u64..2_000_000, -300_000_000_i64..300_000_000), 1..200),
        ) {
            let mut now = 1_000_000_000_u64;
            let mut line = LogLine::through(now, 1_700_000_000_000_000);
            let mut before = line.at(now);
            let rest = line.offset;
            for (passed, wrong) in bends {
                now += passed;
                let log = line.at(now);
                let low = passed - passed / SLEW_PART;
                prop_assert!((low..=passed + passed / SLEW_PART).contains(&(log - before)), "{passed}: {}", log - before);
                line = line.bent(now, rest + wrong);
                prop_assert_eq!(line.at(now), log);
                before = log;
            }
        }
    }
}
