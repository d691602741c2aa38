//! The durable log: segment files, one writer thread, group commit. Knows nothing of Raft but indexes, terms and votes.
//!
//! ```text
//!  append ─▶ cache (readable at once) ─▶ bounded channel ─▶ log-writer: all that is queued = 1 pwrite + 1 fdatasync
//!                                                               └─▶ locations published, callbacks in order
//!  log-files thread: fills the next segment with zeros ahead of need, deletes purged ones
//! ```
//!
//! | file | content |
//! |---|---|
//! | `STATE` | log id, vote, purge marker; replaced atomically (`hard_state.rs`) |
//! | `NNNNNNNNNNNNNNNN.seg` | 64-byte header (`file.rs`), then records (`record.rs`), then zeros |
//! | `*.tmp` | unfinished; removed at open |
//!
//! Segments are preallocated and zero-filled, because a write into written blocks needs no file-system journal: its
//! fdatasync costs half of an appending one. A segment is used only after its header and name are durable, so serial
//! numbers have no gaps. A record that is larger than a segment gets one of its own, which grows.
//!
//! **Invariants.**
//! * A callback runs only after its records are on disk; callbacks run in the order of the calls.
//! * A truncation is itself a record, so a crash can never bring the removed suffix back. A purge is durable in `STATE`
//!   before the first segment goes; segments go oldest first.
//! * At open, only bytes that no fsync covered may be dropped (see `scan.rs`). Anything else that does not read back as
//!   written is refused, with file, offset and index: a log is never shortened silently, because a node that votes with a
//!   shortened log can lose entries that others acknowledged.
//! * A log and a store that do not belong together are refused (`consistency.rs`).
//! * Any failed write or fsync of a segment stops the process at once; there is no second try of an fsync, since the
//!   kernel may have dropped the pages with the first error. The unfinished batch was never acknowledged and is dropped
//!   as a torn tail. A full disk does not come to that: segments are written whole before they are used. Preparing the
//!   next one, and replacing `STATE`, is tried again until there is room.

mod blocking;
mod consistency;
mod error;
mod file;
mod files;
mod gathered;
mod hard_state;
mod index;
mod log;
mod open;
mod record;
mod scan;
mod shared;
mod writer;

pub(super) use blocking::blocking;
pub(super) use consistency::{check_consistency, is_consistent_with};
pub use error::LogError;
pub use file::{SegmentOptions, remove_temporary};
pub use hard_state::VoteRecord;
pub use log::{Done, Retention, SegmentLog};
pub use open::create_private_directory;
pub use record::{EntryKind, LogEntry};

#[cfg(test)]
pub(crate) mod tests;
