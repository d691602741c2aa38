//! A data directory from a backup and the archive: its node is the only one of a new cluster with a new history.
//!
//! Until it is complete the directory is quarantined, so that no node starts with a part of the data; see `replication/directory`.

use super::{
    BackupError, Result, archive, damaged, io,
    manifest::{BackupFile, Manifest},
    objects::Objects,
    take::object_of,
};
use crate::{
    commands, feature_level,
    replica::{Batch, Raise, Replica},
    replication::{
        DataDirectory, Quarantine, become_sole,
        wal::{EntryKind, LogEntry},
    },
    store::{LogId, Store, StoreOptions},
};
use futures::{StreamExt, TryStreamExt, stream};
use std::{fs, path::Path, sync::Arc};

/// Files fetched at a time.
const FILES_AT_ONCE: usize = 4;

/// Where to stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Until {
    /// After the last entry in the archive.
    End,
    /// At the backup itself.
    Backup,
    /// Before the first entry of a later log time, in milliseconds.
    Time(u64),
    /// After this entry.
    Revision(u64),
}

/// What to restore.
#[derive(Debug, Clone, Copy)]
pub struct Wanted<'a> {
    /// `None`: the newest one that is not past `until`.
    pub backup: Option<&'a str>,
    /// `None`: that of the newest backup.
    pub history: Option<&'a str>,
    pub until: Until,
}

/// Of the node that gets the data.
#[derive(Debug, Clone, Copy)]
pub struct NewNode<'a> {
    pub directory: &'a Path,
    pub name: &'a str,
    pub peer_address: &'a str,
}

/// What came of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Restored {
    pub backup: String,
    /// The last entry in the data, and its log time.
    pub index: u64,
    pub log_time_ms: u64,
    /// Entries from the archive.
    pub replayed: u64,
    pub keys: u64,
    pub bytes: u64,
    pub history: String,
}

/// Chooses the backup.
pub async fn choose(objects: &Objects, wanted: &Wanted<'_>) -> Result<Manifest> {
    let refused = |why: String| Err(BackupError::Refused(why));
    if let Some(name) = wanted.backup {
        let manifest = Manifest::read(objects, name).await?;
        let is_past = match wanted.until {
            Until::Time(at) => manifest.log_time_ms > at,
            Until::Revision(index) => manifest.index > index,
            Until::End | Until::Backup => false,
        };
        return if is_past {
            refused(format!("backup {name} is of a later moment than the one wanted"))
        } else {
            Ok(manifest)
        };
    }
    let (mut history, mut earliest) = (wanted.history.map(str::to_owned), None);
    for name in Manifest::names(objects).await?.iter().rev() {
        let manifest = Manifest::read(objects, name).await?;
        if *history.get_or_insert_with(|| manifest.history_id.clone()) != manifest.history_id {
            continue;
        }
        let fits = match wanted.until {
            Until::Time(at) => manifest.log_time_ms <= at,
            Until::Revision(index) => manifest.index <= index,
            Until::End | Until::Backup => true,
        };
        if fits {
            return Ok(manifest);
        }
        earliest = Some(manifest);
    }
    match (earliest, history) {
        (Some(earliest), _) => refused(format!(
            "no backup is old enough: the first one, {}, is of revision {} and log time {}",
            earliest.name(),
            earliest.index,
            crate::time::rfc3339(earliest.log_time_ms)
        )),
        (None, Some(history)) if wanted.history.is_some() => {
            refused(format!("there is no backup of history {history}"))
        }
        (None, _) => refused(format!("there is no backup at {}", objects.name(""))),
    }
}

/// Restores into a directory that does not exist, is empty, or has what an earlier restore left that did not end. `None`: it holds
/// something else, and was left as it is. `tell` gets the bytes of the backup's files as they come.
pub async fn restore(
    objects: &Objects,
    manifest: &Manifest,
    until: Until,
    node: &NewNode<'_>,
    tell: &(dyn Fn(u64) + Sync),
) -> Result<Option<Restored>> {
    understand(manifest)?;
    let directory = node.directory;
    let Some(held) = DataDirectory::for_restore(directory, node.name)? else { return Ok(None) };
    let received = directory.join("received");
    fetch(objects, manifest, &received, tell).await?;
    let store = Arc::new(Store::open(&directory.join("store"), StoreOptions::default())?);
    store.install(&received)?;
    fs::remove_dir_all(&received).map_err(io(format!("remove {}", received.display())))?;
    check(manifest, &store)?;
    let replica = Replica::new(Arc::clone(&store), commands::table());
    let replayed = match until {
        Until::Backup => 0,
        _ => replay(objects, &manifest.history_id, &replica, until).await?,
    };
    store.flush()?;
    store.remove_others()?;
    let state = store.published().state().clone();
    drop((replica, store));
    become_sole(&held, node.peer_address)?;
    let restored = Restored {
        backup: manifest.name(),
        index: state.applied.map_or(0, |applied| applied.index),
        log_time_ms: state.last_at,
        replayed,
        keys: state.databases().iter().map(|database| database.keys).sum(),
        bytes: manifest.bytes(),
        history: held.identity.history_id.clone(),
    };
    Quarantine::lift(directory)?;
    Ok(Some(restored))
}

