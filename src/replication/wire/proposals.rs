//! Writes on their way to the leader, and how far a read must go.

use bytes::Bytes;
use prost::Message;

/// Proposals of one node's sessions, in their order.
#[derive(Clone, PartialEq, Message)]
pub struct Forward {
    #[prost(bytes = "bytes", repeated, tag = "1")]
    pub proposals: Vec<Bytes>,
    /// The highest feature level that the sender's program understands.
    #[prost(uint32, tag = "2")]
    pub feature_level: u32,
}

/// One outcome for each.
#[derive(Clone, PartialEq, Message)]
pub struct ForwardAnswer {
    #[prost(message, repeated, tag = "1")]
    pub outcomes: Vec<ForwardOutcome>,
    /// The leader's log position when the last of them was applied.
    #[prost(uint64, tag = "2")]
    pub applied: u64,
}

/// What became of a forwarded write.
pub mod outcome_kind {
    pub const APPLIED: u32 = 1;
    /// Definitely not done.
    pub const NOT_DONE: u32 = 2;
    pub const UNKNOWN: u32 = 3;
    /// Not done, for a cause that is the asked node's alone: another one may be asked. Without replies.
    pub const ELSEWHERE: u32 = 4;
}

#[derive(Clone, PartialEq, Message)]
pub struct ForwardOutcome {
    /// See `outcome_kind`.
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
    /// Log time when the leader answered, ms since the epoch; 0 = not given.
    #[prost(uint64, tag = "2")]
    pub log_ms: u64,
}
