//! Which index is at which position: stretches of indexes that follow one another, in the list's order.
//!
//! **Invariants.** No segment is empty, no two share an index. Two segments of one region stand in the list in the order of
//! their indexes: so the end of a segment is free to grow unless the next one of the region begins there.

use crate::error::StoreError;
use std::ops::Range;

/// Index of a new list's first element.
pub(super) const FIRST: u64 = 1 << 63;
/// Indexes are given out by regions of this size: a new segment begins in the middle of one, and grows both ways.
const REGION: u64 = 1 << 40;
/// Most segments of a list that is stored.
pub(super) const SEGMENTS_MAX: usize = 64;
const SEGMENT_BYTES: usize = 16;

/// Indexes that follow one another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Segment {
    pub(super) start: u64,
    pub(super) len: u64,
}

impl Segment {
    /// The first index behind it.
    pub(super) fn end(self) -> u64 {
        self.start.saturating_add(self.len)
    }

    fn overlaps(self, start: u64, end: u64) -> bool {
        self.start < end && start < self.end()
    }

    fn encode(self) -> [u8; SEGMENT_BYTES] {
        let mut bytes = [0; SEGMENT_BYTES];
        let (start, len) = bytes.split_at_mut(8);
        start.copy_from_slice(&self.start.to_be_bytes());
        len.copy_from_slice(&self.len.to_be_bytes());
        bytes
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        let (start, len) = bytes.split_first_chunk::<8>()?;
        let len = u64::from_be_bytes(*len.first_chunk::<8>()?);
        Some(Segment { start: u64::from_be_bytes(*start), len })
    }
}

/// How two neighbours become one segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Join {
    /// They are one already.
    AsTheyAre,
    /// The second one moves behind the first.
    SecondToFirst,
    /// The first one moves before the second.
    FirstToSecond,
    /// Both move.
    Both,
}

/// See the module.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Segments {
    all: Vec<Segment>,
    /// Of a list without elements: the index at which it goes on.
    empty_at: u64,
}

impl Segments {
    /// So many elements of a new collection.
    pub(super) fn one(len: u64) -> Self {
        Self::of((len > 0).then_some(Segment { start: FIRST, len }).into_iter().collect())
    }

    fn of(all: Vec<Segment>) -> Self {
        Segments { all, empty_at: FIRST }
    }

    /// Those of a row: the list's first index, its elements, and what the row says of segments.
    pub(super) fn decode(head: u64, len: u64, bytes: &[u8]) -> Result<Self, StoreError> {
        if bytes.is_empty() {
            return Ok(Self::of(vec![Segment { start: head, len }]));
        }
        let read: Option<Vec<Segment>> = bytes.chunks(SEGMENT_BYTES).map(Segment::decode).collect();
        let sum = |all: &[Segment]| all.iter().fold(0_u64, |sum, segment| sum.saturating_add(segment.len));
        match read.filter(|all| sum(all) == len) {
            Some(all) => Ok(Self::of(all)),
            None => Err(StoreError::corrupt("list", "the segments are not those of the elements")),
        }
    }

    /// What the row says of them.
    pub(super) fn encode(&self, out: &mut Vec<u8>) {
        if self.all.len() > 1 {
            self.all.iter().for_each(|segment| out.extend_from_slice(&segment.encode()));
        }
    }

    pub(super) fn count(&self) -> usize {
        self.all.len()
    }

    /// The index of the first element, or where it would be.
    pub(super) fn head(&self) -> u64 {
        self.all.first().map_or(self.empty_at, |segment| segment.start)
    }

    /// The index behind the last element, or where it would be.
    pub(super) fn tail(&self) -> u64 {
        self.all.last().map_or(self.empty_at, |segment| segment.end())
    }

    /// Whether there are few regions left. A list that is made anew begins where a new one does.
    pub(super) fn are_used_up(&self) -> bool {
        self.all.iter().any(|segment| segment.end() > 3 << 62)
    }

    /// The last elements were taken out; the next one comes at this index, or before it.
    pub(super) fn go_on_at(&mut self, index: u64) {
        self.empty_at = index;
    }

    /// The index at a position, if there is one.
    pub(super) fn index_of(&self, at: u64) -> Option<u64> {
        let (number, offset) = self.find(at)?;
        Some(self.all.get(number)?.start.saturating_add(offset))
    }

    /// The segment that has a position, and the position in it.
    fn find(&self, at: u64) -> Option<(usize, u64)> {
        let mut offset = at;
        for (number, segment) in self.all.iter().enumerate() {
            if offset < segment.len {
                return Some((number, offset));
            }
            offset = offset.saturating_sub(segment.len);
        }
        None
    }

    /// The parts of a range of positions, in order: the position of each, and its indexes.
    pub(super) fn parts(&self, range: &Range<u64>) -> Vec<(u64, Range<u64>)> {
        let (mut parts, mut first) = (Vec::new(), 0_u64);
        for segment in &self.all {
            let end = first.saturating_add(segment.len);
            let (from, to) = (range.start.max(first), range.end.min(end));
            if from < to {
                let index = |at: u64| segment.start.saturating_add(at.saturating_sub(first));
                parts.push((from, index(from)..index(to)));
            }
            first = end;
        }
        parts
    }

    fn is_free(&self, start: u64, end: u64, but: Option<usize>) -> bool {
        let others = self.all.iter().enumerate().filter(|(number, _)| Some(*number) != but);
        others.into_iter().all(|(_, segment)| !segment.overlaps(start, end))
    }

