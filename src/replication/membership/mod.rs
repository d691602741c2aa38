//! The core's membership, and its changes.
//!
//! | a node … | happens |
//! |---|---|
//! | starts with others that have no log | the first of the list founds the core once all answer (`founder.rs`) |
//! | starts and is no member | asks the core's nodes to let it in, over and over (`join.rs`) |
//! | was let in | is a learner; the leader gives it its vote when it has caught up (`controller.rs`) |
//! | comes with a known name and an empty disk | takes the place of the node that had that name |
//! | is to be added, replaced, promoted or removed | an administrator asks any node, the leader does it (`admin.rs`, `reconfigure/`) |
//! | was removed | learns it from the others and no longer serves clients (`peer_status.rs`) |
//! | is the only one left | is made a new cluster of one, by hand (`recover.rs`) |
//!
//! **Requests name the wanted state, not the steps.** The leader looks at the members, takes the next step towards that
//! state and looks again, so a request that is repeated, or made while the node joins by itself, has the same result
//! (`reconfigure/plan.rs` decides, `act.rs` acts). A request that contradicts the members is refused with the reason and
//! changes nothing.
//!
//! Every node asks the others for their status once a second: INFO, ROLE, SENTINEL and CORE STATUS answer from that. A node
//! that may be of another cluster learns little: this node's identity and cluster (`bootstrap_service.rs`).
//!
//! **Invariants.**
//! * One change of the membership at a time, through joint consensus (Ongaro 2014, section 4.3), and only if the membership
//!   is still the one that the change was decided for.
//! * A node id is never used again, so an old node's votes bind nobody.
//! * Founding is repeatable: a founder that stops amid it does the same with the same ids when it starts again.

mod admin;
mod bootstrap_service;
mod controller;
mod founder;
mod join;
mod peer_status;
mod reconfigure;
mod recover;
mod status;

pub use admin::Admin;
pub use bootstrap_service::BootstrapService;
pub use controller::MembershipController;
pub use founder::Founder;
pub use join::{Admission, Joiner};
pub use peer_status::PeerStatusPoller;
pub use recover::{become_sole, recover};
