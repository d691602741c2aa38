//! Entries in, replies out: the deterministic heart. `entry.rs` is the format of what the log carries, `apply.rs` runs it;
//! `timing.rs` tells of slow calls, `work.rs` how much work entries are; `evict.rs` is what the leader proposes about the bytes of the data, `raise.rs` is the entry that raises the feature level, `source.rs` is what comes from a Redis that the data follow, `site.rs` and `follow.rs` are the same for the log of an edge site.
//!
//! **Invariants.** No tokio, no network, no clock (but to tell how long calls took), no configuration: apply is a function of (state, entry), independent of
//! the node's compactions, restarts and batch boundaries, and takes entries in log order only. A handler that panics
//! answers `-ERR internal error` and changes nothing, on every replica alike; a store failure is returned and must stop the
//! node. Replies without a waiting client are computed and dropped.

mod apply;
mod entry;
mod evict;
mod follow;
mod origin;
mod prefetch;
mod raise;
mod reader;
mod site;
mod source;
#[cfg(test)]
mod tests;
mod timing;
mod work;

pub use apply::Replica;
pub use entry::{Batch, BatchBuilder, CallRef, EntryError, Proposal, ProposalBuilder, ProposalKind};
pub use evict::{CountRows, Evict, Victim};
pub use raise::Raise;
pub use site::{BootstrapSnapshot, RECORD_HEAD_BYTES, Record, Records, SiteEntry, put_record};
pub use source::{FromSource, STALE, SourceChange, SourceStep, SourceUnit, StepBuilder};
pub use timing::{CallObserver, NotedCall};
