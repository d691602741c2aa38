//! The metadata record: the row of one key in the `meta` column family.
//!
//! | bytes | field |
//! |---|---|
//! | 1 | record version (high four bits, 1 or 2) and type tag (low four bits) |
//! | 1 | encoding hint, for OBJECT ENCODING alone (`Encoding`) |
//! | 8 | expires_at, ms since the epoch, big-endian; 0 = never |
//! | 12 | revision: the place of the last write |
//! | 8 | version 2, of what has sub-keys: bytes that its sub-keys take, keys and values; absent otherwise |
//! | rest | string: the value; collection, and string in pieces: generation (12), elements u64, then what its type says
//! (`expiring.rs` of hashes and sets, `types::string`) |
//!
//! Rows of version 2 are *counted*: what they take is part of the bytes of their database (`sizes.rs`). From feature level 7 on
//! every write makes its row one.
//!
//! Invariant: tags are explicit numbers and never reused; a version this program does not know is an error, never a guess.

use super::log_position::LogPosition;
use crate::{error::StoreError, value::Value};

/// Of a row that is not counted.
const UNCOUNTED_VERSION: u8 = 1;
const COUNTED_VERSION: u8 = 2;
/// Bytes before the body, or before the bytes of sub-keys.
const HEADER_LEN: usize = 2 + 8 + LogPosition::LEN;

/// The data type of a key; the number is persisted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Type {
    String = 1,
    List = 2,
    Set = 3,
    SortedSet = 4,
    Hash = 5,
    Stream = 6,
}

impl Type {
    fn from_tag(tag: u8) -> Option<Self> {
        match tag {
            1 => Some(Type::String),
            2 => Some(Type::List),
            3 => Some(Type::Set),
            4 => Some(Type::SortedSet),
            5 => Some(Type::Hash),
            6 => Some(Type::Stream),
            _ => None,
        }
    }

    /// Whether every key of this type has sub-keys.
    pub fn is_collection(self) -> bool {
        self != Type::String
    }

    /// TYPE's answer.
    pub fn name(self) -> &'static str {
        match self {
            Type::String => "string",
            Type::List => "list",
            Type::Set => "set",
            Type::SortedSet => "zset",
            Type::Hash => "hash",
            Type::Stream => "stream",
        }
    }
}

/// How OBJECT ENCODING should describe a value, since in Redis that depends on what the key has been through; the number
/// is persisted. How it is stored here does not depend on
/// it, but for strings in pieces.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[repr(u8)]
pub enum Encoding {
    /// A string: int, embstr or raw, as content and length suggest. A set: intset. Others: listpack.
    #[default]
    Natural = 0,
    /// A string built in place (APPEND, SETRANGE): always reported raw, as Redis does.
    Raw = 1,
    /// A set that is no longer an intset.
    Listpack = 2,
    /// A collection that has outgrown a listpack: hashtable, skiplist or quicklist.
    Large = 3,
    /// A string in pieces, which are its sub-keys: reported raw.
    Pieces = 4,
}

/// One live key as stored: its type, expiry, revision and (for strings) value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    pub kind: Type,
    pub encoding: Encoding,
    /// Milliseconds since the epoch; 0 = never.
    pub expires_at: u64,
    /// Log position of the last write of this key.
    pub revision: LogPosition,
    /// Bytes that its sub-keys take; `None`: the row is not counted.
    pub counted: Option<u64>,
    /// A string's value; a collection's own fields.
    pub body: Value,
}

/// Whether a row has sub-keys: it is a collection's, or that of a string in pieces.
pub(super) fn has_subkeys(kind: Type, encoding: Encoding) -> bool {
    kind.is_collection() || encoding == Encoding::Pieces
}

/// Whether a record is one of a counted row.
pub(super) fn is_counted(record: &[u8]) -> bool {
    record.first().is_some_and(|tag| tag >> 4 == COUNTED_VERSION)
}

