//! What a node takes from the world around it: clocks, a disk, randomness, threads. The product gets it as a value.
//!
//! ```text
//!  Environment ─┬─ machine(): this machine's clocks, files, threads           nothing to carry, nothing to look up
//!               └─ simulated(…): what a test says (`Simulation`)              test builds only
//! ```
//!
//! | part of the world | who takes it, and how |
//! |---|---|
//! | clocks, randomness, rules | `ReplicationState` has the node's `Environment`; `StateWriter::new` takes it |
//! | disk of the log, its threads | `SegmentOptions::environment` |
//! | threads of the store | `StoreOptions::environment` |
//! | network | `peer::LocalIdentity::network` |
//! | the thread that may wait for a disk | the thread itself says, as tokio's own handle does: `may_wait` |
//! | the end of the process | `fail::StopPolicy`: there is one process |
//!
//! **Invariants.**
//! * Nothing in the product names a test. What stands in for a part of the world implements a trait that is here (or in
//!   `peer`, or in `fail`), and whoever makes a node gives it.
//! * Outside tests an `Environment` has no size and every question to it is answered while compiling. This is the only file
//!   that tells test builds from others for that; ADR 0030 says why.

mod disk;
mod simulation;
mod space;

pub use disk::Disk;
pub use simulation::{Rule, SimulatedDisk, Simulation};
pub use space::{DiskSpace, DiskState, Space, low_bytes};

use crate::time;
use std::{
    fmt,
    hash::{BuildHasher, RandomState},
    time::Duration,
};

/// See the module.
#[derive(Clone, Copy, Default)]
pub struct Environment {
    #[cfg(test)]
    simulation: Option<&'static dyn Simulation>,
}

/// What a release pays for it.
#[cfg(not(test))]
const _: () = assert!(size_of::<Environment>() == 0);

impl fmt::Debug for Environment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.has_threads() { "machine" } else { "simulated" })
    }
}

impl Environment {
    /// This machine.
    pub const fn machine() -> Self {
        Environment {
            #[cfg(test)]
            simulation: None,
        }
    }

    /// A world of a test's making.
    #[cfg(test)]
    pub(crate) const fn simulated(simulation: &'static dyn Simulation) -> Self {
        Environment { simulation: Some(simulation) }
    }

    /// `None`: it is this machine, as it always is outside tests.
    #[inline]
    pub fn simulation(self) -> Option<&'static dyn Simulation> {
        #[cfg(test)]
        return self.simulation;
        #[cfg(not(test))]
        None
    }

    /// Whether work goes to threads of its own. Otherwise one thread does everything, in an order that can be repeated.
    pub fn has_threads(self) -> bool {
        self.simulation().is_none()
    }

    /// Wall time, milliseconds since the Unix epoch.
    pub fn wall_ms(self) -> u64 {
        self.simulation().map_or_else(time::now_ms, Simulation::wall_ms)
    }

    /// Monotonic time, microseconds.
    pub fn monotonic_us(self) -> u64 {
        self.simulation().map_or_else(time::monotonic_us, Simulation::monotonic_us)
    }

    /// Monotonic time, milliseconds.
    pub fn monotonic_ms(self) -> u64 {
        self.monotonic_us() / 1000
    }

    /// How long the machine has slept since it was booted. Simulated ones do not.
    pub fn asleep(self) -> Duration {
        self.simulation().map_or_else(time::asleep, |_| Duration::ZERO)
    }

    /// Which run of which machine the monotonic clock counts in (`time::boot`). Simulated ones do not say.
    pub fn boot(self) -> Option<String> {
        self.simulation().map_or_else(time::boot, |_| None)
    }

    /// A number that nobody can foretell; no secret.
    pub fn random(self) -> u64 {
        self.simulation().map_or_else(|| RandomState::new().hash_one(time::now_ms()), Simulation::random)
    }

    /// Sixteen random bytes.
    pub fn random_id(self) -> [u8; 16] {
        match self.simulation() {
            Some(simulation) => u128::from(simulation.random()).to_le_bytes(),
            None => *uuid::Uuid::new_v4().as_bytes(),
        }
    }

    /// The file operations whose order decides what a power cut leaves.
    pub fn disk(self) -> Disk {
        Disk::of(self)
    }

    /// Whether this node keeps a rule: always, unless a test has it break one to show that this is noticed.
    #[inline]
    pub fn keeps(self, rule: Rule) -> bool {
        // The feature breaks the rule on purpose: see Cargo.toml.
        let is_left_out = cfg!(feature = "broken-lease") && matches!(rule, Rule::LeaseToRead);
        !is_left_out && self.simulation().is_none_or(|simulation| simulation.keeps(rule))
    }
}

#[cfg(test)]
thread_local! {
    static NEVER_WAITS: std::cell::Cell<bool> = const { std::cell::Cell::new(false) };
}

/// Whether a task of this thread may hand work to threads that wait for the disk. In a simulation there are none, and its
/// disk never waits.
#[inline]
pub fn may_wait() -> bool {
    #[cfg(test)]
    return !NEVER_WAITS.get();
    #[cfg(not(test))]
    true
}

/// From here on this thread does by itself what would wait elsewhere, or (`false`) does not any more.
#[cfg(test)]
pub(crate) fn never_wait(never_waits: bool) {
    NEVER_WAITS.set(never_waits);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_machine_has_threads_clocks_and_keeps_its_rules() {
        let machine = Environment::machine();
        assert!(machine.has_threads() && may_wait());
        assert!(time::now_ms().abs_diff(machine.wall_ms()) < 60_000);
        assert!(machine.monotonic_us() <= time::monotonic_us());
        assert_ne!(machine.random_id(), machine.random_id());
        assert!(Rule::ALL.into_iter().all(|rule| machine.keeps(rule)));
    }
}
