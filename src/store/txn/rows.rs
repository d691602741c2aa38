//! Keys: made, replaced, deleted, with what follows from it (counts, expiry index, watches, sub-keys).

use super::{NewRow, Txn};
use crate::{
    error::{Result, StoreError},
    store::{
        ChangeEvent, CollectionHead, CollectionId, ElementExpiries, EventClass, KeyChange, Namespace, Row,
        Type,
        engine::{EngineIterator, Family, Tier},
        expiring::due_at,
        keys::{self, Span, StorageKey},
        row::{Header, has_subkeys},
        scan::{self, Direction, Overlay},
        sizes, sums,
    },
    value::Value,
};
use bytes::Bytes;

/// A write's knowledge of the row that it replaces.
#[derive(Debug, Clone, Copy)]
pub(super) struct Stored {
    /// 0 = never.
    pub(super) expires_at: u64,
    pub(super) kind: Type,
    /// Of what has sub-keys.
    pub(super) head: Option<CollectionHead>,
    /// Of a collection some of whose elements expire.
    pub(super) expiries: Option<ElementExpiries>,
    /// Its part of the database's sum of rows; 0 if that is not kept.
    pub(super) sum: u64,
    /// As in the row.
    pub(super) counted: Option<u64>,
    /// Its part of the database's bytes; 0 if it is not counted.
    pub(super) bytes: u64,
}

/// A row that was deleted.
pub(super) struct Removed {
    pub(super) head: Option<CollectionHead>,
    pub(super) was_live: bool,
}

impl Stored {
    pub(super) fn decode(storage_key: &[u8], record: &[u8], sum: u64) -> Result<Self, StoreError> {
        let header = Header::decode(record)?;
        let body = record.get(header.len()..).unwrap_or_default();
        let head =
            has_subkeys(header.kind, header.encoding).then(|| CollectionHead::decode(body)).transpose()?;
        let expiries = ElementExpiries::of_body(header.kind, body)?;
        let (expires_at, kind, counted) = (header.expires_at, header.kind, header.counted);
        let expires = due_at(expires_at, expiries) != 0;
        let bytes =
            counted.map_or(0, |subkeys| sizes::of_key(storage_key.len(), record.len(), expires, subkeys));
        Ok(Stored { expires_at, kind, head, expiries, sum, counted, bytes })
    }

    pub(super) fn due_at(&self) -> u64 {
        due_at(self.expires_at, self.expiries)
    }
}

impl<'s> Txn<'s> {
    /// Creates or replaces a key in the current database. Sub-keys that only the replaced row knew go with it.
    pub fn put(&mut self, key: &[u8], row: NewRow<'_>) -> Result<()> {
        self.put_in(self.db, key, row)
    }

    /// Creates or replaces a key in another database.
    pub fn put_in(&mut self, db: u32, key: &[u8], row: NewRow<'_>) -> Result<()> {
        let namespace = self.state.database(db).namespace;
        let storage_key = keys::meta(namespace, key);
        self.budget.write(storage_key.len(), row.body.len())?;
        let before = self.stored(&storage_key)?;
        // Before the sub-keys are dropped, since the result depends on them.
        let (mut is_kept, was_gone) = (false, self.is_gone(namespace, before)?);
        if let Some(head) = before.and_then(|before| before.head) {
            is_kept = has_subkeys(row.kind, row.encoding)
                && CollectionHead::decode(row.body)?.generation == head.generation;
            if !is_kept {
                self.drop_subkeys(CollectionId::new(namespace, head.generation), head.len)?;
            }
        }
        let counted = self.counted(namespace, before.filter(|_| is_kept), &row)?;
        let record = Row::encode(row.kind, row.encoding, row.expires_at, self.position, counted, row.body);
        let old_expiry = before.map_or(0, |before| before.expires_at);
        self.count(db, before.is_none(), false, old_expiry, row.expires_at);
        let due = due_at(row.expires_at, ElementExpiries::of_body(row.kind, row.body)?);
        let bytes =
            counted.map_or(0, |subkeys| sizes::of_key(storage_key.len(), record.len(), due != 0, subkeys));
        self.count_bytes(db, bytes, before.map_or(0, |before| before.bytes));
        self.move_expiry(db, key, before.map_or(0, |before| before.due_at()), due)?;
        self.sum_rows(db, self.sum_of(&storage_key, &record), before.map_or(0, |before| before.sum));
        // A write that keeps the collection's id found it alive, whatever has happened to its sub-keys since.
        if was_gone && !is_kept {
            if let Some(before) = before {
                self.tell_end(db, key, before.kind, before.expires_at);
            }
            self.event_in(db, EventClass::New, "new", key);
        }
        self.note(db, key, before, Some(row.kind), !was_gone);
        self.write(Family::Meta, storage_key, Some(Bytes::from(record)));
        Ok(())
    }

