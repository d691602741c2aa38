//! Lists: elements under dense indexes, so that both ends and every index are one step away.
//!
//! | | |
//! |---|---|
//! | sub-key | index u64, big-endian; a new list begins at 1 << 63 |
//! | value | the element |
//! | row's rest | index of the first element u64 ‖ bytes that all would take in a listpack u64 (for OBJECT ENCODING) |
//!
//! What is taken out of the middle, or put there, moves the shorter side by one. What goes in large stretches goes at
//! once: the few elements that stay become a new collection.

use super::{
    collection::Collection,
    encoding::{LIST_LISTPACK_BYTES_MAX, LISTPACK_FRAME_BYTES, listpack_bytes},
};
use crate::{
    error::{Result, StoreError},
    store::{Direction, Encoding, SubKeys, Txn, Type, View},
    value::Value,
};
use std::ops::{Bound, ControlFlow, Range};

/// Index of a new list's first element.
const FIRST: u64 = 1 << 63;
/// So many elements are taken away one by one; more, if few stay, all at once.
const ONE_BY_ONE_MAX: u64 = 256;

/// One of a list's ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    Left,
    Right,
}

/// See the module. Positions count from 0 at the left end.
#[derive(Debug, Clone)]
pub struct List {
    collection: Collection,
    /// Index of the element at position 0.
    head: u64,
    /// What the elements would take in a listpack.
    bytes: u64,
    /// Sub-keys that are still stored go with the row.
    is_cleared: bool,
}

impl List {
    /// The list under a key; another type is WRONGTYPE.
    pub fn open(view: &View<'_>, key: &[u8]) -> Result<Option<Self>> {
        Collection::open(view, key, Type::List)?.map(Self::of_collection).transpose()
    }

    /// The one under a key, or a new one.
    pub fn open_or_create(txn: &mut Txn<'_>, key: &[u8]) -> Result<Self> {
        Ok(Self::open(&txn.view(), key)?.unwrap_or_else(|| Self::create(txn)))
    }

    /// An empty one. It replaces what its key holds once it is saved.
    pub fn create(txn: &mut Txn<'_>) -> Self {
        let collection = Collection::create(txn, Type::List);
        List { collection, head: FIRST, bytes: 0, is_cleared: false }
    }

    fn of_collection(collection: Collection) -> Result<Self> {
        let number = |bytes: Option<&[u8]>| bytes.and_then(|bytes| bytes.first_chunk()).copied();
        let fields = (number(collection.rest.get(..8)), number(collection.rest.get(8..)));
        let (Some(head), Some(bytes)) = fields else {
            return Err(StoreError::corrupt("list", "the row is too short").into());
        };
        let (head, bytes) = (u64::from_be_bytes(head), u64::from_be_bytes(bytes));
        Ok(List { collection, head, bytes, is_cleared: false })
    }

    /// Writes the row, or deletes the key if there is nothing left. `true` = the key is gone.
    pub fn save(&mut self, txn: &mut Txn<'_>, key: &[u8]) -> Result<bool> {
        if self.is_cleared {
            txn.delete(key)?;
            return Ok(true);
        }
        self.collection.rest = [self.head.to_be_bytes(), self.bytes.to_be_bytes()].concat();
        self.collection.save(txn, key)
    }

    /// Elements.
    pub fn len(&self) -> u64 {
        self.collection.len
    }

    /// Only between the last element's going and `save`.
    pub fn is_empty(&self) -> bool {
        self.collection.len == 0
    }

    /// The element at a position, if there is one.
    pub fn get(&self, view: &View<'_>, at: u64) -> Result<Option<Value>> {
        if at >= self.len() {
            return Ok(None);
        }
        let element = view.sub(SubKeys::Data, &self.collection.id, &self.sub_key(at))?;
        Ok(Some(element.ok_or_else(|| StoreError::corrupt("list", "an element is missing"))?))
    }

