//! One record of a segment file.
//!
//! | bytes | field |
//! |---|---|
//! | 1 | 0xF1, so that the first sector of a written record is never all zeros |
//! | 1 | record version (1) |
//! | 1 | kind: 0 blank, 1 normal, 2 membership, 3 truncation |
//! | 4 | payload length n |
//! | 8 + 8 | index and term; for a truncation the first index removed, and 0 |
//! | 4 | how many bytes of this segment were durable before the batch that this record was written with |
//! | 4 | CRC-32C of the payload |
//! | 4 | CRC-32C of all fields above |
//! | 1 | 0xF2, never zero for the same reason |
//! | n | payload |
//! | 1 | 0xE7: the end of the record was written |
//!
//! Numbers are little-endian. Both checksums start from the segment's salt, so neither a payload that imitates a record nor
//! a stale record of another file passes for one of this segment.

use bytes::Bytes;

/// Bytes before the payload.
pub(super) const HEADER_BYTES: usize = 36;
/// Bytes around the payload.
pub(super) const OVERHEAD_BYTES: usize = HEADER_BYTES + 1;
pub(super) const RECORD_VERSION: u8 = 1;
pub(super) const BEGIN: u8 = 0xF1;
const HEADER_END: u8 = 0xF2;
const END: u8 = 0xE7;
const KIND_TRUNCATION: u8 = 3;

/// The kind of a log entry; the numbers are persisted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum EntryKind {
    /// Proposed by a new leader, carries nothing.
    Blank = 0,
    /// A batch of proposals.
    Normal = 1,
    /// A change of the membership.
    Membership = 2,
}

/// An entry of the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogEntry {
    pub index: u64,
    pub term: u64,
    pub kind: EntryKind,
    pub payload: Bytes,
}

/// The content of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum RecordKind {
    Entry(EntryKind),
    /// Entries from `index` on are removed.
    Truncation,
}

impl RecordKind {
    fn tag(self) -> u8 {
        match self {
            RecordKind::Entry(kind) => kind as u8,
            RecordKind::Truncation => KIND_TRUNCATION,
        }
    }

    fn from_tag(tag: u8) -> Option<Self> {
        match tag {
            0 => Some(RecordKind::Entry(EntryKind::Blank)),
            1 => Some(RecordKind::Entry(EntryKind::Normal)),
            2 => Some(RecordKind::Entry(EntryKind::Membership)),
            KIND_TRUNCATION => Some(RecordKind::Truncation),
            _ => None,
        }
    }
}

/// The fields before the payload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) kind: RecordKind,
    pub(super) payload_bytes: u32,
    pub(super) index: u64,
    pub(super) term: u64,
    pub(super) durable_below: u32,
    payload_crc: u32,
}

/// Why bytes are no header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum BadHeader {
    /// Markers or checksum are wrong, or there are too few bytes.
    Broken,
    /// The checksum is right, but the version or kind is one this program does not know.
    Newer(u8),
}

/// Whether payload and end marker belong to a header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Body {
    Good,
    /// The end marker is missing: the end was never written.
    Unfinished,
    /// Complete, but not as written.
    Wrong,
}

/// Appends a record to `out`.
#[cfg(test)]
pub(super) fn encode(
    out: &mut Vec<u8>,
    salt: u32,
    durable_below: u32,
    kind: RecordKind,
    index: u64,
    term: u64,
    payload: &[u8],
) {
    encode_head(out, salt, durable_below, kind, index, term, payload);
    out.extend_from_slice(payload);
    encode_end(out);
}

/// Appends what comes before the payload.
pub(super) fn encode_head(
    out: &mut Vec<u8>,
    salt: u32,
    durable_below: u32,
    kind: RecordKind,
    index: u64,
    term: u64,
    payload: &[u8],
) {
    let start = out.len();
    out.extend_from_slice(&[BEGIN, RECORD_VERSION, kind.tag()]);
    out.extend_from_slice(&u32::try_from(payload.len()).unwrap_or(u32::MAX).to_le_bytes());
    out.extend_from_slice(&index.to_le_bytes());
    out.extend_from_slice(&term.to_le_bytes());
    out.extend_from_slice(&durable_below.to_le_bytes());
    out.extend_from_slice(&crc32c::crc32c_append(salt, payload).to_le_bytes());
    let fields = out.get(start..).unwrap_or_default();
    let crc = crc32c::crc32c_append(salt, fields);
    out.extend_from_slice(&crc.to_le_bytes());
    out.push(HEADER_END);
}

/// Appends what comes behind it.
pub(super) fn encode_end(out: &mut Vec<u8>) {
    out.push(END);
}

