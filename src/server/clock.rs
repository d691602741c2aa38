//! The time of a connection: one reading of the monotonic clock per command; the end of one is the start of the next. Log
//! time (`LogClock`), which alone decides what has expired, is derived from it.
//!
//! Invariant: after a wait (for the log, the disk, the client), `tick` is called before the next command reads the time.

use crate::{state::LogClock, time::monotonic_us};
use std::time::Duration;

/// The clock of a connection.
#[derive(Debug, Clone, Copy)]
pub(super) struct Clock {
    at_us: u64,
    lap_began_us: u64,
    /// Of the lap under way, the time that was spent waiting.
    waited_us: u64,
    /// Of the last lap, the rest.
    executed_us: u64,
    /// Log time of the current command's reads, from the leader; 0: the leader was not asked.
    as_of_ms: u64,
}

impl Clock {
    pub(super) fn start() -> Self {
        let now = monotonic_us();
        Clock { at_us: now, lap_began_us: now, waited_us: 0, executed_us: 0, as_of_ms: 0 }
    }

    /// Advances to the present; returns the time passed.
    pub(super) fn tick(&mut self) -> Duration {
        let now = monotonic_us();
        let passed = now.saturating_sub(self.at_us);
        (self.at_us, self.as_of_ms) = (now, 0);
        Duration::from_micros(passed)
    }

    /// As `tick`; returns the time since the last lap, regardless of ticks in between: the duration of a call, also of one
    /// that waited or consists of others.
    pub(super) fn lap(&mut self) -> Duration {
        self.tick();
        let passed = self.at_us.saturating_sub(self.lap_began_us);
        self.lap_began_us = self.at_us;
        self.executed_us = passed.saturating_sub(std::mem::take(&mut self.waited_us));
        Duration::from_micros(passed)
    }

    /// As `tick`, after a wait for others: the log, another node, a key.
    pub(super) fn waited(&mut self) {
        let waited = self.tick();
        self.waited_us = self.waited_us.saturating_add(u64::try_from(waited.as_micros()).unwrap_or(u64::MAX));
    }

    /// As `waited`, after a wait for a thread that worked for so long. Returns the time passed. Reads stay as of the time that
    /// they were.
    pub(super) fn waited_but_for(&mut self, executed_us: u64) -> Duration {
        let as_of_ms = self.as_of_ms;
        let passed = self.tick();
        self.as_of_ms = as_of_ms;
        let passed_us = u64::try_from(passed.as_micros()).unwrap_or(u64::MAX);
        self.waited_us = self.waited_us.saturating_add(passed_us.saturating_sub(executed_us));
        passed
    }

    /// Of the last lap, the time that was not spent waiting, microseconds.
    pub(super) fn executed_us(&self) -> u64 {
        self.executed_us
    }

    /// Monotonic milliseconds at the last tick.
    pub(super) fn now_ms(&self) -> u64 {
        self.at_us / 1000
    }

    /// Until the next tick, reads are as of this log time (ms; 0 = the last tick's): the leader's, so that no node shows a
    /// time that another one has not reached.
    pub(super) fn read_as_of(&mut self, log_ms: u64) {
        self.as_of_ms = log_ms;
    }

    /// Log time at the last tick, or from the leader.
    pub(super) fn log_ms(&self, log: &LogClock) -> u64 {
        match self.as_of_ms {
            0 => log.at_ms(self.at_us),
            told => told,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Clock;
    use crate::state::LogClock;
    use std::{thread, time::Duration};

    #[test]
    fn time_stands_between_ticks_and_follows_the_clocks_at_them() {
        let log = LogClock::default();
        log.begin(1_700_000_000_000, None);
        let mut clock = Clock::start();
        let (first, first_log) = (clock.now_ms(), clock.log_ms(&log));
        thread::sleep(Duration::from_millis(20));
        assert_eq!((clock.now_ms(), clock.log_ms(&log)), (first, first_log));
        assert!(clock.tick() >= Duration::from_millis(20));
        clock.tick();
        assert!(clock.lap() >= Duration::from_millis(20) && clock.lap() < Duration::from_secs(10));
        assert!(clock.now_ms() >= first + 20 && clock.log_ms(&log) >= first_log + 19);
        thread::sleep(Duration::from_millis(20));
        clock.waited();
        assert!(clock.lap() >= Duration::from_millis(20) && clock.executed_us() < 15_000);
        thread::sleep(Duration::from_millis(20));
        clock.read_as_of(7);
        clock.waited_but_for(15_000);
        clock.lap();
        assert!(clock.executed_us() >= 15_000);
        clock.read_as_of(7);
        assert_eq!(clock.log_ms(&log), 7);
        clock.tick();
        assert!(clock.log_ms(&log) <= log.now_ms());
    }
}