/// What the body of every row with sub-keys begins with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CollectionHead {
    /// The place at which the collection, or the string in pieces, was made.
    pub generation: LogPosition,
    /// Its elements, or the pieces that are stored.
    pub len: u64,
}

impl CollectionHead {
    /// Bytes of it.
    pub const LEN: usize = LogPosition::LEN + 8;

    /// A collection's body.
    pub fn body(self, rest: &[u8]) -> Vec<u8> {
        let mut out = Vec::with_capacity(Self::LEN.saturating_add(rest.len()));
        out.extend_from_slice(&self.generation.to_bytes());
        out.extend_from_slice(&self.len.to_be_bytes());
        out.extend_from_slice(rest);
        out
    }

    /// Reads the head of a collection's body.
    pub fn decode(body: &[u8]) -> Result<Self, StoreError> {
        let short = || StoreError::corrupt("metadata record", "a collection without a head");
        let (position, rest) = body.split_at_checked(LogPosition::LEN).ok_or_else(short)?;
        let len = rest.first_chunk::<8>().ok_or_else(short)?;
        Ok(CollectionHead { generation: LogPosition::from_bytes(position)?, len: u64::from_be_bytes(*len) })
    }
}

impl Row {
    /// Whether the key has sub-keys.
    pub fn has_subkeys(&self) -> bool {
        has_subkeys(self.kind, self.encoding)
    }

    /// Whether the key is gone at time `now` (ms).
    pub fn expired(&self, now: u64) -> bool {
        self.expires_at != 0 && self.expires_at <= now
    }

    /// The record's bytes; `counted` as in the row.
    pub fn encode(
        kind: Type,
        encoding: Encoding,
        expires_at: u64,
        revision: LogPosition,
        counted: Option<u64>,
        body: &[u8],
    ) -> Vec<u8> {
        let header = Header { kind, encoding, expires_at, revision, counted };
        let mut out = Vec::with_capacity(header.len().saturating_add(body.len()));
        let version = if counted.is_some() { COUNTED_VERSION } else { UNCOUNTED_VERSION };
        out.push(version << 4 | kind as u8);
        out.push(encoding as u8);
        out.extend_from_slice(&expires_at.to_be_bytes());
        out.extend_from_slice(&revision.to_bytes());
        if let Some(bytes) = counted.filter(|_| has_subkeys(kind, encoding)) {
            out.extend_from_slice(&bytes.to_be_bytes());
        }
        out.extend_from_slice(body);
        out
    }

    /// Reads a record; the body shares the bytes handed in.
    pub fn decode(record: Value) -> Result<Self, StoreError> {
        let header = Header::decode(&record)?;
        let Header { kind, encoding, expires_at, revision, counted } = header;
        Ok(Row { kind, encoding, expires_at, revision, counted, body: record.without_first(header.len()) })
    }
}

/// The part before the body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) kind: Type,
    pub(super) encoding: Encoding,
    pub(super) expires_at: u64,
    pub(super) revision: LogPosition,
    pub(super) counted: Option<u64>,
}

impl Header {
    /// Bytes before the body.
    pub(super) fn len(&self) -> usize {
        let has_bytes = self.counted.is_some() && has_subkeys(self.kind, self.encoding);
        if has_bytes { HEADER_LEN + 8 } else { HEADER_LEN }
    }

