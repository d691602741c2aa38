//! Writes that arrive at a follower go to the leader, once.
//!
//! A proposal that no node took (no leader, unreachable, refused) is tried again until there is a leader or the time is up;
//! one that may have been taken never is: its outcome is unknown. Proposals forwarded by another node are not forwarded
//! again.

use super::allowed::{Allowed, Refused};
use crate::{
    command::Table,
    feature_level,
    peer::{Answer, CallError, Lane, Peers},
    replication::{
        queue::{Forwarding, InFlight, Mailbox, NotDone, Outbox, Outcome, Queue, Ticket, Unknown},
        wire::{self, outcome_kind},
    },
    resp::{ErrorReply, Reply, put_reply, take_reply},
    state::{ReplicationState, Work},
};
use bytes::Bytes;
use std::{sync::Arc, time::Duration};
use tokio::time::Instant;

/// Longest wait of a write for a leader.
pub const ELECTION_WAIT_MAX: Duration = Duration::from_secs(5);
const RETRY_INTERVAL: Duration = Duration::from_millis(20);
/// Longest time for the leader to answer a write that it took.
const ANSWER_MAX: Duration = Duration::from_secs(30);

/// How often a write looks whether there is room for it, and how long it waits for keys to be evicted.
const ROOM_POLL: Duration = Duration::from_millis(2);
const ROOM_WAIT_MAX: Duration = Duration::from_secs(2);

/// Bytes of proposals that share a line.
const LINE_BYTES: usize = 64 << 10;

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
                // A leader without contact to a majority, or handing over, takes nothing: its refusals would come back at
                // once, over and over.
                if has_waited && self.state.has_lease() {
                    return self.submit(proposals, tickets);
                }
            } else if let Some((id, address)) = self.state.leader() {
                let client = self.peers.client(&address, id);
                let feature_level = feature_level::NEWEST;
                let body = wire::write(&wire::Forward { proposals: proposals.clone(), feature_level });
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
                        (proposals, tickets) = answer_each(&self.state, proposals, tickets, answer, "leader");
                    }
                    Err(CallError::Broken(why)) => {
                        return answer_all(tickets, &Outcome::Unknown(Unknown::NoAnswer(why)));
                    }
                    Err(CallError::Unreachable(_) | CallError::Refused(_)) => {}
                }
            }
            if tickets.is_empty() {
                return;
            }
            if self.state.is_member_no_more() {
                let why = NotDone::Told(ErrorReply::removed_from_core());
                return answer_all(tickets, &Outcome::NotDone(why));
            }
            if Instant::now() >= deadline || self.queue.is_closed() {
                return answer_all(tickets, &Outcome::NotDone(NotDone::NoLeader));
            }
            tokio::time::sleep(RETRY_INTERVAL).await;
            has_waited = true;
        }
    }

    /// To this node's own log.
    fn submit(&self, proposals: Vec<Bytes>, tickets: Vec<Ticket>) {
        for (proposal, ticket) in proposals.into_iter().zip(tickets) {
            if let Err(why) = self.queue.submit(proposal, ticket.clone()) {
                answer_all([ticket], &Outcome::NotDone(why));
            }
        }
    }
}

/// Hands out the outcomes of forwarded proposals; those that the other node ("leader", "core") could not take come back.
pub fn answer_each(
    state: &ReplicationState,
    proposals: Vec<Bytes>,
    tickets: Vec<Ticket>,
    answer: Bytes,
    asked: &'static str,
) -> (Vec<Bytes>, Vec<Ticket>) {
    let answer = wire::read::<wire::ForwardAnswer>(answer).unwrap_or_default();
    // Before the outcome is delivered: the next reader must know how far to wait.
    state.forwarded(answer.applied);
    let mut outcomes = answer.outcomes.iter();
    let (mut again, mut outbox) = ((Vec::new(), Vec::new()), Outbox::default());
    for (proposal, ticket) in proposals.into_iter().zip(tickets) {
        let outcome = outcomes.next();
        if outcome.is_some_and(|outcome| outcome.kind == outcome_kind::ELSEWHERE) {
            again.0.push(proposal);
            again.1.push(ticket);
        } else {
            let read = outcome.and_then(read_outcome);
            outbox.add(ticket, read.unwrap_or(Outcome::Unknown(Unknown::Unreadable(asked))));
        }
    }
    outbox.deliver();
    again
}

