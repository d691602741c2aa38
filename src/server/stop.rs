//! The request to stop the node, by SHUTDOWN or by a signal, and its deadline.
//!
//! After the request each part finishes its work until the deadline; then it reports unfinished work and ends all the same.
//! NOW means that the deadline is at once.

use crate::command::ShutdownMode;
use parking_lot::Mutex;
use std::{
    sync::atomic::{AtomicBool, Ordering},
    time::{Duration, Instant},
};
use tokio::sync::Notify;

/// Why and how to stop.
pub type StopMode = ShutdownMode;

/// Set once; many may wait for it.
#[derive(Debug, Default)]
pub struct Stop {
    asked: AtomicBool,
    how: Mutex<Option<(StopMode, Instant)>>,
    wake: Notify,
}

impl Stop {
    /// Asks the node to stop within `timeout`, or at once for NOW. The first request counts.
    pub fn ask(&self, mode: StopMode, timeout: Duration) {
        let timeout = if mode.now { Duration::ZERO } else { timeout };
        let now = Instant::now();
        self.how.lock().get_or_insert((mode, now.checked_add(timeout).unwrap_or(now)));
        self.asked.store(true, Ordering::Release);
        self.wake.notify_waiters();
    }

    /// Whether `ask` was called.
    pub fn is_asked(&self) -> bool {
        self.asked.load(Ordering::Acquire)
    }

    /// The deadline for running work; `None`: no stop was requested.
    pub fn deadline(&self) -> Option<Instant> {
        self.how.lock().map(|(_, deadline)| deadline)
    }

    /// Resolves once `ask` was called.
    pub async fn wait(&self) -> StopMode {
        self.wait_how().await.0
    }

    /// Resolves when the time to finish is up, or `grace` has passed since the node was asked to stop.
    pub(super) async fn wait_overdue(&self, grace: Duration) {
        let (_, deadline) = self.wait_how().await;
        let _ = tokio::time::timeout_at(deadline.into(), tokio::time::sleep(grace)).await;
    }

    async fn wait_how(&self) -> (StopMode, Instant) {
        loop {
            let woken = self.wake.notified();
            tokio::pin!(woken);
            // Registers before the check, so that an `ask` in between is not missed.
            woken.as_mut().enable();
            if let Some(how) = *self.how.lock() {
                return how;
            }
            woken.await;
        }
    }
}
