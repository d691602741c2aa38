//! Bytes ⇄ calls and replies: RESP2, RESP3 and inline commands, with every limit applied before anything is allocated.
//!
//! Requests are parsed by hand: they have one shape (an array of bulk strings), every length must be checked against a
//! limit before it is used, Redis's error texts name the mistake, and a request that arrives in pieces must not be read
//! from its start again. Parsing yields ranges of the connection's buffer; nothing is copied. Replies go out through the
//! `redis-protocol` crate, except for the shapes that make up nearly all traffic (status lines, bulk strings, integers,
//! nulls), for doubles (the crate writes exponents differently) and for aggregate headers, whose order must be kept (the
//! crate's maps are unordered). Source of the formats: the RESP specification,
//! <https://redis.io/docs/latest/develop/reference/protocol-spec/>.
//!
//! Invariant: only this module imports `redis_protocol`; no sockets, no tokio.

mod client;
mod decoder;
mod double;
mod encode;
mod error;
mod inline;
mod length;
mod reply;
mod wire;

pub use client::{Answer, ask, put_request, read_answer};
pub use decoder::{Decoded, Decoder, Limits, ProtocolError};
pub use double::format_double;
pub use encode::{bulk_head, encode};
pub use error::{ErrorReply, excerpt, excerpt_of};
pub use inline::split as split_inline;
pub use length::encoded_len;
pub use reply::{Protocol, Reply};
pub use wire::{put_reply, take_reply};
