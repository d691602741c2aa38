//! RocksDB's options. Every number here was chosen for one job: small memtables that flush often (cheap inserts, a short
//! replay), a scan-resistant block cache shared by all column families, and bounded memory.
//!
//! | level | compression | why |
//! |---|---|---|
//! | 0 | none | read again within seconds, by the next compaction |
//! | between | LZ4 | rewritten often |
//! | last | zstd with a dictionary trained on each file's first blocks | nine tenths of the data |
//!
//! Files grow with their level, so that their number stays far below the files that may be open; filters and indexes are cut
//! into blocks, so that a cold read of a large file loads a few kilobytes of them. ADR 0036 has the figures.

use super::Namespace;
use crate::{
    environment::{DiskSpace, DiskState, Environment},
    error::{StoreError, rocksdb_error::EngineError},
};
use parking_lot::RwLock;
use rocksdb::{
    BlockBasedIndexType, BlockBasedOptions, Cache, ColumnFamilyDescriptor, DBCompressionType,
    DataBlockIndexType, Options, compaction_filter::Decision,
};
use std::{collections::BTreeSet, sync::Arc};

/// Memtables that one column family may have: one being written, the others waiting to be flushed.
const MEMTABLES_MAX: usize = 8;
/// With so many that wait, no more entries are proposed: with one more RocksDB slows writes down, with two it stops them, on the
/// thread that applies.
pub(super) const MEMTABLES_WAITING_MAX: u64 = 6;
const _: () = assert!(MEMTABLES_WAITING_MAX < MEMTABLES_MAX as u64 - 1);
/// The size of the first level below level 0.
const LEVEL_BASE_BYTES: usize = 64 << 20;
/// A file of that level; each further level has files of twice the size.
const FILE_BASE_BYTES: u64 = 32 << 20;
const FILE_MULTIPLIER: i32 = 2;
/// One block of a filter or an index.
const METADATA_BLOCK_BYTES: usize = 4 << 10;
/// One compaction writes about as much before what it replaces goes: no more than is kept free.
pub(super) const COMPACTION_BYTES_MIN: u64 = 128 << 20;
const COMPACTION_BYTES_MAX: u64 = 800 << 20;
/// Threads that flush and compact: as many as there are cores, but
const BACKGROUND_JOBS_MIN: usize = 2;
/// each may hold a file's blocks while it trains a dictionary.
const BACKGROUND_JOBS_MAX: usize = 8;
/// RocksDB's own choice for a limit of what is written in the background.
const REFILL_US: i64 = 100_000;
const FAIRNESS: i32 = 10;
/// Compression of the last level. The crate has no setter for `max_dict_buffer_bytes`; without it a whole file would be held in
/// memory until its dictionary is trained. A hundred times as much to train on as the dictionary has is what zstd recommends.
const BOTTOMMOST: &str = "bottommost_compression=kZSTD;bottommost_compression_opts={window_bits=-14;level=3;strategy=0;\
    max_dict_bytes=16384;zstd_max_train_bytes=1638400;max_dict_buffer_bytes=8388608;enabled=true}";

/// The operator's options of the store.
#[derive(Debug, Clone)]
pub struct StoreOptions {
    /// RocksDB's block cache, bytes.
    pub block_cache_bytes: usize,
    /// Decoded hot records, bytes.
    pub hot_cache_bytes: usize,
    /// One memtable, bytes; up to eight exist at a time per column family.
    pub memtable_bytes: usize,
    /// What flushes and compactions write to the disk in a second; 0 = no limit.
    pub background_bytes_per_second: i64,
    /// Files RocksDB may keep open; -1 = no limit.
    pub open_files_max: i32,
    /// Whose threads see to databases that were replaced.
    pub environment: Environment,
    /// The disk that it is on.
    pub disk: Arc<DiskSpace>,
}

impl Default for StoreOptions {
    fn default() -> Self {
        StoreOptions {
            block_cache_bytes: 256 << 20,
            hot_cache_bytes: 256 << 20,
            memtable_bytes: 4 << 20,
            background_bytes_per_second: 0,
            open_files_max: 4096,
            environment: Environment::machine(),
            disk: Arc::default(),
        }
    }
}

/// Namespaces whose rows compaction may drop, because no state that could be read maps a database to them (`namespaces.rs`).
#[derive(Debug, Clone, Default)]
pub(super) struct DeadNamespaces(pub(super) Arc<RwLock<BTreeSet<Namespace>>>);

impl DeadNamespaces {
    fn contains(&self, namespace: Namespace) -> bool {
        self.0.read().contains(&namespace)
    }
}

pub(super) const META_CF: &str = "meta";
pub(super) const EXPIRY_CF: &str = "expiry";
pub(super) const DATA_CF: &str = "data";
pub(super) const SCORE_CF: &str = "score";

