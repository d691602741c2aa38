//! Messages between nodes about votes and leaders, for a simulation that observes them.

use crate::{
    replication::{
        consensus::{membership, rpc, types::position},
        wire::{self, kind},
    },
    store::{LogId, Store},
};
use bytes::Bytes;
use openraft::raft::AppendEntriesResponse;
use std::collections::BTreeSet;

/// A message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Said {
    /// A node leads in this term.
    Leads { term: u64, leader: u64 },
    /// A node stands, and has voted for itself.
    Stands { term: u64, candidate: u64 },
    /// The node that answered has given this candidate its vote.
    Votes { term: u64, candidate: u64 },
}

/// Reads a call, or its answer if there is one.
pub fn read(call: u32, body: &Bytes, answer: Option<&Bytes>) -> Option<Said> {
    let body = body.clone();
    match (call, answer) {
        (kind::APPEND, None) => {
            let request = rpc::raft_append(wire::read(body).ok()?).ok()?;
            Some(Said::Leads { term: request.vote.leader_id.term, leader: request.vote.leader_id.voted_for })
        }
        (kind::VOTE, answer) => {
            let asked = rpc::raft_ballot(&wire::read(body).ok()?).vote.leader_id;
            let (term, candidate) = (asked.term, asked.voted_for);
            let Some(answer) = answer else { return Some(Said::Stands { term, candidate }) };
            let answer = rpc::raft_ballot_answer(&wire::read(answer.clone()).ok()?);
            answer.vote_granted.then_some(Said::Votes { term, candidate })
        }
        _ => None,
    }
}

/// The voters, from a store's applied membership.
pub fn voters(store: &Store) -> BTreeSet<u64> {
    let stored = membership::decode_stored(store.membership().unwrap().as_deref()).unwrap();
    let configs = stored.get_joint_config();
    configs.iter().flatten().copied().collect()
}

/// Calls that Raft may hear twice.
pub fn is_doubled(call: u32) -> bool {
    [kind::APPEND, kind::VOTE, kind::PRE_VOTE, kind::READ_INDEX, kind::STATUS, kind::TRANSFER].contains(&call)
}

/// Whether a call asks if the node would get a vote, should it stand.
pub fn asks(call: u32) -> bool {
    call == kind::PRE_VOTE
}

/// Whether a call asks the node to lead instead of the one that calls.
pub fn hands_over(call: u32) -> bool {
    call == kind::TRANSFER
}

/// The kind of a successful answer, for counting.
pub fn kind_of_success(call: u32, answer: Option<&Bytes>) -> Option<&'static str> {
    match call {
        kind::SNAPSHOT => answer.map(|_| "snapshots installed"),
        kind::FORWARD => answer.map(|_| "writes forwarded"),
        kind::APPEND => {
            let answer = rpc::raft_append_answer(&wire::read(answer?.clone()).ok()?).ok()?;
            matches!(answer, AppendEntriesResponse::Conflict).then_some("conflicting logs")
        }
        _ => None,
    }
}

/// A call, or its answer if there is one, in words that are the same in every run.
pub fn describe(call: u32, body: &Bytes, answer: Option<&Bytes>) -> String {
    match call {
        kind::APPEND => append(body, answer).unwrap_or_default(),
        kind::VOTE | kind::PRE_VOTE => {
            let name = if call == kind::VOTE { "vote" } else { "pre-vote" };
            ballot(name, body, answer).unwrap_or_default()
        }
        // About files: RocksDB puts random ids into them.
        kind::SNAPSHOT | kind::FILE => format!("kind {call}"),
        _ => format!("kind {call} {:08x}", crc32c::crc32c(answer.unwrap_or(body))),
    }
}

fn append(body: &Bytes, answer: Option<&Bytes>) -> Option<String> {
    let sum = crc32c::crc32c(body);
    let request = rpc::raft_append(wire::read(body.clone()).ok()?).ok()?;
    let last = request.entries.last().map(|entry| position(&entry.log_id));
    let after = request.prev_log_id.as_ref().map(position);
    let committed = request.leader_commit.as_ref().map(position);
    let term = request.vote.leader_id.term;
    let text = format!(
        "append in {term} after {}: {} to {}, committed {} {sum:08x}",
        place(after),
        request.entries.len(),
        place(last),
        place(committed)
    );
    let Some(answer) = answer else { return Some(text) };
    let answer = rpc::raft_append_answer(&wire::read(answer.clone()).ok()?).ok()?;
    Some(format!("{text}: {answer}"))
}

fn ballot(name: &str, body: &Bytes, answer: Option<&Bytes>) -> Option<String> {
    let request = rpc::raft_ballot(&wire::read(body.clone()).ok()?);
    let (asked, last) = (request.vote.leader_id, request.last_log_id.as_ref().map(position));
    let text = format!("{name} in {} for {} at {}", asked.term, asked.voted_for, place(last));
    let Some(answer) = answer else { return Some(text) };
    let answer = rpc::raft_ballot_answer(&wire::read(answer.clone()).ok()?);
    Some(format!("{text}: {} {}", answer.vote_granted, answer.vote))
}

fn place(position: Option<LogId>) -> String {
    position.map_or("nothing".into(), |LogId { term, index }| format!("{term}.{index}"))
}
