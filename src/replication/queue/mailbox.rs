//! How outcomes get back to the network threads: one mailbox per thread, one wake per batch.
//!
//! A wake of another thread's runtime is a system call and the main cost at pipeline 1, so the apply thread collects the
//! outcomes of a whole chunk in an `Outbox` and rings each touched mailbox once.

use crate::resp::{ErrorReply, Reply};
use parking_lot::Mutex;
use smallvec::SmallVec;
use std::sync::Arc;
use tokio::sync::Notify;

/// Who waits for a proposal: which network thread, and which of its waiters.
#[derive(Clone, Debug)]
pub struct Ticket {
    pub mailbox: Arc<Mailbox>,
    pub id: u64,
    /// Another node sent it: it must not be sent on.
    pub was_forwarded: bool,
}

/// What became of a proposal.
#[derive(Debug, Clone, PartialEq)]
pub enum Outcome {
    /// Durable and applied: one reply per call (a transaction: one in all).
    Applied(Vec<Reply>),
    /// Definitely not done, and never will be.
    NotDone(ErrorReply),
    /// It may have been done, or may yet be.
    Unknown(ErrorReply),
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
    /// Adds an outcome; nobody hears of it before `deliver`.
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

    #[tokio::test(flavor = "current_thread")]
    async fn outcomes_keep_their_order_and_ring_once_per_delivery() {
        let (a, b) = (Mailbox::new(), Mailbox::new());
        let mut outbox = Outbox::default();
        for id in 0..5 {
            let mailbox = if id % 2 == 0 { &a } else { &b };
            outbox.add(
                Ticket { mailbox: Arc::clone(mailbox), id, was_forwarded: false },
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
