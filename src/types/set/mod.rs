//! Sets: members filed by their hash (`collection::hashed`), with nothing under them and nothing in the row besides.
//!
//! Whether there is a member costs one look, however many there are. The order of hashes is that of SMEMBERS and SSCAN.

mod combine;
mod set;

pub use combine::{intersect, subtract, unite};
pub use set::Set;
