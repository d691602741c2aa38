//! The snapshots of a data directory: checkpoints of the store in `snapshot/<index>`, only the newest is kept.
//!
//! A checkpoint is built under another name and renamed, so a directory whose name is a number is complete. Building one
//! flushes the store's memtables first, so the log may be purged up to its log id.

use super::transfer::{SnapshotFile, snapshot_files};
use crate::{
    error::StoreError,
    fail,
    replication::wire::FileMeta,
    state::{LatencyEvent, LatencyMonitor},
    store::{Checkpoint, Store},
};
use parking_lot::Mutex;
use rustix::fs::{CWD, RenameFlags, renameat_with};
use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
    sync::{Arc, OnceLock},
    time::{Duration, Instant},
};

/// Builds, finds and removes snapshots. One builder at a time works on a directory.
pub struct Snapshots {
    directory: PathBuf,
    store: Arc<Store>,
    current: Mutex<Option<Checkpoint>>,
    building: Mutex<()>,
    /// Snapshots that edges fetch, and when they last did.
    held: Mutex<BTreeMap<String, Instant>>,
    /// The files of the last snapshot that was sent. Most of those of the next one are the same.
    measured: Mutex<BTreeMap<SnapshotFile, FileMeta>>,
    latency: OnceLock<Arc<LatencyMonitor>>,
}

/// A snapshot that no node has fetched from for this long is no longer held.
const HOLD: Duration = Duration::from_secs(60);
/// Snapshots held at a time; each keeps files that the store no longer needs.
const HELD_MAX: usize = 4;

impl Snapshots {
    /// Finds the newest snapshot in `directory` and removes everything else there.
    pub fn open(directory: &Path, store: Arc<Store>) -> Result<Self, StoreError> {
        fs::create_dir_all(directory).map_err(|e| StoreError::io("create snapshot directory", &e))?;
        let newest = numbered(directory)?.into_iter().max();
        let (newest, current) = match newest {
            None => (None, None),
            Some((index, path)) => match Store::read_checkpoint(&path) {
                Ok(checkpoint) if checkpoint.position.map_or(0, |position| position.index) == index => {
                    (Some((index, path)), Some(checkpoint))
                }
                // A MANIFEST that was cut between two of its records opens as an earlier state, of before the log begins.
                Ok(checkpoint) => {
                    let holds = checkpoint.position.map(|position| position.index);
                    tracing::warn!(
                        index,
                        ?holds,
                        "a snapshot is damaged: it holds another state; removing it, the next one replaces it"
                    );
                    (None, None)
                }
                // Only a copy of the store's data.
                Err(error) if error.damage().is_some() => {
                    tracing::warn!(%error, "a snapshot is damaged; removing it, the next one replaces it");
                    (None, None)
                }
                Err(error) => return Err(error),
            },
        };
        let snapshots = Snapshots {
            directory: directory.to_path_buf(),
            store,
            current: Mutex::new(current),
            building: Mutex::new(()),
            held: Mutex::default(),
            measured: Mutex::default(),
            latency: OnceLock::new(),
        };
        snapshots.remove_all_but(newest.as_ref().map(|(_, path)| path.as_path()))?;
        Ok(snapshots)
    }

    /// From now on snapshots that take long are told of. The first call counts.
    pub fn watch_latency(&self, latency: &Arc<LatencyMonitor>) {
        let _ = self.latency.set(Arc::clone(latency));
    }

    /// Makes a snapshot of the applied state; blocks for the flush.
    pub fn build(&self) -> Result<Checkpoint, StoreError> {
        let _one_at_a_time = self.building.lock();
        let began = Instant::now();
        let built = self.build_one();
        if let Some(latency) = self.latency.get() {
            latency.add(LatencyEvent::Snapshot, began.elapsed());
        }
        built
    }

