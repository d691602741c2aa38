//! Writes that arrive at a follower go to the leader, once.
//!
//! A proposal that certainly was not taken (no leader, unreachable, refused) is tried again until somebody leads or the
//! time is up; one that may have been taken never is: its outcome is unknown. What another node forwarded is not forwarded
//! again.

use crate::{
    peer::{Answer, CallError, Lane, Peers},
    replication::{
        queue::{Forwarding, InFlight, Mailbox, Outbox, Outcome, Queue, Refused, Ticket},
        wire,
    },
    resp::{ErrorReply, Reply, put_reply, take_reply},
    state::ReplicationState,
};
use bytes::Bytes;
use std::{sync::Arc, time::Duration};
use tokio::time::Instant;

/// How long a write waits for somebody to lead.
pub const ELECTION_WAIT_MAX: Duration = Duration::from_secs(5);
const RETRY_INTERVAL: Duration = Duration::from_millis(20);
/// How long the leader may take for a write it has taken.
const ANSWER_MAX: Duration = Duration::from_secs(30);

/// Bytes of proposals that share a line.
const LINE_BYTES: usize = 64 << 10;

/// A write that nobody led to take.
fn no_leader() -> ErrorReply {
    ErrorReply::new("CLUSTERDOWN", "no node leads at the moment; nothing was changed, try again")
}

pub fn unknown(why: &str) -> Outcome {
    let text = format!("outcome unknown: {why}; the write may or may not be applied");
    Outcome::Unknown(ErrorReply::new("UNKNOWN", text))
}

/// The follower's side.
#[derive(Clone)]
pub struct Forwarder {
    pub peers: Arc<Peers>,
    pub state: Arc<ReplicationState>,
    pub in_flight: Arc<InFlight>,
    pub queue: Arc<Queue>,
}

impl Forwarder {
    /// Sees to these proposals: each of the tickets gets its outcome.
    pub async fn forward(
        self,
        mut proposals: Vec<Bytes>,
        mut tickets: Vec<Ticket>,
        mut forwarding: Forwarding,
    ) {
        let deadline = Instant::now() + ELECTION_WAIT_MAX;
        let mut has_waited = false;
        loop {
            if self.state.is_leader() {
                // A leader whom no majority hears, or that is handing over, takes nothing: what it has refused would come
                // back at once, over and over.
                if has_waited && self.state.has_lease() {
                    return self.submit(proposals, tickets);
                }
            } else if let Some((id, address)) = self.state.leader() {
                let client = self.peers.client(&address, id);
                let body = wire::write(&wire::Forward { proposals: proposals.clone() });
                // Large ones must not keep small ones waiting.
                let send = async {
                    match body.len() > LINE_BYTES {
                        true => client.call(wire::kind::FORWARD, body, ANSWER_MAX).await,
                        false => client.send(Lane::Quick, wire::kind::FORWARD, body, ANSWER_MAX).await,
                    }
                };
                let sent = tokio::select! {
                    biased;
                    sent = send => sent,
                    () = forwarding.overtaken(id) => {
                        Err(CallError::Broken("another node leads, and the one that was asked is silent".into()))
                    }
                };
                match sent {
                    Ok(answer) => {
                        let unreadable = "the leader's answer cannot be read";
                        (proposals, tickets) =
                            answer_each(&self.state, proposals, tickets, answer, unreadable);
                    }
                    Err(CallError::Broken(why)) => return answer_all(tickets, &unknown(&why)),
                    Err(CallError::Unreachable(_) | CallError::Refused(_)) => {}
                }
            }
            if tickets.is_empty() {
                return;
            }
            if Instant::now() >= deadline || self.queue.is_closed() {
                return answer_all(tickets, &Outcome::NotDone(no_leader()));
            }
            tokio::time::sleep(RETRY_INTERVAL).await;
            has_waited = true;
        }
    }

    /// To this node's own log.
    fn submit(&self, proposals: Vec<Bytes>, tickets: Vec<Ticket>) {
        for (proposal, ticket) in proposals.into_iter().zip(tickets) {
            if let Err(refused) = self.queue.submit(proposal, ticket.clone()) {
                answer_all(vec![ticket], &Outcome::NotDone(refused.into()));
            }
        }
    }
}

/// The kind of an outcome that says: not done, and another node may be asked.
const SEND_ELSEWHERE: u32 = 4;

