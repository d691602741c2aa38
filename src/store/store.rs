//! The store: opens the engine, commits batches, publishes what readers may see.

use super::{
    changes::Observer,
    engine::{Engine, Family, Tier},
    frequency::Frequencies,
    hot::Hot,
    keys,
    largest::Largest,
    lifetimes::Lifetimes,
    namespaces::NamespacesInUse,
    options::{COMPACTION_BYTES_MIN, MEMTABLES_WAITING_MAX, StoreOptions},
    passed_expiries::PassedExpiries,
    published::Published,
    site::SiteRecord,
    snapshot,
    source::{SourceRecord, read_source},
    state::{LogId, StateRecord},
    txn::{ApplyCache, ColdLookups, Txn, remove_ahead},
    view::{ReadTime, View},
    watched::{Watched, Watches, watched_key},
};
use crate::error::StoreError;
use arc_swap::ArcSwap;
use bytes::Bytes;
use parking_lot::Mutex;
use std::{
    path::{Path, PathBuf},
    sync::{
        Arc, OnceLock,
        atomic::{AtomicU64, Ordering},
    },
};

/// The store. Shared by all threads; only the apply thread begins a `Txn`.
pub struct Store {
    pub(super) directory: PathBuf,
    pub(super) options: StoreOptions,
    pub(super) published: ArcSwap<Published>,
    pub(super) namespaces: NamespacesInUse,
    pub(super) hot: Hot,
    pub(super) frequencies: Arc<Frequencies>,
    /// Odd while a batch is on its way into engine and cache; else twice the number of publications.
    pub(super) epoch: AtomicU64,
    lookups: Lookups,
    pub(super) lifetimes: Lifetimes,
    pub(super) passed_expiries: PassedExpiries,
    pub(super) cold_lookups: ColdLookups,
    pub(super) watched: Arc<Watched>,
    pub(super) largest: Largest,
    observer: OnceLock<Arc<dyn Observer>>,
    /// The last batch's apply cache, for the next batch, and the epoch of the state it belongs to.
    cache: Mutex<(u64, ApplyCache)>,
}

/// Keys that readers looked for.
#[derive(Debug, Default)]
struct Lookups {
    found: AtomicU64,
    missing: AtomicU64,
}

impl Store {
    /// Opens (or creates) the store in `directory`.
    pub fn open(directory: &Path, options: StoreOptions) -> Result<Self, StoreError> {
        std::fs::create_dir_all(directory).map_err(|e| StoreError::io("create store directory", &e))?;
        let current = snapshot::current_directory(directory)?;
        snapshot::remove_stale(directory, &current)?;
        Self::open_at(directory, &current, options)
    }

    /// Opens an empty store beside the damaged one in `directory`: until `install` replaces it, nothing of the damaged one
    /// is touched, and nothing in this store outlives the process.
    pub fn open_empty(directory: &Path, options: StoreOptions) -> Result<Self, StoreError> {
        std::fs::create_dir_all(directory).map_err(|e| StoreError::io("create store directory", &e))?;
        let empty = snapshot::empty_directory(directory)?;
        Self::open_at(directory, &empty, options)
    }

    /// Removes the databases that this one has replaced.
    pub fn remove_others(&self) -> Result<(), StoreError> {
        snapshot::remove_stale(&self.directory, &self.published().engine().directory)
    }

    fn open_at(directory: &Path, database: &Path, options: StoreOptions) -> Result<Self, StoreError> {
        let engine = Arc::new(open_engine(database, &options)?);
        let (state, site) = (read_state(&engine)?, read_site(&engine)?);
        let source = read_source(&engine, &state)?.map(Arc::new);
        let namespaces = NamespacesInUse::default();
        let set = namespaces.of(&state, None);
        let frequencies = Arc::new(Frequencies::default());
        Ok(Store {
            directory: directory.to_path_buf(),
            hot: Hot::new(options.hot_cache_bytes, Arc::clone(&frequencies)),
            frequencies,
            options,
            published: ArcSwap::from_pointee(Published::new(engine, state, site, source, set, 0)),
            namespaces,
            epoch: AtomicU64::new(0),
            lookups: Lookups::default(),
            lifetimes: Lifetimes::default(),
            passed_expiries: PassedExpiries::default(),
            cold_lookups: ColdLookups::default(),
            watched: Arc::default(),
            largest: Largest::default(),
            observer: OnceLock::new(),
            cache: Mutex::default(),
        })
    }

    /// Sets, once, the observer of all changes from now on.
    pub fn observe(&self, observer: Arc<dyn Observer>) {
        let _ = self.observer.set(observer);
    }

    pub(super) fn observer(&self) -> Option<&dyn Observer> {
        self.observer.get().map(|observer| &**observer)
    }

