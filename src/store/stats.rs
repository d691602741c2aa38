//! Sizes and states of the store, for INFO and metrics.
//!
//! Stalls are counted by the engine since it was opened: a snapshot that replaces the data begins anew.

use super::{
    Store,
    engine::{Engine, Family},
};
use std::collections::BTreeMap;

/// Sizes for INFO and metrics.
#[derive(Debug, Clone, Copy, Default)]
pub struct StoreStats {
    pub memtable_bytes: u64,
    pub block_cache_bytes: u64,
    pub table_reader_bytes: u64,
    pub live_sst_bytes: u64,
    pub hot_bytes: u64,
    pub hot_records: u64,
    pub hot_hits: u64,
    pub hot_misses: u64,
}

/// What the engine is busy with, and whether it holds writes up.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct EngineStats {
    /// How often writes were slowed down, and stopped, until a flush or a compaction had caught up.
    pub delays: u64,
    pub stops: u64,
    pub is_stopped: bool,
    /// Bytes that compactions should rewrite.
    pub pending_compaction_bytes: u64,
    /// Memtables that wait to be flushed.
    pub memtables_waiting: u64,
    pub flushes_running: u64,
    pub compactions_running: u64,
    /// Flushes and compactions that failed.
    pub background_errors: u64,
    /// By level: files, and their bytes to the MiB. Levels without files are left out.
    pub levels: BTreeMap<u32, (u64, u64)>,
}

impl Store {
    /// Current sizes.
    pub fn stats(&self) -> StoreStats {
        let published = self.published();
        let engine = published.engine();
        let sum = |property: &str| {
            Family::ALL
                .iter()
                .filter_map(|family| engine.family(*family).ok())
                .filter_map(|handle| engine.db.property_int_value_cf(handle, property).ok().flatten())
                .sum()
        };
        let one = |property: &str| engine.db.property_int_value(property).ok().flatten().unwrap_or(0);
        let (hot_hits, hot_misses) = self.hot.hits_and_misses();
        StoreStats {
            memtable_bytes: sum("rocksdb.cur-size-all-mem-tables"),
            block_cache_bytes: one("rocksdb.block-cache-usage"),
            table_reader_bytes: sum("rocksdb.estimate-table-readers-mem"),
            live_sst_bytes: sum("rocksdb.live-sst-files-size"),
            hot_bytes: self.hot.bytes(),
            hot_records: self.hot.records() as u64,
            hot_hits,
            hot_misses,
        }
    }

    /// What the engine is busy with.
    pub fn engine_stats(&self) -> EngineStats {
        let published = self.published();
        let engine = published.engine();
        let sum = |property: &str| engine.properties(property).fold(0, u64::saturating_add);
        let one = |property: &str| engine.db.property_int_value(property).ok().flatten().unwrap_or(0);
        let mut stats = EngineStats {
            is_stopped: one("rocksdb.is-write-stopped") > 0,
            pending_compaction_bytes: sum("rocksdb.estimate-pending-compaction-bytes"),
            memtables_waiting: sum("rocksdb.num-immutable-mem-table"),
            flushes_running: one("rocksdb.num-running-flushes"),
            compactions_running: one("rocksdb.num-running-compactions"),
            background_errors: one("rocksdb.background-errors"),
            ..EngineStats::default()
        };
        for text in engine.texts("rocksdb.cf-write-stall-stats") {
            stats.delays = stats.delays.saturating_add(stalls(&text, "total-delays"));
            stats.stops = stats.stops.saturating_add(stalls(&text, "total-stops"));
        }
        for (level, files, bytes) in engine.texts("rocksdb.levelstats").iter().flat_map(|text| levels(text)) {
            let sum = stats.levels.entry(level).or_default();
            *sum = (sum.0.saturating_add(files), sum.1.saturating_add(bytes));
        }
        stats
    }