impl Header {
    /// Reads the header at the start of `bytes`.
    pub(super) fn decode(bytes: &[u8], salt: u32) -> Result<Header, BadHeader> {
        let bytes = bytes.first_chunk::<HEADER_BYTES>().ok_or(BadHeader::Broken)?;
        let (fields, check) = bytes.split_at(HEADER_BYTES - 5);
        let Some((crc, [HEADER_END])) = check.split_first_chunk::<4>() else {
            return Err(BadHeader::Broken);
        };
        if crc32c::crc32c_append(salt, fields) != u32::from_le_bytes(*crc) {
            return Err(BadHeader::Broken);
        }
        let mut rest = fields;
        let [begin, version, tag] = take(&mut rest)?;
        if begin != BEGIN {
            return Err(BadHeader::Broken);
        }
        if version != RECORD_VERSION {
            return Err(BadHeader::Newer(version));
        }
        let payload_bytes = u32::from_le_bytes(take(&mut rest)?);
        let index = u64::from_le_bytes(take(&mut rest)?);
        let term = u64::from_le_bytes(take(&mut rest)?);
        let durable_below = u32::from_le_bytes(take(&mut rest)?);
        let payload_crc = u32::from_le_bytes(take(&mut rest)?);
        let kind = RecordKind::from_tag(tag).ok_or(BadHeader::Newer(version))?;
        Ok(Header { kind, payload_bytes, index, term, durable_below, payload_crc })
    }

    /// Length of the whole record.
    pub(super) fn record_bytes(&self) -> usize {
        (self.payload_bytes as usize).saturating_add(OVERHEAD_BYTES)
    }

    /// The payload of the record that starts at `bytes`, if it is all there and right.
    pub(super) fn payload<'a>(&self, bytes: &'a [u8], salt: u32) -> Result<&'a [u8], Body> {
        match self.body(bytes, salt) {
            Body::Good => {
                let end = HEADER_BYTES.saturating_add(self.payload_bytes as usize);
                bytes.get(HEADER_BYTES..end).ok_or(Body::Unfinished)
            }
            bad => Err(bad),
        }
    }

    fn body(&self, bytes: &[u8], salt: u32) -> Body {
        let end = HEADER_BYTES.saturating_add(self.payload_bytes as usize);
        let Some(payload) = bytes.get(HEADER_BYTES..end) else {
            return Body::Unfinished;
        };
        let good = crc32c::crc32c_append(salt, payload) == self.payload_crc;
        match (bytes.get(end), good) {
            (Some(&END), true) => Body::Good,
            (None | Some(0), _) => Body::Unfinished,
            (Some(_), _) => Body::Wrong,
        }
    }
}

/// Reads the entry in `bytes`, which starts there according to the index; `None` if anything about it is wrong.
pub(super) fn read_entry(bytes: &[u8], salt: u32) -> Option<(LogEntry, usize)> {
    let header = Header::decode(bytes, salt).ok()?;
    let RecordKind::Entry(kind) = header.kind else {
        return None;
    };
    let payload = Bytes::copy_from_slice(header.payload(bytes, salt).ok()?);
    Some((LogEntry { index: header.index, term: header.term, kind, payload }, header.record_bytes()))
}

fn take<const N: usize>(bytes: &mut &[u8]) -> Result<[u8; N], BadHeader> {
    let (head, rest) = bytes.split_first_chunk::<N>().ok_or(BadHeader::Broken)?;
    *bytes = rest;
    Ok(*head)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn version_1_golden_bytes() {
        let mut out = Vec::new();
        encode(&mut out, 7, 64, RecordKind::Entry(EntryKind::Normal), 5, 3, b"ab");
        let golden: &[u8] = b"\xf1\x01\x01\x02\0\0\0\x05\0\0\0\0\0\0\0\x03\0\0\0\0\0\0\0\x40\0\0\0";
        assert_eq!(&out[..27], golden);
        assert_eq!(u32::from_le_bytes(out[27..31].try_into().unwrap()), crc32c::crc32c_append(7, b"ab"));
        assert_eq!(u32::from_le_bytes(out[31..35].try_into().unwrap()), crc32c::crc32c_append(7, &out[..31]));
        assert_eq!(&out[35..], b"\xf2ab\xe7");
    }

    proptest! {
        #[test]
        fn round_trips_and_notices_every_flipped_bit(
            index in any::<u64>(), term in any::<u64>(), salt in any::<u32>(), below in any::<u32>(),
            payload in proptest::collection::vec(any::<u8>(), 0..200), bit in any::<prop::sample::Index>(),
        ) {
            let mut bytes = Vec::new();
            encode(&mut bytes, salt, below, RecordKind::Entry(EntryKind::Membership), index, term, &payload);
            let (entry, used) = read_entry(&bytes, salt).unwrap();
            prop_assert_eq!(used, bytes.len());
            prop_assert_eq!((entry.index, entry.term, &entry.payload[..]), (index, term, &payload[..]));
            prop_assert!(read_entry(&bytes, salt.wrapping_add(1)).is_none());
            let bit = bit.index(bytes.len() * 8);
            bytes[bit / 8] ^= 1 << (bit % 8);
            prop_assert!(read_entry(&bytes, salt).is_none());
        }

        #[test]
        fn random_bytes_never_panic(bytes in any::<Vec<u8>>(), salt in any::<u32>()) {
            let _ = read_entry(&bytes, salt);
        }
    }
}
