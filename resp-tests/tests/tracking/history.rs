//! What each key has held, as far as clients can know, and which cached value may still be used.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::time::{Duration, Instant};

/// How long after it is due an expired key may be there: an election on a busy machine, and the leader's next look.
const EXPIRY_MAX: Duration = Duration::from_millis(6000);

/// A change of a key; later ones replace it.
#[derive(Clone, Copy, Debug)]
struct Change {
    /// `None`: the key is gone.
    value: Option<u64>,
    /// From here on the change may be seen.
    possible: Instant,
    /// From here on it is there for certain.
    certain: Instant,
}

#[derive(Debug, Default)]
struct Key {
    changes: Vec<Change>,
    /// A write had no known outcome: what the key holds is not known any more.
    is_lost: bool,
    /// How many of the changes a read at a node has shown, and when.
    seen: BTreeMap<usize, (usize, Instant)>,
}

/// All keys. Values are never used twice, so each names its change.
#[derive(Debug, Default)]
pub struct History(Mutex<Keys>);

#[derive(Debug, Default)]
struct Keys {
    known: BTreeMap<String, Key>,
    under_way: Option<UnderWay>,
}

/// A write that may take a key, or all of them, away, and has no answer yet: it may be seen before that.
#[derive(Debug)]
struct UnderWay {
    /// `None`: all.
    key: Option<String>,
    sent: Instant,
}

/// What became of a write.
#[derive(Clone, Copy, Debug)]
pub struct Written {
    pub sent: Instant,
    pub done: Instant,
}

impl History {
    fn with<T>(&self, key: &str, change: impl FnOnce(&mut Key) -> T) -> T {
        change(self.0.lock().unwrap().known.entry(key.to_owned()).or_default())
    }

    /// A write is sent that may take this key, or all, away.
    pub fn begins(&self, key: Option<&str>, sent: Instant) {
        self.0.lock().unwrap().under_way = Some(UnderWay { key: key.map(str::to_owned), sent });
    }

    /// The outcome of a write: of the last one that has begun, too.
    fn ended(&self, change: impl FnOnce(&mut BTreeMap<String, Key>)) {
        let mut keys = self.0.lock().unwrap();
        change(&mut keys.known);
        keys.under_way = None;
    }

    /// A write was acknowledged; the key expires after this time, if one is given.
    pub fn wrote(
        &self,
        key: &str,
        value: Option<u64>,
        Written { sent, done }: Written,
        ttl: Option<Duration>,
    ) {
        self.ended(|keys| {
            let key = keys.entry(key.to_owned()).or_default();
            key.changes.push(Change { value, possible: sent, certain: done });
            if let Some(ttl) = ttl {
                let (possible, certain) = (sent + ttl, done + ttl + EXPIRY_MAX);
                key.changes.push(Change { value: None, possible, certain });
            }
        });
    }

    /// Nobody knows whether a write was done, or will be.
    pub fn lost(&self, key: &str) {
        self.ended(|keys| keys.entry(key.to_owned()).or_default().is_lost = true);
    }

    /// FLUSHALL.
    pub fn flushed(&self, Written { sent, done }: Written) {
        let gone = Change { value: None, possible: sent, certain: done };
        self.ended(|keys| keys.values_mut().for_each(|key| key.changes.push(gone)));
    }

    pub fn all_lost(&self) {
        self.ended(|keys| keys.values_mut().for_each(|key| key.is_lost = true));
    }

    /// A read that was not cached has shown this value at a node.
    pub fn saw(&self, node: usize, key: &str, value: Option<u64>, at: Instant) {
        self.with(key, |key| {
            // What is gone may have gone by any change.
            let Some(index) =
                value.and_then(|value| key.changes.iter().position(|change| change.value == Some(value)))
            else {
                return;
            };
            let seen = key.seen.entry(node).or_insert((index, at));
            if index > seen.0 {
                *seen = (index, at);
            }
        });
    }

    /// Why a value that a client at this node had in its cache at this moment is too old. `core`: the longest time between a
    /// change that is certain and the end of the cached value, `None` where the core may be out of reach; `own`: the same from
    /// the moment when an uncached read has shown the change at this node.
    pub fn is_stale(
        &self,
        node: usize,
        key: &str,
        value: Option<u64>,
        at: Instant,
        core: Option<Duration>,
        own: Duration,
    ) -> Option<String> {
        let keys = self.0.lock().unwrap();
        let held = keys.known.get(key).filter(|key| !key.is_lost)?;
        let certain = |bound: Duration| held.changes.iter().rposition(|change| change.certain + bound < at);
        let seen = held.seen.get(&node).filter(|(_, seen_at)| *seen_at + own < at).map(|(index, _)| *index);
        let last = core.and_then(certain).max(seen)?;
        let is_younger = match value {
            // It names its change.
            Some(value) => {
                let index = held.changes.iter().position(|change| change.value == Some(value));
                index.is_none_or(|index| index >= last)
            }
            // Some change from the last one on, that may have happened, took the key away.
            None => {
                let is_of = |write: &UnderWay| write.key.as_deref().is_none_or(|of| of == key);
                keys.under_way.as_ref().is_some_and(|write| is_of(write) && write.sent <= at)
                    || held
                        .changes
                        .iter()
                        .skip(last)
                        .any(|change| change.value.is_none() && change.possible <= at)
            }
        };
        (!is_younger).then(|| {
            let rest: Vec<String> = held
                .changes
                .iter()
                .skip(last)
                .map(|change| {
                    format!(
                        "{:?} certain {:?} ago",
                        change.value,
                        at.saturating_duration_since(change.certain)
                    )
                })
                .collect();
            format!("{key} was {value:?} in a cache at node {node}, behind it {rest:?}, seen there {seen:?}")
        })
    }
}
