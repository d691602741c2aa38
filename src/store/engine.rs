//! The open RocksDB and its column families; the only file that calls into it for point reads and batches.

use super::options::{self, DATA_CF, DeadNamespaces, EXPIRY_CF, META_CF, SCORE_CF, StoreOptions};
use super::{file_sums::FileSums, keys::StorageKey};
use crate::{
    environment::{DiskSpace, DiskState},
    error::{Error, StoreError, rocksdb_error::EngineError},
    fail::Damage,
};
use bytes::Bytes;
use parking_lot::Mutex;
use rocksdb::{
    ColumnFamily, DBPinnableSlice, DBRawIteratorWithThreadMode, DBWithThreadMode, FlushOptions, ReadOptions,
    ReadTier, SingleThreaded, SnapshotWithThreadMode, WriteBatch, WriteOptions,
};
use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

pub(super) type Db = DBWithThreadMode<SingleThreaded>;
pub(super) type EngineSnapshot<'a> = SnapshotWithThreadMode<'a, Db>;
pub(super) type EngineIterator<'a> = DBRawIteratorWithThreadMode<'a, Db>;

/// A column family.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Family {
    Default,
    Meta,
    Expiry,
    Data,
    Score,
}

impl Family {
    pub(super) const ALL: [Family; 5] =
        [Family::Default, Family::Meta, Family::Expiry, Family::Data, Family::Score];

    pub(super) fn name(self) -> &'static str {
        match self {
            Family::Default => "default",
            Family::Meta => META_CF,
            Family::Expiry => EXPIRY_CF,
            Family::Data => DATA_CF,
            Family::Score => SCORE_CF,
        }
    }
}

/// Whether a read may wait for the disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tier {
    /// Memory only; a miss is `Error::WouldBlock`.
    Memory,
    /// Anything.
    Disk,
}

impl Tier {
    pub(super) fn options(self) -> ReadOptions {
        let mut options = ReadOptions::default();
        match self {
            Tier::Memory => options.set_read_tier(ReadTier::BlockCache),
            Tier::Disk => {}
        }
        options
    }
}

/// Tells damage from other failures: files with wrong checksums, and missing files.
pub(super) fn engine_error(error: rocksdb::Error) -> StoreError {
    let kind = error.kind();
    let text = error.into_string();
    if kind == rocksdb::ErrorKind::IOError && text.contains("No space left on device") {
        return StoreError::DiskFull(text);
    }
    let is_gone = kind == rocksdb::ErrorKind::IOError && text.contains("No such file or directory");
    match kind == rocksdb::ErrorKind::Corruption || is_gone {
        true => {
            let file = file_in(&text).unwrap_or_else(|| "a file of the store".to_owned());
            StoreError::Damaged(Damage::of_store(file, text))
        }
        false => StoreError::Engine(EngineError(text)),
    }
}

/// Refuses a directory with data but no CURRENT: the engine would start a new database and remove the old data.
///
/// A database gets its first manifest, then CURRENT, then the next manifest. A process that was killed between the first two
/// leaves the first manifest alone, and nothing that was ever in use.
fn refuse_headless(directory: &Path) -> Result<(), StoreError> {
    const FIRST: &str = "MANIFEST-000001";
    let current = directory.join("CURRENT");
    let Ok(entries) = directory.read_dir() else { return Ok(()) };
    let is_data = |name: &std::ffi::OsStr| {
        name.to_str()
            .is_some_and(|name| name.starts_with("MANIFEST-") && name != FIRST || name.ends_with(".sst"))
    };
    match !current.exists() && entries.flatten().any(|entry| is_data(&entry.file_name())) {
        true => Err(StoreError::damaged(&current, "it is gone, but there are data")),
        false => Ok(()),
    }
}

/// The file that an error of the engine names.
fn file_in(text: &str) -> Option<String> {
    let words = text.split([' ', ':', ',', '"', '\'']);
    let is_file = |word: &&str| {
        word.ends_with(".sst")
            || word.contains("MANIFEST-")
            || word.ends_with("CURRENT") && word.contains('/')
    };
    words.into_iter().find(is_file).map(str::to_owned)
}

/// A miss of the memory tier is not a failure.
pub(super) fn read_error(error: rocksdb::Error) -> Error {
    match error.kind() {
        rocksdb::ErrorKind::Incomplete => Error::WouldBlock,
        // An unreadable file is as good as damaged; a failed write may succeed another day.
        rocksdb::ErrorKind::IOError if error.as_ref().contains("Input/output error") => {
            let detail = error.into_string();
            let file = file_in(&detail).unwrap_or_else(|| "a file of the store".to_owned());
            Error::Fatal(StoreError::Damaged(Damage::of_store(file, detail)))
        }
        _ => Error::Fatal(engine_error(error)),
    }
}

/// Longest wait of a write for room on the disk.
const WAIT_FOR_ROOM_MAX: Duration = Duration::from_secs(60);
const WAIT_INTERVAL: Duration = Duration::from_millis(100);

/// The RocksDB database.
pub(super) struct Engine {
    disk: Arc<DiskSpace>,
    /// Whether it compacts by itself.
    compacts: Mutex<bool>,
    pub(super) db: Db,
    pub(super) dead: DeadNamespaces,
    pub(super) directory: PathBuf,
    pub(super) sums: FileSums,
}

impl Engine {
    pub(super) fn open(path: &Path, options: &StoreOptions) -> Result<Self, StoreError> {
        refuse_headless(path)?;
        let sums = FileSums::load(path);
        sums.check_manifest(path)?;
        let dead = DeadNamespaces::default();
        let families = options::column_families(options, &dead)?;
        let db =
            Db::open_cf_descriptors(&options::database(options), path, families).map_err(engine_error)?;
        let compacts = Mutex::new(options.disk.state() < DiskState::Low);
        Ok(Engine {
            disk: Arc::clone(&options.disk),
            compacts,
            db,
            dead,
            directory: path.to_path_buf(),
            sums,
        })
    }

