//! Snapshots: checkpoints of the store, and how their files get to a node that needs them.
//!
//! ```text
//!  store ─ checkpoint (hard links) ─▶ snapshot/INDEX ─ offer: names, lengths, checksums ─▶ the other node
//!                                          └───── GetFile: 1 MiB at a time, several ahead ─▶ received/ ─ install ─▶ its store
//! ```
//!
//! A snapshot is made when the log is to be purged, when a node joins, or when an edge wants a copy. It costs a flush and no
//! copying: files of RocksDB tables never change, so a checkpoint links to them. Three kinds of nodes fetch one:
//!
//! * a **follower** whose next entry the leader has purged: openraft offers it (`consensus/snapshot.rs`);
//! * a **node with damaged data**, before its log is opened (`directory/repair.rs`);
//! * an **edge site** that the core's log no longer reaches (`edge/`). The node that leads the site fetches it from the core,
//!   the others of the site from that one (`bootstrap_snapshots.rs`); a node that comes late takes a snapshot of another node that
//!   stands behind it (`site_snapshot.rs`).
//!
//! A transfer that breaks is resumed: a whole file with the right checksum is not fetched again, and half a file goes on
//! where it stopped. `verified.rs` remembers which files were read once and found whole; `fetchers.rs` who is fetching, so
//! that the log behind the snapshot stays until they have caught up.
//!
//! **Invariants.**
//! * What has a number for a name in `snapshot/` is whole; it is built beside its name and renamed.
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

pub use bootstrap_snapshots::{BootstrapSnapshots, note_held, place_of, prepare};
pub use fetchers::Fetchers;
pub use receiving::HAS_NOT_ITS_CHECKSUM;
pub use snapshots::Snapshots;
pub use transfer::{Source, Throttle, fetch_files, read_part};

#[cfg(test)]
pub use transfer::snapshot_files;