/// Reads a backup and what the archive has behind it, and checks all that can be: checksums, that the data open, that each
/// row is one that the nodes counted, that no entry is missing. Needs room in `scratch`, which must not exist.
pub async fn verify(
    objects: &Objects,
    manifest: &Manifest,
    scratch: &Path,
    tell: &(dyn Fn(u64) + Sync),
) -> Result<Verified> {
    understand(manifest)?;
    let received = scratch.join("received");
    fs::create_dir_all(scratch).map_err(io(format!("create {}", scratch.display())))?;
    fetch(objects, manifest, &received, tell).await?;
    let store = Store::open(&scratch.join("store"), StoreOptions::default())?;
    store.install(&received)?;
    check(manifest, &store)?;
    let read = store.published().read_all(0)?;
    if !read.miscounted.is_empty() {
        return damaged(
            &manifest.name(),
            format!("rows of the databases {:?} are not those that were counted", read.miscounted),
        );
    }
    let (mut last, mut last_time) = (manifest.index, manifest.log_time_ms);
    let mut missing = None;
    for part in archive::parts(objects, &manifest.history_id).await? {
        if *part.end() <= last {
            continue;
        }
        let entries = archive::read(objects, &manifest.history_id, &part).await?;
        if *part.start() > last.saturating_add(1) {
            missing = Some((last.saturating_add(1), part.start().saturating_sub(1)));
            break;
        }
        last = *part.end();
        last_time = entries.iter().filter_map(time_of).max().unwrap_or(last_time);
    }
    Ok(Verified { checksum: read.checksum, restorable_to: last, log_time_ms: last_time, missing })
}

/// A sound backup, and how far the archive goes on behind it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verified {
    pub checksum: u32,
    /// The last entry that a restore reaches, and its log time.
    pub restorable_to: u64,
    pub log_time_ms: u64,
    /// Entries behind that, the first and the last, that the archive lacks although it has later ones.
    pub missing: Option<(u64, u64)>,
}

fn understand(manifest: &Manifest) -> Result<()> {
    match manifest.feature_level > feature_level::NEWEST {
        false => Ok(()),
        true => Err(BackupError::Refused(format!(
            "the data are at feature level {}, this program knows up to {}: use flotilla {} or later",
            manifest.feature_level,
            feature_level::NEWEST,
            manifest.version
        ))),
    }
}

async fn fetch(objects: &Objects, manifest: &Manifest, to: &Path, tell: &(dyn Fn(u64) + Sync)) -> Result<()> {
    fs::create_dir_all(to).map_err(io(format!("create {}", to.display())))?;
    let one = |file: &BackupFile| {
        let (object, path, file) = (object_of(file), to.join(&file.name), file.clone());
        async move {
            let (bytes, sha256) = objects.get_file(&object, &path, tell).await?;
            match (bytes, sha256.as_str()) == (file.bytes, file.sha256.as_str()) {
                true => Ok(()),
                false => damaged(
                    &objects.name(&object),
                    format!("it is not what was written ({bytes} bytes of {})", file.bytes),
                ),
            }
        }
    };
    let all: Vec<_> = manifest.files.iter().map(one).collect();
    stream::iter(all).buffer_unordered(FILES_AT_ONCE).try_collect().await
}

/// The data are those of the manifest.
fn check(manifest: &Manifest, store: &Store) -> Result<()> {
    let state = store.published().state().clone();
    let found = (state.applied, state.change_sum, state.feature_level);
    let expected = (Some(manifest.log_id()), manifest.change_sum, manifest.feature_level);
    match found == expected {
        true => Ok(()),
        false => {
            damaged(&manifest.name(), format!("its data are of another state: {found:?}, not {expected:?}"))
        }
    }
}

fn time_of(entry: &LogEntry) -> Option<u64> {
    match entry.kind == EntryKind::Normal && !Raise::is_one(&entry.payload) {
        true => Batch::decode(&entry.payload).ok().map(|batch| batch.at),
        false => None,
    }
}

/// Applies what the archive has behind the data; how many entries.
async fn replay(objects: &Objects, history: &str, replica: &Replica, until: Until) -> Result<u64> {
    let mut last = replica.store().applied().map_or(0, |applied| applied.index);
    let (mut replayed, mut is_done) = (0_u64, false);
    for part in archive::parts(objects, history).await? {
        if is_done || *part.end() <= last {
            continue;
        }
        if *part.start() > last.saturating_add(1) {
            return gap(until, last);
        }
        let mut txn = replica.begin();
        for entry in archive::read(objects, history, &part).await? {
            if entry.index <= last {
                continue;
            }
            is_done = match until {
                Until::Time(at) => time_of(&entry).is_some_and(|time| time > at),
                Until::Revision(index) => entry.index > index,
                Until::End | Until::Backup => false,
            };
            if is_done {
                break;
            }
            let log_id = LogId { term: entry.term, index: entry.index };
            match entry.kind {
                EntryKind::Normal => replica.apply_unawaited(&mut txn, log_id, &entry.payload)?,
                EntryKind::Blank | EntryKind::Membership => replica.advance(&mut txn, log_id)?,
            }
            (last, replayed) = (entry.index, replayed.saturating_add(1));
            if Replica::is_full(&txn) {
                txn.commit()?;
                txn = replica.begin();
            }
        }
        txn.commit()?;
    }
    match until {
        Until::Revision(index) if last < index => Err(BackupError::Refused(format!(
            "the archive ends at revision {last}, before {index}; restore without --to-revision to get all there is"
        ))),
        _ => Ok(replayed),
    }
}

fn gap<T>(until: Until, last: u64) -> Result<T> {
    let reachable = match until {
        Until::End => "restore with --to-revision, or from a later backup",
        _ => "what was wanted lies behind the gap",
    };
    Err(BackupError::Refused(format!("the archive lacks the entries behind revision {last}: {reachable}")))
}
