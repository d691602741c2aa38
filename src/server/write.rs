//! Writes of a connection: gathered (consecutive ones travel as one proposal), proposed, and answered.
//!
//! A proposal waits in a slot of its network thread for its outcome. The thread takes outcomes out of its mailbox, as many
//! as have come, and puts each into its slot.

use super::{
    connection::Connection,
    entry_size::{encoded_len, is_too_large, too_large},
    read::borrowed,
    thread::ThreadState,
};
use crate::{
    acl::User,
    command::{Flags, Resolved},
    limits,
    replica::ProposalBuilder,
    replication::{Mailbox, NotDone, Outcome, Ticket, Unknown},
    resp::Reply,
    session::{Client, Commit},
    state::Work,
    store::{Origin, ReadTime},
    time::monotonic_ms,
};
use bytes::Bytes;
use slab::Slab;
use std::{
    cell::RefCell,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, Waker},
};

/// Keys of one proposal whose takers are told of it.
const AWAITED_MAX: usize = 64;

/// The proposal being filled.
pub(super) struct Pending {
    builder: Option<ProposalBuilder>,
    /// `Resolved::index` of each call.
    indexes: Vec<usize>,
    work: Work,
    /// Keys that calls add to, as far as sessions of this node wait to take from them.
    awaited: Vec<(u32, Vec<u8>)>,
}

impl Default for Pending {
    fn default() -> Self {
        Pending { builder: None, indexes: Vec::new(), work: Work::NONE, awaited: Vec::new() }
    }
}

impl Pending {
    pub(super) fn is_empty(&self) -> bool {
        self.builder.is_none()
    }

    /// Adds a call.
    fn push(&mut self, call: Resolved, db: u32, caller: (Option<&User>, Option<Origin>), argv: &[&[u8]]) {
        self.indexes.push(call.index);
        self.work = self.work.and(call.work(argv));
        let (user, origin) = caller;
        self.builder.get_or_insert_with(ProposalBuilder::commands).push_as(
            db,
            user.map(|user| user.name().as_bytes()),
            origin,
            argv,
        );
    }

    /// Whether a read that was short a moment ago is short behind these writes.
    fn is_short(&self) -> bool {
        let bytes = self.builder.as_ref().map_or(0, ProposalBuilder::len);
        bytes <= limits::TRAVELLED_WITH_BYTES_MAX && !self.work.may_take_long
    }

    /// Whether the call would make the proposal larger than one entry should be.
    fn overflows(&self, argv: &[&[u8]]) -> bool {
        self.builder.as_ref().is_some_and(|builder| {
            builder.len().saturating_add(encoded_len(argv)) > limits::ENTRY_BYTES_TARGET
                || builder.calls() >= limits::PROPOSAL_COMMANDS_MAX
        })
    }
}

impl Connection {
    /// Queues a write behind those of this chunk.
    pub(super) async fn write(&mut self, call: Resolved, argv: &[&[u8]]) {
        match self.as_logged(call, argv) {
            Ok(None) => self.write_words(call, argv).await,
            Ok(Some(words)) => Box::pin(self.write_words(call, &borrowed(&words))).await,
            Err(error) => {
                self.flush_writes().await;
                self.finish(call.index, &Reply::Error(error));
            }
        }
    }

    pub(super) async fn write_words(&mut self, call: Resolved, argv: &[&[u8]]) {
        if is_too_large(argv) {
            self.flush_writes().await;
            self.count_rejected(Some(call.index));
            self.reply_error(too_large());
            return;
        }
        if self.pending.overflows(argv) {
            self.flush_writes().await;
        }
        let caller = self.caller_of(call);
        self.pending.push(call, self.session.db, (caller.as_deref(), self.origin_of(call)), argv);
        self.note_awaited(call, argv);
    }

    /// Notes the keys for whose takers this call may be (`park.rs`). At a leader only: elsewhere more can come between a write
    /// and its outcome, and a taker that has tried would not know what became of it.
    fn note_awaited(&mut self, call: Resolved, argv: &[&[u8]]) {
        let parking = &self.thread.node.parking;
        if parking.is_empty() || !call.command.flags.has(Flags::DENYOOM) || !self.thread.group.can_read() {
            return;
        }
        let (db, awaited) = (self.session.db, &mut self.pending.awaited);
        for named in call.command.keys_of(argv) {
            let Some(key) = argv.get(named.at) else { continue };
            if awaited.len() < AWAITED_MAX && parking.is_awaited(db, key) {
                awaited.push((db, key.to_vec()));
            }
        }
    }

