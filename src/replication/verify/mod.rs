//! Whether all nodes have the same state, and what becomes of a node that has not.
//!
//! ```text
//!  leader: propose a mark ─▶ every node applies it ─▶ each scans its state as of that entry, on a thread of its own
//!     └── asks each for its checksum ─▶ compares ─┬─ equal
//!                                                 ├─ one differs from the majority ─▶ quarantined
//!                                                 └─ no majority of equal sums ─▶ said, nobody is stopped
//! ```
//!
//! Apply is deterministic, so states differ only by a fault: a file that changed on disk, or a bug. A comparison runs on
//! CORE VERIFY, every `--verify-interval`, and when the sums that apply keeps differ, which are compared every
//! `--compare-interval` and stop nobody (`sums.rs`). Each block that is read has its own checksum, so a node's state checksum
//! comes from sound files; a node that finds damage reports that instead (`verify.rs`).
//!
//! **Permission.** A node that found damage but could continue (its log and votes are sound) stops only with the leader's
//! permission: one node at a time, and only while the voters that answer are a majority without it (`leave.rs`). A leader
//! hands over leadership first. Damage that affects an answer stops the node at once.
//!
//! **Invariants.**
//! * A node is quarantined only by a majority of equal checksums.
//! * A node that was late, silent or busy does not differ.
//! * Only the leader can quarantine a node.

mod leave;
mod sums;
mod verdict;
mod verify;

pub use leave::Leave;
pub use verify::Verify;
