//! Entries of the core's log as they are sent to edges: made once, however many edges want the same.

use super::wire;
use crate::{
    log::{
        LogError,
        blocking::blocking,
        segment::{EntryKind, LogEntry, SegmentLog},
    },
    replica::{RECORD_HEAD_BYTES, put_record},
    store::Position,
};
use bytes::Bytes;
use parking_lot::Mutex;
use std::{collections::BTreeMap, sync::Arc};

/// Up to this much is made on the calling thread, of what is in memory.
const INLINE_BYTES: usize = 64 << 10;
/// Payload bytes of one frame, if its first entry is not larger.
const FRAME_BYTES: usize = 1 << 20;
/// Less is not worth compressing.
const COMPRESS_BYTES_MIN: usize = 200;
/// As fast as zstd goes: the core has other work.
const LEVEL: i32 = 1;
/// Frames that are kept for other edges.
const KEPT_BYTES: usize = 8 << 20;

/// See the module.
pub(super) struct Frames {
    log: Arc<SegmentLog>,
    kept: Mutex<Kept>,
}

#[derive(Default)]
struct Kept {
    /// By first index.
    frames: BTreeMap<u64, wire::Entries>,
    bytes: usize,
}

impl Frames {
    pub(super) fn new(log: Arc<SegmentLog>) -> Self {
        Frames { log, kept: Mutex::default() }
    }

    /// The term of an entry; `None`: the log does not have it.
    pub(super) fn term(&self, index: u64) -> Result<Option<u64>, LogError> {
        let (purged, _) = self.log.state();
        if let Some(purged) = purged.filter(|purged| purged.index == index) {
            return Ok(Some(purged.term));
        }
        let entries = self.log.read(index, index.saturating_add(1), 0)?;
        Ok(entries.first().filter(|entry| entry.index == index).map(|entry| entry.term))
    }

    /// Whether the log still has the entry.
    pub(super) fn has(&self, index: u64) -> bool {
        self.log.state().0.is_none_or(|purged| purged.index < index)
    }

    /// Entries from `first` on, at most up to `last`; `None`: the first is purged.
    pub(super) async fn frame(
        self: &Arc<Self>,
        first: u64,
        last: u64,
    ) -> Result<Option<wire::Entries>, LogError> {
        if let Some(frame) = self.kept.lock().frames.get(&first) {
            return Ok(Some(frame.clone()));
        }
        let end = last.saturating_add(1);
        if let Some(entries) = self.log.read_memory(first, end, INLINE_BYTES)
            && entries.last().is_some_and(|entry| entry.index == last)
            && entries.iter().map(|entry| entry.payload.len()).sum::<usize>() <= INLINE_BYTES
        {
            let frame = encode(&entries)?;
            self.keep(&frame);
            return Ok(Some(frame));
        }
        let frames = Arc::clone(self);
        let made = blocking(move || {
            let entries = frames.log.read(first, end, FRAME_BYTES)?;
            match entries.first() {
                Some(entry) if entry.index == first => {
                    let frame = encode(&entries)?;
                    frames.keep(&frame);
                    Ok(Some(frame))
                }
                _ => Ok(None),
            }
        });
        made.await.map_err(|error| LogError::Raft(error.to_string()))?
    }

    fn keep(&self, frame: &wire::Entries) {
        let mut kept = self.kept.lock();
        if frame.records.len() > KEPT_BYTES / 4 {
            return;
        }
        kept.bytes = kept.bytes.saturating_add(frame.records.len());
        if let Some(before) = kept.frames.insert(frame.first, frame.clone()) {
            kept.bytes = kept.bytes.saturating_sub(before.records.len());
        }
        while kept.bytes > KEPT_BYTES
            && let Some((_, oldest)) = kept.frames.pop_first()
        {
            kept.bytes = kept.bytes.saturating_sub(oldest.records.len());
        }
    }
}

fn encode(entries: &[LogEntry]) -> Result<wire::Entries, LogError> {
    let bytes = entries.iter().map(|entry| entry.payload.len().saturating_add(RECORD_HEAD_BYTES)).sum();
    let mut raw = Vec::with_capacity(bytes);
    for entry in entries {
        let batch = match entry.kind {
            EntryKind::Normal => Some(&entry.payload[..]),
            // What the core's own members are is no edge's business.
            EntryKind::Blank | EntryKind::Membership => None,
        };
        put_record(&mut raw, Position { term: entry.term, index: entry.index }, batch);
    }
    let (records, raw_bytes) = match raw.len() < COMPRESS_BYTES_MIN {
        true => (Bytes::from(raw), 0),
        false => {
            let compressed = zstd::bulk::compress(&raw, LEVEL).map_err(|e| LogError::Raft(e.to_string()))?;
            (Bytes::from(compressed), raw.len() as u64)
        }
    };
    Ok(wire::Entries {
        first: entries.first().map_or(0, |entry| entry.index),
        last: entries.last().map_or(0, |entry| entry.index),
        records,
        raw_bytes,
    })
}

/// The records of a frame as they were; `bytes_max`: what they may have at most.
pub(super) fn decode(entries: &wire::Entries, bytes_max: usize) -> Result<Bytes, String> {
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
    use crate::replica::Records;

    fn entry(index: u64, kind: EntryKind, payload: &[u8]) -> LogEntry {
        LogEntry { index, term: 3, kind, payload: Bytes::copy_from_slice(payload) }
    }

    #[test]
    fn entries_come_out_as_they_went_in() {
        let large = vec![b'x'; 5000];
        for payload in [&b"small"[..], &large] {
            let entries = [entry(7, EntryKind::Blank, b""), entry(8, EntryKind::Normal, payload)];
            let frame = encode(&entries).unwrap();
            assert_eq!((frame.first, frame.last), (7, 8));
            assert_eq!(frame.raw_bytes > 0, payload.len() > 100, "only the large one is compressed");
            let raw = decode(&frame, 1 << 20).unwrap();
            let mut records = Records::new(&raw);
            assert_eq!(records.next_record().unwrap().unwrap().batch, None);
            let second = records.next_record().unwrap().unwrap();
            assert_eq!((second.position, second.batch), (Position { term: 3, index: 8 }, Some(payload)));
            assert_eq!(records.next_record().unwrap(), None);
        }
    }

    #[test]
    fn a_frame_that_lies_about_its_length_is_refused() {
        let frame = encode(&[entry(1, EntryKind::Normal, &[b'y'; 4000])]).unwrap();
        assert!(decode(&frame, 100).is_err());
        assert!(decode(&wire::Entries { raw_bytes: frame.raw_bytes + 1, ..frame.clone() }, 1 << 20).is_err());
        assert!(decode(&wire::Entries { raw_bytes: 10, ..frame }, 1 << 20).is_err());
    }
}
