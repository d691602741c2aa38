//! What is counted, for INFO and metrics.

use std::sync::atomic::{AtomicU64, Ordering};

/// Counts since the start.
#[derive(Debug, Default)]
pub struct PsyncTotals {
    pub full_copies: AtomicU64,
    pub partial: AtomicU64,
    pub partial_refused: AtomicU64,
    pub dropped: AtomicU64,
    pub restarts: AtomicU64,
    pub lost_expiries: AtomicU64,
    pub values: AtomicU64,
    pub commands: AtomicU64,
    pub bytes: AtomicU64,
}

pub(super) fn count(counter: &AtomicU64, by: u64) {
    counter.fetch_add(by, Ordering::Relaxed);
}
