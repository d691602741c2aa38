//! Messages between nodes about messages that clients publish.

use crate::session::{self, MessagePosition};
use bytes::Bytes;
use prost::Message;

/// A message of PUBLISH.
#[derive(Clone, PartialEq, Message)]
pub struct Publication {
    #[prost(bytes = "bytes", tag = "1")]
    pub channel: Bytes,
    #[prost(bytes = "bytes", tag = "2")]
    pub payload: Bytes,
    #[prost(bool, tag = "3")]
    pub is_sharded: bool,
    /// Its position in the core's order; both 0: it has none yet.
    #[prost(uint64, tag = "4")]
    pub term: u64,
    #[prost(uint64, tag = "5")]
    pub number: u64,
}

/// To the leader: messages that want an order.
#[derive(Clone, PartialEq, Message)]
pub struct Publish {
    #[prost(message, repeated, tag = "1")]
    pub messages: Vec<Publication>,
}

/// From the leader: messages in their order.
#[derive(Clone, PartialEq, Message)]
pub struct Deliver {
    #[prost(uint64, tag = "1")]
    pub term: u64,
    #[prost(message, repeated, tag = "2")]
    pub messages: Vec<Publication>,
    /// Inside a site: the history of the core that they belong to.
    #[prost(string, tag = "3")]
    pub history: String,
}

/// The number of connections that got each message.
#[derive(Clone, PartialEq, Message)]
pub struct PublishAnswer {
    #[prost(uint64, repeated, tag = "1")]
    pub counts: Vec<u64>,
}

pub fn publication_to_wire(message: &session::Publication) -> Publication {
    let session::Publication { channel, payload, is_sharded, at } = message.clone();
    let MessagePosition { term, number } = at.unwrap_or_default();
    Publication { channel, payload, is_sharded, term, number }
}

pub fn publication_from_wire(message: Publication) -> session::Publication {
    let Publication { channel, payload, is_sharded, term, number } = message;
    let at = (number != 0).then_some(MessagePosition { term, number });
    session::Publication { channel, payload, is_sharded, at }
}
