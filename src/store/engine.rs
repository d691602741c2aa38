//! The open RocksDB and its column families; the only file that calls into it for point reads and batches.

use super::options::{self, DATA_CF, DeadNamespaces, EXPIRY_CF, META_CF, SCORE_CF, StoreOptions};
use crate::error::{Error, StoreError, rocksdb_error::EngineError};
use bytes::Bytes;
use rocksdb::{
    ColumnFamily, DBRawIteratorWithThreadMode, DBWithThreadMode, FlushOptions, ReadOptions, ReadTier,
    SingleThreaded, SnapshotWithThreadMode, WriteBatch, WriteOptions,
};
use std::path::Path;

pub(super) type Db = DBWithThreadMode<SingleThreaded>;
pub(super) type EngineSnapshot<'a> = SnapshotWithThreadMode<'a, Db>;
pub(super) type EngineIterator<'a> = DBRawIteratorWithThreadMode<'a, Db>;

/// Which column family.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
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

    fn name(self) -> &'static str {
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

pub(super) fn engine_error(error: rocksdb::Error) -> StoreError {
    StoreError::Engine(EngineError(error.into_string()))
}

/// A miss of the memory tier is not a failure.
pub(super) fn read_error(error: rocksdb::Error) -> Error {
    match error.kind() {
        rocksdb::ErrorKind::Incomplete => Error::WouldBlock,
        _ => Error::Fatal(engine_error(error)),
    }
}

/// See the module.
pub(super) struct Engine {
    pub(super) db: Db,
    pub(super) dead: DeadNamespaces,
}

impl Engine {
    pub(super) fn open(path: &Path, options: &StoreOptions) -> Result<Self, StoreError> {
        let dead = DeadNamespaces::default();
        let families = options::column_families(options, &dead);
        let db =
            Db::open_cf_descriptors(&options::database(options), path, families).map_err(engine_error)?;
        Ok(Engine { db, dead })
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

    /// What has been flushed to files, whatever the memtables hold.
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
        self.db.write_opt(batch, &options).map_err(engine_error)
    }

    /// Writes all memtables to files, all column families at one point.
    pub(super) fn flush(&self) -> Result<(), StoreError> {
        let families =
            Family::ALL.map(|family| self.family(family)).into_iter().collect::<Result<Vec<_>, _>>()?;
        self.db.flush_cfs_opt(&families, &FlushOptions::default()).map_err(engine_error)
    }
}
