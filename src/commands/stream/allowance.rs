//! MAXCOUNT and MAXSIZE of XREAD and XREADGROUP: how many entries of all streams together a call may return, and after how many
//! bytes it ends.

use crate::{
    error::Result,
    types::stream::{StreamId, fields},
};

/// What is left to return.
#[derive(Debug, Default)]
pub(super) struct Allowance {
    entries: Option<u64>,
    bytes_max: Option<u64>,
    /// As RESP2 writes what was returned, whatever the client speaks: a log entry must do the same on all replicas.
    bytes: u64,
    has_returned: bool,
}

impl Allowance {
    /// `None` = any number.
    pub(super) fn new(entries_max: Option<u64>, bytes_max: Option<u64>) -> Self {
        Allowance { entries: entries_max, bytes_max, ..Allowance::default() }
    }

    /// Whether nothing more is to be returned. As in Redis, the entry that reaches the size is returned, and so is the first one
    /// whatever its size.
    pub(super) fn is_used_up(&self) -> bool {
        self.entries == Some(0)
            || self.has_returned && self.bytes_max.is_some_and(|bytes_max| self.bytes >= bytes_max)
    }

    /// The most entries to return next, if that is bounded.
    pub(super) fn at_most(&self, count: Option<u64>) -> Option<u64> {
        match (count, self.entries) {
            (Some(count), Some(entries)) => Some(count.min(entries)),
            (count, entries) => count.or(entries),
        }
    }

    /// A stream is named.
    pub(super) fn name(&mut self, key: &[u8]) {
        self.bytes = self.bytes.saturating_add(bulk_bytes(key.len()));
    }

    /// An entry is returned; `None`: one that is deleted.
    pub(super) fn take(&mut self, id: StreamId, stored: Option<&[u8]>) -> Result<()> {
        self.entries = self.entries.map(|entries| entries.saturating_sub(1));
        self.has_returned = true;
        if self.bytes_max.is_none() {
            return Ok(());
        }
        let words = stored.map(fields).transpose()?.unwrap_or_default();
        let heads = head_bytes(2).saturating_add(head_bytes(words.len()));
        let words = words.into_iter().map(|word| bulk_bytes(word.len())).fold(0, u64::saturating_add);
        let id = bulk_bytes(id.to_string().len());
        self.bytes = [heads, words, id].into_iter().fold(self.bytes, u64::saturating_add);
        Ok(())
    }
}

/// `*3\r\n`
fn head_bytes(number: usize) -> u64 {
    u64::from(number.checked_ilog10().unwrap_or(0)).saturating_add(4)
}

/// `$3\r\nabc\r\n`
fn bulk_bytes(len: usize) -> u64 {
    head_bytes(len).saturating_add(len as u64).saturating_add(2)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_those_of_resp2() {
        assert_eq!((head_bytes(0), head_bytes(9), head_bytes(10)), (4, 4, 5));
        assert_eq!((bulk_bytes(0), bulk_bytes(3), bulk_bytes(10)), (6, 9, 17));
        let mut allowance = Allowance::new(Some(2), Some(16));
        allowance.name(b"key");
        allowance.take(StreamId::new(1, 1), None).unwrap();
        assert_eq!(allowance.bytes, 9 + "*2\r\n$3\r\n1-1\r\n*0\r\n".len() as u64);
        assert!(allowance.is_used_up());
    }

    #[test]
    fn the_first_entry_is_returned_and_the_one_that_reaches_the_size() {
        let mut allowance = Allowance::new(None, Some(1));
        allowance.name(b"key");
        assert!(!allowance.is_used_up());
        allowance.take(StreamId::new(1, 1), None).unwrap();
        assert!(allowance.is_used_up());
        let mut allowance = Allowance::new(Some(3), None);
        assert_eq!((allowance.at_most(None), allowance.at_most(Some(2))), (Some(3), Some(2)));
        allowance.take(StreamId::new(1, 1), None).unwrap();
        allowance.take(StreamId::new(1, 2), None).unwrap();
        assert_eq!((allowance.at_most(Some(2)), allowance.is_used_up()), (Some(1), false));
        allowance.take(StreamId::new(1, 3), None).unwrap();
        assert!(allowance.is_used_up());
        assert_eq!(Allowance::default().at_most(Some(7)), Some(7));
    }
}
