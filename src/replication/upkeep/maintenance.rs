//! Periodic upkeep of the log: purges it, deletes expired keys, removes dead rows. It runs the evictor as well.
//!
//! Deleting an expired key is an ordinary log entry proposed by the leader, so every replica deletes it at the same log
//! position. It proposes nothing unless something is due.

use super::evict::Evictor;
use crate::{
    error::StoreError,
    limits::EXPIRE_SWEEP_KEYS_MAX,
    replica::ProposalBuilder,
    replication::{
        consensus::RaftNode,
        queue::{Outcome, Queue},
        wal::{Retention, blocking},
    },
    resp::Reply,
    session::Stats,
    state::{LatencyEvent, ReplicationState},
    store::{NextDue, Store},
};
use std::{sync::Arc, time::Duration};
use tokio::time::MissedTickBehavior;

const SWEEP_INTERVAL: Duration = Duration::from_millis(100);
/// Rows of flushed databases to step over each time.
const STEPS_MAX: usize = 1 << 16;
/// Time between two checks of the log's size.
const PURGE_INTERVAL: Duration = Duration::from_secs(1);
/// Time between two samples of keys' expiries.
const LIFETIMES_INTERVAL: Duration = Duration::from_secs(1);
/// Time between two scans for new files of the store.
const FILES_INTERVAL: Duration = Duration::from_secs(1);
/// Time between two scans for rows of flushed databases.
const COLLECT_INTERVAL: Duration = Duration::from_secs(10);

/// The upkeep task.
pub struct Maintenance {
    store: Arc<Store>,
    state: Arc<ReplicationState>,
    queue: Arc<Queue>,
    stats: Arc<Stats>,
    retention: Retention,
    evictor: Evictor,
    /// Whether it deletes expired keys, and evicts; on an edge the core's entries do.
    sweeps: bool,
}

impl Maintenance {
    pub fn new(
        store: Arc<Store>,
        state: Arc<ReplicationState>,
        queue: Arc<Queue>,
        stats: Arc<Stats>,
        retention: Retention,
    ) -> Self {
        let evictor = Evictor {
            store: Arc::clone(&store),
            state: Arc::clone(&state),
            queue: Arc::clone(&queue),
            stats: Arc::clone(&stats),
        };
        Maintenance { store, state, queue, stats, retention, evictor, sweeps: true }
    }

    /// As this, but (if so) expired keys are not deleted, and none are evicted.
    pub fn without_sweeps(self, without: bool) -> Self {
        Maintenance { sweeps: !without, ..self }
    }

    /// Runs until aborted. Loops side by side: expiry does not wait for a compaction or a snapshot.
    pub async fn run(self, raft: RaftNode) {
        tokio::join!(
            async {
                if self.sweeps {
                    self.evictor.run().await;
                }
            },
            async {
                let mut interval = every(SWEEP_INTERVAL);
                loop {
                    interval.tick().await;
                    self.sweep().await;
                }
            },
            async {
                let mut interval = every(PURGE_INTERVAL);
                loop {
                    interval.tick().await;
                    if let Err(error) = raft.purge(&self.retention).await {
                        tracing::warn!(%error, "cannot purge the log; trying again");
                    }
                }
            },
            async {
                let mut interval = every(LIFETIMES_INTERVAL);
                loop {
                    interval.tick().await;
                    self.look_at_lifetimes().await;
                }
            },
            async {
                let mut interval = every(FILES_INTERVAL);
                let mut seen = 0;
                loop {
                    interval.tick().await;
                    seen = self.off_thread(move |store| store.note_new_files(seen)).await.unwrap_or(seen);
                }
            },
            async {
                let mut interval = every(COLLECT_INTERVAL);
                let mut collected = 0;
                loop {
                    interval.tick().await;
                    collected = self.collect(collected).await;
                }
            }
        );
    }

