//! What an edge and a core node say to each other: kinds, and bodies as Protocol Buffers (proto3). Fields are only ever
//! added; what cannot be read is refused.

use crate::{
    log::raft::wire::{FileMeta, Publication},
    session::{FedReport, FedSeen, SiteWord},
};
use bytes::Bytes;
use prost::Message;
use std::time::Duration;

/// What this program can read and do as an edge. A core feeds edges of its own level and below, so an edge is never fed by
/// a core node that does not know what it relies on.
///
/// From 2 on entries say the term of the one before them, and messages have positions.
pub(in crate::log) const EDGE_LEVEL: u32 = 2;

/// From `peer::FIRST_EDGE_KIND` on.
pub(in crate::log) mod kind {
    pub const FOLLOW: u32 = 40;
    pub const SEED: u32 = 41;
    pub const FILE: u32 = 42;
    pub const FORWARD: u32 = 43;
    pub const READ_INDEX: u32 = 44;
    pub const PUBLISH: u32 = 45;
    pub const REPORT: u32 = 46;
    pub const NODES: u32 = 47;

    /// Between the nodes of one site: which files a whole copy has, those files, and to fetch it.
    pub const SITE_SEED: u32 = 130;
    pub const SITE_FILE: u32 = 131;
    pub const SITE_FETCH: u32 = 132;
    /// Between them, too: a snapshot of what is behind a whole copy, and its files.
    pub const SITE_SNAPSHOT: u32 = 133;
    pub const SITE_SNAPSHOT_FILE: u32 = 134;
}

/// An edge wants to be fed from behind its position on.
#[derive(Clone, PartialEq, Message)]
pub(in crate::log) struct Follow {
    #[prost(string, tag = "1")]
    pub(in crate::log) site: String,
    /// Empty: it has no data.
    #[prost(string, tag = "2")]
    pub(in crate::log) history: String,
    #[prost(bool, tag = "3")]
    pub(in crate::log) has_position: bool,
    #[prost(uint64, tag = "4")]
    pub(in crate::log) term: u64,
    #[prost(uint64, tag = "5")]
    pub(in crate::log) index: u64,
    #[prost(uint32, tag = "6")]
    pub(in crate::log) level: u32,
    /// The last message of this history that was handed out here; both 0: none was.
    #[prost(uint64, tag = "7")]
    pub(in crate::log) heard_term: u64,
    #[prost(uint64, tag = "8")]
    pub(in crate::log) heard_number: u64,
}

/// The first item of a feed.
#[derive(Clone, PartialEq, Message)]
pub(in crate::log) struct Hello {
    #[prost(string, tag = "1")]
    pub(in crate::log) history: String,
    #[prost(string, tag = "2")]
    pub(in crate::log) node_name: String,
    #[prost(uint32, tag = "3")]
    pub(in crate::log) level: u32,
}

/// Why a feed ends although both sides are well.
pub(in crate::log) mod lost {
    /// The log does not go back so far.
    pub const PURGED: u32 = 1;
    /// The edge's data are not of this core's history.
    pub const HISTORY: u32 = 2;
    /// The edge has another feed.
    pub const REPLACED: u32 = 3;
}

/// What the core node knows: as of `age_ms` ago its log was committed up to `committed`; log time is `clock_ms` now (0 = it
/// does not know).
#[derive(Clone, Copy, PartialEq, Message)]
pub(in crate::log) struct Word {
    #[prost(uint64, tag = "1")]
    pub(in crate::log) committed: u64,
    #[prost(uint64, tag = "2")]
    pub(in crate::log) clock_ms: u64,
    #[prost(uint64, tag = "3")]
    pub(in crate::log) age_ms: u64,
}

