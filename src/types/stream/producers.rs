//! Producers that may send an entry again, and which of their entries the stream has: XADD with IDMP or IDMPAUTO.
//!
//! | sub-key | holds |
//! |---|---|
//! | 6 | version, 1; duration in seconds and most ids of a producer, u32 each; producers, ids, ids ever added, duplicates, u64 each |
//! | 7 ‖ producer with length | its numbers: the first kept and the next, u64 each |
//! | 8 ‖ producer with length ‖ id of the producer's | id of the entry, and when it was added, u64 |
//! | 9 ‖ producer with length ‖ number | when it was added, u64; and the producer's id |
//! | 10 ‖ when it was added, u64 ‖ producer with length ‖ number | – |
//!
//! **Invariants.** A producer's ids have numbers in the order in which they came, so what is forgotten, by age or because there
//! are too many, is always the first of some producer. Each addition forgets a few that are too old, whosever they are: what is
//! kept is in the end what came within the duration. Below feature level 7 there is nothing of this.

use super::{Stream, StreamId, keys, meta::Reader};
use crate::{
    error::{Result, StoreError},
    store::{CollectionId, Direction, SubKeys, Txn, View, Was},
};
use std::ops::{Bound, ControlFlow};

const VERSION: u8 = 1;
/// Ids of any producers that are forgotten by age with each that is added.
const FORGOTTEN_WITH_EACH: usize = 8;

/// How long and how many ids are kept, and how many there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Idempotence {
    pub duration_s: u32,
    /// Of one producer.
    pub ids_max: u32,
    pub producers: u64,
    pub ids: u64,
    pub added: u64,
    pub duplicates: u64,
}

impl Default for Idempotence {
    /// Redis's defaults.
    fn default() -> Self {
        Idempotence { duration_s: 100, ids_max: 100, producers: 0, ids: 0, added: 0, duplicates: 0 }
    }
}

impl Idempotence {
    fn encode(&self) -> Vec<u8> {
        let mut out = vec![VERSION];
        out.extend_from_slice(&self.duration_s.to_be_bytes());
        out.extend_from_slice(&self.ids_max.to_be_bytes());
        for number in [self.producers, self.ids, self.added, self.duplicates] {
            out.extend_from_slice(&number.to_be_bytes());
        }
        out
    }

    fn decode(bytes: &[u8]) -> Result<Self, StoreError> {
        let mut rest = Reader::new("idempotence of a stream", bytes);
        if rest.u8()? != VERSION {
            return Err(StoreError::corrupt("idempotence of a stream", "unknown version"));
        }
        let settings = rest.u64()?;
        Ok(Idempotence {
            duration_s: (settings >> 32) as u32,
            ids_max: settings as u32,
            producers: rest.u64()?,
            ids: rest.u64()?,
            added: rest.u64()?,
            duplicates: rest.u64()?,
        })
    }

    /// That of a stream; `None` = no producer has ever named itself, and nothing was set.
    pub fn of(view: &View<'_>, stream: &Stream) -> Result<Option<Self>> {
        let stored = view.sub(SubKeys::Data, stream.collection_id(), &keys::idempotence())?;
        Ok(stored.map(|bytes| Self::decode(&bytes)).transpose()?)
    }

    /// Writes it.
    pub fn put(&self, txn: &mut Txn<'_>, stream: &Stream) {
        txn.put_sub(SubKeys::Data, stream.collection_id(), &keys::idempotence(), &self.encode());
    }

    fn is_over(&self, added_at: u64, now: u64) -> bool {
        added_at.saturating_add(u64::from(self.duration_s).saturating_mul(1000)) <= now
    }

    /// The entry that a producer has added under its id, if that is remembered.
    pub fn entry_of(
        &self,
        view: &View<'_>,
        stream: &Stream,
        producer: &[u8],
        id: &[u8],
    ) -> Result<Option<StreamId>> {
        let sub = keys::producer_id(producer, id);
        let Some(stored) = view.sub(SubKeys::Data, stream.collection_id(), &sub)? else { return Ok(None) };
        let mut rest = Reader::new("id of a producer", &stored);
        let (entry, added_at) = (rest.id()?, rest.u64()?);
        Ok((!self.is_over(added_at, view.now())).then_some(entry))
    }

