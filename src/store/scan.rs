//! Ordered scans of one column family, with the uncommitted writes of a batch laid over it.

use super::{
    engine::{EngineIterator, read_error},
    keys::StorageKey,
};
use crate::error::Result;
use bytes::Bytes;
use rocksdb::ReadOptions;
use std::{
    collections::BTreeMap,
    ops::{Bound, ControlFlow},
};

/// Uncommitted writes in key order; `None` = deleted.
pub(super) type Overlay = BTreeMap<StorageKey, Option<Bytes>>;

/// Restricts an iterator to keys that start with `prefix`.
pub(super) fn bound_to_prefix(options: &mut ReadOptions, prefix: &[u8]) {
    if let Some(end) = prefix_end(prefix) {
        options.set_iterate_upper_bound(end);
    }
}

/// The first key after all keys that start with `prefix`; `None` = there is no such key.
pub(super) fn prefix_end(prefix: &[u8]) -> Option<Vec<u8>> {
    let last = prefix.iter().rposition(|byte| *byte != 0xff)?;
    let mut end = prefix.get(..=last)?.to_vec();
    if let Some(byte) = end.last_mut() {
        *byte = byte.saturating_add(1);
    }
    Some(end)
}

/// Visits keys ≥ `start` that begin with `prefix`, in order, until the visitor breaks.
pub(super) fn merged(
    iterator: &mut EngineIterator<'_>,
    overlay: Option<&Overlay>,
    prefix: &[u8],
    start: &[u8],
    mut visit: impl FnMut(&[u8], &[u8]) -> Result<ControlFlow<()>>,
) -> Result<()> {
    let start = if start < prefix { prefix } else { start };
    let empty = Overlay::new();
    let mut laid_over = overlay
        .unwrap_or(&empty)
        .range::<[u8], _>((Bound::Included(start), Bound::Unbounded))
        .take_while(|(key, _)| key.starts_with(prefix))
        .peekable();
    iterator.seek(start);
    loop {
        let stored = iterator.item().filter(|(key, _)| key.starts_with(prefix));
        let (flow, advance) = match (stored, laid_over.peek()) {
            (None, None) => break,
            (Some((key, value)), None) => (visit(key, value)?, true),
            (Some((key, value)), Some((over, _))) if key < &over[..] => (visit(key, value)?, true),
            (stored, Some((over, written))) => {
                let shadowed = stored.is_some_and(|(key, _)| key == &over[..]);
                let flow = match written {
                    Some(value) => visit(over, value)?,
                    None => ControlFlow::Continue(()),
                };
                laid_over.next();
                (flow, shadowed)
            }
        };
        if flow.is_break() {
            return Ok(());
        }
        if advance {
            iterator.next();
        }
    }
    iterator.status().map_err(read_error)
}

/// The first and the last key that a batch has written and not deleted, of those that begin with `prefix`.
pub(super) fn ends(overlay: Option<&Overlay>, prefix: &[u8]) -> Option<(Vec<u8>, Vec<u8>)> {
    let end = prefix_end(prefix);
    let end = end.as_deref().map_or(Bound::Unbounded, Bound::Excluded);
    let mut written = overlay?
        .range::<[u8], _>((Bound::Included(prefix), end))
        .filter(|(_, value)| value.is_some())
        .map(|(key, _)| key.to_vec());
    let first = written.next()?;
    let last = written.next_back().unwrap_or_else(|| first.clone());
    Some((first, last))
}

/// Makes `ends` cover `key` if it begins with `prefix`.
pub(super) fn widen(ends: &mut Option<(Vec<u8>, Vec<u8>)>, key: Option<&[u8]>, prefix: &[u8]) {
    let Some(key) = key.filter(|key| key.starts_with(prefix)) else { return };
    let (first, last) = ends.get_or_insert_with(|| (key.to_vec(), key.to_vec()));
    if key < &first[..] {
        *first = key.to_vec();
    }
    if key > &last[..] {
        *last = key.to_vec();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prefix_end_is_the_successor() {
        assert_eq!(prefix_end(b"ab"), Some(b"ac".to_vec()));
        assert_eq!(prefix_end(b"a\xff"), Some(b"b".to_vec()));
        assert_eq!(prefix_end(b"\xff\xff"), None);
        assert_eq!(prefix_end(b""), None);
    }
}
