//! An open sorted set: looks up scores, adds and removes members, scans stretches.

use super::{
    ends::Ends,
    ranks::{Ranks, capacity},
    score::ordered,
    span::{Span, parse_sub, sub_key, sub_value},
};
use crate::{
    error::{Result, StoreError},
    resp::ErrorReply,
    store::{Direction, Encoding, Row, SubKeys, Txn, Type, View, Was},
    types::{
        collection::{Collection, hashed},
        encoding::{LISTPACK_ELEMENT_BYTES_MAX, LISTPACK_ELEMENTS_MAX},
    },
};
use std::ops::ControlFlow;

/// Up to this many members are stepped over one by one; beyond that, counts are looked up.
const STEPPED_MAX: u64 = 128;

/// What is stored of a member's score.
pub(super) const SCORE_BYTES: Was = Was::Bytes(8);

/// A member and its score.
#[derive(Debug, Clone, PartialEq)]
pub struct Scored {
    pub member: Vec<u8>,
    pub score: f64,
}

impl Scored {
    /// Sorts as a sorted set does.
    pub fn sort(members: &mut [Scored]) {
        members.sort_by(|a, b| ordered(a.score).cmp(&ordered(b.score)).then_with(|| a.member.cmp(&b.member)));
    }
}

/// A sorted set. Nothing is written to the row before `save`.
#[derive(Debug, Clone)]
pub struct SortedSet {
    pub(super) collection: Collection,
    ends: Ends,
    /// Levels of counts that are kept (`ranks.rs`).
    levels: u8,
}

impl SortedSet {
    /// The sorted set under a key; another type is WRONGTYPE.
    pub fn open(view: &View<'_>, key: &[u8]) -> Result<Option<Self>> {
        view.get(key)?.map(|row| Self::of_row(view, &row)).transpose()
    }

    /// The sorted set that a row of the current database is.
    pub fn of_row(view: &View<'_>, row: &Row) -> Result<Self> {
        let collection = Collection::of_row(view, row, Type::SortedSet)?;
        let (levels, ends) = match collection.rest.split_first() {
            None => (0, Ends::default()),
            Some((levels, rest)) => (*levels, Ends::take(rest)?),
        };
        Ok(SortedSet { collection, ends, levels })
    }

    /// A new, empty sorted set that replaces the key's value once it is saved.
    pub fn create(txn: &mut Txn<'_>) -> Self {
        SortedSet { collection: Collection::create(txn, Type::SortedSet), ends: Ends::default(), levels: 0 }
    }

    /// The one under a key, or a new one.
    pub fn open_or_create(txn: &mut Txn<'_>, key: &[u8]) -> Result<Self> {
        Ok(Self::open(&txn.view(), key)?.unwrap_or_else(|| Self::create(txn)))
    }