    /// Remembers an entry that a producer has added under an id that is not remembered. The caller writes what this has changed.
    pub fn remember(
        &mut self,
        txn: &mut Txn<'_>,
        stream: &Stream,
        (producer, id): (&[u8], &[u8]),
        entry: StreamId,
    ) -> Result<()> {
        let (collection, now) = (*stream.collection_id(), txn.now());
        self.forget_old(txn, &collection, now)?;
        let mut own = match Numbers::of(&txn.view(), &collection, producer)? {
            Some(own) => own,
            None => {
                self.producers = self.producers.saturating_add(1);
                Numbers { first: 0, next: 0 }
            }
        };
        // Also the same id, if it is too old: it must not be forgotten as what it is now.
        while own.first < own.next {
            let (added_at, _) = ordered(&txn.view(), &collection, producer, own.first)?;
            if !self.is_over(added_at, now) && own.len() < u64::from(self.ids_max) {
                break;
            }
            self.forget(txn, &collection, producer, &mut own)?;
        }
        let number = own.next;
        own.next = own.next.saturating_add(1);
        let put = |txn: &mut Txn<'_>, sub: Vec<u8>, value: &[u8]| {
            txn.put_sub(SubKeys::Data, &collection, &sub, value);
        };
        let time = now.to_be_bytes();
        put(txn, keys::producer_id(producer, id), &[&entry.to_bytes()[..], &time].concat());
        put(txn, keys::producer_number(producer, number), &[&time[..], id].concat());
        put(txn, keys::producer_time(now, producer, number), b"");
        put(txn, keys::producer(producer), &own.encode());
        self.ids = self.ids.saturating_add(1);
        self.added = self.added.saturating_add(1);
        Ok(())
    }

    /// Forgets a few ids that are too old, of any producers.
    fn forget_old(&mut self, txn: &mut Txn<'_>, collection: &CollectionId, now: u64) -> Result<()> {
        let mut old = Vec::new();
        let prefix = keys::producer_times();
        let end = crate::store::successor(&prefix);
        let to = end.as_deref().map_or(Bound::Unbounded, Bound::Excluded);
        let range = (Bound::Included(&prefix[..]), to);
        txn.view().scan_sub(SubKeys::Data, collection, range, Direction::Forward, |sub, _| {
            let (added_at, producer) = keys::time_and_producer(sub)?;
            if old.len() >= FORGOTTEN_WITH_EACH || !self.is_over(added_at, now) {
                return Ok(ControlFlow::Break(()));
            }
            old.push(producer.to_vec());
            Ok(ControlFlow::Continue(()))
        })?;
        for producer in old {
            let Some(mut own) = Numbers::of(&txn.view(), collection, &producer)? else { continue };
            self.forget(txn, collection, &producer, &mut own)?;
            if own.len() == 0 {
                txn.delete_sub(SubKeys::Data, collection, &keys::producer(&producer));
                self.producers = self.producers.saturating_sub(1);
            } else {
                txn.put_sub(SubKeys::Data, collection, &keys::producer(&producer), &own.encode());
            }
        }
        Ok(())
    }

    /// Forgets the first id of a producer.
    fn forget(
        &mut self,
        txn: &mut Txn<'_>,
        collection: &CollectionId,
        producer: &[u8],
        own: &mut Numbers,
    ) -> Result<()> {
        let number = own.first;
        let (added_at, id) = ordered(&txn.view(), collection, producer, number)?;
        for sub in [
            keys::producer_id(producer, &id),
            keys::producer_number(producer, number),
            keys::producer_time(added_at, producer, number),
        ] {
            txn.delete_sub(SubKeys::Data, collection, &sub);
        }
        own.first = number.saturating_add(1);
        self.ids = self.ids.saturating_sub(1);
        Ok(())
    }

    /// Forgets all ids of all producers.
    pub fn forget_all(&mut self, txn: &mut Txn<'_>, stream: &Stream) -> Result<()> {
        let collection = *stream.collection_id();
        for prefix in keys::of_producers() {
            for (sub, len) in super::group::subs_under(&txn.view(), &collection, &prefix)? {
                txn.delete_sub_of(SubKeys::Data, &collection, &sub, Was::Bytes(len));
            }
        }
        (self.producers, self.ids) = (0, 0);
        Ok(())
    }
}

/// The numbers of a producer's ids that are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Numbers {
    first: u64,
    next: u64,
}

impl Numbers {
    fn of(view: &View<'_>, collection: &CollectionId, producer: &[u8]) -> Result<Option<Self>> {
        let Some(stored) = view.sub(SubKeys::Data, collection, &keys::producer(producer))? else {
            return Ok(None);
        };
        let mut rest = Reader::new("producer of a stream", &stored);
        Ok(Some(Numbers { first: rest.u64()?, next: rest.u64()? }))
    }

    fn encode(self) -> Vec<u8> {
        [self.first.to_be_bytes(), self.next.to_be_bytes()].concat()
    }

    fn len(self) -> u64 {
        self.next.saturating_sub(self.first)
    }
}

/// When a producer's id of a number was added, and the id.
fn ordered(
    view: &View<'_>,
    collection: &CollectionId,
    producer: &[u8],
    number: u64,
) -> Result<(u64, Vec<u8>)> {
    let stored = view.sub(SubKeys::Data, collection, &keys::producer_number(producer, number))?;
    let stored = stored.ok_or_else(|| StoreError::corrupt("stream", "a producer's id that is not there"))?;
    let mut rest = Reader::new("number of a producer's id", &stored);
    Ok((rest.u64()?, rest.rest().to_vec()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn golden_bytes() {
        let all = Idempotence { duration_s: 1, ids_max: 2, producers: 3, ids: 4, added: 5, duplicates: 6 };
        let mut golden = vec![1, 0, 0, 0, 1, 0, 0, 0, 2];
        for number in 3..=6_u8 {
            golden.extend_from_slice(&[0, 0, 0, 0, 0, 0, 0, number]);
        }
        assert_eq!(all.encode(), golden);
        assert_eq!(Idempotence::decode(&golden).unwrap(), all);
        assert!(Idempotence::decode(&golden[..40]).is_err());
        golden[0] = 2;
        assert!(Idempotence::decode(&golden).is_err());
        assert_eq!(Numbers { first: 1, next: 258 }.encode(), b"\0\0\0\0\0\0\0\x01\0\0\0\0\0\0\x01\x02");
        assert!(Idempotence { duration_s: 1, ..all }.is_over(500, 1500) && !all.is_over(501, 1500));
    }
}
