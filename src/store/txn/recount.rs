//! Rows of before the feature level that counts bytes are counted, some at a time, by entries that the leader proposes one after
//! the other. Each begins where the one before ended, and rows that are written meanwhile are counted by their writers: so the
//! one that comes to the end has seen to it that all are.

use super::{Txn, rows::Stored};
use crate::{
    error::Result,
    store::{
        CollectionHead, CollectionId, Direction, Row,
        engine::Family,
        keys::{self, ALL, Span, StorageKey, meta_user_key},
        row, scan, sizes,
    },
    value::Value,
};
use bytes::Bytes;
use std::ops::ControlFlow;

/// What became of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Counted {
    /// Rows that it looked at, sub-keys included.
    pub rows: u64,
    /// The storage key to go on at; `None`: all rows are counted.
    pub next: Option<Vec<u8>>,
}

impl Txn<'_> {
    /// Counts rows from a storage key on (empty: from the first), until it has looked at `rows_max`, sub-keys included. A
    /// collection is counted to its end.
    pub fn count_rows(&mut self, from: &[u8], rows_max: u64) -> Result<Counted> {
        let (uncounted, mut rows, next) = self.uncounted(from, rows_max)?;
        for storage_key in uncounted {
            if rows > rows_max {
                return Ok(Counted { rows, next: Some(storage_key.to_vec()) });
            }
            rows = rows.saturating_add(self.count_row(storage_key)?);
        }
        if next.is_none() {
            self.save_state();
            self.state.set_counted();
        }
        Ok(Counted { rows, next })
    }

    /// Rows that are not counted, how many rows it has visited, and where to go on. Rows of dropped databases do not matter:
    /// nodes differ in whether they still have them.
    fn uncounted(&self, from: &[u8], rows_max: u64) -> Result<(Vec<StorageKey>, u64, Option<Vec<u8>>)> {
        let (mut uncounted, mut visited, mut next) = (Vec::new(), 0_u64, None);
        let span = Span { from: StorageKey::from_slice(from), to: None };
        let (mut iterator, overlay) = self.iterator(Family::Meta, &span, Direction::Forward)?;
        scan::merged(&mut iterator, overlay, &span, Direction::Forward, |key, record| {
            if self.state.database_of(meta_user_key(key)?.0).is_none() {
                return Ok(ControlFlow::Continue(()));
            }
            if visited >= rows_max {
                next = Some(key.to_vec());
                return Ok(ControlFlow::Break(()));
            }
            visited = visited.saturating_add(1);
            if !row::is_counted(record) {
                uncounted.push(StorageKey::from_slice(key));
            }
            Ok(ControlFlow::Continue(()))
        })?;
        Ok((uncounted, visited, next))
    }

    /// After a command that has changed sub-keys of a key of the current database, and leaves its row as it is: the row gets to know
    /// what they take, and keeps its revision.
    pub fn write_bytes_of(&mut self, key: &[u8]) -> Result<()> {
        self.resized.check()?;
        let (db, namespace) = (self.db, self.state.database(self.db).namespace);
        let storage_key = keys::meta(namespace, key);
        if !self.state.counts_bytes() {
            return Ok(());
        }
        let Some(record) = self.stored_record(&storage_key)? else { return Ok(()) };
        let stored = Stored::decode(&storage_key, &record, 0)?;
        let (Some(head), Some(bytes)) = (stored.head, stored.counted) else { return Ok(()) };
        match self.resized.take(&CollectionId::new(namespace, head.generation)) {
            0 => Ok(()),
            by => self.count_as(db, storage_key, record, bytes.saturating_add_signed(by)),
        }
    }

    /// Writes a row anew whose sub-keys take so much.
    fn count_as(&mut self, db: u32, storage_key: StorageKey, record: Value, bytes: u64) -> Result<()> {
        let before = Stored::decode(&storage_key, &record, self.sum_of(&storage_key, &record))?;
        let row = Row::decode(record)?;
        let record =
            Row::encode(row.kind, row.encoding, row.expires_at, row.revision, Some(bytes), &row.body);
        self.sum_rows(db, self.sum_of(&storage_key, &record), before.sum);
        let size = sizes::of_key(storage_key.len(), record.len(), before.due_at() != 0, bytes);
        self.count_bytes(db, size, before.bytes);
        self.write(Family::Meta, storage_key, Some(Bytes::from(record)));
        Ok(())
    }

    /// Makes a row one that is counted, and no other change; returns how many sub-keys it has.
    fn count_row(&mut self, storage_key: StorageKey) -> Result<u64> {
        let namespace = meta_user_key(&storage_key)?.0;
        let (Some(db), Some(record)) = (self.state.database_of(namespace), self.stored_record(&storage_key)?)
        else {
            return Ok(0);
        };
        let row = Row::decode(record.clone())?;
        let (subkeys, bytes) = match row.has_subkeys() {
            true => {
                let generation = CollectionHead::decode(&row.body)?.generation;
                self.bytes_of_subkeys(&CollectionId::new(namespace, generation))?
            }
            false => (0, 0),
        };
        self.count_as(db, storage_key, record, bytes)?;
        Ok(subkeys)
    }

    /// How many sub-keys a collection has, and their bytes, keys and values.
    pub(super) fn bytes_of_subkeys(&self, collection: &CollectionId) -> Result<(u64, u64)> {
        let (mut rows, mut bytes) = (0_u64, 0_u64);
        let span = collection.span(ALL);
        for family in [Family::Data, Family::Score] {
            let (mut iterator, overlay) = self.iterator(family, &span, Direction::Forward)?;
            scan::merged(&mut iterator, overlay, &span, Direction::Forward, |key, value| {
                rows = rows.saturating_add(1);
                bytes = bytes.saturating_add(key.len().saturating_add(value.len()) as u64);
                Ok(ControlFlow::Continue(()))
            })?;
        }
        Ok((rows, bytes))
    }
}
