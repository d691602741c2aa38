//! openraft's view of the store: has entries applied, here or on the apply thread, builds and installs snapshots.

use super::{
    apply::{Applier, JOBS_MAX, Job, ToApply, is_bootstrap},
    membership,
    snapshot::to_raft,
    types::{
        RaftLogId, RaftSnapshot, RaftSnapshotMeta, RaftStoredMembership, SnapshotFiles, Types, log_id,
        position,
    },
};
use crate::{
    replica::BootstrapSnapshot,
    replication::{
        snapshots::{BootstrapSnapshots, Snapshots},
        wal::{LogError, blocking},
    },
    store::Store,
};
use crossbeam::channel::Sender;
use futures::{Stream, TryStreamExt};
use openraft::{
    EntryPayload, OptionalSend, RaftSnapshotBuilder,
    storage::{EntryResponder, RaftStateMachine},
};
use parking_lot::Mutex;
use std::{collections::VecDeque, fs, io, path::PathBuf, sync::Arc, time::Duration};
use tokio::sync::oneshot;

/// Between two attempts to make a snapshot for which there is no room. Each flushes the store, which recovers by itself if it
/// is left alone for some seconds.
const NO_ROOM_INTERVAL: Duration = Duration::from_secs(20);
/// Payload bytes handed to the apply thread at a time.
const CHUNK_BYTES_MAX: usize = 4 << 20;
/// Entries handed to the apply thread at a time.
const CHUNK_ENTRIES_MAX: usize = 1024;
/// A chunk up to this size is applied on the raft thread if its words bound its work: waking the apply thread and being
/// woken by it would cost more than the work (measured at 50 clients without pipelining: a sixth of all CPU time). Anything
/// else must not keep the raft core from its heartbeats, votes and read indexes.
const INLINE_BYTES_MAX: usize = 32 << 10;
/// How long it may take there: entries that are left go to the apply thread. A call is not interrupted, and one that meets
/// a large value, or a slow disk, may take longer;
const INLINE_MAX_US: u64 = 2_000;
/// after one that took so long
const INLINE_SLOW_US: u64 = 20_000;
/// nothing is applied on the raft thread for this time.
const INLINE_PAUSE_US: u64 = 10_000_000;

/// The store as openraft's state machine.
pub struct StateMachine {
    store: Arc<Store>,
    snapshots: Arc<Snapshots>,
    jobs: Option<Sender<Job>>,
    applier: Arc<Mutex<Applier>>,
    bootstrap_snapshots: Arc<BootstrapSnapshots>,
    /// Jobs on the apply thread, oldest first.
    outstanding: VecDeque<oneshot::Receiver<()>>,
    /// `INLINE_MAX_US` and `INLINE_SLOW_US`, but in tests that do not look at the clock.
    pub(super) inline_max_us: u64,
    pub(super) inline_slow_us: u64,
    /// Until then (`Applier::monotonic_us`) everything is applied on the apply thread.
    inline_from_us: u64,
    /// On an edge: the store is at this entry already (`BootstrapSnapshots::ensure`), and openraft is still behind.
    ahead: Option<u64>,
}

impl StateMachine {
    pub(super) fn new(
        store: Arc<Store>,
        snapshots: Arc<Snapshots>,
        jobs: Option<Sender<Job>>,
        applier: Arc<Mutex<Applier>>,
        bootstrap_snapshots: Arc<BootstrapSnapshots>,
    ) -> Self {
        StateMachine {
            store,
            snapshots,
            jobs,
            applier,
            bootstrap_snapshots,
            outstanding: VecDeque::with_capacity(JOBS_MAX),
            inline_max_us: INLINE_MAX_US,
            inline_slow_us: INLINE_SLOW_US,
            inline_from_us: 0,
            ahead: None,
        }
    }

    fn hand_over(&mut self, make: impl FnOnce(oneshot::Sender<()>) -> Job) -> io::Result<()> {
        let (done, wait) = oneshot::channel();
        match &self.jobs {
            // There is room: at most JOBS_MAX jobs are outstanding.
            Some(jobs) => jobs.send(make(done)).map_err(|_| ended())?,
            None => self.applier.lock().run(make(done)),
        }
        self.outstanding.push_back(wait);
        Ok(())
    }

