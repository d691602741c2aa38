//! Takes one backup: a checkpoint, the files of it that are not in the object store, the manifest. And removes old ones.

use super::{
    BackupError, Result, archive, io,
    manifest::{BackupFile, FORMAT_VERSION, Manifest},
    objects::{Objects, Pace},
};
use crate::{
    replication::{FileMeta, GroupHandle, Snapshots},
    session::Node,
    state::{DoneBackup, RunningBackup},
    store::{Checkpoint, Store},
    time::now_ms,
};
use futures::{StreamExt, TryStreamExt, stream};
use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};
use tokio::task::spawn_blocking;

/// Files sent at a time.
const FILES_AT_ONCE: usize = 4;
/// How often the checkpoint is said to be in use.
const HOLD_INTERVAL: Duration = Duration::from_secs(15);
const FILES: &str = "files";

/// One backup of this node's data.
pub struct Taking<'a> {
    pub group: &'a GroupHandle,
    pub node: &'a Node,
    pub objects: &'a Objects,
    /// 0 = no limit.
    pub bytes_per_second: u64,
    /// Backups to keep; 0 = all.
    pub keep: usize,
}

impl Taking<'_> {
    /// Takes it, and says so in the node's state.
    pub async fn run(&self) -> Result<DoneBackup> {
        let began = Instant::now();
        let running = RunningBackup { began_at_ms: now_ms(), ..RunningBackup::default() };
        self.node.backups.change(|status| status.running = Some(running));
        let outcome = self.take(began).await;
        self.node.backups.change(|status| {
            status.running = None;
            match &outcome {
                Ok(done) => {
                    status.last = Some(done.clone());
                    status.error = None;
                    status.taken = status.taken.saturating_add(1);
                }
                Err(error) => {
                    status.error = Some(error.to_string());
                    status.failed = status.failed.saturating_add(1);
                }
            }
        });
        match &outcome {
            Ok(done) => tracing::info!(
                name = %done.name, index = done.index, bytes = done.bytes, sent = done.bytes_sent, millis = done.millis,
                "a backup was taken"
            ),
            Err(error) => tracing::warn!(%error, "the backup failed; the next one begins anew"),
        }
        outcome
    }

    async fn take(&self, began: Instant) -> Result<DoneBackup> {
        self.group.snapshot().await?;
        let snapshots = self.group.snapshots();
        let checkpoint =
            snapshots.newest().ok_or_else(|| BackupError::Refused("there are no data yet".into()))?;
        let name = checkpoint.directory.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let mut sending = std::pin::pin!(self.send(snapshots, &checkpoint, began));
        loop {
            snapshots.hold(&name);
            tokio::select! {
                outcome = &mut sending => return outcome,
                () = tokio::time::sleep(HOLD_INTERVAL) => {}
            }
        }
    }

    async fn send(
        &self,
        snapshots: &Arc<Snapshots>,
        checkpoint: &Checkpoint,
        began: Instant,
    ) -> Result<DoneBackup> {
        let (reading, directory) = (Arc::clone(snapshots), checkpoint.directory.clone());
        let read = spawn_blocking(move || {
            Ok::<_, BackupError>((reading.files(&directory)?, Store::read_state(&directory)?))
        });
        let (files, state) = read.await.map_err(|error| BackupError::Refused(error.to_string()))??;
        let position =
            checkpoint.position.ok_or_else(|| BackupError::Refused("there are no data yet".into()))?;
        let history = self.node.history_id();
        let before = Manifest::newest(self.objects, Some(&history)).await?;
        let there = self.objects.list(FILES).await?;
        let bytes: u64 = files.iter().map(|file| file.bytes).sum();
        self.node.backups.change(|status| {
            if let Some(running) = &mut status.running {
                running.bytes = bytes;
            }
        });
        let tell = |bytes: u64| {
            self.node.backups.change(|status| {
                if let Some(running) = &mut status.running {
                    running.bytes_done = running.bytes_done.saturating_add(bytes);
                }
            });
        };
        let pace = Pace::new(self.bytes_per_second);
        let one = |file: FileMeta| {
            let known = before
                .as_ref()
                .and_then(|before| before.has(&file))
                .filter(|known| there.contains_key(&known.object));
            let (known, pace, tell, directory) = (known.cloned(), &pace, &tell, &checkpoint.directory);
            async move {
                match known {
                    Some(known) => {
                        tell(file.bytes);
                        Ok::<_, BackupError>((known, 0))
                    }
                    None => self.send_file(file, directory, pace, tell).await,
                }
            }
        };
        let sent: Vec<(BackupFile, u64)> =
            stream::iter(files.into_iter().map(one)).buffer_unordered(FILES_AT_ONCE).try_collect().await?;
        let bytes_sent = sent.iter().map(|(_, sent)| sent).sum();
        let mut files: Vec<BackupFile> = sent.into_iter().map(|(file, _)| file).collect();
        files.sort_by(|a, b| a.name.cmp(&b.name));
        let manifest = Manifest {
            format_version: FORMAT_VERSION,
            version: env!("CARGO_PKG_VERSION").into(),
            feature_level: state.feature_level,
            cluster_id: self.node.identity.cluster.read().cluster_id.clone(),
            history_id: history,
            node: self.node.identity.node_name.clone(),
            term: position.term,
            index: position.index,
            log_time_ms: state.last_at,
            taken_at_ms: now_ms(),
            change_sum: state.change_sum,
            files,
        };
        manifest.write(self.objects).await?;
        if self.keep > 0 {
            prune(self.objects, self.keep).await?;
        }
        Ok(DoneBackup {
            name: manifest.name(),
            index: manifest.index,
            log_time_ms: manifest.log_time_ms,
            taken_at_ms: manifest.taken_at_ms,
            bytes,
            bytes_sent,
            millis: u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX),
        })
    }

    async fn send_file(
        &self,
        file: FileMeta,
        directory: &Path,
        pace: &Pace,
        tell: &(dyn Fn(u64) + Sync),
    ) -> Result<(BackupFile, u64)> {
        let object = format!("{}-{:016x}", file.name, uuid::Uuid::new_v4().as_u64_pair().0);
        let path = directory.join(&file.name);
        let sha256 = self.objects.put_file(&format!("{FILES}/{object}"), &path, pace, tell).await?;
        let FileMeta { name, bytes, checksum } = file;
        // The checkpoint's files do not change: another length means that it is gone.
        let found = path.metadata().map_err(io(format!("read {}", path.display())))?.len();
        match found == bytes {
            true => Ok((BackupFile { name, bytes, checksum, sha256, object }, bytes)),
            false => Err(BackupError::Refused(format!("{name} has changed while it was sent"))),
        }
    }
}

