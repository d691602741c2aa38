//! Sees to the disk: the leader decides whether the data may grow, and every node gives back what it can do without when its
//! disk is getting full.
//!
//! | state of this node's disk | what is done |
//! |---|---|
//! | tight | the log is purged down to `log-retain-bytes`, whatever its age |
//! | low | the store is compacted, again each time something was deleted since; a leader that is alone with this hands over |

use crate::{
    environment::DiskState,
    replication::{
        consensus::RaftNode,
        wal::{Retention, blocking},
    },
    state::{Growth, ReplicationState},
    store::Store,
};
use std::{sync::Arc, time::Duration};
use tokio::time::{Instant, MissedTickBehavior};

const LOOK_INTERVAL: Duration = Duration::from_millis(100);
const PURGE_INTERVAL: Duration = Duration::from_secs(1);
/// Time between two attempts to let another node lead.
const HAND_OVER_INTERVAL: Duration = Duration::from_secs(5);
/// After an attempt that found no room. The engine recovers from that by itself, if it is left alone for some seconds.
const RETRY_INTERVAL: Duration = Duration::from_secs(20);
/// Between two compactions passes this, or as long as the last one took.
const COMPACT_INTERVAL: Duration = Duration::from_secs(5);

/// The task.
pub struct DiskWatch {
    pub store: Arc<Store>,
    pub state: Arc<ReplicationState>,
    pub retention: Retention,
}

impl DiskWatch {
    /// Runs until aborted. Loops side by side: what the leader decides does not wait for a compaction.
    pub async fn run(self, raft: RaftNode) {
        tokio::join!(self.judge(&raft), self.purge(&raft), self.compact(&raft));
    }

    async fn judge(&self, raft: &RaftNode) {
        let mut interval = every(LOOK_INTERVAL);
        let mut offered: Option<Instant> = None;
        loop {
            interval.tick().await;
            if self.state.edge.is_edge() || !self.state.is_leader() {
                continue;
            }
            let own_is_low = self.state.disk.state() >= DiskState::Low;
            let growth = raft.growth(own_is_low);
            raft.refuse_growth(growth == Growth::Refused);
            let is_due = offered.is_none_or(|at| at.elapsed() >= HAND_OVER_INTERVAL);
            if growth == Growth::ElsewhereOnly && is_due {
                offered = Some(Instant::now());
                let raft = raft.clone();
                tokio::spawn(async move { raft.hand_over_to_room().await });
            }
        }
    }

    async fn purge(&self, raft: &RaftNode) {
        let mut interval = every(PURGE_INTERVAL);
        loop {
            interval.tick().await;
            // A snapshot has to be written first, and the memtables with it.
            if self.state.disk.state() >= DiskState::Tight && self.state.disk.fits(0) {
                let keep = Retention::of_bytes(self.retention.bytes);
                if let Err(error) = raft.purge(&keep).await {
                    tracing::warn!(%error, "cannot purge the log; trying again");
                }
            }
        }
    }

    async fn compact(&self, raft: &RaftNode) {
        let mut interval = every(LOOK_INTERVAL);
        let (mut compacted, mut due) = (None, Instant::now());
        loop {
            interval.tick().await;
            let (applied, is_low) = (self.state.applied_index(), self.state.disk.state() >= DiskState::Low);
            if self.store.compacts() == is_low {
                self.set_compacts(!is_low).await;
            }
            if !is_low || compacted == Some(applied) || Instant::now() < due {
                continue;
            }
            if !self.store.can_compact() {
                let left = self.state.disk.left();
                tracing::warn!(left, "there is no room to compact the store; make room on the disk");
                due = Instant::now() + RETRY_INTERVAL;
                continue;
            }
            let (began, before) = (Instant::now(), self.state.disk.left());
            let store = Arc::clone(&self.store);
            let outcome = blocking(move || {
                // Twice: the first makes known to the files which databases were flushed.
                store.flush()?;
                store.collect_dead_namespaces()?;
                store.compact()
            });
            match outcome.await {
                Ok(Ok(())) => compacted = Some(applied),
                Ok(Err(error)) if error.is_disk_full() => {
                    tracing::warn!(%error, "no room to compact the store; trying again");
                    due = Instant::now() + RETRY_INTERVAL;
                    continue;
                }
                Ok(Err(error)) => error.stop_the_process("the store failed"),
                Err(error) => tracing::warn!(%error, "cannot compact the store; trying again"),
            }
            // The newest snapshot has the files that were there before.
            if let Err(error) = raft.snapshot_anew().await {
                tracing::warn!(%error, "cannot replace the snapshot; trying again");
            }
            let seconds = began.elapsed().as_secs_f32();
            tracing::info!(
                seconds,
                before,
                left = self.state.disk.left(),
                "compacted the store for want of disk space"
            );
            due = Instant::now() + COMPACT_INTERVAL.max(began.elapsed());
        }
    }

    /// While the disk is low only `compact` does, which asks first whether there is room.
    async fn set_compacts(&self, compacts: bool) {
        let store = Arc::clone(&self.store);
        match blocking(move || store.set_compacts(compacts)).await {
            Ok(Err(error)) if !error.is_disk_full() => error.stop_the_process("the store failed"),
            Ok(_) | Err(_) => {}
        }
    }
}

fn every(period: Duration) -> tokio::time::Interval {
    let mut interval = tokio::time::interval(period);
    interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
    interval
}
