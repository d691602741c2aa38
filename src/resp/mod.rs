//! Bytes ⇄ calls and replies: RESP2, RESP3 and inline commands, with every limit applied before anything is allocated.
//!
//! Requests are parsed here by hand: they have one shape (an array of bulk strings), every length must be checked against
//! a limit before it is believed, Redis's error texts name what was wrong, and a request that arrives in pieces must not
//! be read from its start again. What parsing finds are ranges of the connection's buffer; nothing is copied.
//! Replies go out through the `redis-protocol` crate, but for the shapes that make up nearly all traffic (status
//! lines, bulk strings, integers, nulls), for doubles (the crate writes exponents otherwise) and for aggregate headers, whose order must be kept (the crate's maps are unordered).
//! Source of the formats: the RESP specification, <https://redis.io/docs/latest/develop/reference/protocol-spec/>.
//!
//! Invariant: only this module imports `redis_protocol`; no sockets, no tokio.

mod client;
mod decoder;
mod double;
mod encode;
mod error;
mod inline;
mod reply;
mod wire;

pub use client::{Answer, ask, put_request, read_answer};
pub use decoder::{Decoded, Decoder, Limits, ProtocolError};
pub use double::format_double;
pub use encode::encode;
pub use error::ErrorReply;
pub use inline::split as split_inline;
pub use reply::{Protocol, Reply};
pub use wire::{put_reply, take_reply};
