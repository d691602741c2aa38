//! The batch goes to the engine, to the hot cache, to readers, and to whoever is told of it.

use super::Txn;
use crate::{
    error::StoreError,
    store::{CollectionId, engine::Family, keys, scan::Overlay, successor},
};
use bytes::Bytes;
use rocksdb::WriteBatch;
use std::sync::Arc;

impl Txn<'_> {
    /// Writes everything in one batch and publishes it.
    pub fn commit(mut self) -> Result<(), StoreError> {
        let engine = Arc::clone(self.base.engine());
        let overlays = [
            (Family::Meta, &self.meta),
            (Family::Expiry, &self.expiry),
            (Family::Data, &self.data),
            (Family::Score, &self.score),
        ];
        let bytes: usize = overlays.iter().map(|(_, overlay)| bytes_of(overlay)).sum();
        let mut batch = WriteBatch::with_capacity_bytes(bytes.saturating_add(1024));
        for collection in &self.dropped {
            let end = successor(collection.prefix()).unwrap_or_else(|| vec![0xff; CollectionId::LEN]);
            for family in [Family::Data, Family::Score] {
                batch.delete_range_cf(engine.family(family)?, collection.prefix(), &end[..]);
            }
        }
        for (family, overlay) in overlays {
            let family = engine.family(family)?;
            for (key, value) in overlay {
                match value {
                    Some(record) => batch.put_cf(family, key, record),
                    None => batch.delete_cf(family, key),
                }
            }
        }
        let default = engine.family(Family::Default)?;
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
            // Who came while the batch was filled may have looked before a key was made and deleted again.
            let keys = self.meta.keys().filter_map(|key| keys::meta_user_key(key).ok());
            watched.written(keys.filter_map(|(of, key)| Some((self.state.database_of(of)?, key))));
        }
        for (key, value) in std::mem::take(&mut self.meta) {
            match value {
                Some(record) => self.store.hot.put(key, &record),
                None => self.store.hot.remove(&key),
            }
        }
        let index = self.state.applied.map_or(0, |applied| applied.index);
        for (key, value) in &self.data {
            self.store.hot.wrote_sub(keys::hot_sub(key), index, value.as_deref());
        }
        self.store.leave_commit(engine, self.state, self.site);
        self.store.keep_apply_cache(self.cache);
        if let Some(observer) = self.store.observer() {
            if !self.changes.is_empty() {
                observer.changed(self.changes);
            }
            // Who came while the batch was filled looked before it was published, and no key of it was noted.
            if !self.interest.keys && observer.interest().keys {
                observer.replaced();
            }
        }
        Ok(())
    }
}

fn bytes_of(overlay: &Overlay) -> usize {
    overlay.iter().map(|(key, value)| key.len() + value.as_ref().map_or(0, Bytes::len) + 24).sum()
}
