//! Entries in, replies out: the deterministic heart. `entry.rs` is the format of what the log carries, `apply.rs` runs it;
//! `site.rs` and `follow.rs` are the same for the log of an edge site.
//!
//! **Invariants.** No tokio, no network, no clock, no configuration: apply is a function of (state, entry), whatever else
//! this node has done (compactions, restarts, the batches it cut), and takes entries in log order only. A handler that
//! panics answers `-ERR internal error` and leaves nothing behind, on every replica alike; a store failure is returned
//! and must stop the node. Replies of commands that nobody on this node waits for are computed and dropped.

mod apply;
mod entry;
mod follow;
mod site;
#[cfg(test)]
mod tests;

pub use apply::Replica;
pub use entry::{Batch, BatchBuilder, CallRef, EntryError, Proposal, ProposalBuilder, ProposalKind};
pub use site::{BootstrapSnapshot, RECORD_HEAD_BYTES, Record, Records, SiteEntry, put_record};
