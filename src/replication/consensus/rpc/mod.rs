//! openraft's requests and answers as messages of `wire`, bodies in Protocol Buffers (proto3).

mod convert;

use crate::replication::wire::{FileMeta, FromLeader};
use bytes::Bytes;
use prost::Message;

pub(super) use convert::{
    append, append_answer, ballot, ballot_answer, raft_append, raft_append_answer, raft_ballot,
    raft_ballot_answer,
};

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
    /// Log time, ms since the epoch; 0 = unknown to the leader.
    #[prost(uint64, tag = "5")]
    pub(super) now: u64,
    /// On an edge site: the leader's knowledge of the core.
    #[prost(message, optional, tag = "6")]
    pub(super) of_core: Option<FromLeader>,
    /// Whether the leader has lost contact to a majority.
    #[prost(bool, tag = "7")]
    pub(super) cut_off: bool,
    /// Whether the leader refuses writes that may make the data grow.
    #[prost(bool, tag = "8")]
    pub(super) refuses_growth: bool,
    /// Whether it does so because the data take more than `maxmemory`.
    #[prost(bool, tag = "9")]
    pub(super) is_out_of_memory: bool,
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
    /// The follower's wall clock, ms since the epoch; 0 = not given.
    #[prost(uint64, tag = "5")]
    pub(super) wall_ms: u64,
    /// Whether the follower's disk is almost full.
    #[prost(bool, tag = "6")]
    pub(super) is_disk_low: bool,
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
    /// Log time, if the voter knows it, and its wall clock, ms since the epoch; 0 = not given.
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

/// A snapshot for the receiver to fetch with `GetFile`.
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
    /// The sender's peer address.
    #[prost(string, tag = "6")]
    pub(super) address: String,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct SnapshotAnswer {
    #[prost(message, required, tag = "1")]
    pub(super) vote: Vote,
}