    /// Deletes expired keys, and fields of hashes, until none is due.
    async fn sweep(&self) {
        // On every node: each steps over rows of flushed databases by itself, before an entry has to.
        while self.is_something_due().await && self.sweeps && self.state.leads_surely() {
            let began_us = self.state.environment().monotonic_us();
            let Ok(outcome) = self.queue.propose(ProposalBuilder::sweep(EXPIRE_SWEEP_KEYS_MAX), false).await
            else {
                return;
            };
            let took_us = self.state.environment().monotonic_us().saturating_sub(began_us);
            self.state.latency.add_us(LatencyEvent::ExpireCycle, took_us);
            let (keys, fields) = deleted(&outcome);
            Stats::add(&self.stats.expired_keys, keys);
            Stats::add(&self.stats.expired_subkeys, fields);
            if keys.saturating_add(fields) < u64::from(EXPIRE_SWEEP_KEYS_MAX) {
                return;
            }
        }
    }

    async fn is_something_due(&self) -> bool {
        // Only the source deletes keys.
        if self.store.latest().source().is_some_and(|source| source.is_engaged()) {
            return false;
        }
        // Fields expire without being counted: any key may be a hash that has some.
        if self.store.published().state().databases().iter().all(|database| database.keys == 0) {
            return false;
        }
        match self.off_thread(|store| store.next_due(STEPS_MAX)).await {
            Some(NextDue::At(expires_at)) => expires_at <= self.state.clock.now_ms(),
            Some(NextDue::StepsUsedUp | NextDue::Nothing) | None => false,
        }
    }

    /// For INFO: how long keys that expire have left.
    async fn look_at_lifetimes(&self) {
        if self.store.published().state().databases().iter().any(|database| database.expires > 0) {
            let now = self.state.clock.now_ms();
            self.off_thread(move |store| store.look_at_lifetimes(now)).await;
        }
    }

    /// Lets compaction drop the rows of flushed databases, if there are more since `collected` namespaces were handed out;
    /// returns how many were this time.
    async fn collect(&self, collected: u32) -> u32 {
        let next_namespace = self.store.published().state().next_namespace;
        if next_namespace == collected {
            return collected;
        }
        let flushed = self.off_thread(|store| {
            let flushed = store.flushed()?;
            store.collect_dead_namespaces()?;
            Ok(flushed)
        });
        // Again next time unless the flushed state already knew of all of them.
        match flushed.await {
            Some(flushed) if flushed == self.store.applied() => next_namespace,
            _ => collected,
        }
    }

    /// Runs what may wait for the disk away from the raft thread. A store that fails stops the process.
    async fn off_thread<T: Send + 'static>(
        &self,
        run: impl FnOnce(&Store) -> Result<T, StoreError> + Send + 'static,
    ) -> Option<T> {
        let store = Arc::clone(&self.store);
        match blocking(move || run(&store)).await {
            Ok(Ok(value)) => Some(value),
            Ok(Err(error)) if error.is_disk_full() => {
                tracing::warn!(%error, "no room for the upkeep of the store; trying again");
                None
            }
            Ok(Err(error)) => error.stop_the_process("the store failed"),
            Err(error) => {
                tracing::warn!(%error, "cannot scan the store for expired keys; trying again");
                None
            }
        }
    }
}

/// Keys and fields that a sweep deleted.
fn deleted(outcome: &Outcome) -> (u64, u64) {
    let counts = match outcome {
        Outcome::Applied(replies) => match replies.first() {
            Some(Reply::Array(counts)) => &counts[..],
            _ => &[],
        },
        Outcome::NotDone(_) | Outcome::Unknown(_) => &[],
    };
    match counts {
        [Reply::Int(keys), Reply::Int(fields)] => (keys.unsigned_abs(), fields.unsigned_abs()),
        _ => (0, 0),
    }
}

fn every(period: Duration) -> tokio::time::Interval {
    let mut interval = tokio::time::interval(period);
    interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
    interval
}
