//! Snapshots as they are offered and fetched between nodes.

use super::{LogId, Vote};
use prost::Message;

/// A snapshot that the receiver is to fetch with `GetFile`.
#[derive(Clone, PartialEq, Message)]
pub(in crate::log::raft) struct Snapshot {
    #[prost(message, required, tag = "1")]
    pub(in crate::log::raft) vote: Vote,
    #[prost(message, optional, tag = "2")]
    pub(in crate::log::raft) last: Option<LogId>,
    /// As `membership::encode_stored` writes it.
    #[prost(bytes = "vec", tag = "3")]
    pub(in crate::log::raft) membership: Vec<u8>,
    /// Name of the snapshot's directory on the sender.
    #[prost(string, tag = "4")]
    pub(in crate::log::raft) name: String,
    #[prost(message, repeated, tag = "5")]
    pub(in crate::log::raft) files: Vec<FileMeta>,
    /// Where the sender answers.
    #[prost(string, tag = "6")]
    pub(in crate::log::raft) address: String,
}

#[derive(Clone, PartialEq, Message)]
pub(in crate::log) struct FileMeta {
    #[prost(string, tag = "1")]
    pub(in crate::log) name: String,
    #[prost(uint64, tag = "2")]
    pub(in crate::log) bytes: u64,
    /// CRC-32C of the whole file.
    #[prost(uint32, tag = "3")]
    pub(in crate::log) checksum: u32,
}

#[derive(Clone, PartialEq, Message)]
pub(in crate::log::raft) struct SnapshotAnswer {
    #[prost(message, required, tag = "1")]
    pub(in crate::log::raft) vote: Vote,
}

/// A part of a file of a snapshot.
#[derive(Clone, PartialEq, Message)]
pub(in crate::log) struct GetFile {
    #[prost(string, tag = "1")]
    pub(in crate::log) snapshot: String,
    #[prost(string, tag = "2")]
    pub(in crate::log) name: String,
    #[prost(uint64, tag = "3")]
    pub(in crate::log) offset: u64,
    #[prost(uint32, tag = "4")]
    pub(in crate::log) bytes_max: u32,
}