    /// The latest published point in time.
    pub fn published(&self) -> Arc<Published> {
        self.published.load_full()
    }

    /// As `published`, for a short look: cheaper, but not to be held for long.
    pub fn latest(&self) -> arc_swap::Guard<Arc<Published>> {
        self.published.load()
    }

    /// A view of the latest published state of database `db` at time `now` (ms) that never waits for the disk:
    /// a miss is `Error::WouldBlock`.
    pub fn view<'a>(&'a self, published: &'a Published, db: u32, now: ReadTime) -> View<'a> {
        View::published(self, published, db, now, Tier::Memory)
    }

    /// As `view`, but may wait for the disk.
    pub fn blocking_view<'a>(&'a self, published: &'a Published, db: u32, now: ReadTime) -> View<'a> {
        View::published(self, published, db, now, Tier::Disk)
    }

    /// Begins a batch. Only the apply thread may.
    pub fn begin(&self) -> Txn<'_> {
        Txn::new(self, self.published())
    }

    /// The position of the last applied entry of this node's own log.
    pub fn applied(&self) -> Option<LogId> {
        self.published.load().log_position()
    }

    /// The position up to which everything is in files: the log may be purged to here.
    pub fn flushed(&self) -> Result<Option<LogId>, StoreError> {
        let published = self.published();
        if let Some(record) = published.engine().get_flushed(keys::SITE)? {
            return Ok(Some(SiteRecord::decode(&record)?.applied));
        }
        let Some(record) = published.engine().get_flushed(keys::STATE)? else {
            return Ok(None);
        };
        Ok(StateRecord::decode(&record)?.applied)
    }

    /// Writes everything applied so far to files.
    pub fn flush(&self) -> Result<(), StoreError> {
        self.published().engine().flush()
    }

    /// Ends flushes and compactions, for a process that is about to end: none may run while its globals are taken down. Nothing can be
    /// written afterwards.
    pub fn end_background_work(&self) {
        self.published().engine().db.cancel_all_background_work(true);
    }

    /// Writes everything to files and rewrites all of them: what is deleted or overwritten takes no disk space any more. It may
    /// take minutes, and while it does, as much more disk space as the largest files have.
    pub fn compact(&self) -> Result<(), StoreError> {
        let published = self.published();
        let engine = published.engine();
        engine.flush()?;
        for family in Family::ALL {
            engine.db.compact_range_cf(engine.family(family)?, None::<&[u8]>, None::<&[u8]>);
        }
        Ok(())
    }

    /// Whether batches to come may have to wait until something is flushed, and with them whatever else their thread does.
    pub fn nears_stall(&self) -> bool {
        let published = self.latest();
        let engine = published.engine();
        let waiting = |family: Family| {
            let family = engine.family(family).ok()?;
            engine.db.property_int_value_cf(family, "rocksdb.num-immutable-mem-table").ok().flatten()
        };
        [Family::Meta, Family::Data].into_iter().any(|family| waiting(family) >= Some(MEMTABLES_WAITING_MAX))
    }

    /// Whether the store compacts by itself.
    pub fn compacts(&self) -> bool {
        self.published.load().engine().compacts()
    }

    /// Whether the store compacts by itself from now on; otherwise only `compact` does.
    pub fn set_compacts(&self, compacts: bool) -> Result<(), StoreError> {
        self.published().engine().set_compacts(compacts)
    }

    /// Whether there is room to compact: the files of one compaction are written before those that they replace go.
    pub fn can_compact(&self) -> bool {
        let disk = &self.options.disk;
        let needed = self.stats().live_sst_bytes.min(COMPACTION_BYTES_MIN.max(disk.low()));
        disk.left() >= disk.floor().saturating_add(needed)
    }

    /// The membership bytes last stored by `Txn::set_membership`.
    pub fn membership(&self) -> Result<Option<Bytes>, StoreError> {
        let published = self.published();
        match published.engine().get(Family::Default, keys::MEMBERSHIP, Tier::Disk) {
            Ok(bytes) => Ok(bytes),
            Err(crate::error::Error::Fatal(error)) => Err(error),
            Err(other) => Err(StoreError::corrupt("membership", other.to_string())),
        }
    }

    /// The earliest expiry in the index, of a key of a flushed database as well, ms since the epoch.
    #[cfg(test)]
    pub fn next_expiry(&self) -> Result<Option<u64>, StoreError> {
        let published = self.published();
        let mut iterator = published.engine().iterator(Family::Expiry, Tier::Disk.options())?;
        iterator.seek_to_first();
        if let Some(index_key) = iterator.key() {
            return keys::parse_expiry(index_key).map(|(expires_at, _, _)| Some(expires_at));
        }
        iterator.status().map_err(super::engine::engine_error)?;
        Ok(None)
    }

    /// For `View::idle_seconds`: it is now this second since the node started.
    pub fn tick(&self, second: u32) {
        self.hot.tick(second);
        self.frequencies.tick(second);
        self.largest.tick(second);
    }

    /// Counts how often keys are used from now on, by `lfu-log-factor` and `lfu-decay-time`; or (`None`) no longer.
    pub fn count_frequencies(&self, rules: Option<(u32, u32)>) {
        self.frequencies.switch(rules);
    }

    /// The watches of a session that watches nothing yet.
    pub fn watches(&self) -> Watches {
        self.watched.session()
    }

    /// Watches a key of database `db`. To be called before its revision is read.
    pub fn watch(&self, watches: &mut Watches, db: u32, key: &[u8]) {
        watches.add(watched_key(db, key));
    }

    /// Keys that readers looked for: (found, missing).
    pub fn lookups(&self) -> (u64, u64) {
        (self.lookups.found.load(Ordering::Relaxed), self.lookups.missing.load(Ordering::Relaxed))
    }

    /// Starts counting lookups anew.
    pub fn reset_lookups(&self) {
        self.lookups.found.store(0, Ordering::Relaxed);
        self.lookups.missing.store(0, Ordering::Relaxed);
    }

    pub(super) fn count_lookup(&self, found: bool) {
        let counter = if found { &self.lookups.found } else { &self.lookups.missing };
        counter.fetch_add(1, Ordering::Relaxed);
    }

    /// Whether no newer state is published or about to be: then values read from this one may go into the hot cache.
    pub(super) fn is_current(&self, published: &Published) -> bool {
        self.epoch.load(Ordering::Acquire) == published.epoch
    }

    /// Whether the state of this number (`Published::number`) is still the latest, and none is about to follow.
    pub fn is_latest(&self, number: u64) -> bool {
        self.epoch.load(Ordering::SeqCst) == number
    }

    /// The apply cache of the batch that published this epoch.
    pub(super) fn take_apply_cache(&self, epoch: u64) -> ApplyCache {
        let (of, cache) = std::mem::take(&mut *self.cache.lock());
        if of == epoch { cache } else { ApplyCache::default() }
    }

    /// Keeps the cache for the batch that begins with the state published now.
    pub(super) fn keep_apply_cache(&self, cache: ApplyCache) {
        *self.cache.lock() = (self.published.load().epoch, cache);
    }

    /// Changes the cache of the batch that begins with this epoch.
    pub(super) fn change_apply_cache(&self, epoch: u64, change: impl FnOnce(&mut ApplyCache)) {
        let mut cache = self.cache.lock();
        if cache.0 != epoch {
            *cache = (epoch, ApplyCache::default());
        }
        change(&mut cache.1);
    }

    /// Marks the start of a commit: readers stop filling the hot cache.
    pub(super) fn enter_commit(&self) {
        self.epoch.fetch_add(1, Ordering::AcqRel);
    }

    /// Publishes `state` and ends the commit; returns the number of the publication.
    pub(super) fn leave_commit(
        &self,
        engine: Arc<Engine>,
        state: StateRecord,
        site: Option<SiteRecord>,
        source: Option<Arc<SourceRecord>>,
    ) -> u64 {
        let epoch = self.epoch.load(Ordering::Acquire).saturating_add(1);
        let set = self.namespaces.of(&state, Some(&self.latest().namespaces));
        self.published.store(Arc::new(Published::new(engine, state, site, source, set, epoch)));
        self.epoch.store(epoch, Ordering::Release);
        epoch
    }
}

/// Opens a database at the end of its last whole batch.
pub(super) fn open_engine(directory: &Path, options: &StoreOptions) -> Result<Engine, StoreError> {
    let engine = Engine::open(directory, options)?;
    remove_ahead(&engine)?;
    Ok(engine)
}

/// The state record that an engine holds, or that of an empty one.
pub(super) fn read_state(engine: &Engine) -> Result<StateRecord, StoreError> {
    match engine.get(Family::Default, keys::STATE, Tier::Disk) {
        Ok(Some(record)) => StateRecord::decode(&record),
        Ok(None) => Ok(StateRecord::default()),
        Err(crate::error::Error::Fatal(error)) => Err(error),
        Err(other) => Err(StoreError::corrupt("state record", other.to_string())),
    }
}

/// The site record that an engine holds; an edge's only.
pub(super) fn read_site(engine: &Engine) -> Result<Option<SiteRecord>, StoreError> {
    match engine.get(Family::Default, keys::SITE, Tier::Disk) {
        Ok(record) => record.map(|record| SiteRecord::decode(&record)).transpose(),
        Err(crate::error::Error::Fatal(error)) => Err(error),
        Err(other) => Err(StoreError::corrupt("site record", other.to_string())),
    }
}
