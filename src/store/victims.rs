//! Looks for keys to evict: draws keys from all parts of the key space alike, at a cost that does not depend on how many there are.
//!
//! RocksDB cannot jump to the n-th key. So the key space is cut into intervals of about as many keys each, and each keeps a
//! place up to which it has been drawn from. A draw takes an interval at random, and the next keys in it. A survey goes through
//! all keys, as many at a time as are drawn, and cuts anew when it comes to the end: so intervals follow the data.
//! Keys with an expiry are drawn from the expiry index in the same way, and those that expire soonest are its beginning.
//!
//! Nothing here is part of the state: what is found is proposed, and the entry says what goes.

use super::{
    LogPosition, Namespace, Published, Store, View,
    engine::{EngineIterator, Family, engine_error},
    keys::{self, StorageKey, successor},
    row::Header,
    script_view::split_mix,
    txn::bytes_of_record,
    view::Source,
};
use crate::error::StoreError;

const INTERVALS: u64 = 1024;
/// Keys that follow one another in a draw.
const RUN_KEYS: usize = 16;
/// Rows to step over in one look, beside those of the survey.
const STEPS_MAX: usize = 16 * 1024;
/// Rows of the survey in one look, while there are no intervals yet.
const SURVEYED_MAX: u64 = 64 * 1024;
/// Bytes of a key that are remembered as a place.
const PLACE_BYTES_MAX: usize = 256;
/// Bytes of keys that one look returns, about.
const FOUND_BYTES_MAX: usize = 1 << 20;

/// What makes a key go first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum VictimOrder {
    Idle,
    Frequency,
    Random,
    Expiry,
}

/// A key that may go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate {
    pub namespace: Namespace,
    pub key: Vec<u8>,
    pub revision: LogPosition,
    /// What it takes.
    pub bytes: u64,
    /// The higher, the sooner it goes.
    pub score: u64,
}

/// See the module.
pub struct Sampler {
    order: VictimOrder,
    /// Only keys with an expiry.
    is_of_expiring: bool,
    intervals: Vec<Interval>,
    survey: Survey,
    dice: u64,
}

struct Interval {
    begin: StorageKey,
    /// The next key to draw.
    at: StorageKey,
}

#[derive(Default)]
struct Survey {
    at: StorageKey,
    rows: u64,
    /// Rows of an interval; 0: it is the first survey, which does not know yet.
    interval_rows: u64,
    begins: Vec<StorageKey>,
    is_complete: bool,
}

impl Sampler {
    /// `seed` differs from node to node.
    pub fn new(order: VictimOrder, is_of_expiring: bool, seed: u64) -> Self {
        let (intervals, survey) = (Vec::new(), Survey::default());
        Sampler { order, is_of_expiring, intervals, survey, dice: seed }
    }

    fn family(&self) -> Family {
        if self.is_of_expiring { Family::Expiry } else { Family::Meta }
    }

    fn random(&mut self) -> u64 {
        let (state, number) = split_mix(self.dice);
        self.dice = state;
        number
    }

    fn below(&mut self, bound: usize) -> usize {
        let scaled = (u128::from(self.random()) * bound as u128) >> 64;
        usize::try_from(scaled).unwrap_or(0)
    }
}

/// A place behind a key, or behind all that begin like it.
fn behind(key: &[u8]) -> StorageKey {
    match key.get(..PLACE_BYTES_MAX) {
        Some(long) => successor(long).map_or_else(|| keys::behind(long), StorageKey::from_vec),
        None => keys::behind(key),
    }
}

fn place(key: &[u8]) -> StorageKey {
    StorageKey::from_slice(key.get(..PLACE_BYTES_MAX).unwrap_or(key))
}

