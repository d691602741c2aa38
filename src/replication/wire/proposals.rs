//! Writes on their way to the leader, and how far a read must go.

use bytes::Bytes;
use prost::Message;

/// Proposals of one node's sessions, in their order.
#[derive(Clone, PartialEq, Message)]
pub struct Forward {
    #[prost(bytes = "bytes", repeated, tag = "1")]
    pub proposals: Vec<Bytes>,
}

/// One outcome for each.
#[derive(Clone, PartialEq, Message)]
pub struct ForwardAnswer {
    #[prost(message, repeated, tag = "1")]
    pub outcomes: Vec<ForwardOutcome>,
    /// Where the leader's log stood when the last of them was applied.
    #[prost(uint64, tag = "2")]
    pub applied: u64,
}

#[derive(Clone, PartialEq, Message)]
pub struct ForwardOutcome {
    /// 1 applied, 2 definitely not done, 3 unknown.
    #[prost(uint32, tag = "1")]
    pub kind: u32,
    /// Replies, or one error, as `resp::put_reply` writes them.
    #[prost(bytes = "vec", tag = "2")]
    pub replies: Vec<u8>,
}

#[derive(Clone, PartialEq, Message)]
pub struct ReadIndex {
    #[prost(uint64, tag = "1")]
    pub index: u64,
    /// Log time when the leader answered, ms since the epoch; 0 = it does not say.
    #[prost(uint64, tag = "2")]
    pub log_ms: u64,
}
