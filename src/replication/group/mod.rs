//! One group, put together: its handle, its thread, and what it answers other nodes.
//!
//! ```text
//!  server, ops ─ GroupHandle ─┬─ submit ─▶ queue                              (any thread)
//!                           ├─ can_read, barrier, acknowledged ─▶ state     (any thread)
//!                           └─ requests ─▶ RaftThread ─▶ one task for each  (raft thread)
//!  other nodes ─ peer ─▶ Service: by kind of call ─▶ consensus, membership, verify, pubsub, edge, snapshots
//! ```
//!
//! This is the only room that knows all the others: `handle.rs` opens log, store and snapshots and refuses what does not
//! belong together; `thread.rs` runs the tasks and says in which order they end; `cluster.rs` starts what a node of several
//! runs beside its log; `service.rs` hands a call of another node to the room it is for.
//!
//! **Start.** The log is opened before anything runs, then openraft, then the side that answers other nodes, then the tasks.
//! `wait_ready` returns when the node can serve: it leads and has applied what came before, or it knows who leads.
//!
//! **Stop.** New proposals are refused; what was queued gets its outcomes, or is told that its outcome is unknown when the
//! time is up; then openraft, the threads and the files end, in this order. A leader hands its lead over first.
//!
//! **Invariants.**
//! * What other nodes ask is answered only if the caller may ask it: a node that was removed gets no read index and no
//!   forwarded write done.
//! * No call of another node can stop this one, but its leader's word that it is quarantined.

mod cluster;
mod handle;
mod options;
mod service;
mod thread;

pub use cluster::ClusterOptions;
pub use handle::GroupHandle;
pub use options::GroupOptions;