    /// Whether a read goes with the writes that wait: it is cheap and its reply is short. Its reply is made where the log is
    /// applied, so one that may be long waits for them instead.
    pub(super) fn travels(&self, call: Resolved, argv: &[&[u8]]) -> bool {
        if self.pending.is_empty() || !call.command.flags.has(Flags::FAST) {
            return false;
        }
        let Some(reply_bytes) = call.command.reply_bytes else { return true };
        // A follower or an edge may not have what makes the reply long.
        if !self.pending.is_short() || !self.thread.group.can_read() {
            return false;
        }
        let store = &self.thread.node.group.store;
        let published = store.latest();
        let view = store.view(&published, self.session.db, ReadTime::LastEntry).quiet();
        // What is not in memory waits, too.
        reply_bytes(&view, argv).is_ok_and(|bytes| bytes <= limits::TRAVELLING_REPLY_BYTES_MAX)
    }

    /// Proposes the writes queued so far and appends their replies, in order.
    pub(super) async fn flush_writes(&mut self) {
        let Some(builder) = self.pending.builder.take() else { return };
        let mut indexes = std::mem::take(&mut self.pending.indexes);
        self.clock.lap();
        let work = std::mem::replace(&mut self.pending.work, Work::NONE);
        let mut awaited = std::mem::take(&mut self.pending.awaited);
        let proposal = builder.finish();
        let mut kept = self.kept_for_log(&proposal);
        let queued = self.thread.queue(&self.session.client, proposal, work);
        for (db, key) in awaited.drain(..).filter(|_| queued.is_ok()) {
            self.thread.node.parking.expect(db, &key);
        }
        let outcome = outcome_of(queued).await;
        let took = self.clock.lap();
        self.thread.committed(took);
        let commit = Commit { calls: indexes.len(), took };
        match outcome.applied() {
            Ok(replies) => {
                debug_assert_eq!(replies.len(), indexes.len());
                self.note_writes();
                for (number, (reply, index)) in replies.iter().zip(&indexes).enumerate() {
                    self.count_write(*index, commit, matches!(reply, Reply::Error(_)));
                    let before = self.output.len();
                    self.reply(reply);
                    let bytes = self.output.len().saturating_sub(before);
                    self.log_reply(*index, bytes, &mut kept, number);
                }
                self.note_logged_keys(&kept);
            }
            Err(error) => {
                let reply = Reply::Error(error);
                for index in &indexes {
                    self.count_write(*index, commit, true);
                    self.reply(&reply);
                }
            }
        }
        indexes.clear();
        self.pending.indexes = indexes;
    }
}

impl ThreadState {
    /// Queues a proposal; resolves with its outcome, or with "outcome unknown" after the write timeout.
    pub(super) async fn propose(&self, client: &Client, proposal: Bytes, work: Work) -> Outcome {
        outcome_of(self.queue(client, proposal, work)).await
    }

    /// Queues a proposal.
    fn queue(&self, client: &Client, proposal: Bytes, work: Work) -> Result<Waiting<'_>, NotDone> {
        let waiting = self.waiters.enter();
        let ticket = Ticket {
            mailbox: Arc::clone(&self.waiters.mailbox),
            id: waiting.id as u64,
            was_forwarded: false,
            client: client.id,
            work,
        };
        match self.group.submit(proposal, ticket) {
            Ok(()) => Ok(waiting),
            Err(why) => {
                waiting.leave();
                Err(why)
            }
        }
    }
}

async fn outcome_of(queued: Result<Waiting<'_>, NotDone>) -> Outcome {
    match queued {
        Ok(waiting) => waiting.await,
        Err(why) => Outcome::NotDone(why),
    }
}

/// Proposals of one network thread's connections that the log has not answered yet.
pub(super) struct Waiters {
    mailbox: Arc<Mailbox>,
    slots: RefCell<Slab<Slot>>,
}

/// Stays taken until the log has had its say, so that no other proposal gets the outcome.
struct Slot {
    since_ms: u64,
    outcome: Option<Outcome>,
    waker: Option<Waker>,
    is_awaited: bool,
    is_answered: bool,
}

impl Waiters {
    pub(super) fn new() -> Self {
        Waiters { mailbox: Mailbox::new(), slots: RefCell::new(Slab::with_capacity(1024)) }
    }

