//! Writes of an edge's clients go to the core, over the edge's own connection, once.
//!
//! A write that no core node took is tried again, at another node if need be, until the time is up; one that may have been
//! taken never is. A connection keeps the order of its writes itself: it waits for each proposal.

use super::upstreams::Upstreams;
use crate::{
    feature_level,
    limits::ENTRY_BYTES_TARGET,
    peer::CallError,
    replication::{
        proposals::{answer_all, answer_each},
        queue::{NotDone, Outcome, Queue, Ticket, Unknown},
        wire::{Forward, edge_kind, write},
    },
    state::ReplicationState,
};
use bytes::Bytes;
use std::{sync::Arc, time::Duration};
use tokio::{sync::Semaphore, time::Instant};

/// Longest time to find a core node that takes a write.
const REACH_MAX: Duration = Duration::from_secs(5);
const RETRY_INTERVAL: Duration = Duration::from_millis(50);
/// Longest time for the core to answer a write that it took.
const ANSWER_MAX: Duration = Duration::from_secs(30);
/// Most calls in flight; beyond that, writes gather in the queue and share the next call.
const CALLS_MAX: usize = 32;

/// Forwards writes to the core.
#[derive(Clone)]
pub struct Writes {
    pub queue: Arc<Queue>,
    pub upstreams: Arc<Upstreams>,
    pub state: Arc<ReplicationState>,
}

impl Writes {
    /// Sends until the queue is closed and all that were sent are answered.
    pub async fn run(self) {
        let room = Arc::new(Semaphore::new(CALLS_MAX));
        let mut carried = None;
        loop {
            if carried.is_none() && self.queue.is_empty() {
                if self.queue.is_closed() {
                    break;
                }
                self.queue.wait().await;
                continue;
            }
            // The semaphore is never closed.
            let Ok(place) = Arc::clone(&room).acquire_owned().await else { break };
            let (proposals, tickets) = self.gather(&mut carried);
            let writes = self.clone();
            tokio::spawn(async move {
                writes.send(proposals, tickets).await;
                drop(place);
            });
        }
        let _ = room.acquire_many(u32::try_from(CALLS_MAX).unwrap_or(u32::MAX)).await;
        self.queue.refuse_all(&NotDone::Stopping);
    }

    fn gather(&self, carried: &mut Option<(Bytes, Ticket)>) -> (Vec<Bytes>, Vec<Ticket>) {
        let (mut proposals, mut tickets, mut bytes) = (Vec::new(), Vec::new(), 0_usize);
        while let Some((proposal, ticket)) = carried.take().or_else(|| self.queue.pop()) {
            if bytes > 0 && bytes.saturating_add(proposal.len()) > ENTRY_BYTES_TARGET {
                *carried = Some((proposal, ticket));
                break;
            }
            bytes = bytes.saturating_add(proposal.len());
            proposals.push(proposal);
            tickets.push(ticket);
        }
        (proposals, tickets)
    }

    async fn send(&self, mut proposals: Vec<Bytes>, mut tickets: Vec<Ticket>) {
        let deadline = Instant::now() + REACH_MAX;
        while !tickets.is_empty() {
            let feature_level = feature_level::NEWEST;
            let body = write(&Forward { proposals: proposals.clone(), feature_level });
            match self.upstreams.call(edge_kind::FORWARD, &body, ANSWER_MAX, deadline).await {
                Ok(answer) => {
                    (proposals, tickets) = answer_each(&self.state, proposals, tickets, answer, "core");
                }
                Err(CallError::Broken(why)) => {
                    return answer_all(tickets, &Outcome::Unknown(Unknown::NoAnswer(why)));
                }
                Err(CallError::Unreachable(_) | CallError::Refused(_)) => {}
            }
            if !tickets.is_empty() {
                if Instant::now() >= deadline || self.queue.is_closed() {
                    return answer_all(tickets, &Outcome::NotDone(NotDone::CoreUnreachable));
                }
                tokio::time::sleep(RETRY_INTERVAL).await;
            }
        }
    }
}
