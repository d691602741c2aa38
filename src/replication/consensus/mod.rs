//! All that knows openraft: its type parameters, its view of the log and of the state machine, a node of it.
//!
//! ```text
//!  propose ─▶ RaftNode ─▶ openraft ─┬─▶ LogStore ─▶ wal/                (append, votes, purge)
//!                                   ├─▶ Network ─▶ peer ─▶ RaftService of another node
//!                                   └─▶ StateMachine ─▶ Applier ─▶ replica ─▶ store; then the responders of the chunk
//! ```
//!
//! | file | what it adapts |
//! |---|---|
//! | `types.rs`, `membership.rs` | the types openraft is instantiated with, and the membership on disk |
//! | `log_store.rs` | the log |
//! | `state_machine.rs`, `apply.rs` | the store; small chunks are applied on the raft thread, large ones on the apply thread |
//! | `network.rs`, `service.rs`, `rpc/`, `snapshot.rs` | calls to other nodes, calls of other nodes, their messages |
//! | `node.rs` | a running node: start, lease, read index, proposals, snapshots, stop |
//! | `members.rs` | who is a member, and changes of that, one at a time through joint consensus |
//! | `step_down.rs` | how a leader lets another node lead |
//! | `barrier.rs` | linearizable reads without a lease: one read index for all that wait |
//! | `replicated.rs` | WAIT: how many nodes have an entry on disk |
//!
//! **Leases.** A follower that heard its leader within the last 450 ms helps no other node to lead; a leader that a
//! majority heard within the last 280 ms answers reads without asking. `node.rs` asserts the relation, including clocks
//! whose speeds differ by a tenth. A node that has just started does not know its promises, so it votes only after 450 ms.
//!
//! **Invariants.**
//! * No openraft type leaves this room; `RaftNode`, `Members` and `queue::Outcome` are what others see.
//! * A vote or an entry is on disk before openraft is told that it is.
//! * A follower whose log ends before an entry that it acknowledged is told to stop before it votes (`network.rs`).

mod apply;
mod barrier;
mod log_store;
mod members;
mod membership;
mod network;
mod node;
mod replicated;
mod room;
mod rpc;
mod service;
mod snapshot;
mod state_machine;
mod step_down;
mod types;

pub use barrier::{Barrier, READERS_MAX, Reader, WAIT_MAX, down};
pub use members::{ChangeError, Member, Members, sole};
pub use node::{RaftNode, RaftParts};
pub use replicated::wait as wait_replicated;
pub use service::RaftService;
pub use types::{Peer, Replies};

#[cfg(test)]
pub mod tests;
