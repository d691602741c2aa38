//! The hot cache: encoded metadata records of keys in use, bounded in bytes, shared by all threads.
//!
//! **Invariant** (with `store.rs`): what it holds for a key is that key's latest record, or one that a batch in
//! progress is about to make the latest. Apply replaces or removes every key it wrote after the batch is in RocksDB and
//! before the new state is published. A reader fills a miss through a guard taken *before* it checked that no batch was
//! in progress and nothing newer than its view was published; an apply that comes later finds the guard and voids it.

use bytes::Bytes;
use quick_cache::{Weighter, sync::Cache, sync::DefaultLifecycle, sync::GuardResult};
use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

/// Bytes that a cached record costs beyond its key and value: map slot, list links, allocation headers.
const RECORD_OVERHEAD_BYTES: u64 = 96;

type Key = Vec<u8>;
type Shards = Cache<Key, Bytes, ByBytes, foldhash::fast::RandomState>;
type Guard<'a> = quick_cache::sync::PlaceholderGuard<
    'a,
    Key,
    Bytes,
    ByBytes,
    foldhash::fast::RandomState,
    DefaultLifecycle<Key, Bytes>,
>;

#[derive(Debug, Clone, Copy)]
struct ByBytes;

impl Weighter<Key, Bytes> for ByBytes {
    fn weight(&self, key: &Key, value: &Bytes) -> u64 {
        (key.len() as u64).saturating_add(value.len() as u64).saturating_add(RECORD_OVERHEAD_BYTES)
    }
}

/// See the module.
pub struct Hot {
    cache: Option<Shards>,
    hits: AtomicU64,
    misses: AtomicU64,
}

/// What a lookup found.
pub(super) enum Lookedup<'a> {
    Hit(Bytes),
    /// Not there; the guard may install what the caller reads.
    Miss(Option<Fill<'a>>),
}

/// The right to install a record that was not cached.
pub(super) struct Fill<'a>(Guard<'a>);

impl Fill<'_> {
    /// Installs the record unless a batch has touched the key since the guard was taken.
    pub(super) fn install(self, record: &Bytes) {
        // Own allocation: a record cut from a larger buffer must not keep that buffer alive.
        let _ = self.0.insert(Bytes::copy_from_slice(record));
    }
}

impl Hot {
    /// A cache of at most `bytes`; 0 = none.
    pub fn new(bytes: usize) -> Self {
        let cache = (bytes > 0).then(|| {
            Shards::with(bytes / 256, bytes as u64, ByBytes, Default::default(), Default::default())
        });
        Hot { cache, hits: AtomicU64::new(0), misses: AtomicU64::new(0) }
    }

    /// Looks a record up without preparing to fill.
    pub(super) fn get(&self, key: &[u8]) -> Option<Bytes> {
        self.cache.as_ref()?.get(key)
    }

    /// Looks a record up; a miss gives the right to fill it.
    pub(super) fn get_or_fill(&self, key: &[u8]) -> Lookedup<'_> {
        let Some(cache) = &self.cache else {
            return Lookedup::Miss(None);
        };
        match cache.get_value_or_guard(key, Some(Duration::ZERO)) {
            GuardResult::Value(record) => {
                self.hits.fetch_add(1, Ordering::Relaxed);
                Lookedup::Hit(record)
            }
            GuardResult::Guard(guard) => {
                self.misses.fetch_add(1, Ordering::Relaxed);
                Lookedup::Miss(Some(Fill(guard)))
            }
            GuardResult::Timeout => Lookedup::Miss(None),
        }
    }

    /// Apply wrote this record.
    pub(super) fn put(&self, key: Box<[u8]>, record: Bytes) {
        if let Some(cache) = &self.cache {
            if record.len() > crate::limits::HOT_RECORD_BYTES_MAX {
                cache.remove(&key[..]);
            } else {
                cache.insert(key.into_vec(), record);
            }
        }
    }

    /// Apply deleted this record.
    pub(super) fn remove(&self, key: &[u8]) {
        if let Some(cache) = &self.cache {
            cache.remove(key);
        }
    }

    /// Forgets everything (a snapshot was installed).
    pub(super) fn clear(&self) {
        if let Some(cache) = &self.cache {
            cache.clear();
        }
    }

    /// Bytes held, as accounted.
    pub fn bytes(&self) -> u64 {
        self.cache.as_ref().map_or(0, Cache::weight)
    }

    /// Records held.
    pub fn records(&self) -> usize {
        self.cache.as_ref().map_or(0, Cache::len)
    }

    /// Lookups by readers that found a record, and those that did not.
    pub fn hits_and_misses(&self) -> (u64, u64) {
        (self.hits.load(Ordering::Relaxed), self.misses.load(Ordering::Relaxed))
    }
}