    pub(super) fn family(&self, family: Family) -> Result<&ColumnFamily, StoreError> {
        self.db.cf_handle(family.name()).ok_or_else(|| {
            StoreError::corrupt("store", format!("column family {} is missing", family.name()))
        })
    }

    /// The latest value, written by the last batch.
    pub(super) fn get(&self, family: Family, key: &[u8], tier: Tier) -> Result<Option<Bytes>, Error> {
        let value = self.db.get_cf_opt(self.family(family)?, key, &tier.options()).map_err(read_error)?;
        Ok(value.map(Bytes::from))
    }

    /// As `get` from the disk, for keys in ascending order.
    pub(super) fn get_many(
        &self,
        family: Family,
        keys: &[StorageKey],
    ) -> Result<Vec<Result<Option<Bytes>, Error>>, StoreError> {
        let keys = keys.iter().map(|key| &key[..]);
        let found = self.db.batched_multi_get_cf_opt(self.family(family)?, keys, true, &Tier::Disk.options());
        let value = |found: Result<Option<DBPinnableSlice<'_>>, _>| {
            found.map(|value| value.map(|value| Bytes::copy_from_slice(&value))).map_err(read_error)
        };
        Ok(found.into_iter().map(value).collect())
    }

    /// The flushed value, whatever the memtables hold.
    pub(super) fn get_flushed(&self, key: &[u8]) -> Result<Option<Bytes>, StoreError> {
        let mut options = ReadOptions::default();
        options.set_read_tier(ReadTier::Persisted);
        let value = self.db.get_cf_opt(self.family(Family::Default)?, key, &options).map_err(engine_error)?;
        Ok(value.map(Bytes::from))
    }

    pub(super) fn iterator(
        &self,
        family: Family,
        options: ReadOptions,
    ) -> Result<EngineIterator<'_>, StoreError> {
        Ok(self.db.raw_iterator_cf_opt(self.family(family)?, options))
    }

    pub(super) fn write(&self, batch: WriteBatch) -> Result<(), StoreError> {
        let mut options = WriteOptions::default();
        options.disable_wal(true);
        options.set_memtable_insert_hint_per_batch(true);
        // A flush that found no room stops all writes until there is some again; the engine sees to that by itself. A batch that
        // is refused has changed nothing.
        let spare = (self.disk.state() >= DiskState::Tight).then(|| batch.data().to_vec());
        let mut outcome = self.db.write_opt(batch, &options).map_err(engine_error);
        let mut waited = Duration::ZERO;
        while let (Err(error), Some(spare)) = (&outcome, &spare) {
            if !error.is_disk_full() || waited >= WAIT_FOR_ROOM_MAX {
                break;
            }
            if waited.is_zero() {
                tracing::warn!(%error, "the store cannot write: the disk is full; waiting for room");
            }
            std::thread::sleep(WAIT_INTERVAL);
            waited = waited.saturating_add(WAIT_INTERVAL);
            outcome = self.db.write_opt(WriteBatch::from_data(spare), &options).map_err(engine_error);
        }
        outcome
    }

    pub(super) fn compacts(&self) -> bool {
        *self.compacts.lock()
    }

    /// Whether it compacts by itself from now on. A compaction that uses up the disk stops flushes and writes as well.
    pub(super) fn set_compacts(&self, compacts: bool) -> Result<(), StoreError> {
        let mut now = self.compacts.lock();
        if *now == compacts {
            return Ok(());
        }
        let disabled = if compacts { "false" } else { "true" };
        for family in Family::ALL {
            let options = [("disable_auto_compactions", disabled)];
            self.db.set_options_cf(self.family(family)?, &options).map_err(engine_error)?;
        }
        *now = compacts;
        Ok(())
    }

    /// Writes all memtables to files, all column families at one point.
    pub(super) fn flush(&self) -> Result<(), StoreError> {
        let families =
            Family::ALL.map(|family| self.family(family)).into_iter().collect::<Result<Vec<_>, _>>()?;
        self.db.flush_cfs_opt(&families, &FlushOptions::default()).map_err(engine_error)
    }
}

#[cfg(test)]
mod tests {
    use super::{file_in, refuse_headless};

    #[test]
    fn a_database_that_was_never_complete_is_not_damaged() {
        let directory = tempfile::tempdir().unwrap();
        let put = |name: &str| std::fs::write(directory.path().join(name), "").unwrap();
        put("MANIFEST-000001");
        assert!(refuse_headless(directory.path()).is_ok());
        put("MANIFEST-000005");
        assert!(refuse_headless(directory.path()).is_err());
        put("CURRENT");
        assert!(refuse_headless(directory.path()).is_ok());
    }

    #[test]
    fn the_file_that_an_error_names_is_found() {
        for (text, file) in [
            (
                "Corruption: block checksum mismatch: stored = 1, computed = 2, type = 4  in /d/store/db/000012.sst offset 0 size 9",
                Some("/d/store/db/000012.sst"),
            ),
            (
                "IO error: No such file or directory: While open a file for random read: /d/db/000009.sst: No such file or directory",
                Some("/d/db/000009.sst"),
            ),
            ("Corruption: CURRENT file does not end with newline", None),
            ("Corruption: checksum mismatch in file /d/db/MANIFEST-000005", Some("/d/db/MANIFEST-000005")),
        ] {
            assert_eq!(file_in(text).as_deref(), file, "{text}");
        }
    }
}