impl Survey {
    /// Goes on through up to so many rows; true: it has come to the end.
    fn go_on(&mut self, iterator: &mut EngineIterator<'_>, rows_max: u64) -> Result<bool, StoreError> {
        iterator.seek(&self.at);
        for _ in 0..rows_max {
            let Some(key) = iterator.key() else {
                iterator.status().map_err(engine_error)?;
                return Ok(true);
            };
            // The first one does not know how many there are: it drops every second one whenever they are too many.
            let every = if self.interval_rows == 0 { RUN_KEYS as u64 } else { self.interval_rows };
            if self.rows.is_multiple_of(every) {
                self.begins.push(place(key));
            }
            self.rows = self.rows.saturating_add(1);
            if self.begins.len() as u64 > INTERVALS * 2 {
                let mut is_kept = false;
                self.begins.retain(|_| {
                    is_kept = !is_kept;
                    is_kept
                });
                self.interval_rows = every.saturating_mul(2);
            }
            self.at = behind(key);
            iterator.next();
        }
        Ok(false)
    }

    fn begin_again(&mut self) {
        let interval_rows = (self.rows / INTERVALS).max(RUN_KEYS as u64);
        *self = Survey { interval_rows, is_complete: true, ..Survey::default() };
    }
}

impl Store {
    /// Draws about so many keys, fewer if there are no more. May wait for the disk.
    pub fn look_for_victims(&self, sampler: &mut Sampler, keys: usize) -> Result<Vec<Candidate>, StoreError> {
        let published = self.published();
        let mut look = Look { store: self, published: &published, found: Vec::new(), bytes: 0, steps: 0 };
        let mut iterator = look.iterator(sampler.family())?;
        if sampler.order == VictimOrder::Expiry {
            // The beginning of the index, but it may be one of fields alone, which is gone through in several looks.
            let at = self.passed_expiries.mark().max(std::mem::take(&mut sampler.survey.at));
            let next = look.run(sampler, &mut iterator, &at, None, keys)?;
            sampler.survey.at = next.filter(|_| look.found.is_empty()).unwrap_or_default();
            return Ok(look.found);
        }
        let rows_max = if sampler.survey.is_complete { keys as u64 } else { SURVEYED_MAX };
        let is_at_end = sampler.survey.go_on(&mut iterator, rows_max)?;
        if is_at_end || !sampler.survey.is_complete {
            sampler.intervals = sampler
                .survey
                .begins
                .iter()
                .map(|begin| Interval { begin: begin.clone(), at: begin.clone() })
                .collect();
            // Keys may come before the first one.
            if let Some(first) = sampler.intervals.first_mut() {
                *first = Interval { begin: StorageKey::new(), at: StorageKey::new() };
            }
        }
        if is_at_end {
            sampler.survey.begin_again();
        }
        while look.wants(keys) && !sampler.intervals.is_empty() {
            look.steps = look.steps.saturating_add(1);
            let number = sampler.below(sampler.intervals.len());
            let end = sampler.intervals.get(number.saturating_add(1)).map(|next| next.begin.clone());
            let Some(Interval { begin, at }) = sampler.intervals.get(number) else { break };
            let (begin, at) = (begin.clone(), at.clone());
            let until = look.found.len().saturating_add(RUN_KEYS).min(keys);
            let next = look.run(sampler, &mut iterator, &at, end.as_ref(), until)?;
            if let Some(interval) = sampler.intervals.get_mut(number) {
                interval.at = next.unwrap_or(begin);
            }
        }
        Ok(look.found)
    }

    /// How soon a key goes; its expiry is that of when it was drawn.
    pub fn rate_again(&self, order: VictimOrder, candidate: &mut Candidate) {
        let storage_key = keys::meta(candidate.namespace, &candidate.key);
        match order {
            VictimOrder::Idle => candidate.score = u64::from(self.hot.idle_seconds(&storage_key)),
            VictimOrder::Frequency => candidate.score = 255 - u64::from(self.frequencies.get(&storage_key)),
            VictimOrder::Random | VictimOrder::Expiry => {}
        }
    }
}

