//! Snapshots: checkpoints of the store, and how their files get to a node that needs them.
//!
//! ```text
//!  store ─ checkpoint (hard links) ─▶ snapshot/INDEX ─ offer: names, lengths, checksums ─▶ the other node
//!                                          └───── GetFile: 1 MiB at a time, several ahead ─▶ received/ ─ install ─▶ its store
//! ```
//!
//! A snapshot is made when the log should be purged, when a node joins, or when an edge needs one. It costs a flush and no
//! copying: RocksDB's table files never change, so a checkpoint links to them. Three kinds of nodes fetch one:
//!
//! * a **follower** whose next entry the leader has purged: openraft offers it (`consensus/snapshot.rs`);
//! * a **node with damaged data**, before its log is opened (`directory/repair.rs`);
//! * an **edge site** whose next entries the core has purged (`edge/`). The site's leader fetches it from the core, the
//!   others of the site from the leader (`bootstrap_snapshots.rs`); a late node takes a later snapshot of another node
//!   (`site_snapshot.rs`).
//!
//! A broken transfer is resumed: a complete file with the right checksum is not fetched again, and a partial file is
//! continued. `verified.rs` remembers the files that were read and found sound; `fetchers.rs` remembers the nodes that are
//! fetching, so that the log behind the snapshot stays until they have caught up.
//!
//! **Invariants.**
//! * A directory in `snapshot/` whose name is a number is complete; it is built under another name and renamed.
//! * A file is offered only if it has the checksum that it had when it was written: damage does not spread.
//! * Names that come from the network lead nowhere but into the snapshot's own directory.
//! * This room knows nothing of openraft.

mod bootstrap_snapshots;
mod fetchers;
mod receiving;
mod site_snapshot;
mod snapshots;
mod transfer;
mod verified;

pub use bootstrap_snapshots::{BootstrapSnapshots, directory_of, note_whole, open_directory, prepare};
pub use fetchers::Fetchers;
pub use receiving::HAS_NOT_ITS_CHECKSUM;
pub use snapshots::Snapshots;
pub use transfer::{Source, Throttle, fetch_files, read_part};

#[cfg(test)]
pub use transfer::snapshot_files;
