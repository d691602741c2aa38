//! The keeper of a node's backups: takes them when asked, as the leader also when they are due, and archives the log as the
//! leader. On a thread of its own, with which nothing else of the node shares anything that it could wait for.

use super::{BackupError, Result, archive, cipher::Key, manifest::Manifest, objects::Objects, take::Taking};
use crate::{
    replication::{GroupHandle, wal::LogEntry},
    session::Node,
    state::Archived,
    time::now_ms,
};
use std::{
    path::PathBuf,
    sync::{Arc, atomic::Ordering},
    thread,
    time::{Duration, Instant},
};

const LOOK: Duration = Duration::from_secs(1);
/// What is read from the log at a time.
const PART_BYTES: usize = 16 << 20;
/// After a failure.
const PAUSE: Duration = Duration::from_secs(10);
/// After a start, before anything is decided to be due: who leads must be known.
const BEFORE_FIRST: Duration = Duration::from_secs(5);

/// What the parameters say.
#[derive(Debug, Clone)]
pub struct KeeperOptions {
    pub to: String,
    pub key_file: Option<PathBuf>,
    /// Zero = only when asked.
    pub interval: Duration,
    /// 0 = all.
    pub keep: usize,
    /// 0 = no limit.
    pub bytes_per_second: u64,
    /// Zero = the log is not archived.
    pub archive_interval: Duration,
}

/// See the module.
pub struct Keeper {
    group: GroupHandle,
    node: Arc<Node>,
    objects: Objects,
    options: KeeperOptions,
}

impl Keeper {
    /// Starts the thread, which ends with the process.
    pub fn start(group: GroupHandle, node: Arc<Node>, options: KeeperOptions) -> Result<()> {
        let key = options.key_file.as_deref().map(Key::read).transpose()?;
        let objects = Objects::open(&options.to, key)?;
        node.backups.change(|status| status.to.clone_from(&options.to));
        let keeper = Keeper { group, node, objects, options };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(super::io("start a runtime for backups"))?;
        thread::Builder::new()
            .name("backup".into())
            .spawn(move || runtime.block_on(keeper.run()))
            .map_err(super::io("start a thread for backups"))?;
        Ok(())
    }

