//! Sorted sets: members with scores, in the order of (score, member).
//!
//! | sub-keys | sub-key | value |
//! |---|---|---|
//! | `Data` | hash of the member (8) ‖ member (`collection::hashed`) | score (8, the bits of the double) |
//! | `Score` | order-preserving score (8) ‖ member | nothing; `-` for a negative zero |
//! | `Data` | 0xff ‖ level (1) ‖ sub-key of `Score` where a stretch ends | members in it (`ranks.rs`) |
//!
//! Behind its head the row keeps: nothing, or levels of counts (1) ‖ length (1) and bytes of the lower bound ‖ length (1)
//! and bytes of the upper bound (`ends.rs`).
//!
//! Invariants: every member is once in `Data` and once in `Score`, with one score. A member's rank in memory is never
//! needed: popping the first member finds it by one seek, behind those popped before.

mod ends;
mod lex;
mod ranks;
mod remove;
mod scan;
mod score;
mod set;
mod span;
#[cfg(test)]
mod tests;

pub use lex::{LexEnd, LexRange};
pub use score::{parse, parse_lenient};
pub use set::{Scored, SortedSet};
pub use span::Span;