/// Files that no backup has are removed once they are as old as this.
const UNUSED_SECONDS_MIN: i64 = if cfg!(test) { -1 } else { 6 * 3600 };

/// The object of a backup's file.
pub fn object_of(file: &BackupFile) -> String {
    format!("{FILES}/{}", file.object)
}

/// Removes all but the newest backups, files that none of those has, and what the archive has of before them.
pub async fn prune(objects: &Objects, keep: usize) -> Result<usize> {
    let names = Manifest::names(objects).await?;
    let (old, kept) = names.split_at(names.len().saturating_sub(keep.max(1)));
    if old.is_empty() {
        return Ok(0);
    }
    let mut used = BTreeSet::new();
    let mut firsts: BTreeMap<String, u64> = BTreeMap::new();
    for name in kept {
        let manifest = Manifest::read(objects, name).await?;
        used.extend(manifest.files.iter().map(|file| file.object.clone()));
        firsts.entry(manifest.history_id.clone()).or_insert(manifest.index);
    }
    for name in old {
        // What a damaged one had is unused from now on.
        if let Ok(manifest) = Manifest::read(objects, name).await {
            firsts.entry(manifest.history_id).or_insert(u64::MAX);
        }
        Manifest::delete(objects, name).await?;
    }
    // Those of a backup that is under way are not named yet.
    let unused_before = i64::try_from(now_ms() / 1000).unwrap_or(i64::MAX).saturating_sub(UNUSED_SECONDS_MIN);
    let there = objects.list(FILES).await?.into_iter();
    let gone: Vec<String> = there
        .filter(|(object, written)| !used.contains(object) && *written < unused_before)
        .map(|(object, _)| format!("{FILES}/{object}"))
        .collect();
    objects.delete(&gone).await?;
    for (history, first) in firsts {
        archive::delete_before(objects, &history, first).await?;
    }
    Ok(old.len())
}
