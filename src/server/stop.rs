//! How the node is asked to stop, by SHUTDOWN or by a signal.

use crate::command::ShutdownMode;
use parking_lot::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use tokio::sync::Notify;

/// Why and how to stop.
pub type StopMode = ShutdownMode;

/// Set once; many may wait for it.
#[derive(Debug, Default)]
pub struct Stop {
    asked: AtomicBool,
    mode: Mutex<Option<StopMode>>,
    wake: Notify,
}

impl Stop {
    /// Asks the node to stop. The first caller's mode counts.
    pub fn ask(&self, mode: StopMode) {
        self.mode.lock().get_or_insert(mode);
        self.asked.store(true, Ordering::Release);
        self.wake.notify_waiters();
    }

    /// Whether `ask` was called.
    pub fn is_asked(&self) -> bool {
        self.asked.load(Ordering::Acquire)
    }

    /// Resolves once `ask` was called.
    pub async fn wait(&self) -> StopMode {
        loop {
            let woken = self.wake.notified();
            tokio::pin!(woken);
            // Registers before the check, so that an `ask` in between is not missed.
            woken.as_mut().enable();
            if self.is_asked() {
                return (*self.mode.lock()).unwrap_or(StopMode { nosave: false, now: false, force: false });
            }
            woken.await;
        }
    }
}
