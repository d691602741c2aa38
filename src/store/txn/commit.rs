//! Commits the batch to the engine, the hot cache, readers and observers.

use super::Txn;
use crate::{
    error::StoreError,
    store::{CollectionId, engine::Family, keys, successor},
};
use bytes::Bytes;
use rocksdb::{ColumnFamily, WriteBatch};
use std::sync::Arc;

/// What the sub-keys of such a batch hold does not wait in memory for the hot cache, which forgets them instead.
const BULK_BYTES: usize = 16 << 20;

impl Txn<'_> {
    /// Writes everything in one batch and publishes it.
    pub fn commit(mut self) -> Result<(), StoreError> {
        let engine = Arc::clone(self.base.engine());
        let is_bulk = self.bytes >= BULK_BYTES;
        let was_ahead = is_bulk && self.store_ahead(&engine)?;
        let mut batch = WriteBatch::with_capacity_bytes(self.bytes.saturating_add(1024));
        for collection in &self.dropped {
            let end = successor(collection.prefix()).unwrap_or_else(|| vec![0xff; CollectionId::LEN]);
            for family in [Family::Data, Family::Score] {
                batch.delete_range_cf(engine.family(family)?, collection.prefix(), &end[..]);
            }
        }
        let overlays =
            [(Family::Meta, &self.meta), (Family::Expiry, &self.expiry), (Family::Score, &self.score)];
        for (family, overlay) in overlays {
            let family = engine.family(family)?;
            overlay.iter().for_each(|(key, value)| put(&mut batch, family, key, value.as_ref()));
        }
        let data = engine.family(Family::Data)?;
        let written = std::mem::take(&mut self.data).into_iter().map(|(key, value)| {
            put(&mut batch, data, &key, value.as_ref());
            (keys::hot_sub(&key), value.filter(|_| !is_bulk))
        });
        let written: Vec<_> = written.collect();
        let default = engine.family(Family::Default)?;
        if was_ahead {
            batch.delete_cf(default, keys::AHEAD);
        }
        if let Some(membership) = self.membership.take() {
            batch.put_cf(default, keys::MEMBERSHIP, membership);
        }
        if !cfg!(feature = "broken-apply-index") || self.position.index.is_multiple_of(256) {
            batch.put_cf(default, keys::STATE, self.state.encode());
        }
        self.site.iter().for_each(|site| batch.put_cf(default, keys::SITE, site.encode()));
        self.store.enter_commit();
        engine.write(batch)?;
        let watched = &self.store.watched;
        if self.interest.keys {
            watched.changed(&self.changes);
        } else if watched.any() {
            // A session that began to watch while the batch was filled may have read before a key was made and deleted
            // again.
            let keys = self.meta.keys().filter_map(|key| keys::meta_user_key(key).ok());
            watched.written(keys.filter_map(|(of, key)| Some((self.state.database_of(of)?, key))));
        }
        let sizes = self.store.largest.sizes(self.meta.iter(), self.base.state(), &self.state)?;
        for (key, value) in std::mem::take(&mut self.meta) {
            match value {
                Some(record) => self.store.hot.put(key, &record),
                None => self.store.hot.remove(&key),
            }
        }
        let index = self.state.applied.map_or(0, |applied| applied.index);
        for (key, value) in written {
            self.store.hot.wrote_sub(key, index, value.as_deref());
        }
        let number = self.store.leave_commit(engine, self.state, self.site, self.source);
        self.store.largest.wrote(sizes);
        if let Some((first, _)) = self.expiry.iter().find(|(_, value)| value.is_some()) {
            self.store.passed_expiries.wrote(first);
        }
        self.store.keep_apply_cache(self.cache);
        self.store.cold_lookups.end_batch(self.cold.get());
        if let Some(observer) = self.store.observer() {
            if !self.changes.is_empty() {
                observer.changed(index, self.changes);
            }
            // A session that began to watch while the batch was filled read before it was published, and the batch recorded
            // no keys.
            if !self.interest.keys && observer.interest().keys {
                observer.replaced();
            }
            observer.told(number, self.interest.keys.then_some(index), self.interest.calls);
        }
        Ok(())
    }
}

pub(super) fn put(batch: &mut WriteBatch, family: &ColumnFamily, key: &[u8], value: Option<&Bytes>) {
    match value {
        Some(value) => batch.put_cf(family, key, value),
        None => batch.delete_cf(family, key),
    }
}
