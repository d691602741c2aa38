//! How often scripts have called which command on this node, and how long it took, for INFO commandstats: in apply and on views.

use crate::{commands::table, time::monotonic_us};
use std::{
    collections::BTreeMap,
    sync::{
        LazyLock,
        atomic::{AtomicU64, Ordering},
    },
};

/// Calls of a command by scripts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct InnerCalls {
    pub calls: u64,
    pub failed: u64,
    /// Of their execution.
    pub micros: u64,
}

#[derive(Default)]
struct Counts {
    calls: AtomicU64,
    failed: AtomicU64,
    micros: AtomicU64,
}

/// By `Resolved::index`.
static CALLS: LazyLock<Vec<Counts>> =
    LazyLock::new(|| table().names().iter().map(|_| Counts::default()).collect());

/// A call that runs.
pub(super) struct Timed {
    index: usize,
    began_us: u64,
}

impl Timed {
    pub(super) fn begin(index: usize) -> Self {
        Timed { index, began_us: monotonic_us() }
    }

    pub(super) fn end(self, failed: bool) {
        let micros = monotonic_us().saturating_sub(self.began_us);
        count(self.index, InnerCalls { calls: 1, failed: u64::from(failed), micros });
    }

    /// As `end`, of a run that may be made again.
    pub(super) fn end_for(self, run: &mut CallsOfRun, failed: bool) {
        let calls = run.0.entry(self.index).or_default();
        calls.calls = calls.calls.saturating_add(1);
        calls.failed = calls.failed.saturating_add(u64::from(failed));
        calls.micros = calls.micros.saturating_add(monotonic_us().saturating_sub(self.began_us));
    }
}

/// Calls of one run of a script, by command.
#[derive(Default)]
pub(super) struct CallsOfRun(BTreeMap<usize, InnerCalls>);

impl CallsOfRun {
    /// The run counts.
    pub(super) fn count(&self) {
        self.0.iter().for_each(|(index, calls)| count(*index, *calls));
    }
}

fn count(index: usize, more: InnerCalls) {
    if let Some(counts) = CALLS.get(index) {
        counts.calls.fetch_add(more.calls, Ordering::Relaxed);
        counts.failed.fetch_add(more.failed, Ordering::Relaxed);
        counts.micros.fetch_add(more.micros, Ordering::Relaxed);
    }
}

/// Calls of a command by scripts.
pub fn inner_calls(index: usize) -> InnerCalls {
    let get = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
    let read = |counts: &Counts| InnerCalls {
        calls: get(&counts.calls),
        failed: get(&counts.failed),
        micros: get(&counts.micros),
    };
    CALLS.get(index).map_or_else(InnerCalls::default, read)
}

/// CONFIG RESETSTAT.
pub fn reset_inner_calls() {
    for counts in CALLS.iter() {
        for counter in [&counts.calls, &counts.failed, &counts.micros] {
            counter.store(0, Ordering::Relaxed);
        }
    }
}