    async fn run(self) {
        self.group.wait_ready().await;
        let until_stop = async {
            while !self.node.stopping.load(Ordering::Acquire) {
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        };
        tokio::select! {
            () = until_stop => {}
            () = async { tokio::join!(self.take_backups(), self.archive()); } => {}
        }
    }

    async fn take_backups(&self) {
        let taking = Taking {
            group: &self.group,
            node: &self.node,
            objects: &self.objects,
            bytes_per_second: self.options.bytes_per_second,
            keep: self.options.keep,
        };
        let (began, mut newest_at) = (Instant::now(), 0);
        loop {
            let is_asked = tokio::select! {
                () = self.node.backups.asked() => true,
                () = tokio::time::sleep(LOOK) => false,
            };
            let is_due = async {
                match self.is_due(&mut newest_at).await {
                    Ok(is_due) => is_due,
                    Err(error) => {
                        self.node.backups.change(|status| status.error = Some(error.to_string()));
                        tokio::time::sleep(PAUSE).await;
                        false
                    }
                }
            };
            if is_asked {
                // Who asked is told by the status.
                let _ = taking.run().await;
            } else if began.elapsed() >= BEFORE_FIRST && is_due.await && taking.run().await.is_err() {
                tokio::time::sleep(PAUSE).await;
            }
        }
    }

    /// `newest_at`: when the newest backup that was found in the object store was taken. That is asked again only once it is old.
    async fn is_due(&self, newest_at: &mut u64) -> Result<bool> {
        if self.options.interval.is_zero() || !self.group.state().leads_surely() {
            return Ok(false);
        }
        let own = self.node.backups.status().last.map_or(0, |last| last.taken_at_ms);
        let is_old = |at: u64| Duration::from_millis(now_ms().saturating_sub(at)) >= self.options.interval;
        if !is_old(own.max(*newest_at)) {
            return Ok(false);
        }
        // Another leader may have taken the last one.
        let newest = Manifest::newest(&self.objects, Some(&self.node.history_id())).await?;
        *newest_at = newest.map_or(0, |newest| newest.taken_at_ms);
        Ok(is_old(*newest_at))
    }

    async fn archive(&self) {
        if self.options.archive_interval.is_zero() {
            return;
        }
        let mut next = None;
        loop {
            let step = match self.group.state().leads_surely() {
                true => self.archive_step(&mut next).await,
                false => {
                    next = None;
                    self.node.backups.change(|status| status.archived = None);
                    Ok(false)
                }
            };
            let is_more = step.as_ref().is_ok_and(|is_more| *is_more);
            match &step {
                Ok(_) => self.node.backups.change(|status| status.archive_error = None),
                Err(error) => {
                    if self.node.backups.status().archive_error.is_none() {
                        tracing::warn!(%error, "the log cannot be archived; trying again");
                    }
                    next = None;
                    self.node.backups.change(|status| status.archive_error = Some(error.to_string()));
                }
            }
            if !is_more {
                tokio::time::sleep(self.options.archive_interval).await;
            }
        }
    }

    /// Archives what follows, up to a bound; whether there is more. `next` is the entry that the archive lacks, if known.
    async fn archive_step(&self, next: &mut Option<u64>) -> Result<bool> {
        let history = self.node.history_id();
        let from = match *next {
            Some(from) => from,
            None => match self.first_missing(&history).await? {
                Some(from) => from,
                // Entries before a backup are of no use.
                None => return Ok(false),
            },
        };
        let now = self.group.state().clock.now_ms();
        let Some(applied) = self.group.store().applied().map(|applied| applied.index) else {
            return Ok(false);
        };
        if self.group.log().state().0.is_some_and(|purged| purged.index >= from) {
            // A new backup makes a beginning behind the gap.
            if self.options.interval.is_zero() || self.node.backups.ask().is_err() {
                tracing::debug!(from, "waiting for a backup behind the gap in the archive");
            }
            return Err(BackupError::Refused(format!(
                "entry {from} was purged before it was archived: take a backup; after it all will be archived again, and \
                 restores to moments between the entry before it and that backup are not possible"
            )));
        }
        let log = Arc::clone(self.group.log());
        let read = tokio::task::spawn_blocking(move || log.read(from, applied.saturating_add(1), PART_BYTES));
        let entries: Vec<LogEntry> =
            read.await.map_err(|error| BackupError::Refused(error.to_string()))??;
        if let Some(last) = entries.last().map(|entry| entry.index) {
            archive::write(&self.objects, &history, &entries).await?;
            *next = Some(last.saturating_add(1));
        } else {
            *next = Some(from);
        }
        let archived = next.unwrap_or(from).saturating_sub(1);
        let is_more = archived < applied;
        // All that has been applied by `now` is there.
        let restorable_ms = if is_more { 0 } else { now };
        self.node.backups.change(|status| {
            let before = status.archived.as_ref().map_or(0, |archived| archived.restorable_ms);
            status.archived = Some(Archived { index: archived, restorable_ms: restorable_ms.max(before) });
        });
        Ok(is_more && !entries.is_empty())
    }

    /// The first entry that the archive lacks: behind what it has, or, where the log no longer has that, behind the newest
    /// backup. `None`: there is no backup.
    async fn first_missing(&self, history: &str) -> Result<Option<u64>> {
        let Some(newest) = Manifest::newest(&self.objects, Some(history)).await? else { return Ok(None) };
        let behind = newest.index.saturating_add(1);
        let ends = archive::parts(&self.objects, history).await?;
        let Some(next) = ends.iter().map(|part| part.end().saturating_add(1)).max() else {
            return Ok(Some(behind));
        };
        let is_purged = self.group.log().state().0.is_some_and(|purged| purged.index >= next);
        Ok(Some(if is_purged { next.max(behind) } else { next }))
    }
}
