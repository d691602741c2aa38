//! What an edge and a core node say to each other, and the nodes of one site.

use super::{FileMeta, Publication};
use crate::state::{FedReport, FedSeen, SiteHeartbeat};
use bytes::Bytes;
use prost::Message;
use std::time::Duration;

/// An edge wants to be fed from behind its position on.
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

/// What the core node knows: as of `age_ms` ago its log was committed up to `committed`; log time is `clock_ms` now (0 = it
/// does not know).
#[derive(Clone, Copy, PartialEq, Message)]
pub struct CommitHeartbeat {
    #[prost(uint64, tag = "1")]
    pub committed: u64,
    #[prost(uint64, tag = "2")]
    pub clock_ms: u64,
    #[prost(uint64, tag = "3")]
    pub age_ms: u64,
}

/// What the node that leads a site tells the others, with its append calls.
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
}

impl From<SiteHeartbeat> for FromLeader {
    fn from(heartbeat: SiteHeartbeat) -> Self {
        let SiteHeartbeat { core_index, age, committed, has_data, is_following } = heartbeat;
        let age_ms = u64::try_from(age.as_millis()).unwrap_or(u64::MAX);
        FromLeader { core_index, age_ms, committed, has_data, is_following }
    }
}

impl From<FromLeader> for SiteHeartbeat {
    fn from(heartbeat: FromLeader) -> Self {
        let FromLeader { core_index, age_ms, committed, has_data, is_following } = heartbeat;
        let age = Duration::from_millis(age_ms);
        SiteHeartbeat { core_index, age, committed, has_data, is_following }
    }
}

/// Which bootstrap snapshot a node of the site wants of another one, or is to fetch from it.
#[derive(Clone, PartialEq, Message)]
pub struct SiteBootstrap {
    #[prost(string, tag = "1")]
    pub history: String,
    #[prost(uint64, tag = "2")]
    pub term: u64,
    #[prost(uint64, tag = "3")]
    pub index: u64,
    /// Where the node answers that has it.
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
    /// As `replica::put_record` writes them; compressed if `raw_bytes` is not 0, and to be that long without.
    #[prost(bytes = "bytes", tag = "3")]
    pub records: Bytes,
    #[prost(uint64, tag = "4")]
    pub raw_bytes: u64,
    /// Of the entry before the first; 0 if there is none.
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

/// Where the nodes of the core answer edges and each other.
#[derive(Clone, PartialEq, Message)]
pub struct CoreNodes {
    #[prost(string, repeated, tag = "1")]
    pub addresses: Vec<String>,
}

/// How the edge is.
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
}

/// What an edge that wants a bootstrap snapshot has.
#[derive(Clone, Copy, PartialEq, Message)]
pub struct BootstrapWanted {
    /// A copy that stands before this entry is of no use.
    #[prost(uint64, tag = "1")]
    pub index_min: u64,
    /// The term of that entry, as the edge has it. A copy of a later term is of use even if its index is lower: then the
    /// edge's entry was never committed. 0: it does not say.
    #[prost(uint64, tag = "2")]
    pub term_min: u64,
}

/// An edge as the node that feeds it tells of it.
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
}

pub fn fed_to_wire(seen: FedSeen) -> Fed {
    let FedSeen { name, site, sent_index, sent_bytes, report } = seen;
    let FedReport { core_index, lag_ms, state } = report;
    Fed { name, site, sent_index, sent_bytes, core_index, lag_ms, state }
}

pub fn fed_from_wire(fed: Fed) -> FedSeen {
    let Fed { name, site, sent_index, sent_bytes, core_index, lag_ms, state } = fed;
    FedSeen { name, site, sent_index, sent_bytes, report: FedReport { core_index, lag_ms, state } }
}
