//! The checksum of the state: equal on all replicas at the same log position.

use super::{
    Database, Namespace, Published,
    engine::{EngineIterator, Family, read_error},
    sums,
};
use crate::error::{Error, StoreError};
use std::time::{Duration, Instant};

/// After this many bytes, a scan rests for as long as they took: others need the disk and the CPU, too.
const REST_BYTES: usize = 4 << 20;
const REST_MAX: Duration = Duration::from_millis(200);
/// Read-ahead of a scan of a whole family.
const READAHEAD_BYTES: usize = 1 << 20;

/// What a read of all rows found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FullRead {
    /// CRC-32C over every row of every column family, in key order.
    pub checksum: u32,
    /// Databases whose rows are not those that apply has counted and summed: rows were lost, added or changed behind its
    /// back, and no other node is needed to know that.
    pub miscounted: Vec<u32>,
    /// Databases whose rows do not take the bytes that apply has counted. The rows may be sound all the same.
    pub missized: Vec<u32>,
}

/// The rows of a database, as found.
#[derive(Debug, Clone, Copy, Default)]
struct Found {
    namespace: Namespace,
    keys: u64,
    row_sum: u64,
    bytes: u64,
}

/// How fast to read.
struct Pace {
    bytes_per_second: u64,
    scanned: usize,
    began: Instant,
}

impl Pace {
    fn new(bytes_per_second: u64) -> Self {
        Pace { bytes_per_second, scanned: 0, began: Instant::now() }
    }

    fn read(&mut self, bytes: usize) {
        self.scanned = self.scanned.saturating_add(bytes);
        if self.scanned < REST_BYTES {
            return;
        }
        let (scanned, took) = (self.scanned as u64, self.began.elapsed());
        let at_least =
            scanned.saturating_mul(1_000_000).checked_div(self.bytes_per_second).map(Duration::from_micros);
        let rest = at_least.unwrap_or_default().saturating_sub(took);
        std::thread::sleep(rest.max(took.min(REST_MAX)));
        (self.scanned, self.began) = (0, Instant::now());
    }
}

impl Published {
    /// Reads all rows, without displacing cached blocks, at most so many bytes a second; 0 = no limit. Rows of dead
    /// namespaces do not count, since compaction decides when they disappear.
    pub fn read_all(&self, bytes_per_second: u64) -> Result<FullRead, StoreError> {
        let state = self.state();
        let mut checksum = crc32c::crc32c(&state.encode());
        let mut found: Vec<Found> = state
            .all_databases()
            .map(|database| Found { namespace: database.namespace, ..Found::default() })
            .collect();
        let mut pace = Pace::new(bytes_per_second);
        for (family, namespace_at) in
            [(Family::Meta, 0), (Family::Expiry, 8), (Family::Data, 0), (Family::Score, 0)]
        {
            let mut iterator = self.scan_all(family)?;
            while let Some((key, value)) = iterator.item() {
                let namespace = key.get(namespace_at..).and_then(<[u8]>::first_chunk::<4>);
                let namespace = namespace.map(|bytes| Namespace::from_be_bytes(*bytes));
                if let Some(found) = found.iter_mut().find(|found| Some(found.namespace) == namespace) {
                    checksum = crc32c::crc32c_append(checksum, &(key.len() as u64).to_be_bytes());
                    checksum = crc32c::crc32c_append(checksum, key);
                    checksum = crc32c::crc32c_append(checksum, value);
                    found.add(family, key, value);
                }
                pace.read(key.len().saturating_add(value.len()));
                iterator.next();
            }
            iterator.status().map_err(|error| match read_error(error) {
                Error::Fatal(error) => error,
                other => StoreError::corrupt("store", other.to_string()),
            })?;
        }
        let those = |differs: fn(&Database, &Found) -> bool| {
            let all = (0_u32..).zip(state.all_databases().zip(&found));
            all.filter(|(_, (database, found))| differs(database, found)).map(|(db, _)| db).collect()
        };
        let miscounted = those(|database, found| {
            database.keys != found.keys || database.is_summed && database.row_sum != found.row_sum
        });
        let missized = those(|database, found| database.is_counted && database.bytes != found.bytes);
        Ok(FullRead { checksum, miscounted, missized })
    }

    fn scan_all(&self, family: Family) -> Result<EngineIterator<'_>, StoreError> {
        let mut options = rocksdb::ReadOptions::default();
        options.fill_cache(false);
        options.set_readahead_size(READAHEAD_BYTES);
        let mut iterator = self.snapshot().raw_iterator_cf_opt(self.engine().family(family)?, options);
        iterator.seek_to_first();
        Ok(iterator)
    }
}

impl Found {
    fn add(&mut self, family: Family, key: &[u8], value: &[u8]) {
        self.keys = self.keys.saturating_add(u64::from(family == Family::Meta));
        self.bytes = self.bytes.saturating_add(key.len().saturating_add(value.len()) as u64);
        if matches!(family, Family::Meta | Family::Expiry) {
            self.row_sum = self.row_sum.wrapping_add(sums::of_row(key, value));
        }
    }
}

#[cfg(test)]
impl Published {
    /// The checksum of a state whose rows are those that it has counted.
    pub fn checksum(&self) -> Result<u32, StoreError> {
        let read = self.read_all(0)?;
        assert!(read.miscounted.is_empty(), "{:?} of {:?}", read.miscounted, self.state());
        assert!(read.missized.is_empty(), "{:?} of {:?}", read.missized, self.state());
        Ok(read.checksum)
    }
}

#[cfg(test)]
impl super::Store {
    /// That of the latest published state.
    pub fn checksum(&self) -> Result<u32, StoreError> {
        self.published().checksum()
    }
}
