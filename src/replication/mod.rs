//! Replication, as rooms: the write path from a proposal to its outcome, and everything that keeps the nodes of a group equal.
//!
//! ```text
//!  network thread ─ submit ─▶ queue ─▶ batcher ─▶ openraft ─▶ log-writer (fsync) ─▶ openraft ─▶ apply thread
//!        ▲                    (bounded)  (raft thread)             (wal/)         (committed)       │ one batch
//!        └──────────── mailbox ◀── one wake per network thread and chunk ◀── outbox ◀───────────────┘
//! ```
//!
//! A room may import the rooms below it in this table and nothing above it; `tidy.rs` checks that. Read from the bottom up:
//!
//! | room | what it does |
//! |---|---|
//! | `group/` | puts one group together: its handle, its thread, the service that answers other nodes |
//! | `membership/` | who belongs to the core: founding, joining, replacing, removing, and the requests of administrators |
//! | `edge/` | feeds edge sites from the core, and follows the core on an edge |
//! | `verify/` | compares the state of all nodes, and lets a damaged node go |
//! | `upkeep/` | what the group does without being asked: purge the log, delete expired keys, steer log time |
//! | `pubsub/` | gives messages of PUBLISH one order on all nodes; nothing of it is logged |
//! | `proposals/` | makes entries of queued writes, or forwards them to the leader |
//! | `consensus/` | all that knows openraft: log store, state machine, network, members, read index |
//! | `directory/` | the data directory: whose it is, whether it is sound, how it is repaired |
//! | `snapshots/` | checkpoints of the store, and their way to another node |
//! | `queue/` | where proposals wait, what is in flight, and how outcomes come back |
//! | `wire/` | the messages that nodes exchange |
//! | `wal/` | the durable log: segment files, one writer thread, group commit |
//!
//! `crate::state`, below all rooms, holds this node's current knowledge of the group (leader, lease, commit, applied):
//! commands and metrics read it, and `consensus/` has its writer.
//!
//! On an edge site the log is the site's own: proposals come from the core (`edge/`), and sessions' writes go there.
//!
//! **Invariants.**
//! * An outcome of `Applied` is sent only after the entry is durable on a majority and its batch is published.
//! * Each proposal gets exactly one outcome; `NotDone` only if it can never be applied, `Unknown` when in doubt.
//! * Proposals of one submitter are applied in the order in which they were submitted.
//! * Nothing waits for a timer on the way, and every queue is bounded.
//! * No openraft type leaves `consensus/`.

pub mod wal;

mod wire;

mod queue;

mod snapshots;

mod directory;

mod consensus;

mod proposals;
mod pubsub;

mod upkeep;
mod verify;

mod edge;
mod membership;

mod group;

pub use directory::{Adopt, DataDirectory, Helpers, Identity, LostStore, Quarantine, adopt};
pub use edge::EdgeOptions;
pub use group::{ClusterOptions, GroupHandle, GroupOptions, without_words};
pub use membership::{become_sole, recover};
pub use queue::{Mailbox, NotDone, Outcome, Ticket, Unknown};
pub use snapshots::Snapshots;
pub use wal::LogError;
pub use wire::FileMeta;

#[cfg(test)]
mod tests;
