//! The average time to live of keys that expire, for INFO's `avg_ttl`. An estimate of bounded cost.
//!
//! A sample visits up to `KEYS_MAX` keys of a database and continues where the last one ended, so a smaller database is
//! sampled as a whole. For a larger one the means of samples are averaged, as in Redis. If few of many keys expire, the
//! index of expiries is sampled instead.

use super::{
    Direction, ReadTime, Store, View,
    engine::{Family, read_error},
    keys::{self, Span, StorageKey},
};
use crate::error::{Error, Result, StoreError};
use parking_lot::Mutex;
use std::{collections::BTreeMap, ops::ControlFlow};

const KEYS_MAX: u64 = 2000;

/// Least weight of a sample in the average, as in Redis.
const WEIGHT_MIN: f64 = 0.02;

/// The estimates, by database.
#[derive(Debug, Default)]
pub(super) struct Lifetimes(Mutex<BTreeMap<u32, Estimate>>);

#[derive(Debug, Clone, Default)]
struct Estimate {
    /// Milliseconds; `None` = no key that expires was seen.
    mean_ms: Option<f64>,
    /// The start of the next sample.
    cursor: Vec<u8>,
}

/// Milliseconds that keys have left.
#[derive(Default)]
struct Sum {
    keys: u64,
    left_ms: u128,
}

impl Sum {
    fn add(&mut self, expires_at: u64, now: u64) {
        if expires_at > 0 {
            self.keys = self.keys.saturating_add(1);
            self.left_ms = self.left_ms.saturating_add(expires_at.saturating_sub(now).into());
        }
    }
}

impl Estimate {
    /// Continues to sample a database with this many keys, some of which expire.
    fn look(&mut self, view: &View<'_>, keys: u64, expires: u64) -> Result<()> {
        let is_sparse = expires <= KEYS_MAX && keys > KEYS_MAX;
        let mut sum = if is_sparse { first_to_expire(view)? } else { Sum::default() };
        if sum.keys == 0 {
            sum = self.sample(view)?;
        }
        if sum.keys > 0 {
            let mean = sum.left_ms as f64 / sum.keys as f64;
            let weight = (sum.keys as f64 / expires.max(1) as f64).clamp(WEIGHT_MIN, 1.0);
            self.mean_ms = Some(self.mean_ms.map_or(mean, |before| before + (mean - before) * weight));
        }
        Ok(())
    }

    fn sample(&mut self, view: &View<'_>) -> Result<Sum> {
        let (mut sum, mut seen, start) = (Sum::default(), 0_u64, std::mem::take(&mut self.cursor));
        view.scan(b"", &start, |key, row| {
            if seen == KEYS_MAX {
                self.cursor = key.to_vec();
                return Ok(ControlFlow::Break(()));
            }
            seen = seen.saturating_add(1);
            sum.add(row.expires_at, view.now());
            Ok(ControlFlow::Continue(()))
        })?;
        Ok(sum)
    }
}

impl Store {
    /// The average time to live, in milliseconds, of the keys of a database that expire, as last sampled.
    pub fn mean_lifetime_ms(&self, db: u32) -> u64 {
        let mean = self.lifetimes.0.lock().get(&db).and_then(|estimate| estimate.mean_ms);
        // As much as fits: no lifetime is negative.
        mean.map_or(0, |mean| mean as u64)
    }

    /// Looks at keys that expire, at the time `now`; may wait for the disk. For one thread.
    pub fn look_at_lifetimes(&self, now: u64) -> Result<(), StoreError> {
        let published = self.published();
        let mut estimates = self.lifetimes.0.lock().clone();
        for (db, counts) in (0..).zip(published.state().databases()) {
            if counts.expires == 0 {
                estimates.remove(&db);
                continue;
            }
            let view = self.blocking_view(&published, db, ReadTime::At(now));
            match estimates.entry(db).or_default().look(&view, counts.keys, counts.expires) {
                Ok(()) => {}
                Err(Error::Fatal(error)) => return Err(error),
                // An error for clients cannot come from a view that may wait.
                Err(other) => return Err(StoreError::corrupt("expiries", other.to_string())),
            }
        }
        *self.lifetimes.0.lock() = estimates;
        Ok(())
    }
}

/// Of the keys that expire first. The index knows fields of hashes as well: a key counts if it expires itself.
fn first_to_expire(view: &View<'_>) -> Result<Sum> {
    let (mut sum, own) = (Sum::default(), view.namespace(view.db()));
    let everything = Span { from: StorageKey::new(), to: None };
    let (mut iterator, _) = view.iterator(Family::Expiry, &everything, Direction::Forward)?;
    iterator.seek_to_first();
    for _ in 0..KEYS_MAX {
        let Some(index_key) = iterator.key() else { break };
        let (expires_at, namespace, key) = keys::parse_expiry(index_key)?;
        if namespace == own {
            view.scan(key, key, |found, row| {
                if found == key && row.expires_at == expires_at {
                    sum.add(expires_at, view.now());
                }
                Ok(ControlFlow::Break(()))
            })?;
        }
        iterator.next();
    }
    iterator.status().map_err(read_error)?;
    Ok(sum)
}
