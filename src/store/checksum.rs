//! The checksum of the state: equal on all replicas that stand at the same place of the log.

use super::{Published, Store, engine::Family};
use crate::error::{Error, StoreError};
use std::time::{Duration, Instant};

/// After so much of a walk it rests for as long as that took: others need the disk and the processor, too.
const REST_BYTES: usize = 4 << 20;
const REST_MAX: Duration = Duration::from_millis(200);
/// Read ahead of a walk over a whole family.
const READAHEAD_BYTES: usize = 1 << 20;

impl Store {
    /// That of the latest published state.
    pub fn checksum(&self) -> Result<u32, StoreError> {
        self.published().checksum()
    }
}

impl Published {
    /// CRC-32C over every row of every column family, in key order. Covers live namespaces only, since when dead ones
    /// disappear is compaction's business. Walks the whole store, without displacing what the cache holds.
    pub fn checksum(&self) -> Result<u32, StoreError> {
        let (published, state) = (self, self.state());
        let mut sum = crc32c::crc32c(&state.encode());
        let (mut walked, mut began) = (0_usize, Instant::now());
        for (family, namespace_at) in
            [(Family::Meta, 0), (Family::Expiry, 8), (Family::Data, 0), (Family::Score, 0)]
        {
            let mut options = rocksdb::ReadOptions::default();
            options.fill_cache(false);
            options.set_readahead_size(READAHEAD_BYTES);
            let family = published.engine().family(family)?;
            let mut iterator = published.snapshot().raw_iterator_cf_opt(family, options);
            iterator.seek_to_first();
            while let Some((key, value)) = iterator.item() {
                let namespace = key.get(namespace_at..).and_then(<[u8]>::first_chunk::<4>);
                let live =
                    namespace.is_some_and(|bytes| state.database_of(u32::from_be_bytes(*bytes)).is_some());
                if live {
                    sum = crc32c::crc32c_append(sum, &(key.len() as u64).to_be_bytes());
                    sum = crc32c::crc32c_append(sum, key);
                    sum = crc32c::crc32c_append(sum, value);
                }
                walked = walked.saturating_add(key.len()).saturating_add(value.len());
                iterator.next();
                if walked >= REST_BYTES {
                    std::thread::sleep(began.elapsed().min(REST_MAX));
                    (walked, began) = (0, Instant::now());
                }
            }
            iterator.status().map_err(|error| match super::engine::read_error(error) {
                Error::Fatal(error) => error,
                other => StoreError::corrupt("store", other.to_string()),
            })?;
        }
        Ok(sum)
    }
}
