//! Sets: members filed by their hash (`collection::hashed`).
//!
//! | where | key | value |
//! |---|---|---|
//! | row | key of the set | head, then the last number (8) of a listpack |
//! | `SubKeys::Data` | hash of the member (8) ‖ member | the member's number (`collection::put_number`) if it was added to a listpack |
//!
//! Testing a member costs one lookup, however many there are. A small set, one that Redis would store as an intset or a
//! listpack, is shown as it would be there: integers alone ascending; others in the order in which they were added, behind
//! the integers that existed before the first other one. A set that has outgrown both is shown in storage order
//! (`docs/adr/0021-order-in-small-collections.md`).

mod combine;
mod set;

pub use combine::{intersect, subtract, unite};
pub use set::Set;