    fn enter(&self) -> Waiting<'_> {
        let slot = Slot {
            since_ms: monotonic_ms(),
            outcome: None,
            waker: None,
            is_awaited: true,
            is_answered: false,
        };
        Waiting { id: self.slots.borrow_mut().insert(slot), waiters: self }
    }

    /// Hands out what comes to the mailbox, for ever.
    pub(super) async fn deliver(&self) {
        let mut outcomes = Vec::new();
        loop {
            self.mailbox.wait().await;
            self.mailbox.drain(&mut outcomes);
            for (id, outcome) in outcomes.drain(..) {
                if let Some(waker) = usize::try_from(id).ok().and_then(|id| self.answer(id, outcome)) {
                    waker.wake();
                }
            }
        }
    }

    /// Puts an outcome of the log into its slot; whom to wake.
    fn answer(&self, id: usize, outcome: Outcome) -> Option<Waker> {
        let mut slots = self.slots.borrow_mut();
        let slot = slots.get_mut(id)?;
        if !slot.is_awaited {
            // The connection has gone, or was told "unknown"; the write stands all the same.
            slots.try_remove(id);
            return None;
        }
        slot.is_answered = true;
        slot.outcome.get_or_insert(outcome);
        slot.waker.take()
    }

    /// Answers writes that have waited since before that time; says how many. Their slots stay taken.
    pub(super) fn give_up(&self, before_ms: u64, why: &Unknown) -> usize {
        let mut wakers = Vec::new();
        let mut given_up = 0_usize;
        for (_, slot) in self.slots.borrow_mut().iter_mut() {
            if slot.is_awaited && slot.outcome.is_none() && slot.since_ms < before_ms {
                slot.outcome = Some(Outcome::Unknown(why.clone()));
                wakers.extend(slot.waker.take());
                given_up = given_up.saturating_add(1);
            }
        }
        wakers.into_iter().for_each(Waker::wake);
        given_up
    }

    /// Nobody waits in this slot any more.
    fn leave(&self, id: usize) {
        let mut slots = self.slots.borrow_mut();
        let Some(slot) = slots.get_mut(id) else { return };
        (slot.is_awaited, slot.waker) = (false, None);
        if slot.is_answered {
            slots.try_remove(id);
        }
    }
}

/// A proposal that waits for its outcome. Dropped, it leaves its slot to the log's answer.
struct Waiting<'a> {
    waiters: &'a Waiters,
    id: usize,
}

impl Waiting<'_> {
    /// The proposal was not taken: no answer will come.
    fn leave(self) {
        if let Some(slot) = self.waiters.slots.borrow_mut().get_mut(self.id) {
            slot.is_answered = true;
        }
    }
}

impl Future for Waiting<'_> {
    type Output = Outcome;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Outcome> {
        let mut slots = self.waiters.slots.borrow_mut();
        // The slot is there until `self` is dropped.
        let Some(slot) = slots.get_mut(self.id) else {
            return Poll::Ready(Outcome::Unknown(Unknown::LogStopped));
        };
        match slot.outcome.take() {
            Some(outcome) => Poll::Ready(outcome),
            None => {
                slot.waker = Some(context.waker().clone());
                Poll::Pending
            }
        }
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.waiters.leave(self.id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::FutureExt;

    fn applied(n: i64) -> Outcome {
        Outcome::Applied(vec![Reply::Int(n)])
    }

    #[test]
    fn each_gets_its_own_outcome_and_slots_are_used_again() {
        let waiters = Waiters::new();
        let (mut one, mut other) = (waiters.enter(), waiters.enter());
        assert_eq!((&mut one).now_or_never(), None);
        assert!(waiters.answer(other.id, applied(2)).is_none(), "nobody has asked for it yet");
        assert!(waiters.answer(one.id, applied(1)).is_some());
        assert_eq!((&mut other).now_or_never(), Some(applied(2)));
        assert_eq!((&mut one).now_or_never(), Some(applied(1)));
        drop((one, other));
        assert!(waiters.slots.borrow().is_empty());
    }

    #[test]
    fn a_slot_that_was_given_up_stays_taken_until_the_log_has_its_say() {
        let waiters = Waiters::new();
        let mut late = waiters.enter();
        assert_eq!(waiters.give_up(0, &Unknown::TimedOut), 0);
        assert_eq!(waiters.give_up(u64::MAX, &Unknown::TimedOut), 1);
        assert_eq!(waiters.give_up(u64::MAX, &Unknown::TimedOut), 0, "told once");
        assert_eq!((&mut late).now_or_never(), Some(Outcome::Unknown(Unknown::TimedOut)));
        let id = late.id;
        drop(late);
        let next = waiters.enter();
        assert_ne!(next.id, id, "it would get the outcome of another write");
        assert!(waiters.answer(id, applied(1)).is_none());
        assert_eq!(waiters.slots.borrow().len(), 1);
        assert_eq!(next.now_or_never(), None);
        assert_eq!(waiters.slots.borrow().len(), 1, "left, and not answered");
    }

    #[test]
    fn what_the_log_says_first_counts() {
        let waiters = Waiters::new();
        let mut told = waiters.enter();
        waiters.give_up(u64::MAX, &Unknown::ServerStopped);
        waiters.answer(told.id, applied(1));
        assert_eq!((&mut told).now_or_never(), Some(Outcome::Unknown(Unknown::ServerStopped)));
        drop(told);
        waiters.enter().leave();
        assert!(waiters.slots.borrow().is_empty());
    }
}
