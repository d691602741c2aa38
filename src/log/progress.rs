//! How far this node has come: what the batcher, the apply thread and readers need to know of each other.

use crate::{limits::ENTRIES_IN_FLIGHT_MAX, session::LogStatus, store::Position};
use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
};
use tokio::sync::{Notify, watch};

/// Shared by all threads of the log.
#[derive(Debug)]
pub struct Progress {
    pub(super) status: Arc<LogStatus>,
    /// The term in which this node leads; 0 = it does not.
    leader_term: AtomicU64,
    /// The term of the last applied entry.
    applied_term: AtomicU64,
    in_flight: AtomicUsize,
    /// Whether the batcher waits for an entry to land, and what wakes it.
    awaited: AtomicBool,
    capacity: Notify,
    ready: watch::Sender<bool>,
}

impl Progress {
    pub(super) fn new(status: Arc<LogStatus>) -> Self {
        Progress {
            status,
            leader_term: AtomicU64::new(0),
            applied_term: AtomicU64::new(0),
            in_flight: AtomicUsize::new(0),
            awaited: AtomicBool::new(false),
            capacity: Notify::new(),
            ready: watch::Sender::new(false),
        }
    }

    /// Whether a read now sees every acknowledged write. A new leader first proposes an entry of its own term, so once an
    /// entry of that term is applied, everything committed before is, too. With one voter there is no lease to lose;
    /// with more, the leader term must be withdrawn when the lease runs out.
    pub(super) fn can_read(&self) -> bool {
        let term = self.leader_term.load(Ordering::Acquire);
        term != 0 && self.applied_term.load(Ordering::Acquire) == term
    }

    /// Waits until `can_read`.
    pub(super) async fn wait_ready(&self) {
        // The sender is in `self`, so the channel cannot close.
        let _ = self.ready.subscribe().wait_for(|ready| *ready).await;
    }

    pub(super) fn is_leader(&self) -> bool {
        self.leader_term.load(Ordering::Acquire) != 0
    }

    /// This node leads in `term`, or (0) it does not.
    pub(super) fn set_leader_term(&self, term: u64) {
        self.leader_term.store(term, Ordering::Release);
        self.status.is_leader.store(term != 0, Ordering::Relaxed);
        self.announce();
    }

    /// Everything up to `at` is applied and published.
    pub(super) fn applied(&self, at: Position) {
        self.status.applied_index.store(at.index, Ordering::Release);
        self.status.committed_index.fetch_max(at.index, Ordering::Relaxed);
        if self.applied_term.swap(at.term, Ordering::AcqRel) != at.term {
            self.announce();
        }
    }

    fn announce(&self) {
        let now = self.can_read();
        self.ready.send_if_modified(|ready| std::mem::replace(ready, now) != now);
    }

    /// Whether one more entry may be proposed; if so it counts.
    pub(super) fn take_off(&self) -> bool {
        self.in_flight
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, |n| {
                (n < ENTRIES_IN_FLIGHT_MAX).then_some(n + 1)
            })
            .is_ok()
    }

    /// An entry has got its outcome. Rings nobody, so that the entries of a chunk ring once: see `ring_if_awaited`.
    pub(super) fn land(&self) {
        self.in_flight.fetch_sub(1, Ordering::SeqCst);
    }

    pub(super) fn in_flight(&self) -> usize {
        self.in_flight.load(Ordering::SeqCst)
    }

    /// Lets the batcher look again, if it waits for an entry to land. From another thread that is a system call.
    pub(super) fn ring_if_awaited(&self) {
        if self.awaited.swap(false, Ordering::SeqCst) {
            self.capacity.notify_one();
        }
    }

    /// For the batcher: waits while `entries` or more are in flight. May return early.
    pub(super) async fn wait_for_landing(&self, entries: usize) {
        self.awaited.store(true, Ordering::SeqCst);
        if self.in_flight() >= entries {
            self.capacity.notified().await;
        }
        self.awaited.store(false, Ordering::SeqCst);
    }
}
