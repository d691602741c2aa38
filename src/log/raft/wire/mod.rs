//! What nodes of a cluster say to each other about the log: kinds, and bodies as Protocol Buffers (proto3).
//!
//! Fields are only ever added; a body that cannot be read is refused. Versions that must not meet are kept apart by
//! `peer::PROTOCOL_VERSION`.

mod convert;
mod pubsub;
mod snapshot;

pub(super) use convert::{
    append, append_answer, ballot, ballot_answer, raft_append, raft_append_answer, raft_ballot,
    raft_ballot_answer,
};

pub(in crate::log) use pubsub::{Deliver, Publication, Publish, PublishAnswer};
pub(in crate::log) use snapshot::{FileMeta, GetFile};
pub(super) use snapshot::{Snapshot, SnapshotAnswer};

use crate::log::edge::{Fed, FromLeader};
use bytes::Bytes;
use prost::Message;

/// What this program can read and do, beyond the versions that each format carries. A core works at the lowest level of
/// its members, so that every one of them understands what the leader writes; a node below that is not let in.
///
/// 2: fields and members of small collections are numbered in the store.
pub(in crate::log) const FEATURE_LEVEL: u32 = 2;

/// Calls between nodes that may not be of one cluster yet are below `peer::FIRST_MEMBER_KIND`.
pub(in crate::log) mod kind {
    pub const STATUS: u32 = 1;
    pub const FOUND: u32 = 2;
    pub const JOIN: u32 = 3;
    pub const APPEND: u32 = 100;
    pub const VOTE: u32 = 101;
    pub const PRE_VOTE: u32 = 102;
    pub const TRANSFER: u32 = 103;
    pub const READ_INDEX: u32 = 110;
    pub const FORWARD: u32 = 111;
    pub const ADMIN: u32 = 112;
    pub const REPLICATED: u32 = 113;
    pub const SUM: u32 = 114;
    pub const QUARANTINE: u32 = 115;
    pub const PUBLISH: u32 = 116;
    pub const DELIVER: u32 = 117;
    /// A node that is not sound asks the leader whether it may stop to be repaired; refused with the reason why not.
    pub const LEAVE: u32 = 118;
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
    /// Log time, ms since the epoch; 0 = the leader does not say.
    #[prost(uint64, tag = "5")]
    pub(super) now: u64,
    /// On an edge site: what the leader knows of the core.
    #[prost(message, optional, tag = "6")]
    pub(super) of_core: Option<FromLeader>,
    /// Whether no majority hears the leader.
    #[prost(bool, tag = "7")]
    pub(super) cut_off: bool,
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
    /// With outcome 3: the last index of the follower's log.
    #[prost(uint64, optional, tag = "4")]
    pub(super) last_index: Option<u64>,
    /// The follower's wall clock, ms since the epoch; 0 = it does not say.
    #[prost(uint64, tag = "5")]
    pub(super) wall_ms: u64,
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
    /// Log time, if the voter knows it, and its wall clock, ms since the epoch; 0 = it does not say.
    #[prost(uint64, tag = "4")]
    pub(super) log_ms: u64,
    #[prost(uint64, tag = "5")]
    pub(super) wall_ms: u64,
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
    /// Log time when the leader answered, ms since the epoch; 0 = it does not say.
    #[prost(uint64, tag = "2")]
    pub(in crate::log) log_ms: u64,
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
    #[prost(uint64, tag = "7")]
    pub(in crate::log) applied: u64,
    /// Where its clients connect; empty: the host of its peer address.
    #[prost(string, tag = "8")]
    pub(in crate::log) client_host: String,
    /// What the node's program can do, see `FEATURE_LEVEL`.
    #[prost(uint32, tag = "10")]
    pub(in crate::log) feature_level: u32,
    /// The members that it knows of, and the entry that made them so.
    #[prost(uint64, repeated, tag = "11")]
    pub(in crate::log) members: Vec<u64>,
    #[prost(uint64, tag = "12")]
    pub(in crate::log) members_at: u64,
    /// It may have a log, but has never known itself as a member: whoever let it in was leader no more.
    #[prost(bool, tag = "13")]
    pub(in crate::log) never_member: bool,
    /// Whether it leads, and a majority has heard it lately.
    #[prost(bool, tag = "14")]
    pub(in crate::log) has_quorum: bool,
    /// Empty: none yet.
    #[prost(string, tag = "15")]
    pub(in crate::log) history_id: String,
    /// The edges that it feeds.
    #[prost(message, repeated, tag = "20")]
    pub(in crate::log) fed: Vec<Fed>,
    /// It was asked to stop, and will not lead.
    #[prost(bool, tag = "30")]
    pub(in crate::log) is_stopping: bool,
    /// Entries that it has proposed and that are not applied yet, and writes that it has sent on.
    #[prost(uint64, tag = "31")]
    pub(in crate::log) in_flight: u64,
}

