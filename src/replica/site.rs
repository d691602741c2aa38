//! The format of an entry in the log of an edge site: entries of the core as received, or a bootstrap snapshot to start from.
//!
//! ```text
//! entries   := version u8 (2) ‖ history bytes ‖ records, to the end
//! record    := kind u8 (0 nothing, 1 batch) ‖ term u64 ‖ index u64 ‖ payload bytes      (the core's)
//! bootstrap := version u8 (3) ‖ history bytes ‖ term u64 ‖ index u64 ‖ name bytes
//! bytes     := length u32 ‖ …
//! ```
//! Numbers are little-endian. A record without a batch is an entry of the core that changes no data (a new leader's
//! first, a membership); it is included because positions have no gaps. Version numbers continue those of a batch
//! (`entry.rs`), so a decoder cannot mistake one for the other.

use super::{
    entry::EntryError,
    reader::{Reader, put_bytes},
};
use crate::store::LogId;
use bytes::Bytes;

const ENTRIES_VERSION: u8 = 2;
const BOOTSTRAP_VERSION: u8 = 3;

/// A decoded entry of a site's log.
#[derive(Debug, Clone)]
pub enum SiteEntry<'a> {
    Entries { history: &'a str, records: Records<'a> },
    Bootstrap(BootstrapSnapshot),
}

/// A whole state of the core that replaces the site's data.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BootstrapSnapshot {
    pub history: String,
    pub position: LogId,
    /// Names its files; unique among bootstrap snapshots.
    pub name: String,
}

/// One entry of the core.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Record<'a> {
    pub position: LogId,
    /// `None` if the entry changes no data.
    pub batch: Option<&'a [u8]>,
}

/// Entries of the core, decoded one at a time.
#[derive(Debug, Clone)]
pub struct Records<'a>(Reader<'a>);

impl<'a> Records<'a> {
    /// Reads bytes that `put_record` wrote.
    pub fn new(bytes: &'a [u8]) -> Self {
        Records(Reader(bytes))
    }

    /// The next one.
    pub fn next_record(&mut self) -> Result<Option<Record<'a>>, EntryError> {
        if self.0.0.is_empty() {
            return Ok(None);
        }
        let kind = self.0.u8()?;
        let position = position(&mut self.0)?;
        let payload = self.0.bytes()?;
        let batch = match kind {
            0 => None,
            1 => Some(payload),
            _ => return Err(EntryError("unknown kind of a core entry")),
        };
        Ok(Some(Record { position, batch }))
    }
}

/// Appends a record.
pub fn put_record(out: &mut Vec<u8>, position: LogId, batch: Option<&[u8]>) {
    out.push(u8::from(batch.is_some()));
    put_position(out, position);
    put_bytes(out, batch.unwrap_or_default());
}

/// Bytes of a record beside its batch.
pub const RECORD_HEAD_BYTES: usize = 1 + 16 + 4;

impl<'a> SiteEntry<'a> {
    /// The payload of an entry with these records.
    pub fn entries(history: &str, records: &[u8]) -> Bytes {
        let mut out = Vec::with_capacity(records.len().saturating_add(history.len()).saturating_add(8));
        out.push(ENTRIES_VERSION);
        put_bytes(&mut out, history.as_bytes());
        out.extend_from_slice(records);
        Bytes::from(out)
    }

    /// Whether a payload installs a bootstrap snapshot.
    pub fn is_bootstrap(payload: &[u8]) -> bool {
        payload.first() == Some(&BOOTSTRAP_VERSION)
    }

