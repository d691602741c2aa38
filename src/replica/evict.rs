//! Proposals of the leader's upkeep about what the data take: they count rows of before the feature level that counts bytes, and
//! evict keys (`maxmemory`).
//!
//! ```text
//! count := rows_max u32 ‖ from bytes
//! evict := bytes_target u64 ‖ victims u32 ‖ victims × (namespace u32 ‖ key bytes ‖ log position (12 bytes))
//! ```
//! Numbers are little-endian. A victim goes only if its revision is the one that the leader saw: a key that was written between
//! the decision and the entry is not the one that was found idle. Nor does one go once the data take no more than
//! `bytes_target`. It is named by its namespace, which SWAPDB and FLUSHDB do not make another's.

use super::{
    entry::{EntryError, ProposalKind},
    reader::{Reader, put_bytes, put_count},
};
use crate::{
    resp::Reply,
    store::{LogPosition, Namespace, Txn},
};
use bytes::Bytes;

/// Counts rows from a storage key on, about so many.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CountRows<'a> {
    pub rows_max: u32,
    pub from: &'a [u8],
}

impl<'a> CountRows<'a> {
    /// The proposal. Its reply: the storage key to go on at; nil = all rows are counted.
    pub fn encode(&self) -> Bytes {
        let mut out = vec![ProposalKind::Count as u8];
        out.extend_from_slice(&self.rows_max.to_le_bytes());
        put_bytes(&mut out, self.from);
        Bytes::from(out)
    }

    pub(super) fn read(rest: &mut Reader<'a>) -> Result<Self, EntryError> {
        Ok(CountRows { rows_max: rest.u32()?, from: rest.bytes()? })
    }

    pub(super) fn apply(self, txn: &mut Txn<'_>) -> crate::error::Result<Reply> {
        let counted = txn.count_rows(self.from, u64::from(self.rows_max))?;
        Ok(counted.next.map_or(Reply::Nil, Reply::bulk))
    }
}

/// A key that the leader has chosen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Victim<K> {
    pub namespace: Namespace,
    pub key: K,
    /// As it was then.
    pub revision: LogPosition,
}

/// Evicts keys, in order.
#[derive(Debug, Clone)]
pub struct Evict<'a> {
    bytes_target: u64,
    left: u32,
    rest: Reader<'a>,
}

impl<'a> Evict<'a> {
    /// The proposal. Its reply: how many keys went.
    pub fn encode(bytes_target: u64, victims: &[Victim<Vec<u8>>]) -> Bytes {
        let mut out = vec![ProposalKind::Evict as u8];
        out.extend_from_slice(&bytes_target.to_le_bytes());
        put_count(&mut out, victims.len());
        for Victim { namespace, key, revision } in victims {
            out.extend_from_slice(&namespace.to_le_bytes());
            put_bytes(&mut out, key);
            out.extend_from_slice(&revision.to_bytes());
        }
        Bytes::from(out)
    }

    pub(super) fn read(rest: &mut Reader<'a>) -> Result<Self, EntryError> {
        let (bytes_target, left) = (rest.u64()?, rest.u32()?);
        Ok(Evict { bytes_target, left, rest: rest.clone() })
    }

    /// What the data may take before it stops.
    pub fn bytes_target(&self) -> u64 {
        self.bytes_target
    }

    /// The next victim.
    pub fn next_victim(&mut self) -> Result<Option<Victim<&'a [u8]>>, EntryError> {
        if self.left == 0 {
            return Ok(None);
        }
        self.left -= 1;
        let (namespace, key) = (self.rest.u32()?, self.rest.bytes()?);
        let revision = self.rest.take(LogPosition::LEN)?;
        let revision = LogPosition::from_bytes(revision).map_err(|_| EntryError("short position"))?;
        Ok(Some(Victim { namespace, key, revision }))
    }

    pub(super) fn apply(mut self, txn: &mut Txn<'_>) -> Result<crate::error::Result<Reply>, EntryError> {
        let mut evicted = 0_u64;
        while let Some(Victim { namespace, key, revision }) = self.next_victim()? {
            if txn.state().bytes() <= self.bytes_target {
                break;
            }
            match txn.evict(namespace, key, revision) {
                Ok(is_evicted) => evicted = evicted.saturating_add(u64::from(is_evicted)),
                Err(error) => return Ok(Err(error)),
            }
        }
        Ok(Ok(Reply::count(evicted)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::replica::Proposal;

    #[test]
    fn golden_bytes_and_cuts() {
        let count = CountRows { rows_max: 258, from: b"ab" }.encode();
        assert_eq!(&count[..], b"\x05\x02\x01\0\0\x02\0\0\0ab");
        let Ok(Proposal::Count(read)) = Proposal::decode(&count) else { panic!("no count") };
        assert_eq!(read, CountRows { rows_max: 258, from: b"ab" });
        let revision = LogPosition { index: 3, ordinal: 4 };
        let victim = Victim { namespace: 2, key: b"k".to_vec(), revision };
        let evict = Evict::encode(9, &[victim]);
        let golden = b"\x06\x09\0\0\0\0\0\0\0\x01\0\0\0\x02\0\0\0\x01\0\0\0k\0\0\0\0\0\0\0\x03\0\0\0\x04";
        assert_eq!(&evict[..], golden);
        let victims = |bytes: &[u8]| {
            let Ok(Proposal::Evict(mut evict)) = Proposal::decode(bytes) else { return None };
            let mut keys = Vec::new();
            while let Some(Victim { namespace, key, revision }) = evict.next_victim().ok()? {
                keys.push((namespace, key.to_vec(), revision));
            }
            Some(keys)
        };
        assert_eq!(victims(&evict), Some(vec![(2, b"k".to_vec(), revision)]));
        assert!((1..evict.len()).all(|cut| victims(&evict[..cut]).is_none()));
        // A count that the bytes do not bear out takes no memory.
        assert_eq!(victims(b"\x06\0\0\0\0\0\0\0\0\xff\xff\xff\xff"), None);
    }
}
