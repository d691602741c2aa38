//! Flotilla as the source of a Redis or Valkey that follows it (`REPLICAOF`), or of a tool that speaks that protocol: the data as an
//! RDB, then a stream of commands, of which a part can be asked for again (PSYNC).
//!
//! ```text
//! apply ─ changes of a batch ─▶ pending ─┐
//!         view after the batch ──────────┴▶ producer thread ─ MULTI … EXEC ─▶ stream (bounded) ─▶ connections of followers
//!                                                           └ view, offset ─▶ RDB, one at a time ─▶ the connection that asked
//! ```
//!
//! The log is not what is streamed: its entries have scripts, commands that a Redis 7.0 does not know, and calls that read the clock or draw
//! at random. The stream has **effects**: apply tells what each call changed, and how that can be repeated (`command::PassedOn`). Calls that
//! change a part of a value are repeated, in their order; of all other keys that changed, the value as of the end of the
//! batch is sent. Those are *dirty*: calls about them are left out, since the value has their effect.
//!
//! | file | content |
//! |---|---|
//! | `pending.rs` | what has changed since the last unit of the stream |
//! | `values.rs` | keys of a view as commands |
//! | `stream.rs` | the bytes of the stream that are kept, and its followers |
//! | `source.rs` | the observer's side, and the thread that makes the stream |
//! | `producer.rs` | its units, as they are written |
//! | `full_copy.rs` | a view as an RDB |
//!
//! **Invariants.**
//! * A unit of the stream takes a follower from the state after one batch of entries to the state after a later one, and is one
//!   transaction: a follower has every write once, or not yet.
//! * Nothing here can hold back apply, or a client: what waits is bounded by bytes, and followers that do not keep up are
//!   disconnected. If what has changed outgrows its bound, all followers begin anew.
//! * Without a follower it costs a look at a flag.

mod full_copy;
mod pending;
mod producer;
mod source;
mod stream;
#[cfg(test)]
mod tests;
mod totals;
mod values;

pub use full_copy::{CopyChunk, FullCopy};
pub use source::Psync;
pub use stream::{Follower, FollowerPhase, FollowerStatus, Gone, StreamStatus};

use crate::{error::Result as HandlerResult, store::View};
use std::time::Duration;
use tokio::sync::oneshot;

/// The texts of the libraries of functions that a view has.
pub type Libraries = fn(&View<'_>) -> HandlerResult<Vec<Vec<u8>>>;

/// Bounds, see the configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PsyncOptions {
    pub followers_max: usize,
    pub backlog_bytes: u64,
    pub buffer_bytes: u64,
    pub backlog_ttl: Duration,
}

/// What a follower begins with.
pub enum Begun {
    /// The stream goes on.
    GoesOn { replid: String },
    /// A copy of the data, once it is this follower's turn.
    Copy(oneshot::Receiver<FullCopy>),
}

/// What a follower asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PsyncRequest {
    /// The replication id of a stream that is to go on, and the first byte wanted of it, counted from 1.
    pub go_on: Option<(String, u64)>,
    /// Its port and address as it says.
    pub announced: Announced,
}

/// What a follower says of itself (REPLCONF).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Announced {
    pub port: u16,
    pub address: Option<String>,
    /// It can tell the end of an RDB whose length it is not told.
    pub finds_end: bool,
}
