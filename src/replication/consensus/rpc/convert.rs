//! openraft's requests and answers as messages, and back.

use crate::{
    replication::{
        consensus::{
            rpc::{Append, AppendAnswer, Ballot, BallotAnswer, Entry, LogId, Vote},
            types::{RaftEntry, RaftLogId, RaftVote, Types, log_id, position, to_log_entry, to_raft_entry},
        },
        wal::{EntryKind, LogEntry},
        wire::Unreadable,
    },
    store,
};
use openraft::raft::{AppendEntriesRequest, AppendEntriesResponse, VoteRequest, VoteResponse};

impl From<&RaftVote> for Vote {
    fn from(vote: &RaftVote) -> Self {
        let leader = vote.leader_id;
        Vote { term: leader.term, node_id: leader.voted_for, committed: vote.committed }
    }
}

impl From<&Vote> for RaftVote {
    fn from(vote: &Vote) -> Self {
        match vote.committed {
            true => RaftVote::new_committed(vote.term, vote.node_id),
            false => RaftVote::new(vote.term, vote.node_id),
        }
    }
}

impl From<&RaftLogId> for LogId {
    fn from(id: &RaftLogId) -> Self {
        let store::LogId { term, index } = position(id);
        LogId { term, index }
    }
}

impl From<LogId> for RaftLogId {
    fn from(LogId { term, index }: LogId) -> Self {
        log_id(store::LogId { term, index })
    }
}

fn entry(entry: RaftEntry) -> Entry {
    let LogEntry { index, term, kind, payload } = to_log_entry(entry);
    let kind = match kind {
        EntryKind::Blank => 1,
        EntryKind::Normal => 2,
        EntryKind::Membership => 3,
    };
    Entry { term, index, kind, payload }
}

fn raft_entry(entry: Entry) -> Result<RaftEntry, Unreadable> {
    let Entry { term, index, kind, payload } = entry;
    let kind = match kind {
        1 => EntryKind::Blank,
        2 => EntryKind::Normal,
        3 => EntryKind::Membership,
        other => return Err(Unreadable(format!("entry of kind {other}"))),
    };
    to_raft_entry(LogEntry { index, term, kind, payload }).map_err(|error| Unreadable(error.to_string()))
}

pub fn append(request: AppendEntriesRequest<Types>, now: u64) -> Append {
    Append {
        now,
        of_core: None,
        cut_off: false,
        refuses_growth: false,
        is_out_of_memory: false,
        vote: (&request.vote).into(),
        previous: request.prev_log_id.as_ref().map(LogId::from),
        entries: request.entries.into_iter().map(entry).collect(),
        committed: request.leader_commit.as_ref().map(LogId::from),
    }
}

pub fn raft_append(append: Append) -> Result<AppendEntriesRequest<Types>, Unreadable> {
    Ok(AppendEntriesRequest {
        vote: (&append.vote).into(),
        prev_log_id: append.previous.map(RaftLogId::from),
        entries: append.entries.into_iter().map(raft_entry).collect::<Result<_, _>>()?,
        leader_commit: append.committed.map(RaftLogId::from),
    })
}

pub fn append_answer(answer: &AppendEntriesResponse<Types>) -> AppendAnswer {
    let (outcome, log_id, vote) = match answer {
        AppendEntriesResponse::Success => (1, None, None),
        AppendEntriesResponse::PartialSuccess(log_id) => (2, log_id.as_ref().map(LogId::from), None),
        AppendEntriesResponse::Conflict => (3, None, None),
        AppendEntriesResponse::HigherVote(vote) => (4, None, Some(vote.into())),
    };
    AppendAnswer { outcome, log_id, vote, last_index: None, wall_ms: 0, is_disk_low: false }
}

pub fn raft_append_answer(answer: &AppendAnswer) -> Result<AppendEntriesResponse<Types>, Unreadable> {
    match (answer.outcome, &answer.vote) {
        (1, _) => Ok(AppendEntriesResponse::Success),
        (2, _) => Ok(AppendEntriesResponse::PartialSuccess(answer.log_id.map(RaftLogId::from))),
        (3, _) => Ok(AppendEntriesResponse::Conflict),
        (4, Some(vote)) => Ok(AppendEntriesResponse::HigherVote(vote.into())),
        (other, _) => Err(Unreadable(format!("append answered {other}"))),
    }
}

