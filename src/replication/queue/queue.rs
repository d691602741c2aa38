//! Both ways between the network threads and the log: the bounded queue of proposals, and the mailboxes of outcomes.
//!
//! Both ways cost a system call only where somebody sleeps. A submitter wakes the batcher only if it waits. Outcomes of a
//! whole chunk of entries are collected in an `Outbox`, which rings each mailbox once: a wake of another thread's runtime is
//! the main cost of a write at pipeline 1.

use super::outcome::{NotDone, Outcome};
use crate::{
    limits::{ENTRY_BYTES_MAX, PROPOSAL_QUEUE_BYTES_MAX, PROPOSAL_QUEUE_MAX},
    state::{ReplicationState, Work},
};
use bytes::Bytes;
use crossbeam::queue::ArrayQueue;
use parking_lot::Mutex;
use smallvec::SmallVec;
use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering, fence},
};
use tokio::{
    sync::{Notify, watch},
    time::Instant,
};

/// Bytes of an entry beside its proposals, and some room.
const ENTRY_HEAD_BYTES: usize = 1024;

/// The waiter of a proposal: its network thread, and the waiter's number there.
#[derive(Clone, Debug)]
pub struct Ticket {
    pub mailbox: Arc<Mailbox>,
    pub id: u64,
    /// Another node sent it: it must not be sent on.
    pub was_forwarded: bool,
    /// The client of this node who waits; 0 = none does.
    pub client: u64,
    /// What the proposal may amount to.
    pub work: Work,
}

/// Proposals that wait for the log.
pub struct Queue {
    proposals: ArrayQueue<(Bytes, Ticket)>,
    /// Its `queued_bytes` are this queue's.
    state: Arc<ReplicationState>,
    batcher_awake: AtomicBool,
    bell: Notify,
    closed: AtomicBool,
    /// The latest time for outcomes of taken proposals, once it is known.
    deadline: watch::Sender<Option<Instant>>,
}

impl Queue {
    pub fn new(state: Arc<ReplicationState>) -> Self {
        Queue {
            proposals: ArrayQueue::new(PROPOSAL_QUEUE_MAX),
            state,
            batcher_awake: AtomicBool::new(true),
            bell: Notify::new(),
            closed: AtomicBool::new(false),
            deadline: watch::Sender::new(None),
        }
    }

    /// Queues a proposal; an error says that it never will be done.
    pub fn submit(&self, proposal: Bytes, ticket: Ticket) -> Result<(), NotDone> {
        let len = proposal.len();
        if len > ENTRY_BYTES_MAX - ENTRY_HEAD_BYTES {
            return Err(NotDone::TooLarge);
        }
        if self.closed.load(Ordering::SeqCst) {
            return Err(NotDone::Stopping);
        }
        let bytes = len as u64;
        let queued = &self.state.queued_bytes;
        if !self.state.has_room(bytes.saturating_add(queued.load(Ordering::Relaxed))) {
            return Err(NotDone::DiskFull);
        }
        if queued.fetch_add(bytes, Ordering::AcqRel).saturating_add(bytes) > PROPOSAL_QUEUE_BYTES_MAX as u64
            || self.proposals.push((proposal, ticket)).is_err()
        {
            queued.fetch_sub(bytes, Ordering::AcqRel);
            return Err(NotDone::QueueFull);
        }
        fence(Ordering::SeqCst);
        if self.closed.load(Ordering::SeqCst) {
            // The batcher may have looked for the last time before this push.
            self.refuse_all(&NotDone::Stopping);
        } else if !self.batcher_awake.swap(true, Ordering::SeqCst) {
            self.bell.notify_one();
        }
        Ok(())
    }

    /// Proposes what this node itself asks for (upkeep, marks), and waits for its outcome. `was_forwarded`: as of `Ticket`.
    pub async fn propose(&self, proposal: Bytes, was_forwarded: bool) -> Result<Outcome, NotDone> {
        let mailbox = Mailbox::new();
        let work = Work::HOUSEKEEPING;
        self.submit(
            proposal,
            Ticket { mailbox: Arc::clone(&mailbox), id: 0, was_forwarded, client: 0, work },
        )?;
        let mut outcomes = Vec::new();
        loop {
            mailbox.wait().await;
            mailbox.drain(&mut outcomes);
            if let Some((_, outcome)) = outcomes.pop() {
                return Ok(outcome);
            }
        }
    }

    /// Takes the oldest proposal.
    pub fn pop(&self) -> Option<(Bytes, Ticket)> {
        let taken = self.proposals.pop()?;
        self.state.queued_bytes.fetch_sub(taken.0.len() as u64, Ordering::AcqRel);
        Some(taken)
    }

    pub fn is_empty(&self) -> bool {
        self.proposals.is_empty()
    }

