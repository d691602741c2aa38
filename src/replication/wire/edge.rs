//! Messages between an edge and a core node, and between the nodes of one site.

use super::{FileMeta, Publication};
use crate::state::{FedReport, FedSeen, SiteHeartbeat, SumAt};
use bytes::Bytes;
use prost::Message;
use std::time::Duration;

/// An edge asks for a feed from behind its position.
#[derive(Clone, PartialEq, Message)]
pub struct Follow {
    #[prost(string, tag = "1")]
    pub site: String,
    /// Empty: it has no data.
    #[prost(string, tag = "2")]
    pub history: String,
    #[prost(bool, tag = "3")]
    pub has_position: bool,
    #[prost(uint64, tag = "4")]
    pub term: u64,
    #[prost(uint64, tag = "5")]
    pub index: u64,
    #[prost(uint32, tag = "6")]
    pub level: u32,
    /// The last message of this history that was handed out here; both 0: none was.
    #[prost(uint64, tag = "7")]
    pub heard_term: u64,
    #[prost(uint64, tag = "8")]
    pub heard_number: u64,
    /// The highest feature level that all nodes of the site understand.
    #[prost(uint32, tag = "9")]
    pub feature_level: u32,
}

/// The first item of a feed.
#[derive(Clone, PartialEq, Message)]
pub struct Hello {
    #[prost(string, tag = "1")]
    pub history: String,
    #[prost(string, tag = "2")]
    pub node_name: String,
    #[prost(uint32, tag = "3")]
    pub level: u32,
}

/// The core node's knowledge: `age_ms` ago its log was committed up to `committed`; log time is `clock_ms` now (0 =
/// unknown).
#[derive(Clone, Copy, PartialEq, Message)]
pub struct CommitHeartbeat {
    #[prost(uint64, tag = "1")]
    pub committed: u64,
    #[prost(uint64, tag = "2")]
    pub clock_ms: u64,
    #[prost(uint64, tag = "3")]
    pub age_ms: u64,
    /// The last entry after which a majority of the core agreed on the sum of the state, and that sum; 0: none yet.
    #[prost(uint64, tag = "4")]
    pub agreed_index: u64,
    #[prost(uint64, tag = "5")]
    pub agreed_sum: u64,
}

/// Sent by the site's leader to the other nodes, with its append calls.
#[derive(Clone, Copy, PartialEq, Message)]
pub struct FromLeader {
    #[prost(uint64, tag = "1")]
    core_index: u64,
    // 2 was log time, which every append call carries.
    #[prost(uint64, tag = "3")]
    age_ms: u64,
    #[prost(uint64, tag = "4")]
    committed: u64,
    #[prost(bool, tag = "5")]
    has_data: bool,
    #[prost(bool, tag = "6")]
    is_following: bool,
    /// As in `CommitHeartbeat`, if the site's leader has the same; else 0.
    #[prost(uint64, tag = "7")]
    agreed_index: u64,
    #[prost(uint64, tag = "8")]
    agreed_sum: u64,
}

impl From<SiteHeartbeat> for FromLeader {
    fn from(heartbeat: SiteHeartbeat) -> Self {
        let SiteHeartbeat { core_index, age, committed, has_data, is_following, agreed } = heartbeat;
        let SumAt { index: agreed_index, sum: agreed_sum } = agreed.unwrap_or_default();
        let age_ms = u64::try_from(age.as_millis()).unwrap_or(u64::MAX);
        FromLeader { core_index, age_ms, committed, has_data, is_following, agreed_index, agreed_sum }
    }
}

impl From<FromLeader> for SiteHeartbeat {
    fn from(heartbeat: FromLeader) -> Self {
        let FromLeader { core_index, age_ms, committed, has_data, is_following, agreed_index, agreed_sum } =
            heartbeat;
        let agreed = SumAt { index: agreed_index, sum: agreed_sum };
        let agreed = (agreed_index != 0).then_some(agreed);
        let age = Duration::from_millis(age_ms);
        SiteHeartbeat { core_index, age, committed, has_data, is_following, agreed }
    }
}

/// The bootstrap snapshot that a node of the site asks another one for, or is asked to fetch from it.
#[derive(Clone, PartialEq, Message)]
pub struct SiteBootstrap {
    #[prost(string, tag = "1")]
    pub history: String,
    #[prost(uint64, tag = "2")]
    pub term: u64,
    #[prost(uint64, tag = "3")]
    pub index: u64,
    /// Address of the node that has it.
    #[prost(string, tag = "4")]
    pub address: String,
}