/// Hands out the outcomes of forwarded proposals; those that the other node could not take come back. `unreadable`: why an
/// outcome is unknown that cannot be read.
pub fn answer_each(
    state: &ReplicationState,
    proposals: Vec<Bytes>,
    tickets: Vec<Ticket>,
    answer: Bytes,
    unreadable: &str,
) -> (Vec<Bytes>, Vec<Ticket>) {
    let answer = wire::read::<wire::ForwardAnswer>(answer).unwrap_or_default();
    // Before anybody hears of it: whoever reads next must know how far to wait.
    state.forwarded(answer.applied);
    let mut outcomes = answer.outcomes.iter();
    let (mut again, mut outbox) = ((Vec::new(), Vec::new()), Outbox::default());
    for (proposal, ticket) in proposals.into_iter().zip(tickets) {
        let outcome = outcomes.next();
        if outcome.is_some_and(|outcome| outcome.kind == SEND_ELSEWHERE) {
            again.0.push(proposal);
            again.1.push(ticket);
        } else {
            outbox.add(ticket, outcome.and_then(read_outcome).unwrap_or_else(|| unknown(unreadable)));
        }
    }
    outbox.deliver();
    again
}

pub fn answer_all(tickets: Vec<Ticket>, outcome: &Outcome) {
    let mut outbox = Outbox::default();
    tickets.into_iter().for_each(|ticket| outbox.add(ticket, outcome.clone()));
    outbox.deliver();
}

/// The leader's side: proposes what another node sent, and answers with what became of it.
pub async fn receive(queue: Arc<Queue>, state: Arc<ReplicationState>, forward: wire::Forward) -> Answer {
    if !state.is_leader() {
        return Err(CallError::Refused("this node does not lead".into()));
    }
    let outcomes = see_to(&queue, forward, true).await;
    let applied = state.applied_index();
    Ok(wire::write(&wire::ForwardAnswer { outcomes, applied }))
}

/// As `receive`, of an edge, which need not know who leads: what this node may not propose it sends on.
pub async fn receive_from_edge(
    queue: Arc<Queue>,
    state: Arc<ReplicationState>,
    forward: wire::Forward,
) -> Answer {
    let outcomes = see_to(&queue, forward, false).await;
    Ok(wire::write(&wire::ForwardAnswer { outcomes, applied: state.acknowledged() }))
}

async fn see_to(queue: &Queue, forward: wire::Forward, was_forwarded: bool) -> Vec<wire::ForwardOutcome> {
    let mailbox = Mailbox::new();
    let wanted = forward.proposals.len();
    let mut outcomes: Vec<(u64, Outcome)> = Vec::with_capacity(wanted);
    for (id, proposal) in (0_u64..).zip(forward.proposals) {
        let ticket = Ticket { mailbox: Arc::clone(&mailbox), id, was_forwarded };
        if let Err(refused) = queue.submit(proposal, ticket) {
            outcomes.push((id, Outcome::NotDone(refused.into())));
        }
    }
    while outcomes.len() < wanted {
        mailbox.wait().await;
        mailbox.drain(&mut outcomes);
    }
    outcomes.sort_by_key(|(id, _)| *id);
    outcomes.iter().map(|(_, outcome)| write_outcome(outcome)).collect()
}

fn write_outcome(outcome: &Outcome) -> wire::ForwardOutcome {
    let mut replies = Vec::new();
    let elsewhere = [Refused::NotLeader, Refused::Stopping].map(|refused| Outcome::NotDone(refused.into()));
    if elsewhere.contains(outcome) {
        return wire::ForwardOutcome { kind: SEND_ELSEWHERE, replies };
    }
    let kind = match outcome {
        Outcome::Applied(applied) => {
            applied.iter().for_each(|reply| put_reply(reply, &mut replies));
            1
        }
        Outcome::NotDone(error) => {
            put_reply(&Reply::Error(error.clone()), &mut replies);
            2
        }
        Outcome::Unknown(error) => {
            put_reply(&Reply::Error(error.clone()), &mut replies);
            3
        }
    };
    wire::ForwardOutcome { kind, replies }
}

pub fn read_outcome(outcome: &wire::ForwardOutcome) -> Option<Outcome> {
    let mut rest = &outcome.replies[..];
    let mut replies = Vec::new();
    while !rest.is_empty() {
        replies.push(take_reply(&mut rest)?);
    }
    match (outcome.kind, replies.as_slice()) {
        (1, _) => Some(Outcome::Applied(replies)),
        (2, [Reply::Error(error)]) => Some(Outcome::NotDone(error.clone())),
        (3, [Reply::Error(error)]) => Some(Outcome::Unknown(error.clone())),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn outcomes_come_back_as_they_were() {
        for outcome in [
            Outcome::Applied(vec![]),
            Outcome::Applied(vec![Reply::Ok, Reply::Int(3), Reply::Error(ErrorReply::wrong_type())]),
            Outcome::NotDone(no_leader()),
            unknown("x"),
        ] {
            assert_eq!(read_outcome(&write_outcome(&outcome)), Some(outcome));
        }
        for refused in [Refused::NotLeader, Refused::Stopping] {
            assert_eq!(write_outcome(&Outcome::NotDone(refused.into())).kind, SEND_ELSEWHERE);
        }
        assert_eq!(read_outcome(&wire::ForwardOutcome { kind: 2, replies: vec![0] }), None);
        assert_eq!(read_outcome(&wire::ForwardOutcome { kind: 9, replies: vec![] }), None);
    }
}
