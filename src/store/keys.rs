//! Storage keys, one table:
//!
//! | column family | key | value |
//! |---|---|---|
//! | `default` | `state` | applied position, time, databases and their counts (`state.rs`) |
//! | `default` | `site` | on an edge: place in its site's log, history of the data (`site.rs`) |
//! | `default` | `membership` | the Raft membership, bytes that only `replication/consensus` understands |
//! | `meta` | namespace u32 ‖ key | metadata record (`row.rs`) |
//! | `expiry` | when the key or its first field expires, u64 ‖ namespace u32 ‖ key | – |
//! | `data` | namespace u32 ‖ generation ‖ field, index, member, piece … | what the type says (`src/types`) |
//! | `score` | namespace u32 ‖ generation ‖ order-preserving score ‖ member (of hashes and sets: `expiring.rs`) | – |
//!
//! Numbers are big-endian, so byte order is number order. A logical database maps to a namespace; FLUSHDB and SWAPDB change
//! the mapping, never the rows. A collection id is the log position at which a collection was created: it does not contain
//! the key, so a key can be renamed, deleted or overwritten without touching its sub-keys.

use super::{LogPosition, Namespace};
use crate::error::StoreError;
use smallvec::SmallVec;
use std::ops::Bound;

/// A storage key; inline, without an allocation of its own, for user keys of up to 20 bytes. Batches and the hot cache hold
/// millions of these: following a pointer would be a CPU cache miss at every comparison.
pub type StorageKey = SmallVec<[u8; 24]>;

/// Key of the state record in `default`.
pub const STATE: &[u8] = b"state";
/// Key of the site record in `default`.
pub const SITE: &[u8] = b"site";
/// Key in `default` of what a batch stores before itself, see `txn/ahead.rs`.
pub const AHEAD: &[u8] = b"ahead";
/// Key of the membership in `default`.
pub const MEMBERSHIP: &[u8] = b"membership";

/// `meta` key of a user's key.
pub fn meta(namespace: Namespace, key: &[u8]) -> StorageKey {
    let mut out = StorageKey::with_capacity(key.len().saturating_add(4));
    out.extend_from_slice(&namespace.to_be_bytes());
    out.extend_from_slice(key);
    out
}

/// The user's key within a `meta` key.
pub fn meta_user_key(storage_key: &[u8]) -> Result<(Namespace, &[u8]), StoreError> {
    let (namespace, key) =
        storage_key.split_first_chunk::<4>().ok_or_else(|| StoreError::corrupt("meta key", "too short"))?;
    Ok((Namespace::from_be_bytes(*namespace), key))
}

/// `expiry` key of a user's key.
pub fn expiry(expires_at: u64, namespace: Namespace, key: &[u8]) -> StorageKey {
    let mut out = StorageKey::with_capacity(key.len().saturating_add(12));
    out.extend_from_slice(&expires_at.to_be_bytes());
    out.extend_from_slice(&namespace.to_be_bytes());
    out.extend_from_slice(key);
    out
}

/// Reads an `expiry` key: (expires_at, namespace, user's key).
pub fn parse_expiry(storage_key: &[u8]) -> Result<(u64, Namespace, &[u8]), StoreError> {
    let short = || StoreError::corrupt("expiry key", "too short");
    let (expires_at, rest) = storage_key.split_first_chunk::<8>().ok_or_else(short)?;
    let (namespace, key) = rest.split_first_chunk::<4>().ok_or_else(short)?;
    Ok((u64::from_be_bytes(*expires_at), Namespace::from_be_bytes(*namespace), key))
}

/// Prefix of the hot cache's keys of sub-keys, which no key of metadata has: no database has this namespace.
const HOT_SUB: [u8; 4] = [0; 4];

/// The hot cache's key of a sub-key.
pub fn hot_sub(storage_key: &[u8]) -> StorageKey {
    let mut out = StorageKey::with_capacity(storage_key.len().saturating_add(HOT_SUB.len()));
    out.extend_from_slice(&HOT_SUB);
    out.extend_from_slice(storage_key);
    out
}

/// The first key behind another one: that key and a zero byte.
pub fn behind(key: &[u8]) -> StorageKey {
    let mut out = StorageKey::with_capacity(key.len().saturating_add(1));
    out.extend_from_slice(key);
    out.push(0);
    out
}

/// The id of a collection: the prefix of all its sub-keys and no others. A key that is deleted and created again has
/// another id, so its sub-keys share nothing with the former ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CollectionId([u8; CollectionId::LEN]);

/// Sub-keys from one to another, in byte order.
pub type SubRange<'a> = (Bound<&'a [u8]>, Bound<&'a [u8]>);

/// All sub-keys.
pub const ALL: SubRange<'static> = (Bound::Unbounded, Bound::Unbounded);

impl CollectionId {
    /// Bytes before a sub-key.
    pub const LEN: usize = 4 + LogPosition::LEN;

    /// That of the collection created at this log position.
    pub fn new(namespace: Namespace, generation: LogPosition) -> Self {
        let mut bytes = [0; CollectionId::LEN];
        let (head, tail) = bytes.split_at_mut(4);
        head.copy_from_slice(&namespace.to_be_bytes());
        tail.copy_from_slice(&generation.to_bytes());
        CollectionId(bytes)
    }

    /// The log position at which it was created.
    pub fn generation(&self) -> LogPosition {
        LogPosition::from_bytes(self.0.get(4..).unwrap_or_default()).unwrap_or_default()
    }

