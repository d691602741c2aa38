//! Keeps the data within `maxmemory`, as the leader of a core: draws keys, chooses those that were used least, and proposes their
//! deletion. Before that, it has the rows of before feature level 7 counted.
//!
//! ```text
//! draw (victims.rs) ─▶ pool of the best so far ─▶ entry: names, revisions, how far down ─▶ all replicas and edges
//! ```
//! * **Which key goes** follows from what this node knows of accesses, and is in the log; so it is the same key everywhere.
//! * **A key that was written meanwhile stays**: the entry goes by revisions.
//! * **It never goes below the limit by more than a 256th**: the entry says where to stop.
//! * **One entry at a time**, of bounded size. Writers wait while the data are beyond the limit and its slack (`state/memory.rs`).

use crate::{
    config::{DataLimit, Eviction, EvictionOrder},
    error::StoreError,
    replica::{CountRows, Evict, Victim},
    replication::{
        queue::{Outcome, Queue},
        wal::blocking,
    },
    resp::Reply,
    session::Stats,
    state::ReplicationState,
    store::{Candidate, Sampler, Store, VictimOrder},
};
use bytes::Bytes;
use parking_lot::Mutex;
use std::{sync::Arc, time::Duration};

/// Keys of one entry, and bytes of their names, about.
const VICTIMS_MAX: usize = 512;
const VICTIM_BYTES_MAX: usize = 256 << 10;
/// Keys that are looked at for one of them, at most.
const SAMPLES_MAX: usize = 64;
/// Least number of keys to draw for an entry: fewer say too little of which are idle.
const DRAWN_MIN: usize = 32;
/// Keys that are kept for the next entry.
const POOL_MAX: usize = 64;
/// The share of the limit by which the data are taken below it.
const MARGIN_SHARE: u64 = 256;
/// After an entry that was not done, or a draw that found nothing.
const RETRY_INTERVAL: Duration = Duration::from_millis(20);
/// Longest time without a look: this node may have begun to lead.
const LOOK_INTERVAL: Duration = Duration::from_millis(200);
/// Rows that one entry counts, sub-keys included, and the time between two.
const COUNTED_ROWS: u32 = 4096;
const COUNT_INTERVAL: Duration = Duration::from_millis(50);
/// Time between two looks whether there is something to count.
const COUNT_LOOK_INTERVAL: Duration = Duration::from_secs(1);

/// The task.
pub struct Evictor {
    pub store: Arc<Store>,
    pub state: Arc<ReplicationState>,
    pub queue: Arc<Queue>,
    pub stats: Arc<Stats>,
}

/// What is remembered from entry to entry.
struct Chooser {
    eviction: Eviction,
    sampler: Sampler,
    /// Best last.
    pool: Vec<Candidate>,
}

impl Evictor {
    /// Runs until aborted. Works only where this node leads.
    pub async fn run(&self) {
        tokio::join!(self.evict(), self.count());
    }

    async fn evict(&self) {
        let chooser: Arc<Mutex<Option<Chooser>>> = Arc::default();
        loop {
            let limit = **self.state.memory.limit();
            let (is_beyond, is_leader) = (self.is_beyond(&limit), self.state.leads_surely());
            self.state.memory.note_exceeded(is_beyond && is_leader);
            let is_own = !self.store.latest().source().is_some_and(|source| source.is_engaged());
            let Some(eviction) = limit.eviction.filter(|_| is_beyond && is_leader && is_own) else {
                let _ = tokio::time::timeout(LOOK_INTERVAL, self.state.memory.news()).await;
                continue;
            };
            if !self.has_victims(eviction) {
                self.state.memory.set_stuck(true);
                let _ = tokio::time::timeout(LOOK_INTERVAL, self.state.memory.news()).await;
                continue;
            }
            self.state.memory.set_stuck(false);
            let target = limit.bytes.saturating_sub(limit.bytes / MARGIN_SHARE);
            let victims = self.choose(&chooser, eviction, limit.samples, target).await;
            let evicted = match victims.is_empty() {
                true => None,
                false => self.propose(Evict::encode(target, &victims)).await,
            };
            match evicted {
                Some(Reply::Int(keys)) => Stats::add(&self.stats.evicted_keys, keys.unsigned_abs()),
                _ => tokio::time::sleep(RETRY_INTERVAL).await,
            }
        }
    }

    fn is_beyond(&self, limit: &DataLimit) -> bool {
        limit.bytes != 0 && self.state.memory.bytes() > limit.bytes
    }

    fn has_victims(&self, eviction: Eviction) -> bool {
        let published = self.store.latest();
        published.state().databases().iter().any(|database| match eviction.is_of_expiring_keys {
            true => database.expires > 0,
            false => database.keys > 0,
        })
    }

