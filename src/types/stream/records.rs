//! The records of a group, a consumer and a pending entry. Big-endian, in the order of the fields.

use super::{StreamId, meta::Reader};
use crate::error::StoreError;

/// The number of pending entries, and a lower and an upper bound of their ids. The bounds are not exact: acknowledging an
/// entry at an end leaves them unchanged or moves them by one, so no search is needed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct PendingBounds {
    pub count: u64,
    pub from: StreamId,
    pub to: StreamId,
}

impl PendingBounds {
    /// One more is pending.
    pub fn add(&mut self, id: StreamId) {
        let was_empty = self.count == 0;
        self.from = if was_empty { id } else { self.from.min(id) };
        self.to = if was_empty { id } else { self.to.max(id) };
        self.count = self.count.saturating_add(1);
    }

    /// One entry is no longer pending.
    pub fn remove(&mut self, id: StreamId) {
        self.count = self.count.saturating_sub(1);
        if id == self.from {
            self.from = id.next().unwrap_or(id);
        }
    }

    /// Whether an id may be pending.
    pub fn may_hold(&self, id: StreamId) -> bool {
        self.count > 0 && self.from <= id && id <= self.to
    }

    fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.count.to_be_bytes());
        out.extend_from_slice(&self.from.to_bytes());
        out.extend_from_slice(&self.to.to_bytes());
    }

    fn decode(rest: &mut Reader<'_>) -> Result<Self, StoreError> {
        Ok(PendingBounds { count: rest.u64()?, from: rest.id()?, to: rest.id()? })
    }
}

/// A group.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct GroupRecord {
    /// The last id delivered.
    pub last_id: StreamId,
    /// The number of entries added up to that one; `None` = unknown. On disk: -1.
    pub entries_read: Option<i64>,
    pub pending: PendingBounds,
    pub consumers: u64,
}

impl GroupRecord {
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(72);
        out.extend_from_slice(&self.last_id.to_bytes());
        out.extend_from_slice(&self.entries_read.unwrap_or(-1).to_be_bytes());
        self.pending.encode(&mut out);
        out.extend_from_slice(&self.consumers.to_be_bytes());
        out
    }

    pub(super) fn decode(bytes: &[u8]) -> Result<Self, StoreError> {
        let mut rest = Reader::new("stream group", bytes);
        let (last_id, entries_read) = (rest.id()?, rest.i64()?);
        Ok(GroupRecord {
            last_id,
            entries_read: (entries_read >= 0).then_some(entries_read),
            pending: PendingBounds::decode(&mut rest)?,
            consumers: rest.u64()?,
        })
    }
}

/// A consumer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ConsumerRecord {
    /// When it last asked for something, ms since the epoch.
    pub seen_at: u64,
    /// When it last got something; `None` = never. On disk: -1.
    pub active_at: Option<u64>,
    pub pending: PendingBounds,
}

impl ConsumerRecord {
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(56);
        out.extend_from_slice(&self.seen_at.to_be_bytes());
        out.extend_from_slice(&self.active_at.unwrap_or(u64::MAX).to_be_bytes());
        self.pending.encode(&mut out);
        out
    }

    pub(super) fn decode(bytes: &[u8]) -> Result<Self, StoreError> {
        let mut rest = Reader::new("stream consumer", bytes);
        let (seen_at, active_at) = (rest.u64()?, rest.u64()?);
        let active_at = (active_at != u64::MAX).then_some(active_at);
        Ok(ConsumerRecord { seen_at, active_at, pending: PendingBounds::decode(&mut rest)? })
    }
}

/// A pending entry: delivered and not acknowledged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pending {
    /// ms since the epoch; of a released entry: when it was released.
    pub delivered_at: u64,
    pub deliveries: u64,
    /// `None`: it was released, so anybody may claim it at once.
    pub consumer: Option<Vec<u8>>,
}

/// Marks a released entry in its time on disk: no clock comes there.
const RELEASED: u64 = 1 << 63;

impl Pending {
    /// How long ago it was delivered, ms; `None`: it was released.
    pub fn idle_ms(&self, now: u64) -> Option<u64> {
        self.consumer.as_ref().map(|_| now.saturating_sub(self.delivered_at))
    }