/// A node asks to become a member, or to be known by another address.
#[derive(Clone, PartialEq, Message)]
pub(in crate::log) struct Join {
    #[prost(uint64, tag = "1")]
    pub(in crate::log) node_id: u64,
    #[prost(string, tag = "2")]
    pub(in crate::log) node_name: String,
    #[prost(string, tag = "3")]
    pub(in crate::log) address: String,
    #[prost(bool, tag = "4")]
    pub(in crate::log) standby: bool,
    #[prost(uint32, tag = "5")]
    pub(in crate::log) feature_level: u32,
}

#[derive(Clone, PartialEq, Message)]
pub(in crate::log) struct JoinAnswer {
    #[prost(bool, tag = "1")]
    pub(in crate::log) is_member: bool,
    #[prost(bool, tag = "2")]
    pub(in crate::log) is_voter: bool,
    /// Where the leader answers, if this is not it.
    #[prost(string, tag = "3")]
    pub(in crate::log) leader: String,
}

/// What an administrator wants of the leader.
#[derive(Clone, PartialEq, Message)]
pub(in crate::log) struct Admin {
    /// The number of a `CoreRequest`.
    #[prost(uint32, tag = "1")]
    pub(in crate::log) request: u32,
    #[prost(string, repeated, tag = "2")]
    pub(in crate::log) words: Vec<String>,
    #[prost(bool, tag = "3")]
    pub(in crate::log) flag: bool,
}

/// A reply, as `resp::put_reply` writes it.
#[derive(Clone, PartialEq, Message)]
pub(in crate::log) struct AdminAnswer {
    #[prost(bytes = "vec", tag = "1")]
    pub(in crate::log) reply: Vec<u8>,
}

/// The checksum of a node's state after an entry.
#[derive(Clone, PartialEq, Message)]
pub(in crate::log) struct SumAnswer {
    /// 0 the entry is not there yet (or was long ago), 1 being computed, 2 `sum`, 3 left out, 4 the data are damaged.
    #[prost(uint32, tag = "1")]
    pub(in crate::log) state: u32,
    #[prost(uint32, tag = "2")]
    pub(in crate::log) sum: u32,
}

/// From the leader: the node is to stop, and not to start again with the directory it has.
#[derive(Clone, PartialEq, Message)]
pub(in crate::log) struct Quarantine {
    /// Up to which entry it should have had what it has not.
    #[prost(uint64, tag = "1")]
    pub(in crate::log) index: u64,
    /// Its log ends before that entry, which it had acknowledged; otherwise its state differs there.
    #[prost(bool, tag = "2")]
    pub(in crate::log) went_back: bool,
}

/// How many nodes beside the leader have an entry on disk?
#[derive(Clone, PartialEq, Message)]
pub(in crate::log) struct Replicated {
    #[prost(uint64, tag = "1")]
    pub(in crate::log) index: u64,
}

#[derive(Clone, PartialEq, Message)]
pub(in crate::log) struct ReplicatedAnswer {
    #[prost(uint32, tag = "1")]
    pub(in crate::log) nodes: u32,
}

/// The founder tells the nodes of a new cluster which one they are of.
#[derive(Clone, PartialEq, Message)]
pub(in crate::log) struct Found {
    #[prost(string, tag = "1")]
    pub(in crate::log) cluster_id: String,
    #[prost(string, tag = "2")]
    pub(in crate::log) history_id: String,
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
