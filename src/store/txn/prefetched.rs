//! Records that the next batches look up, read ahead of them: many at a time, where apply would wait for the disk once for each.
//!
//! Only rows of metadata, and only while apply meets rows that are not in memory (`Store::is_cold`): for data in use it would be
//! work for nothing. What the keys in the log name is all that is known before an entry runs, so the sub-keys of collections are
//! not read ahead.
//!
//! **Invariant.** A record here, or its absence, is that of the state which the next batch begins with: it belongs to the apply
//! cache, and whatever a batch writes is taken out.

use crate::{
    error::{Error, StoreError},
    store::{
        Store,
        engine::{Engine, Family, Tier},
        keys::{self, StorageKey},
    },
};
use bytes::Bytes;
use std::{
    collections::{BTreeSet, HashMap},
    sync::atomic::{AtomicU32, AtomicU64, Ordering},
};

/// Keys to read ahead at a time, and bytes of a record to keep. A longer one is in the block cache then.
const KEYS_MAX: usize = 4096;
const RECORD_BYTES_MAX: usize = 4 << 10;
/// Threads that read from the disk side by side.
const READERS: usize = 8;
/// Lookups of one batch that waited for the disk, to make it cold.
const COLD_MIN: u32 = 2;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Prefetched(HashMap<StorageKey, Option<Bytes>>);

impl Prefetched {
    /// What is known of a record; `None`: nothing is.
    pub(super) fn get(&self, key: &[u8]) -> Option<Option<Bytes>> {
        if self.0.is_empty() { None } else { self.0.get(key).cloned() }
    }

    /// A batch has written this record.
    pub(super) fn written(&mut self, key: &StorageKey) {
        if !self.0.is_empty() {
            self.0.remove(key);
        }
    }
}

/// Lookups of records that waited for the disk.
#[derive(Debug, Default)]
pub(in crate::store) struct ColdLookups {
    /// Since the last batch began, ahead of it; and of the last batch in all.
    ahead: AtomicU32,
    of_batch: AtomicU32,
    /// Those that apply made one by one.
    one_by_one: AtomicU64,
}

impl ColdLookups {
    /// A batch ends that made so many.
    pub(super) fn end_batch(&self, made: u32) {
        let ahead = self.ahead.swap(0, Ordering::Relaxed);
        self.of_batch.store(ahead.saturating_add(made), Ordering::Relaxed);
        self.one_by_one.fetch_add(u64::from(made), Ordering::Relaxed);
    }
}

impl Store {
    /// Whether the last batch met records that are not in memory: then it pays to `prefetch` those of the next one.
    pub fn is_cold(&self) -> bool {
        self.cold_lookups.of_batch.load(Ordering::Relaxed) >= COLD_MIN
    }

    /// Lookups of records for which apply waited for the disk, one at a time.
    pub fn waited_for(&self) -> u64 {
        self.cold_lookups.one_by_one.load(Ordering::Relaxed)
    }

    /// Reads the records of these keys of databases for the batches to come. Only the apply thread may.
    pub fn prefetch<'k>(&self, named: impl IntoIterator<Item = (u32, &'k [u8])>) -> Result<(), StoreError> {
        let published = self.published();
        let wanted =
            named.into_iter().map(|(db, key)| keys::meta(published.state.database(db).namespace, key));
        let wanted: BTreeSet<StorageKey> =
            wanted.filter(|key| self.hot.get(key).is_none()).take(KEYS_MAX).collect();
        let wanted: Vec<StorageKey> = wanted.into_iter().collect();
        let (mut found, mut on_disk) = (HashMap::new(), Vec::new());
        let mut keep = |key: StorageKey, record: Option<Bytes>| {
            if record.as_ref().is_none_or(|record| record.len() <= RECORD_BYTES_MAX) {
                found.insert(key, record);
            }
        };
        for key in wanted {
            // One by one: for many at a time RocksDB goes to the disk whatever the tier.
            match published.engine().get(Family::Meta, &key, Tier::Memory) {
                Ok(record) => keep(key, record),
                Err(Error::WouldBlock) => on_disk.push(key),
                // Apply meets it as well, and says so.
                Err(_) => {}
            }
        }
        let records = self.read_from_disk(published.engine(), &on_disk)?;
        self.cold_lookups.ahead.store(u32::try_from(on_disk.len()).unwrap_or(u32::MAX), Ordering::Relaxed);
        for (key, record) in on_disk.into_iter().zip(records) {
            if let Ok(record) = record {
                keep(key, record);
            }
        }
        self.change_apply_cache(published.epoch, |cache| cache.prefetched = Prefetched(found));
        Ok(())
    }

    fn read_from_disk(
        &self,
        engine: &Engine,
        wanted: &[StorageKey],
    ) -> Result<Vec<Result<Option<Bytes>, Error>>, StoreError> {
        let read = |keys: &[StorageKey]| engine.get_many(Family::Meta, keys);
        if wanted.len() <= 1 || !self.options.environment.has_threads() {
            return read(wanted);
        }
        let parts = wanted.chunks(wanted.len().div_ceil(READERS));
        std::thread::scope(|threads| {
            let readers: Vec<_> = parts.map(|keys| threads.spawn(move || read(keys))).collect();
            let mut records = Vec::with_capacity(wanted.len());
            for reader in readers {
                let read =
                    reader.join().map_err(|_panic| StoreError::corrupt("prefetch", "a reader panicked"));
                records.append(&mut read??);
            }
            Ok(records)
        })
    }
}
