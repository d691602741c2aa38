//! The frames on the wire: an envelope around a body, and headers that are read before it.

use bytes::Bytes;

/// The version of the protocol between nodes. A node refuses any other.
pub const PROTOCOL_VERSION: u32 = 1;
/// Kinds from this one to below `FIRST_MEMBER_KIND` are what edges may ask of a core, and all that they may.
pub const FIRST_EDGE_KIND: u32 = 40;
/// Kinds below this one are also answered to nodes of no cluster or another one.
pub const FIRST_MEMBER_KIND: u32 = 100;

pub(super) const CALL_PATH: &str = "/flotilla.peer.v1.Peer/Call";
pub(super) const STREAM_PATH: &str = "/flotilla.peer.v1.Peer/Line";
pub(super) const FEED_PATH: &str = "/flotilla.peer.v1.Peer/Feed";
pub(super) const SERVICE_NAME: &str = "flotilla.peer.v1.Peer";
pub(super) const VERSION_HEADER: &str = "flotilla-version";
pub(super) const CLUSTER_HEADER: &str = "flotilla-cluster";
pub(super) const FROM_HEADER: &str = "flotilla-from";
/// The name of the sending node; with TLS its certificate must be valid for it.
pub(super) const NAME_HEADER: &str = "flotilla-name";
/// The id of the node that is meant; absent where the caller does not know it yet.
pub(super) const TO_HEADER: &str = "flotilla-to";
pub(super) const KIND_HEADER: &str = "flotilla-kind";
/// A message with the largest entry of the log, and its envelope.
pub(super) const MESSAGE_BYTES_MAX: usize = crate::limits::ENTRY_BYTES_MAX + (1 << 20);

/// Calls that may be on a multiplexed stream without an answer.
pub(super) const FRAMES_MAX: usize = 512;
/// Bytes of calls that a multiplexed stream handles at once; a single one may be larger.
pub(super) const STREAM_BYTES_MAX: usize = 64 << 20;
/// Bytes in flight on one stream, and on all of a connection, that the other side has not read yet.
pub(super) const STREAM_WINDOW_BYTES: u32 = 4 << 20;
pub(super) const CONNECTION_WINDOW_BYTES: u32 = 16 << 20;
/// HTTP/2's default of 16 KiB makes 64 frames of one part of a file; much more would hold up what shares the connection.
pub(super) const FRAME_BYTES_MAX: u32 = 256 << 10;

/// A call or its answer on a multiplexed stream.
#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct Frame {
    #[prost(uint64, tag = "1")]
    pub(super) id: u64,
    #[prost(uint32, tag = "2")]
    pub(super) kind: u32,
    /// Of an answer: 0 done, 1 refused, 2 perhaps done; the body of the latter two is a text.
    #[prost(uint32, tag = "3")]
    pub(super) status: u32,
    #[prost(bytes = "bytes", tag = "4")]
    pub(super) body: Bytes,
    /// Of a call: the group it is for. Nodes below `wire::FEATURE_LEVEL` 3 do not read it, and have group 0 only.
    #[prost(uint64, tag = "5")]
    pub(super) group: u64,
}

/// A call or its answer.
#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct Envelope {
    /// The group it is for.
    #[prost(uint64, tag = "1")]
    pub(super) group: u64,
    #[prost(uint32, tag = "2")]
    pub(super) kind: u32,
    #[prost(bytes = "bytes", tag = "3")]
    pub(super) body: Bytes,
}
