//! A collection's sub-keys: written one by one, dropped all at once.

use super::{
    Txn,
    apply_cache::{END_ROWS, WHOLE_ROWS_MAX, is_long},
};
use crate::{
    error::Result,
    store::{
        CollectionId, SubKeys, SubRange,
        engine::{Family, Tier},
        keys::{self, ALL, Span, StorageKey},
        scan::{self, Direction},
    },
    value::Value,
};
use bytes::Bytes;
use std::ops::{Bound, ControlFlow};

/// So many stored sub-keys are deleted one by one; more by one range tombstone. Tombstones cost later reads something, a
/// range tombstone more than one of a key, so it must stand for many.
const ONE_BY_ONE_MAX: usize = 256;

impl Txn<'_> {
    /// The id of a collection that the running command creates in the current database. Each call gives another one.
    pub fn new_collection_id(&mut self) -> CollectionId {
        let generation = self.new_generation();
        CollectionId::new(self.state.database(self.db).namespace, generation)
    }

    /// What a sub-key holds.
    pub(in crate::store) fn sub(
        &self,
        of: SubKeys,
        collection: &CollectionId,
        sub: &[u8],
    ) -> Result<Option<Value>> {
        let key = collection.key(sub);
        if let Some(written) = self.overlay(of.family()).get(&key) {
            return Ok(written.clone().map(Value::from));
        }
        if self.is_of_this_batch(collection) {
            return Ok(None);
        }
        if of == SubKeys::Score {
            return Ok(self.base.engine().get(Family::Score, &key, Tier::Disk)?.map(Value::from));
        }
        let hot_key = keys::hot_sub(&key);
        if let Some(value) = self.store.hot.get(&hot_key) {
            return Ok(Some(value));
        }
        let found = self.base.engine().get(Family::Data, &key, Tier::Disk)?;
        if let Some(value) = &found {
            let index = self.base.state.applied.map_or(0, |applied| applied.index);
            self.store.hot.put_sub(hot_key, index, value);
        }
        Ok(found.map(Value::from))
    }

    /// Writes a sub-key.
    pub fn put_sub(&mut self, of: SubKeys, collection: &CollectionId, sub: &[u8], value: &[u8]) {
        self.write(of.family(), collection.key(sub), Some(Bytes::copy_from_slice(value)));
    }

    /// Deletes a sub-key.
    pub fn delete_sub(&mut self, of: SubKeys, collection: &CollectionId, sub: &[u8]) {
        let key = collection.key(sub);
        if self.is_of_this_batch(collection) {
            self.uncover(of.family(), key);
        } else {
            self.write(of.family(), key, None);
        }
    }

    /// Whether nothing of this collection is stored yet.
    fn is_of_this_batch(&self, collection: &CollectionId) -> bool {
        self.base.state.applied.is_none_or(|applied| collection.generation().index > applied.index)
    }

    /// Deletes all sub-keys of a collection. `elements` is how many it says it has.
    pub(super) fn drop_subkeys(&mut self, collection: CollectionId, elements: u64) -> Result<()> {
        let is_stored = !self.is_of_this_batch(&collection);
        self.cache.forget_collection(&collection);
        for family in [Family::Data, Family::Score] {
            let span = collection.span(ALL);
            let to = span.to.as_deref().map_or(Bound::Unbounded, Bound::Excluded);
            let written = self.overlay(family).range::<[u8], _>((Bound::Included(&span.from[..]), to));
            let written: Vec<StorageKey> = written.map(|(key, _)| key.clone()).collect();
            written.into_iter().for_each(|key| self.uncover(family, key));
        }
        if !is_stored {
            return Ok(());
        }
        if elements <= ONE_BY_ONE_MAX as u64
            && let Some(stored) = self.few_stored(&collection)?
        {
            for (family, key) in stored {
                self.write(family, key, None);
            }
            return Ok(());
        }
        self.dropped.push(collection);
        Ok(())
    }

    /// Caches the rows at an end of a collection, if there are any. They lie within this range.
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

    /// Before a sub-key of a range is looked up that has about so many: keeps them in memory if that pays.
    pub fn cache_whole(
        &mut self,
        of: SubKeys,
        collection: &CollectionId,
        range: SubRange<'_>,
        about: u64,
    ) -> Result<()> {
        let (family, span) = (of.family(), collection.span(range));
        if !span.is_empty() && self.cache.should_cache_whole(family, &span, about) {
            let limit = usize::try_from(WHOLE_ROWS_MAX).unwrap_or(usize::MAX).saturating_add(1);
            let rows = self.rows_of(family, &span, Direction::Forward, limit)?;
            self.cache.cache_whole(family, &span, rows);
        }
        Ok(())
    }

    /// The first rows of a span, or (`Backward`) the last; none behind one that is too long to be cached.
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
