//! Proposals taken from the queue that have no outcome yet: entries that this node proposed, and batches forwarded to the
//! leader.
//!
//! Both are few, so that memory is bounded and batches grow with the load. A leader that was cut off answers nothing, and
//! its connection is closed only after seconds. Batches that wait for it must delay neither proposals for the next leader
//! nor those that this node, leading itself now, makes.

use super::{Outbox, Outcome, Ticket};
use crate::{
    limits::{ENTRIES_IN_FLIGHT_MAX, FORWARDS_IN_FLIGHT_MAX},
    replica::NotedCall,
    resp::Reply,
    state::ReplicationState,
};
use parking_lot::Mutex;
use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};
use tokio::sync::Notify;

/// Longest time for an overtaken leader to answer: it may have handed over, and be about to.
const OVERTAKEN_MAX: Duration = Duration::from_millis(1000);

/// The proposals in flight.
pub struct InFlight {
    state: Arc<ReplicationState>,
    entries: AtomicUsize,
    /// Batches that were forwarded, all of them,
    forwarded: AtomicUsize,
    /// and those that count against `FORWARDS_IN_FLIGHT_MAX`.
    counted: AtomicUsize,
    /// Outcomes of entries that were applied in the chunk which is under way.
    outbox: Mutex<Outbox>,
    /// What is noted of calls of the entry that is being answered; on its way back with their clients.
    noted: Mutex<Vec<NotedCall>>,
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
            outbox: Mutex::default(),
            noted: Mutex::default(),
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

    /// An entry was applied: its waiters hear of it with those of the other entries of its chunk, by `deliver`.
    pub fn applied(&self, tickets: impl IntoIterator<Item = Ticket>, replies: Vec<Vec<Reply>>) {
        self.release();
        let (mut outbox, mut noted) = (self.outbox.lock(), self.noted.lock());
        for (number, (ticket, replies)) in tickets.into_iter().zip(replies).enumerate() {
            for call in noted.iter_mut().filter(|call| call.proposal == number) {
                call.client = ticket.client;
            }
            outbox.add(ticket, Outcome::Applied(replies));
        }
    }

    /// Calls `answer`, which tells the proposer of an entry, and with it `applied`; returns what is noted of its calls with the clients that
    /// wait for them.
    pub fn with_clients(&self, calls: Vec<NotedCall>, answer: impl FnOnce()) -> Vec<NotedCall> {
        *self.noted.lock() = calls;
        answer();
        std::mem::take(&mut *self.noted.lock())
    }

    /// Hands over the outcomes of a chunk: one wake per network thread, and one of the batcher if it waits for room.
    pub fn deliver(&self) {
        self.outbox.lock().deliver();
        self.wake_batcher();
    }

    /// An entry has its outcome. Wakes nobody, so that the entries of a chunk wake the batcher once: see `wake_batcher`.
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

    /// Lets the batcher check again, if it waits for room. From another thread that is a system call.
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
    /// Also if there is no room: a caller that starts several checks first.
    pub fn begin(in_flight: &Arc<InFlight>) -> Self {
        in_flight.forwarded.fetch_add(1, Ordering::SeqCst);
        in_flight.counted.fetch_add(1, Ordering::SeqCst);
        Forwarding { in_flight: Arc::clone(in_flight), is_counted: true }
    }

    /// Returns when the asked leader's answer is no longer worth waiting for: another one has led for a while. From the
    /// moment another node leads, this batch makes room for others.
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
