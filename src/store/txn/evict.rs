//! Keys that go because the data take too much.

use super::{Txn, rows::Stored};
use crate::{
    error::{Result, StoreError},
    limits::SYSTEM_DATABASE,
    store::{EventClass, LogPosition, Namespace, row::Header},
};

impl Txn<'_> {
    /// Deletes a key if its revision is still this one. False: it is another by now, or gone.
    pub fn evict(&mut self, namespace: Namespace, key: &[u8], revision: LogPosition) -> Result<bool> {
        let Some(db) = self.state.database_of(namespace).filter(|db| *db != SYSTEM_DATABASE) else {
            return Ok(false);
        };
        let Some(record) = self.record(namespace, key)? else { return Ok(false) };
        if Header::decode(&record)?.revision != revision {
            return Ok(false);
        }
        if self.delete_in(db, key)? {
            self.event_in(db, EventClass::Evicted, "evicted", key);
        }
        Ok(true)
    }
}

/// What the key of a record takes; of one that is not counted, what the record does.
pub(in crate::store) fn bytes_of_record(storage_key: &[u8], record: &[u8]) -> Result<u64, StoreError> {
    let bytes = Stored::decode(storage_key, record, 0)?.bytes;
    Ok(if bytes == 0 { record.len() as u64 } else { bytes })
}
