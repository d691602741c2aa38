//! Frames of the core's log for edges: each is made once, however many edges need it.
//!
//! The store's position says nothing about the log beside it: a snapshot takes the store past a tail that was never
//! committed and is not purged yet. So a committed position counts only once the log is seen to contain that very entry,
//! index and term. By Raft's Log Matching property, everything before it in the log is committed, too, and is never
//! truncated.

use crate::{
    environment::Rule,
    replica::{RECORD_HEAD_BYTES, Raise, Records, put_record},
    replication::{
        wal::{EntryKind, LogEntry, LogError, SegmentLog, blocking},
        wire,
    },
    store::LogId,
};
use bytes::Bytes;
use parking_lot::Mutex;
use std::{collections::BTreeMap, sync::Arc};

/// A frame up to this size from memory is made on the calling thread.
const INLINE_BYTES: usize = 64 << 10;
/// Payload bytes of one frame, if its first entry is not larger.
const FRAME_BYTES: usize = 1 << 20;
/// Less is not worth compressing.
const COMPRESS_BYTES_MIN: usize = 200;
/// As fast as zstd goes: the core has other work.
const LEVEL: i32 = 1;
/// Bytes of frames kept for other edges.
const KEPT_BYTES: usize = 8 << 20;

/// The frames made from the log.
pub struct Frames {
    log: Arc<SegmentLog>,
    kept: Mutex<Kept>,
}

/// Entries as they are sent, and the log id of the last one.
#[derive(Debug, Clone)]
pub struct Frame {
    pub entries: wire::Entries,
    pub last: LogId,
}

/// The next frame for an edge at some entry.
#[derive(Debug)]
pub enum Next {
    Entries(Frame),
    /// The log does not have what follows that entry.
    Gone,
    /// The log has another entry there: the edge's was never committed.
    Conflict,
}

#[derive(Default)]
struct Kept {
    /// By first index.
    frames: BTreeMap<u64, Frame>,
    bytes: usize,
    /// Of the log these were read from (`SegmentLog::cuts`).
    cuts: u64,
}

impl Frames {
    pub fn new(log: Arc<SegmentLog>) -> Self {
        Frames { log, kept: Mutex::default() }
    }

    /// Whether the log has this committed entry, so that all entries before it are committed, too.
    fn has_committed(&self, committed: LogId) -> bool {
        self.log.term(committed.index) == Some(committed.term)
    }

    /// The term of an entry before `committed`; `None`: the log cannot tell.
    pub(super) fn term(&self, index: u64, committed: LogId) -> Option<u64> {
        self.has_committed(committed).then(|| self.log.term(index))?
    }

    /// Entries behind the edge's last one (`None`: it has none), up to `committed`.
    pub async fn next(self: &Arc<Self>, behind: Option<LogId>, committed: LogId) -> Result<Next, LogError> {
        let first = behind.map_or(0, |behind| behind.index.saturating_add(1));
        let cuts = self.log.cuts();
        // The log is taken for the store's history without a look only where a test breaks the rule.
        let trusts_store = !self.log.environment().keeps(Rule::FeedsCommitted);
        if !trusts_store && (!self.log.has(first) || !self.has_committed(committed)) {
            return Ok(Next::Gone);
        }
        match behind.map(|behind| (behind.term, self.log.term(behind.index))) {
            Some((_, None)) if !trusts_store => return Ok(Next::Gone),
            Some((has, Some(term))) if has != term => return Ok(Next::Conflict),
            _ => {}
        }
        if let Some(frame) = self.kept(first) {
            return Ok(Next::Entries(frame));
        }
        let (end, previous_term) =
            (committed.index.saturating_add(1), behind.map_or(0, |behind| behind.term));
        if let Some(entries) = self.log.read_memory(first, end, INLINE_BYTES)
            && entries.last().is_some_and(|entry| entry.index == committed.index)
            && entries.iter().map(|entry| entry.payload.len()).sum::<usize>() <= INLINE_BYTES
        {
            let frame = encode(previous_term, &entries)?;
            self.keep(&frame, cuts);
            return Ok(Next::Entries(frame));
        }
        let frames = Arc::clone(self);
        let made = blocking(move || {
            let entries = frames.log.read(first, end, FRAME_BYTES).map_err(LogError::or_repair)?;
            match entries.first() {
                Some(entry) if entry.index == first => {
                    let frame = encode(previous_term, &entries)?;
                    frames.keep(&frame, cuts);
                    Ok(Next::Entries(frame))
                }
                _ => Ok(Next::Gone),
            }
        });
        made.await.map_err(|error| LogError::Raft(error.to_string()))?
    }

    fn kept(&self, first: u64) -> Option<Frame> {
        let mut kept = self.kept.lock();
        kept.forget_before(self.log.cuts());
        kept.frames.get(&first).cloned()
    }