    /// Visits positions and elements, from the left or from the right, until the visitor breaks.
    pub fn scan(
        &self,
        view: &View<'_>,
        range: Range<u64>,
        direction: Direction,
        mut visit: impl FnMut(u64, &[u8]) -> Result<ControlFlow<()>>,
    ) -> Result<()> {
        let range = range.start..range.end.min(self.len());
        if range.is_empty() {
            return Ok(());
        }
        let (from, to) = (self.sub_key(range.start), self.sub_key(range.end));
        let span = (Bound::Included(&from[..]), Bound::Excluded(&to[..]));
        view.scan_page(SubKeys::Data, self.collection.content(true), span, direction, |sub, element| {
            let index = sub.first_chunk::<8>().map_or(0, |bytes| u64::from_be_bytes(*bytes));
            visit(index.saturating_sub(self.head), element)
        })
    }

    /// The elements of a range of positions.
    pub fn elements(&self, view: &View<'_>, range: Range<u64>, direction: Direction) -> Result<Vec<Value>> {
        let mut found = Vec::new();
        self.scan(view, range, direction, |_, element| {
            found.push(Value::from(element.to_vec()));
            Ok(ControlFlow::Continue(()))
        })?;
        Ok(found)
    }

    /// Adds one element after the other at an end.
    pub fn push(&mut self, txn: &mut Txn<'_>, end: End, elements: &[&[u8]]) {
        self.may_grow(elements);
        for element in elements {
            self.bytes = self.bytes.saturating_add(listpack_bytes(element));
            self.collection.len = self.collection.len.saturating_add(1);
            match end {
                End::Left => {
                    self.head = self.head.saturating_sub(1);
                    self.put(txn, 0, element);
                }
                End::Right => self.put(txn, self.len().saturating_sub(1), element),
            }
        }
    }

    /// Takes up to so many elements from an end, the outermost first.
    pub fn pop(&mut self, txn: &mut Txn<'_>, end: End, count: u64) -> Result<Vec<Value>> {
        let (len, count) = (self.len(), count.min(self.len()));
        let (range, direction) = match end {
            End::Left => (0..count, Direction::Forward),
            End::Right => (len.saturating_sub(count)..len, Direction::Backward),
        };
        // One element needs no iterator.
        let popped = match count {
            1 => Vec::from_iter(self.get(&txn.view(), range.start)?),
            _ => self.elements(&txn.view(), range.clone(), direction)?,
        };
        if count == len && count > ONE_BY_ONE_MAX {
            self.clear();
            return Ok(popped);
        }
        self.forget(popped.iter().map(|element| &element[..]));
        range.clone().for_each(|at| self.delete(txn, at));
        if end == End::Left {
            self.head = self.head.saturating_add(count);
        }
        self.may_shrink();
        Ok(popped)
    }

    /// Replaces the element at a position; false if there is none.
    pub fn set(&mut self, txn: &mut Txn<'_>, at: u64, element: &[u8]) -> Result<bool> {
        let Some(before) = self.get(&txn.view(), at)? else { return Ok(false) };
        self.may_grow(&[element]);
        self.bytes =
            self.bytes.saturating_sub(listpack_bytes(&before)).saturating_add(listpack_bytes(element));
        self.put(txn, at, element);
        self.may_shrink();
        Ok(true)
    }