    /// How often a batch had to wait for memtables to be flushed.
    #[cfg(test)]
    pub(crate) fn stalls(&self) -> u64 {
        let published = self.latest();
        let engine = published.engine();
        let of = |family: Family| {
            let family = engine.family(family).unwrap();
            let text = engine.db.property_value_cf(family, "rocksdb.cf-write-stall-stats").unwrap().unwrap();
            let counts = text.split([',', '\n']).filter(|part| part.contains("memtable-limit"));
            let counts: Vec<u64> =
                counts.map(|part| part.rsplit([':', ' ']).next().unwrap().trim().parse().unwrap()).collect();
            assert!(counts.len() >= 2, "{text}");
            counts.iter().sum::<u64>()
        };
        of(Family::Meta) + of(Family::Data)
    }
}

impl Engine {
    /// A number that each column family has.
    fn properties<'e>(&'e self, name: &'e str) -> impl Iterator<Item = u64> + 'e {
        let families = Family::ALL.into_iter().filter_map(|family| self.family(family).ok());
        families.filter_map(move |family| self.db.property_int_value_cf(family, name).ok().flatten())
    }

    /// A text that each column family has.
    fn texts(&self, name: &str) -> Vec<String> {
        let families = Family::ALL.into_iter().filter_map(|family| self.family(family).ok());
        families.filter_map(|family| self.db.property_value_cf(family, name).ok().flatten()).collect()
    }
}

/// A number of `rocksdb.cf-write-stall-stats`: `Write Stall (count): total-delays: 0, total-stops: 0 …`.
fn stalls(text: &str, name: &str) -> u64 {
    let parts = text.split(',').filter_map(|part| part.rsplit_once(':'));
    let mut found =
        parts.filter(|(key, _)| key.trim_end().ends_with(name) && !key.contains(&format!("-{name}")));
    found.next().and_then(|(_, count)| count.trim().parse().ok()).unwrap_or(0)
}

/// Level, files and bytes of `rocksdb.levelstats`, a table with whole MiB.
fn levels(text: &str) -> impl Iterator<Item = (u32, u64, u64)> + '_ {
    text.lines().filter_map(|line| {
        let mut words = line.split_whitespace();
        let (level, files) = (words.next()?.parse().ok()?, words.next()?.parse().ok()?);
        let mib: u64 = words.next()?.parse().ok()?;
        (files > 0).then(|| (level, files, mib.saturating_mul(1 << 20)))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::StoreOptions;

    #[test]
    fn the_engine_tells_of_stalls_and_levels_in_the_form_that_is_read_here() {
        let directory = tempfile::tempdir().unwrap();
        let store = Store::open(directory.path(), StoreOptions::default()).unwrap();
        let published = store.published();
        let engine = published.engine();
        let texts = engine.texts("rocksdb.cf-write-stall-stats");
        assert_eq!(texts.len(), Family::ALL.len());
        for text in texts {
            assert!(text.contains("total-delays: 0") && text.contains("total-stops: 0"), "{text}");
        }
        assert!(store.engine_stats().levels.is_empty());
        engine.db.put_cf(engine.family(Family::Data).unwrap(), b"key", b"value").unwrap();
        store.flush().unwrap();
        let stats = store.engine_stats();
        assert_eq!(stats.levels.get(&0).map(|(files, _)| *files), Some(1), "{stats:?}");
        assert!((stats.stops, stats.delays, stats.background_errors) == (0, 0, 0) && !stats.is_stopped);
    }

    #[test]
    fn numbers_are_found_among_others() {
        let text = "Write Stall (count): memtable-limit-stops: 3, total-delays: 7, x-total-stops: 9, total-stops: 12\n";
        assert_eq!((stalls(text, "total-delays"), stalls(text, "total-stops")), (7, 12));
        assert_eq!(stalls("nothing of that kind", "total-stops"), 0);
        let text = "Level Files Size(MB)\n--------------------\n  0        2        5\n  6        1        0\n  1        0        0\n";
        assert_eq!(levels(text).collect::<Vec<_>>(), [(0, 2, 5 << 20), (6, 1, 0)]);
    }
}
