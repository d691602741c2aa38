//! What nodes say to each other about messages that clients publish.

use bytes::Bytes;
use prost::Message;

/// A message of PUBLISH.
#[derive(Clone, PartialEq, Message)]
pub(in crate::log) struct Publication {
    #[prost(bytes = "bytes", tag = "1")]
    pub(in crate::log) channel: Bytes,
    #[prost(bytes = "bytes", tag = "2")]
    pub(in crate::log) payload: Bytes,
    #[prost(bool, tag = "3")]
    pub(in crate::log) is_sharded: bool,
    /// Its place in the order of the core; both 0: it has none, or not yet.
    #[prost(uint64, tag = "4")]
    pub(in crate::log) term: u64,
    #[prost(uint64, tag = "5")]
    pub(in crate::log) number: u64,
}

/// To the leader: messages that want an order.
#[derive(Clone, PartialEq, Message)]
pub(in crate::log) struct Publish {
    #[prost(message, repeated, tag = "1")]
    pub(in crate::log) messages: Vec<Publication>,
}

/// From the leader: messages in their order.
#[derive(Clone, PartialEq, Message)]
pub(in crate::log) struct Deliver {
    #[prost(uint64, tag = "1")]
    pub(in crate::log) term: u64,
    #[prost(message, repeated, tag = "2")]
    pub(in crate::log) messages: Vec<Publication>,
    /// Inside a site: of which history of the core they are.
    #[prost(string, tag = "3")]
    pub(in crate::log) history: String,
}

/// How many connections each message was handed to.
#[derive(Clone, PartialEq, Message)]
pub(in crate::log) struct PublishAnswer {
    #[prost(uint64, repeated, tag = "1")]
    pub(in crate::log) counts: Vec<u64>,
}