    /// What the sub-keys of a row take that is about to be written; `None`: it will not be counted. `kept`: the row that it
    /// replaces, if that has the same sub-keys.
    fn counted(
        &mut self,
        namespace: Namespace,
        kept: Option<Stored>,
        row: &NewRow<'_>,
    ) -> Result<Option<u64>> {
        self.resized.check()?;
        if !self.state.counts_bytes() {
            return Ok(None);
        }
        if !has_subkeys(row.kind, row.encoding) {
            return Ok(Some(0));
        }
        let id = CollectionId::new(namespace, CollectionHead::decode(row.body)?.generation);
        let by = self.resized.take(&id);
        let before = kept.map_or(Some(0), |kept| kept.counted);
        Ok(before.map(|before| before.saturating_add_signed(by)))
    }

    pub(super) fn is_gone(&self, namespace: Namespace, stored: Option<Stored>) -> Result<bool> {
        let Some(stored) = stored else { return Ok(true) };
        let view = self.view();
        match (stored.head, stored.expiries) {
            _ if view.has_passed(stored.expires_at)? => Ok(true),
            (Some(head), Some(expiries)) => view.has_lost_all_elements(namespace, &head, &expiries),
            _ => Ok(false),
        }
    }

    /// Emits the events of a key that is gone: it has expired, or the last of its elements has.
    pub(super) fn tell_end(&mut self, db: u32, key: &[u8], kind: Type, expires_at: u64) {
        if expires_at != 0 && expires_at <= self.now {
            self.event_in(db, EventClass::Expired, "expired", key);
        } else {
            self.tell_expired_elements(db, key, kind);
            self.event_in(db, EventClass::Generic, "del", key);
        }
    }

    pub(super) fn tell_expired_elements(&mut self, db: u32, key: &[u8], kind: Type) {
        let (class, name) = match kind {
            Type::Set => (EventClass::Set, "sexpired"),
            Type::String | Type::List | Type::Hash | Type::SortedSet | Type::Stream => {
                (EventClass::Hash, "hexpired")
            }
        };
        self.event_in(db, class, name, key);
    }

    /// Deletes a key; true if it existed. A row that has expired is deleted too, but does not count.
    pub fn delete(&mut self, key: &[u8]) -> Result<bool> {
        self.delete_in(self.db, key)
    }

    /// As `delete`, in another database.
    pub fn delete_in(&mut self, db: u32, key: &[u8]) -> Result<bool> {
        let Some(removed) = self.remove_row(db, key)? else { return Ok(false) };
        if let Some(head) = removed.head {
            let namespace = self.state.database(db).namespace;
            self.drop_subkeys(CollectionId::new(namespace, head.generation), head.len)?;
        }
        Ok(removed.was_live)
    }

    /// Deletes a key of the current database whose sub-keys have been deleted one by one already.
    pub fn delete_emptied(&mut self, key: &[u8]) -> Result<()> {
        self.remove_row(self.db, key).map(drop)
    }