    /// Where a new segment of so many elements may begin; `None`: the regions are used up.
    fn fresh(&self, len: u64) -> Option<u64> {
        let end = self.all.iter().map(|segment| segment.end()).max().unwrap_or(FIRST);
        let region = (end / REGION).checked_add(1)?.checked_mul(REGION)?;
        let start = region.checked_add(REGION / 2)?;
        start.checked_add(len)?.checked_add(REGION).map(|_room| start)
    }

    /// Makes room for an element at a position, of which those behind it move one on; returns its index. `None`: the list has to be
    /// made anew.
    pub(super) fn insert(&mut self, at: u64) -> Option<u64> {
        let Some((number, offset)) = self.find(at) else {
            return self.insert_between(self.all.len());
        };
        if offset == 0 {
            return self.insert_between(number);
        }
        let index = self.fresh(1)?;
        let segment = self.all.get_mut(number)?;
        let rest =
            Segment { start: segment.start.saturating_add(offset), len: segment.len.saturating_sub(offset) };
        segment.len = offset;
        let behind = number.saturating_add(1);
        self.all.splice(behind..behind, [Segment { start: index, len: 1 }, rest]);
        Some(index)
    }

    /// Before segment `number`, behind the one before it.
    fn insert_between(&mut self, number: usize) -> Option<u64> {
        let before = number.checked_sub(1).and_then(|before| self.all.get(before)).map(|before| before.end());
        if let Some(index) = before.filter(|index| self.is_free(*index, index.saturating_add(1), None)) {
            let grown = self.all.get_mut(number.saturating_sub(1))?;
            grown.len = grown.len.saturating_add(1);
            return Some(index);
        }
        let behind = self.all.get(number).and_then(|behind| behind.start.checked_sub(1));
        if let Some(index) = behind.filter(|index| self.is_free(*index, index.saturating_add(1), None)) {
            let grown = self.all.get_mut(number)?;
            (grown.start, grown.len) = (index, grown.len.saturating_add(1));
            return Some(index);
        }
        let index = self.fresh(1)?;
        self.all.insert(number, Segment { start: index, len: 1 });
        Some(index)
    }

    /// Makes room for an element at an end; returns its index.
    pub(super) fn push(&mut self, is_left: bool) -> Option<u64> {
        match (self.all.is_empty(), is_left) {
            (true, _) => {
                let index = self.empty_at.saturating_sub(u64::from(is_left));
                self.all.push(Segment { start: index, len: 1 });
                Some(index)
            }
            (false, true) => self.insert_between(0),
            (false, false) => self.insert_between(self.all.len()),
        }
    }

    /// Takes a range of positions out.
    pub(super) fn cut(&mut self, range: &Range<u64>) {
        let (mut left, mut first) = (Vec::with_capacity(self.all.len().saturating_add(1)), 0_u64);
        for segment in &self.all {
            let end = first.saturating_add(segment.len);
            let before = range.start.clamp(first, end).saturating_sub(first);
            let behind = end.saturating_sub(range.end.clamp(first, end));
            match range.start < range.end && before.saturating_add(behind) < segment.len {
                true => left.extend([
                    Segment { start: segment.start, len: before },
                    Segment { start: segment.end().saturating_sub(behind), len: behind },
                ]),
                false => left.push(*segment),
            }
            first = end;
        }
        left.retain(|segment| segment.len > 0);
        self.all = left;
    }

    /// The cheapest way to have one segment less: which one is joined with the next, and how.
    pub(super) fn cheapest(&self) -> Option<(usize, Join)> {
        let pairs = self.all.iter().zip(self.all.iter().skip(1)).enumerate();
        let ways = pairs.map(|(number, (first, second))| {
            let (join, cost) = self.way(number, *first, *second);
            (cost, number, join)
        });
        ways.min_by_key(|(cost, number, _)| (*cost, *number)).map(|(_, number, join)| (number, join))
    }

    fn way(&self, number: usize, first: Segment, second: Segment) -> (Join, u64) {
        if first.end() == second.start {
            return (Join::AsTheyAre, 0);
        }
        let behind = (first.end(), first.end().checked_add(second.len));
        let before = (second.start.checked_sub(first.len), second.start);
        let is_behind_free =
            behind.1.is_some_and(|end| self.is_free(behind.0, end, Some(number.saturating_add(1))));
        let is_before_free = before.0.is_some_and(|start| self.is_free(start, before.1, Some(number)));
        let to_first = is_behind_free.then_some((Join::SecondToFirst, second.len));
        let to_second = is_before_free.then_some((Join::FirstToSecond, first.len));
        let both = (Join::Both, first.len.saturating_add(second.len));
        let ways = [to_first, to_second, Some(both)].into_iter().flatten();
        ways.min_by_key(|(_, cost)| *cost).unwrap_or(both)
    }

    /// Segment `number` and the next.
    pub(super) fn pair(&self, number: usize) -> Option<(Segment, Segment)> {
        Some((*self.all.get(number)?, *self.all.get(number.checked_add(1)?)?))
    }

    /// Joins segment `number` with the next; returns where the joined one begins. `None`: the list has to be made anew.
    pub(super) fn join(&mut self, number: usize, join: Join) -> Option<u64> {
        let (first, second) = self.pair(number)?;
        let len = first.len.saturating_add(second.len);
        let start = match join {
            Join::AsTheyAre | Join::SecondToFirst => first.start,
            Join::FirstToSecond => second.start.checked_sub(first.len)?,
            Join::Both => self.fresh(len)?,
        };
        self.all.splice(number..number.saturating_add(2), [Segment { start, len }]);
        Some(start)
    }
}
