//! Files of a snapshot on their way to another node.

use prost::Message;

#[derive(Clone, PartialEq, Message)]
pub struct FileMeta {
    #[prost(string, tag = "1")]
    pub name: String,
    #[prost(uint64, tag = "2")]
    pub bytes: u64,
    /// CRC-32C of the whole file.
    #[prost(uint32, tag = "3")]
    pub checksum: u32,
}

/// A part of a file of a snapshot.
#[derive(Clone, PartialEq, Message)]
pub struct GetFile {
    #[prost(string, tag = "1")]
    pub snapshot: String,
    #[prost(string, tag = "2")]
    pub name: String,
    #[prost(uint64, tag = "3")]
    pub offset: u64,
    #[prost(uint32, tag = "4")]
    pub bytes_max: u32,
}