pub fn answer_all(tickets: impl IntoIterator<Item = Ticket>, outcome: &Outcome) {
    let mut outbox = Outbox::default();
    tickets.into_iter().for_each(|ticket| outbox.add(ticket, outcome.clone()));
    outbox.deliver();
}

/// The leader's side: proposes what another node sent, and answers with what became of it.
pub async fn receive(
    queue: Arc<Queue>,
    state: Arc<ReplicationState>,
    table: &'static Table,
    forward: wire::Forward,
) -> Answer {
    if !state.is_leader() {
        return Err(CallError::Refused("this node does not lead".into()));
    }
    let allowed = Allowed { table, state: &state, sender: forward.feature_level, is_of_core: true };
    let outcomes = see_to(&queue, allowed, forward.proposals, true).await;
    let applied = state.applied_index();
    Ok(wire::write(&wire::ForwardAnswer { outcomes, applied }))
}

/// As `receive`, for an edge, which need not know the leader: this node forwards what it may not propose.
pub async fn receive_from_edge(
    queue: Arc<Queue>,
    state: Arc<ReplicationState>,
    table: &'static Table,
    forward: wire::Forward,
) -> Answer {
    let allowed = Allowed { table, state: &state, sender: forward.feature_level, is_of_core: false };
    let outcomes = see_to(&queue, allowed, forward.proposals, false).await;
    Ok(wire::write(&wire::ForwardAnswer { outcomes, applied: state.acknowledged() }))
}

async fn see_to(
    queue: &Queue,
    allowed: Allowed<'_>,
    proposals: Vec<Bytes>,
    was_forwarded: bool,
) -> Vec<wire::ForwardOutcome> {
    let mailbox = Mailbox::new();
    let wanted = proposals.len();
    let mut outcomes: Vec<(u64, Outcome)> = Vec::with_capacity(wanted);
    for (id, proposal) in (0_u64..).zip(proposals) {
        let work = match in_time(allowed, &proposal).await {
            Ok(work) => work,
            Err(refusal) => {
                outcomes.push((id, Outcome::NotDone(NotDone::NotAllowed(refusal))));
                continue;
            }
        };
        let ticket = Ticket { mailbox: Arc::clone(&mailbox), id, was_forwarded, client: 0, work };
        if let Err(why) = queue.submit(proposal, ticket) {
            outcomes.push((id, Outcome::NotDone(why)));
        }
    }
    while outcomes.len() < wanted {
        mailbox.wait().await;
        mailbox.drain(&mut outcomes);
    }
    outcomes.sort_by_key(|(id, _)| *id);
    outcomes.into_iter().map(|(_, outcome)| write_outcome(outcome)).collect()
}

/// As `Allowed::work`. What may make the data grow waits until keys have been evicted, if that is to be expected.
async fn in_time(allowed: Allowed<'_>, proposal: &[u8]) -> Result<Work, ErrorReply> {
    let began = Instant::now();
    loop {
        let refused = match allowed.work(proposal) {
            Ok(work) => return Ok(work),
            Err(Refused::ForGood(refusal)) => return Err(refusal),
            Err(Refused::NotYet(refusal)) => refusal,
        };
        if began.elapsed() >= ROOM_WAIT_MAX {
            return Err(refused);
        }
        tokio::time::sleep(ROOM_POLL).await;
    }
}

/// An error goes as its text, which is what the client is told whatever the receiver's version.
fn write_outcome(outcome: Outcome) -> wire::ForwardOutcome {
    let (kind, replies) = match outcome {
        Outcome::Applied(replies) => (outcome_kind::APPLIED, replies),
        Outcome::NotDone(why) if why.is_of_this_node() => (outcome_kind::ELSEWHERE, Vec::new()),
        Outcome::NotDone(why) => (outcome_kind::NOT_DONE, vec![Reply::Error(why.into())]),
        Outcome::Unknown(why) => (outcome_kind::UNKNOWN, vec![Reply::Error(why.into())]),
    };
    let mut bytes = Vec::new();
    replies.iter().for_each(|reply| put_reply(reply, &mut bytes));
    wire::ForwardOutcome { kind, replies: bytes }
}

