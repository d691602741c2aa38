//! The bytes of a value on their way from the store to a client, shared and never copied.
//!
//! A cached record is one allocation: count, length and bytes side by side, so that a reader waits for memory once.

use bytes::{Bytes, BytesMut};
use std::{
    fmt,
    ops::{Deref, Range},
    sync::atomic::{AtomicU32, Ordering},
};
use triomphe::ThinArc;

/// A record as the hot cache keeps it, with the second of its last access.
pub type SharedRecord = ThinArc<Stamp, u8>;

/// A second that only rises.
#[derive(Debug, Default)]
pub struct Stamp(AtomicU32);

impl Stamp {
    pub fn new(second: u32) -> Self {
        Stamp(AtomicU32::new(second))
    }

    pub fn get(&self) -> u32 {
        self.0.load(Ordering::Relaxed)
    }

    /// A store, not an exchange: no other thread can have stored a later second, because the clock is the same for all.
    pub fn set(&self, second: u32) {
        self.0.store(second, Ordering::Relaxed);
    }

    pub fn raise(&self, second: u32) {
        self.0.fetch_max(second, Ordering::Relaxed);
    }
}

/// A shared byte string.
#[derive(Clone)]
pub struct Value(Kind);

#[derive(Clone)]
enum Kind {
    Bytes(Bytes),
    /// The rest of a record from this offset on.
    Record(SharedRecord, usize),
}

impl Value {
    /// A part; the bytes of `range` that are out of bounds are missing.
    pub fn slice(&self, range: Range<usize>) -> Self {
        let end = range.end.min(self.len());
        let range = range.start.min(end)..end;
        Value(Kind::Bytes(match &self.0 {
            Kind::Bytes(bytes) => bytes.slice(range),
            Kind::Record(..) => Bytes::copy_from_slice(self.get(range).unwrap_or_default()),
        }))
    }

    /// The bytes, to be changed or sent; copied if somebody else has them, too.
    pub fn into_mut(self) -> BytesMut {
        match self.0 {
            Kind::Bytes(bytes) => bytes.try_into_mut().unwrap_or_else(|bytes| BytesMut::from(&bytes[..])),
            Kind::Record(..) => BytesMut::from(&self[..]),
        }
    }

    /// The bytes behind the first `count`.
    pub fn without_first(self, count: usize) -> Self {
        Value(match self.0 {
            Kind::Bytes(bytes) => Kind::Bytes(bytes.slice(count.min(bytes.len())..)),
            Kind::Record(record, start) => Kind::Record(record, start.saturating_add(count)),
        })
    }
}

impl Deref for Value {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match &self.0 {
            Kind::Bytes(bytes) => bytes,
            Kind::Record(record, start) => record.slice.get(*start..).unwrap_or_default(),
        }
    }
}

impl AsRef<[u8]> for Value {
    fn as_ref(&self) -> &[u8] {
        self
    }
}

impl From<Bytes> for Value {
    fn from(bytes: Bytes) -> Self {
        Value(Kind::Bytes(bytes))
    }
}

impl From<Vec<u8>> for Value {
    fn from(bytes: Vec<u8>) -> Self {
        Value(Kind::Bytes(bytes.into()))
    }
}

impl From<SharedRecord> for Value {
    fn from(record: SharedRecord) -> Self {
        Value(Kind::Record(record, 0))
    }
}

impl PartialEq for Value {
    fn eq(&self, other: &Self) -> bool {
        **self == **other
    }
}

impl Eq for Value {}

impl Default for Value {
    fn default() -> Self {
        Value(Kind::Bytes(Bytes::new()))
    }
}

impl fmt::Debug for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self[..], f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_kinds_show_the_same_bytes() {
        let record = SharedRecord::from_header_and_slice(Stamp::default(), b"header and body");
        let (cached, read) = (Value::from(record), Value::from(b"header and body".to_vec()));
        assert_eq!(cached, read);
        assert_eq!(cached.clone().without_first(11), read.clone().without_first(11));
        assert_eq!(&cached.clone().without_first(11)[..], b"body");
        assert_eq!(cached.slice(11..99), read.slice(11..99));
        assert_eq!(&cached.slice(11..15)[..], b"body");
        assert!(cached.slice(99..100).is_empty() && read.slice(99..100).is_empty());
        assert!(read.without_first(99).is_empty());
    }
}
