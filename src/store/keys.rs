//! Storage keys, one table:
//!
//! | column family | key | value |
//! |---|---|---|
//! | `default` | `state` | applied position, time, databases and their counts (`state.rs`) |
//! | `default` | `site` | on an edge: place in its site's log, history of the data (`site.rs`) |
//! | `default` | `membership` | the Raft membership, bytes that only `log/raft` understands |
//! | `meta` | namespace u32 ‖ key | metadata record (`row.rs`) |
//! | `expiry` | expires_at u64 ‖ namespace u32 ‖ key | – |
//!
//! Numbers are big-endian, so byte order is number order. A namespace is what a logical database maps to; FLUSHDB and
//! SWAPDB change the mapping, never the rows.

use super::Namespace;
use crate::error::StoreError;
use smallvec::SmallVec;

/// A storage key; in place, without an allocation of its own, for user keys of up to 20 bytes. Batches and the hot cache
/// hold millions of these: a pointer to follow would be a cache miss at every comparison.
pub type StorageKey = SmallVec<[u8; 24]>;

/// Key of the state record in `default`.
pub const STATE: &[u8] = b"state";
/// Key of the site record in `default`.
pub const SITE: &[u8] = b"site";
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

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn golden_bytes() {
        assert_eq!(&meta(0x01020304, b"k")[..], b"\x01\x02\x03\x04k");
        assert_eq!(&expiry(5, 6, b"k")[..], b"\0\0\0\0\0\0\0\x05\0\0\0\x06k");
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
