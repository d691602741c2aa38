//! Reads a checkpoint block by block, each with its checksum: nothing that is damaged may be given to another node.

use super::{
    Store,
    engine::{Db, Family, engine_error},
    file_sums::FileSum,
};
use crate::error::StoreError;
use rocksdb::{ColumnFamilyDescriptor, Options, ReadOptions};
use std::path::Path;

const READAHEAD_BYTES: usize = 1 << 20;

impl Store {
    /// Length and checksum of a file of the database when it was written; `None`: unknown.
    pub fn file_sum(&self, name: &str) -> Option<FileSum> {
        self.published().engine().sums.get(name)
    }

    /// Takes the checksums of files that have been written since the last time. To be called soon after that.
    pub fn note_files(&self) -> Result<(), StoreError> {
        let published = self.published();
        published.engine().sums.note(published.engine())
    }

    /// As `note_files`, if there may be new ones since `seen`; returns what to ask with next time.
    pub fn note_new_files(&self, seen: u64) -> Result<u64, StoreError> {
        let published = self.published();
        let engine = published.engine();
        let mut versions = 0_u64;
        for family in Family::ALL {
            let version = engine
                .db
                .property_int_value_cf(engine.family(family)?, "rocksdb.current-super-version-number");
            versions = versions.wrapping_add(version.map_err(engine_error)?.unwrap_or(0));
        }
        if versions != seen {
            engine.sums.note(engine)?;
        }
        Ok(versions)
    }

    /// Reads all data of a checkpoint, also what newer data hide; the error names the file.
    pub fn check_blocks(directory: &Path) -> Result<(), StoreError> {
        let mut options = Options::default();
        // Otherwise invisible versions of one key would be skipped unread.
        options.set_max_sequential_skip_in_iterations(u64::MAX);
        options.set_paranoid_checks(true);
        let families = Family::ALL.map(|family| ColumnFamilyDescriptor::new(family.name(), options.clone()));
        let db =
            Db::open_cf_descriptors_read_only(&options, directory, families, false).map_err(engine_error)?;
        for family in Family::ALL {
            let Some(handle) = db.cf_handle(family.name()) else {
                return Err(StoreError::corrupt("column families", family.name()));
            };
            let mut reading = ReadOptions::default();
            reading.set_verify_checksums(true);
            reading.fill_cache(false);
            reading.set_readahead_size(READAHEAD_BYTES);
            let mut iterator = db.raw_iterator_cf_opt(handle, reading);
            iterator.seek_to_first();
            while iterator.valid() {
                iterator.next();
            }
            iterator.status().map_err(engine_error)?;
        }
        Ok(())
    }
}