    /// Puts an element before the one at a position (at `len`: behind all).
    pub fn insert(&mut self, txn: &mut Txn<'_>, at: u64, element: &[u8]) -> Result<()> {
        let len = self.len();
        if at == 0 || at >= len {
            self.push(txn, if at == 0 { End::Left } else { End::Right }, &[element]);
            return Ok(());
        }
        self.may_grow(&[element]);
        self.bytes = self.bytes.saturating_add(listpack_bytes(element));
        self.collection.len = len.saturating_add(1);
        let view = txn.view();
        if at < len.saturating_sub(at) {
            let moved = self.elements(&view, 0..at, Direction::Forward)?;
            self.head = self.head.saturating_sub(1);
            (0..).zip(&moved).for_each(|(to, element)| self.put(txn, to, element));
        } else {
            let moved = self.elements(&view, at..len, Direction::Forward)?;
            (at.saturating_add(1)..).zip(&moved).for_each(|(to, element)| self.put(txn, to, element));
        }
        self.put(txn, at, element);
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
        if len.saturating_sub(*first) <= last.saturating_add(1) {
            // What is behind the first of them moves left.
            let moved = self.kept(&txn.view(), *first..len, stays)?;
            (*first..).zip(&moved).for_each(|(to, element)| self.put(txn, to, element));
            (kept..len).for_each(|at| self.delete(txn, at));
        } else {
            // What is before the last of them moves right.
            let moved = self.kept(&txn.view(), 0..last.saturating_add(1), stays)?;
            (gone..).zip(&moved).for_each(|(to, element)| self.put(txn, to, element));
            (0..gone).for_each(|at| self.delete(txn, at));
            self.head = self.head.saturating_add(gone);
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
        (0..range.start).chain(range.end..len).for_each(|at| self.delete(txn, at));
        self.forget(dropped.iter().map(|element| &element[..]));
        self.head = self.head.saturating_add(range.start);
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

    /// The same list with these elements alone. The old ones go when the row is saved.
    fn begin_anew(&mut self, txn: &mut Txn<'_>, elements: &[Value]) {
        if elements.is_empty() {
            self.clear();
            return;
        }
        self.collection.id = txn.new_collection_id();
        self.collection.len = count_of(elements);
        self.head = FIRST;
        self.bytes = elements.iter().fold(0, |sum, element| sum.saturating_add(listpack_bytes(element)));
        (0..).zip(elements).for_each(|(at, element)| self.put(txn, at, element));
        self.may_shrink();
    }

    fn clear(&mut self) {
        self.collection.len = 0;
        self.is_cleared = true;
    }

    /// Takes elements out of the counts.
    fn forget<'e>(&mut self, elements: impl Iterator<Item = &'e [u8]>) {
        for element in elements {
            self.bytes = self.bytes.saturating_sub(listpack_bytes(element));
            self.collection.len = self.collection.len.saturating_sub(1);
        }
    }

    fn sub_key(&self, at: u64) -> [u8; 8] {
        self.head.saturating_add(at).to_be_bytes()
    }

    fn put(&self, txn: &mut Txn<'_>, at: u64, element: &[u8]) {
        txn.put_sub(SubKeys::Data, &self.collection.id, &self.sub_key(at), element);
    }

    fn delete(&self, txn: &mut Txn<'_>, at: u64) {
        txn.delete_sub(SubKeys::Data, &self.collection.id, &self.sub_key(at));
    }

    /// Before elements are added.
    fn may_grow(&mut self, elements: &[&[u8]]) {
        let added = elements.iter().fold(0_u64, |sum, element| sum.saturating_add(count_of(element)));
        let bytes = self.bytes.saturating_add(LISTPACK_FRAME_BYTES).saturating_add(added);
        if bytes > LIST_LISTPACK_BYTES_MAX {
            self.collection.encoding = Encoding::Large;
        }
    }

    /// After elements were taken away. Not below the half at once, so that a list at the limit does not go to and fro.
    fn may_shrink(&mut self) {
        if self.bytes.saturating_add(LISTPACK_FRAME_BYTES) <= LIST_LISTPACK_BYTES_MAX / 2 {
            self.collection.encoding = Encoding::Natural;
        }
    }
}

/// The positions that two indexes mean, the second one included; negative ones count from the end.
pub fn range(len: u64, start: i64, end: i64) -> Range<u64> {
    let from_end = |index: i64| {
        let index = i128::from(index);
        if index < 0 { index.saturating_add(i128::from(len)) } else { index }
    };
    let bound = |at: i128| u64::try_from(at.max(0)).unwrap_or(u64::MAX).min(len);
    let (start, end) = (bound(from_end(start)), bound(from_end(end).saturating_add(1)));
    start..end.max(start)
}

/// The position that an index means; negative ones count from the end.
pub fn position(len: u64, index: i64) -> Option<u64> {
    let from_end = || len.checked_sub(index.unsigned_abs());
    let at = if index < 0 { from_end() } else { u64::try_from(index).ok() };
    at.filter(|at| *at < len)
}

fn count_of<T>(items: &[T]) -> u64 {
    u64::try_from(items.len()).unwrap_or(u64::MAX)
}
