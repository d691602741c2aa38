//! What travels: an envelope around a body, and headers that are read before it.

use bytes::Bytes;

/// The version of everything that nodes say to each other. A node refuses another one.
pub const PROTOCOL_VERSION: u32 = 1;
/// Kinds below this one are answered to nodes that are not of the cluster, or of none.
pub const FIRST_MEMBER_KIND: u32 = 100;

pub(super) const CALL_PATH: &str = "/flotilla.peer.v1.Peer/Call";
pub(super) const SERVICE_NAME: &str = "flotilla.peer.v1.Peer";
pub(super) const VERSION_HEADER: &str = "flotilla-version";
pub(super) const CLUSTER_HEADER: &str = "flotilla-cluster";
pub(super) const FROM_HEADER: &str = "flotilla-from";
/// The id of the node that is meant; absent where the caller does not know it yet.
pub(super) const TO_HEADER: &str = "flotilla-to";
pub(super) const KIND_HEADER: &str = "flotilla-kind";
/// A message that carries the largest entry of the log, and room for what is around it.
pub(super) const MESSAGE_BYTES_MAX: usize = crate::limits::ENTRY_BYTES_MAX + (1 << 20);

/// A call or its answer.
#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct Envelope {
    /// The Raft group it is for; there is one, 0.
    #[prost(uint64, tag = "1")]
    pub(super) group: u64,
    #[prost(uint32, tag = "2")]
    pub(super) kind: u32,
    #[prost(bytes = "bytes", tag = "3")]
    pub(super) body: Bytes,
}