    /// Whether it may be claimed by whoever takes what has been pending for so long.
    pub fn is_claimable(&self, now: u64, min_idle_ms: u64) -> bool {
        self.idle_ms(now).is_none_or(|idle_ms| idle_ms >= min_idle_ms)
    }

    /// Its place among those that may be claimed: released ones come first.
    pub fn place(&self) -> (bool, u64) {
        (self.consumer.is_some(), self.delivered_at)
    }

    pub(super) fn encode(&self) -> Vec<u8> {
        let (mark, consumer) = match &self.consumer {
            Some(consumer) => (0, &consumer[..]),
            None => (RELEASED, &[][..]),
        };
        [&(self.delivered_at | mark).to_be_bytes()[..], &self.deliveries.to_be_bytes(), consumer].concat()
    }

    pub(super) fn decode(bytes: &[u8]) -> Result<Self, StoreError> {
        let mut rest = Reader::new("pending stream entry", bytes);
        let (delivered_at, deliveries) = (rest.u64()?, rest.u64()?);
        let consumer = (delivered_at & RELEASED == 0).then(|| rest.rest().to_vec());
        Ok(Pending { delivered_at: delivered_at & !RELEASED, deliveries, consumer })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbers(range: std::ops::RangeInclusive<u8>) -> Vec<u8> {
        range.flat_map(|number| [0, 0, 0, 0, 0, 0, 0, number]).collect()
    }

    #[test]
    fn golden_bytes() {
        let pending = PendingBounds { count: 4, from: StreamId::new(5, 6), to: StreamId::new(7, 8) };
        let group =
            GroupRecord { last_id: StreamId::new(1, 2), entries_read: Some(3), pending, consumers: 9 };
        assert_eq!(group.encode(), numbers(1..=9));
        assert_eq!(GroupRecord::decode(&numbers(1..=9)).unwrap(), group);
        let unknown = GroupRecord { entries_read: None, ..group };
        assert_eq!(unknown.encode()[16..24], [0xff; 8]);
        assert_eq!(GroupRecord::decode(&unknown.encode()).unwrap(), unknown);

        let consumer = ConsumerRecord { seen_at: 2, active_at: Some(3), pending };
        assert_eq!(consumer.encode(), numbers(2..=8));
        assert_eq!(ConsumerRecord::decode(&numbers(2..=8)).unwrap(), consumer);
        let idle = ConsumerRecord { active_at: None, ..consumer };
        assert_eq!(idle.encode()[8..16], [0xff; 8]);
        assert_eq!(ConsumerRecord::decode(&idle.encode()).unwrap(), idle);

        let one = Pending { delivered_at: 1, deliveries: 2, consumer: Some(b"c".to_vec()) };
        assert_eq!(one.encode(), [&numbers(1..=2)[..], b"c"].concat());
        assert_eq!(Pending::decode(&one.encode()).unwrap(), one);
        let released = Pending { consumer: None, ..one };
        assert_eq!(released.encode(), [&[0x80][..], &numbers(1..=2)[1..]].concat());
        assert_eq!(Pending::decode(&released.encode()).unwrap(), released);
        let nameless = Pending { consumer: Some(Vec::new()), ..released };
        assert_eq!(Pending::decode(&nameless.encode()).unwrap(), nameless);
    }

    #[test]
    fn bounds_hold_what_is_pending() {
        let id = |ms| StreamId::new(ms, 0);
        let mut bounds = PendingBounds::default();
        assert!(!bounds.may_hold(id(0)));
        bounds.add(id(5));
        bounds.add(id(3));
        bounds.add(id(9));
        assert_eq!((bounds.count, bounds.from, bounds.to), (3, id(3), id(9)));
        bounds.remove(id(3));
        assert!(bounds.may_hold(id(5)) && bounds.may_hold(id(9)) && !bounds.may_hold(id(3)));
        bounds.remove(id(9));
        bounds.remove(id(5));
        bounds.add(id(1));
        assert_eq!((bounds.count, bounds.from, bounds.to), (1, id(1), id(1)));
    }
}