    pub(super) fn decode(record: &[u8]) -> Result<Self, StoreError> {
        let corrupt = |detail: &str| StoreError::corrupt("metadata record", detail);
        let (head, rest) = record.split_first_chunk::<2>().ok_or_else(|| corrupt("too short"))?;
        let [tag, encoding] = *head;
        let version = tag >> 4;
        if version != UNCOUNTED_VERSION && version != COUNTED_VERSION {
            return Err(corrupt("unknown version"));
        }
        let kind = Type::from_tag(tag & 0x0f).ok_or_else(|| corrupt("unknown type"))?;
        let encoding = match encoding {
            0 => Encoding::Natural,
            1 => Encoding::Raw,
            2 => Encoding::Listpack,
            3 => Encoding::Large,
            4 if kind == Type::String => Encoding::Pieces,
            _ => return Err(corrupt("unknown encoding")),
        };
        let (expires_at, rest) = rest.split_first_chunk::<8>().ok_or_else(|| corrupt("too short"))?;
        let (revision, rest) = rest.split_at_checked(LogPosition::LEN).ok_or_else(|| corrupt("too short"))?;
        let revision = LogPosition::from_bytes(revision)?;
        let counted = match version == COUNTED_VERSION {
            false => None,
            true if !has_subkeys(kind, encoding) => Some(0),
            true => {
                let bytes = rest.first_chunk().ok_or_else(|| corrupt("too short"))?;
                Some(u64::from_be_bytes(*bytes))
            }
        };
        Ok(Header { kind, encoding, expires_at: u64::from_be_bytes(*expires_at), revision, counted })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Golden bytes: version 1 must stay readable for ever.
    #[test]
    fn version_1_golden_bytes() {
        let position = LogPosition { index: 0x0102, ordinal: 3 };
        let bytes = Row::encode(Type::String, Encoding::Raw, 0x0a0b, position, None, b"hi");
        let golden = [0x11, 1, 0, 0, 0, 0, 0, 0, 0x0a, 0x0b, 0, 0, 0, 0, 0, 0, 1, 2, 0, 0, 0, 3, b'h', b'i'];
        assert_eq!(bytes, golden);
        let row = Row::decode(golden.to_vec().into()).expect("decodes");
        assert_eq!(
            (row.kind, row.encoding, row.expires_at, row.revision),
            (Type::String, Encoding::Raw, 0x0a0b, position)
        );
        assert_eq!((&row.body[..], row.counted), (&b"hi"[..], None));
    }

    #[test]
    fn version_2_golden_bytes() {
        let position = LogPosition { index: 0x0102, ordinal: 3 };
        let string = Row::encode(Type::String, Encoding::Raw, 0x0a0b, position, Some(0), b"hi");
        let head = |tag: u8, encoding: u8| {
            [&[tag, encoding, 0, 0, 0, 0, 0, 0, 0x0a, 0x0b, 0, 0, 0, 0, 0, 0, 1, 2, 0, 0, 0, 3][..]].concat()
        };
        assert_eq!(string, [&head(0x21, 1)[..], b"hi"].concat());
        let row = Row::decode(string.into()).unwrap();
        assert_eq!((&row.body[..], row.counted), (&b"hi"[..], Some(0)));
        let list = Row::encode(Type::List, Encoding::Natural, 0x0a0b, position, Some(0x0c0d), b"hi");
        assert_eq!(list, [&head(0x22, 0)[..], &[0, 0, 0, 0, 0, 0, 0x0c, 0x0d], b"hi"].concat());
        let row = Row::decode(list.clone().into()).unwrap();
        assert_eq!((&row.body[..], row.counted, row.revision), (&b"hi"[..], Some(0x0c0d), position));
        assert!(Row::decode(list[..29].to_vec().into()).is_err());
    }

    #[test]
    fn collection_heads_golden_bytes() {
        let head = CollectionHead { generation: LogPosition { index: 1, ordinal: 2 }, len: 3 };
        let golden = [0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 3, b'x'];
        assert_eq!(head.body(b"x"), golden);
        assert_eq!(CollectionHead::decode(&golden).expect("decodes"), head);
        assert!(CollectionHead::decode(&golden[..19]).is_err());
    }

    #[test]
    fn damaged_records_are_errors() {
        let pieces_of_a_list = [&[0x12, 4][..], &[0; 40]].concat();
        let bad: [&[u8]; 7] =
            [&[], &[0x11], &[0x31; 30], &[0x1f; 30], &[0x11; 30], &[0x11, 0, 0], &pieces_of_a_list];
        for bad in bad {
            assert!(Row::decode(bad.to_vec().into()).is_err(), "{bad:?}");
        }
    }
}
