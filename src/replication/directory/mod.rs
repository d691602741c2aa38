//! The data directory of a node: its identity, its health, and its repair.
//!
//! | name | content | file |
//! |---|---|---|
//! | `LOCK` | held by the process that works on the directory | `identity.rs` |
//! | `IDENTITY` | node id, cluster, history, the log that belongs to it; JSON with a checksum | `identity.rs`, `identity_file.rs` |
//! | `QUARANTINED` | damage was found, or a restore has not ended: the node does not start with these files as if nothing were | `quarantine.rs`, `restoring.rs` |
//! | `log/` | the log | `wal/` |
//! | `store/` | the data | `crate::store` |
//! | `snapshot/`, `received/`, `bootstrap/` | snapshots: its own, one that is being fetched, those of an edge site | `snapshots/` |
//! | `damaged/` | what a node gave up of its log at its last repair | `repair.rs` |
//! | `CLOCK` | log time at the last stop | `state/clock_file.rs` |
//! | `groups/ID/` | log, store and snapshots of a further group; the first group's are beside `IDENTITY` | `groups.rs` |
//! | `UPSTREAMS` | on an edge: the nodes that its core had | `edge/core_nodes.rs` |
//!
//! A node id is random and belongs to one directory for good. A node with an emptied directory is a new node: it cannot
//! vote with the memory of the old one.
//!
//! **Damage.** A node that finds damage writes `QUARANTINED` and stops. If only its data are damaged, it fetches another
//! node's data at its next start: its log, its votes and its promises stand. If its log, its votes or its identity are
//! damaged, it gives all of them up, once the others have a leader in contact with a majority, and rejoins as a new node.
//!
//! **Invariants.**
//! * One process at a time works on a directory.
//! * A directory of another cluster, another history or another site is refused with the reason, never adopted.
//! * Damaged data are removed only after sound data have replaced them.

mod groups;
mod identity;
mod identity_file;
mod quarantine;
mod repair;
mod restoring;

pub use groups::open_group;
pub use identity::{
    Adopt, DataDirectory, Identity, adopt, become_member, become_whole, begin_again, bind_log,
};
pub use quarantine::Quarantine;
pub use repair::{Helpers, LostStore};
