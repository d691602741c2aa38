//! The data on disk and the two ways to it: `View` (reads at one point in time) and `Txn` (the writes of one batch).
//!
//! ```text
//!            apply thread                                  any thread
//!   entry ─▶ Txn: overlay ─▶ one WriteBatch ─▶ RocksDB ─▶ hot cache ─▶ publish ──▶ View: hot cache, else snapshot
//! ```
//!
//! **Invariants.**
//! * Nobody outside this module sees a RocksDB type.
//! * There is one writer, the thread that applies the log. RocksDB's own WAL is off: the Raft log is the WAL.
//! * Data, applied position and counts are written in one batch over all column families with atomic flush, so after
//!   a crash the store stands at exactly one place of the log.
//! * A `View` sees the state after a whole number of batches. The hot cache holds rows that may be newer than a view;
//!   a view uses a cached row only if its revision is not past the view's own applied index.
//! * Nothing here reads a clock or a random number.

mod access;
mod changes;
mod check;
mod checksum;
mod engine;
mod fields;
mod file_sums;
mod hot;
pub mod keys;
mod lifetimes;
mod log_position;
mod options;
mod pages;
mod published;
mod replaced;
mod row;
mod scan;
mod site;
mod snapshot;
mod state;
mod store;
mod subkeys;
#[cfg(test)]
pub(crate) mod tests;
mod txn;
mod view;
mod watched;

pub use changes::{ChangeEvent, EventClass, Interest, KeyChange, Observer};
pub use fields::{FieldExpiries, expiry_sub, parse_expiry_sub};
pub use file_sums::FileSum;
pub use hot::Hot;
pub use keys::{ALL, CollectionId, SubRange, successor};
pub use log_position::{Condition, LogPosition};
pub use options::StoreOptions;
pub use published::Published;
pub use row::{CollectionHead, Encoding, Row, Type};
pub use scan::Direction;
pub use site::SiteRecord;
pub use snapshot::Checkpoint;
pub use state::{Database, LogId, StateRecord};
pub use store::{Store, StoreStats};
pub use subkeys::SubKeys;
pub use txn::{NewRow, Savepoint, Swept, Txn};
pub use view::{ReadTime, View};
pub use watched::Watches;

/// What a logical database's rows are filed under on disk; never reused.
pub type Namespace = u32;
