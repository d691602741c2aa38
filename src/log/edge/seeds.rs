//! The core's side of a whole copy: which files it is made of, and the files, part by part.
//!
//! A copy is the node's own snapshot: hard links, made at no cost. One that is being fetched stays although newer ones are
//! made. Few edges fetch at a time, and all together no faster than they may.

use super::wire;
use crate::{
    log::{
        LogError,
        blocking::blocking,
        raft::{
            RaftNode, Snapshots, read_part,
            wire::{GetFile, write},
        },
    },
    peer::{Answer, CallError},
    session::ClusterIdentity,
    store::Checkpoint,
};
use parking_lot::{Mutex, RwLock};
use std::{path::PathBuf, sync::Arc, time::Duration};
use tokio::time::Instant;

/// A snapshot that many entries behind is not given away: the next one costs no more.
const ENTRIES_BEHIND_MAX: u64 = 10_000;

/// See the module.
pub(in crate::log) struct Seeds {
    raft: RaftNode,
    snapshots: Arc<Snapshots>,
    directory: PathBuf,
    cluster: Arc<RwLock<ClusterIdentity>>,
    fetching_max: usize,
    bytes_per_second: u64,
    /// When the next part may go.
    free_at: Mutex<Instant>,
    one_at_a_time: tokio::sync::Mutex<()>,
}

fn refused(error: impl std::fmt::Display) -> CallError {
    CallError::Refused(error.to_string())
}

impl Seeds {
    pub(in crate::log) fn new(
        raft: RaftNode,
        snapshots: Arc<Snapshots>,
        directory: PathBuf,
        cluster: Arc<RwLock<ClusterIdentity>>,
        fetching_max: usize,
        bytes_per_second: u64,
    ) -> Self {
        Seeds {
            raft,
            snapshots,
            directory,
            cluster,
            fetching_max,
            bytes_per_second,
            free_at: Mutex::new(Instant::now()),
            one_at_a_time: tokio::sync::Mutex::new(()),
        }
    }

    /// The edge fetches no more.
    pub(super) fn release(&self, edge: u64) {
        self.raft.fetchers.release(edge);
    }

    fn admit(&self, edge: u64) -> bool {
        self.raft.fetchers.admit(edge, self.fetching_max)
    }

    /// What a whole copy of now is made of.
    pub(super) async fn offer(&self, edge: u64, wanted: wire::SeedWanted) -> Answer {
        if !self.admit(edge) {
            return Err(refused("as many edges as may fetch whole copies from this node at the moment"));
        }
        let _one = self.one_at_a_time.lock().await;
        let snapshot = self.recent(wanted.index_min).await.map_err(refused)?;
        let position = snapshot.position.ok_or_else(|| refused("this node has no data yet"))?;
        let name = snapshot.directory.file_name().unwrap_or_default().to_string_lossy().into_owned();
        self.snapshots.hold(&name);
        let snapshots = Arc::clone(&self.snapshots);
        let files = blocking(move || snapshots.files(&snapshot.directory));
        let files = files.await.map_err(refused)?.map_err(refused)?;
        let history = self.cluster.read().history_id.clone();
        let offer = wire::SeedOffer { history, term: position.term, index: position.index, name, files };
        Ok(write(&offer))
    }

    /// The newest snapshot, or a new one if that is too far behind.
    async fn recent(&self, index_min: u64) -> Result<Checkpoint, LogError> {
        let applied = self.raft.applied_index();
        if applied < index_min {
            return Err(LogError::Raft("this node is behind the edge".into()));
        }
        let is_recent = |at: &Checkpoint| {
            at.position.is_some_and(|at| {
                at.index >= index_min && applied.saturating_sub(at.index) <= ENTRIES_BEHIND_MAX
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
            return Err(refused("as many edges as may fetch whole copies from this node at the moment"));
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
