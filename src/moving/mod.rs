//! A running Redis or Valkey, whose data move here while it serves: followed as one of its replicas, compared, and cut over from.
//!
//! ```text
//! Redis ─ PSYNC: RDB, then commands ─▶ feeder ─ steps ─▶ keeper ─ proposals ─▶ log ─▶ every node (replica/source.rs)
//!       ─ INFO, CLIENT PAUSE ────────────────────────────▶ keeper ─ changes of the record ─▶ log
//! ```
//!
//! The leader follows. What it follows and how far it is stands with the data (`store/source.rs`), so the next leader, or this
//! node after a restart, goes on at the same place of the source's stream. Meanwhile clients' writes are refused, keys expire
//! when the source says so, and none are evicted.
//!
//! | file | content |
//! |---|---|
//! | `link.rs` | a connection to a source |
//! | `feeder.rs`, `load.rs`, `translate.rs` | reads a source: the handshake, its RDB, its commands |
//! | `keeper.rs`, `following.rs` | what the leader does: proposes what was read, reports, cuts over |
//! | `plan.rs` | the commands that make a key; `flotilla import` uses it as well |
//! | `client.rs` | a connection to a node for many commands at once, of the command lines |
//! | `compare.rs` | `flotilla admin compare` |
//! | `survey.rs` | what of a source cannot be carried, before the start |
//! | `url.rs` | `redis://user:password@host:port` |
//!
//! **Invariants.**
//! * A step is applied once, and only where it follows what is there: see `replica/source.rs`. Two nodes that both believe to lead
//!   do no harm.
//! * Whatever a source sends, memory is bounded: by the largest value or transaction that an entry may have.
//! * A source's password is in no log, no reply and no error.

mod client;
pub mod compare;
mod feeder;
mod following;
mod keeper;
mod link;
mod load;
pub mod plan;
pub mod survey;
#[cfg(test)]
mod tests;
mod translate;
pub mod url;

pub use client::Client;
pub use keeper::Keeper;
pub use link::Link;