    /// Waits until at most `left` jobs are outstanding.
    async fn drain_jobs(&mut self, left: usize) -> io::Result<()> {
        while self.outstanding.len() > left {
            if let Some(wait) = self.outstanding.pop_front() {
                wait.await.map_err(|_| ended())?;
            }
        }
        Ok(())
    }

    /// On an edge: waits until these bootstrap snapshots are here, each before the entry with its index, or goes past them.
    async fn have_bootstraps(&mut self, wanted: Vec<(u64, BootstrapSnapshot)>) -> io::Result<()> {
        for (index, snapshot) in wanted {
            if self.ahead.is_some_and(|ahead| index <= ahead) {
                continue;
            }
            if let Some(directory) = self.bootstrap_snapshots.ensure(index, &snapshot).await {
                let from = directory.clone();
                self.hand_over(|done| Job::GoPast { directory: from, done })?;
                self.drain_jobs(0).await?;
                self.ahead = self.store.applied().map(|at| at.index);
                // The store has names of its own for the files.
                let removed = blocking(move || fs::remove_dir_all(&directory)).await;
                removed.map_err(io::Error::other)??;
            }
        }
        Ok(())
    }

    /// openraft has reached this entry.
    fn come_to(&mut self, index: Option<u64>) {
        self.ahead = self.ahead.filter(|ahead| index.is_none_or(|index| index < *ahead));
    }

    /// Applies a chunk right here if that is little work; returns what is left for the apply thread.
    fn apply_inline(&mut self, entries: Vec<ToApply>, bytes: usize) -> Vec<ToApply> {
        if !self.outstanding.is_empty() || bytes > INLINE_BYTES_MAX {
            return entries;
        }
        // Free: nothing is on the apply thread.
        let applier = self.applier.lock();
        let began = applier.monotonic_us();
        if began < self.inline_from_us || !applier.is_little_work(&entries) {
            return entries;
        }
        let left = applier.entries_until(entries, began.saturating_add(self.inline_max_us));
        let ended = applier.monotonic_us();
        if ended.saturating_sub(began) > self.inline_slow_us {
            self.inline_from_us = ended.saturating_add(INLINE_PAUSE_US);
        }
        left
    }

    /// Forgets finished jobs.
    fn look(&mut self) {
        while self.outstanding.front_mut().is_some_and(|wait| wait.try_recv().is_ok()) {
            self.outstanding.pop_front();
        }
    }
}

fn ended() -> io::Error {
    io::Error::other("the apply thread has ended")
}

impl RaftStateMachine<Types> for StateMachine {
    type SnapshotData = SnapshotFiles;
    type SnapshotBuilder = SnapshotBuilder;

    async fn applied_state(&mut self) -> io::Result<(Option<RaftLogId>, RaftStoredMembership)> {
        self.drain_jobs(0).await?;
        let bytes = self.store.membership().map_err(|error| LogError::from(error).or_repair())?;
        let membership = membership::decode_stored(bytes.as_deref()).map_err(io::Error::other)?;
        Ok((self.store.applied().map(log_id), membership))
    }

    /// Applies a chunk at once if it is little work. Others are handed to the apply thread without waiting for it, so that
    /// it goes from one to the next without a pause. openraft then takes for applied what soon will be. It may: it answers
    /// nobody by it, entries are applied in the order of this call, and every question to the state machine waits for the
    /// jobs first.
    async fn apply<S>(&mut self, mut entries: S) -> io::Result<()>
    where
        S: Stream<Item = io::Result<EntryResponder<Types>>> + Unpin + OptionalSend,
    {
        loop {
            let (entries, bytes, more) = next_chunk(&mut entries).await?;
            if self.bootstrap_snapshots.is_edge() && entries.iter().any(|(entry, _)| is_bootstrap(entry)) {
                // With nothing on the apply thread, the applier is free.
                self.drain_jobs(0).await?;
                let wanted = self.applier.lock().wanted_bootstraps(&entries);
                self.have_bootstraps(wanted).await?;
            }
            self.come_to(entries.last().map(|(entry, _)| entry.log_id.index));
            self.look();
            let entries = self.apply_inline(entries, bytes);
            if !entries.is_empty() {
                self.drain_jobs(JOBS_MAX - 1).await?;
                self.hand_over(|done| Job::Entries { entries, done })?;
            }
            if !more {
                return Ok(());
            }
        }
    }