    async fn choose(
        &self,
        chooser: &Arc<Mutex<Option<Chooser>>>,
        eviction: Eviction,
        samples: usize,
        target: u64,
    ) -> Vec<Victim<Vec<u8>>> {
        let (store, chooser) = (Arc::clone(&self.store), Arc::clone(chooser));
        let seed = self.state.environment().random();
        let excess = self.state.memory.bytes().saturating_sub(target);
        let chosen = blocking(move || {
            let mut chooser = chooser.lock();
            if chooser.as_ref().is_none_or(|chooser| chooser.eviction != eviction) {
                *chooser = Some(Chooser::new(eviction, seed));
            }
            match chooser.as_mut() {
                Some(chooser) => chooser.choose(&store, excess, samples),
                None => Ok(Vec::new()),
            }
        });
        match chosen.await {
            Ok(Ok(victims)) => victims,
            Ok(Err(error)) => error.stop_the_process("the store failed"),
            Err(error) => {
                tracing::warn!(%error, "cannot look for keys to evict; trying again");
                Vec::new()
            }
        }
    }

    /// Has rows counted that no write has counted since the level was raised.
    async fn count(&self) {
        let mut from = Vec::new();
        loop {
            let is_uncounted = {
                let published = self.store.latest();
                published.state().counts_bytes() && !published.state().is_counted()
            };
            let is_due = is_uncounted && !self.state.edge.is_edge() && self.state.leads_surely();
            if !is_due {
                from.clear();
                tokio::time::sleep(COUNT_LOOK_INTERVAL).await;
                continue;
            }
            let entry = CountRows { rows_max: COUNTED_ROWS, from: &from }.encode();
            from = match self.propose(entry).await {
                Some(Reply::Bulk(next)) => next.to_vec(),
                Some(_) => {
                    tracing::info!(
                        bytes = self.state.memory.bytes(),
                        "counted what keys and values take that earlier builds have written"
                    );
                    Vec::new()
                }
                // Another node may lead by now, and begins at the beginning, as this one does if it still leads.
                None => Vec::new(),
            };
            tokio::time::sleep(COUNT_INTERVAL).await;
        }
    }

    /// Its reply, once it is applied; `None`: it was not, or nobody knows.
    async fn propose(&self, proposal: Bytes) -> Option<Reply> {
        match self.queue.propose(proposal, true).await {
            Ok(Outcome::Applied(mut replies)) => replies.pop(),
            Ok(Outcome::NotDone(_) | Outcome::Unknown(_)) | Err(_) => None,
        }
    }
}

impl Chooser {
    fn new(eviction: Eviction, seed: u64) -> Self {
        let sampler = Sampler::new(order_of(eviction), eviction.is_of_expiring_keys, seed);
        Chooser { eviction, sampler, pool: Vec::new() }
    }

    /// Keys that together take so much, or as many as fit an entry; the first should go first.
    fn choose(
        &mut self,
        store: &Store,
        excess: u64,
        samples: usize,
    ) -> Result<Vec<Victim<Vec<u8>>>, StoreError> {
        let order = order_of(self.eviction);
        // What the last draw says of their size.
        let known = self.pool.iter().fold(0_u64, |sum, candidate| sum.saturating_add(candidate.bytes));
        let mean = known.checked_div(self.pool.len() as u64).unwrap_or(0).max(1);
        let wanted = usize::try_from(excess / mean).unwrap_or(usize::MAX).saturating_add(1);
        let wanted = if self.pool.is_empty() { 1 } else { wanted.min(VICTIMS_MAX) };
        let drawn = wanted.saturating_mul(samples.clamp(1, SAMPLES_MAX)).max(DRAWN_MIN);
        for candidate in &mut self.pool {
            store.rate_again(order, candidate);
        }
        self.pool.extend(store.look_for_victims(&mut self.sampler, drawn)?);
        // Of equals, the one that was written first.
        self.pool.sort_by(|a, b| a.score.cmp(&b.score).then_with(|| b.revision.cmp(&a.revision)));
        self.pool.dedup_by(|a, b| a.namespace == b.namespace && a.key == b.key);
        let (mut victims, mut bytes, mut names) = (Vec::new(), 0_u64, 0_usize);
        while victims.len() < wanted && bytes < excess && names < VICTIM_BYTES_MAX {
            let Some(Candidate { namespace, key, revision, bytes: takes, .. }) = self.pool.pop() else {
                break;
            };
            bytes = bytes.saturating_add(takes);
            names = names.saturating_add(key.len());
            victims.push(Victim { namespace, key, revision });
        }
        let surplus = self.pool.len().saturating_sub(POOL_MAX);
        self.pool.drain(..surplus);
        Ok(victims)
    }
}

fn order_of(eviction: Eviction) -> VictimOrder {
    match eviction.order {
        EvictionOrder::LeastRecentlyUsed => VictimOrder::Idle,
        EvictionOrder::LeastFrequentlyUsed => VictimOrder::Frequency,
        EvictionOrder::Random => VictimOrder::Random,
        EvictionOrder::SoonestToExpire => VictimOrder::Expiry,
    }
}
