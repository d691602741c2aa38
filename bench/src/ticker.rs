//! A timer that wakes a poll at fixed times. A poll's own timeout is counted in whole milliseconds, which at thousands of
//! requests per second would be most of the latency that is measured.

use mio::{Interest, Poll, Token, unix::SourceFd};
use rustix::time::{Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec};
use std::{
    os::fd::{AsRawFd, OwnedFd},
    time::Duration,
};

/// What is due more often is sent in bursts this far apart.
const INTERVAL_MIN: Duration = Duration::from_micros(50);

/// See the module.
pub struct Ticker(OwnedFd);

impl Ticker {
    /// Wakes `poll` with `token` every `interval` from now on.
    pub fn start(interval: Duration, poll: &Poll, token: Token) -> Result<Self, String> {
        let failed = |e: rustix::io::Errno| format!("timer: {e}");
        let timer = rustix::time::timerfd_create(TimerfdClockId::Monotonic, TimerfdFlags::NONBLOCK)
            .map_err(failed)?;
        poll.registry()
            .register(&mut SourceFd(&timer.as_raw_fd()), token, Interest::READABLE)
            .map_err(|e| e.to_string())?;
        let each = Timespec::try_from(interval.max(INTERVAL_MIN)).map_err(|e| e.to_string())?;
        let times = Itimerspec { it_interval: each, it_value: each };
        rustix::time::timerfd_settime(&timer, TimerfdTimerFlags::empty(), &times).map_err(failed)?;
        Ok(Ticker(timer))
    }

    /// To be called when it woke the poll: it ticks on only then.
    pub fn clear(&self) {
        let mut ticks = [0; 8];
        let _ = rustix::io::read(&self.0, &mut ticks);
    }
}