/// Consecutive entries of the core, committed.
#[derive(Clone, PartialEq, Message)]
pub struct Entries {
    #[prost(uint64, tag = "1")]
    pub first: u64,
    #[prost(uint64, tag = "2")]
    pub last: u64,
    /// As `replica::put_record` writes them; compressed if `raw_bytes` is not 0, which is then their uncompressed length.
    #[prost(bytes = "bytes", tag = "3")]
    pub records: Bytes,
    #[prost(uint64, tag = "4")]
    pub raw_bytes: u64,
    /// The term of the entry before the first; 0 if there is none.
    #[prost(uint64, tag = "5")]
    pub previous_term: u64,
}

/// An item of a feed.
#[derive(Clone, PartialEq, Message)]
pub struct Item {
    #[prost(message, optional, tag = "1")]
    pub hello: Option<Hello>,
    #[prost(message, optional, tag = "2")]
    pub entries: Option<Entries>,
    /// Of the moment after these entries.
    #[prost(message, optional, tag = "3")]
    pub heartbeat: Option<CommitHeartbeat>,
    #[prost(uint32, tag = "4")]
    pub lost: u32,
    /// Messages of PUBLISH, in their order.
    #[prost(message, repeated, tag = "5")]
    pub messages: Vec<Publication>,
}

/// A bootstrap snapshot of the data: files to be fetched with `GetFile`.
#[derive(Clone, PartialEq, Message)]
pub struct BootstrapOffer {
    #[prost(string, tag = "1")]
    pub history: String,
    #[prost(uint64, tag = "2")]
    pub term: u64,
    #[prost(uint64, tag = "3")]
    pub index: u64,
    /// Name of the snapshot's directory on the sender.
    #[prost(string, tag = "4")]
    pub name: String,
    #[prost(message, repeated, tag = "5")]
    pub files: Vec<FileMeta>,
}

/// Peer addresses of the core's nodes.
#[derive(Clone, PartialEq, Message)]
pub struct CoreNodes {
    #[prost(string, repeated, tag = "1")]
    pub addresses: Vec<String>,
}

/// The state of an edge.
#[derive(Clone, PartialEq, Message)]
pub struct Report {
    #[prost(uint64, tag = "1")]
    pub core_index: u64,
    #[prost(uint64, tag = "2")]
    pub lag_ms: u64,
    #[prost(string, tag = "3")]
    pub state: String,
    #[prost(string, tag = "4")]
    pub name: String,
    #[prost(string, tag = "5")]
    pub site: String,
    /// As in `Follow`.
    #[prost(uint32, tag = "6")]
    pub feature_level: u32,
    /// Keys that clients of the site read, as in `Reads`.
    #[prost(bytes = "bytes", repeated, tag = "7")]
    pub reads: Vec<Bytes>,
}

/// The position of an edge that wants a bootstrap snapshot.
#[derive(Clone, Copy, PartialEq, Message)]
pub struct BootstrapWanted {
    /// A snapshot that does not include this entry is of no use.
    #[prost(uint64, tag = "1")]
    pub index_min: u64,
    /// The term of that entry, as the edge has it. A snapshot of a later term is of use even if its index is lower: then
    /// the edge's entry was never committed. 0: not given.
    #[prost(uint64, tag = "2")]
    pub term_min: u64,
    /// As in `Follow`.
    #[prost(uint32, tag = "3")]
    pub feature_level: u32,
}

/// An edge, as reported by the node that feeds it.
#[derive(Clone, PartialEq, Message)]
pub struct Fed {
    #[prost(string, tag = "1")]
    pub name: String,
    #[prost(string, tag = "2")]
    pub site: String,
    #[prost(uint64, tag = "3")]
    pub sent_index: u64,
    #[prost(uint64, tag = "4")]
    pub sent_bytes: u64,
    #[prost(uint64, tag = "5")]
    pub core_index: u64,
    #[prost(uint64, tag = "6")]
    pub lag_ms: u64,
    #[prost(string, tag = "7")]
    pub state: String,
    #[prost(uint32, tag = "8")]
    pub feature_level: u32,
}

pub fn fed_to_wire(seen: FedSeen) -> Fed {
    let FedSeen { name, site, sent_index, sent_bytes, report } = seen;
    let FedReport { core_index, lag_ms, state, feature_level } = report;
    Fed { name, site, sent_index, sent_bytes, core_index, lag_ms, state, feature_level }
}

pub fn fed_from_wire(fed: Fed) -> FedSeen {
    let Fed { name, site, sent_index, sent_bytes, core_index, lag_ms, state, feature_level } = fed;
    let report = FedReport { core_index, lag_ms, state, feature_level };
    FedSeen { name, site, sent_index, sent_bytes, report }
}
