//! The batcher: all queued proposals become one entry, as soon as there is room for one more in flight. No linger timer:
//! while one entry is synced and applied, the next one gathers. While the store could not take more without a stall, proposals wait
//! in the queue, which is bounded: a stall would keep the thread that applies, and may be that of the heartbeats.

use super::forward::{Forwarder, answer_all};
use crate::{
    limits::ENTRY_BYTES_TARGET,
    replica::BatchBuilder,
    replication::{
        consensus::{RaftNode, Replies},
        queue::{Forwarding, InFlight, NotDone, Outbox, Outcome, Queue, Ticket, Unknown},
    },
    state::{ReplicationState, Work},
    store::Store,
};
use bytes::Bytes;
use std::{sync::Arc, time::Duration};

/// How often a leader whose store is behind with its flushes looks whether it may propose again.
const STALL_POLL: Duration = Duration::from_millis(5);

/// State of the batcher's task.
pub struct Batcher {
    queue: Arc<Queue>,
    state: Arc<ReplicationState>,
    store: Arc<Store>,
    in_flight: Arc<InFlight>,
    /// Forwards writes while another node leads; `None`: there is no other node.
    forwarder: Option<Forwarder>,
    /// Taken from the queue, but too large for the entry it would have joined.
    carried: Option<(Bytes, Ticket)>,
    seed: u64,
}

impl Batcher {
    pub fn new(
        queue: Arc<Queue>,
        state: Arc<ReplicationState>,
        store: Arc<Store>,
        in_flight: Arc<InFlight>,
        forwarder: Option<Forwarder>,
    ) -> Self {
        let seed = state.environment().random();
        Batcher { queue, state, store, in_flight, forwarder, carried: None, seed }
    }

    /// Proposes until the queue is closed and nothing is in flight.
    pub async fn run(mut self, raft: &RaftNode) {
        loop {
            if self.carried.is_none() && self.queue.is_empty() {
                if self.queue.is_closed() {
                    break;
                }
                self.queue.wait().await;
            } else if !self.state.is_leader() && self.forwarder.is_none() {
                self.refuse();
            } else if self.state.is_leader() && self.store.nears_stall() {
                tokio::time::sleep(STALL_POLL).await;
            } else if self.state.is_leader() && self.in_flight.acquire() {
                self.propose(raft).await;
            } else if !self.state.is_leader() && self.in_flight.has_room_to_forward() {
                self.forward();
            } else {
                // Stays marked awake, so that submitters do not ring in vain.
                self.in_flight.wait_until(|| self.in_flight.has_room()).await;
            }
        }
        while !self.in_flight.is_empty() {
            self.in_flight.wait_until(|| self.in_flight.is_empty()).await;
        }
        self.queue.refuse_all(&NotDone::Stopping);
    }

    async fn propose(&mut self, raft: &RaftNode) {
        let (batch, tickets, proposals) = self.gather();
        let at = self.state.clock.now_ms();
        self.seed = self.seed.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(0x1405_7b7e_f767_814f);
        let seed = self.seed ^ (self.seed >> 33);
        let elsewhere = self.forwarder.clone().map(|forwarder| (forwarder, proposals));
        let proposed = Proposed {
            tickets,
            in_flight: Arc::clone(&self.in_flight),
            elsewhere,
            _bytes: InFlightBytes::of(&self.state, batch.len()),
        };
        let work = proposed.tickets.iter().fold(Work::NONE, |work, ticket| work.and(ticket.work));
        raft.propose(batch.finish(at, seed), Some(work), move |outcome| proposed.complete(outcome)).await;
    }

    /// Forwards queued proposals to the leader; those that another node forwarded are refused, since this node does not
    /// lead.
    fn forward(&mut self) {
        let (mut proposals, mut tickets, mut refused) = (Vec::new(), Vec::new(), Outbox::default());
        let mut bytes = 0_usize;
        while let Some((proposal, ticket)) = self.next() {
            if ticket.was_forwarded {
                refused.add(ticket, Outcome::NotDone(NotDone::NotLeader));
                continue;
            }
            if bytes > 0 && bytes.saturating_add(proposal.len()) > ENTRY_BYTES_TARGET {
                self.carried = Some((proposal, ticket));
                break;
            }
            bytes = bytes.saturating_add(proposal.len());
            proposals.push(proposal);
            tickets.push(ticket);
        }
        refused.deliver();
        if let Some(forwarder) = self.forwarder.clone().filter(|_| !proposals.is_empty()) {
            let forwarding = Forwarding::begin(&self.in_flight);
            tokio::spawn(forwarder.forward(proposals, tickets, forwarding));
        }
    }

