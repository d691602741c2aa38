//! Memory used by data and buffers, as far as it is counted: INFO's `used_memory`.
//!
//! Data at rest are on disk and not counted. The resident set of the process is larger: code, stacks, the allocator's
//! reserves, RocksDB's and Raft's own tables.

use super::Node;
use std::sync::atomic::{AtomicU64, Ordering};

/// Bytes, by what takes them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct MemoryUse {
    /// Records and pages in the hot cache.
    pub hot_cache: u64,
    /// RocksDB's block cache.
    pub block_cache: u64,
    /// Writes that are not yet in files.
    pub memtables: u64,
    /// Indexes and filters of files.
    pub table_readers: u64,
    /// Buffers of all clients, messages that wait for them among them.
    pub clients: u64,
    /// Writes that wait for the log.
    pub proposals: u64,
    /// Names of recently changed keys, for clients that reconnect.
    pub recent_changes: u64,
}

impl MemoryUse {
    /// Keys and values.
    pub fn dataset(&self) -> u64 {
        self.hot_cache.saturating_add(self.block_cache).saturating_add(self.memtables)
    }

    /// Everything else.
    pub fn overhead(&self) -> u64 {
        let parts = [self.table_readers, self.clients, self.proposals, self.recent_changes];
        parts.into_iter().fold(0, u64::saturating_add)
    }

    /// Each part with its name in metrics.
    pub fn by_owner(&self) -> [(&'static str, u64); 7] {
        [
            ("hot_cache", self.hot_cache),
            ("block_cache", self.block_cache),
            ("memtables", self.memtables),
            ("table_readers", self.table_readers),
            ("clients", self.clients),
            ("proposals", self.proposals),
            ("recent_changes", self.recent_changes),
        ]
    }

    pub fn total(&self) -> u64 {
        self.dataset().saturating_add(self.overhead())
    }
}

/// Samples of it, once a second.
#[derive(Debug, Default)]
pub struct MemoryMarks {
    /// At the first sample; 0 = none yet.
    pub startup: AtomicU64,
    pub peak: AtomicU64,
}

impl MemoryMarks {
    /// Records a sample.
    pub fn note(&self, bytes: u64) {
        let _ = self.startup.compare_exchange(0, bytes.max(1), Ordering::Relaxed, Ordering::Relaxed);
        self.peak.fetch_max(bytes, Ordering::Relaxed);
    }
}

impl Node {
    /// The memory used now.
    pub fn memory(&self) -> MemoryUse {
        let store = self.group.store.stats();
        MemoryUse {
            hot_cache: store.hot_bytes,
            block_cache: store.block_cache_bytes,
            memtables: store.memtable_bytes,
            table_readers: store.table_reader_bytes,
            clients: self.clients.memory.bytes(),
            proposals: self.group.state.queued_bytes.load(Ordering::Relaxed),
            recent_changes: self.tracking.recent.size().1,
        }
    }
}
