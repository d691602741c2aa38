//! Hashes: fields with values, each of which may have an expiry.
//!
//! | where | key | value |
//! |---|---|---|
//! | row | key of the hash | head, then `ElementExpiries` if any field expires, then the last number (8) of a small hash |
//! | `SubKeys::Data` | hash of the field (8) ‖ field | `field.rs`: expiry, number and value |
//! | `SubKeys::Score` | expires_at ‖ hash of the field ‖ field | – (only of fields that expire) |
//!
//! Reading one field costs one lookup of the row and one of the field, however many fields there are; so does writing one,
//! and a third write if it expires. An expired field is invisible to all, though it stays stored until a sweep of the log
//! (`store::Txn::sweep_expired`) or a write deletes it; a hash whose fields have all expired does not exist.
//!
//! Fields of a small hash (one that Redis would store as a listpack) are numbered as they are added, and shown in that
//! order: an overwritten field keeps its number, a deleted field that is added again gets the next. Reading all of them
//! sorts at most `LISTPACK_FIELDS_MAX`. A hash that has outgrown a listpack is shown in storage order from then on; new
//! fields get no numbers. Fields stored before there were numbers have none, either
//! (`docs/adr/0021-order-in-small-collections.md`).

mod edit;
mod field;
mod hash;
#[cfg(test)]
mod tests;

pub use edit::LISTPACK_FIELDS_MAX;
pub use field::Field;
pub use hash::{Hash, Seen};
