//! OBJECT ENCODING: the encoding that Redis 7.2 would have chosen, with its default limits. Storage does not use it;
//! clients and tools look at the word.

use super::{integer::parse_i64, string};
use crate::store::{Encoding, Row, Type};

/// Most elements of a listpack, in sets and sorted sets; for hashes: `hash::LISTPACK_FIELDS_MAX`.
pub const LISTPACK_ELEMENTS_MAX: u64 = 128;
/// Most bytes of an element of such a listpack.
pub const LISTPACK_ELEMENT_BYTES_MAX: usize = 64;
/// Most elements of an intset.
pub const INTSET_ELEMENTS_MAX: u64 = 512;

/// Most bytes of a listpack that is a whole list (list-max-listpack-size -2).
pub const LIST_LISTPACK_BYTES_MAX: u64 = 8192;
/// Bytes of a listpack without elements.
pub const LISTPACK_FRAME_BYTES: u64 = 7;

/// Bytes of an element in a listpack: a header, the element (a short form if it is an integer), and a length for reading
/// backwards.
pub fn listpack_bytes(element: &[u8]) -> u64 {
    let len = u64::try_from(element.len()).unwrap_or(u64::MAX);
    let entry = match parse_i64(element) {
        Some(0..=127) => 1,
        Some(-4096..=4095) => 2,
        Some(-0x8000..=0x7fff) => 3,
        Some(-0x80_0000..=0x7f_ffff) => 4,
        Some(-0x8000_0000..=0x7fff_ffff) => 5,
        Some(_) => 9,
        None if len < 64 => len.saturating_add(1),
        None if len < 4096 => len.saturating_add(2),
        None => len.saturating_add(5),
    };
    let back = match entry {
        0..=127 => 1,
        128..=16382 => 2,
        16383..=2_097_150 => 3,
        2_097_151..=268_435_454 => 4,
        _ => 5,
    };
    entry.saturating_add(back)
}

/// The encoding's name for a row.
pub fn name(row: &Row) -> &'static str {
    match (row.kind, row.encoding) {
        (Type::String, _) => string::encoding_name(row),
        (Type::Stream, _) => "stream",
        (Type::Set, Encoding::Natural) => "intset",
        (Type::Set | Type::Hash, Encoding::Large) => "hashtable",
        (Type::SortedSet, Encoding::Large) => "skiplist",
        (Type::List, Encoding::Large) => "quicklist",
        (Type::List | Type::Set | Type::SortedSet | Type::Hash, _) => "listpack",
    }
}
