//! Changes of the members that an administrator asks for, done by the leader.
//!
//! A request names the wanted state of the core. The leader looks at the members, takes the next step towards that state,
//! and looks again: the result is the same if the request is repeated, or made before, while or after the node joins by
//! itself or the membership controller promotes it. A request that contradicts the members is refused with the reason and
//! changes nothing.

mod act;
mod plan;

pub use plan::Wanted;