fn read_outcome(outcome: &wire::ForwardOutcome) -> Option<Outcome> {
    let mut rest = &outcome.replies[..];
    let mut replies = Vec::new();
    while !rest.is_empty() {
        replies.push(take_reply(&mut rest)?);
    }
    match (outcome.kind, replies.as_slice()) {
        (outcome_kind::APPLIED, _) => Some(Outcome::Applied(replies)),
        (outcome_kind::NOT_DONE, [Reply::Error(error)]) => {
            Some(Outcome::NotDone(NotDone::Told(error.clone())))
        }
        (outcome_kind::UNKNOWN, [Reply::Error(error)]) => {
            Some(Outcome::Unknown(Unknown::Told(error.clone())))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_hears_the_same_of_a_forwarded_write_as_of_one_made_at_the_leader() {
        for outcome in [
            Outcome::Applied(vec![]),
            Outcome::Applied(vec![Reply::Ok, Reply::Int(3), Reply::Error(ErrorReply::wrong_type())]),
            Outcome::NotDone(NotDone::QueueFull),
            Outcome::NotDone(NotDone::TooLarge),
            Outcome::NotDone(NotDone::DiskFull),
            Outcome::NotDone(NotDone::NoLeader),
            Outcome::NotDone(NotDone::CoreUnreachable),
            Outcome::Unknown(Unknown::LeaderChanged),
            Outcome::Unknown(Unknown::LogStopped),
            Outcome::Unknown(Unknown::NoAnswer("it is silent".into())),
            Outcome::Unknown(Unknown::Unreadable("leader")),
        ] {
            let read = read_outcome(&write_outcome(outcome.clone())).unwrap();
            assert_eq!(std::mem::discriminant(&read), std::mem::discriminant(&outcome));
            assert_eq!(read.applied(), outcome.applied());
        }
    }

    #[test]
    fn only_what_is_wrong_with_this_node_alone_is_for_another_one() {
        for why in [NotDone::NotLeader, NotDone::Stopping] {
            let expected = wire::ForwardOutcome { kind: 4, replies: Vec::new() };
            assert_eq!(write_outcome(Outcome::NotDone(why)), expected);
        }
        // Not by its text: a node that words another cause the same way has not said so.
        let same_text = NotDone::Told(NotDone::NotLeader.into());
        assert_eq!(write_outcome(Outcome::NotDone(same_text)).kind, 2);
    }

    /// What the builds before sent and understand.
    #[test]
    fn outcomes_have_the_bytes_that_they_always_had() {
        let sent = |outcome| wire::write(&write_outcome(outcome)).to_vec();
        assert_eq!(sent(Outcome::Applied(vec![Reply::Int(3)])), [8, 1, 18, 9, 6, 3, 0, 0, 0, 0, 0, 0, 0]);
        assert_eq!(sent(Outcome::NotDone(NotDone::NotLeader)), [8, 4]);
        let text = "no node leads at the moment; nothing was changed, try again";
        let not_done = sent(Outcome::NotDone(NotDone::NoLeader));
        assert_eq!(not_done[..2], [8, 2]);
        assert!(not_done.ends_with(text.as_bytes()));
        let text = "outcome unknown: the leader changed; the write may or may not be applied";
        let unknown = sent(Outcome::Unknown(Unknown::LeaderChanged));
        assert_eq!(unknown[..2], [8, 3]);
        assert!(unknown.ends_with(text.as_bytes()));
    }

    #[test]
    fn an_outcome_that_cannot_be_read_is_none() {
        for (kind, replies) in [(2, vec![0]), (2, vec![]), (9, vec![])] {
            assert_eq!(read_outcome(&wire::ForwardOutcome { kind, replies }), None, "{kind}");
        }
    }
}
