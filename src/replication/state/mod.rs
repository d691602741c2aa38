//! What this node knows of its group right now, shared by all threads of it.
//!
//! | question | answered by | written by |
//! |---|---|---|
//! | Who leads, and in which term? | `Progress::leader`, `leader_term` | the task that watches openraft (`consensus/node.rs`) |
//! | Is the lease held? | `Lease` | the same, every 25 ms |
//! | How far is the log applied? | `applied_index`, `wait_applied` | the applier (`consensus/apply.rs`) |
//! | May a read be answered at once? | `can_read` | follows from the three above |
//! | How many entries are on their way? | `in_flight`, `Forwards` | the batcher and the forwarder |
//! | What was the checksum of the state at entry N? | `Sums` | the applier, on a thread of its own |
//! | What time is it in the log? | `log_time.rs`, `clock_file.rs` at the start; `session::LogClock` after that | `upkeep/timekeeper.rs` |
//!
//! Numbers that INFO, ROLE and the metrics show as well are in `session::LogStatus`, so that commands need not know this
//! room.
//!
//! **Reads.** A leader answers a read at once if its lease is held, it has applied an entry of its own term, and it has
//! applied all that it announced as committed to others (a follower may have shown that already). Otherwise it asks:
//! `consensus/barrier.rs`.
//!
//! **Invariants.**
//! * A leader that asked another node to lead has no lease for the rest of its term: that node may lead at any moment.
//! * A lease does not outlive a machine that slept (`lease.rs`).
//! * `applied` is called after the batch is published: whoever waits for an entry finds it in the store.
//! * Nothing here waits for the disk or for another node.

mod clock_file;
mod forwarding;
mod lease;
mod log_time;
mod progress;
mod sums;

pub use clock_file::{ClockFile, ClockRecord, boot_hash};
pub use forwarding::Forwarding;
pub use log_time::begin as begin_log_time;
pub use progress::Progress;
pub use sums::Sum;
