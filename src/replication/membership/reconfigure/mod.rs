//! Changes of the members that an administrator asks for, done by the leader.
//!
//! A request says how the core is to be afterwards. So the leader looks at the members, takes the next step towards that, and
//! looks again: asked twice, or before, while or after the node joins by itself or the membership controller gives it its vote, it ends
//! the same. What contradicts the members as they are is refused in words, and nothing is changed.

mod act;
mod plan;

pub use plan::Wanted;
