//! How often scripts have called which command on this node, for INFO commandstats: in apply, on views and in trials.

use crate::commands::table;
use std::sync::{
    LazyLock,
    atomic::{AtomicU64, Ordering},
};

/// Calls, and those that failed.
type Counts = (AtomicU64, AtomicU64);

/// By `Resolved::index`.
static CALLS: LazyLock<Vec<Counts>> =
    LazyLock::new(|| table().names().iter().map(|_| Counts::default()).collect());

pub(super) fn count(index: usize, failed: bool) {
    if let Some((calls, failures)) = CALLS.get(index) {
        calls.fetch_add(1, Ordering::Relaxed);
        failures.fetch_add(u64::from(failed), Ordering::Relaxed);
    }
}

/// Calls of a command by scripts, and those that failed.
pub fn inner_calls(index: usize) -> (u64, u64) {
    let get = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
    CALLS.get(index).map_or((0, 0), |(calls, failures)| (get(calls), get(failures)))
}

/// CONFIG RESETSTAT.
pub fn reset_inner_calls() {
    for (calls, failures) in CALLS.iter() {
        calls.store(0, Ordering::Relaxed);
        failures.store(0, Ordering::Relaxed);
    }
}
