//! Rows that writers look up again and again, kept in memory from batch to batch: the first members of a sorted set that is
//! popped, the counts of one that is written to.
//!
//! An interval has all existing rows between two keys. Every write of a batch passes through here, too, so an interval
//! equals overlay and store together; an interval that a rejected command touched is dropped. The cache changes the speed
//! of a batch, never its result.
//!
//! Only the apply thread has it. It belongs to one published state, and is void if the next batch begins with another one.

use super::prefetched::Prefetched;
use crate::store::{
    engine::Family,
    keys::{ALL, CollectionId, Span, StorageKey, behind},
    scan::Direction,
};
use bytes::Bytes;
use std::{
    collections::{BTreeMap, HashMap},
    ops::Bound,
};

/// All intervals together.
const BYTES_MAX: usize = 32 << 20;
/// Bytes of a row beside its content.
const ROW_BYTES: usize = 64;
/// A longer row is not cached; the interval ends there.
const LONG_ROW_BYTES: usize = 1 << 10;
/// Rows of one end of a collection to fetch at a time, and most rows to cache.
pub(super) const END_ROWS: usize = 64;
const END_ROWS_MAX: usize = 4 * END_ROWS;
/// Most rows of an interval that is cached as a whole, for lookups,
const WHOLE_ROWS_MAX: u64 = 1 << 14;
/// and for searches, which go through all of them.
pub(super) const SEARCHED_ROWS_MAX: u64 = 1 << 17;
/// A search of fewer rows is cheap.
const SEARCHED_ROWS_MIN: u64 = 1 << 10;
/// Looking up one row costs as much as fetching this many in sequence.
pub(super) const ROWS_PER_MISS: u64 = 64;
const MISSES_MAX: usize = 1 << 10;

/// Where an interval may be split once it has grown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    /// The first rows of a collection: at its end.
    First,
    /// The last rows: at its beginning.
    Last,
    /// Nowhere: it is forgotten instead.
    Whole,
}

#[derive(Debug)]
struct Interval {
    /// Not part of it.
    to: StorageKey,
    part: Part,
    rows: BTreeMap<StorageKey, Bytes>,
    bytes: usize,
    used: u64,
}

fn cost(key: &[u8], value: &[u8]) -> usize {
    key.len().saturating_add(value.len()).saturating_add(ROW_BYTES)
}

/// Whether a row is too long to be cached.
pub(super) fn is_long(key: &[u8], value: &[u8]) -> bool {
    cost(key, value) > LONG_ROW_BYTES
}

impl Interval {
    fn insert(&mut self, key: StorageKey, value: Bytes) {
        self.bytes = self.bytes.saturating_add(cost(&key, &value));
        let len = key.len();
        if let Some(before) = self.rows.insert(key, value) {
            self.bytes =
                self.bytes.saturating_sub(len.saturating_add(before.len()).saturating_add(ROW_BYTES));
        }
    }

    fn remove(&mut self, key: &[u8]) {
        if let Some(value) = self.rows.remove(key) {
            self.bytes = self.bytes.saturating_sub(cost(key, &value));
        }
    }

    /// A row of the interval was written or deleted. Returns the new start of the interval; `None` = it is gone.
    fn written(&mut self, from: StorageKey, key: &StorageKey, value: Option<&Bytes>) -> Option<StorageKey> {
        let Some(value) = value else {
            self.remove(key);
            return Some(from);
        };
        if !is_long(key, value) {
            self.insert(key.clone(), value.clone());
        }
        let (is_long, len) = (is_long(key, value), self.rows.len());
        match self.part {
            Part::First if is_long => self.end_at(key.clone()),
            Part::First if len > END_ROWS_MAX => {
                let (last, _) = self.rows.last_key_value()?;
                self.end_at(last.clone());
            }
            Part::Last if is_long => return Some(self.begin_behind(key)),
            Part::Last if len > END_ROWS_MAX => {
                let first = self.rows.first_key_value()?.0.clone();
                return Some(self.begin_behind(&first));
            }
            Part::Whole if is_long || len as u64 > 2 * SEARCHED_ROWS_MAX => return None,
            Part::First | Part::Last | Part::Whole => {}
        }
        Some(from)
    }

    /// Drops rows at this key or behind it.
    fn end_at(&mut self, to: StorageKey) {
        while let Some((key, _)) = self.rows.last_key_value().filter(|(key, _)| **key >= to) {
            let key = key.clone();
            self.remove(&key);
        }
        self.to = to;
    }

    /// Drops rows at this key or before it; returns the new start of the interval.
    fn begin_behind(&mut self, last: &StorageKey) -> StorageKey {
        while let Some((key, _)) = self.rows.first_key_value().filter(|(key, _)| *key <= last) {
            let key = key.clone();
            self.remove(&key);
        }
        behind(last)
    }
}

/// By their start. No two of a family overlap.
type Intervals = BTreeMap<StorageKey, Interval>;

