//! Changes of a hash. They reach its row by `save`.

use super::{Field, Hash, field};
use crate::{
    error::Result,
    feature_level,
    store::{Encoding, SubKeys, Txn, Was},
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
        self.expiring.refile(txn, &self.collection.id, &sub, old_expiry, expires_at);
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

    /// Removes a field; returns its former value. One that has expired is left to the sweep: the caller, who is told that
    /// there was none, may not save the hash.
    pub fn remove(&mut self, txn: &mut Txn<'_>, field: &[u8]) -> Result<Option<Field>> {
        let sub = hashed(field);
        let Some(before) = self.stored(&txn.view(), &sub)? else { return Ok(None) };
        let was_there = !txn.view().has_passed(before.expires_at)?;
        if !was_there && txn.feature_level() >= feature_level::EXPIRED_FIELDS_STAY {
            return Ok(None);
        }
        self.expiring.refile(txn, &self.collection.id, &sub, before.expires_at, 0);
        self.collection.len = self.collection.len.saturating_sub(1);
        txn.delete_sub(SubKeys::Data, &self.collection.id, &sub);
        Ok(was_there.then_some(before))
    }

    /// Writes the row, or deletes the key if the hash is empty. True: the key is gone.
    pub fn save(mut self, txn: &mut Txn<'_>, key: &[u8]) -> Result<bool> {
        self.collection.rest = self.expiring.encode(&txn.view(), &self.collection.id)?;
        if self.is_small() && self.last_number != 0 {
            self.collection.rest.extend_from_slice(&self.last_number.to_be_bytes());
        }
        self.collection.save(txn, key)
    }
}