    /// Reads a payload.
    pub fn decode(payload: &'a [u8]) -> Result<Self, EntryError> {
        let mut rest = Reader(payload);
        match rest.u8()? {
            ENTRIES_VERSION => Ok(SiteEntry::Entries { history: text(&mut rest)?, records: Records(rest) }),
            BOOTSTRAP_VERSION => {
                let history = text(&mut rest)?.to_owned();
                let position = position(&mut rest)?;
                let name = text(&mut rest)?.to_owned();
                match rest.0.is_empty() {
                    true => Ok(SiteEntry::Bootstrap(BootstrapSnapshot { history, position, name })),
                    false => Err(EntryError("trailing bytes")),
                }
            }
            _ => Err(EntryError("unknown version of a site's entry")),
        }
    }
}

impl BootstrapSnapshot {
    /// Whether installing it does not take data at `position`, of the same history, back. A snapshot of a later term may: then
    /// the core never committed the end of that data.
    pub fn is_forward_of(&self, position: LogId) -> bool {
        position.index <= self.position.index || position < self.position
    }

    /// The payload of an entry that installs it.
    pub fn encode(&self) -> Bytes {
        let mut out = vec![BOOTSTRAP_VERSION];
        put_bytes(&mut out, self.history.as_bytes());
        put_position(&mut out, self.position);
        put_bytes(&mut out, self.name.as_bytes());
        Bytes::from(out)
    }
}

fn put_position(out: &mut Vec<u8>, position: LogId) {
    out.extend_from_slice(&position.term.to_le_bytes());
    out.extend_from_slice(&position.index.to_le_bytes());
}

fn position(rest: &mut Reader<'_>) -> Result<LogId, EntryError> {
    Ok(LogId { term: rest.u64()?, index: rest.u64()? })
}

fn text<'a>(rest: &mut Reader<'a>) -> Result<&'a str, EntryError> {
    std::str::from_utf8(rest.bytes()?).map_err(|_| EntryError("a text is not UTF-8"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const AT: LogId = LogId { term: 2, index: 7 };

    #[test]
    fn golden_bytes() {
        let mut records = Vec::new();
        put_record(&mut records, AT, None);
        put_record(&mut records, LogId { term: 2, index: 8 }, Some(b"xy"));
        let golden = b"\x02\x01\0\0\0h\
            \0\x02\0\0\0\0\0\0\0\x07\0\0\0\0\0\0\0\0\0\0\0\
            \x01\x02\0\0\0\0\0\0\0\x08\0\0\0\0\0\0\0\x02\0\0\0xy";
        assert_eq!(&SiteEntry::entries("h", &records)[..], &golden[..]);
        let snapshot = BootstrapSnapshot { history: "h".into(), position: AT, name: "n".into() };
        let golden = b"\x03\x01\0\0\0h\x02\0\0\0\0\0\0\0\x07\0\0\0\0\0\0\0\x01\0\0\0n";
        assert_eq!(&snapshot.encode()[..], &golden[..]);
    }

    #[test]
    fn what_was_written_is_read_and_cuts_are_refused() {
        let mut records = Vec::new();
        put_record(&mut records, AT, Some(b"batch"));
        let payload = SiteEntry::entries("history", &records);
        let SiteEntry::Entries { history, mut records } = SiteEntry::decode(&payload).unwrap() else {
            panic!("not entries")
        };
        assert_eq!(history, "history");
        assert_eq!(records.next_record().unwrap(), Some(Record { position: AT, batch: Some(b"batch") }));
        assert_eq!(records.next_record().unwrap(), None);
        let snapshot = BootstrapSnapshot { history: "h".into(), position: AT, name: "n".into() };
        let bytes = snapshot.encode();
        assert!(matches!(SiteEntry::decode(&bytes), Ok(SiteEntry::Bootstrap(read)) if read == snapshot));
        assert!(SiteEntry::is_bootstrap(&bytes) && !SiteEntry::is_bootstrap(&payload));
        for cut in 0..bytes.len() {
            assert!(SiteEntry::decode(&bytes[..cut]).is_err(), "cut at {cut}");
        }
        assert!(Records::new(b"\x02").next_record().is_err());
        assert!(SiteEntry::decode(b"\x01").is_err());
    }
}