/// The apply cache.
#[derive(Debug, Default)]
pub(in crate::store) struct ApplyCache {
    data: Intervals,
    score: Intervals,
    bytes: usize,
    uses: u64,
    /// Rows read in vain outside cached intervals.
    misses: HashMap<StorageKey, u64>,
    pub(super) prefetched: Prefetched,
}

impl ApplyCache {
    fn of(&self, family: Family) -> &Intervals {
        if family == Family::Score { &self.score } else { &self.data }
    }

    fn of_mut(&mut self, family: Family) -> &mut Intervals {
        if family == Family::Score { &mut self.score } else { &mut self.data }
    }

    /// The interval that has a key.
    fn at(&self, family: Family, key: &[u8]) -> Option<(&StorageKey, &Interval)> {
        let mut before = self.of(family).range::<[u8], _>((Bound::Unbounded, Bound::Included(key)));
        before.next_back().filter(|(_, interval)| key < &interval.to[..])
    }

    /// The interval that has the keys before this one.
    fn before(&self, family: Family, key: &[u8]) -> Option<(&StorageKey, &Interval)> {
        let mut before = self.of(family).range::<[u8], _>((Bound::Unbounded, Bound::Excluded(key)));
        before.next_back().filter(|(_, interval)| key <= &interval.to[..])
    }

    /// The cached rows of a span, from the start of a scan, and the rest of the span behind them.
    pub(in crate::store) fn rows(
        &self,
        family: Family,
        span: &Span,
        direction: Direction,
    ) -> Option<(impl DoubleEndedIterator<Item = (&StorageKey, &Bytes)> + use<'_>, Span)> {
        let to = span.to.as_ref()?;
        if span.is_empty() {
            return None;
        }
        let (from, interval) = match direction {
            Direction::Forward => self.at(family, &span.from)?,
            Direction::Backward => self.before(family, to)?,
        };
        let (first, last) = (from.max(&span.from), (&interval.to).min(to));
        let rows = interval.rows.range::<[u8], _>((Bound::Included(&first[..]), Bound::Excluded(&last[..])));
        let left = match direction {
            Direction::Forward => Span { from: last.clone(), to: span.to.clone() },
            Direction::Backward => Span { from: span.from.clone(), to: Some(first.clone()) },
        };
        Some((rows, left))
    }

    /// The range to read so that the rows at one end of a collection are cached, if there are any; `None` = nothing to
    /// read. `within` bounds the rows.
    pub(super) fn missing_of_end(
        &mut self,
        family: Family,
        whole: &Span,
        within: &Span,
        direction: Direction,
    ) -> Option<Span> {
        let to = whole.to.as_ref()?;
        let found = match direction {
            Direction::Forward => self.at(family, &whole.from),
            Direction::Backward => self.before(family, to),
        };
        let mut missing = within.clone();
        if let Some((from, interval)) = found {
            let (from, is_all) = (from.clone(), *from <= whole.from && interval.to >= *to);
            if is_all || !interval.rows.is_empty() {
                self.touch(family, &from);
                return None;
            }
            match direction {
                Direction::Forward => missing.from = missing.from.max(interval.to.clone()),
                Direction::Backward => missing.to = missing.to.min(Some(from)),
            }
        }
        Some(missing)
    }

    /// Caches rows of an end of a collection: all there are up to the last of them, or (`is_all`) all there are.
    pub(super) fn cache_end(
        &mut self,
        family: Family,
        whole: &Span,
        direction: Direction,
        mut rows: Vec<(StorageKey, Bytes)>,
        is_all: bool,
    ) {
        let Some(whole_to) = whole.to.clone() else { return };
        let long = rows.iter().position(|(key, value)| is_long(key, value));
        let limit = match (long, is_all) {
            (Some(long), _) => rows.drain(long..).next().map(|(key, _)| (key, false)),
            (None, true) => None,
            (None, false) => rows.last().map(|(key, _)| (key.clone(), true)),
        };
        let (part, from, to) = match (direction, limit) {
            (Direction::Forward, None) => (Part::First, whole.from.clone(), whole_to),
            (Direction::Backward, None) => (Part::Last, whole.from.clone(), whole_to),
            (Direction::Forward, Some((key, true))) => (Part::First, whole.from.clone(), behind(&key)),
            (Direction::Forward, Some((key, false))) => (Part::First, whole.from.clone(), key),
            (Direction::Backward, Some((key, true))) => (Part::Last, key, whole_to),
            (Direction::Backward, Some((key, false))) => (Part::Last, behind(&key), whole_to),
        };
        self.hold(family, from, to, part, rows);
    }

    fn hold(
        &mut self,
        family: Family,
        from: StorageKey,
        to: StorageKey,
        part: Part,
        rows: Vec<(StorageKey, Bytes)>,
    ) {
        self.forget(family, &from, &to);
        let mut interval = Interval { to, part, rows: BTreeMap::new(), bytes: ROW_BYTES, used: 0 };
        rows.into_iter().for_each(|(key, value)| interval.insert(key, value));
        self.bytes = self.bytes.saturating_add(interval.bytes);
        self.of_mut(family).insert(from.clone(), interval);
        self.touch(family, &from);
        while self.bytes > BYTES_MAX && self.forget_oldest() {}
    }

