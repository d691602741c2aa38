//! The hot cache: encoded metadata records of keys in use, and what sub-keys hold that were read, bounded in bytes, shared by
//! all threads.
//!
//! **Invariant** (with `store.rs`): the cached record of a key is its latest record, or one that a batch in progress is
//! about to make the latest. Apply replaces or removes every key it wrote after the batch is in RocksDB and before the new
//! state is published; the same goes for sub-keys. A reader fills a miss through a guard taken *before* it checked that no
//! batch was in progress and nothing newer than its view was published; a later apply finds the guard and voids it. Pages
//! (`pages.rs`) name a content that never changes.

use super::{
    access::Accesses,
    frequency::Frequencies,
    keys::StorageKey,
    read_samples::ReadSamples,
    row::{self, Header, has_subkeys},
};
use crate::limits::HOT_RECORD_BYTES_MAX;
use crate::value::{SharedRecord, Stamp, Value};
use quick_cache::{Lifecycle, Weighter, sync::Cache, sync::DefaultLifecycle, sync::GuardResult};
use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

/// Bytes that a cached record costs beyond its value: map slot, list links, inline key and record handle, allocation
/// header.
const RECORD_OVERHEAD_BYTES: u64 = 152;

/// The only table of the server with keys that clients choose and that is not ordered: its hash is seeded at random.
type Shards = Cache<StorageKey, Cached, ByBytes, foldhash::fast::RandomState, Evictions>;
type Guard<'a> = quick_cache::sync::PlaceholderGuard<
    'a,
    StorageKey,
    Cached,
    ByBytes,
    foldhash::fast::RandomState,
    Evictions,
>;

/// A record, and beside it what apply must know of every key it overwrites.
///
/// One pointer wide, count and bytes in one allocation: with its key and links an entry of the cache is 64 bytes, and a
/// lookup waits for memory as seldom as can be.
#[derive(Clone)]
struct Cached {
    /// When it expires; the highest bit: it has sub-keys, no expiry reaches it. Of a sub-key: the log index of the state
    /// that it was read from. Of a page: how far it goes.
    note: u64,
    record: SharedRecord,
}

const HAS_SUBKEYS: u64 = 1 << 63;

impl Cached {
    fn new(header: Header, record: &[u8], accessed: u32) -> Self {
        let subkeys = if has_subkeys(header.kind, header.encoding) { HAS_SUBKEYS } else { 0 };
        let note = header.expires_at | subkeys;
        Cached { note, record: SharedRecord::from_header_and_slice(Stamp::new(accessed), record) }
    }

    fn of_sub(index: u64, value: &[u8]) -> Self {
        Cached { note: index, record: SharedRecord::from_header_and_slice(Stamp::default(), value) }
    }
}

/// Tells of records that leave. What is no record has no stamp.
#[derive(Clone)]
struct Evictions(Arc<Accesses>);

impl Lifecycle<StorageKey, Cached> for Evictions {
    type RequestState = <DefaultLifecycle<StorageKey, Cached> as Lifecycle<StorageKey, Cached>>::RequestState;

    fn on_evict(&self, state: &mut Self::RequestState, key: StorageKey, cached: Cached) {
        self.0.leave(&key, cached.record.header.header.get());
        DefaultLifecycle::default().on_evict(state, key, cached);
    }
}

/// The cache's summary of a record.
#[derive(Debug, Clone, Copy)]
pub(super) struct Summary {
    pub(super) expires_at: u64,
    pub(super) has_subkeys: bool,
    /// As asked for; 0 for a record with sub-keys.
    pub(super) sum: u64,
    /// Of the record.
    pub(super) len: usize,
    pub(super) is_counted: bool,
}

#[derive(Debug, Clone, Copy)]
struct ByBytes;

impl Weighter<StorageKey, Cached> for ByBytes {
    fn weight(&self, key: &StorageKey, value: &Cached) -> u64 {
        let key_bytes = if key.spilled() { key.len() as u64 } else { 0 };
        key_bytes.saturating_add(value.record.slice.len() as u64).saturating_add(RECORD_OVERHEAD_BYTES)
    }
}

/// The hot cache.
pub struct Hot {
    cache: Option<Shards>,
    accesses: Arc<Accesses>,
    frequencies: Arc<Frequencies>,
    pub(super) samples: ReadSamples,
    hits: AtomicU64,
    misses: AtomicU64,
}

/// The result of a lookup.
pub(super) enum Lookedup<'a> {
    /// With its summary.
    Hit(u64, Value),
    /// Missing; the guard may install the record that the caller reads.
    Miss(Option<Fill<'a>>),
}

/// The right to install a record that was not cached.
pub(super) struct Fill<'a> {
    guard: Guard<'a>,
    /// The second of the record's last access.
    accessed: u32,
}