    /// Keeps a frame that was read when the log had been cut so often.
    fn keep(&self, frame: &Frame, cuts: u64) {
        let mut kept = self.kept.lock();
        kept.forget_before(self.log.cuts());
        let bytes = frame.entries.records.len();
        if bytes > KEPT_BYTES / 4 || kept.cuts != cuts {
            return;
        }
        kept.bytes = kept.bytes.saturating_add(bytes);
        if let Some(before) = kept.frames.insert(frame.entries.first, frame.clone()) {
            kept.bytes = kept.bytes.saturating_sub(before.entries.records.len());
        }
        while kept.bytes > KEPT_BYTES
            && let Some((_, oldest)) = kept.frames.pop_first()
        {
            kept.bytes = kept.bytes.saturating_sub(oldest.entries.records.len());
        }
    }
}

impl Kept {
    /// Forgets reads from before the log was last truncated.
    fn forget_before(&mut self, cuts: u64) {
        if self.cuts != cuts {
            *self = Kept { cuts, ..Kept::default() };
        }
    }
}

/// The entries of a frame; `previous_term`: of the one before the first.
fn encode(previous_term: u64, entries: &[LogEntry]) -> Result<Frame, LogError> {
    let bytes = entries.iter().map(|entry| entry.payload.len().saturating_add(RECORD_HEAD_BYTES)).sum();
    let mut raw = Vec::with_capacity(bytes);
    for entry in entries {
        let batch = match entry.kind {
            EntryKind::Normal => Some(&entry.payload[..]),
            // The core's membership does not concern edges.
            EntryKind::Blank | EntryKind::Membership => None,
        };
        put_record(&mut raw, LogId { term: entry.term, index: entry.index }, batch);
    }
    let (records, raw_bytes) = match raw.len() < COMPRESS_BYTES_MIN {
        true => (Bytes::from(raw), 0),
        false => {
            let compressed = zstd::bulk::compress(&raw, LEVEL).map_err(|e| LogError::Raft(e.to_string()))?;
            (Bytes::from(compressed), raw.len() as u64)
        }
    };
    let last = entries.last().map_or(LogId::default(), |at| LogId { term: at.term, index: at.index });
    let first = entries.first().map_or(0, |entry| entry.index);
    Ok(Frame { entries: wire::Entries { first, last: last.index, records, raw_bytes, previous_term }, last })
}

/// Checks that the records of a frame continue a log whose last entry has this term: no gap, no earlier term. Returns the
/// log id of the last record.
pub(super) fn check(entries: &wire::Entries, records: &[u8], term: u64) -> Result<LogId, String> {
    let mut at = LogId { term, index: entries.first };
    let (mut next, mut records) = (entries.first, Records::new(records));
    while let Some(record) = records.next_record().map_err(|error| error.0.to_owned())? {
        let LogId { term, index } = record.position;
        if index != next || term < at.term {
            return Err(format!(
                "entry {index} of term {term} came where {next} of term {} or later is next",
                at.term
            ));
        }
        (at, next) = (record.position, next.saturating_add(1));
    }
    match next == entries.last.saturating_add(1) {
        true => Ok(at),
        false => {
            Err(format!("entries {} to {} were to come and end before {next}", entries.first, entries.last))
        }
    }
}

/// Refuses records that raise the feature level above `understood`: what follows them would be applied wrongly here.
pub(super) fn understood(records: &[u8], understood: u32) -> Result<(), String> {
    let mut records = Records::new(records);
    while let Some(record) = records.next_record().map_err(|error| error.0.to_owned())? {
        let Some(payload) = record.batch.filter(|payload| Raise::is_one(payload)) else { continue };
        let raise = Raise::decode(payload).map_err(|error| error.0.to_owned())?;
        if let Some(why) = raise.not_understood(understood) {
            return Err(why);
        }
    }
    Ok(())
}

