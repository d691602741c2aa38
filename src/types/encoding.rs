//! OBJECT ENCODING: the encoding that Redis 7.2 would have chosen, with its default limits. Nothing is stored like that
//! here; clients and tools look at the word.

use super::string;
use crate::store::{Encoding, Row, Type};

/// Elements of a listpack at most, in sets and sorted sets; in hashes, fields: `hash::LISTPACK_FIELDS_MAX`.
pub const LISTPACK_ELEMENTS_MAX: u64 = 128;
/// Bytes of an element of such a listpack at most.
pub const LISTPACK_ELEMENT_BYTES_MAX: usize = 64;
/// Elements of an intset at most.
pub const INTSET_ELEMENTS_MAX: u64 = 512;

/// The word for a row.
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
