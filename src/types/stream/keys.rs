//! The sub-keys of the table in `mod.rs`.

use super::StreamId;
use crate::error::StoreError;

const ENTRY: u8 = 1;
const GROUP: u8 = 2;
const CONSUMER: u8 = 3;
const PENDING: u8 = 4;
const CONSUMER_PENDING: u8 = 5;
const IDEMPOTENCE: u8 = 6;
const PRODUCER: u8 = 7;
const PRODUCER_ID: u8 = 8;
const PRODUCER_NUMBER: u8 = 9;
const PRODUCER_TIME: u8 = 10;

/// An entry.
pub(super) fn entry(id: StreamId) -> Vec<u8> {
    [&[ENTRY][..], &id.to_bytes()].concat()
}

/// The prefix of all groups.
pub(super) fn groups() -> Vec<u8> {
    vec![GROUP]
}

/// A group.
pub(super) fn group(name: &[u8]) -> Vec<u8> {
    [&[GROUP][..], name].concat()
}

/// The prefix of all consumers of a group.
pub(super) fn consumers(group: &[u8]) -> Vec<u8> {
    [&[CONSUMER][..], &length(group), group].concat()
}

/// A consumer.
pub(super) fn consumer(group: &[u8], name: &[u8]) -> Vec<u8> {
    [&consumers(group)[..], name].concat()
}

/// The prefix of all pending entries of a group; with an id behind it, one of them.
pub(super) fn pending(group: &[u8]) -> Vec<u8> {
    [&[PENDING][..], &length(group), group].concat()
}

/// The prefix of all pending entries of a consumer; with an id behind it, one of them.
pub(super) fn consumer_pending(group: &[u8], consumer: &[u8]) -> Vec<u8> {
    [&[CONSUMER_PENDING][..], &length(group), group, &length(consumer), consumer].concat()
}

/// The prefix of all consumers' pending entries of a group.
pub(super) fn consumers_pending(group: &[u8]) -> Vec<u8> {
    [&[CONSUMER_PENDING][..], &length(group), group].concat()
}

/// What is said of all producers.
pub(super) fn idempotence() -> Vec<u8> {
    vec![IDEMPOTENCE]
}

/// The prefixes of all that is filed about producers.
pub(super) fn of_producers() -> [Vec<u8>; 4] {
    [PRODUCER, PRODUCER_ID, PRODUCER_NUMBER, PRODUCER_TIME].map(|first| vec![first])
}

/// A producer.
pub(super) fn producer(name: &[u8]) -> Vec<u8> {
    [&[PRODUCER][..], &length(name), name].concat()
}

/// An id that a producer has given.
pub(super) fn producer_id(producer: &[u8], id: &[u8]) -> Vec<u8> {
    [&[PRODUCER_ID][..], &length(producer), producer, id].concat()
}

/// The same by its number.
pub(super) fn producer_number(producer: &[u8], number: u64) -> Vec<u8> {
    [&[PRODUCER_NUMBER][..], &length(producer), producer, &number.to_be_bytes()].concat()
}

/// The prefix of all ids by the time when they were added.
pub(super) fn producer_times() -> Vec<u8> {
    vec![PRODUCER_TIME]
}

/// The same by the time when it was added.
pub(super) fn producer_time(added_at: u64, producer: &[u8], number: u64) -> Vec<u8> {
    let (time, number) = (added_at.to_be_bytes(), number.to_be_bytes());
    [&[PRODUCER_TIME][..], &time, &length(producer), producer, &number].concat()
}

/// Time and producer in what `producer_time` made.
pub(super) fn time_and_producer(sub: &[u8]) -> Result<(u64, &[u8]), StoreError> {
    let parts = sub.get(1..).and_then(|rest| {
        let (time, rest) = rest.split_first_chunk()?;
        let (_, rest) = rest.split_first_chunk::<4>()?;
        let (producer, _) = rest.split_last_chunk::<8>()?;
        Some((u64::from_be_bytes(*time), producer))
    });
    parts.ok_or_else(|| StoreError::corrupt("stream sub-key", "too short"))
}

/// A prefix with an id behind it.
pub(super) fn with_id(prefix: &[u8], id: StreamId) -> Vec<u8> {
    [prefix, &id.to_bytes()].concat()
}

/// The id that a sub-key ends with.
pub(super) fn id_of(sub: &[u8]) -> Result<StreamId, StoreError> {
    let id = sub.last_chunk::<{ StreamId::LEN }>();
    id.map(|bytes| StreamId::from_bytes(*bytes))
        .ok_or_else(|| StoreError::corrupt("stream sub-key", "too short"))
}

/// No name is longer than `limits::BULK_BYTES_MAX`.
fn length(name: &[u8]) -> [u8; 4] {
    u32::try_from(name.len()).unwrap_or(u32::MAX).to_be_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn golden_bytes() {
        let id = b"\0\0\0\0\0\0\0\x01\0\0\0\0\0\0\0\x02";
        let one_two = StreamId::new(1, 2);
        assert_eq!(entry(one_two), [&b"\x01"[..], id].concat());
        assert_eq!(group(b"g"), b"\x02g");
        assert_eq!(consumer(b"g", b"c"), b"\x03\0\0\0\x01gc");
        assert_eq!(with_id(&pending(b"g"), one_two), [&b"\x04\0\0\0\x01g"[..], id].concat());
        let of_consumer = with_id(&consumer_pending(b"g", b"c"), one_two);
        assert_eq!(of_consumer, [&b"\x05\0\0\0\x01g\0\0\0\x01c"[..], id].concat());
        assert!(of_consumer.starts_with(&consumers_pending(b"g")));
        assert_eq!(id_of(&of_consumer).unwrap(), one_two);
        assert_eq!(producer(b"p"), b"\x07\0\0\0\x01p");
        assert_eq!(producer_id(b"p", b"i"), b"\x08\0\0\0\x01pi");
        assert_eq!(producer_number(b"p", 1), b"\x09\0\0\0\x01p\0\0\0\0\0\0\0\x01");
        let time = producer_time(2, b"p", 1);
        assert_eq!(time, b"\x0a\0\0\0\0\0\0\0\x02\0\0\0\x01p\0\0\0\0\0\0\0\x01");
        assert_eq!(time_and_producer(&time).unwrap(), (2, &b"p"[..]));
        assert!(time_and_producer(&time[..20]).is_err() && time_and_producer(b"").is_err());
        assert!(id_of(b"\x01").is_err());
    }
}
