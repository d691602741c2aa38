//! The data on disk and the two ways to it: `View` (reads at one point in time) and `Txn` (the writes of one batch).
//!
//! ```text
//!            apply thread                                  any thread
//!   entry ─▶ Txn: overlay ─▶ one WriteBatch ─▶ RocksDB ─▶ hot cache ─▶ publish ──▶ View: hot cache, else snapshot
//! ```
//!
//! **Invariants.**
//! * No RocksDB type is visible outside this module.
//! * There is one writer, the thread that applies the log. RocksDB's own WAL is off: the Raft log is the WAL.
//! * Data, applied position and counts are written in one batch over all column families with atomic flush, so after a
//!   crash the store is at exactly one log position.
//! * A `View` sees the state after a whole number of batches. The hot cache may hold rows that are newer than a view; a
//!   view uses a cached row only if its revision is not past the view's own applied index.
//! * As long as a view is held, it finds all that it saw at first: RocksDB's snapshot keeps what batches change, and the
//!   rows of a database that was flushed since are kept for it (`namespaces.rs`).
//! * Nothing here reads a clock or a random number.

mod access;
mod changes;
mod check;
mod checksum;
mod engine;
mod expiring;
mod file_sums;
mod frequency;
mod hot;
pub mod keys;
mod largest;
mod lifetimes;
mod log_position;
mod namespaces;
mod options;
mod pages;
mod passed_expiries;
mod published;
mod read_samples;
mod read_watch;
mod replaced;
mod replies;
mod row;
mod scan;
mod script_view;
mod site;
mod sizes;
mod snapshot;
mod source;
mod state;
mod stats;
mod store;
mod subkeys;
mod sums;
#[cfg(test)]
pub(crate) mod tests;
mod txn;
mod victims;
mod view;
mod watched;

pub use changes::{
    ChangeEvent, DatabaseChange, EventClass, Interest, KeyChange, Observer, Origin, Passed, PassedCall,
    PassedCommand,
};
pub use checksum::FullRead;
pub use expiring::{ElementExpiries, expiry_sub, parse_expiry_sub};
pub use file_sums::FileSum;
pub use hot::Hot;
pub use keys::{ALL, CollectionId, SubRange, successor};
pub use largest::{LargestKey, LargestKeys};
pub use log_position::{Condition, LogPosition};
pub use options::StoreOptions;
pub use passed_expiries::NextDue;
pub use published::Published;
pub use read_samples::{READ_SAMPLES_MAX, ReadSampling};
pub use read_watch::{LargeReads, ReadWatch, ScriptReads};
pub use replies::Replies;
pub use row::{CollectionHead, Encoding, Row, Type};
pub use scan::Direction;
pub use site::SiteRecord;
pub use sizes::Was;
pub use snapshot::{Checkpoint, remove_directory};
pub use source::{SourcePhase, SourceRecord};
pub use state::{Database, LogId, StateRecord};
pub use stats::{EngineStats, StoreStats};
pub use store::Store;
pub use subkeys::SubKeys;
pub use txn::{BeforeScript, Counted, NewRow, Savepoint, Spent, Swept, Txn};
pub use victims::{Candidate, Sampler, VictimOrder};
pub use view::{ReadTime, View};
pub use watched::Watches;

/// Prefix of a logical database's rows on disk; never reused.
pub type Namespace = u32;
