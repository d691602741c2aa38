//! Changes of a hash. They reach its row by `save`.

use super::{Field, Hash, field};
use crate::{
    error::Result,
    store::{Encoding, FieldExpiries, SubKeys, Txn, Was, expiry_sub},
    types::{collection::hashed, encoding::LISTPACK_ELEMENT_BYTES_MAX},
};

/// Fields of a hash that Redis keeps in one listpack.
pub const LISTPACK_FIELDS_MAX: u64 = 512;

impl Hash {
    /// Sets a field and when it expires (0 = never); true if it was not there.
    pub fn set(&mut self, txn: &mut Txn<'_>, field: &[u8], value: &[u8], expires_at: u64) -> Result<bool> {
        let sub = hashed(field);
        let before = self.stored(&txn.view(), &sub)?;
        let is_new = match &before {
            Some(before) => txn.view().has_passed(before.expires_at)?,
            None => true,
        };
        let old_expiry = before.as_ref().map_or(0, |before| before.expires_at);
        self.move_expiry(txn, &sub, old_expiry, expires_at);
        if before.is_none() {
            self.collection.len = self.collection.len.saturating_add(1);
        }
        let is_long = field.len().max(value.len()) > LISTPACK_ELEMENT_BYTES_MAX;
        if is_long || self.collection.len > LISTPACK_FIELDS_MAX {
            self.collection.encoding = Encoding::Large;
        }
        let number = match &before {
            _ if !self.is_small() => 0,
            Some(before) if !is_new => before.number,
            Some(_) | None => self.next_number(),
        };
        let stored = field::encode(value, expires_at, number);
        let was = Was::absent_if(before.is_none());
        txn.put_sub_over(SubKeys::Data, &self.collection.id, &sub, &stored, was);
        Ok(is_new)
    }

    fn next_number(&mut self) -> u64 {
        self.last_number = self.last_number.saturating_add(1);
        self.last_number
    }

    /// Removes a field; returns its former value.
    pub fn remove(&mut self, txn: &mut Txn<'_>, field: &[u8]) -> Result<Option<Field>> {
        let sub = hashed(field);
        let Some(before) = self.stored(&txn.view(), &sub)? else { return Ok(None) };
        let was_there = !txn.view().has_passed(before.expires_at)?;
        self.move_expiry(txn, &sub, before.expires_at, 0);
        self.collection.len = self.collection.len.saturating_sub(1);
        txn.delete_sub(SubKeys::Data, &self.collection.id, &sub);
        Ok(was_there.then_some(before))
    }

    /// Writes the row, or deletes the key if the hash is empty. True: the key is gone.
    pub fn save(mut self, txn: &mut Txn<'_>, key: &[u8]) -> Result<bool> {
        if self.lost_first
            && let Some(expiries) = &mut self.expiries
            && let Some(first) = txn.view().first_expiry(&self.collection.id, &expiries.first)?
        {
            expiries.first = first;
        }
        self.collection.rest = self.expiries.map(FieldExpiries::encode).unwrap_or_default();
        if self.is_small() && self.last_number != 0 {
            self.collection.rest.extend_from_slice(&self.last_number.to_be_bytes());
        }
        self.collection.save(txn, key)
    }

    fn move_expiry(&mut self, txn: &mut Txn<'_>, sub: &[u8], old: u64, new: u64) {
        if old == new {
            return;
        }
        let collection = self.collection.id;
        if old != 0 {
            let old = expiry_sub(old, sub);
            txn.delete_sub_of(SubKeys::Score, &collection, &old, Was::Bytes(0));
            if let Some(expiries) = &mut self.expiries {
                self.lost_first |= expiries.first == FieldExpiries::beginning(&old);
                expiries.count = expiries.count.saturating_sub(1);
            }
        }
        if new != 0 {
            let new = expiry_sub(new, sub);
            txn.put_sub_over(SubKeys::Score, &collection, &new, b"", Was::Absent);
            let first = FieldExpiries::beginning(&new);
            let expiries = self.expiries.get_or_insert(FieldExpiries { first, count: 0 });
            expiries.first = expiries.first.min(first);
            expiries.count = expiries.count.saturating_add(1);
        }
        self.expiries = self.expiries.filter(|expiries| expiries.count > 0);
    }
}
