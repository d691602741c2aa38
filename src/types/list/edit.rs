//! Changes in the middle of a list.

use super::{
    list::{End, List, ONE_BY_ONE_MAX, count_of, no_index},
    segments::{Join, SEGMENTS_MAX, Segment, Segments},
};
use crate::{
    error::Result,
    feature_level,
    store::{Direction, SubKeys, Txn, View, Was},
    types::encoding::listpack_bytes,
    value::Value,
};
use std::ops::{Bound, ControlFlow, Range};

/// So many elements move, where that is enough.
const MOVED_MAX: u64 = 64;
/// So many are cut out one by one.
const CUT_MAX: u64 = 16;

/// Whether a list may have more than one segment.
fn has_segments(txn: &Txn<'_>) -> bool {
    txn.feature_level() >= feature_level::LIST_SEGMENTS
}

impl List {
    /// Puts an element before the one at a position (at `len`: behind all).
    pub fn insert(&mut self, txn: &mut Txn<'_>, at: u64, element: &[u8]) -> Result<()> {
        let behind = self.len().saturating_sub(at);
        if at == 0 || behind == 0 {
            return self.push(txn, if at == 0 { End::Left } else { End::Right }, &[element]);
        }
        self.may_grow(&[element]);
        self.count(element);
        if at.min(behind) > MOVED_MAX && has_segments(txn) {
            let index = self.segments.insert(at).ok_or_else(no_index)?;
            self.put(txn, index, element, Was::Absent);
            return Ok(());
        }
        // The shorter side moves by one.
        let (is_left, from) =
            if at < behind { (true, 0..at) } else { (false, at..at.saturating_add(behind)) };
        let moved = self.elements(&txn.view(), from.clone(), Direction::Forward)?;
        self.segments.push(is_left).ok_or_else(no_index)?;
        let to = if is_left { 0 } else { at.saturating_add(1) };
        self.put_all(txn, to, &moved);
        self.put_at(txn, at, element);
        Ok(())
    }

    /// Takes out the elements at these positions, which are in order; all hold `element`.
    pub fn remove(&mut self, txn: &mut Txn<'_>, positions: &[u64], element: &[u8]) -> Result<()> {
        let (Some(first), Some(last)) = (positions.first(), positions.last()) else { return Ok(()) };
        let (len, gone) = (self.len(), count_of(positions));
        let kept = len.saturating_sub(gone);
        let stays = |at: u64| positions.binary_search(&at).is_err();
        if gone > ONE_BY_ONE_MAX && kept < gone {
            let kept = self.kept(&txn.view(), 0..len, stays)?;
            self.begin_anew(txn, &kept);
            return Ok(());
        }
        let (behind, before) = (len.saturating_sub(*first), last.saturating_add(1));
        if gone <= CUT_MAX && behind.min(before) > MOVED_MAX && has_segments(txn) {
            for at in positions.iter().rev() {
                self.take_out(txn, &(*at..at.saturating_add(1)));
            }
        } else if behind <= before {
            // Elements behind the first removed one move left.
            let moved = self.kept(&txn.view(), *first..len, stays)?;
            self.put_all(txn, *first, &moved);
            self.take_out(txn, &(kept..len));
        } else {
            // Elements before the last removed one move right.
            let moved = self.kept(&txn.view(), 0..before, stays)?;
            self.put_all(txn, gone, &moved);
            self.take_out(txn, &(0..gone));
        }
        self.forget(positions.iter().map(|_| element));
        self.may_shrink();
        Ok(())
    }

    /// Keeps a range of positions and takes away the rest.
    pub fn trim(&mut self, txn: &mut Txn<'_>, range: Range<u64>) -> Result<()> {
        let len = self.len();
        let range = range.start..range.end.min(len);
        let kept = range.end.saturating_sub(range.start);
        let gone = len.saturating_sub(kept);
        if kept == 0 {
            self.clear();
            return Ok(());
        }
        if gone > ONE_BY_ONE_MAX && kept < gone {
            let kept = self.elements(&txn.view(), range, Direction::Forward)?;
            self.begin_anew(txn, &kept);
            return Ok(());
        }
        let view = txn.view();
        let mut dropped = self.elements(&view, 0..range.start, Direction::Forward)?;
        dropped.extend(self.elements(&view, range.end..len, Direction::Forward)?);
        let (front, back) =
            dropped.split_at(dropped.len().min(usize::try_from(range.start).unwrap_or(usize::MAX)));
        self.take_out_known(txn, &(range.end..len), back.iter());
        self.take_out_known(txn, &(0..range.start), front.iter());
        self.forget(dropped.iter().map(|element| &element[..]));
        self.may_shrink();
        Ok(())
    }

