//! Reads a segment at open: finds its records, and interprets the first bytes that are none.
//!
//! A crash may leave any subset of the sectors of the batch that was being written. A disk may flip bits anywhere. The
//! former must be dropped, the latter must be refused, so the two must be told apart. Segments are zeros at first, so an
//! unwritten sector is all zeros, and bytes that are not a record are
//! * **the end**, if only zeros follow;
//! * **damaged**, if the record reaches its end marker and none of its sectors is all zeros (all of it was written), or if
//!   a later record says that this position was durable before it was written (`durable_below`), or if a later segment was
//!   begun (the writer syncs a segment before it leaves it);
//! * **a torn tail** otherwise. Its write was never acknowledged.
//!
//! Undecidable: a flipped bit in the very last batch, in a record with a payload sector that is zeros by content. It is
//! taken for torn.

use super::{
    file::SEGMENT_HEADER_BYTES,
    record::{BEGIN, BadHeader, Body, HEADER_BYTES, Header, OVERHEAD_BYTES},
};

const SECTOR_BYTES: usize = 512;

/// One record found.
#[derive(Debug, Clone, Copy)]
pub(super) struct Found {
    pub(super) header: Header,
    pub(super) offset: u32,
}

/// The bytes behind the last record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Tail {
    /// Zeros, or the end of the file.
    Clean,
    /// Bytes of a batch that no fsync covered; they end before `end`.
    Torn { end: u64, detail: &'static str },
    /// Bytes that an fsync covered differ from those written.
    Damaged { detail: String },
    /// A record of a newer program.
    Newer { version: u8 },
}

/// All records of a segment's bytes, where they end, and what follows.
pub(super) fn scan(bytes: &[u8], salt: u32) -> (Vec<Found>, u32, Tail) {
    let mut found = Vec::new();
    let mut at = SEGMENT_HEADER_BYTES as usize;
    loop {
        let rest = bytes.get(at..).unwrap_or_default();
        let offset = u32::try_from(at).unwrap_or(u32::MAX);
        match Header::decode(rest, salt) {
            Ok(header) if header.payload(rest, salt).is_ok() => {
                found.push(Found { header, offset });
                at = at.saturating_add(header.record_bytes());
            }
            other => return (found, offset, judge(bytes, at, salt, other)),
        }
    }
}

/// Whether anything but zeros follows the header.
pub(super) fn is_begun(bytes: &[u8]) -> bool {
    last_written(bytes, SEGMENT_HEADER_BYTES as usize).is_some()
}

fn judge(bytes: &[u8], at: usize, salt: u32, header: Result<Header, BadHeader>) -> Tail {
    let Some(last) = last_written(bytes, at) else {
        return Tail::Clean;
    };
    let rest = bytes.get(at..).unwrap_or_default();
    let torn = match header {
        Err(BadHeader::Newer(version)) => return Tail::Newer { version },
        Err(BadHeader::Broken) => match all_written(rest, at, HEADER_BYTES) {
            true => {
                return Tail::Damaged { detail: "wrong header checksum of a complete record".into() };
            }
            false => "the header of a record is incomplete",
        },
        Ok(header) => match header.payload(rest, salt) {
            Err(Body::Unfinished) => "the end of a record is missing",
            Err(Body::Wrong) | Err(Body::Good) | Ok(_) if all_written(rest, at, header.record_bytes()) => {
                let index = header.index;
                return Tail::Damaged {
                    detail: format!("wrong payload checksum of the record with index {index}"),
                };
            }
            _ => "part of a record is missing",
        },
    };
    if let Some(later) = proof_of_sync(bytes, at, last, salt) {
        let detail =
            format!("{torn}, but the record at byte {later} was written after these bytes were synced");
        return Tail::Damaged { detail };
    }
    Tail::Torn { end: last.saturating_add(1) as u64, detail: torn }
}

/// The offset of a later record that was written after `at` was durable.
fn proof_of_sync(bytes: &[u8], at: usize, last: usize, salt: u32) -> Option<usize> {
    let from = at.saturating_add(1);
    let rest = bytes.get(from..=last)?;
    memchr::memchr_iter(BEGIN, rest).map(|position| from.saturating_add(position)).find(|&place| {
        Header::decode(bytes.get(place..).unwrap_or_default(), salt).is_ok_and(|header| {
            (header.durable_below as usize) > at && header.durable_below as usize <= place
        })
    })
}

/// Whether no sector of the `len` bytes at `rest` (at file offset `at`) is all zeros, and the last byte is present.
fn all_written(rest: &[u8], at: usize, len: usize) -> bool {
    let Some(record) = rest.get(..len) else {
        return false;
    };
    if record.last().is_none_or(|byte| *byte == 0) {
        return false;
    }
    let first = (SECTOR_BYTES - at % SECTOR_BYTES).min(record.len());
    let (head, tail) = record.split_at(first);
    std::iter::once(head).chain(tail.chunks(SECTOR_BYTES)).all(|sector| sector.iter().any(|byte| *byte != 0))
}

/// The last byte from `from` on that is not zero.
fn last_written(bytes: &[u8], from: usize) -> Option<usize> {
    let rest = bytes.get(from..)?;
    rest.iter().rposition(|byte| *byte != 0).map(|position| from.saturating_add(position))
}

const _: () = assert!(OVERHEAD_BYTES < SECTOR_BYTES);
