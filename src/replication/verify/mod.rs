//! Whether all nodes have the same state, and what becomes of a node that has not.
//!
//! ```text
//!  leader: propose a mark ─▶ every node applies it ─▶ each walks its state as of that entry, on a thread of its own
//!     └── asks each for its checksum ─▶ compares ─┬─ equal
//!                                                 ├─ one differs from the majority ─▶ quarantined
//!                                                 └─ no majority of equal sums ─▶ said, nobody is stopped
//! ```
//!
//! Apply is deterministic, so states differ only by a fault: a file that changed on disk, or a bug. A comparison runs on
//! CORE VERIFY and every `--verify-interval`. Each block that is read has its own checksum, so a sum that a node tells comes
//! from sound files; a node that meets damage says so instead (`verify.rs`).
//!
//! **Leave.** A node that found damage but could go on (its log and votes are sound) stops only when the leader lets it:
//! one node at a time, and only while the voters that answer are a majority without it (`leave.rs`). A leader gives up the
//! lead first. Damage that an answer depends on does not wait for that: the node stops at once.
//!
//! **Invariants.**
//! * Nobody is quarantined but by a majority of equal checksums.
//! * A node that was late, silent or busy does not differ.
//! * Only the leader's word quarantines a node.

mod leave;
mod verify;

pub use leave::Leave;
pub use verify::Verify;
