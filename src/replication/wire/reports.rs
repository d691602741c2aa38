//! What nodes that share a log say of themselves.

use bytes::Bytes;
use prost::Message;

/// What does the receiver say of itself?
#[derive(Clone, Copy, PartialEq, Message)]
pub struct ReportWanted {
    /// Of the last hour, instead of now.
    #[prost(bool, tag = "1")]
    pub is_history: bool,
}

/// JSON; empty: nothing was written yet.
#[derive(Clone, PartialEq, Message)]
pub struct ReportAnswer {
    #[prost(bytes = "bytes", tag = "1")]
    pub text: Bytes,
}
