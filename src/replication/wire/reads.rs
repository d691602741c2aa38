//! Which keys clients of a node read, for a leader that evicts (`maxmemory`).

use bytes::Bytes;
use prost::Message;

/// Storage keys; a hint that may be lost.
#[derive(Clone, PartialEq, Message)]
pub struct Reads {
    #[prost(bytes = "bytes", repeated, tag = "1")]
    pub keys: Vec<Bytes>,
}

/// What the receiver wants to know from now on, for a node that does not know it from its own parameters. The answer to an edge's
/// report as well.
#[derive(Clone, Copy, PartialEq, Message)]
pub struct ReadsAnswer {
    /// 0 nothing, 1 which keys are read, 2 a share of all reads.
    #[prost(uint32, tag = "1")]
    pub wanted: u32,
}
