//! Goes through the rows, on whichever thread asks, and on one of its own that takes its time.

use super::{LargestKeys, NAME_BYTES_MAX, size_of};
use crate::{
    error::StoreError,
    store::{
        Store, Type,
        engine::{Family, engine_error},
        keys::{self, StorageKey},
    },
};
use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

/// Rows of a part.
const ROWS: usize = if cfg!(test) { 64 } else { 2048 };
/// Parts that the one who asks goes through itself: small data are known at once.
const PARTS_AT_ONCE: usize = 32;
/// Time between two parts on the pass's own thread.
const INTERVAL: Duration = Duration::from_millis(100);

impl Store {
    /// The largest keys as far as they are known; if the pass has not come to its end, it goes on. May wait for the disk.
    pub fn largest_keys(self: &Arc<Self>) -> Result<LargestKeys, StoreError> {
        if !self.look_for_largest(PARTS_AT_ONCE)? {
            self.go_on_alone();
        }
        Ok(self.known_largest_keys())
    }

    /// Somebody asks: goes through so many parts; true: the pass has come to its end.
    pub(in crate::store) fn look_for_largest(&self, parts: usize) -> Result<bool, StoreError> {
        let largest = &self.largest;
        largest.asked.store(largest.second.load(Ordering::Relaxed), Ordering::Relaxed);
        largest.is_on.store(true, Ordering::SeqCst);
        largest.lists.lock().begin_again_if_needed();
        for _ in 0..parts {
            if self.part()? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Goes through a part of the rows, one thread at a time; true: the pass has come to its end.
    fn part(&self) -> Result<bool, StoreError> {
        let _one = self.largest.part.lock();
        let (number, from, floor_of) = {
            let mut lists = self.largest.lists.lock();
            if lists.pass.is_complete {
                return Ok(true);
            }
            lists.begin_part();
            (lists.number, lists.pass.at.clone(), lists.floors())
        };
        let (mut rows, mut found) = (0, Vec::new());
        let next = self.look(&from, |key, kind, bytes| {
            rows += 1;
            if bytes > floor_of(kind) {
                found.push((StorageKey::from_slice(key), kind, bytes));
            }
        })?;
        let mut lists = self.largest.lists.lock();
        let is_done = lists.number == number && lists.end_part(found, rows, next);
        Ok(is_done && lists.pass.is_complete)
    }

    /// Looks at some rows; returns where to go on, `None`: that was all.
    fn look(
        &self,
        from: &StorageKey,
        mut see: impl FnMut(&[u8], Type, u64),
    ) -> Result<Option<StorageKey>, StoreError> {
        let published = self.published();
        let mut options = rocksdb::ReadOptions::default();
        // One look at each row is no reason to keep it in memory.
        options.fill_cache(false);
        let family = published.engine().family(Family::Meta)?;
        let mut iterator = published.snapshot().raw_iterator_cf_opt(family, options);
        iterator.seek(from);
        let mut left = ROWS;
        while let Some((key, record)) = iterator.item() {
            if left == 0 {
                return Ok(Some(StorageKey::from_slice(key)));
            }
            left = left.saturating_sub(1);
            let (namespace, _) = keys::meta_user_key(key)?;
            let is_clients = published.state().databases().iter().any(|db| db.namespace == namespace);
            if is_clients && key.len() <= NAME_BYTES_MAX {
                let (kind, bytes) = size_of(key, record)?;
                see(key, kind, bytes);
            }
            iterator.next();
        }
        iterator.status().map_err(engine_error)?;
        Ok(None)
    }

    /// Goes on with the pass on a thread of its own, which takes its time.
    fn go_on_alone(self: &Arc<Self>) {
        let has_threads = self.options.environment.has_threads();
        if !has_threads || self.largest.has_runner.swap(true, Ordering::SeqCst) {
            return;
        }
        let store = Arc::downgrade(self);
        let run = move || {
            loop {
                std::thread::sleep(INTERVAL);
                let Some(store) = store.upgrade() else { return };
                let is_over = store.part().unwrap_or_else(|error| {
                    tracing::warn!(%error, "cannot look for the largest keys");
                    true
                });
                if is_over || !store.largest.is_on() {
                    store.largest.has_runner.store(false, Ordering::SeqCst);
                    return;
                }
            }
        };
        if let Err(error) = std::thread::Builder::new().name("largest-keys".into()).spawn(run) {
            self.largest.has_runner.store(false, Ordering::SeqCst);
            tracing::warn!(%error, "cannot start a thread; the largest keys are found a part at a time");
        }
    }
}
