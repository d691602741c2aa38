//! Shared by callers, readers and the writer thread of one log: the entries in memory and the positions of the others.

use super::{
    hard_state::VoteRecord,
    index::{Index, Location},
    record::LogEntry,
};
use crate::store::LogId;
use std::{collections::VecDeque, sync::Arc};

/// Memory taken by an entry beside its payload, roughly.
const ENTRY_COST_BYTES: usize = 96;

/// Behind the log's one lock, which is never held across I/O.
#[derive(Debug)]
pub(super) struct Shared {
    cache: VecDeque<Cached>,
    cache_bytes: usize,
    cache_bytes_max: usize,
    next_batch: u64,
    durable_batch: u64,
    pub(super) last: Option<LogId>,
    pub(super) purged: Option<LogId>,
    pub(super) vote: Option<VoteRecord>,
    pub(super) index: Index,
    /// The store went past entries up to this one by a snapshot.
    covered: Option<LogId>,
    /// The number of truncations and covers.
    pub(super) cuts: u64,
}

#[derive(Debug)]
struct Cached {
    entry: LogEntry,
    batch: u64,
}

/// The source of one entry.
pub(super) enum Source {
    Memory(LogEntry),
    Disk(Arc<super::file::SegmentFile>, Location),
}

impl Shared {
    pub(super) fn new(
        cache_bytes_max: usize,
        last: Option<LogId>,
        purged: Option<LogId>,
        vote: Option<VoteRecord>,
        index: Index,
    ) -> Self {
        Shared {
            cache: VecDeque::new(),
            cache_bytes: 0,
            cache_bytes_max,
            next_batch: 1,
            durable_batch: 0,
            last,
            purged,
            vote,
            index,
            covered: None,
            cuts: 0,
        }
    }

    /// Makes entries readable; returns the number of their batch. `None`: they do not follow the last one.
    pub(super) fn append(&mut self, entries: &[LogEntry]) -> Option<u64> {
        let mut expected = self.last.map(|last| last.index.saturating_add(1));
        for entry in entries {
            if expected.is_some_and(|expected| expected != entry.index) {
                return None;
            }
            expected = Some(entry.index.saturating_add(1));
        }
        let batch = self.next_batch;
        self.next_batch = batch.saturating_add(1);
        for entry in entries {
            self.cache_bytes =
                self.cache_bytes.saturating_add(entry.payload.len().saturating_add(ENTRY_COST_BYTES));
            self.last = Some(LogId { term: entry.term, index: entry.index });
            self.cache.push_back(Cached { entry: entry.clone(), batch });
        }
        Some(batch)
    }

    /// Forgets what follows `last`.
    pub(super) fn truncate_after(&mut self, last: Option<LogId>) {
        self.cuts = self.cuts.saturating_add(1);
        let first = last.map_or(0, |last| last.index.saturating_add(1));
        while self.cache.back().is_some_and(|cached| cached.entry.index >= first) {
            let gone = self.cache.pop_back();
            self.uncount(gone);
        }
        if self.last.is_some_and(|mine| mine.index >= first) {
            self.last = last.max(self.purged);
        }
    }

    /// Forgets everything up to `upto`.
    pub(super) fn purge(&mut self, upto: LogId) {
        self.purged = Some(upto).max(self.purged);
        while self.cache.front().is_some_and(|cached| cached.entry.index <= upto.index) {
            let gone = self.cache.pop_front();
            self.uncount(gone);
        }
        if self.last.is_none_or(|last| last.index < upto.index) {
            self.last = Some(upto);
        }
    }

    /// A batch and all before it are durable: drops old ones of them if the cache is too large.
    pub(super) fn durable(&mut self, batch: u64) {
        self.durable_batch = self.durable_batch.max(batch);
        let durable = self.durable_batch;
        while self.cache_bytes > self.cache_bytes_max
            && self.cache.front().is_some_and(|cached| cached.batch <= durable)
        {
            let gone = self.cache.pop_front();
            self.uncount(gone);
        }
    }

    /// The first index that can be read and one past the last.
    pub(super) fn range(&self) -> (u64, u64) {
        let Some(last) = self.last else { return (0, 0) };
        let end = last.index.saturating_add(1);
        let after_purged = self.purged.map_or(0, |purged| purged.index.saturating_add(1));
        let on_disk = self.index.range().map_or(u64::MAX, |(first, _)| first);
        let in_memory = self.cache.front().map_or(u64::MAX, |cached| cached.entry.index);
        (on_disk.min(in_memory).max(after_purged).min(end), end)
    }

    /// From now on entries up to `upto` are not the source of the store's state.
    pub(super) fn cover(&mut self, upto: LogId) {
        self.cuts = self.cuts.saturating_add(1);
        self.covered = self.covered.max(Some(upto));
    }

    /// The last entry that is purged or covered.
    pub(super) fn gone(&self) -> Option<LogId> {
        self.purged.max(self.covered)
    }

    /// The term of an entry, or of the last purged one.
    pub(super) fn term(&self, index: u64) -> Option<u64> {
        match self.gone().filter(|gone| gone.index >= index) {
            Some(gone) => (gone.index == index).then_some(gone.term),
            // Behind the last entry the index may still know some that were taken back.
            None => match self.source(index).filter(|_| self.last.is_some_and(|last| index <= last.index))? {
                Source::Memory(entry) => Some(entry.term),
                Source::Disk(_, location) => Some(location.term),
            },
        }
    }

    /// The source of the entry; the caller stays within `range`.
    pub(super) fn source(&self, index: u64) -> Option<Source> {
        if let Some(first) = self.cache.front().map(|cached| cached.entry.index)
            && let Some(at) = index.checked_sub(first)
            && let Some(cached) = self.cache.get(usize::try_from(at).ok()?)
        {
            return Some(Source::Memory(cached.entry.clone()));
        }
        let (file, location) = self.index.find(index)?;
        Some(Source::Disk(Arc::clone(file), location))
    }

    fn uncount(&mut self, gone: Option<Cached>) {
        let bytes = gone.map_or(0, |cached| cached.entry.payload.len().saturating_add(ENTRY_COST_BYTES));
        self.cache_bytes = self.cache_bytes.saturating_sub(bytes);
    }
}
