//! A log in a directory, with calls that wait until they are durable.

use crate::{
    environment::Environment,
    replication::wal::{
        error::LogError,
        file::SegmentOptions,
        hard_state::VoteRecord,
        log::{Done, SegmentLog},
        record::{EntryKind, LogEntry},
    },
    store::LogId,
};
use bytes::Bytes;
use std::{
    fs,
    path::{Path, PathBuf},
    sync::mpsc,
};

/// Segments of a few records.
pub(super) const SMALL: SegmentOptions = SegmentOptions {
    segment_bytes: 2048,
    first_segment_bytes: 1024,
    cache_bytes: 256,
    environment: Environment::machine(),
};
/// One segment that is never left.
pub(super) const ONE: SegmentOptions = SegmentOptions {
    segment_bytes: 8 << 10,
    first_segment_bytes: 8 << 10,
    cache_bytes: 1 << 20,
    environment: Environment::machine(),
};

pub(super) fn open(path: &Path, options: &SegmentOptions) -> SegmentLog {
    SegmentLog::open(path, options).unwrap()
}

pub(super) fn refusal(path: &Path, options: &SegmentOptions) -> LogError {
    match SegmentLog::open(path, options) {
        Ok(log) => panic!("opened with {:?}", log.state()),
        Err(error) => error,
    }
}

fn wait(queue: impl FnOnce(Done) -> Result<(), LogError>) {
    let (done, durable) = mpsc::channel();
    queue(Box::new(move || done.send(()).unwrap())).unwrap();
    durable.recv().unwrap();
}

pub(super) fn append(log: &SegmentLog, entries: &[LogEntry]) {
    wait(|done| log.append(entries.to_vec(), done));
}

pub(super) fn truncate_after(log: &SegmentLog, last: Option<LogId>) {
    wait(|done| log.truncate_after(last, done));
}

pub(super) fn purge(log: &SegmentLog, upto: LogId) {
    wait(|done| log.purge(upto, done));
}

pub(super) fn save_vote(log: &SegmentLog, vote: VoteRecord) {
    wait(|done| log.save_vote(vote, done));
}

pub(super) fn entry(index: u64, term: u64, payload: &[u8]) -> LogEntry {
    LogEntry { index, term, kind: EntryKind::Normal, payload: Bytes::copy_from_slice(payload) }
}

pub(super) fn entries(indexes: std::ops::Range<u64>, term: u64) -> Vec<LogEntry> {
    indexes.map(|index| entry(index, term, format!("payload of {index} in {term}").as_bytes())).collect()
}

pub(super) fn all(log: &SegmentLog) -> Vec<LogEntry> {
    log.read(0, u64::MAX, usize::MAX).unwrap()
}

pub(super) fn segments(path: &Path) -> Vec<PathBuf> {
    let mut found: Vec<PathBuf> = fs::read_dir(path)
        .unwrap()
        .map(|file| file.unwrap().path())
        .filter(|file| file.extension().is_some_and(|extension| extension == "seg"))
        .collect();
    found.sort();
    found
}

/// The bytes of a segment without the zeros after its last record.
pub(super) fn written(path: &Path) -> Vec<u8> {
    let mut bytes = fs::read(path).unwrap();
    let end = bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
    bytes.truncate(end);
    bytes
}

/// Replaces the start of a file, keeping its length: what was cut off reads as zeros.
pub(super) fn overwrite(path: &Path, start: &[u8]) {
    let len = fs::metadata(path).unwrap().len() as usize;
    let mut bytes = start.to_vec();
    bytes.resize(len.max(start.len()), 0);
    fs::write(path, bytes).unwrap();
}
