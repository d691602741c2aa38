//! When keys were last read or written on this node, for OBJECT IDLETIME. It is no part of the state.
//!
//! A record in the hot cache carries a stamp: the second of its last access. On eviction, the stamp goes into one of a
//! fixed number of slots, chosen by a hash of the key, that keeps the latest stamp; the same goes for a record too large
//! for the cache. Invariant: a key was never accessed later than its stamp, or its slot and `floor`, say. Keys share slots,
//! so an idle key may seem less idle than it is, but never more.

use crate::value::Stamp;
use std::{
    hash::BuildHasher,
    sync::atomic::{AtomicU32, Ordering},
};

/// Bytes of cache for one slot.
const CACHE_BYTES_OF_SLOT: usize = 128;
const SLOTS_MIN: usize = 4096;

/// Access times of keys.
#[derive(Debug)]
pub(super) struct Accesses {
    /// The current second; set from outside, since nothing in the store reads a clock.
    clock: AtomicU32,
    /// When the cache was last emptied, and with it all stamps.
    floor: AtomicU32,
    slots: Box<[Stamp]>,
    hasher: foldhash::fast::RandomState,
}

impl Accesses {
    pub(super) fn new(cache_bytes: usize) -> Self {
        let slots = (cache_bytes / CACHE_BYTES_OF_SLOT).max(SLOTS_MIN);
        Accesses {
            clock: AtomicU32::new(0),
            floor: AtomicU32::new(0),
            slots: (0..slots).map(|_| Stamp::default()).collect(),
            hasher: foldhash::fast::RandomState::default(),
        }
    }

    pub(super) fn now(&self) -> u32 {
        self.clock.load(Ordering::Relaxed)
    }

    /// It is now this second.
    pub(super) fn tick(&self, second: u32) {
        self.clock.fetch_max(second, Ordering::Relaxed);
    }

    /// The cache was emptied.
    pub(super) fn forget(&self) {
        self.floor.store(self.now(), Ordering::Relaxed);
    }

    fn slot(&self, key: &[u8]) -> Option<&Stamp> {
        let hash = self.hasher.hash_one(key);
        let slot = (u128::from(hash) * self.slots.len() as u128) >> 64;
        self.slots.get(usize::try_from(slot).ok()?)
    }

    /// A record that was last accessed then is not in the cache, or no longer.
    pub(super) fn leave(&self, key: &[u8], second: u32) {
        if let Some(slot) = self.slot(key).filter(|_| second > 0) {
            slot.raise(second);
        }
    }

    /// When a key that is not in the cache was last accessed, at the latest.
    pub(super) fn last(&self, key: &[u8]) -> u32 {
        let slot = self.slot(key).map_or(0, Stamp::get);
        slot.max(self.floor.load(Ordering::Relaxed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_never_said_to_be_idle_for_longer_than_it_is() {
        let accesses = Accesses::new(0);
        for second in 1..=20_000_u32 {
            accesses.tick(second);
            accesses.leave(&second.to_be_bytes(), second);
        }
        assert!((1..=20_000_u32).all(|second| accesses.last(&second.to_be_bytes()) >= second));
        // The earliest and the latest accesses can be told apart, though not exactly.
        let early = (1..=100_u32).filter(|second| accesses.last(&second.to_be_bytes()) < 19_000).count();
        assert!(early > 50, "{early}");
        accesses.forget();
        assert_eq!(accesses.last(b"any"), 20_000);
        accesses.tick(7);
        assert_eq!(accesses.now(), 20_000);
    }
}