impl Fill<'_> {
    /// Installs the record unless a batch has touched the key since the guard was taken.
    pub(super) fn install(self, record: &[u8]) {
        if let Ok(header) = Header::decode(record) {
            let _ = self.guard.insert(Cached::new(header, record, self.accessed));
        }
    }

    /// As `install`, for the value of a sub-key in the state of this log index.
    pub(super) fn install_sub(self, index: u64, value: &[u8]) {
        let _ = self.guard.insert(Cached::of_sub(index, value));
    }
}

impl Hot {
    /// A cache of at most `bytes`; 0 = none.
    pub(super) fn new(bytes: usize, frequencies: Arc<Frequencies>) -> Self {
        let accesses = Arc::new(Accesses::new(bytes));
        let evictions = Evictions(Arc::clone(&accesses));
        let cache = (bytes > 0)
            .then(|| Shards::with(bytes / 256, bytes as u64, ByBytes, Default::default(), evictions));
        let (samples, hits, misses) = Default::default();
        Hot { cache, accesses, frequencies, samples, hits, misses }
    }

    /// For `idle_seconds`: it is now this second.
    pub(super) fn tick(&self, second: u32) {
        self.accesses.tick(second);
        self.samples.tick(second);
    }

    /// Seconds since the last access of a record, at least.
    pub(super) fn idle_seconds(&self, key: &StorageKey) -> u32 {
        self.accesses.now().saturating_sub(self.last_access(key))
    }

    fn last_access(&self, key: &StorageKey) -> u32 {
        let mut found = None;
        if let Some(cache) = &self.cache {
            // The only call that shows a value in place; it removes nothing.
            let _ = cache.remove_if(key, |cached| {
                found = Some(cached.record.header.header.get());
                false
            });
        }
        found.unwrap_or_else(|| self.accesses.last(key))
    }

    /// A record that the cache does not take was read or written.
    pub(super) fn passed_by(&self, key: &[u8]) {
        self.accesses.leave(key, self.accesses.now());
    }

    /// Looks a record up for a command in a batch.
    pub(super) fn get_record(&self, key: &[u8]) -> Option<Value> {
        let cached = self.cache.as_ref()?.get(key)?;
        cached.record.header.header.set(self.accesses.now());
        Some(cached.record.into())
    }

    /// Looks a sub-key up without preparing to fill.
    pub(super) fn get(&self, key: &[u8]) -> Option<Value> {
        Some(self.cache.as_ref()?.get(key)?.record.into())
    }

    /// A summary of a cached record, with what `sum` makes of one without sub-keys. It does not count references to it.
    pub(super) fn summary(&self, key: &StorageKey, sum: impl Fn(&[u8]) -> u64) -> Option<Summary> {
        let mut found = None;
        // The only call that shows a value in place; it removes nothing.
        let _ = self.cache.as_ref()?.remove_if(key, |cached| {
            let has_subkeys = cached.note & HAS_SUBKEYS != 0;
            let sum = if has_subkeys { 0 } else { sum(&cached.record.slice) };
            let (expires_at, record) = (cached.note & !HAS_SUBKEYS, &cached.record.slice);
            let (len, is_counted) = (record.len(), row::is_counted(record));
            found = Some(Summary { expires_at, has_subkeys, sum, len, is_counted });
            false
        });
        found
    }

