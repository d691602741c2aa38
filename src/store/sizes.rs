//! The bytes that keys and values take at rest: of each row its key and its value, as they are stored, before compression. Apply
//! counts them, so they are equal on all replicas that have applied the same entry.
//!
//! | what | where it is kept |
//! |---|---|
//! | of a key's own rows (metadata, expiry index) | nowhere: they follow from the record |
//! | of the sub-keys of a collection, or of a string in pieces | in its record, from version 2 on (`row.rs`) |
//! | of all counted rows of a database | in the state record |
//!
//! So a collection of a million elements is dropped, renamed or evicted in constant time, and its bytes are known. What a
//! command does to sub-keys waits in `Resized` until the command writes the row of their collection, or `write_bytes_of` does.
//!
//! **Rows of before the level** (7) are not counted until a write replaces them or an entry counts them (`txn/recount.rs`).

use super::keys::CollectionId;
use crate::error::Error;
use smallvec::SmallVec;

/// What a writer knows of the sub-key that it writes or deletes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Was {
    /// There is none.
    Absent,
    /// Its value has so many bytes.
    Bytes(usize),
    /// Nothing: it is looked up.
    Unknown,
}

impl Was {
    /// For a writer that knows whether there is one.
    pub fn absent_if(is_absent: bool) -> Self {
        if is_absent { Was::Absent } else { Was::Unknown }
    }
}

/// What a counted key takes: its record, its row of the expiry index if something of it expires, its sub-keys.
pub(super) fn of_key(storage_key: usize, record: usize, expires: bool, subkeys: u64) -> u64 {
    // The index has the storage key behind eight bytes of time.
    let index = if expires { storage_key.saturating_add(8) } else { 0 };
    let own = storage_key.saturating_add(record).saturating_add(index);
    subkeys.saturating_add(own as u64)
}

/// By how much the sub-keys of collections have grown whose rows the running command has not written yet.
#[derive(Default)]
pub(super) struct Resized {
    by: SmallVec<[(CollectionId, i64); 2]>,
    /// A lookup failed, so the command must.
    failed: Option<Error>,
}

impl Resized {
    pub(super) fn add(&mut self, collection: &CollectionId, by: i64) {
        match self.by.iter_mut().rev().find(|(id, _)| id == collection) {
            Some((_, sum)) => *sum = sum.saturating_add(by),
            None => self.by.push((*collection, by)),
        }
    }

    /// What has come to a collection since its row was written.
    pub(super) fn take(&mut self, collection: &CollectionId) -> i64 {
        match self.by.iter().position(|(id, _)| id == collection) {
            Some(at) => self.by.swap_remove(at).1,
            None => 0,
        }
    }

    pub(super) fn fail(&mut self, error: Error) {
        self.failed.get_or_insert(error);
    }

    pub(super) fn check(&mut self) -> Result<(), Error> {
        self.failed.take().map_or(Ok(()), Err)
    }

    pub(super) fn clear(&mut self) {
        self.by.clear();
        self.failed = None;
    }
}