/// The uncompressed records of a frame; `bytes_max`: the most that they may have.
pub fn decode(entries: &wire::Entries, bytes_max: usize) -> Result<Bytes, String> {
    if entries.raw_bytes == 0 {
        return Ok(entries.records.clone());
    }
    let raw_bytes = usize::try_from(entries.raw_bytes).unwrap_or(usize::MAX);
    if raw_bytes > bytes_max {
        return Err(format!("a frame of {raw_bytes} bytes, more than an entry may have"));
    }
    let raw = zstd::bulk::decompress(&entries.records, raw_bytes).map_err(|error| error.to_string())?;
    match raw.len() == raw_bytes {
        true => Ok(Bytes::from(raw)),
        false => Err("a frame has another length than it says".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::replication::wal::SegmentOptions;

    fn entry(index: u64, kind: EntryKind, payload: &[u8]) -> LogEntry {
        LogEntry { index, term: 3, kind, payload: Bytes::copy_from_slice(payload) }
    }

    #[test]
    fn entries_come_out_as_they_went_in() {
        let large = vec![b'x'; 5000];
        for payload in [&b"small"[..], &large] {
            let entries = [entry(7, EntryKind::Blank, b""), entry(8, EntryKind::Normal, payload)];
            let Frame { entries: frame, last } = encode(2, &entries).unwrap();
            assert_eq!((frame.first, frame.last, frame.previous_term), (7, 8, 2));
            assert_eq!(last, LogId { term: 3, index: 8 });
            assert_eq!(frame.raw_bytes > 0, payload.len() > 100, "only the large one is compressed");
            let raw = decode(&frame, 1 << 20).unwrap();
            assert_eq!(check(&frame, &raw, 2), Ok(last));
            let mut records = Records::new(&raw);
            assert_eq!(records.next_record().unwrap().unwrap().batch, None);
            let second = records.next_record().unwrap().unwrap();
            assert_eq!((second.position, second.batch), (last, Some(payload)));
            assert_eq!(records.next_record().unwrap(), None);
        }
    }

    #[test]
    fn a_frame_that_lies_about_its_length_is_refused() {
        let frame = encode(3, &[entry(1, EntryKind::Normal, &[b'y'; 4000])]).unwrap().entries;
        assert!(decode(&frame, 100).is_err());
        assert!(decode(&wire::Entries { raw_bytes: frame.raw_bytes + 1, ..frame.clone() }, 1 << 20).is_err());
        assert!(decode(&wire::Entries { raw_bytes: 10, ..frame }, 1 << 20).is_err());
    }

    #[test]
    fn a_frame_that_raises_the_feature_level_too_far_is_not_taken() {
        let at = LogId { term: 1, index: 1 };
        let raise = Raise::to(5).encode();
        let mut records = Vec::new();
        put_record(&mut records, at, Some(b"\x01batch"));
        put_record(&mut records, at, Some(&raise[..]));
        assert_eq!(understood(&records, 5), Ok(()));
        assert!(understood(&records, 4).unwrap_err().contains("feature level 5"));
    }

    #[tokio::test]
    async fn what_is_kept_is_read_again_once_the_log_was_cut() {
        let home = tempfile::tempdir().unwrap();
        let log = SegmentLog::open(&home.path().join("log"), &SegmentOptions::retaining(1 << 20)).unwrap();
        let log = Arc::new(log);
        let append = |term: u64, indexes: std::ops::Range<u64>| {
            let entry = |index| LogEntry { term, ..entry(index, EntryKind::Blank, b"") };
            log.append(indexes.map(entry).collect(), Box::new(|| ())).unwrap();
        };
        let at = |term, index| LogId { term, index };
        let frames = Arc::new(Frames::new(Arc::clone(&log)));
        append(1, 0..10);
        let next = frames.next(Some(at(1, 4)), at(1, 9)).await.unwrap();
        assert!(matches!(next, Next::Entries(frame) if frame.last == at(1, 9)));
        assert_eq!(frames.kept.lock().frames.len(), 1);
        log.truncate_after(Some(at(1, 4)), Box::new(|| ())).unwrap();
        append(2, 5..10);
        let next = frames.next(Some(at(1, 4)), at(2, 9)).await.unwrap();
        assert!(matches!(next, Next::Entries(frame) if frame.last == at(2, 9)));
        assert!(matches!(frames.next(Some(at(1, 7)), at(2, 9)).await.unwrap(), Next::Conflict));
        assert!(matches!(frames.next(Some(at(1, 4)), at(1, 9)).await.unwrap(), Next::Gone));
    }

    #[test]
    fn records_with_a_gap_an_earlier_term_or_another_end_are_refused() {
        let at = |term, index| LogId { term, index };
        let of = |positions: &[LogId]| {
            let mut records = Vec::new();
            positions.iter().for_each(|at| put_record(&mut records, *at, None));
            let entries = wire::Entries { first: 7, last: 9, ..Default::default() };
            check(&entries, &records, 2)
        };
        assert_eq!(of(&[at(2, 7), at(2, 8), at(4, 9)]), Ok(at(4, 9)));
        for bad in [
            [at(2, 7), at(2, 9), at(2, 9)],
            [at(2, 8), at(2, 8), at(2, 9)],
            [at(1, 7), at(2, 8), at(2, 9)],
            [at(4, 7), at(3, 8), at(4, 9)],
        ] {
            assert!(of(&bad).is_err(), "{bad:?}");
        }
        assert!(of(&[at(2, 7), at(2, 8)]).is_err(), "the last one is missing");
        assert!(of(&[at(2, 7), at(2, 8), at(2, 9), at(2, 10)]).is_err(), "one more");
    }
}
