//! The sub-keys of the table in `mod.rs`.

use super::StreamId;
use crate::error::StoreError;

const ENTRY: u8 = 1;
const GROUP: u8 = 2;
const CONSUMER: u8 = 3;
const PENDING: u8 = 4;
const CONSUMER_PENDING: u8 = 5;

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
        assert!(id_of(b"\x01").is_err());
    }
}