    /// That of a sub-key's storage key.
    pub(super) fn of_key(key: &[u8]) -> Option<Self> {
        key.first_chunk().map(|bytes| CollectionId(*bytes))
    }

    /// The prefix of all its sub-keys.
    pub(super) fn prefix(&self) -> &[u8] {
        &self.0
    }

    /// The storage key of a sub-key.
    pub(super) fn key(&self, sub: &[u8]) -> StorageKey {
        let mut out = StorageKey::with_capacity(sub.len().saturating_add(CollectionId::LEN));
        out.extend_from_slice(&self.0);
        out.extend_from_slice(sub);
        out
    }

    /// The storage keys of a range of sub-keys.
    pub(super) fn span(&self, range: SubRange<'_>) -> Span {
        let after = |sub: &[u8]| behind(&self.key(sub));
        let from = match range.0 {
            Bound::Included(sub) => self.key(sub),
            Bound::Excluded(sub) => after(sub),
            Bound::Unbounded => self.key(b""),
        };
        let to = match range.1 {
            Bound::Included(sub) => Some(after(sub)),
            Bound::Excluded(sub) => Some(self.key(sub)),
            Bound::Unbounded => successor(self.prefix()).map(StorageKey::from_vec),
        };
        Span { from, to }
    }
}

/// Storage keys from one up to, but not including, another; `None` = to the end.
#[derive(Debug, Clone)]
pub(super) struct Span {
    pub(super) from: StorageKey,
    pub(super) to: Option<StorageKey>,
}

impl Span {
    /// All keys with this prefix, from `start` on.
    pub(super) fn of_prefix(prefix: &[u8], start: &[u8]) -> Self {
        let from = StorageKey::from_slice(if start < prefix { prefix } else { start });
        Span { from, to: successor(prefix).map(StorageKey::from_vec) }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.to.as_ref().is_some_and(|to| *to <= self.from)
    }

    pub(super) fn contains(&self, key: &[u8]) -> bool {
        key >= &self.from[..] && self.to.as_ref().is_none_or(|to| key < &to[..])
    }
}

/// The first key after all keys that begin with `prefix`; `None` = there is no such key.
pub fn successor(prefix: &[u8]) -> Option<Vec<u8>> {
    let last = prefix.iter().rposition(|byte| *byte != 0xff)?;
    let mut end = prefix.get(..=last)?.to_vec();
    if let Some(byte) = end.last_mut() {
        *byte = byte.saturating_add(1);
    }
    Some(end)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn golden_bytes() {
        assert_eq!(&meta(0x01020304, b"k")[..], b"\x01\x02\x03\x04k");
        assert_eq!(&expiry(5, 6, b"k")[..], b"\0\0\0\0\0\0\0\x05\0\0\0\x06k");
        let collection = CollectionId::new(1, LogPosition { index: 2, ordinal: 3 });
        assert_eq!(&collection.key(b"f")[..], b"\0\0\0\x01\0\0\0\0\0\0\0\x02\0\0\0\x03f");
        assert_eq!(&hot_sub(b"key")[..], b"\0\0\0\0key");
    }

    #[test]
    fn successors() {
        assert_eq!(successor(b"ab"), Some(b"ac".to_vec()));
        assert_eq!(successor(b"a\xff"), Some(b"b".to_vec()));
        assert_eq!(successor(b"\xff\xff"), None);
        assert_eq!(successor(b""), None);
    }

    #[test]
    fn spans_hold_what_their_ranges_do() {
        let collection = CollectionId::new(1, LogPosition { index: 2, ordinal: 3 });
        let subs = [&b""[..], b"a", b"a\0", b"b", b"\xff"];
        let bounds = |sub| [Bound::Included(sub), Bound::Excluded(sub), Bound::Unbounded];
        for (from, to) in subs.iter().flat_map(|from| subs.iter().map(move |to| (*from, *to))) {
            for range in bounds(from).into_iter().flat_map(|from| bounds(to).map(|to| (from, to))) {
                let span = collection.span(range);
                for sub in subs {
                    let within = std::ops::RangeBounds::<[u8]>::contains(&range, sub);
                    assert_eq!(span.contains(&collection.key(sub)), within, "{range:?} {sub:?}");
                }
            }
        }
        let next = CollectionId::new(1, LogPosition { index: 2, ordinal: 4 });
        assert!(!collection.span(ALL).contains(&next.key(b"")));
    }

    proptest! {
        #[test]
        fn meta_keys_round_trip_and_keep_order(a in any::<(u32, Vec<u8>)>(), b in any::<(u32, Vec<u8>)>()) {
            let (ka, kb) = (meta(a.0, &a.1), meta(b.0, &b.1));
            prop_assert_eq!(meta_user_key(&ka).unwrap(), (a.0, &a.1[..]));
            prop_assert_eq!(ka.cmp(&kb), a.cmp(&b));
        }

        #[test]
        fn expiry_keys_round_trip_and_keep_order(a in any::<(u64, u32, Vec<u8>)>(), b in any::<(u64, u32, Vec<u8>)>()) {
            let (ka, kb) = (expiry(a.0, a.1, &a.2), expiry(b.0, b.1, &b.2));
            prop_assert_eq!(parse_expiry(&ka).unwrap(), (a.0, a.1, &a.2[..]));
            prop_assert_eq!(ka.cmp(&kb), a.cmp(&b));
        }
    }
}