impl View<'_> {
    /// How often a key is used, as this node has counted; `None`: it does not count. In a batch, which must be the same on all
    /// nodes, it does not.
    pub fn frequency(&self, key: &[u8]) -> Option<u8> {
        match self.source {
            Source::Published { store, .. } if store.frequencies.is_on() => {
                Some(store.frequencies.get(&keys::meta(self.namespace(self.db()), key)))
            }
            Source::Published { .. } | Source::Txn(_) => None,
        }
    }
}

/// One look for keys.
struct Look<'a> {
    store: &'a Store,
    published: &'a Published,
    found: Vec<Candidate>,
    /// Of the keys found.
    bytes: usize,
    steps: usize,
}

impl<'a> Look<'a> {
    fn iterator(&self, family: Family) -> Result<EngineIterator<'a>, StoreError> {
        let mut options = rocksdb::ReadOptions::default();
        // What is used least is what should not be in memory.
        options.fill_cache(false);
        let family = self.published.engine().family(family)?;
        Ok(self.published.snapshot().raw_iterator_cf_opt(family, options))
    }

    fn wants(&self, keys: usize) -> bool {
        self.found.len() < keys && self.steps < STEPS_MAX && self.bytes < FOUND_BYTES_MAX
    }

    /// Takes keys from a place on, until it has found `until` in all; returns the place to go on at, `None`: the end was met.
    fn run(
        &mut self,
        sampler: &mut Sampler,
        iterator: &mut EngineIterator<'_>,
        at: &StorageKey,
        end: Option<&StorageKey>,
        until: usize,
    ) -> Result<Option<StorageKey>, StoreError> {
        iterator.seek(at);
        while let Some((key, value)) = iterator.item() {
            if end.is_some_and(|end| key >= &end[..]) {
                return Ok(None);
            }
            self.steps = self.steps.saturating_add(1);
            let (namespace, user_key) = match sampler.is_of_expiring {
                true => keys::parse_expiry(key).map(|(_, namespace, key)| (namespace, key))?,
                false => keys::meta_user_key(key)?,
            };
            if !self.published.state().databases().iter().any(|database| database.namespace == namespace) {
                if !self.wants(until) {
                    return Ok(Some(behind(key)));
                }
                match successor(&namespace.to_be_bytes()).filter(|_| !sampler.is_of_expiring) {
                    Some(next) => iterator.seek(next),
                    None => iterator.next(),
                }
                continue;
            }
            self.take(sampler, namespace, user_key, (!sampler.is_of_expiring).then_some(value))?;
            if !self.wants(until) {
                return Ok(Some(behind(key)));
            }
            iterator.next();
        }
        iterator.status().map_err(engine_error)?;
        Ok(None)
    }

    fn take(
        &mut self,
        sampler: &mut Sampler,
        namespace: Namespace,
        key: &[u8],
        record: Option<&[u8]>,
    ) -> Result<(), StoreError> {
        let storage_key = keys::meta(namespace, key);
        let looked_up;
        let record = match record {
            Some(record) => record,
            None => {
                let family = self.published.engine().family(Family::Meta)?;
                let found = self.published.snapshot().get_pinned_cf(family, &storage_key);
                let Some(found) = found.map_err(engine_error)? else { return Ok(()) };
                looked_up = found;
                &looked_up[..]
            }
        };
        let header = Header::decode(record)?;
        // Of a hash some fields of which expire, but not itself.
        if sampler.is_of_expiring && header.expires_at == 0 {
            return Ok(());
        }
        let score = match sampler.order {
            VictimOrder::Expiry => u64::MAX.saturating_sub(header.expires_at),
            VictimOrder::Random => sampler.random(),
            VictimOrder::Idle | VictimOrder::Frequency => 0,
        };
        let bytes = bytes_of_record(&storage_key, record)?;
        let (key, revision) = (key.to_vec(), header.revision);
        self.bytes = self.bytes.saturating_add(key.len());
        let mut candidate = Candidate { namespace, key, revision, bytes, score };
        self.store.rate_again(sampler.order, &mut candidate);
        self.found.push(candidate);
        Ok(())
    }
}