    /// Holds all rows of a span.
    pub(super) fn cache_whole(&mut self, family: Family, span: &Span, rows: Vec<(StorageKey, Bytes)>) {
        let is_held =
            rows.len() as u64 <= SEARCHED_ROWS_MAX && !rows.iter().any(|(key, value)| is_long(key, value));
        if let Some(to) = span.to.clone().filter(|_| is_held) {
            self.hold(family, span.from.clone(), to, Part::Whole, rows);
        }
    }

    /// Whether to cache a span of about this many rows, one of which is about to be looked up. It pays once the lookups
    /// have cost as much.
    pub(super) fn should_cache_whole(&mut self, family: Family, span: &Span, about: u64) -> bool {
        about <= WHOLE_ROWS_MAX && self.pays(family, span, about, ROWS_PER_MISS)
    }

    /// Whether to cache a span of about this many rows, of which so many are about to be read: not the first time.
    pub(super) fn should_cache_searched(
        &mut self,
        family: Family,
        span: &Span,
        about: u64,
        rows: u64,
    ) -> bool {
        let is_worth_it = (SEARCHED_ROWS_MIN..=SEARCHED_ROWS_MAX).contains(&about);
        is_worth_it && self.pays(family, span, about, rows.min(about.div_ceil(2)))
    }

    /// Whether a span was read often enough to be cached; this time it costs so many rows.
    fn pays(&mut self, family: Family, span: &Span, about: u64, rows: u64) -> bool {
        if self.at(family, &span.from).is_some() {
            self.touch(family, &span.from);
            return false;
        }
        if self.misses.len() >= MISSES_MAX {
            self.misses.clear();
        }
        let misses = self.misses.entry(span.from.clone()).or_default();
        *misses = misses.saturating_add(rows);
        if *misses < about {
            return false;
        }
        self.misses.remove(&span.from);
        true
    }

    fn touch(&mut self, family: Family, from: &StorageKey) {
        self.uses = self.uses.saturating_add(1);
        let uses = self.uses;
        if let Some(interval) = self.of_mut(family).get_mut(from) {
            interval.used = uses;
        }
    }

    /// A batch has written (`None`: deleted) this row.
    pub(super) fn written(&mut self, family: Family, key: &StorageKey, value: Option<&Bytes>) {
        if family == Family::Meta {
            self.prefetched.written(key);
        }
        if !matches!(family, Family::Data | Family::Score) || self.of(family).is_empty() {
            return;
        }
        let Some(from) = self.at(family, key).map(|(from, _)| from.clone()) else { return };
        let Some(mut interval) = self.of_mut(family).remove(&from) else { return };
        self.bytes = self.bytes.saturating_sub(interval.bytes);
        if let Some(from) = interval.written(from, key, value).filter(|from| *from < interval.to) {
            self.bytes = self.bytes.saturating_add(interval.bytes);
            self.of_mut(family).insert(from, interval);
        }
    }

    /// Forgets the interval that has this key.
    pub(super) fn forget_at(&mut self, family: Family, key: &[u8]) {
        if matches!(family, Family::Data | Family::Score)
            && let Some(from) = self.at(family, key).map(|(from, _)| from.clone())
        {
            self.remove(family, &from);
        }
    }

    /// Forgets all of a collection.
    pub(super) fn forget_collection(&mut self, collection: &CollectionId) {
        let whole = collection.span(ALL);
        if let Some(to) = &whole.to {
            for family in [Family::Data, Family::Score] {
                self.forget(family, &whole.from, to);
            }
        }
    }

    /// Forgets rows with keys from one up to another.
    fn forget(&mut self, family: Family, from: &StorageKey, to: &StorageKey) {
        let before = self.of(family).range::<[u8], _>((Bound::Unbounded, Bound::Excluded(&to[..])));
        let overlapping: Vec<StorageKey> = before
            .rev()
            .take_while(|(_, interval)| interval.to > *from)
            .map(|(begins, _)| begins.clone())
            .collect();
        overlapping.iter().for_each(|begins| self.remove(family, begins));
    }

    fn remove(&mut self, family: Family, from: &StorageKey) {
        if let Some(interval) = self.of_mut(family).remove(from) {
            self.bytes = self.bytes.saturating_sub(interval.bytes);
        }
    }

    fn forget_oldest(&mut self) -> bool {
        let all = [Family::Data, Family::Score].into_iter().flat_map(|family| {
            self.of(family).iter().map(move |(from, interval)| (interval.used, family, from))
        });
        let oldest = all.min_by_key(|(used, _, _)| *used).map(|(_, family, from)| (family, from.clone()));
        if let Some((family, from)) = &oldest {
            self.remove(*family, from);
        }
        oldest.is_some()
    }
}
