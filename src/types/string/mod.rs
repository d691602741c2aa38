//! Strings: whole in their row up to a bound, in pieces beyond it.
//!
//! | a string of | is stored as |
//! |---|---|
//! | up to `WHOLE_BYTES_MAX` | its row alone; the body is the string |
//! | more | a row (`Encoding::Pieces`) with the head of a collection and the length, u64; and sub-keys: number of a piece, u32 → piece |
//!
//! Piece *n* has the bytes from *n* × `PIECE_BYTES` on, without the zeros at its end. One of zeros alone is not stored; an
//! empty one stands for a whole piece of ones. So SETBIT, SETRANGE, APPEND and reads of a range cost the pieces they touch,
//! holes take neither space nor time, and the complement of a hole takes a key. The head counts the pieces that are stored.
//!
//! **Invariants.** A piece is stored in one way only, so equal strings with equal histories have equal rows on every replica.
//! No piece has a byte behind the string's end. A string in pieces is one until it is replaced: none of its changes makes
//! it shorter. Below feature level 4 strings are stored whole; one that is whole and beyond the bound is read as it is, and
//! put in pieces by its next change.

mod bounds;
mod digest;
mod edit;
mod pieces;
mod put;
mod stored;
#[cfg(test)]
mod tests;

pub use bounds::{check_length, range};
pub use edit::Edit;
pub use pieces::{PIECE_BYTES, Part, StoredPiece, WHOLE_BYTES_MAX};
pub use put::{put, put_owned, put_pieces};
pub use stored::{StoredString, encoding_name};
