//! The leader's lease, and the clock that it runs by.
//!
//! **Invariant.** A lease does not outlive a machine that slept: tokio's clock (CLOCK_MONOTONIC) stops meanwhile, the
//! others' clocks do not, so this one counts the sleep (CLOCK_BOOTTIME). A hypervisor that pauses a machine, or moves it to
//! another host, stops all its clocks at once, and nothing in it can tell: use `lease-reads no` there.

use crate::environment::Environment;
use parking_lot::Mutex;
use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};
use tokio::time::Instant;

/// Time since it was made, sleep included.
#[derive(Debug)]
pub(super) struct BootClock {
    environment: Environment,
    began: Instant,
    /// The machine's total sleep since boot, at that time.
    asleep_before: Duration,
    #[cfg(test)]
    pretended_ms: AtomicU64,
}

impl BootClock {
    pub(super) fn new(environment: Environment) -> Self {
        BootClock {
            environment,
            began: Instant::now(),
            asleep_before: environment.asleep(),
            #[cfg(test)]
            pretended_ms: AtomicU64::new(0),
        }
    }

    pub(super) fn now_ms(&self) -> u64 {
        millis(self.began.elapsed().saturating_add(self.slept()))
    }

    /// The machine's sleep since this was made.
    fn slept(&self) -> Duration {
        let slept = self.environment.asleep().saturating_sub(self.asleep_before);
        #[cfg(test)]
        let slept = slept.saturating_add(Duration::from_millis(self.pretended_ms.load(Ordering::SeqCst)));
        slept
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(FOR_EVER - 1)
}

/// Until when this node, leading, may read without asking others.
#[derive(Debug)]
pub(super) struct Lease {
    pub(super) clock: BootClock,
    until_ms: AtomicU64,
    awake: Mutex<Awake>,
}

/// When the machine was last found to have slept, and how long it has in all.
#[derive(Debug, Default)]
struct Awake {
    since: Option<Instant>,
    slept: Duration,
}

/// The lease of a sole voter.
const FOR_EVER: u64 = u64::MAX;
/// Two clocks are not read at the very same moment: a difference below this is not sleep. The margin of the lease includes
/// it.
const SLEEP_MIN: Duration = Duration::from_millis(10);

impl Default for Lease {
    fn default() -> Self {
        Lease::new(Environment::machine())
    }
}

impl Lease {
    /// That of a node that is alone.
    pub(super) fn new(environment: Environment) -> Self {
        Lease {
            clock: BootClock::new(environment),
            until_ms: AtomicU64::new(FOR_EVER),
            awake: Mutex::default(),
        }
    }

    /// A majority acknowledged this leader at `heard`; for `lease` after that, none of it helps another node to lead.
    /// `None`: there is no majority to ask.
    pub(super) fn set(&self, heard: Option<Instant>, lease: Duration) {
        let until = match heard {
            None => FOR_EVER,
            Some(heard) => {
                let slept = self.clock.slept();
                let mut awake = self.awake.lock();
                if slept > awake.slept.saturating_add(SLEEP_MIN) {
                    *awake = Awake { since: Some(Instant::now()), slept };
                }
                // An acknowledgement from before the sleep is older than it seems.
                match awake.since.is_some_and(|since| heard <= since) {
                    true => 0,
                    false => {
                        let heard = heard.saturating_duration_since(self.clock.began);
                        millis(heard.saturating_add(slept).saturating_add(lease))
                    }
                }
            }
        };
        self.until_ms.store(until, Ordering::Release);
    }

    /// Whether a majority acknowledged this leader recently, or it runs alone.
    pub(super) fn is_held(&self) -> bool {
        let until = self.until_ms.load(Ordering::Acquire);
        until == FOR_EVER || self.clock.now_ms() < until
    }

    /// Whether no other node could lead.
    pub(super) fn is_for_ever(&self) -> bool {
        self.until_ms.load(Ordering::Acquire) == FOR_EVER
    }

    /// For how long it has not been held.
    pub(super) fn lost_for(&self) -> Duration {
        let until = self.until_ms.load(Ordering::Acquire);
        Duration::from_millis(self.clock.now_ms().saturating_sub(until))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LEASE: Duration = Duration::from_millis(280);

    fn sleep(lease: &Lease, ms: u64) {
        lease.clock.pretended_ms.fetch_add(ms, Ordering::SeqCst);
    }

    #[tokio::test(start_paused = true)]
    async fn a_lease_runs_out_while_the_machine_sleeps() {
        let lease = Lease::default();
        tokio::time::advance(Duration::from_secs(5)).await;
        lease.set(Some(Instant::now()), LEASE);
        assert!(lease.is_held());
        sleep(&lease, 5000);
        assert!(!lease.is_held(), "the sleep counts");
    }

    #[tokio::test(start_paused = true)]
    async fn what_was_heard_before_a_sleep_gives_no_lease_after_it() {
        let lease = Lease::default();
        tokio::time::advance(Duration::from_secs(5)).await;
        let heard = Instant::now();
        sleep(&lease, 300);
        // The clock of the acknowledgement stopped meanwhile: it seems to be recent.
        lease.set(Some(heard), LEASE);
        assert!(!lease.is_held());
        tokio::time::advance(Duration::from_millis(20)).await;
        lease.set(Some(heard), LEASE);
        assert!(!lease.is_held(), "nor the next time that it is looked at");
        lease.set(Some(Instant::now()), LEASE);
        assert!(lease.is_held(), "heard again");
        tokio::time::advance(LEASE).await;
        assert!(!lease.is_held());
    }

    #[test]
    fn a_sole_voter_has_it_for_ever() {
        let lease = Lease::default();
        lease.set(None, LEASE);
        sleep(&lease, 1_000_000_000);
        assert!(lease.is_held());
    }
}
