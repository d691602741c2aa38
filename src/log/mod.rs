//! Where entries come from: the write path from a proposal to its outcome, and what keeps it durable.
//!
//! ```text
//!  network thread ─ submit ─▶ queue ─▶ batcher ─▶ openraft ─▶ log-writer (fsync) ─▶ openraft ─▶ apply thread
//!        ▲                    (bounded)  (raft thread)           (segment/)       (committed)     │ one batch
//!        └──────────── mailbox ◀── one wake per network thread and chunk ◀── outbox ◀─────────────┘
//! ```
//!
//! On an edge site the log is that of the site: what is proposed comes from the core (`edge/`), and what sessions submit goes
//! there.
//!
//! `segment/` is the durable log, `raft/` is all that knows openraft, `handle.rs` is what everyone else uses.
//!
//! **Invariants.**
//! * An outcome of `Applied` is sent only after the entry is durable on a majority and its batch is published.
//! * Each proposal gets exactly one outcome; `NotDone` only if it can never be applied, `Unknown` when in doubt.
//! * Proposals of one submitter are applied in the order in which they were submitted.
//! * Nothing waits for a timer on the way, and every queue is bounded.

mod acquaintance;
mod admin;
mod barrier;
mod batch;
mod blocking;
mod broadcast;
mod clock_file;
mod cluster;
mod edge;
mod error;
mod fit;
mod forward;
mod forwarding;
mod handle;
mod identity;
mod identity_file;
mod join;
mod lease;
mod leave;
mod mailbox;
mod maintenance;
mod progress;
mod quarantine;
mod queue;
mod raft;
mod reconfigure;
mod recover;
mod repair;
mod replicated;
pub mod segment;
mod steward;
mod stranger;
mod sums;
mod switches;
mod thread;
mod timekeeper;
mod verify;

pub use cluster::{Adopt, ClusterOptions};
pub use edge::EdgeOptions;
pub use error::LogError;
pub use handle::{LogHandle, LogOptions};
pub use identity::{DataDirectory, Identity, adopt};
pub use mailbox::{Mailbox, Outcome, Ticket};
pub use quarantine::Quarantine;
pub use queue::Refused;
pub use recover::recover;
pub use repair::{Helpers, LostStore};

#[cfg(test)]
mod tests;
