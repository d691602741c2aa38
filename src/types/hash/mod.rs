//! Hashes: fields with values, each of which may expire by itself.
//!
//! | where | key | value |
//! |---|---|---|
//! | row | key of the hash | head, then `FieldExpiries` if any field expires, then the last number (8) of a small hash |
//! | `SubKeys::Data` | hash of the field (8) ‖ field | `field.rs`: expiry, number and value |
//! | `SubKeys::Score` | expires_at ‖ hash of the field ‖ field | – (only of fields that expire) |
//!
//! Reading one field costs one look at the row and one at the field, however many there are; so does writing one, and a
//! third write if it expires. A field that has expired is not there for anybody, though it is stored until a sweep of the
//! log (`store::Txn::sweep_expired`) or a write deletes it; a hash whose fields have all expired does not exist.
//!
//! Fields of a small hash (one that Redis would keep in a listpack) are numbered as they are added, and shown in that order: a
//! field that is overwritten keeps its number, one that was deleted and is added again gets the next. Reading all of them
//! sorts at most `LISTPACK_FIELDS_MAX`. A hash that has outgrown a listpack is shown as it is filed from then on; what is
//! written to it has no numbers. Nor has what was stored before there were numbers (`docs/adr/0021-order-in-small-collections.md`).

mod edit;
mod field;
mod hash;
#[cfg(test)]
mod tests;

pub use edit::LISTPACK_FIELDS_MAX;
pub use field::Field;
pub use hash::{Hash, Seen};
