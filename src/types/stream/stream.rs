//! A stream's entries.

use super::{StreamId, StreamMeta, encode_fields, keys};
use crate::{
    error::Result,
    store::{CollectionId, Direction, SubKeys, Txn, Type, View, Was},
    types::collection::Collection,
    value::Value,
};
use std::ops::{Bound, ControlFlow};

/// A stream. Its caller must save it after a change.
#[derive(Debug, Clone)]
pub struct Stream {
    collection: Collection,
    pub meta: StreamMeta,
}

impl Stream {
    /// The stream under a key; another type is WRONGTYPE.
    pub fn open(view: &View<'_>, key: &[u8]) -> Result<Option<Self>> {
        let Some(collection) = Collection::open(view, key, Type::Stream)? else { return Ok(None) };
        let meta = StreamMeta::decode(&collection.rest)?;
        Ok(Some(Stream { collection, meta }))
    }

    /// A new, empty stream.
    pub fn create(txn: &mut Txn<'_>) -> Self {
        Stream { collection: Collection::create(txn, Type::Stream), meta: StreamMeta::default() }
    }

    /// Writes the row.
    pub fn save(&mut self, txn: &mut Txn<'_>, key: &[u8]) -> Result<()> {
        self.collection.rest = self.meta.encode();
        self.collection.save(txn, key)?;
        Ok(())
    }

    /// The id that its sub-keys are filed under.
    pub fn collection_id(&self) -> &CollectionId {
        &self.collection.id
    }

    /// Entries.
    pub fn len(&self) -> u64 {
        self.collection.len
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub(super) fn shrink_by(&mut self, count: u64) {
        self.collection.len = self.collection.len.saturating_sub(count);
    }

    /// The id of an entry added at this time; `None` = ids are used up.
    pub fn next_id(&self, now: u64) -> Option<StreamId> {
        if now > self.meta.last_id.ms { Some(StreamId::new(now, 0)) } else { self.meta.last_id.next() }
    }

    /// Adds an entry. Its id must be greater than the last one.
    pub fn append(&mut self, txn: &mut Txn<'_>, id: StreamId, words: &[&[u8]]) {
        let (entry, fields) = (keys::entry(id), encode_fields(words));
        txn.put_sub_over(SubKeys::Data, self.collection_id(), &entry, &fields, Was::Absent);
        self.note_appended(id);
    }

    /// Updates the row for an added entry.
    pub fn note_appended(&mut self, id: StreamId) {
        if self.is_empty() {
            self.meta.first_id = id;
        }
        self.meta.last_id = id;
        self.meta.entries_added = self.meta.entries_added.saturating_add(1);
        self.collection.len = self.collection.len.saturating_add(1);
    }

    /// The bytes of an entry.
    pub fn get(&self, view: &View<'_>, id: StreamId) -> Result<Option<Value>> {
        if self.is_empty() || id < self.meta.first_id || id > self.meta.last_id {
            return Ok(None);
        }
        view.sub(SubKeys::Data, self.collection_id(), &keys::entry(id))
    }

    /// Whether there is an entry of this id.
    pub fn has(&self, view: &View<'_>, id: StreamId) -> Result<bool> {
        Ok(self.get(&view.in_passing(), id)?.is_some())
    }

    /// Visits the entries between two ids, these included, until the visitor breaks. The cost follows the entries visited.
    pub fn visit(
        &self,
        view: &View<'_>,
        from: StreamId,
        to: StreamId,
        direction: Direction,
        mut visit: impl FnMut(StreamId, &[u8]) -> Result<ControlFlow<()>>,
    ) -> Result<()> {
        let (from, to) = (from.max(self.meta.first_id), to.min(self.meta.last_id));
        if self.is_empty() || from > to {
            return Ok(());
        }
        let (from, to) = (keys::entry(from), keys::entry(to));
        let range = (Bound::Included(&from[..]), Bound::Included(&to[..]));
        view.scan_sub(SubKeys::Data, self.collection_id(), range, direction, |sub, value| {
            visit(keys::id_of(sub)?, value)
        })
    }

    /// The first entry after an id.
    pub fn first_after(&self, view: &View<'_>, id: StreamId) -> Result<Option<StreamId>> {
        match id.next() {
            Some(next) => self.first_of(view, next, Direction::Forward),
            None => Ok(None),
        }
    }

    /// The last entry.
    pub fn last_entry(&self, view: &View<'_>) -> Result<Option<StreamId>> {
        self.first_of(view, StreamId::MIN, Direction::Backward)
    }

    /// Whether there is an entry behind this id.
    pub fn has_after(&self, view: &View<'_>, id: StreamId) -> Result<bool> {
        match id.next() {
            Some(from) if id < self.meta.last_id => {
                Ok(self.first_of(view, from, Direction::Forward)?.is_some())
            }
            _ => Ok(false),
        }
    }

    fn first_of(&self, view: &View<'_>, from: StreamId, direction: Direction) -> Result<Option<StreamId>> {
        let mut found = None;
        self.visit(view, from, StreamId::MAX, direction, |id, _| {
            found = Some(id);
            Ok(ControlFlow::Break(()))
        })?;
        Ok(found)
    }

    /// Takes entries away, wherever they are; returns how many there were.
    pub fn delete(&mut self, txn: &mut Txn<'_>, ids: &[StreamId]) -> Result<u64> {
        let (mut deleted, mut first_went) = (0_u64, false);
        for id in ids {
            let Some(entry) = self.get(&txn.view(), *id)? else { continue };
            let was = Was::Bytes(entry.len());
            txn.delete_sub_of(SubKeys::Data, self.collection_id(), &keys::entry(*id), was);
            first_went |= *id == self.meta.first_id;
            self.meta.max_deleted_id = self.meta.max_deleted_id.max(*id);
            self.shrink_by(1);
            deleted = deleted.saturating_add(1);
        }
        if self.is_empty() {
            self.meta.first_id = StreamId::MIN;
        } else if first_went {
            let first = self.first_of(&txn.view(), StreamId::MIN, Direction::Forward)?;
            self.meta.first_id = first.unwrap_or_default();
        }
        Ok(deleted)
    }
}
