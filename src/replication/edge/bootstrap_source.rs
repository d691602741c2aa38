//! The core's side of a bootstrap snapshot: lists its files and sends them, part by part.
//!
//! It is the node's own snapshot: hard links that cost nothing to make. A snapshot that an edge is fetching stays, although
//! newer ones are made. `edge-bootstraps-max` edges fetch at a time, together at `edge-bootstrap-bytes-per-second` at most.

use super::feed::behind;
use crate::{
    peer::{Answer, CallError},
    replication::{
        consensus::RaftNode,
        snapshots::{Snapshots, read_part},
        wal::{LogError, blocking},
        wire::{self, GetFile, write},
    },
    session::ClusterIdentity,
    store::{Checkpoint, LogId, Store},
};
use parking_lot::{Mutex, RwLock};
use std::{path::PathBuf, sync::Arc, time::Duration};
use tokio::time::Instant;

/// A snapshot that is more entries behind than this is not offered: making a new one costs no more.
const ENTRIES_BEHIND_MAX: u64 = 10_000;

/// Serves bootstrap snapshots.
pub struct BootstrapSource {
    raft: RaftNode,
    store: Arc<Store>,
    snapshots: Arc<Snapshots>,
    directory: PathBuf,
    cluster: Arc<RwLock<ClusterIdentity>>,
    fetching_max: usize,
    bytes_per_second: u64,
    /// When the next part may be sent.
    free_at: Mutex<Instant>,
    one_at_a_time: tokio::sync::Mutex<()>,
}

fn refused(error: impl std::fmt::Display) -> CallError {
    CallError::Refused(error.to_string())
}

impl BootstrapSource {
    pub fn new(
        raft: RaftNode,
        store: Arc<Store>,
        snapshots: Arc<Snapshots>,
        directory: PathBuf,
        cluster: Arc<RwLock<ClusterIdentity>>,
        fetching_max: usize,
        bytes_per_second: u64,
    ) -> Self {
        BootstrapSource {
            raft,
            store,
            snapshots,
            directory,
            cluster,
            fetching_max,
            bytes_per_second,
            free_at: Mutex::new(Instant::now()),
            one_at_a_time: tokio::sync::Mutex::new(()),
        }
    }

    /// The edge no longer fetches.
    pub(super) fn release(&self, edge: u64) {
        self.raft.fetchers.release(edge);
    }

    fn admit(&self, edge: u64) -> bool {
        self.raft.fetchers.admit(edge, self.fetching_max)
    }

    /// The files of a current bootstrap snapshot.
    pub(super) async fn offer(&self, edge: u64, wanted: wire::BootstrapWanted) -> Answer {
        if !self.admit(edge) {
            return Err(refused(
                "edge-bootstraps-max edges are fetching bootstrap snapshots from this node; try again later",
            ));
        }
        if let Some(why) = behind(&self.store, wanted.feature_level) {
            return Err(refused(why));
        }
        let _one = self.one_at_a_time.lock().await;
        let snapshot = self.recent(wanted).await.map_err(refused)?;
        let position = snapshot.position.ok_or_else(|| refused("this node has no data yet"))?;
        let name = snapshot.directory.file_name().unwrap_or_default().to_string_lossy().into_owned();
        self.snapshots.hold(&name);
        let snapshots = Arc::clone(&self.snapshots);
        let files = blocking(move || snapshots.files(&snapshot.directory));
        let files = files.await.map_err(refused)?.map_err(|error| {
            self.raft.note_damage(&error);
            refused(error)
        })?;
        let history = self.cluster.read().history_id.clone();
        let offer = wire::BootstrapOffer { history, term: position.term, index: position.index, name, files };
        Ok(write(&offer))
    }

    /// The newest snapshot, or a new one if that is too far behind.
    async fn recent(&self, wanted: wire::BootstrapWanted) -> Result<Checkpoint, LogError> {
        let applied = self.store.applied().unwrap_or_default();
        if !is_enough(applied, wanted) {
            return Err(LogError::Raft("this node is behind the edge".into()));
        }
        let is_recent = |at: &Checkpoint| {
            at.position.is_some_and(|at| {
                let is_near = applied.index.saturating_sub(at.index) <= ENTRIES_BEHIND_MAX;
                // The log may have been purged past a snapshot since: its receiver would need the next one at once.
                is_enough(at, wanted) && is_near && self.raft.can_feed_from(at.index)
            })
        };
        if let Some(newest) = self.snapshots.newest().filter(is_recent) {
            return Ok(newest);
        }
        self.raft.snapshot().await?;
        self.snapshots.newest().ok_or_else(|| LogError::Raft("there is no snapshot".into()))
    }

    /// A part of a file.
    pub(super) async fn part(&self, edge: u64, wanted: GetFile) -> Answer {
        if !self.admit(edge) {
            return Err(refused(
                "edge-bootstraps-max edges are fetching bootstrap snapshots from this node; try again later",
            ));
        }
        self.snapshots.hold(&wanted.snapshot);
        let directory = self.directory.clone();
        let part = blocking(move || read_part(&directory, &wanted));
        let part = part.await.map_err(refused)?.map_err(refused)?;
        if self.bytes_per_second > 0 {
            let takes = Duration::from_secs_f64(part.len() as f64 / self.bytes_per_second as f64);
            let goes_at = {
                let mut free_at = self.free_at.lock();
                let goes_at = (*free_at).max(Instant::now());
                *free_at = goes_at + takes;
                goes_at
            };
            tokio::time::sleep_until(goes_at + takes).await;
        }
        Ok(part)
    }
}

/// Whether a snapshot at `at` takes the edge forward.
fn is_enough(at: LogId, wanted: wire::BootstrapWanted) -> bool {
    let wire::BootstrapWanted { index_min: index, term_min: term, feature_level: _ } = wanted;
    at.index >= index || term != 0 && at >= LogId { term, index }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_copy_of_a_later_term_is_enough_although_its_index_is_lower() {
        let at = |term, index| LogId { term, index };
        let wanted = |term_min, index_min| wire::BootstrapWanted { term_min, index_min, feature_level: 0 };
        assert!(is_enough(at(2, 9), wanted(2, 9)) && is_enough(at(2, 9), wanted(0, 9)));
        assert!(!is_enough(at(2, 8), wanted(2, 9)) && !is_enough(at(2, 8), wanted(0, 9)));
        assert!(is_enough(at(3, 8), wanted(2, 9)), "the edge's entry was never committed");
        assert!(!is_enough(at(1, 8), wanted(2, 9)));
    }
}
