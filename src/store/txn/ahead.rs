//! The rows of collections that a large batch has made are stored before the batch itself, some at a time: so what RocksDB holds
//! of it in memory is bounded, however large it is. Nothing refers to these rows before the batch is stored, and no reader
//! has a snapshot of them.
//!
//! ```text
//! ahead := index u64 ‖ ids, 16 bytes each          (in `default`, stored with the first of the rows, deleted by the batch)
//! ```
//! Numbers are big-endian. **Invariant:** rows that were stored ahead of a batch that never was are removed before anything
//! is read or applied. The entries would store the same rows again; but what was copied from here may get others instead,
//! which would name their collections alike.

use super::{Txn, commit::put};
use crate::{
    error::{Error, StoreError},
    store::{
        CollectionId,
        engine::{Engine, Family, Tier},
        keys,
        scan::Overlay,
        state::StateRecord,
        successor,
    },
};
use rocksdb::WriteBatch;

/// Bytes stored at a time.
const PART_BYTES: usize = 4 << 20;

impl Txn<'_> {
    /// Stores rows of collections that this batch has made. False: there are none.
    pub(super) fn store_ahead(&mut self, engine: &Engine) -> Result<bool, StoreError> {
        let mut ids: Vec<CollectionId> = Vec::new();
        for key in self.data.keys().chain(self.score.keys()) {
            if let Some(id) = CollectionId::of_key(key)
                && ids.last() != Some(&id)
                && self.is_of_this_batch(&id)
            {
                ids.push(id);
            }
        }
        if ids.is_empty() {
            return Ok(false);
        }
        let index = self.state.applied.map_or(0, |applied| applied.index);
        let mut record = index.to_be_bytes().to_vec();
        ids.iter().for_each(|id| record.extend_from_slice(id.prefix()));
        let mut part = WriteBatch::with_capacity_bytes(PART_BYTES.saturating_mul(2));
        part.put_cf(engine.family(Family::Default)?, keys::AHEAD, record);
        for family in [Family::Data, Family::Score] {
            let all = match family {
                Family::Data => std::mem::take(&mut self.data),
                _ => std::mem::take(&mut self.score),
            };
            let (mut left, of) = (Overlay::new(), engine.family(family)?);
            for (key, value) in all {
                if CollectionId::of_key(&key).is_some_and(|id| self.is_of_this_batch(&id)) {
                    self.bytes = self
                        .bytes
                        .saturating_sub(key.len())
                        .saturating_sub(value.as_ref().map_or(0, |v| v.len()));
                    put(&mut part, of, &key, value.as_ref());
                    if part.size_in_bytes() >= PART_BYTES {
                        engine.write(std::mem::take(&mut part))?;
                    }
                } else {
                    left.insert(key, value);
                }
            }
            match family {
                Family::Data => self.data = left,
                _ => self.score = left,
            }
        }
        engine.write(part)?;
        Ok(true)
    }

    /// As a commit that the process does not survive.
    #[cfg(test)]
    pub(crate) fn die_in_commit(mut self) {
        let engine = std::sync::Arc::clone(self.base.engine());
        assert!(self.store_ahead(&engine).unwrap());
    }
}

#[cfg(test)]
impl crate::store::Store {
    /// Stored rows of collections that were made behind this entry.
    pub(crate) fn rows_made_after(&self, index: u64) -> usize {
        let published = self.published();
        let count = |family| {
            let (mut rows, mut count) =
                (published.engine().iterator(family, Tier::Disk.options()).unwrap(), 0);
            rows.seek_to_first();
            while let Some(key) = rows.key() {
                count += usize::from(CollectionId::of_key(key).unwrap().generation().index > index);
                rows.next();
            }
            count
        };
        count(Family::Data) + count(Family::Score)
    }
}

/// Removes what was stored ahead of a batch that never was.
pub(in crate::store) fn remove_ahead(engine: &Engine) -> Result<(), StoreError> {
    let read = |key: &[u8]| match engine.get(Family::Default, key, Tier::Disk) {
        Ok(record) => Ok(record),
        Err(Error::Fatal(error)) => Err(error),
        Err(other) => Err(StoreError::corrupt("store", other.to_string())),
    };
    let Some(record) = read(keys::AHEAD)? else { return Ok(()) };
    let (index, ids) = record
        .split_first_chunk()
        .ok_or_else(|| StoreError::corrupt("record of what is stored ahead", "too short"))?;
    let state = read(keys::STATE)?.map(|state| StateRecord::decode(&state)).transpose()?;
    let applied = state.and_then(|state| state.applied).map(|applied| applied.index);
    let mut batch = WriteBatch::default();
    // An earlier build may have stored the batch since, without a thought of this record.
    if applied.is_none_or(|applied| applied < u64::from_be_bytes(*index)) {
        for id in ids.chunks_exact(CollectionId::LEN) {
            let end = successor(id).unwrap_or_else(|| vec![0xff; CollectionId::LEN]);
            for family in [Family::Data, Family::Score] {
                batch.delete_range_cf(engine.family(family)?, id, &end[..]);
            }
        }
    }
    batch.delete_cf(engine.family(Family::Default)?, keys::AHEAD);
    engine.write(batch)
}