    /// No snapshot is built while the store is ahead: openraft would consider entries done that it has not reached.
    async fn try_create_snapshot_builder(&mut self, _force: bool) -> Option<SnapshotBuilder> {
        match self.ahead {
            Some(_) => None,
            None => Some(self.get_snapshot_builder().await),
        }
    }

    async fn get_snapshot_builder(&mut self) -> SnapshotBuilder {
        // An error means that the apply thread is gone; the next call will report it.
        let _ = self.drain_jobs(0).await;
        SnapshotBuilder { snapshots: Arc::clone(&self.snapshots) }
    }

    async fn install_snapshot(&mut self, meta: &RaftSnapshotMeta, snapshot: SnapshotFiles) -> io::Result<()> {
        let directory: PathBuf = snapshot.directory;
        self.drain_jobs(0).await?;
        self.come_to(meta.last_log_id.as_ref().map(|id| id.index));
        // Before the store's new position becomes visible: openraft truncates a tail of the log only where it knows the
        // tail to differ, and purges the rest when this has returned.
        if let Some(last) = &meta.last_log_id {
            self.bootstrap_snapshots.log.cover(position(last));
        }
        // A store that is still ahead stays there.
        if self.ahead.is_none() {
            self.hand_over(|done| Job::Install { directory, done })?;
            self.drain_jobs(0).await?;
            if self.store.applied().map(log_id) != meta.last_log_id {
                return Err(io::Error::other("the installed snapshot is not the one it was said to be"));
            }
        }
        // From our own files: the received ones may be removed, and `get_current_snapshot` returns this one.
        build(&self.snapshots).await?;
        Ok(())
    }

    async fn get_current_snapshot(&mut self) -> io::Result<Option<RaftSnapshot>> {
        let current = self.snapshots.newest().as_ref().map(to_raft).transpose();
        Ok(current.map_err(|error| LogError::from(error).or_repair())?)
    }
}

/// Entries up to the bounds of a chunk, and whether there may be more.
async fn next_chunk<S>(entries: &mut S) -> io::Result<(Vec<ToApply>, usize, bool)>
where
    S: Stream<Item = io::Result<EntryResponder<Types>>> + Unpin + OptionalSend,
{
    let (mut chunk, mut bytes) = (Vec::new(), 0_usize);
    while let Some((entry, responder)) = entries.try_next().await? {
        if let EntryPayload::Normal(payload) = &entry.payload {
            bytes = bytes.saturating_add(payload.0.len());
        }
        chunk.push((entry, responder));
        if bytes >= CHUNK_BYTES_MAX || chunk.len() >= CHUNK_ENTRIES_MAX {
            return Ok((chunk, bytes, true));
        }
    }
    Ok((chunk, bytes, false))
}

/// Builds a snapshot off the runtime's thread. Where there is no room it waits for some: openraft ends with any error.
async fn build(snapshots: &Arc<Snapshots>) -> io::Result<RaftSnapshot> {
    loop {
        let snapshots = Arc::clone(snapshots);
        match blocking(move || snapshots.build()).await.map_err(io::Error::other)? {
            Err(error) if error.is_disk_full() => {
                tracing::warn!(%error, "no room for a snapshot; trying again");
                tokio::time::sleep(NO_ROOM_INTERVAL).await;
            }
            built => return built.and_then(|checkpoint| to_raft(&checkpoint)).map_err(io::Error::other),
        }
    }
}

/// Makes a checkpoint of the store, which contains its own log position.
pub struct SnapshotBuilder {
    snapshots: Arc<Snapshots>,
}

impl RaftSnapshotBuilder<Types> for SnapshotBuilder {
    type SnapshotData = SnapshotFiles;

    async fn build_snapshot(&mut self) -> io::Result<RaftSnapshot> {
        build(&self.snapshots).await
    }
}