/// Options of the database as a whole.
pub(super) fn database(options: &StoreOptions) -> Options {
    let mut out = Options::default();
    out.create_if_missing(true);
    out.create_missing_column_families(true);
    out.set_atomic_flush(true);
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let jobs = cores.clamp(BACKGROUND_JOBS_MIN, BACKGROUND_JOBS_MAX);
    out.set_max_background_jobs(i32::try_from(jobs).unwrap_or(2));
    out.set_max_open_files(options.open_files_max);
    if options.background_bytes_per_second > 0 {
        out.set_ratelimiter(options.background_bytes_per_second, REFILL_US, FAIRNESS);
    }
    out.set_keep_log_file_num(2);
    out.set_max_log_file_size(8 << 20);
    out.set_allow_concurrent_memtable_write(false);
    out.set_paranoid_checks(true);
    // All memtables of all column families together.
    out.set_db_write_buffer_size(options.memtable_bytes.saturating_mul(MEMTABLES_MAX));
    out
}

/// All column families, sharing one block cache.
pub(super) fn column_families(
    options: &StoreOptions,
    dead: &DeadNamespaces,
) -> Result<Vec<ColumnFamilyDescriptor>, StoreError> {
    let cache = Cache::new_hyper_clock_cache(options.block_cache_bytes, 0);
    let by_namespace = |name: &str| -> Result<_, StoreError> {
        let mut out = family(options, &cache)?;
        let filter = dead.clone();
        out.set_compaction_filter(
            &format!("flotilla.dead-namespace.{name}"),
            move |_level, key: &[u8], _value: &[u8]| drop_if_dead(&filter, key.first_chunk::<4>()),
        );
        Ok(ColumnFamilyDescriptor::new(name, out))
    };
    let mut expiry = family(options, &cache)?;
    let filter = dead.clone();
    expiry.set_compaction_filter(
        "flotilla.dead-namespace.expiry",
        move |_level, key: &[u8], _value: &[u8]| {
            drop_if_dead(&filter, key.get(8..).and_then(<[u8]>::first_chunk::<4>))
        },
    );
    Ok(vec![
        ColumnFamilyDescriptor::new("default", family(options, &cache)?),
        by_namespace(META_CF)?,
        ColumnFamilyDescriptor::new(EXPIRY_CF, expiry),
        by_namespace(DATA_CF)?,
        by_namespace(SCORE_CF)?,
    ])
}

fn drop_if_dead(dead: &DeadNamespaces, namespace: Option<&[u8; 4]>) -> Decision {
    match namespace {
        Some(bytes) if dead.contains(Namespace::from_be_bytes(*bytes)) => Decision::Remove,
        _ => Decision::Keep,
    }
}

fn family(options: &StoreOptions, cache: &Cache) -> Result<Options, StoreError> {
    let mut table = BlockBasedOptions::default();
    table.set_block_cache(cache);
    table.set_bloom_filter(10.0, false);
    table.set_data_block_index_type(DataBlockIndexType::BinaryAndHash);
    table.set_format_version(6);
    // Filters and indexes of cold files must be evictable: memory follows the data in use.
    table.set_cache_index_and_filter_blocks(true);
    table.set_pin_l0_filter_and_index_blocks_in_cache(true);
    table.set_index_type(BlockBasedIndexType::TwoLevelIndexSearch);
    table.set_partition_filters(true);
    table.set_metadata_block_size(METADATA_BLOCK_BYTES);
    table.set_pin_top_level_index_and_filter(true);
    table.set_optimize_filters_for_memory(true);
    let mut out = Options::default()
        .get_options_from_string(BOTTOMMOST)
        .map_err(|error| StoreError::Engine(EngineError(error.into_string())))?;
    out.set_block_based_table_factory(&table);
    out.set_write_buffer_size(options.memtable_bytes);
    out.set_max_write_buffer_number(MEMTABLES_MAX as i32);
    // Counted from the first level that is in use, which is the sixth for as long as the data are small.
    out.set_compression_per_level(&[DBCompressionType::None, DBCompressionType::Lz4]);
    out.set_memtable_prefix_bloom_ratio(0.05);
    out.set_memtable_whole_key_filtering(true);
    out.set_level_compaction_dynamic_level_bytes(true);
    // A memtable is small so that its skiplist stays in the processor's cache; level 0 is merged into the next level only
    // when it has grown to that level's size, so small files do not mean more compaction.
    let level_0_files = (LEVEL_BASE_BYTES / options.memtable_bytes.max(1)).clamp(4, 16) as i32;
    out.set_level_zero_file_num_compaction_trigger(level_0_files);
    out.set_level_zero_slowdown_writes_trigger(level_0_files.saturating_mul(2));
    out.set_level_zero_stop_writes_trigger(level_0_files.saturating_mul(3));
    out.set_max_bytes_for_level_base(LEVEL_BASE_BYTES as u64);
    out.set_target_file_size_base(FILE_BASE_BYTES);
    out.set_target_file_size_multiplier(FILE_MULTIPLIER);
    let kept_free = Some(options.disk.low()).filter(|low| *low > 0).unwrap_or(COMPACTION_BYTES_MAX);
    out.set_max_compaction_bytes(kept_free.clamp(COMPACTION_BYTES_MIN, COMPACTION_BYTES_MAX));
    out.set_disable_auto_compactions(options.disk.state() >= DiskState::Low);
    Ok(out)
}
