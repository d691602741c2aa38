//! Ordered scans of one column family, with the uncommitted writes of a batch laid over it.

use super::{
    engine::{EngineIterator, read_error},
    keys::{Span, StorageKey},
};
use crate::error::Result;
use bytes::Bytes;
use rocksdb::ReadOptions;
use std::{
    cmp::Ordering,
    collections::BTreeMap,
    ops::{Bound, ControlFlow},
};

/// Uncommitted writes in key order; `None` = deleted.
pub(super) type Overlay = BTreeMap<StorageKey, Option<Bytes>>;

/// Which way a scan goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    Forward,
    Backward,
}

/// Restricts an iterator to the keys of a span.
pub(super) fn bound(options: &mut ReadOptions, span: &Span, direction: Direction) {
    if let Some(to) = &span.to {
        options.set_iterate_upper_bound(to.to_vec());
    }
    if direction == Direction::Backward {
        options.set_iterate_lower_bound(span.from.to_vec());
    }
}

/// Visits the keys of a span in order, or in reverse order, until the visitor breaks.
pub(super) fn merged(
    iterator: &mut EngineIterator<'_>,
    overlay: Option<&Overlay>,
    span: &Span,
    direction: Direction,
    mut visit: impl FnMut(&[u8], &[u8]) -> Result<ControlFlow<()>>,
) -> Result<()> {
    if span.is_empty() {
        return Ok(());
    }
    let empty = Overlay::new();
    let to = span.to.as_deref().map_or(Bound::Unbounded, Bound::Excluded);
    let mut laid_over = overlay.unwrap_or(&empty).range::<[u8], _>((Bound::Included(&span.from[..]), to));
    let mut next_over = || match direction {
        Direction::Forward => laid_over.next(),
        Direction::Backward => laid_over.next_back(),
    };
    let mut over = next_over();
    seek(iterator, span, direction);
    loop {
        let stored = iterator.item().filter(|(key, _)| span.contains(key));
        let order = match (stored, over) {
            (None, None) => break,
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (Some((key, _)), Some((over, _))) if direction == Direction::Forward => key.cmp(&over[..]),
            (Some((key, _)), Some((over, _))) => over[..].cmp(key),
        };
        let flow = match (order, stored, over) {
            (Ordering::Less, Some((key, value)), _) => visit(key, value)?,
            (_, _, Some((key, Some(value)))) => visit(key, value)?,
            _ => ControlFlow::Continue(()),
        };
        if flow.is_break() {
            return Ok(());
        }
        if order.is_ge() {
            over = next_over();
        }
        if order.is_le() {
            match direction {
                Direction::Forward => iterator.next(),
                Direction::Backward => iterator.prev(),
            }
        }
    }
    iterator.status().map_err(read_error)
}

fn seek(iterator: &mut EngineIterator<'_>, span: &Span, direction: Direction) {
    match (direction, &span.to) {
        (Direction::Forward, _) => iterator.seek(&span.from),
        (Direction::Backward, None) => iterator.seek_to_last(),
        (Direction::Backward, Some(to)) => {
            iterator.seek_for_prev(to);
            if iterator.key() == Some(&to[..]) {
                iterator.prev();
            }
        }
    }
}

/// The first and the last key of a span that a batch has written and not deleted.
pub(super) fn ends(overlay: Option<&Overlay>, span: &Span) -> Option<(Vec<u8>, Vec<u8>)> {
    let to = span.to.as_deref().map_or(Bound::Unbounded, Bound::Excluded);
    let mut written = overlay?
        .range::<[u8], _>((Bound::Included(&span.from[..]), to))
        .filter(|(_, value)| value.is_some())
        .map(|(key, _)| key.to_vec());
    let first = written.next()?;
    let last = written.next_back().unwrap_or_else(|| first.clone());
    Some((first, last))
}

/// Makes `ends` cover `key` if it is of the span.
pub(super) fn widen(ends: &mut Option<(Vec<u8>, Vec<u8>)>, key: Option<&[u8]>, span: &Span) {
    let Some(key) = key.filter(|key| span.contains(key)) else { return };
    let (first, last) = ends.get_or_insert_with(|| (key.to_vec(), key.to_vec()));
    if key < &first[..] {
        *first = key.to_vec();
    }
    if key > &last[..] {
        *last = key.to_vec();
    }
}
