//! How RocksDB is set up. Every number here was chosen for one job: small memtables that flush often (cheap inserts, a
//! short replay), a scan-resistant block cache shared by all column families, and bounded memory.

use super::Namespace;
use parking_lot::RwLock;
use rocksdb::{
    BlockBasedOptions, Cache, ColumnFamilyDescriptor, DBCompressionType, DataBlockIndexType, Options,
    compaction_filter::Decision,
};
use std::{collections::BTreeSet, sync::Arc};

/// Memtables of one column family that may exist: one being written, the others waiting to be flushed.
const MEMTABLES_MAX: usize = 8;
/// The size of the first level below level 0.
const LEVEL_BASE_BYTES: usize = 64 << 20;

/// What an operator may choose about the store.
#[derive(Debug, Clone)]
pub struct StoreOptions {
    /// RocksDB's block cache, bytes.
    pub block_cache_bytes: usize,
    /// Decoded hot records, bytes.
    pub hot_cache_bytes: usize,
    /// One memtable, bytes; up to eight exist at a time per column family.
    pub memtable_bytes: usize,
    /// Files RocksDB may keep open; -1 = no limit.
    pub open_files_max: i32,
}

impl Default for StoreOptions {
    fn default() -> Self {
        StoreOptions {
            block_cache_bytes: 256 << 20,
            hot_cache_bytes: 256 << 20,
            memtable_bytes: 4 << 20,
            open_files_max: 4096,
        }
    }
}

/// Namespaces whose rows compaction may drop, because the flushed state no longer maps a database to them.
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
    out.set_max_background_jobs(2);
    out.set_max_open_files(options.open_files_max);
    out.set_keep_log_file_num(2);
    out.set_max_log_file_size(8 << 20);
    out.set_allow_concurrent_memtable_write(false);
    out.set_paranoid_checks(true);
    // All memtables of all column families together.
    out.set_db_write_buffer_size(options.memtable_bytes.saturating_mul(MEMTABLES_MAX));
    out
}

/// All column families, sharing one block cache.
pub(super) fn column_families(options: &StoreOptions, dead: &DeadNamespaces) -> Vec<ColumnFamilyDescriptor> {
    let cache = Cache::new_hyper_clock_cache(options.block_cache_bytes, 0);
    let by_namespace = |name: &str| {
        let mut out = family(options, &cache);
        let filter = dead.clone();
        out.set_compaction_filter(
            &format!("flotilla.dead-namespace.{name}"),
            move |_level, key: &[u8], _value: &[u8]| drop_if_dead(&filter, key.first_chunk::<4>()),
        );
        ColumnFamilyDescriptor::new(name, out)
    };
    let mut expiry = family(options, &cache);
    let filter = dead.clone();
    expiry.set_compaction_filter(
        "flotilla.dead-namespace.expiry",
        move |_level, key: &[u8], _value: &[u8]| {
            drop_if_dead(&filter, key.get(8..).and_then(<[u8]>::first_chunk::<4>))
        },
    );
    vec![
        ColumnFamilyDescriptor::new("default", family(options, &cache)),
        by_namespace(META_CF),
        ColumnFamilyDescriptor::new(EXPIRY_CF, expiry),
        by_namespace(DATA_CF),
        by_namespace(SCORE_CF),
    ]
}

fn drop_if_dead(dead: &DeadNamespaces, namespace: Option<&[u8; 4]>) -> Decision {
    match namespace {
        Some(bytes) if dead.contains(Namespace::from_be_bytes(*bytes)) => Decision::Remove,
        _ => Decision::Keep,
    }
}

fn family(options: &StoreOptions, cache: &Cache) -> Options {
    let mut table = BlockBasedOptions::default();
    table.set_block_cache(cache);
    table.set_bloom_filter(10.0, false);
    table.set_data_block_index_type(DataBlockIndexType::BinaryAndHash);
    table.set_format_version(6);
    // Filters and indexes of cold files must be evictable: memory follows the data in use.
    table.set_cache_index_and_filter_blocks(true);
    table.set_pin_l0_filter_and_index_blocks_in_cache(true);
    table.set_optimize_filters_for_memory(true);
    let mut out = Options::default();
    out.set_block_based_table_factory(&table);
    out.set_write_buffer_size(options.memtable_bytes);
    out.set_max_write_buffer_number(MEMTABLES_MAX as i32);
    out.set_compression_per_level(&[
        DBCompressionType::None,
        DBCompressionType::Lz4,
        DBCompressionType::Lz4,
        DBCompressionType::Lz4,
        DBCompressionType::Lz4,
        DBCompressionType::Zstd,
        DBCompressionType::Zstd,
    ]);
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
    out.set_target_file_size_base(32 << 20);
    out
}