    /// The elements of a range of positions that stay.
    fn kept(&self, view: &View<'_>, range: Range<u64>, stays: impl Fn(u64) -> bool) -> Result<Vec<Value>> {
        let mut kept = Vec::new();
        self.scan(view, range, Direction::Forward, |at, element| {
            if stays(at) {
                kept.push(Value::from(element.to_vec()));
            }
            Ok(ControlFlow::Continue(()))
        })?;
        Ok(kept)
    }

    fn put_at(&self, txn: &mut Txn<'_>, at: u64, element: &[u8]) {
        if let Some(index) = self.segments.index_of(at) {
            self.put(txn, index, element, Was::Unknown);
        }
    }

    /// Writes elements over those from a position on.
    fn put_all(&self, txn: &mut Txn<'_>, at: u64, elements: &[Value]) {
        let parts = self.segments.parts(&(at..at.saturating_add(count_of(elements))));
        let indexes = parts.into_iter().flat_map(|(_, indexes)| indexes);
        indexes.zip(elements).for_each(|(index, element)| self.put(txn, index, element, Was::Unknown));
    }

    /// The same list with these elements alone. The old ones go when the row is saved.
    fn begin_anew(&mut self, txn: &mut Txn<'_>, elements: &[Value]) {
        if elements.is_empty() {
            self.clear();
            return;
        }
        self.collection.id = txn.new_collection_id();
        self.collection.len = count_of(elements);
        self.segments = Segments::one(self.collection.len);
        self.bytes = elements.iter().fold(0, |sum, element| sum.saturating_add(listpack_bytes(element)));
        self.put_all(txn, 0, elements);
        self.may_shrink();
    }

    /// Before it is saved: joins segments until they are few, and sees to it that there are indexes for more.
    pub(super) fn limit_segments(&mut self, txn: &mut Txn<'_>) -> Result<()> {
        if self.segments.are_used_up() {
            let all = self.elements(&txn.view(), 0..self.len(), Direction::Forward)?;
            self.begin_anew(txn, &all);
        }
        while self.segments.count() > SEGMENTS_MAX
            && let Some((number, join)) = self.segments.cheapest()
        {
            self.join(txn, number, join)?;
        }
        Ok(())
    }

    fn join(&mut self, txn: &mut Txn<'_>, number: usize, join: Join) -> Result<()> {
        let (first, second) = self.segments.pair(number).ok_or_else(no_index)?;
        let (moved, offset) = match join {
            Join::AsTheyAre => (&[][..], 0),
            Join::SecondToFirst => (&[second][..], first.len),
            Join::FirstToSecond => (&[first][..], 0),
            Join::Both => (&[first, second][..], 0),
        };
        let mut elements = Vec::new();
        for segment in moved {
            self.read_segment(&txn.view(), *segment, &mut elements)?;
        }
        let indexes = moved.iter().flat_map(|segment| segment.start..segment.end());
        for (index, element) in indexes.zip(&elements) {
            self.delete(txn, index, Was::Bytes(element.len()));
        }
        let start = self.segments.join(number, join).ok_or_else(no_index)?.saturating_add(offset);
        (start..).zip(&elements).for_each(|(index, element)| self.put(txn, index, element, Was::Absent));
        Ok(())
    }

    fn read_segment(&self, view: &View<'_>, segment: Segment, elements: &mut Vec<Value>) -> Result<()> {
        let (from, to) = (segment.start.to_be_bytes(), segment.end().to_be_bytes());
        let range = (Bound::Included(&from[..]), Bound::Excluded(&to[..]));
        view.scan_sub(SubKeys::Data, &self.collection.id, range, Direction::Forward, |_, element| {
            elements.push(Value::from(element.to_vec()));
            Ok(ControlFlow::Continue(()))
        })
    }
}
