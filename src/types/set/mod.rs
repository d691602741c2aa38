//! Sets: members filed by their hash (`collection::hashed`), each of which may have an expiry.
//!
//! | where | key | value |
//! |---|---|---|
//! | row | key of the set | head, then `ElementExpiries` if any member expires, then the last number (8) of a listpack |
//! | `SubKeys::Data` | hash of the member (8) ‖ member | `member.rs`: expiry, and number if it was added to a listpack |
//! | `SubKeys::Score` | expires_at ‖ hash of the member ‖ member | – (only of members that expire) |
//!
//! Testing a member costs one lookup, however many there are. A small set, one that Redis would store as an intset or a
//! listpack, is shown as it would be there: integers alone ascending; others in the order in which they were added, behind
//! the integers that existed before the first other one. A set that has outgrown both is shown in storage order
//! (`docs/adr/0021-order-in-small-collections.md`). An expiry changes neither encoding nor order.
//!
//! As fields of hashes: a member that has expired is invisible to all, though it stays stored until a sweep of the log
//! (`store::Txn::sweep_expired`) deletes it or it is added again; a set whose members have all expired does not exist.

mod combine;
mod edit;
mod member;
mod set;

pub use combine::{intersect, subtract, unite};
pub use edit::Put;
pub use set::Set;
