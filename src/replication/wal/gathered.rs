//! Records on their way to the disk: encoded one behind the other, except that a large payload is not copied. It is written from where
//! it is.

use super::record::{self, RecordKind};
use bytes::Bytes;
use std::io;

/// A payload of fewer bytes is copied: one call writes it with its neighbours.
const LARGE_BYTES: usize = 32 << 10;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Gathered {
    bytes: Vec<u8>,
    /// Payloads, each with its place: behind so many of `bytes`.
    large: Vec<(usize, Bytes)>,
    large_bytes: usize,
}

impl Gathered {
    /// Bytes of all records.
    pub(super) fn len(&self) -> usize {
        self.bytes.len().saturating_add(self.large_bytes)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// Adds a record.
    pub(super) fn put(
        &mut self,
        (salt, durable_below): (u32, u32),
        kind: RecordKind,
        (index, term): (u64, u64),
        payload: &Bytes,
    ) {
        record::encode_head(&mut self.bytes, salt, durable_below, kind, index, term, payload);
        match payload.len() < LARGE_BYTES {
            true => self.bytes.extend_from_slice(payload),
            false => {
                self.large.push((self.bytes.len(), payload.clone()));
                self.large_bytes = self.large_bytes.saturating_add(payload.len());
            }
        }
        record::encode_end(&mut self.bytes);
    }

    /// Hands out all bytes in order, in few parts.
    pub(super) fn parts(&self, mut write: impl FnMut(&[u8]) -> io::Result<()>) -> io::Result<()> {
        let mut from = 0;
        for (to, payload) in &self.large {
            write(self.bytes.get(from..*to).unwrap_or_default())?;
            write(payload)?;
            from = *to;
        }
        write(self.bytes.get(from..).unwrap_or_default())
    }

    /// The first half of what is encoded here, for a test of torn writes.
    pub(super) fn torn(&self) -> &[u8] {
        let first = self.large.first().map_or(self.bytes.len(), |(to, _)| *to);
        self.bytes.get(..first / 2).unwrap_or_default()
    }

    /// Forgets everything, and keeps room for so many bytes.
    pub(super) fn clear(&mut self, keep: usize) {
        if self.bytes.capacity() > keep {
            self.bytes = Vec::new();
        }
        self.bytes.clear();
        self.large.clear();
        self.large_bytes = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::replication::wal::record::EntryKind;

    #[test]
    fn large_payloads_are_written_in_their_place_and_not_copied() {
        let payloads = [10, LARGE_BYTES, 0, 3 * LARGE_BYTES, LARGE_BYTES - 1]
            .map(|len| Bytes::from((0..len).map(|at| u8::try_from(at % 251).unwrap()).collect::<Vec<u8>>()));
        let (mut gathered, mut copied) = (Gathered::default(), Vec::new());
        let kind = RecordKind::Entry(EntryKind::Normal);
        for (index, payload) in (1..).zip(&payloads) {
            gathered.put((7, 64), kind, (index, 3), payload);
            record::encode(&mut copied, 7, 64, kind, index, 3, payload);
        }
        assert_eq!(gathered.len(), copied.len());
        assert!(gathered.bytes.capacity() < 3 * LARGE_BYTES, "{}", gathered.bytes.capacity());
        let (mut written, mut parts, mut own) = (Vec::new(), 0, 0);
        gathered
            .parts(|part| {
                parts += 1;
                own += usize::from(payloads.iter().any(|payload| payload.as_ptr() == part.as_ptr()));
                written.extend_from_slice(part);
                Ok(())
            })
            .unwrap();
        assert!(written == copied);
        assert_eq!((parts, own), (5, 2));
        gathered.clear(0);
        assert!(gathered.is_empty());
        assert_eq!(gathered.large_bytes, 0);
    }
}
