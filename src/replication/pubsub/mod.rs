//! Messages of PUBLISH on their way to all nodes. Nothing of this is logged.
//!
//! ```text
//!  PUBLISH on any node ─ PUBLISH call ─▶ leader: one order ─ DELIVER calls, one at a time per node ─▶ every node ─▶ its clients
//! ```
//!
//! Redis delivers a message at most once, to those who listen at that moment. So does this room, on all nodes, and it adds
//! one guarantee: no two nodes show two messages in different orders.
//!
//! * **Order.** Only a leader under its lease gives an order, and numbers messages: its term, then a count. A node delivers
//!   nothing of a term after it has delivered something of a later one.
//! * **At most once.** A call that broke is not made again. A node that is slow loses messages rather than hold the others
//!   up; `dropped` in INFO counts them.
//! * **Edges.** A message keeps its number on the way through edge sites (`edge/feed.rs`); a node hands out none that is not
//!   behind all that it has handed out (`session/message_order.rs`).
//!
//! `switches.rs` tells clients that listen on `+switch-master`, as Redis Sentinel does, that another node leads.
//!
//! **Invariants.** The queues before ordering and towards each node are bounded. A publisher learns how many clients
//! received its message on all nodes that answered within a second.

mod broadcast;
mod switches;

pub use broadcast::{Broadcast, PUBLISHING_MAX, Publishing};
pub use switches::tell_switches;
