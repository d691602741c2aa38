//! Lists: elements under indexes, so that both ends and every position are one step away.
//!
//! | | |
//! |---|---|
//! | sub-key | index u64, big-endian; a new list begins at 1 << 63 |
//! | value | the element |
//! | row's rest | index of the first element u64 ‖ bytes that all would take in a listpack u64 (for OBJECT ENCODING) ‖ segments |
//! | segments | nothing, if all indexes follow one another; else for each, in the list's order: first index u64 ‖ elements u64 |
//!
//! `list.rs` has reads and both ends, `edit.rs` changes in the middle, `segments.rs` which index is at which position.
//!
//! **Cost.** A list begins as one segment. To insert or remove far from both ends cuts it in two there, and moves nothing. There
//! are 64 segments at most: one more, and the two neighbours that are cheapest to join become one, at the cost of a thirtieth
//! of the list or less. Near an end the few elements up to it move instead.

mod edit;
mod index;
mod list;
mod segments;

pub use index::{position, range};
pub use list::{End, List};
