//! A consumer group while a command changes it: consumers that change are kept here until it is saved.

use super::{ConsumerRecord, GroupRecord, Pending, Stream, StreamId, keys};
use crate::{
    error::{Result, StoreError},
    store::{ALL, CollectionId, Direction, SubKeys, Txn, View, Was, successor},
};
use std::{
    collections::BTreeMap,
    ops::{Bound, ControlFlow},
};

/// A consumer group.
#[derive(Debug, Clone)]
pub struct Group<'n> {
    id: CollectionId,
    name: &'n [u8],
    pub record: GroupRecord,
    changed: BTreeMap<Vec<u8>, ConsumerRecord>,
    /// What is pending has changed.
    has_moved: bool,
}

impl<'n> Group<'n> {
    /// A group of a stream.
    pub fn open(view: &View<'_>, stream: &Stream, name: &'n [u8]) -> Result<Option<Self>> {
        let collection = *stream.collection_id();
        let Some(record) = view.sub(SubKeys::Data, &collection, &keys::group(name))? else { return Ok(None) };
        let record = GroupRecord::decode(&record)?;
        Ok(Some(Group { id: collection, name, record, changed: BTreeMap::new(), has_moved: false }))
    }

    /// Its name.
    pub fn name(&self) -> &'n [u8] {
        self.name
    }

    /// Whether it, or a consumer, has changed.
    pub fn is_changed(&self) -> bool {
        self.has_moved || !self.changed.is_empty()
    }

    /// Writes the group and the consumers that changed.
    pub fn save(self, txn: &mut Txn<'_>) {
        put_group(txn, &self.id, self.name, &self.record);
        for (name, record) in &self.changed {
            let sub = keys::consumer(self.name, name);
            txn.put_sub(SubKeys::Data, &self.id, &sub, &record.encode());
        }
    }

    /// A consumer.
    pub fn consumer(&self, view: &View<'_>, name: &[u8]) -> Result<Option<ConsumerRecord>> {
        if let Some(record) = self.changed.get(name) {
            return Ok(Some(*record));
        }
        let stored = view.sub(SubKeys::Data, &self.id, &keys::consumer(self.name, name))?;
        Ok(stored.map(|bytes| ConsumerRecord::decode(&bytes)).transpose()?)
    }

    /// Replaces a consumer's record.
    pub fn set_consumer(&mut self, name: &[u8], record: ConsumerRecord) {
        self.changed.insert(name.to_vec(), record);
    }

    /// Adds a consumer that was not there.
    pub fn add_consumer(&mut self, name: &[u8], record: ConsumerRecord) {
        self.record.consumers = self.record.consumers.saturating_add(1);
        self.set_consumer(name, record);
    }

    /// Deletes a consumer and its pending entries; returns their number.
    pub fn remove_consumer(&mut self, txn: &mut Txn<'_>, name: &[u8]) -> Result<u64> {
        let Some(record) = self.consumer(&txn.view(), name)? else { return Ok(0) };
        let of_consumer = keys::consumer_pending(self.name, name);
        let (of_group, subs) = (keys::pending(self.name), subs_under(&txn.view(), &self.id, &of_consumer)?);
        for (sub, len) in subs {
            let id = keys::id_of(&sub)?;
            self.record.pending.remove(id);
            txn.delete_sub(SubKeys::Data, &self.id, &keys::with_id(&of_group, id));
            txn.delete_sub_of(SubKeys::Data, &self.id, &sub, Was::Bytes(len));
        }
        txn.delete_sub(SubKeys::Data, &self.id, &keys::consumer(self.name, name));
        self.changed.remove(name);
        self.record.consumers = self.record.consumers.saturating_sub(1);
        Ok(record.pending.count)
    }

    /// A pending entry.
    pub fn pending(&self, view: &View<'_>, id: StreamId) -> Result<Option<Pending>> {
        if !self.record.pending.may_hold(id) {
            return Ok(None);
        }
        let sub = keys::with_id(&keys::pending(self.name), id);
        Ok(view.sub(SubKeys::Data, &self.id, &sub)?.map(|bytes| Pending::decode(&bytes)).transpose()?)
    }

    /// Makes an entry pending as `now` describes, or updates it. `before` is its former state, as `pending` found it.
    pub fn deliver(
        &mut self,
        txn: &mut Txn<'_>,
        id: StreamId,
        before: Option<&Pending>,
        now: &Pending,
    ) -> Result<()> {
        let has_moved = before.is_none_or(|before| before.consumer != now.consumer);
        self.has_moved = true;
        match before {
            None => self.record.pending.add(id),
            Some(before) if has_moved => self.take_from_consumer(txn, id, before)?,
            Some(_) => {}
        }
        if let Some(consumer) = now.consumer.as_ref().filter(|_| has_moved) {
            let mut record = self.known_consumer(txn, consumer)?;
            record.pending.add(id);
            self.set_consumer(consumer, record);
            let sub = keys::with_id(&keys::consumer_pending(self.name, consumer), id);
            txn.put_sub_over(SubKeys::Data, &self.id, &sub, b"", Was::Absent);
        }
        let sub = keys::with_id(&keys::pending(self.name), id);
        let was = Was::absent_if(before.is_none());
        txn.put_sub_over(SubKeys::Data, &self.id, &sub, &now.encode(), was);
        Ok(())
    }

    /// An entry is no longer pending.
    pub fn acknowledge(&mut self, txn: &mut Txn<'_>, id: StreamId, pending: &Pending) -> Result<()> {
        self.take_from_consumer(txn, id, pending)?;
        self.has_moved = true;
        self.record.pending.remove(id);
        txn.delete_sub(SubKeys::Data, &self.id, &keys::with_id(&keys::pending(self.name), id));
        Ok(())
    }

    fn take_from_consumer(&mut self, txn: &mut Txn<'_>, id: StreamId, pending: &Pending) -> Result<()> {
        let Some(name) = &pending.consumer else { return Ok(()) };
        let mut record = self.known_consumer(txn, name)?;
        record.pending.remove(id);
        self.set_consumer(name, record);
        let sub = keys::with_id(&keys::consumer_pending(self.name, name), id);
        txn.delete_sub_of(SubKeys::Data, &self.id, &sub, Was::Bytes(0));
        Ok(())
    }

    fn known_consumer(&self, txn: &Txn<'_>, name: &[u8]) -> Result<ConsumerRecord> {
        let record = self.consumer(&txn.view(), name)?;
        Ok(record.ok_or_else(|| StoreError::corrupt("stream", "an entry pending with nobody"))?)
    }
}