    /// Deletes the row alone.
    pub(super) fn remove_row(&mut self, db: u32, key: &[u8]) -> Result<Option<Removed>> {
        let namespace = self.state.database(db).namespace;
        let storage_key = keys::meta(namespace, key);
        let Some(stored) = self.stored(&storage_key)? else { return Ok(None) };
        self.budget.write(storage_key.len(), 0)?;
        self.count(db, false, true, stored.expires_at, 0);
        self.move_expiry(db, key, stored.due_at(), 0)?;
        self.sum_rows(db, 0, stored.sum);
        self.count_bytes(db, 0, stored.bytes);
        self.sum_if_empty(db);
        self.resized.check()?;
        if let Some(head) = stored.head {
            self.resized.take(&CollectionId::new(namespace, head.generation));
        }
        let was_live = !self.is_gone(namespace, Some(stored))?;
        self.note(db, key, Some(stored), None, was_live);
        self.write(Family::Meta, storage_key, None);
        Ok(Some(Removed { head: stored.head, was_live }))
    }

    /// The record as this batch has it, expired or not.
    pub(in crate::store) fn record(&self, namespace: Namespace, key: &[u8]) -> Result<Option<Value>> {
        self.stored_record(&keys::meta(namespace, key))
    }

    pub(in crate::store) fn iterator(
        &self,
        family: Family,
        span: &Span,
        direction: Direction,
    ) -> Result<(EngineIterator<'_>, Option<&Overlay>)> {
        let mut options = Tier::Disk.options();
        scan::bound(&mut options, span, direction);
        Ok((self.base_iterator(family, options)?, Some(self.overlay(family))))
    }

    pub(super) fn stored_record(&self, storage_key: &[u8]) -> Result<Option<Value>> {
        if let Some(written) = self.meta.get(storage_key) {
            return Ok(written.clone().map(Value::from));
        }
        self.base_record(storage_key)
    }

    /// The stored row, expired or not.
    pub(super) fn stored(&self, storage_key: &StorageKey) -> Result<Option<Stored>> {
        let decode = |record: &[u8]| Stored::decode(storage_key, record, self.sum_of(storage_key, record));
        if let Some(written) = self.meta.get(storage_key) {
            return Ok(written.as_deref().map(decode).transpose()?);
        }
        if self.is_trial() {
            return Ok(self.base_record(storage_key)?.as_deref().map(decode).transpose()?);
        }
        match self.store.hot.summary(storage_key, |record| self.sum_of(storage_key, record)) {
            Some(summary) if !summary.has_subkeys => {
                let (kind, expires_at, sum) = (Type::String, summary.expires_at, summary.sum);
                let size = || sizes::of_key(storage_key.len(), summary.len, expires_at != 0, 0);
                let (counted, bytes) = if summary.is_counted { (Some(0), size()) } else { (None, 0) };
                Ok(Some(Stored { expires_at, kind, head: None, expiries: None, sum, counted, bytes }))
            }
            _ => Ok(self.stored_record(storage_key)?.as_deref().map(decode).transpose()?),
        }
    }

    /// What a row of metadata or of the expiry index is to the database's sum; 0 if that is not kept.
    pub(super) fn sum_of(&self, storage_key: &[u8], record: &[u8]) -> u64 {
        if self.state.keeps_sums() { sums::of_row(storage_key, record) } else { 0 }
    }

    fn move_expiry(&mut self, db: u32, key: &[u8], old: u64, new: u64) -> Result<()> {
        if old == new {
            return Ok(());
        }
        let namespace = self.state.database(db).namespace;
        let (mut come, mut gone) = (0, 0);
        if old != 0 {
            self.budget.write(key.len(), 0)?;
            let index_key = keys::expiry(old, namespace, key);
            gone = self.sum_of(&index_key, b"");
            self.write(Family::Expiry, index_key, None);
        }
        if new != 0 {
            self.budget.write(key.len(), 0)?;
            let index_key = keys::expiry(new, namespace, key);
            come = self.sum_of(&index_key, b"");
            self.write(Family::Expiry, index_key, Some(Bytes::new()));
        }
        self.sum_rows(db, come, gone);
        Ok(())
    }

    fn note(&mut self, db: u32, key: &[u8], before: Option<Stored>, after: Option<Type>, was_live: bool) {
        if self.interest.keys {
            let (key, before, by) = (key.to_vec(), before.map(|before| before.kind), self.origin);
            self.changes.push(ChangeEvent::Key(KeyChange { db, key, before, after, was_live, by }));
        }
    }
}