    fn next(&mut self) -> Option<(Bytes, Ticket)> {
        self.carried.take().or_else(|| self.queue.pop())
    }

    /// As many queued proposals as one entry should carry, at least one; in a core of several also each by itself.
    fn gather(&mut self) -> (BatchBuilder, Vec<Ticket>, Vec<Bytes>) {
        let (mut tickets, mut proposals) = (Vec::new(), Vec::new());
        let mut next = self.next();
        let first_len = next.as_ref().map_or(0, |(proposal, _)| proposal.len());
        let mut batch = BatchBuilder::with_capacity(first_len.max(4096));
        while let Some((proposal, ticket)) = next {
            if !batch.is_empty() && batch.len().saturating_add(proposal.len()) > ENTRY_BYTES_TARGET {
                self.carried = Some((proposal, ticket));
                break;
            }
            batch.push(&proposal);
            tickets.push(ticket);
            if self.forwarder.is_some() {
                proposals.push(proposal);
            }
            next = self.queue.pop();
        }
        (batch, tickets, proposals)
    }

    fn refuse(&mut self) {
        if let Some((_, ticket)) = self.carried.take() {
            let mut outbox = Outbox::default();
            outbox.add(ticket, Outcome::NotDone(NotDone::NotLeader));
            outbox.deliver();
        }
        self.queue.refuse_all(&NotDone::NotLeader);
    }
}

/// The waiters of one entry. However it ends, each gets one outcome.
struct Proposed {
    tickets: Vec<Ticket>,
    in_flight: Arc<InFlight>,
    /// The forwarder to use if this node turns out not to lead, and the proposals themselves.
    elsewhere: Option<(Forwarder, Vec<Bytes>)>,
    _bytes: InFlightBytes,
}

/// Bytes of an entry on its way: the data will grow by as much, about.
struct InFlightBytes(Arc<ReplicationState>, u64);

impl InFlightBytes {
    fn of(state: &Arc<ReplicationState>, bytes: usize) -> Self {
        state.memory.proposed(bytes as u64);
        InFlightBytes(Arc::clone(state), bytes as u64)
    }
}

impl Drop for InFlightBytes {
    fn drop(&mut self) {
        self.0.memory.ended(self.1);
    }
}

impl Proposed {
    fn complete(mut self, outcome: Outcome<Replies>) {
        match (outcome, self.elsewhere.take()) {
            (Outcome::Applied(replies), _) => self.in_flight.applied(self.tickets.drain(..), replies),
            (Outcome::NotDone(NotDone::NotLeader), Some((forwarder, proposals))) => {
                self.send(forwarder, proposals);
            }
            (Outcome::NotDone(why), _) => self.fail(&Outcome::NotDone(why)),
            (Outcome::Unknown(why), _) => self.fail(&Outcome::Unknown(why)),
        }
    }

    /// Another node leads: what clients of this one wait for goes there.
    fn send(&mut self, forwarder: Forwarder, proposals: Vec<Bytes>) {
        let (own, foreign): (Vec<_>, Vec<_>) =
            self.tickets.drain(..).zip(proposals).partition(|(ticket, _)| !ticket.was_forwarded);
        let mut outbox = Outbox::default();
        for (ticket, _) in foreign {
            outbox.add(ticket, Outcome::NotDone(NotDone::NotLeader));
        }
        outbox.deliver();
        let forwarding = Forwarding::begin(&self.in_flight);
        self.in_flight.release();
        self.in_flight.wake_batcher();
        let (tickets, proposals) = own.into_iter().unzip();
        // The outcome comes from the raft core, which runs where the batcher does.
        tokio::spawn(forwarder.forward(proposals, tickets, forwarding));
    }

    fn fail(&mut self, outcome: &Outcome) {
        answer_all(self.tickets.drain(..), outcome);
        self.in_flight.release();
        self.in_flight.wake_batcher();
    }
}

impl Drop for Proposed {
    /// Dropped without an outcome: the raft core has stopped with the entry somewhere in it.
    fn drop(&mut self) {
        if !self.tickets.is_empty() {
            self.fail(&Outcome::Unknown(Unknown::LogStopped));
        }
    }
}