    /// From now on everything is refused; queued proposals stay.
    pub fn close(&self) {
        self.closed.store(true, Ordering::SeqCst);
        self.bell.notify_one();
    }

    /// Closes it, and sets the latest time for queued proposals.
    pub fn close_by(&self, deadline: Instant) {
        self.deadline.send_replace(Some(deadline));
        self.close();
    }

    /// The latest time for queued proposals; `None`: none is set.
    pub fn deadline(&self) -> Option<Instant> {
        *self.deadline.borrow()
    }

    /// Resolves when the time for queued proposals is up.
    pub async fn overdue(&self) {
        let mut deadline = self.deadline.subscribe();
        // The sender is in `self`, so the channel cannot close.
        if let Ok(Some(deadline)) = deadline.wait_for(Option::is_some).await.map(|deadline| *deadline) {
            tokio::time::sleep_until(deadline).await;
        }
    }

    pub fn is_closed(&self) -> bool {
        self.closed.load(Ordering::SeqCst)
    }

    /// Answers everything queued: it was not done.
    pub fn refuse_all(&self, why: &NotDone) {
        let mut outbox = Outbox::default();
        while let Some((_, ticket)) = self.pop() {
            outbox.add(ticket, Outcome::NotDone(why.clone()));
        }
        outbox.deliver();
    }

    /// For the batcher: waits until something may be queued, or the queue is closed.
    pub async fn wait(&self) {
        self.batcher_awake.store(false, Ordering::SeqCst);
        fence(Ordering::SeqCst);
        if self.is_empty() && !self.is_closed() {
            self.bell.notified().await;
        }
        self.batcher_awake.store(true, Ordering::SeqCst);
    }
}

/// Waiters' ids and what became of their proposals, oldest first.
type Outcomes = Vec<(u64, Outcome)>;

/// Outcomes for one network thread. Anyone may put some in; one consumer takes them out.
#[derive(Debug, Default)]
pub struct Mailbox {
    outcomes: Mutex<Outcomes>,
    bell: Notify,
}

impl Mailbox {
    pub fn new() -> Arc<Self> {
        Arc::new(Mailbox::default())
    }

    /// Moves all outcomes into `into`, oldest first.
    pub fn drain(&self, into: &mut Outcomes) {
        into.append(&mut self.outcomes.lock());
    }

    /// Waits until something was put in since the last wait returned. May return once too often; never once too seldom.
    pub async fn wait(&self) {
        self.bell.notified().await;
    }

    /// Puts outcomes in and rings once.
    fn put(&self, mut outcomes: Outcomes) {
        self.outcomes.lock().append(&mut outcomes);
        self.bell.notify_one();
    }
}

/// Outcomes on their way, sorted by mailbox.
#[derive(Debug, Default)]
pub struct Outbox {
    /// As many as there are network threads: a linear search is the fastest.
    boxes: SmallVec<[(Arc<Mailbox>, Outcomes); 4]>,
}

impl Outbox {
    /// Adds an outcome; `deliver` makes it visible.
    pub fn add(&mut self, ticket: Ticket, outcome: Outcome) {
        let known = self.boxes.iter_mut().find(|(mailbox, _)| Arc::ptr_eq(mailbox, &ticket.mailbox));
        match known {
            Some((_, outcomes)) => outcomes.push((ticket.id, outcome)),
            None => self.boxes.push((ticket.mailbox, vec![(ticket.id, outcome)])),
        }
    }

    /// Hands everything over, one wake per mailbox.
    pub fn deliver(&mut self) {
        for (mailbox, outcomes) in self.boxes.drain(..) {
            mailbox.put(outcomes);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::resp::Reply;

    #[tokio::test(flavor = "current_thread")]
    async fn outcomes_keep_their_order_and_ring_once_per_delivery() {
        let (a, b) = (Mailbox::new(), Mailbox::new());
        let mut outbox = Outbox::default();
        for id in 0..5 {
            let mailbox = if id % 2 == 0 { &a } else { &b };
            outbox.add(
                Ticket {
                    mailbox: Arc::clone(mailbox),
                    id,
                    was_forwarded: false,
                    client: 0,
                    work: Work::NONE,
                },
                Outcome::Applied(vec![Reply::Ok]),
            );
        }
        outbox.deliver();
        a.wait().await;
        b.wait().await;
        let ids = |mailbox: &Mailbox| {
            let mut got = Vec::new();
            mailbox.drain(&mut got);
            got.iter().map(|(id, _)| *id).collect::<Vec<_>>()
        };
        assert_eq!(ids(&a), [0, 2, 4]);
        assert_eq!(ids(&b), [1, 3]);
        let again = tokio::time::timeout(std::time::Duration::from_millis(10), a.wait()).await;
        assert!(again.is_err(), "rang twice for one delivery");
    }
}
