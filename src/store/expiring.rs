//! The store's knowledge of hashes and sets: their elements (fields, members) may expire one by one.
//!
//! The set `SubKeys::Score` of such a collection files the elements that expire: expires_at u64 ‖ the element's sub-key in
//! `SubKeys::Data` → –. If there are any, the collection's row has this behind its head:
//!
//! | bytes | field |
//! |---|---|
//! | 16 | what the first of those sub-keys begins with: the earliest expiry, and the place of its element |
//! | 8 | how many there are |
//!
//! Behind them, or alone if no element expires, are the type's own bytes (`types::hash`, `types::set`): none, or 8.
//!
//! **Invariants.** The row in the `expiry` family is due when the key or the first of its elements expires, whichever is
//! sooner. A collection whose elements have all expired is gone, for reads and writes, before any sweep has deleted it.

use super::{
    ALL, CollectionHead, CollectionId, Direction, SubKeys, Type, View,
    keys::{self},
};
use crate::error::{Result, StoreError};
use std::ops::{Bound, ControlFlow};

/// The keys of elements' expiries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ElementExpiries {
    /// The prefix of the first sub-key.
    pub first: [u8; ElementExpiries::FIRST_LEN],
    /// Never 0.
    pub count: u64,
}

impl ElementExpiries {
    const FIRST_LEN: usize = 16;
    /// Bytes of it.
    pub const LEN: usize = ElementExpiries::FIRST_LEN + 8;

    /// Length of the type's own bytes, if there are any.
    const BESIDE_LEN: usize = 8;

    /// Reads the part behind the head of the row; `None` = no element expires.
    pub fn decode(rest: &[u8]) -> Result<Option<Self>, StoreError> {
        Ok(Self::split(rest)?.0)
    }

    /// As `decode`, with the type's own bytes.
    pub fn split(rest: &[u8]) -> Result<(Option<Self>, &[u8]), StoreError> {
        let is_known = |beside: &[u8]| matches!(beside.len(), 0 | Self::BESIDE_LEN);
        if is_known(rest) {
            return Ok((None, rest));
        }
        let damaged =
            || StoreError::corrupt("metadata record", "a collection with an incomplete list of expiries");
        let (first, behind) = rest.split_first_chunk().ok_or_else(damaged)?;
        let (count, beside) = behind.split_first_chunk().ok_or_else(damaged)?;
        if !is_known(beside) {
            return Err(damaged());
        }
        Ok((Some(ElementExpiries { first: *first, count: u64::from_be_bytes(*count) }), beside))
    }

    /// That of a row.
    pub(super) fn of_body(kind: Type, body: &[u8]) -> Result<Option<Self>, StoreError> {
        match kind {
            Type::Hash | Type::Set => Self::decode(body.get(CollectionHead::LEN..).unwrap_or_default()),
            Type::String | Type::List | Type::SortedSet | Type::Stream => Ok(None),
        }
    }

    /// Its bytes.
    pub fn encode(self) -> Vec<u8> {
        [&self.first[..], &self.count.to_be_bytes()].concat()
    }

    /// When the first element expires.
    pub fn earliest(&self) -> u64 {
        self.first.first_chunk().map_or(0, |bytes| u64::from_be_bytes(*bytes))
    }

    /// The prefix of a sub-key.
    pub fn beginning(sub: &[u8]) -> [u8; Self::FIRST_LEN] {
        let mut first = [0; Self::FIRST_LEN];
        first.iter_mut().zip(sub).for_each(|(slot, byte)| *slot = *byte);
        first
    }
}

/// The sub-key under which an element that expires is filed.
pub fn expiry_sub(expires_at: u64, element_sub: &[u8]) -> Vec<u8> {
    [&expires_at.to_be_bytes()[..], element_sub].concat()
}

/// Reads such a sub-key: the time, and the element's sub-key among the data.
pub fn parse_expiry_sub(sub: &[u8]) -> Result<(u64, &[u8]), StoreError> {
    let (time, element) =
        sub.split_first_chunk().ok_or_else(|| StoreError::corrupt("expiry of an element", "too short"))?;
    Ok((u64::from_be_bytes(*time), element))
}