/// Writes a group's record.
pub fn put_group(txn: &mut Txn<'_>, collection: &CollectionId, name: &[u8], record: &GroupRecord) {
    txn.put_sub(SubKeys::Data, collection, &keys::group(name), &record.encode());
}

/// Deletes a group with its consumers and all that is pending.
pub fn delete_group(txn: &mut Txn<'_>, collection: &CollectionId, name: &[u8]) -> Result<()> {
    for prefix in [keys::consumers(name), keys::pending(name), keys::consumers_pending(name)] {
        for (sub, len) in subs_under(&txn.view(), collection, &prefix)? {
            txn.delete_sub_of(SubKeys::Data, collection, &sub, Was::Bytes(len));
        }
    }
    txn.delete_sub(SubKeys::Data, collection, &keys::group(name));
    Ok(())
}

/// Visits a stream's groups in the order of their names.
pub fn scan_groups(
    view: &View<'_>,
    stream: &Stream,
    mut visit: impl FnMut(&[u8], GroupRecord) -> Result<()>,
) -> Result<()> {
    if stream.meta.groups == 0 {
        return Ok(());
    }
    scan_under(view, stream.collection_id(), &keys::groups(), |name, record| {
        visit(name, GroupRecord::decode(record)?)
    })
}

/// Visits a group's consumers in the order of their names.
pub fn scan_consumers(
    view: &View<'_>,
    collection: &CollectionId,
    group: &[u8],
    mut visit: impl FnMut(&[u8], ConsumerRecord) -> Result<()>,
) -> Result<()> {
    scan_under(view, collection, &keys::consumers(group), |name, record| {
        visit(name, ConsumerRecord::decode(record)?)
    })
}

/// Visits the sub-keys with a prefix, without the prefix.
fn scan_under(
    view: &View<'_>,
    collection: &CollectionId,
    prefix: &[u8],
    mut visit: impl FnMut(&[u8], &[u8]) -> Result<()>,
) -> Result<()> {
    let end = successor(prefix);
    let to = end.as_deref().map_or(ALL.1, Bound::Excluded);
    view.scan_sub(
        SubKeys::Data,
        collection,
        (Bound::Included(prefix), to),
        Direction::Forward,
        |sub, value| {
            visit(sub.get(prefix.len()..).unwrap_or_default(), value)?;
            Ok(ControlFlow::Continue(()))
        },
    )
}

/// The sub-keys with a prefix, and the length of each one's value.
pub(super) fn subs_under(
    view: &View<'_>,
    collection: &CollectionId,
    prefix: &[u8],
) -> Result<Vec<(Vec<u8>, usize)>> {
    let mut found = Vec::new();
    scan_under(view, collection, prefix, |rest, value| {
        found.push(([prefix, rest].concat(), value.len()));
        Ok(())
    })?;
    Ok(found)
}
