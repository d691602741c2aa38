//! A collection's sub-keys: written one by one, dropped all at once.

use super::{
    Txn,
    apply_cache::{END_ROWS, ROWS_PER_MISS, SEARCHED_ROWS_MAX, is_long},
};
use crate::{
    error::Result,
    store::{
        CollectionId, SubKeys, SubRange,
        engine::Family,
        keys::{ALL, Span, StorageKey},
        scan::{self, Direction},
        sizes::Was,
        sums::Change,
    },
    value::Value,
};
use bytes::Bytes;
use std::ops::{Bound, ControlFlow};

/// Up to this many stored sub-keys are deleted one by one; more by one range tombstone. Tombstones slow later reads down, a
/// range tombstone more than one of a key, so it must stand for many.
const ONE_BY_ONE_MAX: usize = 256;
/// So many of one batch, so that a DEL of many collections stays cheap. What is deleted is the same.
const ONE_BY_ONE_BATCH_MAX: usize = 1 << 16;

impl Txn<'_> {
    /// The id of a collection that the running command creates in the current database. Each call gives another one.
    pub fn new_collection_id(&mut self) -> CollectionId {
        let generation = self.new_generation();
        CollectionId::new(self.state.database(self.db).namespace, generation)
    }

    /// The value of a sub-key.
    pub(in crate::store) fn sub(
        &self,
        of: SubKeys,
        collection: &CollectionId,
        sub: &[u8],
    ) -> Result<Option<Value>> {
        self.sub_at(of.family(), collection, &collection.key(sub))
    }

    fn sub_at(&self, family: Family, collection: &CollectionId, key: &StorageKey) -> Result<Option<Value>> {
        if let Some(written) = self.overlay(family).get(key) {
            return Ok(written.clone().map(Value::from));
        }
        // What was stored of a collection that this batch has dropped is there until the batch is; it may have moved back since.
        if self.is_of_this_batch(collection) || self.dropped.contains(collection) {
            return Ok(None);
        }
        self.base_sub(family, key)
    }

    /// Counts the bytes of a sub-key that is about to be written (`None`: deleted).
    fn resize(
        &mut self,
        family: Family,
        collection: &CollectionId,
        key: &StorageKey,
        value: Option<usize>,
        was: Was,
    ) {
        if self.is_trial || !self.state.counts_bytes() {
            return;
        }
        let looked_up = |txn: &Self| txn.sub_at(family, collection, key).map(|found| found.map(|v| v.len()));
        let before = match was {
            Was::Absent => None,
            Was::Bytes(len) => Some(len),
            Was::Unknown => looked_up(self).unwrap_or_else(|error| {
                self.resized.fail(error);
                None
            }),
        };
        #[cfg(test)]
        assert_eq!(before, looked_up(self).unwrap(), "{key:?}");
        let bytes = |value: usize| i64::try_from(key.len().saturating_add(value)).unwrap_or(i64::MAX);
        let (come, gone) = (value.map_or(0, bytes), before.map_or(0, bytes));
        if come != gone {
            self.resized.add(collection, come.saturating_sub(gone));
        }
    }

    /// Writes a sub-key.
    pub fn put_sub(&mut self, of: SubKeys, collection: &CollectionId, sub: &[u8], value: &[u8]) {
        self.put_sub_over(of, collection, sub, value, Was::Unknown);
    }

    /// As `put_sub`, for a writer that knows what was there.
    pub fn put_sub_over(
        &mut self,
        of: SubKeys,
        collection: &CollectionId,
        sub: &[u8],
        value: &[u8],
        was: Was,
    ) {
        self.put_sub_bytes(of, collection, sub, Bytes::copy_from_slice(value), was);
    }

    /// As `put_sub_over`, without a copy. Beyond the budget of the call it does nothing, and the call fails.
    pub fn put_sub_bytes(
        &mut self,
        of: SubKeys,
        collection: &CollectionId,
        sub: &[u8],
        value: Bytes,
        was: Was,
    ) {
        let is_new = self.is_since_savepoint(collection);
        if self.budget.may_write(CollectionId::LEN.saturating_add(sub.len()), value.len(), !is_new) {
            self.put_sub_uncounted(of, collection, sub, value, was);
        }
    }

    /// As `put_sub_bytes`, for one of the few rows that count others: those pay for it.
    pub fn put_sub_uncounted(
        &mut self,
        of: SubKeys,
        collection: &CollectionId,
        sub: &[u8],
        value: Bytes,
        was: Was,
    ) {
        let key = collection.key(sub);
        self.resize(of.family(), collection, &key, Some(value.len()), was);
        self.sum_change(of.family(), &key, Change::Written(&value));
        if self.is_since_savepoint(collection) {
            self.write_new(of.family(), collection, key, value);
        } else {
            self.write(of.family(), key, Some(value));
        }
    }

    /// Deletes a sub-key. Beyond the budget of the call it does nothing, and the call fails.
    pub fn delete_sub(&mut self, of: SubKeys, collection: &CollectionId, sub: &[u8]) {
        self.delete_sub_of(of, collection, sub, Was::Unknown);
    }

    /// As `delete_sub`, for a writer that knows what was there.
    pub fn delete_sub_of(&mut self, of: SubKeys, collection: &CollectionId, sub: &[u8], was: Was) {
        let key = collection.key(sub);
        let is_new = self.is_since_savepoint(collection);
        if !self.budget.may_write(key.len(), 0, !is_new) {
            return;
        }
        self.resize(of.family(), collection, &key, None, was);
        self.sum_change(of.family(), &key, Change::Deleted);
        if self.is_of_this_batch(collection) {
            self.uncover(of.family(), key, is_new);
        } else {
            self.write(of.family(), key, None);
        }
    }

    /// Whether nothing of this collection is stored yet.
    pub(super) fn is_of_this_batch(&self, collection: &CollectionId) -> bool {
        self.base.state.applied.is_none_or(|applied| collection.generation().index > applied.index)
    }

    /// Deletes all sub-keys of a collection. `elements` is the number of elements in its row.
    pub(super) fn drop_subkeys(&mut self, collection: CollectionId, elements: u64) -> Result<()> {
        self.sum_change(Family::Data, collection.prefix(), Change::Dropped);
        self.resized.take(&collection);
        let (is_stored, is_new) = (!self.is_of_this_batch(&collection), self.is_since_savepoint(&collection));
        self.cache.forget_collection(&collection);
        for family in [Family::Data, Family::Score] {
            let span = collection.span(ALL);
            let to = span.to.as_deref().map_or(Bound::Unbounded, Bound::Excluded);
            let written = self.overlay(family).range::<[u8], _>((Bound::Included(&span.from[..]), to));
            let written: Vec<StorageKey> = written.map(|(key, _)| key.clone()).collect();
            written.into_iter().for_each(|key| self.uncover(family, key, is_new));
        }
        if !is_stored {
            return Ok(());
        }
        if elements <= ONE_BY_ONE_MAX as u64
            && self.one_by_one < ONE_BY_ONE_BATCH_MAX
            && let Some(stored) = self.few_stored(&collection)?
        {
            self.one_by_one = self.one_by_one.saturating_add(stored.len());
            for (family, key) in stored {
                self.write(family, key, None);
            }
            return Ok(());
        }
        self.dropped.push(collection);
        Ok(())
    }

    /// Caches the rows at an end of a collection, if it has any. They are within this range.
    pub fn cache_end(
        &mut self,
        of: SubKeys,
        collection: &CollectionId,
        within: SubRange<'_>,
        direction: Direction,
    ) -> Result<()> {
        let (family, whole) = (of.family(), collection.span(ALL));
        let Some(missing) = self.cache.missing_of_end(family, &whole, &collection.span(within), direction)
        else {
            return Ok(());
        };
        let rows = self.rows_of(family, &missing, direction, END_ROWS)?;
        let is_all = rows.len() < END_ROWS;
        self.cache.cache_end(family, &whole, direction, rows, is_all);
        Ok(())
    }

    /// Before looking up a sub-key in a range with about this many: caches the range if that pays.
    pub fn cache_whole(
        &mut self,
        of: SubKeys,
        collection: &CollectionId,
        range: SubRange<'_>,
        about: u64,
    ) -> Result<()> {
        let (family, span) = (of.family(), collection.span(range));
        if !span.is_empty() && self.cache.should_cache_whole(family, &span, about) {
            self.cache_span(family, &span)?;
        }
        Ok(())
    }

    /// Before going through all sub-keys of a collection, about this many, or looking up so many of them: caches them if that
    /// pays.
    pub fn cache_searched(
        &mut self,
        of: SubKeys,
        collection: &CollectionId,
        about: u64,
        lookups: Option<u64>,
    ) -> Result<()> {
        let (family, span) = (of.family(), collection.span(ALL));
        let rows = lookups.map_or(about, |lookups| lookups.saturating_mul(ROWS_PER_MISS));
        if self.cache.should_cache_searched(family, &span, about, rows) {
            self.cache_span(family, &span)?;
        }
        Ok(())
    }

    fn cache_span(&mut self, family: Family, span: &Span) -> Result<()> {
        let limit = usize::try_from(SEARCHED_ROWS_MAX).unwrap_or(usize::MAX).saturating_add(1);
        let rows = self.rows_of(family, span, Direction::Forward, limit)?;
        self.cache.cache_whole(family, span, rows);
        Ok(())
    }

    /// The first rows of a span, or (`Backward`) the last; stops before a row that is too long to be cached.
    fn rows_of(
        &self,
        family: Family,
        span: &Span,
        direction: Direction,
        limit: usize,
    ) -> Result<Vec<(StorageKey, Bytes)>> {
        let mut rows = Vec::new();
        if span.is_empty() {
            return Ok(rows);
        }
        let (mut iterator, overlay) = self.iterator(family, span, direction)?;
        scan::merged(&mut iterator, overlay, span, direction, |key, value| {
            rows.push((StorageKey::from_slice(key), Bytes::copy_from_slice(value)));
            let is_enough = rows.len() >= limit || is_long(key, value);
            Ok(if is_enough { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
        })?;
        Ok(rows)
    }

    /// The stored sub-keys of a collection, unless they are many.
    fn few_stored(&self, collection: &CollectionId) -> Result<Option<Vec<(Family, StorageKey)>>> {
        let (mut found, mut is_many) = (Vec::new(), false);
        for family in [Family::Data, Family::Score] {
            let span = collection.span(ALL);
            let (mut iterator, _) = self.iterator(family, &span, Direction::Forward)?;
            scan::merged(&mut iterator, None, &span, Direction::Forward, |key, _| {
                is_many = found.len() > ONE_BY_ONE_MAX.saturating_mul(2);
                if is_many {
                    return Ok(ControlFlow::Break(()));
                }
                found.push((family, StorageKey::from_slice(key)));
                Ok(ControlFlow::Continue(()))
            })?;
        }
        Ok((!is_many).then_some(found))
    }
}
