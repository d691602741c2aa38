//! The time of a connection: one reading of the clock per command, where the end of one is the start of the next.
//!
//! The wall clock is read when a chunk of requests begins; within the chunk the monotonic clock is added to it. Beside it goes
//! the core's time (`LogClock`), which alone decides what has expired.
//!
//! Invariant: whoever waited (for the log, the disk, the client) calls `tick` before the next command looks at the time.

use crate::{session::LogClock, time::now_ms};
use std::time::{Duration, Instant};

/// See the module.
#[derive(Debug, Clone, Copy)]
pub(super) struct Clock {
    began_ms: u64,
    began_log_ms: u64,
    began: Instant,
    at: Instant,
    lap_began: Instant,
}

impl Clock {
    /// Reads all clocks.
    pub(super) fn start(log: &LogClock) -> Self {
        let now = Instant::now();
        Clock { began_ms: now_ms(), began_log_ms: log.now_ms(), began: now, at: now, lap_began: now }
    }

    /// Goes on to the present; says how long that was.
    pub(super) fn tick(&mut self) -> Duration {
        let now = Instant::now();
        let passed = now.duration_since(self.at);
        self.at = now;
        passed
    }

    /// As `tick`; says how long it is since the last lap, whatever ticks were in between: what a call took, also one that
    /// waited or was made of others.
    pub(super) fn lap(&mut self) -> Duration {
        self.tick();
        let passed = self.at.duration_since(self.lap_began);
        self.lap_began = self.at;
        passed
    }

    /// Milliseconds since the epoch at the last tick.
    pub(super) fn now_ms(&self) -> u64 {
        self.began_ms.saturating_add(self.passed_ms())
    }

    /// The core's time at the last tick.
    pub(super) fn log_ms(&self) -> u64 {
        self.began_log_ms.saturating_add(self.passed_ms())
    }

    fn passed_ms(&self) -> u64 {
        u64::try_from(self.at.duration_since(self.began).as_millis()).unwrap_or(u64::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::Clock;
    use crate::{session::LogClock, time::now_ms};
    use std::{thread, time::Duration};

    #[test]
    fn time_stands_between_ticks_and_follows_the_wall_clock_at_them() {
        let before_ms = now_ms();
        let mut clock = Clock::start(&LogClock::default());
        let first = clock.now_ms();
        thread::sleep(Duration::from_millis(20));
        assert_eq!(clock.now_ms(), first);
        assert!(clock.tick() >= Duration::from_millis(20));
        clock.tick();
        assert!(clock.lap() >= Duration::from_millis(20) && clock.lap() < Duration::from_secs(10));
        assert!(first >= before_ms && clock.now_ms() >= first + 20 && clock.now_ms() <= now_ms() + 1);
    }
}