/// When a row has something to expire, 0 = never: the key, or the first element.
pub(super) fn due_at(expires_at: u64, expiries: Option<ElementExpiries>) -> u64 {
    match (expires_at, expiries.map_or(0, |expiries| expiries.earliest())) {
        (0, element) => element,
        (key, 0) => key,
        (key, element) => key.min(element),
    }
}

impl View<'_> {
    /// The number of expired elements that are still stored.
    pub fn expired_elements(&self, collection: &CollectionId, expiries: &ElementExpiries) -> Result<u64> {
        let mut expired = 0_u64;
        if expiries.earliest() > self.decided {
            return Ok(0);
        }
        let from = (Bound::Included(&expiries.first[..]), Bound::Unbounded);
        self.scan_sub(SubKeys::Score, collection, from, Direction::Forward, |sub, _| {
            if !self.has_passed(parse_expiry_sub(sub)?.0)? {
                return Ok(ControlFlow::Break(()));
            }
            expired = expired.saturating_add(1);
            Ok(ControlFlow::Continue(()))
        })?;
        Ok(expired)
    }

    /// The prefix of the first sub-key of an element that expires, at or after `from`.
    pub fn first_expiry(
        &self,
        collection: &CollectionId,
        from: &[u8],
    ) -> Result<Option<[u8; ElementExpiries::FIRST_LEN]>> {
        let mut first = None;
        let from = (Bound::Included(from), Bound::Unbounded);
        self.scan_sub(SubKeys::Score, collection, from, Direction::Forward, |sub, _| {
            first = Some(ElementExpiries::beginning(sub));
            Ok(ControlFlow::Break(()))
        })?;
        Ok(first)
    }

    /// Whether all elements have expired: if all of them can, the last one to expire decides.
    pub(super) fn has_lost_all_elements(
        &self,
        namespace: super::Namespace,
        head: &CollectionHead,
        expiries: &ElementExpiries,
    ) -> Result<bool> {
        if expiries.count < head.len || expiries.earliest() > self.decided {
            return Ok(false);
        }
        let collection = keys::CollectionId::new(namespace, head.generation);
        let mut last = None;
        self.scan_sub(SubKeys::Score, &collection, ALL, Direction::Backward, |sub, _| {
            last = Some(parse_expiry_sub(sub)?.0);
            Ok(ControlFlow::Break(()))
        })?;
        last.map_or(Ok(false), |last| self.has_passed(last))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn golden_bytes() {
        let sub = expiry_sub(0x0102, b"hash5678field");
        assert_eq!(sub, b"\0\0\0\0\0\0\x01\x02hash5678field");
        assert_eq!(parse_expiry_sub(&sub).unwrap(), (0x0102, &b"hash5678field"[..]));
        assert!(parse_expiry_sub(b"short").is_err());
        let fields = ElementExpiries { first: ElementExpiries::beginning(&sub), count: 3 };
        let bytes = b"\0\0\0\0\0\0\x01\x02hash5678\0\0\0\0\0\0\0\x03";
        assert_eq!((fields.encode(), fields.earliest()), (bytes.to_vec(), 0x0102));
        assert_eq!(ElementExpiries::decode(bytes).unwrap(), Some(fields));
        assert_eq!(ElementExpiries::decode(b"").unwrap(), None);
        assert!(ElementExpiries::decode(&bytes[..23]).is_err());
        assert!(ElementExpiries::decode(&[&bytes[..], b"half"].concat()).is_err());
        let both = [&bytes[..], b"8 beside"].concat();
        assert_eq!(ElementExpiries::split(&both).unwrap(), (Some(fields), &b"8 beside"[..]));
        assert_eq!(ElementExpiries::split(b"8 beside").unwrap(), (None, &b"8 beside"[..]));
    }

    #[test]
    fn a_row_is_due_when_the_first_of_it_is() {
        let fields = |earliest| {
            Some(ElementExpiries { first: ElementExpiries::beginning(&expiry_sub(earliest, b"")), count: 1 })
        };
        assert_eq!(due_at(0, None), 0);
        assert_eq!(due_at(5, None), 5);
        assert_eq!(due_at(0, fields(7)), 7);
        assert_eq!(due_at(5, fields(7)), 5);
        assert_eq!(due_at(9, fields(7)), 7);
    }
}
