//! Metrics of keys, the store and the disk.

use super::{Row, counter, gauge, load};

pub(super) static ROWS: &[Row] = &[
    gauge(
        "flotilla_largest_key_bytes",
        "Bytes at rest of the largest key; 0 until MEMORY LARGEST was called",
        |s| s.node.group.store.known_largest_keys().keys.first().map_or(0.0, |key| key.bytes as f64),
    ),
    counter("flotilla_keyspace_hits", "Lookups of keys that were there", |s| {
        s.node.group.store.lookups().0 as f64
    }),
    counter("flotilla_keyspace_misses", "Lookups of keys that were not there", |s| {
        s.node.group.store.lookups().1 as f64
    }),
    counter("flotilla_expired_keys", "Keys deleted because they expired", |s| {
        load(&s.node.stats.expired_keys)
    }),
    counter("flotilla_expired_fields", "Hash fields and set members deleted because they expired", |s| {
        load(&s.node.stats.expired_subkeys)
    }),
    counter("flotilla_blocking_reads", "Reads that needed the disk and ran on the blocking pool", |s| {
        load(&s.node.stats.blocking_reads)
    }),
    gauge("flotilla_keys", "Keys stored in all databases", |s| {
        s.node.group.store.published().state().databases().iter().map(|d| d.keys as f64).sum()
    }),
    gauge("flotilla_dataset_bytes", "Bytes that keys and values take at rest, before compression", |s| {
        s.node.group.state.memory.bytes() as f64
    }),
    gauge("flotilla_maxmemory_bytes", "Bytes that they may take (maxmemory); 0 = no limit", |s| {
        s.node.config.settings().data_limit.bytes as f64
    }),
    counter("flotilla_evicted_keys", "Keys that this node, as leader, has evicted", |s| {
        load(&s.node.stats.evicted_keys)
    }),
    gauge("flotilla_disk_left_bytes", "Space left on the disk of the data directory", |s| {
        s.node.group.state.disk.left() as f64
    }),
    gauge("flotilla_disk_total_bytes", "Size of the file system of the data directory", |s| {
        s.node.group.state.disk.total() as f64
    }),
    gauge("flotilla_disk_low_bytes", "Space below which the disk counts as almost full", |s| {
        s.node.group.state.disk.low() as f64
    }),
    gauge(
        "flotilla_growth_refused",
        "1 if writes that may make the data grow are refused for want of disk",
        |s| f64::from(u8::from(s.node.group.state.refuses_growth())),
    ),
    gauge("flotilla_store_live_bytes", "Bytes of the store's live SST files on disk", |s| {
        s.store.live_sst_bytes as f64
    }),
    gauge("flotilla_memtable_bytes", "Bytes in memtables", |s| s.store.memtable_bytes as f64),
    gauge("flotilla_block_cache_bytes", "Bytes in the block cache", |s| s.store.block_cache_bytes as f64),
    gauge("flotilla_hot_cache_bytes", "Bytes in the hot cache", |s| s.store.hot_bytes as f64),
    gauge("flotilla_hot_cache_records", "Records in the hot cache", |s| s.store.hot_records as f64),
    counter("flotilla_hot_cache_hits", "Reads answered by the hot cache", |s| s.store.hot_hits as f64),
    counter("flotilla_hot_cache_misses", "Reads not answered by the hot cache", |s| {
        s.store.hot_misses as f64
    }),
    counter(
        "flotilla_store_write_delays",
        "Times that writes were slowed down until the store had flushed or compacted",
        |s| s.engine.delays as f64,
    ),
    counter(
        "flotilla_store_write_stops",
        "Times that writes were stopped until the store had flushed or compacted",
        |s| s.engine.stops as f64,
    ),
    gauge(
        "flotilla_store_writes_stopped",
        "1 while the store takes no writes until it has flushed or compacted",
        |s| f64::from(u8::from(s.engine.is_stopped)),
    ),
    counter("flotilla_store_background_errors", "Flushes and compactions that failed", |s| {
        s.engine.background_errors as f64
    }),
    gauge("flotilla_store_pending_compaction_bytes", "Bytes that compactions should rewrite", |s| {
        s.engine.pending_compaction_bytes as f64
    }),
    gauge("flotilla_store_memtables_waiting", "Memtables that wait to be flushed", |s| {
        s.engine.memtables_waiting as f64
    }),
    gauge("flotilla_store_flushes_running", "Flushes under way", |s| s.engine.flushes_running as f64),
    gauge("flotilla_store_compactions_running", "Compactions under way", |s| {
        s.engine.compactions_running as f64
    }),
    gauge("flotilla_block_cache_limit_bytes", "Bytes that the block cache may take", |s| {
        s.node.config.settings().block_cache_bytes as f64
    }),
    gauge("flotilla_hot_cache_limit_bytes", "Bytes that the hot cache may take", |s| {
        s.node.config.settings().hot_cache_bytes as f64
    }),
];
