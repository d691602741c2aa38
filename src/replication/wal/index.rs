//! The positions of the durable entries: per segment, a run of consecutive indexes.

use super::file::SegmentFile;
use std::{collections::VecDeque, sync::Arc};

/// The position of one entry in its segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Location {
    pub(super) offset: u32,
    /// Length of the whole record.
    pub(super) bytes: u32,
    pub(super) term: u64,
}

/// One segment and the entries in it that count.
#[derive(Debug)]
pub(super) struct SegmentIndex {
    pub(super) file: Arc<SegmentFile>,
    /// Index of the first of `locations`.
    pub(super) first: u64,
    pub(super) locations: VecDeque<Location>,
    /// The highest index of any entry in the file, truncated ones included.
    highest: Option<u64>,
    /// Bytes written into the file.
    pub(super) used_bytes: u64,
}

impl SegmentIndex {
    pub(super) fn new(file: Arc<SegmentFile>, used_bytes: u64) -> Self {
        SegmentIndex { file, first: 0, locations: VecDeque::new(), highest: None, used_bytes }
    }

    /// One past the last index in it; `first` if it has none.
    pub(super) fn end(&self) -> u64 {
        self.first.saturating_add(self.locations.len() as u64)
    }

    fn get(&self, index: u64) -> Option<Location> {
        let at = index.checked_sub(self.first)?;
        self.locations.get(usize::try_from(at).ok()?).copied()
    }
}

/// All segments, oldest first. Indexes rise by one from the first location to the last.
#[derive(Debug, Default)]
pub(super) struct Index {
    pub(super) segments: VecDeque<SegmentIndex>,
}

impl Index {
    /// Adds an entry to the newest segment.
    pub(super) fn push(&mut self, index: u64, location: Location) {
        if let Some(segment) = self.segments.back_mut() {
            if segment.locations.is_empty() {
                segment.first = index;
            }
            segment.locations.push_back(location);
            segment.highest = segment.highest.max(Some(index));
        }
    }

    /// Forgets entries from `first` on.
    pub(super) fn truncate(&mut self, first: u64) {
        for segment in self.segments.iter_mut().rev() {
            let keep = first.saturating_sub(segment.first);
            segment.locations.truncate(usize::try_from(keep).unwrap_or(usize::MAX));
        }
    }

    /// Forgets entries up to `last`, and returns the oldest segments that hold no others, but never the newest one. A
    /// segment stays while it holds a truncated entry past `last`: the entries behind it in the next one would otherwise
    /// look like a gap.
    pub(super) fn purge(&mut self, last: u64) -> Vec<Arc<SegmentFile>> {
        for segment in &mut self.segments {
            while !segment.locations.is_empty() && segment.first <= last {
                segment.locations.pop_front();
                segment.first = segment.first.saturating_add(1);
            }
        }
        let mut taken = Vec::new();
        while self.segments.len() > 1
            && self.segments.front().is_some_and(|segment| segment.highest <= Some(last))
            && let Some(segment) = self.segments.pop_front()
        {
            taken.push(segment.file);
        }
        taken
    }

    /// The position of an entry.
    pub(super) fn find(&self, index: u64) -> Option<(&Arc<SegmentFile>, Location)> {
        self.segments
            .iter()
            .rev()
            .find_map(|segment| segment.get(index).map(|location| (&segment.file, location)))
    }

    /// First and one past the last index.
    pub(super) fn range(&self) -> Option<(u64, u64)> {
        let first = self.segments.iter().find(|segment| !segment.locations.is_empty())?;
        let last = self.segments.iter().rev().find(|segment| !segment.locations.is_empty())?;
        Some((first.first, last.end()))
    }

    /// Bytes written into all segments.
    pub(super) fn bytes(&self) -> u64 {
        self.segments.iter().map(|segment| segment.used_bytes).sum()
    }

    /// Segments whose purge lets them go, oldest first, never the newest: the highest index in each, its file, and the
    /// bytes that would stay.
    pub(super) fn candidates(&self) -> Vec<Candidate> {
        let mut left = self.bytes();
        let mut found = Vec::new();
        for segment in self.segments.iter().take(self.segments.len().saturating_sub(1)) {
            left = left.saturating_sub(segment.used_bytes);
            if !segment.locations.is_empty() {
                let last = segment.end().saturating_sub(1);
                found.push(Candidate { last, file: Arc::clone(&segment.file), bytes_left: left });
            }
        }
        found
    }
}

/// A segment that could be purged.
#[derive(Debug)]
pub(super) struct Candidate {
    pub(super) last: u64,
    pub(super) file: Arc<SegmentFile>,
    /// Bytes of log that stay without it and those before it.
    pub(super) bytes_left: u64,
}
