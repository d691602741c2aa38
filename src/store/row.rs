//! The metadata record: what the `meta` column family holds for one key.
//!
//! | bytes | field |
//! |---|---|
//! | 1 | record version (high four bits, 1) and type tag (low four bits) |
//! | 1 | encoding hint (strings: 0 = as its content suggests, 1 = raw) |
//! | 8 | expires_at, ms since the epoch, big-endian; 0 = never |
//! | 12 | revision: the place of the last write |
//! | rest | string: the value; collections: generation, counts (with their types) |
//!
//! Invariant: tags are explicit numbers and never reused; a version this program does not know is an error, never a guess.

use super::place::Place;
use crate::{error::StoreError, value::Value};

const RECORD_VERSION: u8 = 1;
/// Bytes before the body.
pub const ROW_HEADER_LEN: usize = 2 + 8 + Place::LEN;

/// The data type of a key; the number is persisted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Type {
    String = 1,
}

impl Type {
    fn from_tag(tag: u8) -> Option<Self> {
        match tag {
            1 => Some(Type::String),
            _ => None,
        }
    }

    /// The word that TYPE answers.
    pub fn name(self) -> &'static str {
        match self {
            Type::String => "string",
        }
    }
}

/// How OBJECT ENCODING should describe a string; the number is persisted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[repr(u8)]
pub enum Encoding {
    /// int, embstr or raw, as content and length suggest.
    #[default]
    Natural = 0,
    /// Built in place (APPEND, SETRANGE): always reported raw, as Redis does.
    Raw = 1,
}

/// One live key as stored: its type, expiry, revision and (for strings) value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    pub kind: Type,
    pub encoding: Encoding,
    /// Milliseconds since the epoch; 0 = never.
    pub expires_at: u64,
    /// Place of the last write of this key.
    pub revision: Place,
    /// A string's value.
    pub body: Value,
}

impl Row {
    /// Whether the key is gone at time `now` (ms).
    pub fn expired(&self, now: u64) -> bool {
        self.expires_at != 0 && self.expires_at <= now
    }

    /// The record's bytes.
    pub fn encode(kind: Type, encoding: Encoding, expires_at: u64, revision: Place, body: &[u8]) -> Vec<u8> {
        let mut out = Vec::with_capacity(ROW_HEADER_LEN.saturating_add(body.len()));
        out.push(RECORD_VERSION << 4 | kind as u8);
        out.push(encoding as u8);
        out.extend_from_slice(&expires_at.to_be_bytes());
        out.extend_from_slice(&revision.to_bytes());
        out.extend_from_slice(body);
        out
    }

    /// Reads a record; the body shares the bytes handed in.
    pub fn decode(record: Value) -> Result<Self, StoreError> {
        let Header { kind, encoding, expires_at, revision } = Header::decode(&record)?;
        Ok(Row { kind, encoding, expires_at, revision, body: record.without_first(ROW_HEADER_LEN) })
    }
}

/// What stands before the body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) kind: Type,
    pub(super) encoding: Encoding,
    pub(super) expires_at: u64,
    pub(super) revision: Place,
}

impl Header {
    pub(super) fn decode(record: &[u8]) -> Result<Self, StoreError> {
        let corrupt = |detail: &str| StoreError::corrupt("metadata record", detail);
        let (head, rest) = record.split_first_chunk::<2>().ok_or_else(|| corrupt("too short"))?;
        let [tag, encoding] = *head;
        if tag >> 4 != RECORD_VERSION {
            return Err(corrupt("unknown version"));
        }
        let kind = Type::from_tag(tag & 0x0f).ok_or_else(|| corrupt("unknown type"))?;
        let encoding = match encoding {
            0 => Encoding::Natural,
            1 => Encoding::Raw,
            _ => return Err(corrupt("unknown encoding")),
        };
        let (expires_at, rest) = rest.split_first_chunk::<8>().ok_or_else(|| corrupt("too short"))?;
        let revision = Place::from_bytes(rest)?;
        Ok(Header { kind, encoding, expires_at: u64::from_be_bytes(*expires_at), revision })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Golden bytes: version 1 must stay readable for ever.
    #[test]
    fn version_1_golden_bytes() {
        let place = Place { index: 0x0102, ordinal: 3 };
        let bytes = Row::encode(Type::String, Encoding::Raw, 0x0a0b, place, b"hi");
        let golden = [0x11, 1, 0, 0, 0, 0, 0, 0, 0x0a, 0x0b, 0, 0, 0, 0, 0, 0, 1, 2, 0, 0, 0, 3, b'h', b'i'];
        assert_eq!(bytes, golden);
        let row = Row::decode(golden.to_vec().into()).expect("decodes");
        assert_eq!(
            (row.kind, row.encoding, row.expires_at, row.revision),
            (Type::String, Encoding::Raw, 0x0a0b, place)
        );
        assert_eq!(&row.body[..], b"hi");
    }

    #[test]
    fn damaged_records_are_errors() {
        for bad in [&[][..], &[0x11], &[0x21; 30], &[0x1f; 30], &[0x11; 30], &[0x11, 0, 0]] {
            assert!(Row::decode(bad.to_vec().into()).is_err(), "{bad:?}");
        }
    }
}