    /// Looks a record up; a miss gives the right to fill it. `touches`: that is an access.
    pub(super) fn get_or_fill(&self, key: &StorageKey, touches: bool) -> Lookedup<'_> {
        if touches {
            self.frequencies.access(key);
            self.samples.note(key);
        }
        let found = self.look(key, |cached| match cached {
            Some(cached) if touches => {
                cached.record.header.header.set(self.accesses.now());
                0
            }
            Some(_) => 0,
            None if touches => self.accesses.now(),
            None => self.accesses.last(key),
        });
        match &found {
            Lookedup::Hit(..) => drop(self.hits.fetch_add(1, Ordering::Relaxed)),
            Lookedup::Miss(Some(_)) => drop(self.misses.fetch_add(1, Ordering::Relaxed)),
            Lookedup::Miss(None) => {}
        }
        found
    }

    /// As `get_or_fill`, for a sub-key (`keys::hot_sub`) or a page: they do not count as lookups of records.
    pub(super) fn sub_or_fill(&self, key: &StorageKey) -> Lookedup<'_> {
        self.look(key, |_| 0)
    }

    /// `access` gets the result and returns the stamp of a record that will be filled in.
    fn look(&self, key: &StorageKey, access: impl Fn(Option<&Cached>) -> u32) -> Lookedup<'_> {
        let Some(cache) = &self.cache else {
            return Lookedup::Miss(None);
        };
        match cache.get_value_or_guard(key, Some(Duration::ZERO)) {
            GuardResult::Value(cached) => {
                access(Some(&cached));
                Lookedup::Hit(cached.note, cached.record.into())
            }
            GuardResult::Guard(guard) => Lookedup::Miss(Some(Fill { guard, accessed: access(None) })),
            GuardResult::Timeout => Lookedup::Miss(None),
        }
    }

    /// Caches a sub-key that apply has read, in the state of this log index, and will read again.
    pub(super) fn put_sub(&self, key: StorageKey, index: u64, value: &[u8]) {
        if let Some(cache) = self.cache.as_ref().filter(|_| value.len() <= HOT_RECORD_BYTES_MAX) {
            cache.insert(key, Cached::of_sub(index, value));
        }
    }

    /// Apply wrote a sub-key (`None`: deleted it): a cached one stays cached.
    pub(super) fn wrote_sub(&self, key: StorageKey, index: u64, value: Option<&[u8]>) {
        let Some(cache) = &self.cache else { return };
        let replaced = match value {
            Some(value) if value.len() <= HOT_RECORD_BYTES_MAX => {
                cache.replace(key, Cached::of_sub(index, value), true)
            }
            _ => return drop(cache.remove(&key)),
        };
        if let Err((key, _)) = replaced {
            // A reader may be about to fill it with the former value.
            cache.remove(&key);
        }
    }

    /// Apply wrote this record.
    pub(super) fn put(&self, key: StorageKey, record: &[u8]) {
        self.frequencies.access(&key);
        let Some(cache) = &self.cache else { return self.passed_by(&key) };
        match Header::decode(record) {
            Ok(header) if record.len() <= HOT_RECORD_BYTES_MAX => {
                cache.insert(key, Cached::new(header, record, self.accesses.now()));
            }
            _ => {
                cache.remove(&key);
                self.passed_by(&key);
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
        self.accesses.forget();
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

#[cfg(test)]
mod tests {
    use std::{
        collections::{BTreeMap, BTreeSet},
        hash::BuildHasher,
    };

    const FX: u64 = 0x51_7c_c1_b7_27_22_0a_95;

    fn fx(key: &[u8]) -> u64 {
        key.chunks(8).fold(0, |hash: u64, word| {
            (hash.rotate_left(5) ^ u64::from_le_bytes(word.try_into().unwrap())).wrapping_mul(FX)
        })
    }

    fn fnv_1a(key: &[u8], from: u32) -> u32 {
        key.iter().fold(from, |hash, byte| (hash ^ u32::from(*byte)).wrapping_mul(0x0100_0193))
    }

    /// The second word undoes the effect of the first.
    fn colliding_under_fx(count: u64) -> Vec<Vec<u8>> {
        let target = 0x1234_5678_9abc_def0_u64;
        let key = |first: u64| {
            let second = target ^ first.wrapping_mul(FX).rotate_left(5);
            [first.to_le_bytes(), second.to_le_bytes()].concat()
        };
        (0..count).map(key).collect()
    }

    /// Sixteen steps, each of two blocks that lead to the same state: 65,536 keys.
    fn colliding_under_fnv() -> Vec<Vec<u8>> {
        let mut state = 0x811c_9dc5;
        let mut keys = vec![Vec::new()];
        for _ in 0..16 {
            let mut seen = BTreeMap::new();
            let (one, other) = (0_u64..10_000_000)
                .map(|number| number.wrapping_mul(FX).to_le_bytes())
                .find_map(|block| {
                    let other = seen.insert(fnv_1a(&block, state), block)?;
                    Some((block, other))
                })
                .unwrap();
            state = fnv_1a(&one, state);
            keys = keys
                .iter()
                .flat_map(|key: &Vec<u8>| [[&key[..], &one].concat(), [&key[..], &other].concat()])
                .collect();
        }
        keys
    }

    /// Keys that collide in tables of well-known functions are harmless in ours, which has a random seed.
    #[test]
    fn keys_chosen_to_collide_do_not() {
        let (fx_keys, fnv_keys) = (colliding_under_fx(65_536), colliding_under_fnv());
        assert!(fx_keys.iter().all(|key| fx(key) == fx(&fx_keys[0])));
        assert!(fnv_keys.iter().all(|key| fnv_1a(key, 0x811c_9dc5) == fnv_1a(&fnv_keys[0], 0x811c_9dc5)));
        for keys in [fx_keys, fnv_keys] {
            let hasher = foldhash::fast::RandomState::default();
            let hashes: BTreeSet<u64> = keys.iter().map(|key| hasher.hash_one(&key[..])).collect();
            assert!(hashes.len() > 65_500, "{} hashes of 65,536 keys", hashes.len());
            let mut slots: BTreeMap<u64, u32> = BTreeMap::new();
            hashes.iter().for_each(|hash| *slots.entry(hash & 0xffff).or_default() += 1);
            assert!(*slots.values().max().unwrap() < 20, "a slot has {:?}", slots.values().max());
        }
    }

    #[test]
    fn each_cache_has_a_seed_of_its_own() {
        let of = |_| foldhash::fast::RandomState::default().hash_one(b"key");
        assert!((0..8).map(of).collect::<BTreeSet<u64>>().len() > 1);
    }
}
