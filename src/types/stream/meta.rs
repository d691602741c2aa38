//! The fields of a stream's row besides collection id and length:
//!
//! | bytes | field |
//! |---|---|
//! | 1 | version, 1: of these bytes and of all the stream's sub-keys |
//! | 16 | last id ever given out |
//! | 16 | id of the first entry; 0-0 = there is none |
//! | 16 | greatest id that XDEL took away; 0-0 = none |
//! | 8 | entries ever added |
//! | 8 | groups |

use super::StreamId;
use crate::error::StoreError;

const VERSION: u8 = 1;

/// The fields.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct StreamMeta {
    pub last_id: StreamId,
    pub first_id: StreamId,
    pub max_deleted_id: StreamId,
    pub entries_added: u64,
    pub groups: u64,
}

impl StreamMeta {
    /// The bytes in the row.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(65);
        out.push(VERSION);
        for id in [self.last_id, self.first_id, self.max_deleted_id] {
            out.extend_from_slice(&id.to_bytes());
        }
        out.extend_from_slice(&self.entries_added.to_be_bytes());
        out.extend_from_slice(&self.groups.to_be_bytes());
        out
    }

    /// Reads what `encode` wrote.
    pub fn decode(bytes: &[u8]) -> Result<Self, StoreError> {
        let mut rest = Reader::new("stream", bytes);
        if rest.u8()? != VERSION {
            return Err(StoreError::corrupt("stream", "unknown version"));
        }
        let (last_id, first_id, max_deleted_id) = (rest.id()?, rest.id()?, rest.id()?);
        Ok(StreamMeta { last_id, first_id, max_deleted_id, entries_added: rest.u64()?, groups: rest.u64()? })
    }
}

/// Takes numbers off the front of a record.
pub(super) struct Reader<'a> {
    what: &'static str,
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    pub(super) fn new(what: &'static str, rest: &'a [u8]) -> Self {
        Reader { what, rest }
    }

    fn take<const N: usize>(&mut self) -> Result<[u8; N], StoreError> {
        let short = || StoreError::corrupt(self.what, "too short");
        let (taken, rest) = self.rest.split_first_chunk::<N>().ok_or_else(short)?;
        self.rest = rest;
        Ok(*taken)
    }

    pub(super) fn u8(&mut self) -> Result<u8, StoreError> {
        self.take::<1>().map(|[byte]| byte)
    }

    pub(super) fn u64(&mut self) -> Result<u64, StoreError> {
        self.take().map(u64::from_be_bytes)
    }

    pub(super) fn i64(&mut self) -> Result<i64, StoreError> {
        self.take().map(i64::from_be_bytes)
    }

    pub(super) fn id(&mut self) -> Result<StreamId, StoreError> {
        self.take().map(StreamId::from_bytes)
    }

    pub(super) fn rest(self) -> &'a [u8] {
        self.rest
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Golden bytes: version 1 must stay readable for ever.
    #[test]
    fn version_1_golden_bytes() {
        let meta = StreamMeta {
            last_id: StreamId::new(1, 2),
            first_id: StreamId::new(3, 4),
            max_deleted_id: StreamId::new(5, 6),
            entries_added: 7,
            groups: 8,
        };
        let mut golden = vec![1];
        for number in 1..=8_u8 {
            golden.extend_from_slice(&[0, 0, 0, 0, 0, 0, 0, number]);
        }
        assert_eq!(meta.encode(), golden);
        assert_eq!(StreamMeta::decode(&golden).unwrap(), meta);
        assert!(StreamMeta::decode(&golden[..64]).is_err());
        golden[0] = 2;
        assert!(StreamMeta::decode(&golden).is_err());
    }
}