pub fn ballot(request: &VoteRequest<Types>) -> Ballot {
    Ballot {
        vote: (&request.vote).into(),
        last: request.last_log_id.as_ref().map(LogId::from),
        is_transfer: request.leadership_transfer,
    }
}

pub fn raft_ballot(ballot: &Ballot) -> VoteRequest<Types> {
    let mut request = VoteRequest::new((&ballot.vote).into(), ballot.last.map(RaftLogId::from));
    request.leadership_transfer = ballot.is_transfer;
    request
}

pub fn ballot_answer(answer: &VoteResponse<Types>) -> BallotAnswer {
    BallotAnswer {
        vote: (&answer.vote).into(),
        last: answer.last_log_id.as_ref().map(LogId::from),
        granted: answer.vote_granted,
        log_ms: 0,
        wall_ms: 0,
    }
}

pub fn raft_ballot_answer(answer: &BallotAnswer) -> VoteResponse<Types> {
    VoteResponse {
        vote: (&answer.vote).into(),
        vote_granted: answer.granted,
        last_log_id: answer.last.map(RaftLogId::from),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::replication::wire::{read, write};
    use bytes::Bytes;
    use openraft::EntryPayload;

    fn id(term: u64, index: u64) -> RaftLogId {
        log_id(store::LogId { term, index })
    }

    #[test]
    fn requests_and_answers_come_back_as_they_were() {
        let entries = vec![
            RaftEntry { log_id: id(2, 7), payload: EntryPayload::Blank },
            RaftEntry {
                log_id: id(2, 8),
                payload: EntryPayload::Normal(crate::replication::consensus::types::Payload(
                    Bytes::from_static(b"batch"),
                    None,
                )),
            },
        ];
        let request = AppendEntriesRequest {
            vote: RaftVote::new_committed(2, 9),
            prev_log_id: Some(id(1, 6)),
            entries,
            leader_commit: Some(id(1, 5)),
        };
        let bytes = write(&append(request.clone(), 5));
        let back = raft_append(read(bytes.clone()).unwrap()).unwrap();
        assert_eq!(format!("{back:?}"), format!("{request:?}"));
        assert_eq!((back.vote, back.entries), (request.vote, request.entries));
        for cut in 1..bytes.len() {
            // A truncated body is refused, or reads as a shorter one; it never panics.
            let _ = read::<Append>(bytes.slice(..cut)).map(raft_append);
        }
        for answer in [
            AppendEntriesResponse::Success,
            AppendEntriesResponse::PartialSuccess(Some(id(3, 4))),
            AppendEntriesResponse::PartialSuccess(None),
            AppendEntriesResponse::Conflict,
            AppendEntriesResponse::HigherVote(RaftVote::new(5, 6)),
        ] {
            let back = raft_append_answer(&read(write(&append_answer(&answer))).unwrap()).unwrap();
            assert_eq!(back, answer);
        }
        let mut request = VoteRequest::new(RaftVote::new(3, 1), Some(id(2, 8)));
        request.leadership_transfer = true;
        assert_eq!(raft_ballot(&read(write(&ballot(&request))).unwrap()), request);
        let answer = VoteResponse::new(RaftVote::new(3, 1), Some(id(2, 8)), true);
        assert_eq!(raft_ballot_answer(&read(write(&ballot_answer(&answer))).unwrap()), answer);
    }

    #[test]
    fn unknown_kinds_are_refused() {
        let unknown = Entry { term: 1, index: 1, kind: 9, payload: Bytes::new() };
        assert!(raft_entry(unknown).is_err());
        assert!(raft_append_answer(&AppendAnswer { outcome: 4, ..AppendAnswer::default() }).is_err());
        assert!(read::<Append>(Bytes::from_static(b"\xff\xff")).is_err());
    }
}
