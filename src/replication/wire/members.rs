//! Messages about the members of a core: their status, and requests of administrators and of the leader.

use super::Fed;
use prost::Message;

/// A node's identity and status, for anyone who asks.
#[derive(Clone, PartialEq, Message)]
pub struct Status {
    #[prost(uint64, tag = "1")]
    pub node_id: u64,
    #[prost(string, tag = "2")]
    pub node_name: String,
    /// Empty: none yet.
    #[prost(string, tag = "3")]
    pub cluster_id: String,
    /// Whether its log has anything in it.
    #[prost(bool, tag = "4")]
    pub has_log: bool,
    #[prost(uint64, tag = "5")]
    pub leader_id: u64,
    #[prost(uint32, tag = "6")]
    pub client_port: u32,
    #[prost(uint64, tag = "7")]
    pub applied: u64,
    /// Host of its client port; empty: the host of its peer address.
    #[prost(string, tag = "8")]
    pub client_host: String,
    /// The highest feature level that its program understands.
    #[prost(uint32, tag = "10")]
    pub feature_level: u32,
    /// The members that it knows of, and the entry that made them so.
    #[prost(uint64, repeated, tag = "11")]
    pub members: Vec<u64>,
    #[prost(uint64, tag = "12")]
    pub members_at: u64,
    /// It may have a log, but does not know itself as a member: the leader that admitted it lost leadership.
    #[prost(bool, tag = "13")]
    pub never_member: bool,
    /// Whether it is the leader and was recently in contact with a majority.
    #[prost(bool, tag = "14")]
    pub has_quorum: bool,
    /// Empty: none yet.
    #[prost(string, tag = "15")]
    pub history_id: String,
    /// The lowest feature level that its program understands.
    #[prost(uint32, tag = "16")]
    pub feature_level_min: u32,
    /// The edges that it feeds.
    #[prost(message, repeated, tag = "20")]
    pub fed: Vec<Fed>,
    /// It was asked to stop, and will not lead.
    #[prost(bool, tag = "30")]
    pub is_stopping: bool,
    /// Entries that it has proposed and that are not applied yet, and forwarded writes.
    #[prost(uint64, tag = "31")]
    pub in_flight: u64,
    /// Its client port with TLS; 0: none.
    #[prost(uint32, tag = "32")]
    pub client_tls_port: u32,
}

/// The founder tells the nodes of a new cluster which one they are of.
#[derive(Clone, PartialEq, Message)]
pub struct Found {
    #[prost(string, tag = "1")]
    pub cluster_id: String,
    #[prost(string, tag = "2")]
    pub history_id: String,
}

/// A node asks to become a member, or to change its address.
#[derive(Clone, PartialEq, Message)]
pub struct Join {
    #[prost(uint64, tag = "1")]
    pub node_id: u64,
    #[prost(string, tag = "2")]
    pub node_name: String,
    #[prost(string, tag = "3")]
    pub address: String,
    #[prost(bool, tag = "4")]
    pub standby: bool,
    #[prost(uint32, tag = "5")]
    pub feature_level: u32,
    #[prost(uint32, tag = "6")]
    pub feature_level_min: u32,
}

#[derive(Clone, PartialEq, Message)]
pub struct JoinAnswer {
    #[prost(bool, tag = "1")]
    pub is_member: bool,
    #[prost(bool, tag = "2")]
    pub is_voter: bool,
    /// The leader's address, if this node does not lead.
    #[prost(string, tag = "3")]
    pub leader: String,
}

/// An administrator's request to the leader.
#[derive(Clone, PartialEq, Message)]
pub struct Admin {
    /// The number of a `CoreRequest`.
    #[prost(uint32, tag = "1")]
    pub request: u32,
    #[prost(string, repeated, tag = "2")]
    pub words: Vec<String>,
    #[prost(bool, tag = "3")]
    pub flag: bool,
}

/// A reply, as `resp::put_reply` writes it.
#[derive(Clone, PartialEq, Message)]
pub struct AdminAnswer {
    #[prost(bytes = "vec", tag = "1")]
    pub reply: Vec<u8>,
}

/// How many nodes besides the leader have an entry on disk?
#[derive(Clone, PartialEq, Message)]
pub struct Replicated {
    #[prost(uint64, tag = "1")]
    pub index: u64,
}

#[derive(Clone, PartialEq, Message)]
pub struct ReplicatedAnswer {
    #[prost(uint32, tag = "1")]
    pub nodes: u32,
}

/// The checksum of a node's state after an entry.
#[derive(Clone, PartialEq, Message)]
pub struct ChecksumAnswer {
    /// 0 the entry is not there yet (or was long ago), 1 being computed, 2 `checksum`, 3 left out, 4 the data are damaged, 5 `checksum`, of
    /// rows that apply has not counted so.
    #[prost(uint32, tag = "1")]
    pub state: u32,
    #[prost(uint32, tag = "2")]
    pub checksum: u32,
}

/// From the leader: the sum that a node's apply has kept at an entry, please.
#[derive(Clone, Copy, PartialEq, Message)]
pub struct StateSumAsked {
    /// 0: none is asked for.
    #[prost(uint64, tag = "1")]
    pub index: u64,
    /// What a majority of the voters last agreed on; 0: nothing yet.
    #[prost(uint64, tag = "2")]
    pub agreed_index: u64,
    #[prost(uint64, tag = "3")]
    pub agreed_sum: u64,
}

#[derive(Clone, Copy, PartialEq, Message)]
pub struct StateSumAnswer {
    /// 0 the entry is not there yet, 1 `sum`, 2 left out.
    #[prost(uint32, tag = "1")]
    pub state: u32,
    #[prost(uint64, tag = "2")]
    pub sum: u64,
}

/// From the leader: the node must stop, and must not start again with its present directory.
#[derive(Clone, PartialEq, Message)]
pub struct Quarantine {
    /// The last entry that it should have had and does not have.
    #[prost(uint64, tag = "1")]
    pub index: u64,
    /// Its log ends before that entry, which it had acknowledged; otherwise its state differs there.
    #[prost(bool, tag = "2")]
    pub went_back: bool,
}
