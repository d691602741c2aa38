//! What was taken from the queue and has no outcome yet: entries that this node proposed, and batches on their way to the
//! node that leads.
//!
//! Both are few, so that memory is bounded and batches grow with the load. A leader that was cut off answers nothing, and
//! the connection to it is given up only after seconds. What waits for it must hold up neither what can go to the next
//! leader nor what this node, leading itself now, proposes.

use crate::{
    limits::{ENTRIES_IN_FLIGHT_MAX, FORWARDS_IN_FLIGHT_MAX},
    state::ReplicationState,
};
use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};
use tokio::sync::Notify;

/// How long a leader whose place another one has taken may take to answer: it may have handed over, and be about to.
const OVERTAKEN_MAX: Duration = Duration::from_millis(1000);

/// See the module.
pub struct InFlight {
    state: Arc<ReplicationState>,
    entries: AtomicUsize,
    /// Batches that were forwarded, all of them,
    forwarded: AtomicUsize,
    /// and those that count against `FORWARDS_IN_FLIGHT_MAX`.
    counted: AtomicUsize,
    /// Whether the batcher waits for room, and what wakes it.
    awaited: AtomicBool,
    bell: Notify,
}

impl InFlight {
    pub fn new(state: Arc<ReplicationState>) -> Self {
        InFlight {
            state,
            entries: AtomicUsize::new(0),
            forwarded: AtomicUsize::new(0),
            counted: AtomicUsize::new(0),
            awaited: AtomicBool::new(false),
            bell: Notify::new(),
        }
    }

    /// Whether one more entry may be proposed; if so it counts until `release`.
    pub fn acquire(&self) -> bool {
        self.entries
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, |n| {
                (n < ENTRIES_IN_FLIGHT_MAX).then_some(n + 1)
            })
            .is_ok()
    }

    /// An entry has got its outcome. Wakes nobody, so that the entries of a chunk wake once: see `wake_batcher`.
    pub fn release(&self) {
        self.entries.fetch_sub(1, Ordering::SeqCst);
    }

    /// Entries and forwarded batches.
    pub fn count(&self) -> usize {
        self.entries.load(Ordering::SeqCst).saturating_add(self.forwarded.load(Ordering::SeqCst))
    }

    pub fn is_empty(&self) -> bool {
        self.count() == 0
    }

    /// Whether one more batch may be on its way, to wherever batches go.
    pub fn has_room(&self) -> bool {
        match self.state.is_leader() {
            true => self.entries.load(Ordering::SeqCst) < ENTRIES_IN_FLIGHT_MAX,
            false => self.has_room_to_forward(),
        }
    }

    pub fn has_room_to_forward(&self) -> bool {
        self.counted.load(Ordering::SeqCst) < FORWARDS_IN_FLIGHT_MAX
    }

    /// Lets the batcher look again, if it waits for room. From another thread that is a system call.
    pub fn wake_batcher(&self) {
        if self.awaited.swap(false, Ordering::SeqCst) {
            self.bell.notify_one();
        }
    }

    /// For the batcher: waits for an outcome, unless it is so already. May return early.
    pub async fn wait_until(&self, is_so: impl FnOnce() -> bool) {
        self.awaited.store(true, Ordering::SeqCst);
        if !is_so() {
            self.bell.notified().await;
        }
        self.awaited.store(false, Ordering::SeqCst);
    }
}

/// One forwarded batch, until it is dropped.
pub struct Forwarding {
    in_flight: Arc<InFlight>,
    is_counted: bool,
}

impl Forwarding {
    /// Also if there is no room: whoever begins several asks before.
    pub fn begin(in_flight: &Arc<InFlight>) -> Self {
        in_flight.forwarded.fetch_add(1, Ordering::SeqCst);
        in_flight.counted.fetch_add(1, Ordering::SeqCst);
        Forwarding { in_flight: Arc::clone(in_flight), is_counted: true }
    }

    /// Returns when there is nothing more to hope for from a leader that was asked: another one has led for a while. From
    /// the moment on that another one leads this batch makes room for others.
    pub async fn overtaken(&mut self, asked: u64) {
        self.in_flight.state.led_by_another_than(asked).await;
        self.make_room();
        tokio::time::sleep(OVERTAKEN_MAX).await;
    }

    fn make_room(&mut self) {
        if std::mem::replace(&mut self.is_counted, false) {
            self.in_flight.counted.fetch_sub(1, Ordering::SeqCst);
            self.in_flight.wake_batcher();
        }
    }
}

impl Drop for Forwarding {
    fn drop(&mut self) {
        self.make_room();
        self.in_flight.forwarded.fetch_sub(1, Ordering::SeqCst);
        self.in_flight.wake_batcher();
    }
}