/// What the node that leads a site tells the others, with its append calls.
#[derive(Clone, Copy, PartialEq, Message)]
pub(in crate::log) struct FromLeader {
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

impl From<SiteWord> for FromLeader {
    fn from(word: SiteWord) -> Self {
        let SiteWord { core_index, age, committed, has_data, is_following } = word;
        let age_ms = u64::try_from(age.as_millis()).unwrap_or(u64::MAX);
        FromLeader { core_index, age_ms, committed, has_data, is_following }
    }
}

impl From<FromLeader> for SiteWord {
    fn from(word: FromLeader) -> Self {
        let FromLeader { core_index, age_ms, committed, has_data, is_following } = word;
        let age = Duration::from_millis(age_ms);
        SiteWord { core_index, age, committed, has_data, is_following }
    }
}

/// Which whole copy a node of the site wants of another one, or is to fetch from it.
#[derive(Clone, PartialEq, Message)]
pub(in crate::log) struct SiteSeed {
    #[prost(string, tag = "1")]
    pub(in crate::log) history: String,
    #[prost(uint64, tag = "2")]
    pub(in crate::log) term: u64,
    #[prost(uint64, tag = "3")]
    pub(in crate::log) index: u64,
    /// Where the node answers that has it.
    #[prost(string, tag = "4")]
    pub(in crate::log) address: String,
}

/// Consecutive entries of the core, committed.
#[derive(Clone, PartialEq, Message)]
pub(in crate::log) struct Entries {
    #[prost(uint64, tag = "1")]
    pub(in crate::log) first: u64,
    #[prost(uint64, tag = "2")]
    pub(in crate::log) last: u64,
    /// As `replica::put_record` writes them; compressed if `raw_bytes` is not 0, and to be that long without.
    #[prost(bytes = "bytes", tag = "3")]
    pub(in crate::log) records: Bytes,
    #[prost(uint64, tag = "4")]
    pub(in crate::log) raw_bytes: u64,
    /// Of the entry before the first; 0 if there is none.
    #[prost(uint64, tag = "5")]
    pub(in crate::log) previous_term: u64,
}

/// An item of a feed.
#[derive(Clone, PartialEq, Message)]
pub(in crate::log) struct Item {
    #[prost(message, optional, tag = "1")]
    pub(in crate::log) hello: Option<Hello>,
    #[prost(message, optional, tag = "2")]
    pub(in crate::log) entries: Option<Entries>,
    /// Of the moment after these entries.
    #[prost(message, optional, tag = "3")]
    pub(in crate::log) word: Option<Word>,
    #[prost(uint32, tag = "4")]
    pub(in crate::log) lost: u32,
    /// Messages of PUBLISH, in their order.
    #[prost(message, repeated, tag = "5")]
    pub(in crate::log) messages: Vec<Publication>,
}

/// A whole copy of the data: files to be fetched with `GetFile`.
#[derive(Clone, PartialEq, Message)]
pub(in crate::log) struct SeedOffer {
    #[prost(string, tag = "1")]
    pub(in crate::log) history: String,
    #[prost(uint64, tag = "2")]
    pub(in crate::log) term: u64,
    #[prost(uint64, tag = "3")]
    pub(in crate::log) index: u64,
    /// Name of the snapshot's directory on the sender.
    #[prost(string, tag = "4")]
    pub(in crate::log) name: String,
    #[prost(message, repeated, tag = "5")]
    pub(in crate::log) files: Vec<FileMeta>,
}

/// Where the nodes of the core answer edges and each other.
#[derive(Clone, PartialEq, Message)]
pub(in crate::log) struct CoreNodes {
    #[prost(string, repeated, tag = "1")]
    pub(in crate::log) addresses: Vec<String>,
}

/// How the edge is.
#[derive(Clone, PartialEq, Message)]
pub(in crate::log) struct Report {
    #[prost(uint64, tag = "1")]
    pub(in crate::log) core_index: u64,
    #[prost(uint64, tag = "2")]
    pub(in crate::log) lag_ms: u64,
    #[prost(string, tag = "3")]
    pub(in crate::log) state: String,
    #[prost(string, tag = "4")]
    pub(in crate::log) name: String,
    #[prost(string, tag = "5")]
    pub(in crate::log) site: String,
}

/// What an edge that wants a whole copy has.
#[derive(Clone, Copy, PartialEq, Message)]
pub(in crate::log) struct SeedWanted {
    /// A copy that stands before this entry is of no use.
    #[prost(uint64, tag = "1")]
    pub(in crate::log) index_min: u64,
    /// The term of that entry, as the edge has it. A copy of a later term is of use even if its index is lower: then the
    /// edge's entry was never committed. 0: it does not say.
    #[prost(uint64, tag = "2")]
    pub(in crate::log) term_min: u64,
}

/// An edge as the node that feeds it tells of it.
#[derive(Clone, PartialEq, Message)]
pub(in crate::log) struct Fed {
    #[prost(string, tag = "1")]
    pub(in crate::log) name: String,
    #[prost(string, tag = "2")]
    pub(in crate::log) site: String,
    #[prost(uint64, tag = "3")]
    pub(in crate::log) sent_index: u64,
    #[prost(uint64, tag = "4")]
    pub(in crate::log) sent_bytes: u64,
    #[prost(uint64, tag = "5")]
    pub(in crate::log) core_index: u64,
    #[prost(uint64, tag = "6")]
    pub(in crate::log) lag_ms: u64,
    #[prost(string, tag = "7")]
    pub(in crate::log) state: String,
}

pub(in crate::log) fn fed_to_wire(seen: FedSeen) -> Fed {
    let FedSeen { name, site, sent_index, sent_bytes, report } = seen;
    let FedReport { core_index, lag_ms, state } = report;
    Fed { name, site, sent_index, sent_bytes, core_index, lag_ms, state }
}

pub(in crate::log) fn fed_from_wire(fed: Fed) -> FedSeen {
    let Fed { name, site, sent_index, sent_bytes, core_index, lag_ms, state } = fed;
    FedSeen { name, site, sent_index, sent_bytes, report: FedReport { core_index, lag_ms, state } }
}
