//! A position in the log: which entry, and which command within it.

use crate::{error::StoreError, limits::ENTRY_BYTES_MAX};

// Each command of an entry takes more than a byte of it.
const _: () = assert!(ENTRY_BYTES_MAX < LogPosition::FIRST_FURTHER as usize);

/// (index, ordinal): the position of one command in the log. Ordered; unique per executed command.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LogPosition {
    /// Raft log index of the entry.
    pub index: u64,
    /// Position of the command within the entry, from 0.
    pub ordinal: u32,
}

impl LogPosition {
    /// Bytes of the encoded form: index and ordinal, big-endian, so that byte order is log order.
    pub const LEN: usize = 12;

    /// The encoded form.
    pub fn to_bytes(self) -> [u8; Self::LEN] {
        let mut bytes = [0; Self::LEN];
        let (index, ordinal) = bytes.split_at_mut(8);
        index.copy_from_slice(&self.index.to_be_bytes());
        ordinal.copy_from_slice(&self.ordinal.to_be_bytes());
        bytes
    }

    /// Ordinals from here on are no command's: collections have them that a command creates beyond its first
    /// (`Txn::new_collection_id`).
    pub const FIRST_FURTHER: u32 = 1 << 31;

    /// Reads what `to_bytes` wrote.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, StoreError> {
        let (index, rest) =
            bytes.split_first_chunk::<8>().ok_or_else(|| StoreError::corrupt("log position", "too short"))?;
        let ordinal =
            rest.first_chunk::<4>().ok_or_else(|| StoreError::corrupt("log position", "too short"))?;
        Ok(LogPosition { index: u64::from_be_bytes(*index), ordinal: u32::from_be_bytes(*ordinal) })
    }
}

/// An optimistic condition of a transaction: the key's revision as WATCH saw it; `None` = it was absent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Condition {
    pub db: u32,
    pub key: Vec<u8>,
    pub revision: Option<LogPosition>,
}
