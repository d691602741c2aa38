//! Pages: results of scans over a collection, kept in the hot cache.
//!
//! Every change of a collection rewrites its row, so its id and a revision identify one content. A page is filed under
//! both, with the start and the limit of the scan: nothing ever has to void it, since newer content has another name. The
//! page of a small collection that has an order of its own is in that order.

use super::{
    ALL, CollectionId, LogPosition, SubKeys, SubRange, View,
    hot::Lookedup,
    keys::{Span, StorageKey},
    scan::Direction,
    view::Source,
};
use crate::error::{Result, StoreError};
use std::ops::{Bound, ControlFlow};

/// A longer scan is not kept.
const PAGE_BYTES_MAX: usize = 16 << 10;
/// Prefix of the hot cache's keys of pages; no sub-key has it, since no database has the namespace 0.
const PAGE: [u8; 8] = [0; 8];

/// Rows that a scan found, and whether they are all rows in its range.
#[derive(Default)]
struct Page(Vec<u8>);

const PART: u64 = 0;
const WHOLE: u64 = 1;

fn len_of(bytes: &[u8]) -> [u8; 4] {
    u32::try_from(bytes.len()).unwrap_or(u32::MAX).to_be_bytes()
}

/// The direction of an iteration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    Filed(Direction),
    Ordered,
}

fn key_of(
    of: SubKeys,
    collection: &CollectionId,
    revision: LogPosition,
    span: &Span,
    way: Way,
) -> StorageKey {
    let is_backward = way == Way::Filed(Direction::Backward);
    let kind = (of == SubKeys::Score, is_backward, span.to.is_some(), way == Way::Ordered);
    let mut out = StorageKey::from_slice(&PAGE);
    out.extend_from_slice(collection.prefix());
    out.extend_from_slice(&revision.to_bytes());
    out.push(u8::from(kind.0) | u8::from(kind.1) << 1 | u8::from(kind.2) << 2 | u8::from(kind.3) << 3);
    out.extend_from_slice(&len_of(&span.from));
    out.extend_from_slice(&span.from);
    out.extend_from_slice(span.to.as_deref().unwrap_or_default());
    out
}

impl Page {
    /// `false` = it has become too long.
    fn push(&mut self, sub: &[u8], value: &[u8]) -> bool {
        let len = self.0.len().saturating_add(sub.len()).saturating_add(value.len()).saturating_add(8);
        if len > PAGE_BYTES_MAX {
            return false;
        }
        for part in [sub, value] {
            self.0.extend_from_slice(&len_of(part));
            self.0.extend_from_slice(part);
        }
        true
    }
}

fn take<'p>(page: &mut &'p [u8]) -> Result<&'p [u8], StoreError> {
    let short = || StoreError::corrupt("page", "a row is cut off");
    let (len, rest) = page.split_first_chunk::<4>().ok_or_else(short)?;
    let (part, rest) = rest.split_at_checked(u32::from_be_bytes(*len) as usize).ok_or_else(short)?;
    *page = rest;
    Ok(part)
}

impl View<'_> {
    /// As `scan_sub`, for a collection whose row has this revision; `None`: the scan is not worth keeping.
    pub fn scan_page(
        &self,
        of: SubKeys,
        (collection, revision): (&CollectionId, Option<LogPosition>),
        range: SubRange<'_>,
        direction: Direction,
        mut visit: impl FnMut(&[u8], &[u8]) -> Result<ControlFlow<()>>,
    ) -> Result<()> {
        let (Source::Published { store, published, .. }, Some(revision)) = (self.source, revision) else {
            return self.scan_sub(of, collection, range, direction, visit);
        };
        let key = key_of(of, collection, revision, &collection.span(range), Way::Filed(direction));
        let fill = match store.hot.sub_or_fill(&key) {
            Lookedup::Miss(fill) => fill,
            Lookedup::Hit(extent, page) => {
                let (mut rest, mut last) = (&page[..], None);
                while !rest.is_empty() {
                    let (sub, value) = (take(&mut rest)?, take(&mut rest)?);
                    if visit(sub, value)?.is_break() {
                        return Ok(());
                    }
                    last = Some(sub);
                }
                if extent == WHOLE {
                    return Ok(());
                }
                // The next scan like this one makes a longer page.
                store.hot.remove(&key);
                let range = match (last, direction) {
                    (None, _) => range,
                    (Some(last), Direction::Forward) => (Bound::Excluded(last), range.1),
                    (Some(last), Direction::Backward) => (range.0, Bound::Excluded(last)),
                };
                return self.scan_sub(of, collection, range, direction, visit);
            }
        };
        let (mut page, mut extent) = (fill.is_some().then(Page::default), WHOLE);
        self.scan_sub(of, collection, range, direction, |sub, value| {
            if page.as_mut().is_some_and(|page| !page.push(sub, value)) {
                page = None;
            }
            let flow = visit(sub, value)?;
            if flow.is_break() {
                extent = PART;
            }
            Ok(flow)
        })?;
        if let (Some(fill), Some(page)) = (fill, page)
            && store.is_current(published)
        {
            fill.install_sub(extent, &page.0);
        }
        Ok(())
    }

    /// Visits all sub-keys of a small collection, whose row has this revision, in the order of `place_of` for sub-key and
    /// value, until the visitor breaks. Ties are in storage order.
    pub fn scan_ordered<K: Ord>(
        &self,
        of: SubKeys,
        (collection, revision): (&CollectionId, Option<LogPosition>),
        place_of: impl Fn(&[u8], &[u8]) -> Result<K>,
        mut visit: impl FnMut(&[u8], &[u8]) -> Result<ControlFlow<()>>,
    ) -> Result<()> {
        let mut fill = None;
        if let (Source::Published { store, .. }, Some(revision)) = (self.source, revision) {
            match store.hot.sub_or_fill(&key_of(
                of,
                collection,
                revision,
                &collection.span(ALL),
                Way::Ordered,
            )) {
                Lookedup::Miss(guard) => fill = guard,
                Lookedup::Hit(_, page) => {
                    let mut rest = &page[..];
                    while !rest.is_empty() {
                        if visit(take(&mut rest)?, take(&mut rest)?)?.is_break() {
                            break;
                        }
                    }
                    return Ok(());
                }
            }
        }
        let mut rows = Vec::new();
        self.scan_sub(of, collection, ALL, Direction::Forward, |sub, value| {
            rows.push((place_of(sub, value)?, sub.to_vec(), value.to_vec()));
            Ok(ControlFlow::Continue(()))
        })?;
        rows.sort_by(|(one, ..), (other, ..)| one.cmp(other));
        let mut page = Page::default();
        if let (Some(fill), Source::Published { store, published, .. }) = (fill, self.source)
            && rows.iter().all(|(_, sub, value)| page.push(sub, value))
            && store.is_current(published)
        {
            fill.install_sub(WHOLE, &page.0);
        }
        for (_, sub, value) in &rows {
            if visit(sub, value)?.is_break() {
                break;
            }
        }
        Ok(())
    }
}