    fn build_one(&self) -> Result<Checkpoint, StoreError> {
        fail::point("snapshot.build");
        let target = self.directory.join("new");
        remove(&target)?;
        let made = self.store.checkpoint(&target).and_then(|made| {
            self.store.note_files()?;
            Ok(made)
        });
        // A file that the store has open is gone: the raft core would stop without knowing why.
        let made = made.inspect_err(|error| {
            if error.damage().is_some() {
                error.stop_the_process("cannot make a snapshot");
            }
        })?;
        let name = made.position.map_or(0, |position| position.index).to_string();
        let directory = self.directory.join(name);
        // The same index is the same state: the existing one stays.
        match directory.exists() {
            true => remove(&target)?,
            false => fs::rename(&target, &directory)
                .and_then(|()| fs::File::open(&self.directory)?.sync_all())
                .map_err(|e| StoreError::io("rename snapshot", &e))?,
        }
        fail::point("snapshot.built");
        let checkpoint = Checkpoint { directory: directory.clone(), ..made };
        *self.current.lock() = Some(checkpoint.clone());
        self.remove_all_but(Some(&directory))?;
        Ok(checkpoint)
    }

    /// Makes the newest snapshot again, if the state is still the same: of the files that the store has now.
    pub fn renew(&self) -> Result<(), StoreError> {
        let _one_at_a_time = self.building.lock();
        let Some(newest) = self.newest().filter(|newest| !self.is_held(&newest.directory)) else {
            return Ok(());
        };
        let target = self.directory.join("new");
        remove(&target)?;
        if self.store.checkpoint(&target)?.position == newest.position {
            // Where names cannot be exchanged, the old one stays.
            let _ = renameat_with(CWD, &target, CWD, &newest.directory, RenameFlags::EXCHANGE);
            self.measured.lock().clear();
        }
        remove(&target)
    }

    /// The newest snapshot, if there is one.
    pub fn newest(&self) -> Option<Checkpoint> {
        self.current.lock().clone()
    }

    /// The directory that contains them, each under its name.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// A node is fetching files of this snapshot: it stays for a while although newer ones are made.
    pub fn hold(&self, name: &str) {
        let mut held = self.held.lock();
        held.retain(|_, since| since.elapsed() < HOLD);
        if (held.contains_key(name) || held.len() < HELD_MAX) && self.directory.join(name).is_dir() {
            held.insert(name.to_owned(), Instant::now());
        }
    }

    /// The files of a snapshot, with their checksums: reads each file once. Another node must get the bytes that were once
    /// written here: a table has its original checksum or, if that is unknown, all its blocks have valid ones.
    pub fn files(&self, directory: &Path) -> Result<Vec<FileMeta>, StoreError> {
        let mut measured = self.measured.lock();
        let found = snapshot_files(directory, &measured).map_err(|e| StoreError::io("read snapshot", &e))?;
        let mut is_known = true;
        for (file, meta) in found.iter().filter(|(file, _)| !measured.contains_key(*file)) {
            let (name, _, inode, _) = file;
            if !name.ends_with(".sst") {
                continue;
            }
            match self.store.file_sum(name).filter(|written| written.inode == *inode) {
                Some(written) if (written.bytes, written.checksum) == (meta.bytes, meta.checksum) => {}
                Some(_) => {
                    let detail = "its checksum differs from the one it had when it was written";
                    return Err(StoreError::damaged(&directory.join(name), detail));
                }
                None => is_known = false,
            }
        }
        if !is_known {
            Store::check_blocks(directory)?;
        }
        // The small ones, which are written for this checkpoint alone.
        Store::read_checkpoint(directory)?;
        *measured = found;
        Ok(measured.values().cloned().collect())
    }

    /// A node received other bytes than offered: the next offer reads all files again.
    pub fn forget_files(&self) {
        self.measured.lock().clear();
    }

    fn is_held(&self, path: &Path) -> bool {
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        self.held.lock().get(name).is_some_and(|since| since.elapsed() < HOLD)
    }

    fn remove_all_but(&self, keep: Option<&Path>) -> Result<(), StoreError> {
        for entry in read(&self.directory)? {
            if Some(entry.as_path()) != keep && !self.is_held(&entry) {
                remove(&entry)?;
            }
        }
        Ok(())
    }
}

fn read(directory: &Path) -> Result<Vec<PathBuf>, StoreError> {
    let io = |e: io::Error| StoreError::io("read snapshot directory", &e);
    fs::read_dir(directory).map_err(io)?.map(|entry| entry.map(|entry| entry.path()).map_err(io)).collect()
}

