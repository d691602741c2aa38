//! From queued writes to entries of the log: the batcher, and the way to another node that leads.
//!
//! ```text
//!                    ┌─ this node leads ──▶ gather ─▶ one entry ─▶ consensus ─▶ applied ─▶ outcomes
//!  queue ─▶ Batcher ─┤
//!                    └─ another one leads ─▶ Forwarder ─ FORWARD call ─▶ its queue … ─▶ outcomes ─▶ this node's mailboxes
//! ```
//!
//! **Group commit.** The batcher drains all waiting proposals into one entry as soon as one more may be in flight. It has
//! no linger timer: while one entry is synced and applied the next one gathers, so batches grow with the load and a single
//! write never waits. One fsync and one majority round trip serve every client of the entry.
//!
//! **Forwarding.** A follower forwards writes to the leader once. A write that no node took (no leader, unreachable,
//! refused) is tried again until there is a leader or five seconds have passed; a write that may have been taken is not,
//! and its outcome is `Unknown`. Writes forwarded by another node are not forwarded again. A leader that turns out not to
//! lead gives its batch to the forwarder.
//!
//! **Invariants.**
//! * Every ticket that was taken from the queue gets one outcome, also when the node stops amid it.
//! * Entries in flight are few (`limits::ENTRIES_IN_FLIGHT_MAX`), and so are forwarded batches; a batch that waits for an
//!   overtaken leader no longer counts.
//! * The answer to a forwarded write carries the leader's applied index, so a read on the same node waits for it.

mod allowed;
mod batch;
mod forward;

pub use batch::Batcher;
pub use forward::{Forwarder, answer_all, answer_each, receive, receive_from_edge};
