//! From queued writes to entries of the log: the batcher, and the way to another node that leads.
//!
//! ```text
//!                    ┌─ this node leads ──▶ gather ─▶ one entry ─▶ consensus ─▶ applied ─▶ outcomes
//!  queue ─▶ Batcher ─┤
//!                    └─ another one leads ─▶ Forwarder ─ FORWARD call ─▶ its queue … ─▶ outcomes ─▶ this node's mailboxes
//! ```
//!
//! **Group commit.** The batcher drains whatever waits into one entry as soon as one more may be in flight. It has no linger
//! timer: while one entry is synced and applied the next one gathers, so a batch grows with the load and a single write
//! never waits. One fsync and one majority round trip serve every client of the entry.
//!
//! **Forwarding.** A follower sends writes to the leader once. A write that certainly was not taken (no leader, unreachable,
//! refused) is tried again until somebody leads or five seconds are over; a write that may have been taken is not, and its
//! outcome is `Unknown`. A write that another node forwarded is not forwarded again. A leader that turns out not to lead
//! gives its batch to the forwarder.
//!
//! **Invariants.**
//! * Every ticket that was taken from the queue gets one outcome, also when the node stops amid it.
//! * Entries in flight are few (`limits::ENTRIES_IN_FLIGHT_MAX`), and so are forwarded batches; one that waits for a leader
//!   that was overtaken gives its place up.
//! * The answer to a forwarded write says how far the leader had applied its log, so a read of the same node waits for it.

mod batch;
mod forward;

pub use batch::Batcher;
pub use forward::{Forwarder, answer_all, answer_each, receive, receive_from_edge, unknown};
