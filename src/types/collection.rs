//! Shared by all collections: a row with collection id, count and encoding, and sub-keys filed under the id.
//!
//! A handler opens a collection, reads and writes its sub-keys through `View` and `Txn`, and saves it: every change
//! rewrites the row, so that its revision changes. A collection without elements is deleted (streams are not).
//!
//! Hashes, sets and the member side of sorted sets file an element under `hashed`: eight bytes of a fixed hash, then the
//! element. The hash is the position of HSCAN, SSCAN and ZSCAN, so a cursor is valid on every node and after every restart;
//! and a random position is a random element.

use crate::{
    error::{Result, StoreError},
    resp::ErrorReply,
    store::{CollectionHead, CollectionId, Encoding, LogPosition, NewRow, Row, Txn, Type, View},
};
use xxhash_rust::xxh3::xxh3_64;

/// The shared part of a collection.
#[derive(Debug, Clone)]
pub struct Collection {
    pub kind: Type,
    pub id: CollectionId,
    /// Elements.
    pub len: u64,
    pub encoding: Encoding,
    /// Milliseconds since the epoch; 0 = never.
    pub expires_at: u64,
    /// The type's own part of the row.
    pub rest: Vec<u8>,
    /// Log position of the last write; that of nothing for a new one.
    pub revision: LogPosition,
}

impl Collection {
    /// The collection under a key; another type is WRONGTYPE.
    pub fn open(view: &View<'_>, key: &[u8], kind: Type) -> Result<Option<Self>> {
        view.get(key)?.map(|row| Self::of_row(view, &row, kind)).transpose()
    }

    /// The collection that a row of the current database is.
    pub fn of_row(view: &View<'_>, row: &Row, kind: Type) -> Result<Self> {
        if row.kind != kind {
            return Err(ErrorReply::wrong_type().into());
        }
        let head = CollectionHead::decode(&row.body)?;
        Ok(Collection {
            kind,
            id: view.collection_id(head.generation),
            len: head.len,
            encoding: row.encoding,
            expires_at: row.expires_at,
            rest: row.body.get(CollectionHead::LEN..).unwrap_or_default().to_vec(),
            revision: row.revision,
        })
    }

    /// A new, empty collection. It replaces the key's value once it is saved.
    pub fn create(txn: &mut Txn<'_>, kind: Type) -> Self {
        Collection {
            kind,
            id: txn.new_collection_id(),
            len: 0,
            encoding: Encoding::Natural,
            expires_at: 0,
            rest: Vec::new(),
            revision: LogPosition::default(),
        }
    }

    /// The one under a key, or a new one.
    pub fn open_or_create(txn: &mut Txn<'_>, key: &[u8], kind: Type) -> Result<Self> {
        Ok(Self::open(&txn.view(), key, kind)?.unwrap_or_else(|| Self::create(txn, kind)))
    }

    /// Identifies its unchanged content in caches; `None` for a scan that will hardly be repeated.
    pub fn content(&self, is_likely_again: bool) -> (&CollectionId, Option<LogPosition>) {
        (&self.id, is_likely_again.then_some(self.revision))
    }

    /// Writes the row, or deletes the key if there is nothing left. `true` = the key is gone.
    pub fn save(&self, txn: &mut Txn<'_>, key: &[u8]) -> Result<bool> {
        if self.len == 0 && self.kind != Type::Stream {
            if self.revision == LogPosition::default() {
                // It never was under the key; an expired one with all its sub-keys may be.
                txn.delete(key)?;
            } else {
                txn.delete_emptied(key)?;
            }
            return Ok(true);
        }
        let head = CollectionHead { generation: self.id.generation(), len: self.len };
        let (kind, encoding, expires_at) = (self.kind, self.encoding, self.expires_at);
        txn.put(key, NewRow { kind, encoding, expires_at, body: &head.body(&self.rest) })?;
        Ok(false)
    }
}

/// Bytes of the hash before an element.
pub const HASH_LEN: usize = 8;

/// The position of an element, as SCAN cursors count: 63 bits, since clients may parse a cursor as a signed number. The
/// function (XXH3, 64 bits, without a seed, halved) is part of the format on disk.
pub fn hash_of(element: &[u8]) -> u64 {
    xxh3_64(element) >> 1
}

/// The sub-key of an element.
pub fn hashed(element: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(HASH_LEN.saturating_add(element.len()));
    out.extend_from_slice(&hash_of(element).to_be_bytes());
    out.extend_from_slice(element);
    out
}

/// The element of a sub-key that `hashed` made.
pub fn element_of(sub: &[u8]) -> &[u8] {
    sub.get(HASH_LEN..).unwrap_or_default()
}

/// The hash in a sub-key that `hashed` made.
pub fn hash_in(sub: &[u8]) -> u64 {
    sub.first_chunk::<HASH_LEN>().map_or(0, |bytes| u64::from_be_bytes(*bytes))
}

/// Appends a number in at most ten bytes: seven bits in each, the lowest first, and the highest bit if more follow.
pub fn put_number(out: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        out.push(0x80 | (number & 0x7f) as u8);
        number >>= 7;
    }
    out.push(number as u8);
}

/// Reads such a number from the front.
pub fn take_number(bytes: &[u8]) -> Result<(u64, &[u8]), StoreError> {
    let (mut number, mut rest) = (0_u64, bytes);
    for shift in (0..u64::BITS).step_by(7) {
        let (byte, behind) =
            rest.split_first().ok_or_else(|| StoreError::corrupt("number of an element", "cut off"))?;
        rest = behind;
        number |= u64::from(byte & 0x7f) << shift;
        if *byte < 0x80 {
            return Ok((number, rest));
        }
    }
    Err(StoreError::corrupt("number of an element", "too long"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Golden: the numbers are on disk.
    #[test]
    fn numbers_are_short() {
        for (number, golden) in [
            (0, &b"\0"[..]),
            (0x7f, b"\x7f"),
            (0x80, b"\x80\x01"),
            (300, b"\xac\x02"),
            (u64::MAX, b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"),
        ] {
            let mut out = Vec::new();
            put_number(&mut out, number);
            assert_eq!(out, golden);
            out.push(b'x');
            assert_eq!(take_number(&out).unwrap(), (number, &b"x"[..]));
            assert!(take_number(&golden[..golden.len() - 1]).is_err());
        }
        assert!(take_number(&[0x80; 10]).is_err());
    }

    /// Golden: the hash is on disk.
    #[test]
    fn elements_are_filed_under_a_fixed_hash() {
        assert_eq!(hash_of(b""), 0x2d06800538d394c2 >> 1);
        let sub = hashed(b"member");
        assert_eq!((element_of(&sub), hash_in(&sub)), (&b"member"[..], hash_of(b"member")));
        assert!(i64::try_from(hash_of(b"member")).is_ok());
    }
}
