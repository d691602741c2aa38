//! The bounded queue between the network threads and the batcher.
//!
//! A submitter wakes the batcher only if it sleeps, so a busy batcher costs no system calls.

use super::mailbox::{Outbox, Outcome, Ticket};
use crate::{
    limits::{ENTRY_BYTES_MAX, PROPOSAL_QUEUE_BYTES_MAX, PROPOSAL_QUEUE_MAX},
    resp::ErrorReply,
    state::ReplicationState,
};
use bytes::Bytes;
use crossbeam::queue::ArrayQueue;
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

/// The proposal was not taken, and never will be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    #[error("too many writes are waiting for the log")]
    Full,
    #[error("the write is larger than one log entry may be")]
    TooLarge,
    #[error("the server is stopping")]
    Stopping,
    #[error("this node is not the leader")]
    NotLeader,
}

impl From<Refused> for ErrorReply {
    fn from(refused: Refused) -> Self {
        match refused {
            Refused::Full => {
                ErrorReply::try_again("too many writes are waiting for the log; nothing was changed")
            }
            Refused::TooLarge => {
                ErrorReply::err("the write is larger than one log entry may be; nothing was changed")
            }
            Refused::Stopping => ErrorReply::try_again("the server is stopping; nothing was changed"),
            Refused::NotLeader => ErrorReply::try_again("this node is not the leader; nothing was changed"),
        }
    }
}

/// See the module.
pub struct Queue {
    proposals: ArrayQueue<(Bytes, Ticket)>,
    /// Its `queued_bytes` are this queue's.
    state: Arc<ReplicationState>,
    batcher_awake: AtomicBool,
    bell: Notify,
    closed: AtomicBool,
    /// Until when what was taken may land, once that is known.
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

    /// Queues a proposal.
    pub fn submit(&self, proposal: Bytes, ticket: Ticket) -> Result<(), Refused> {
        let len = proposal.len();
        if len > ENTRY_BYTES_MAX - ENTRY_HEAD_BYTES {
            return Err(Refused::TooLarge);
        }
        if self.closed.load(Ordering::SeqCst) {
            return Err(Refused::Stopping);
        }
        let bytes = len as u64;
        let queued = &self.state.queued_bytes;
        if queued.fetch_add(bytes, Ordering::AcqRel).saturating_add(bytes) > PROPOSAL_QUEUE_BYTES_MAX as u64
            || self.proposals.push((proposal, ticket)).is_err()
        {
            queued.fetch_sub(bytes, Ordering::AcqRel);
            return Err(Refused::Full);
        }
        fence(Ordering::SeqCst);
        if self.closed.load(Ordering::SeqCst) {
            // The batcher may have looked for the last time before this push.
            self.refuse_all(Refused::Stopping);
        } else if !self.batcher_awake.swap(true, Ordering::SeqCst) {
            self.bell.notify_one();
        }
        Ok(())
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

    /// From here on everything is refused; what is queued stays.
    pub fn close(&self) {
        self.closed.store(true, Ordering::SeqCst);
        self.bell.notify_one();
    }

    /// Closes it, and says until when what is queued may still be done.
    pub fn close_by(&self, deadline: Instant) {
        self.deadline.send_replace(Some(deadline));
        self.close();
    }

    /// Until when what is queued may still be done; `None`: that was not said.
    pub fn deadline(&self) -> Option<Instant> {
        *self.deadline.borrow()
    }

    /// Resolves when what was queued and is not done has no more time.
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
    pub fn refuse_all(&self, why: Refused) {
        let mut outbox = Outbox::default();
        while let Some((_, ticket)) = self.pop() {
            outbox.add(ticket, Outcome::NotDone(why.into()));
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
