//! The core's time as this node knows it: what decides, for reads, which keys have expired.
//!
//! The leader's time goes into every entry of the log, and nobody's time goes back: a leader begins no earlier than the last
//! entry, and what a follower heard of the leader's time stays known when it leads itself. Where that is not the wall
//! clock's time (another leader's clock was ahead, or the wall clock was set back), it approaches it by a tenth of the
//! time that passes, so that no period is ever felt as less than nine tenths or more than eleven tenths of itself.
//!
//! **Invariant:** what `now_ms` gives is never before the time of any entry that this node has applied.

use crate::time::now_ms;
use std::{
    sync::atomic::{AtomicI64, AtomicU64, Ordering},
    time::Duration,
};

/// Part of the passing time by which the wall clock is approached.
const SLEW: u32 = 10;

/// See the module.
#[derive(Debug, Default)]
pub struct LogClock {
    /// To be added to this node's wall clock.
    offset_ms: AtomicI64,
    /// No time before this is given.
    floor_ms: AtomicU64,
}

impl LogClock {
    /// The time, in ms since the epoch.
    pub fn now_ms(&self) -> u64 {
        self.at(now_ms())
    }

    fn at(&self, wall_ms: u64) -> u64 {
        let shifted = wall_ms.saturating_add_signed(self.offset_ms.load(Ordering::Relaxed));
        shifted.max(self.floor_ms.load(Ordering::Relaxed))
    }

    /// The time, for an entry.
    pub fn stamp(&self) -> u64 {
        let now = self.now_ms();
        self.logged(now);
        now
    }

    /// An entry of this time is applied here.
    pub fn logged(&self, at_ms: u64) {
        if self.floor_ms.load(Ordering::Relaxed) < at_ms {
            self.floor_ms.fetch_max(at_ms, Ordering::Relaxed);
        }
    }

    /// For a follower: the leader said what time it is.
    pub fn heard(&self, leader_ms: u64) {
        self.heard_at(now_ms(), leader_ms);
    }

    fn heard_at(&self, wall_ms: u64, leader_ms: u64) {
        self.offset_ms.store(difference(leader_ms, wall_ms), Ordering::Relaxed);
        self.logged(leader_ms);
    }

    /// For the leader, now and then: approaches the wall clock, and notices when that was set back.
    pub fn slew(&self, passed: Duration) {
        self.slew_at(now_ms(), passed);
    }

    fn slew_at(&self, wall_ms: u64, passed: Duration) {
        let step = i64::try_from((passed / SLEW).as_millis()).unwrap_or(i64::MAX);
        let offset = self.offset_ms.load(Ordering::Relaxed);
        let nearer =
            if offset > 0 { (offset - step.min(offset)).max(0) } else { offset.saturating_add(step).min(0) };
        let floor = self.floor_ms.load(Ordering::Relaxed);
        let offset = nearer.max(if floor > 0 { difference(floor, wall_ms) } else { i64::MIN });
        self.offset_ms.store(offset, Ordering::Relaxed);
        self.logged(self.at(wall_ms));
    }
}

fn difference(one: u64, other: u64) -> i64 {
    i64::try_from(i128::from(one) - i128::from(other)).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TENTH: Duration = Duration::from_millis(100);

    #[test]
    fn it_is_the_wall_clock_until_the_log_says_more() {
        let clock = LogClock::default();
        assert_eq!(clock.at(1000), 1000);
        clock.logged(5000);
        assert_eq!(clock.at(1000), 5000);
        clock.logged(4000);
        assert_eq!((clock.at(1000), clock.at(6000)), (5000, 6000));
    }

    #[test]
    fn a_leader_goes_on_from_what_it_heard_and_nears_its_own_clock() {
        let clock = LogClock::default();
        // This node's clock is 2 s behind the leader's.
        clock.heard_at(10_000, 12_000);
        assert_eq!(clock.at(10_500), 12_500);
        // Now it leads: never back, 90 ms for every 100.
        let mut before = clock.at(10_500);
        for tick in 1..=300_u64 {
            let wall = 10_500 + tick * 100;
            clock.slew_at(wall, TENTH);
            let now = clock.at(wall);
            assert!((90..=100).contains(&(now - before)), "{before} {now}");
            before = now;
        }
        assert_eq!(before, 10_500 + 30_000);
    }

    #[test]
    fn a_clock_that_was_behind_catches_up_slowly() {
        let clock = LogClock::default();
        clock.heard_at(10_000, 9_000);
        clock.slew_at(10_100, TENTH);
        assert_eq!(clock.at(10_100), 9_110);
    }

    #[test]
    fn a_wall_clock_set_back_goes_on_from_where_it_was() {
        let clock = LogClock::default();
        clock.slew_at(1_000_000, TENTH);
        assert_eq!(clock.at(1_000_050), 1_000_050);
        clock.slew_at(400_000, TENTH);
        assert_eq!(clock.at(400_000), 1_000_000);
        assert_eq!(clock.at(400_100), 1_000_100);
        clock.slew_at(400_100, TENTH);
        assert_eq!(clock.at(400_100), 1_000_090);
    }
}
