//! The tracked keys of one network thread, and the numbers of those who track each.
//!
//! Invariant: the filter, and the node's counts, have each key once from `enter` until it is removed.

use super::{arrivals::Filter, tracking::Tracking};
use crate::limits::{TRACKED_ITEM_BYTES, TRACKED_KEY_BYTES};
use bytes::Bytes;
use slab::Slab;
use smallvec::SmallVec;
use std::{
    collections::HashMap,
    sync::{Arc, atomic::Ordering},
};

pub(super) type Numbers = SmallVec<[u64; 2]>;

/// See the module. Keys are named by their place, which is free again when the key is removed.
pub(super) struct Keys {
    tracking: Arc<Tracking>,
    /// Made with the first tracker.
    filter: Option<Arc<Filter>>,
    by_name: HashMap<Bytes, usize>,
    tracked: Slab<TrackedKey>,
    items: u64,
    bytes: u64,
}

struct TrackedKey {
    name: Bytes,
    by: Numbers,
}

/// Keys that are tracked no more. Dropping them takes as long as they are many.
pub struct Forgotten {
    filter: Option<Arc<Filter>>,
    tracked: Slab<TrackedKey>,
}

impl Drop for Forgotten {
    fn drop(&mut self) {
        if let Some(filter) = &self.filter {
            self.tracked.iter().for_each(|(_, key)| filter.remove(&key.name));
        }
    }
}

/// What a key takes, and what it counts among the memory of each client that tracks it.
pub(super) fn memory_of(name: &[u8]) -> u64 {
    name.len().saturating_add(TRACKED_KEY_BYTES) as u64
}

impl Keys {
    pub(super) fn new(tracking: Arc<Tracking>) -> Self {
        Keys { tracking, filter: None, by_name: HashMap::new(), tracked: Slab::new(), items: 0, bytes: 0 }
    }

    pub(super) fn set_filter(&mut self, filter: &Arc<Filter>) {
        self.filter.get_or_insert_with(|| Arc::clone(filter));
    }

    pub(super) fn len(&self) -> u64 {
        self.tracked.len() as u64
    }

    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    fn grow(&mut self, items: u64, bytes: u64) {
        self.items = self.items.saturating_add(items);
        self.bytes = self.bytes.saturating_add(bytes);
        self.tracking.counts.items.fetch_add(items, Ordering::Relaxed);
        self.tracking.counts.bytes.fetch_add(bytes, Ordering::Relaxed);
    }

    fn shrink(&mut self, items: u64, bytes: u64) {
        self.items = self.items.saturating_sub(items);
        self.bytes = self.bytes.saturating_sub(bytes);
        self.tracking.counts.items.fetch_sub(items, Ordering::Relaxed);
        self.tracking.counts.bytes.fetch_sub(bytes, Ordering::Relaxed);
    }

    pub(super) fn find(&self, name: &[u8]) -> Option<usize> {
        self.by_name.get(name).copied()
    }

    /// The place of a key that somebody is about to track.
    pub(super) fn enter(&mut self, name: &[u8]) -> usize {
        if let Some(at) = self.find(name) {
            return at;
        }
        if let Some(filter) = &self.filter {
            filter.add(name);
        }
        self.grow(0, memory_of(name));
        self.tracking.counts.keys.fetch_add(1, Ordering::Relaxed);
        let name = Bytes::copy_from_slice(name);
        let at = self.tracked.insert(TrackedKey { name: name.clone(), by: Numbers::new() });
        self.by_name.insert(name, at);
        at
    }

    /// One more tracks the key.
    pub(super) fn push(&mut self, at: usize, number: u64) {
        if let Some(key) = self.tracked.get_mut(at) {
            key.by.push(number);
            self.grow(1, TRACKED_ITEM_BYTES as u64);
        }
    }

    /// Takes out those who track a key.
    pub(super) fn take(&mut self, at: usize) -> Option<(Bytes, Numbers)> {
        let key = self.tracked.get_mut(at)?;
        let (name, by) = (key.name.clone(), std::mem::take(&mut key.by));
        let count = by.len() as u64;
        self.shrink(count, count.saturating_mul(TRACKED_ITEM_BYTES as u64));
        Some((name, by))
    }

    /// Removes a key that nobody tracks any more.
    pub(super) fn remove_unused(&mut self, at: usize) {
        if self.tracked.get(at).is_none_or(|key| !key.by.is_empty()) {
            return;
        }
        let Some(key) = self.tracked.try_remove(at) else { return };
        self.by_name.remove(&key.name);
        if let Some(filter) = &self.filter {
            filter.remove(&key.name);
        }
        self.shrink(0, memory_of(&key.name));
        self.tracking.counts.keys.fetch_sub(1, Ordering::Relaxed);
    }

    /// Removes all.
    pub(super) fn clear(&mut self) -> Forgotten {
        self.tracking.counts.keys.fetch_sub(self.len(), Ordering::Relaxed);
        self.shrink(self.items, self.bytes);
        self.by_name = HashMap::new();
        Forgotten { filter: self.filter.clone(), tracked: std::mem::take(&mut self.tracked) }
    }

    /// The place of the first key from there on, among so many places; else where the search is to go on.
    pub(super) fn next_from(&self, from: usize, places_max: usize) -> Result<usize, usize> {
        let from = if from >= self.tracked.capacity() { 0 } else { from };
        let end = from.saturating_add(places_max).min(self.tracked.capacity());
        (from..end).find(|at| self.tracked.contains(*at)).ok_or(end)
    }

    /// Takes those who do not stay out of the keys in some places from there on; about so many are looked at. Returns where to go on;
    /// `None`: it has come to the end.
    pub(super) fn clean(
        &mut self,
        from: usize,
        mut looks: usize,
        stays: impl Fn(u64) -> bool,
    ) -> Option<usize> {
        for at in from..self.tracked.capacity() {
            if looks == 0 {
                return Some(at);
            }
            let Some(key) = self.tracked.get_mut(at) else {
                looks = looks.saturating_sub(1);
                continue;
            };
            let before = key.by.len();
            looks = looks.saturating_sub(before.max(1));
            key.by.retain(|number| stays(*number));
            let gone = before.saturating_sub(key.by.len()) as u64;
            self.shrink(gone, gone.saturating_mul(TRACKED_ITEM_BYTES as u64));
            self.remove_unused(at);
        }
        None
    }
}

impl Drop for Keys {
    fn drop(&mut self) {
        drop(self.clear());
    }
}
