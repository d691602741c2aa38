//! Who belongs to the core, and how that changes.
//!
//! | a node … | happens |
//! |---|---|
//! | starts with others that have no log | the first of the list founds the core once all answer (`founder.rs`) |
//! | starts and is no member | asks the core's nodes to let it in, over and over (`join.rs`) |
//! | was let in | is a learner; the leader gives it its vote when it has caught up (`controller.rs`) |
//! | comes with a known name and an empty disk | takes the place of the node that had that name |
//! | is to be added, replaced, promoted or removed | an administrator asks any node, the leader does it (`admin.rs`, `reconfigure/`) |
//! | was removed | hears so from the others and serves nobody any more (`peer_status.rs`) |
//! | is the only one left | is made a new cluster of one, by hand (`recover.rs`) |
//!
//! **Requests say how the core is to be, not what to do.** The leader looks at the members, takes the next step towards that
//! and looks again, so a request that is made twice, or while the node joins by itself, ends the same
//! (`reconfigure/plan.rs` decides, `act.rs` does). What contradicts the members is refused in words and changes nothing.
//!
//! Every node asks the others once a second how they are: INFO, ROLE, SENTINEL and CORE STATUS answer from that. A node that
//! may be of another cluster is told little: who this node is, and which cluster (`bootstrap_service.rs`).
//!
//! **Invariants.**
//! * One change of the members at a time, through joint consensus (Ongaro 2014, section 4.3), and only if they are still
//!   those that the change was decided for.
//! * A node id is never used again, so what an old node promised with its votes binds nobody.
//! * Founding is repeatable: a founder that stops amid it does the same with the same ids when it starts again.

mod admin;
mod bootstrap_service;
mod controller;
mod founder;
mod join;
mod peer_status;
mod reconfigure;
mod recover;

pub use admin::Admin;
pub use bootstrap_service::BootstrapService;
pub use controller::MembershipController;
pub use founder::Founder;
pub use join::{Admission, Joiner};
pub use peer_status::PeerStatusPoller;
pub use recover::recover;
