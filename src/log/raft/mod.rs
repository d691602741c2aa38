//! All that knows openraft: its type parameters, its view of the log and of the state machine, a node of it.
//!
//! **Invariant:** no openraft type leaves this module; `RaftNode` and `Verdict` are what the rest of `log/` sees.

mod apply;
mod fetchers;
mod log_store;
mod members;
mod membership;
mod network;
mod node;
mod receiving;
mod responder;
mod service;
mod snapshots;
mod state_machine;
mod step_down;
mod transfer;
mod types;
mod verified;
pub(super) mod wire;

pub(super) use members::{ChangeError, Member, Members, sole};
pub(super) use network::Peers;
pub(super) use node::VOTE_DELAY;
pub use node::{RaftNode, RaftParts, Verdict};
pub(super) use service::{Answering, Service};
pub use snapshots::Snapshots;
pub(super) use transfer::{SnapshotFile, Source, Throttle, fetch_files, read_part, snapshot_files};
pub(super) use types::Peer;
use types::Types;

#[cfg(test)]
pub(super) mod tests;
