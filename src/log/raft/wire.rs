//! What nodes of a cluster say to each other about the log: kinds, and bodies as Protocol Buffers (proto3).
//!
//! Fields are only ever added; a body that cannot be read is refused. Versions that must not meet are kept apart by
//! `peer::PROTOCOL_VERSION`.

use super::{
    Types,
    types::{RaftEntry, RaftLogId, RaftVote, log_id, position, to_log_entry, to_raft_entry},
};
use crate::{
    log::segment::{EntryKind, LogEntry},
    store::Position,
};
use bytes::Bytes;
use openraft::raft::{AppendEntriesRequest, AppendEntriesResponse, VoteRequest, VoteResponse};
use prost::Message;

/// Calls between nodes that may not be of one cluster yet are below `peer::FIRST_MEMBER_KIND`.
pub(in crate::log) mod kind {
    pub const STATUS: u32 = 1;
    pub const FOUND: u32 = 2;
    pub const APPEND: u32 = 100;
    pub const VOTE: u32 = 101;
    pub const PRE_VOTE: u32 = 102;
    pub const TRANSFER: u32 = 103;
    pub const READ_INDEX: u32 = 110;
    pub const FORWARD: u32 = 111;
    pub const SNAPSHOT: u32 = 120;
    pub const FILE: u32 = 121;
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct Vote {
    #[prost(uint64, tag = "1")]
    term: u64,
    #[prost(uint64, tag = "2")]
    node_id: u64,
    #[prost(bool, tag = "3")]
    committed: bool,
}

#[derive(Clone, Copy, PartialEq, Message)]
pub(super) struct LogId {
    #[prost(uint64, tag = "1")]
    term: u64,
    #[prost(uint64, tag = "2")]
    index: u64,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct Entry {
    #[prost(uint64, tag = "1")]
    term: u64,
    #[prost(uint64, tag = "2")]
    index: u64,
    #[prost(uint32, tag = "3")]
    kind: u32,
    #[prost(bytes = "bytes", tag = "4")]
    payload: Bytes,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct Append {
    #[prost(message, required, tag = "1")]
    vote: Vote,
    #[prost(message, optional, tag = "2")]
    previous: Option<LogId>,
    #[prost(message, repeated, tag = "3")]
    entries: Vec<Entry>,
    #[prost(message, optional, tag = "4")]
    committed: Option<LogId>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct AppendAnswer {
    /// 1 all, 2 up to `log_id`, 3 the entry before does not match, 4 `vote` is higher.
    #[prost(uint32, tag = "1")]
    outcome: u32,
    #[prost(message, optional, tag = "2")]
    log_id: Option<LogId>,
    #[prost(message, optional, tag = "3")]
    vote: Option<Vote>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct Ballot {
    #[prost(message, required, tag = "1")]
    vote: Vote,
    #[prost(message, optional, tag = "2")]
    last: Option<LogId>,
    #[prost(bool, tag = "3")]
    is_transfer: bool,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct BallotAnswer {
    #[prost(message, required, tag = "1")]
    vote: Vote,
    #[prost(message, optional, tag = "2")]
    last: Option<LogId>,
    #[prost(bool, tag = "3")]
    granted: bool,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct Transfer {
    #[prost(message, required, tag = "1")]
    pub(super) from: Vote,
    #[prost(uint64, tag = "2")]
    pub(super) to: u64,
    #[prost(message, optional, tag = "3")]
    pub(super) last: Option<LogId>,
}

#[derive(Clone, PartialEq, Message)]
pub(in crate::log) struct ReadIndex {
    #[prost(uint64, tag = "1")]
    pub(in crate::log) index: u64,
}

/// Proposals of one node's sessions, in their order.
#[derive(Clone, PartialEq, Message)]
pub(in crate::log) struct Forward {
    #[prost(bytes = "bytes", repeated, tag = "1")]
    pub(in crate::log) proposals: Vec<Bytes>,
}

/// One outcome for each.
#[derive(Clone, PartialEq, Message)]
pub(in crate::log) struct ForwardAnswer {
    #[prost(message, repeated, tag = "1")]
    pub(in crate::log) outcomes: Vec<ForwardOutcome>,
    /// Where the leader's log stood when the last of them was applied.
    #[prost(uint64, tag = "2")]
    pub(in crate::log) applied: u64,
}

#[derive(Clone, PartialEq, Message)]
pub(in crate::log) struct ForwardOutcome {
    /// 1 applied, 2 definitely not done, 3 unknown.
    #[prost(uint32, tag = "1")]
    pub(in crate::log) kind: u32,
    /// Replies, or one error, as `resp::put_reply` writes them.
    #[prost(bytes = "vec", tag = "2")]
    pub(in crate::log) replies: Vec<u8>,
}

/// Who a node is, asked by anybody.
#[derive(Clone, PartialEq, Message)]
pub(in crate::log) struct Status {
    #[prost(uint64, tag = "1")]
    pub(in crate::log) node_id: u64,
    #[prost(string, tag = "2")]
    pub(in crate::log) node_name: String,
    /// Empty: none yet.
    #[prost(string, tag = "3")]
    pub(in crate::log) cluster_id: String,
    /// Whether its log has anything in it.
    #[prost(bool, tag = "4")]
    pub(in crate::log) has_log: bool,
    #[prost(uint64, tag = "5")]
    pub(in crate::log) leader_id: u64,
    #[prost(uint32, tag = "6")]
    pub(in crate::log) client_port: u32,
}

/// The founder tells the nodes of a new cluster which one they are of.
#[derive(Clone, PartialEq, Message)]
pub(in crate::log) struct Found {
    #[prost(string, tag = "1")]
    pub(in crate::log) cluster_id: String,
    #[prost(string, tag = "2")]
    pub(in crate::log) history_id: String,
}

/// A snapshot that the receiver is to fetch with `GetFile`.
#[derive(Clone, PartialEq, Message)]
pub(super) struct Snapshot {
    #[prost(message, required, tag = "1")]
    pub(super) vote: Vote,
    #[prost(message, optional, tag = "2")]
    pub(super) last: Option<LogId>,
    /// As `membership::encode_stored` writes it.
    #[prost(bytes = "vec", tag = "3")]
    pub(super) membership: Vec<u8>,
    /// Name of the snapshot's directory on the sender.
    #[prost(string, tag = "4")]
    pub(super) name: String,
    #[prost(message, repeated, tag = "5")]
    pub(super) files: Vec<FileMeta>,
    /// Where the sender answers.
    #[prost(string, tag = "6")]
    pub(super) address: String,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct FileMeta {
    #[prost(string, tag = "1")]
    pub(super) name: String,
    #[prost(uint64, tag = "2")]
    pub(super) bytes: u64,
    /// CRC-32C of the whole file.
    #[prost(uint32, tag = "3")]
    pub(super) checksum: u32,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct SnapshotAnswer {
    #[prost(message, required, tag = "1")]
    pub(super) vote: Vote,
}

/// A part of a file of a snapshot.
#[derive(Clone, PartialEq, Message)]
pub(super) struct GetFile {
    #[prost(string, tag = "1")]
    pub(super) snapshot: String,
    #[prost(string, tag = "2")]
    pub(super) name: String,
    #[prost(uint64, tag = "3")]
    pub(super) offset: u64,
    #[prost(uint32, tag = "4")]
    pub(super) bytes_max: u32,
}

/// A body that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a message of another node cannot be read: {0}")]
pub(in crate::log) struct Unreadable(pub(super) String);

/// The bytes of a body.
pub(in crate::log) fn write(message: &impl Message) -> Bytes {
    message.encode_to_vec().into()
}

/// Reads a body.
pub(in crate::log) fn read<M: Message + Default>(body: Bytes) -> Result<M, Unreadable> {
    M::decode(body).map_err(|error| Unreadable(error.to_string()))
}

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
        let Position { term, index } = position(id);
        LogId { term, index }
    }
}

impl From<LogId> for RaftLogId {
    fn from(LogId { term, index }: LogId) -> Self {
        log_id(Position { term, index })
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

pub(super) fn append(request: AppendEntriesRequest<Types>) -> Append {
    Append {
        vote: (&request.vote).into(),
        previous: request.prev_log_id.as_ref().map(LogId::from),
        entries: request.entries.into_iter().map(entry).collect(),
        committed: request.leader_commit.as_ref().map(LogId::from),
    }
}

pub(super) fn raft_append(append: Append) -> Result<AppendEntriesRequest<Types>, Unreadable> {
    Ok(AppendEntriesRequest {
        vote: (&append.vote).into(),
        prev_log_id: append.previous.map(RaftLogId::from),
        entries: append.entries.into_iter().map(raft_entry).collect::<Result<_, _>>()?,
        leader_commit: append.committed.map(RaftLogId::from),
    })
}

pub(super) fn append_answer(answer: &AppendEntriesResponse<Types>) -> AppendAnswer {
    let (outcome, log_id, vote) = match answer {
        AppendEntriesResponse::Success => (1, None, None),
        AppendEntriesResponse::PartialSuccess(log_id) => (2, log_id.as_ref().map(LogId::from), None),
        AppendEntriesResponse::Conflict => (3, None, None),
        AppendEntriesResponse::HigherVote(vote) => (4, None, Some(vote.into())),
    };
    AppendAnswer { outcome, log_id, vote }
}

pub(super) fn raft_append_answer(answer: &AppendAnswer) -> Result<AppendEntriesResponse<Types>, Unreadable> {
    match (answer.outcome, &answer.vote) {
        (1, _) => Ok(AppendEntriesResponse::Success),
        (2, _) => Ok(AppendEntriesResponse::PartialSuccess(answer.log_id.map(RaftLogId::from))),
        (3, _) => Ok(AppendEntriesResponse::Conflict),
        (4, Some(vote)) => Ok(AppendEntriesResponse::HigherVote(vote.into())),
        (other, _) => Err(Unreadable(format!("append answered {other}"))),
    }
}

pub(super) fn ballot(request: &VoteRequest<Types>) -> Ballot {
    Ballot {
        vote: (&request.vote).into(),
        last: request.last_log_id.as_ref().map(LogId::from),
        is_transfer: request.leadership_transfer,
    }
}

pub(super) fn raft_ballot(ballot: &Ballot) -> VoteRequest<Types> {
    let mut request = VoteRequest::new((&ballot.vote).into(), ballot.last.map(RaftLogId::from));
    request.leadership_transfer = ballot.is_transfer;
    request
}

pub(super) fn ballot_answer(answer: &VoteResponse<Types>) -> BallotAnswer {
    BallotAnswer {
        vote: (&answer.vote).into(),
        last: answer.last_log_id.as_ref().map(LogId::from),
        granted: answer.vote_granted,
    }
}

pub(super) fn raft_ballot_answer(answer: &BallotAnswer) -> VoteResponse<Types> {
    VoteResponse {
        vote: (&answer.vote).into(),
        vote_granted: answer.granted,
        last_log_id: answer.last.map(RaftLogId::from),
    }
}
