//! Keys, fields of hashes and members of sets whose time has come are deleted, some at a time.

use super::{NewRow, Txn};
use crate::{
    error::Result,
    store::{
        CollectionHead, CollectionId, Direction, ElementExpiries, Row, SubKeys, Type, Was,
        engine::{Family, Tier},
        keys::{self, Span, StorageKey},
        parse_expiry_sub, scan,
    },
};
use std::ops::{Bound, ControlFlow};

/// The keys and rows that a sweep deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Swept {
    /// Keys that expired.
    pub keys: u32,
    /// Fields of hashes and members of sets that expired, whether their collection is left or not.
    pub elements: u64,
    /// Rows of flushed databases that it had to step over. Nodes differ in it.
    pub stepped_over: u64,
}

/// Rows that are due, and rows of dropped databases.
#[derive(Default)]
struct Due {
    keys: Vec<(u32, Vec<u8>)>,
    stale: Vec<StorageKey>,
    stepped_over: u64,
}

impl Txn<'_> {
    /// Deletes keys and elements that are due, up to `rows_max` rows; a collection that is gone with all its
    /// elements counts as one. Fewer in all: nothing due is left.
    ///
    /// Index rows of flushed databases are passed over, and some of them deleted: whether compaction has dropped them
    /// already, and whether `passed_expiries.rs` begins behind them, differs from node to node, so they must not decide which
    /// keys go.
    pub fn sweep_expired(&mut self, rows_max: u32) -> Result<Swept> {
        let due = self.due(rows_max as usize)?;
        for index_key in due.stale {
            self.write(Family::Expiry, index_key, None);
        }
        let mut swept = Swept { stepped_over: due.stepped_over, ..Swept::default() };
        let mut left = rows_max as usize;
        for (db, key) in due.keys {
            if left == 0 {
                break;
            }
            let rows = match self.get_in(db, &key)? {
                Some(row) => {
                    let elements = self.sweep_elements(db, &key, &row, left)?;
                    swept.elements = swept.elements.saturating_add(elements as u64);
                    elements
                }
                None => {
                    self.sweep_key(db, &key, &mut swept)?;
                    1
                }
            };
            left = left.saturating_sub(rows);
        }
        Ok(swept)
    }

    fn due(&self, rows_max: usize) -> Result<Due> {
        let mut due = Due::default();
        let mut from = self.store.passed_expiries.mark();
        // What this batch has written is not known there.
        if let Some((first, _)) = self.expiry.iter().find(|(_, value)| value.is_some()) {
            from = from.min(first.clone());
        }
        let rest = Span { from, to: None };
        let mut iterator = self.base.engine().iterator(Family::Expiry, Tier::Disk.options())?;
        let overlay = Some(self.overlay(Family::Expiry));
        scan::merged(&mut iterator, overlay, &rest, Direction::Forward, |index_key, _| {
            let (expires_at, namespace, key) = keys::parse_expiry(index_key)?;
            if expires_at > self.now || due.keys.len() >= rows_max {
                return Ok(ControlFlow::Break(()));
            }
            let Some(db) = self.state.database_of(namespace) else {
                due.stepped_over = due.stepped_over.saturating_add(1);
                if due.stale.len() < rows_max {
                    due.stale.push(StorageKey::from_slice(index_key));
                }
                return Ok(ControlFlow::Continue(()));
            };
            due.keys.push((db, key.to_vec()));
            Ok(ControlFlow::Continue(()))
        })?;
        Ok(due)
    }

    /// Deletes a key that has expired, or whose last element has.
    fn sweep_key(&mut self, db: u32, key: &[u8], swept: &mut Swept) -> Result<()> {
        let namespace = self.state.database(db).namespace;
        let Some(stored) = self.stored(&keys::meta(namespace, key))? else { return Ok(()) };
        self.delete_in(db, key)?;
        self.tell_end(db, key, stored.kind, stored.expires_at);
        if stored.expires_at != 0 && stored.expires_at <= self.now {
            swept.keys = swept.keys.saturating_add(1);
        } else {
            swept.elements = swept.elements.saturating_add(stored.head.map_or(0, |head| head.len));
        }
        Ok(())
    }

    /// Deletes up to `elements_max` due elements of a collection that has others; returns their number.
    fn sweep_elements(&mut self, db: u32, key: &[u8], row: &Row, elements_max: usize) -> Result<usize> {
        if !matches!(row.kind, Type::Hash | Type::Set) {
            return Ok(0);
        }
        let rest = row.body.get(CollectionHead::LEN..).unwrap_or_default();
        let (expiries, beside) = ElementExpiries::split(rest)?;
        let Some(mut expiries) = expiries else { return Ok(0) };
        let mut head = CollectionHead::decode(&row.body)?;
        let collection = self.view().collection_id_in(db, head.generation);
        let due = self.due_elements(&collection, &expiries, elements_max)?;
        for sub in &due {
            self.delete_sub_of(SubKeys::Score, &collection, sub, Was::Bytes(0));
            self.delete_sub(SubKeys::Data, &collection, parse_expiry_sub(sub)?.1);
        }
        head.len = head.len.saturating_sub(due.len() as u64);
        expiries.count = expiries.count.saturating_sub(due.len() as u64);
        let mut rest = match self.view().first_expiry(&collection, &expiries.first)? {
            Some(first) if expiries.count > 0 => ElementExpiries { first, ..expiries }.encode(),
            _ => Vec::new(),
        };
        rest.extend_from_slice(beside);
        let body = head.body(&rest);
        let (kind, encoding, expires_at) = (row.kind, row.encoding, row.expires_at);
        self.put_in(db, key, NewRow { kind, encoding, expires_at, body: &body })?;
        self.tell_expired_elements(db, key, kind);
        Ok(due.len())
    }

    fn due_elements(
        &self,
        collection: &CollectionId,
        expiries: &ElementExpiries,
        elements_max: usize,
    ) -> Result<Vec<Vec<u8>>> {
        let mut due = Vec::new();
        let from = (Bound::Included(&expiries.first[..]), Bound::Unbounded);
        self.view().scan_sub(SubKeys::Score, collection, from, Direction::Forward, |sub, _| {
            if parse_expiry_sub(sub)?.0 > self.now || due.len() >= elements_max {
                return Ok(ControlFlow::Break(()));
            }
            due.push(sub.to_vec());
            Ok(ControlFlow::Continue(()))
        })?;
        Ok(due)
    }
}
