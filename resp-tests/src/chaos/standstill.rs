//! Whether the whole machine stood still: a virtual machine may not be run for seconds or minutes, and then nothing that
//! happened (or did not) in that time says how fast the servers are.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

const TICK: Duration = Duration::from_millis(50);
/// A tick that is so late was not late because of load.
const LATE: Duration = Duration::from_secs(1);

/// A thread that does nothing but look at the clock.
#[derive(Debug)]
pub(super) struct Standstill {
    lost_ms: Arc<AtomicU64>,
    stop: Arc<AtomicBool>,
}

impl Standstill {
    pub(super) fn watch() -> Standstill {
        let (lost_ms, stop) = (Arc::<AtomicU64>::default(), Arc::<AtomicBool>::default());
        let (lost, stopped) = (Arc::clone(&lost_ms), Arc::clone(&stop));
        thread::spawn(move || {
            let mut before = Instant::now();
            while !stopped.load(Ordering::Relaxed) {
                thread::sleep(TICK);
                let took = before.elapsed();
                before = Instant::now();
                lost.fetch_add(lost_of(took), Ordering::Relaxed);
            }
        });
        Standstill { lost_ms, stop }
    }

    /// All that was lost so far.
    pub(super) fn lost(&self) -> Duration {
        Duration::from_millis(self.lost_ms.load(Ordering::Relaxed))
    }
}

impl Drop for Standstill {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}

/// Milliseconds lost in a tick that took so long.
fn lost_of(took: Duration) -> u64 {
    let late = took.saturating_sub(TICK);
    if late < LATE { 0 } else { u64::try_from(late.as_millis()).unwrap_or(u64::MAX) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_no_load_explains_is_lost() {
        assert_eq!(lost_of(Duration::from_millis(50)), 0);
        assert_eq!(lost_of(Duration::from_millis(900)), 0);
        assert_eq!(lost_of(Duration::from_secs(186)), 185_950);
    }
}
