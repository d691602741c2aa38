//! An open list: its row, reads, and what happens at its ends.

use super::segments::Segments;
use crate::{
    error::{Result, StoreError},
    store::{Direction, Encoding, SubKeys, Txn, Type, View, Was},
    types::{
        collection::Collection,
        encoding::{LIST_LISTPACK_BYTES_MAX, LISTPACK_FRAME_BYTES, listpack_bytes},
    },
    value::Value,
};
use std::ops::{Bound, ControlFlow, Range};

/// Up to this many elements are removed one by one; more, if few stay, all at once.
pub(super) const ONE_BY_ONE_MAX: u64 = 256;

/// One of a list's ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    Left,
    Right,
}

/// A list. Positions count from 0 at the left end.
#[derive(Debug, Clone)]
pub struct List {
    pub(super) collection: Collection,
    pub(super) segments: Segments,
    /// Bytes that the elements would take in a listpack.
    pub(super) bytes: u64,
    /// Stored sub-keys are dropped with the row.
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
        List { collection, segments: Segments::one(0), bytes: 0, is_cleared: false }
    }

    fn of_collection(collection: Collection) -> Result<Self> {
        let number = |bytes: Option<&[u8]>| bytes.and_then(|bytes| bytes.first_chunk()).copied();
        let fields = (number(collection.rest.get(..8)), number(collection.rest.get(8..16)));
        let (Some(head), Some(bytes)) = fields else {
            return Err(StoreError::corrupt("list", "the row is too short").into());
        };
        let (head, bytes) = (u64::from_be_bytes(head), u64::from_be_bytes(bytes));
        let segments = collection.rest.get(16..).unwrap_or_default();
        let segments = Segments::decode(head, collection.len, segments)?;
        Ok(List { collection, segments, bytes, is_cleared: false })
    }

    /// Writes the row, or deletes the key if the list is empty. `true` = the key is gone.
    pub fn save(&mut self, txn: &mut Txn<'_>, key: &[u8]) -> Result<bool> {
        if self.is_cleared {
            txn.delete(key)?;
            return Ok(true);
        }
        self.limit_segments(txn)?;
        self.collection.rest = [self.segments.head().to_be_bytes(), self.bytes.to_be_bytes()].concat();
        self.segments.encode(&mut self.collection.rest);
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
        let Some(index) = self.segments.index_of(at) else { return Ok(None) };
        let element = view.sub(SubKeys::Data, &self.collection.id, &index.to_be_bytes())?;
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
        let mut parts = self.segments.parts(&range);
        if direction == Direction::Backward {
            parts.reverse();
        }
        let mut is_over = false;
        for (first, indexes) in parts {
            let (from, to) = (indexes.start.to_be_bytes(), indexes.end.to_be_bytes());
            let span = (Bound::Included(&from[..]), Bound::Excluded(&to[..]));
            view.scan_page(SubKeys::Data, self.collection.content(true), span, direction, |sub, element| {
                let index = sub.first_chunk::<8>().map_or(0, |bytes| u64::from_be_bytes(*bytes));
                let flow = visit(first.saturating_add(index.saturating_sub(indexes.start)), element)?;
                is_over = flow.is_break();
                Ok(flow)
            })?;
            if is_over {
                break;
            }
        }
        Ok(())
    }

    /// Before it is searched for an element: a list that is searched again and again is kept in memory.
    pub fn will_be_searched(&self, txn: &mut Txn<'_>) -> Result<()> {
        txn.cache_searched(SubKeys::Data, &self.collection.id, self.len(), None)
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
    pub fn push(&mut self, txn: &mut Txn<'_>, end: End, elements: &[&[u8]]) -> Result<()> {
        self.may_grow(elements);
        for element in elements {
            let index = self.segments.push(end == End::Left).ok_or_else(no_index)?;
            self.count(element);
            self.put(txn, index, element, Was::Absent);
        }
        Ok(())
    }

    /// Removes up to `count` elements from an end, the outermost first.
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
        let (head, tail) = (self.segments.head(), self.segments.tail());
        match end {
            End::Left => self.take_out_known(txn, &range, popped.iter()),
            End::Right => self.take_out_known(txn, &range, popped.iter().rev()),
        }
        // The same list may be pushed to before it is saved.
        self.segments.go_on_at(if end == End::Left { tail } else { head });
        self.may_shrink();
        Ok(popped)
    }

    /// As `pop`, of a list that is pushed to before it is saved: it may have no elements meanwhile.
    pub fn pop_to_push(&mut self, txn: &mut Txn<'_>, end: End, count: u64) -> Result<Vec<Value>> {
        let (count, mut popped) = (count.min(self.len()), Vec::new());
        while let left @ 1.. = count.saturating_sub(count_of(&popped)) {
            // That many are never taken all at once.
            popped.extend(self.pop(txn, end, left.min(ONE_BY_ONE_MAX))?);
        }
        Ok(popped)
    }

    /// Replaces the element at a position; false if there is none.
    pub fn set(&mut self, txn: &mut Txn<'_>, at: u64, element: &[u8]) -> Result<bool> {
        let (Some(index), Some(before)) = (self.segments.index_of(at), self.get(&txn.view(), at)?) else {
            return Ok(false);
        };
        self.may_grow(&[element]);
        self.bytes =
            self.bytes.saturating_sub(listpack_bytes(&before)).saturating_add(listpack_bytes(element));
        self.put(txn, index, element, Was::Bytes(before.len()));
        self.may_shrink();
        Ok(true)
    }

    /// Counts an element that is added.
    pub(super) fn count(&mut self, element: &[u8]) {
        self.bytes = self.bytes.saturating_add(listpack_bytes(element));
        self.collection.len = self.collection.len.saturating_add(1);
    }

    /// Takes elements out of the counts.
    pub(super) fn forget<'e>(&mut self, elements: impl Iterator<Item = &'e [u8]>) {
        for element in elements {
            self.bytes = self.bytes.saturating_sub(listpack_bytes(element));
            self.collection.len = self.collection.len.saturating_sub(1);
        }
    }

    pub(super) fn put(&self, txn: &mut Txn<'_>, index: u64, element: &[u8], was: Was) {
        txn.put_sub_over(SubKeys::Data, &self.collection.id, &index.to_be_bytes(), element, was);
    }

    pub(super) fn delete(&self, txn: &mut Txn<'_>, index: u64, was: Was) {
        txn.delete_sub_of(SubKeys::Data, &self.collection.id, &index.to_be_bytes(), was);
    }

    /// Deletes the elements of a range of positions, which are counted no more.
    pub(super) fn take_out(&mut self, txn: &mut Txn<'_>, range: &Range<u64>) {
        for (_, indexes) in self.segments.parts(range) {
            indexes.for_each(|index| self.delete(txn, index, Was::Unknown));
        }
        self.segments.cut(range);
    }

    /// As `take_out`, for who has read these elements, in order.
    pub(super) fn take_out_known<'e>(
        &mut self,
        txn: &mut Txn<'_>,
        range: &Range<u64>,
        elements: impl Iterator<Item = &'e Value>,
    ) {
        let indexes = self.segments.parts(range).into_iter().flat_map(|(_, indexes)| indexes);
        for (index, element) in indexes.zip(elements) {
            self.delete(txn, index, Was::Bytes(element.len()));
        }
        self.segments.cut(range);
    }

    pub(super) fn clear(&mut self) {
        self.collection.len = 0;
        self.is_cleared = true;
    }

    /// Before elements are added.
    pub(super) fn may_grow(&mut self, elements: &[&[u8]]) {
        let added = elements.iter().fold(0_u64, |sum, element| sum.saturating_add(count_of(element)));
        let bytes = self.bytes.saturating_add(LISTPACK_FRAME_BYTES).saturating_add(added);
        if bytes > LIST_LISTPACK_BYTES_MAX {
            self.collection.encoding = Encoding::Large;
        }
    }

    /// After elements were removed. It shrinks only below half the limit, so that a list at the limit does not change to
    /// and fro.
    pub(super) fn may_shrink(&mut self) {
        if self.bytes.saturating_add(LISTPACK_FRAME_BYTES) <= LIST_LISTPACK_BYTES_MAX / 2 {
            self.collection.encoding = Encoding::Natural;
        }
    }
}

/// Never: what is saved leaves room for more than one call can add (`limit_segments`).
pub(super) fn no_index() -> StoreError {
    StoreError::corrupt("list", "no index is left")
}

pub(super) fn count_of<T>(items: &[T]) -> u64 {
    u64::try_from(items.len()).unwrap_or(u64::MAX)
}