    /// Members.
    pub fn len(&self) -> u64 {
        self.collection.len
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The part shared with other collections.
    pub fn collection(&self) -> &Collection {
        &self.collection
    }

    /// A member's score.
    pub fn score_of(&self, view: &View<'_>, member: &[u8]) -> Result<Option<f64>> {
        let stored = view.sub(SubKeys::Data, &self.collection.id, &hashed(member))?;
        Ok(stored.map(|value| score_in(&value)).transpose()?)
    }

    /// Gives a member a score; `true` = it is new.
    pub fn add(&mut self, txn: &mut Txn<'_>, member: &[u8], score: f64) -> Result<bool> {
        let before = self.score_of(&txn.view(), member)?;
        self.put(txn, member, before, score)?;
        Ok(before.is_none())
    }

    /// As `add`, for a caller that knows the member's former score. An equal score changes nothing.
    pub fn put(&mut self, txn: &mut Txn<'_>, member: &[u8], before: Option<f64>, score: f64) -> Result<()> {
        if before == Some(score) {
            return Ok(());
        }
        let (ranks, sub) = (self.ranks(), sub_key(score, member));
        let Some(before) = before else {
            self.write(txn, member, true, score)?;
            ranks.added(txn, &sub, member)?;
            return self.raise(txn);
        };
        let old = sub_key(before, member);
        ranks.moves(txn, (&old, &sub), member, |txn| {
            txn.delete_sub_of(SubKeys::Score, &ranks.id, &old, Was::Bytes(sub_value(before).len()));
            self.write(txn, member, false, score)
        })
    }

    /// Writes a member, without the counts.
    fn write(&mut self, txn: &mut Txn<'_>, member: &[u8], is_new: bool, score: f64) -> Result<()> {
        if score.is_nan() {
            return Err(ErrorReply::err("resulting score is not a number (NaN)").into());
        }
        if is_new {
            self.collection.len = self.collection.len.saturating_add(1);
            let outgrown = self.collection.len > LISTPACK_ELEMENTS_MAX;
            if outgrown || member.len() > LISTPACK_ELEMENT_BYTES_MAX {
                self.collection.encoding = Encoding::Large;
            }
        }
        // In a listpack a zero is an integer, which has no sign.
        let is_unsigned = score == 0.0 && self.collection.encoding != Encoding::Large;
        let score = if is_unsigned { 0.0 } else { score };
        let (collection, sub) = (self.collection.id, sub_key(score, member));
        let was = if is_new { Was::Absent } else { SCORE_BYTES };
        txn.put_sub_over(SubKeys::Data, &collection, &hashed(member), &score.to_bits().to_be_bytes(), was);
        txn.put_sub_over(SubKeys::Score, &collection, &sub, sub_value(score), Was::Absent);
        self.ends.added(&sub);
        Ok(())
    }

    pub(super) fn ranks(&self) -> Ranks {
        Ranks { id: self.collection.id, levels: self.levels, members: self.len() }
    }

    /// Keeps as many levels as a set of that many members does.
    #[cfg(test)]
    pub(super) fn raise_as_if(&mut self, txn: &mut Txn<'_>, members: u64) {
        let mut ranks = self.ranks();
        ranks.raise(txn, members).unwrap();
        self.levels = ranks.levels;
    }

    fn raise(&mut self, txn: &mut Txn<'_>) -> Result<()> {
        if self.len() > capacity(self.levels) {
            let mut ranks = self.ranks();
            ranks.raise(txn, self.len())?;
            self.levels = ranks.levels;
        }
        Ok(())
    }

    /// Removes a member; `false` = there is no such member.
    pub fn remove(&mut self, txn: &mut Txn<'_>, member: &[u8]) -> Result<bool> {
        let score = self.score_of(&txn.view(), member)?;
        if let Some(score) = score {
            self.take(txn, member, score)?;
        }
        Ok(score.is_some())
    }

    /// Removes an existing member with this score.
    pub fn take(&mut self, txn: &mut Txn<'_>, member: &[u8], score: f64) -> Result<()> {
        let collection = self.collection.id;
        let sub = sub_key(score, member);
        self.ranks().removed(txn, &sub, member)?;
        txn.delete_sub_of(SubKeys::Data, &collection, &hashed(member), SCORE_BYTES);
        txn.delete_sub_of(SubKeys::Score, &collection, &sub, Was::Bytes(sub_value(score).len()));
        self.collection.len = self.collection.len.saturating_sub(1);
        Ok(())
    }

    /// All members up to this one, or (`Backward`) from it on, were removed: seeks from that end start here.
    pub fn gone_beyond(&mut self, last: &Scored, end: Direction) {
        let sub = sub_key(last.score, &last.member);
        match end {
            Direction::Forward => self.ends.begin_at(&sub),
            Direction::Backward => self.ends.gone_from(&sub),
        }
    }

    /// Takes up to `count` members from an end.
    pub fn take_from_end(&mut self, txn: &mut Txn<'_>, end: Direction, count: u64) -> Result<Vec<Scored>> {
        self.cache_end(txn, end)?;
        let taken = self.page(&txn.view(), &Span::ALL, end, 0, count)?;
        for Scored { member, score } in &taken {
            self.take(txn, member, *score)?;
        }
        // Caches the next member at this end, so that the next lookup does not step over the popped ones.
        self.cache_end(txn, end)?;
        if let Some(next) = self.end(&txn.view(), end)? {
            let sub = sub_key(next.score, &next.member);
            match end {
                Direction::Forward => self.ends.begin_at(&sub),
                Direction::Backward => self.ends.end_with(&sub),
            }
        }
        Ok(taken)
    }

    fn cache_end(&self, txn: &mut Txn<'_>, end: Direction) -> Result<()> {
        match self.ends.within(&Span::ALL).filter(|_| !self.is_empty()) {
            Some(range) => txn.cache_end(SubKeys::Score, &self.collection.id, range, end),
            None => Ok(()),
        }
    }

    /// Writes the row, or deletes the key if the set is empty. `true` = the key is gone.
    pub fn save(mut self, txn: &mut Txn<'_>, key: &[u8]) -> Result<bool> {
        self.collection.rest.clear();
        if self.levels > 0 || self.ends != Ends::default() {
            self.collection.rest.push(self.levels);
            self.ends.put(&mut self.collection.rest);
        }
        self.collection.save(txn, key)
    }

    /// Visits the members of a span, first to last or backwards, until the visitor breaks.
    pub fn scan_span(
        &self,
        view: &View<'_>,
        span: &Span,
        direction: Direction,
        mut visit: impl FnMut(&[u8], f64) -> Result<ControlFlow<()>>,
    ) -> Result<()> {
        let Some(range) = self.ends.within(span).filter(|_| !self.is_empty()) else { return Ok(()) };
        view.scan_page(
            SubKeys::Score,
            self.collection.content(*span == Span::ALL),
            range,
            direction,
            |sub, value| {
                let (score, member) = parse_sub(sub, value);
                visit(member, score)
            },
        )
    }

    /// Up to `limit` members of a span, after `offset` others.
    pub fn page(
        &self,
        view: &View<'_>,
        span: &Span,
        direction: Direction,
        offset: u64,
        limit: u64,
    ) -> Result<Vec<Scored>> {
        let mut found = Vec::new();
        if limit == 0 || offset >= self.len() || span.is_empty() {
            return Ok(found);
        }
        let (mut skip, mut left) = (offset, limit);
        let mut nearer = None;
        if offset > STEPPED_MAX && self.levels > 0 {
            nearer = self.behind(view, span, direction, offset)?;
            skip = 0;
            if nearer.is_none() {
                return Ok(found);
            }
        }
        self.scan_span(view, nearer.as_ref().unwrap_or(span), direction, |member, score| {
            if skip > 0 {
                skip = skip.saturating_sub(1);
                return Ok(ControlFlow::Continue(()));
            }
            found.push(Scored { member: member.to_vec(), score });
            left = left.saturating_sub(1);
            Ok(if left == 0 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
        })?;
        Ok(found)
    }

    /// The rest of a span behind its first `offset` members; `None` = the set ends there.
    fn behind(
        &self,
        view: &View<'_>,
        span: &Span,
        direction: Direction,
        offset: u64,
    ) -> Result<Option<Span>> {
        let mut rest = span.clone();
        match direction {
            Direction::Forward => {
                let rank = self.before(view, &span.from)?.saturating_add(offset);
                let Some(sub) = self.sub_of_rank(view, rank)? else { return Ok(None) };
                rest.from = sub;
            }
            Direction::Backward => {
                let end = span.to.as_ref().map_or(Ok(self.len()), |to| self.before(view, to))?;
                let rank = end.checked_sub(offset).and_then(|rank| rank.checked_sub(1));
                let Some(sub) = rank.map_or(Ok(None), |rank| self.sub_of_rank(view, rank))? else {
                    return Ok(None);
                };
                rest.to = Some([&sub[..], &[0]].concat());
            }
        }
        Ok(Some(rest))
    }

    /// The sub-key of the member of this rank.
    fn sub_of_rank(&self, view: &View<'_>, rank: u64) -> Result<Option<Vec<u8>>> {
        if rank >= self.len() {
            return Ok(None);
        }
        let (from, mut left) = self.ranks().stretch_of(view, rank)?;
        let mut found = None;
        self.scan_span(&view.in_passing(), &Span { from, to: None }, Direction::Forward, |member, score| {
            if left == 0 {
                found = Some(sub_key(score, member));
                return Ok(ControlFlow::Break(()));
            }
            left = left.saturating_sub(1);
            Ok(ControlFlow::Continue(()))
        })?;
        Ok(found)
    }

    /// The number of members before a position.
    fn before(&self, view: &View<'_>, place: &[u8]) -> Result<u64> {
        let (from, mut count) = self.ranks().before(view, place)?;
        let span = Span { from, to: Some(place.to_vec()) };
        if span.is_empty() {
            return Ok(count);
        }
        self.scan_span(&view.in_passing(), &span, Direction::Forward, |_, _| {
            count = count.saturating_add(1);
            Ok(ControlFlow::Continue(()))
        })?;
        Ok(count)
    }

    /// The first member, or (`Backward`) the last.
    pub fn end(&self, view: &View<'_>, direction: Direction) -> Result<Option<Scored>> {
        Ok(self.page(view, &Span::ALL, direction, 0, 1)?.pop())
    }

    /// The start of an iteration over all members.
    #[cfg(test)]
    pub(super) fn starts_at(&self) -> Vec<u8> {
        match self.ends.within(&Span::ALL) {
            Some((std::ops::Bound::Included(from), _)) => from.to_vec(),
            _ => Vec::new(),
        }
    }

    /// The number of members in a span.
    pub fn count(&self, view: &View<'_>, span: &Span) -> Result<u64> {
        if span.is_empty() {
            return Ok(0);
        }
        let end = span.to.as_ref().map_or(Ok(self.len()), |to| self.before(view, to))?;
        Ok(end.saturating_sub(self.before(view, &span.from)?))
    }

    /// The number of members before this one, and its score.
    pub fn rank_of(&self, view: &View<'_>, member: &[u8]) -> Result<Option<(u64, f64)>> {
        let Some(score) = self.score_of(view, member)? else { return Ok(None) };
        Ok(Some((self.before(view, &sub_key(score, member))?, score)))
    }

    /// Makes a key hold these members and nothing else; no member = the key is deleted. Returns whether the key held
    /// something before.
    pub fn replace(txn: &mut Txn<'_>, key: &[u8], members: &[Scored]) -> Result<bool> {
        if members.is_empty() {
            return txn.delete(key);
        }
        let was_there = txn.get(key)?.is_some();
        let mut set = Self::create(txn);
        let outgrown = u64::try_from(members.len()).is_ok_and(|members| members > LISTPACK_ELEMENTS_MAX);
        if outgrown || members.iter().any(|scored| scored.member.len() > LISTPACK_ELEMENT_BYTES_MAX) {
            set.collection.encoding = Encoding::Large;
        }
        for Scored { member, score } in members {
            set.write(txn, member, true, *score)?;
        }
        set.raise(txn)?;
        set.save(txn, key)?;
        Ok(was_there)
    }
}

/// The score that a member's sub-key holds.
pub(super) fn score_in(value: &[u8]) -> Result<f64, StoreError> {
    let bits =
        value.first_chunk::<8>().ok_or_else(|| StoreError::corrupt("sorted set", "a score is cut off"))?;
    Ok(f64::from_bits(u64::from_be_bytes(*bits)))
}
