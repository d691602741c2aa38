//! Hashes: fields with values, each of which may expire by itself.
//!
//! | where | key | value |
//! |---|---|---|
//! | row | key of the hash | head, then `FieldExpiries` if any field expires |
//! | `SubKeys::Data` | hash of the field (8) ‖ field | `field.rs`: expiry and value |
//! | `SubKeys::Score` | expires_at ‖ hash of the field ‖ field | – (only of fields that expire) |
//!
//! Reading one field costs one look at the row and one at the field, however many there are; so does writing one, and a
//! third write if it expires. A field that has expired is not there for anybody, though it is stored until a sweep of the
//! log (`store::Txn::sweep_expired`) or a write deletes it; a hash whose fields have all expired does not exist.

mod edit;
mod field;
mod hash;
#[cfg(test)]
mod tests;

pub use edit::LISTPACK_FIELDS_MAX;
pub use field::Field;
pub use hash::{Hash, Seen};
