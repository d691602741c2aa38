//! One group, put together: its handle, its thread, and its service for other nodes.
//!
//! ```text
//!  server, ops ─ GroupHandle ─┬─ submit ─▶ queue                              (any thread)
//!                           ├─ can_read, barrier, acknowledged ─▶ state     (any thread)
//!                           └─ requests ─▶ RaftThread ─▶ one task for each  (raft thread)
//!  other nodes ─ peer ─▶ Service: by kind of call ─▶ consensus, membership, verify, pubsub, edge, snapshots
//! ```
//!
//! Only this room knows all others: `handle.rs` opens log, store and snapshots and refuses those that do not belong
//! together; `thread.rs` runs the tasks and ends them in order; `cluster.rs` starts the tasks of a node in a core of
//! several; `scripts.rs` ends scripts on all nodes; `reports.rs` collects what all nodes say of themselves; `service.rs` passes another node's call to the room that handles it.
//!
//! **Start.** First the log is opened, then openraft starts, then the service for other nodes, then the tasks. `wait_ready`
//! returns when the node can serve: it leads and has applied all earlier entries, or it knows the leader.
//!
//! **Stop.** New proposals are refused; queued ones get their outcomes, or "unknown" when the time is up; then openraft,
//! the threads and the files end, in this order. A leader hands over leadership first.
//!
//! **Invariants.**
//! * What other nodes ask is answered only if the caller may ask it: a node that was removed gets no read index and no
//!   forwarded write done.
//! * No call of another node can stop this one, except the leader's message that it is quarantined.

mod cluster;
mod handle;
mod options;
mod own_proposals;
mod reports;
mod scripts;
mod service;
mod source;
mod stopping;
mod thread;

pub use cluster::ClusterOptions;
pub use handle::GroupHandle;
pub use options::GroupOptions;
pub use reports::without_words;