fn numbered(directory: &Path) -> Result<Vec<(u64, PathBuf)>, StoreError> {
    let number =
        |path: &PathBuf| path.file_name().and_then(|name| name.to_str()).and_then(|name| name.parse().ok());
    Ok(read(directory)?.into_iter().filter_map(|path| Some((number(&path)?, path))).collect())
}

fn remove(path: &Path) -> Result<(), StoreError> {
    let removed = match fs::symlink_metadata(path) {
        Ok(found) if found.is_dir() => fs::remove_dir_all(path),
        Ok(_) => fs::remove_file(path),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(e) => Err(e),
    };
    removed.map_err(|e| StoreError::io("remove old snapshot", &e))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::{LogId, NewRow, StoreOptions};

    /// A store with some tables and a snapshot of it.
    fn snapshots(home: &Path) -> (Snapshots, PathBuf) {
        let store = Arc::new(Store::open(&home.join("store"), StoreOptions::default()).unwrap());
        for index in 1..200_u64 {
            let mut txn = store.begin();
            txn.begin_entry(LogId { term: 1, index }, 0, index);
            txn.begin_command(0);
            txn.put(&index.to_be_bytes(), NewRow::string(&[index as u8; 500])).unwrap();
            txn.accept();
            txn.commit().unwrap();
        }
        let snapshots = Snapshots::open(&home.join("snapshot"), store).unwrap();
        let directory = snapshots.build().unwrap().directory;
        (snapshots, directory)
    }

    /// As a disk does: the file stays the same one.
    fn flip_a_table(directory: &Path) {
        let tables = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
        let largest = tables
            .filter(|path| path.extension().is_some_and(|extension| extension == "sst"))
            .max_by_key(|path| fs::metadata(path).unwrap().len());
        let path = largest.unwrap();
        let mut bytes = fs::read(&path).unwrap();
        bytes[1000] ^= 1;
        let mut file = fs::File::options().write(true).truncate(true).open(path).unwrap();
        io::Write::write_all(&mut file, &bytes).unwrap();
    }

    /// Its checksum would be computed from the damage.
    #[test]
    fn a_table_that_is_damaged_before_it_is_offered_is_not_offered() {
        let home = tempfile::tempdir().unwrap();
        let (snapshots, directory) = snapshots(home.path());
        assert!(!snapshots.files(&directory).unwrap().is_empty());
        snapshots.forget_files();
        flip_a_table(&directory);
        let refused = snapshots.files(&directory).unwrap_err();
        assert!(refused.damage().unwrap().file.contains(".sst"), "{refused}");
    }

    /// openraft ends, at every start, when the newest snapshot is of before the log begins.
    #[test]
    fn a_snapshot_that_holds_another_state_than_its_name_says_is_none() {
        let home = tempfile::tempdir().unwrap();
        let (snapshots, directory) = snapshots(home.path());
        let again = || Snapshots::open(snapshots.directory(), Arc::clone(&snapshots.store)).unwrap().newest();
        assert_eq!(again().unwrap().directory, directory);
        fs::rename(&directory, snapshots.directory().join("510")).unwrap();
        assert!(again().is_none());
        assert!(!snapshots.directory().join("510").exists());
    }

    /// Written before files had checksums, or a moment before a crash.
    #[test]
    fn a_table_of_unknown_health_is_read_block_by_block() {
        let home = tempfile::tempdir().unwrap();
        let (first, directory) = snapshots(home.path());
        drop(first);
        let again = |damaged: bool| {
            fs::remove_file(home.path().join("store/db/FILE_SUMS")).unwrap();
            let store = Arc::new(Store::open(&home.path().join("store"), StoreOptions::default()).unwrap());
            let snapshots = Snapshots::open(&home.path().join("snapshot"), Arc::clone(&store)).unwrap();
            let found = snapshots.files(&directory);
            assert_eq!(found.is_err(), damaged, "{found:?}");
            store.note_files().unwrap();
            found
        };
        again(false).unwrap();
        flip_a_table(&directory);
        let refused = again(true).unwrap_err();
        assert!(refused.to_string().contains("checksum mismatch"), "{refused}");
        assert!(refused.damage().unwrap().file.contains(".sst"), "{refused}");
    }
}
