//! The leader's lease, and the clock that it runs by.
//!
//! **Invariant.** A lease does not outlive a machine that slept: tokio's clock (CLOCK_MONOTONIC) stands still meanwhile,
//! the others' clocks do not, so this one counts the sleep (CLOCK_BOOTTIME). A hypervisor that pauses a machine, or takes it
//! to another host, stops all clocks of it at once, and nothing in it can tell: that is what `lease-reads no` is for.

use parking_lot::Mutex;
use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};
use tokio::time::Instant;

/// Time since it was made, sleep included.
#[derive(Debug)]
pub(super) struct BootClock {
    began: Instant,
    /// How long the machine had slept then, since it was booted.
    asleep_before: Duration,
    #[cfg(test)]
    pretended_ms: AtomicU64,
}

impl BootClock {
    pub(super) fn new() -> Self {
        BootClock {
            began: Instant::now(),
            asleep_before: asleep(),
            #[cfg(test)]
            pretended_ms: AtomicU64::new(0),
        }
    }

    pub(super) fn now_ms(&self) -> u64 {
        millis(self.began.elapsed().saturating_add(self.slept()))
    }

    /// How long the machine has slept since this was made.
    fn slept(&self) -> Duration {
        #[cfg(test)]
        if crate::tests::stage::is_set() {
            return Duration::ZERO;
        }
        let slept = asleep().saturating_sub(self.asleep_before);
        #[cfg(test)]
        let slept = slept.saturating_add(Duration::from_millis(self.pretended_ms.load(Ordering::SeqCst)));
        slept
    }
}

/// How long this machine has slept since it was booted.
fn asleep() -> Duration {
    use rustix::time::{ClockId, clock_gettime};
    let read = |clock| {
        let now = clock_gettime(clock);
        let (seconds, nanos) = (u64::try_from(now.tv_sec), u32::try_from(now.tv_nsec));
        Duration::new(seconds.unwrap_or(0), nanos.unwrap_or(0))
    };
    let with_sleep = read(ClockId::Boottime);
    with_sleep.saturating_sub(read(ClockId::Monotonic))
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
/// Two clocks are not read at the very same moment: less than this is no sleep. It is part of what the lease is shorter by
/// than what it stands for.
const SLEEP_MIN: Duration = Duration::from_millis(10);

impl Default for Lease {
    fn default() -> Self {
        Lease::new()
    }
}

impl Lease {
    /// That of a node that is alone.
    pub(super) fn new() -> Self {
        Lease { clock: BootClock::new(), until_ms: AtomicU64::new(FOR_EVER), awake: Mutex::default() }
    }

    /// A majority has heard of this leader at `heard`; for so long after it, none of it helps another one to lead.
    /// `None`: there is no majority to hear.
    pub(super) fn set(&self, heard: Option<Instant>, lease: Duration) {
        let until = match heard {
            None => FOR_EVER,
            Some(heard) => {
                let slept = self.clock.slept();
                let mut awake = self.awake.lock();
                if slept > awake.slept.saturating_add(SLEEP_MIN) {
                    *awake = Awake { since: Some(Instant::now()), slept };
                }
                // What was heard before the sleep was heard longer ago than it seems.
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

    /// Whether a majority has heard this leader lately, or it is alone.
    pub(super) fn is_held(&self) -> bool {
        let until = self.until_ms.load(Ordering::Acquire);
        until == FOR_EVER || self.clock.now_ms() < until
    }

    /// Whether there is nobody who could lead instead.
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
        let lease = Lease::new();
        tokio::time::advance(Duration::from_secs(5)).await;
        lease.set(Some(Instant::now()), LEASE);
        assert!(lease.is_held());
        sleep(&lease, 5000);
        assert!(!lease.is_held(), "the sleep counts");
    }

    #[tokio::test(start_paused = true)]
    async fn what_was_heard_before_a_sleep_gives_no_lease_after_it() {
        let lease = Lease::new();
        tokio::time::advance(Duration::from_secs(5)).await;
        let heard = Instant::now();
        sleep(&lease, 300);
        // The clock that said when it was heard stood still meanwhile: it seems to be of this moment.
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
        let lease = Lease::new();
        lease.set(None, LEASE);
        sleep(&lease, 1_000_000_000);
        assert!(lease.is_held());
    }

    #[test]
    fn the_kernel_says_how_long_the_machine_has_slept() {
        let before = asleep();
        let after = asleep();
        assert!(after.abs_diff(before) < Duration::from_secs(60), "{before:?} {after:?}");
    }
}
