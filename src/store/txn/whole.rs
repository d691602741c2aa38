//! Whole values under another key or in another database.

use super::{NewRow, Txn};
use crate::{
    error::Result,
    store::{CollectionHead, CollectionId, Row, SubKeys, Was, keys::ALL, scan::Direction},
};
use std::ops::{Bound, ControlFlow};

/// Sub-keys copied at a time.
const COPIED_AT_ONCE: usize = 1024;

impl Txn<'_> {
    /// Moves the value of a key of the current database to another key, of database `db`, which it replaces. Within one
    /// database the cost does not depend on the size.
    pub fn transfer(&mut self, key: &[u8], row: &Row, db: u32, new: &[u8]) -> Result<()> {
        let moved =
            NewRow { kind: row.kind, encoding: row.encoding, expires_at: row.expires_at, body: &row.body };
        if db != self.db && row.has_subkeys() && self.state.counts_bytes() {
            // Under a new id: one that was moved away and comes back must not meet what caches still know of it.
            self.duplicate(row, db, new)?;
            self.delete(key)?;
            return Ok(());
        }
        if db != self.db && row.has_subkeys() {
            // Sub-keys are filed by namespace, so that a database can be emptied at once.
            let generation = CollectionHead::decode(&row.body)?.generation;
            let (from, to) =
                (self.view().collection_id(generation), self.view().collection_id_in(db, generation));
            self.copy_subkeys(&from, &to)?;
            self.put_in(db, new, moved)?;
            self.delete(key)?;
            return Ok(());
        }
        self.carry_bytes(row)?;
        self.put_in(db, new, moved)?;
        // The sub-keys have a new owner.
        self.remove_row(self.db, key)?;
        Ok(())
    }

    /// Copies the value of a key of the current database to another key, of database `db`, which it replaces.
    pub fn duplicate(&mut self, row: &Row, db: u32, new: &[u8]) -> Result<()> {
        let copied =
            NewRow { kind: row.kind, encoding: row.encoding, expires_at: row.expires_at, body: &row.body };
        if !row.has_subkeys() {
            return self.put_in(db, new, copied);
        }
        let head = CollectionHead::decode(&row.body)?;
        let (from, generation) = (self.view().collection_id(head.generation), self.new_generation());
        let rest = row.body.get(CollectionHead::LEN..).unwrap_or_default();
        let body = CollectionHead { generation, ..head }.body(rest);
        let to = self.view().collection_id_in(db, generation);
        self.copy_subkeys(&from, &to)?;
        self.put_in(db, new, NewRow { body: &body, ..copied })
    }

    /// Before a row of the current database gets another key: its sub-keys come to that. Those of a row that is not counted
    /// yet are counted now, for nobody would look for it under its new key.
    fn carry_bytes(&mut self, row: &Row) -> Result<()> {
        if !row.has_subkeys() || !self.state.counts_bytes() {
            return Ok(());
        }
        let id = self.view().collection_id(CollectionHead::decode(&row.body)?.generation);
        let bytes = match row.counted {
            Some(bytes) => bytes,
            None => self.bytes_of_subkeys(&id)?.1,
        };
        self.resized.add(&id, i64::try_from(bytes).unwrap_or(i64::MAX));
        Ok(())
    }

    fn copy_subkeys(&mut self, from: &CollectionId, to: &CollectionId) -> Result<()> {
        for of in [SubKeys::Data, SubKeys::Score] {
            let mut last: Option<Vec<u8>> = None;
            loop {
                let mut copied: Vec<(Vec<u8>, Vec<u8>)> = Vec::new();
                let start = last.as_deref().map_or(ALL.0, Bound::Excluded);
                self.view().in_passing().scan_sub(
                    of,
                    from,
                    (start, Bound::Unbounded),
                    Direction::Forward,
                    |sub, value| {
                        copied.push((sub.to_vec(), value.to_vec()));
                        let is_full = copied.len() >= COPIED_AT_ONCE;
                        Ok(if is_full { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
                    },
                )?;
                for (sub, value) in &copied {
                    self.put_sub_over(of, to, sub, value, Was::Absent);
                }
                match copied.pop() {
                    Some((sub, _)) if copied.len() + 1 >= COPIED_AT_ONCE => last = Some(sub),
                    _ => break,
                }
            }
        }
        Ok(())
    }
}
