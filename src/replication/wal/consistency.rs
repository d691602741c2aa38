//! Whether the log and the store of a data directory belong together.

use super::{error::LogError, log::SegmentLog};
use crate::store::{LogId, Store};
use std::{io, path::Path};

/// Refuses a log and a store of different histories: entries between them would be skipped silently.
pub fn check_consistency(directory: &Path, log: &SegmentLog, store: &Store) -> Result<(), LogError> {
    let (purged, last) = log.state();
    let applied = store.applied();
    // A snapshot may be installed a moment before the log is purged up to it, but never into a log without a vote.
    if applied.is_some() && last.is_none() && log.vote().is_none() {
        let detail = "the log is new, but the store has applied entries: the log directory was lost";
        return Err(LogError::damaged(&directory.join("log"), 0, detail));
    }
    if let Some(purged) = purged
        && applied.is_none_or(|applied| applied.index < purged.index)
    {
        let detail = format!(
            "the store is at entry {}, but the log begins after entry {}: the store was lost or is an old copy",
            applied.map_or(0, |applied| applied.index),
            purged.index
        );
        return Err(LogError::damaged(&directory.join("store"), 0, detail));
    }
    Ok(())
}

/// Whether a log has the store's last entry, or will get it: a different entry at its index would be uncommitted and about
/// to be truncated.
pub fn is_consistent_with(log: &SegmentLog, at: LogId) -> io::Result<bool> {
    let (purged, last) = log.state();
    let is_within = |end: Option<LogId>| end.is_some_and(|end| end.index >= at.index);
    if is_within(purged) || !is_within(last) {
        return Ok(true);
    }
    let entries = log.read(at.index, at.index.saturating_add(1), 0).map_err(io::Error::other)?;
    Ok(entries.first().is_some_and(|entry| entry.term == at.term))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::replication::wal::{EntryKind, LogEntry, SegmentOptions};
    use std::sync::mpsc;

    #[test]
    fn a_snapshot_fits_a_log_that_has_its_last_entry_or_is_to_get_it() {
        let home = tempfile::tempdir().unwrap();
        let log = SegmentLog::open(&home.path().join("log"), &SegmentOptions::retaining(1 << 20)).unwrap();
        let at = |term, index| LogId { term, index };
        assert!(is_consistent_with(&log, at(1, 5)).unwrap());
        let entry = |index| LogEntry {
            index,
            term: if index < 3 { 1 } else { 2 },
            kind: EntryKind::Blank,
            payload: Default::default(),
        };
        let (done, durable) = mpsc::channel();
        log.append((0..5).map(entry).collect(), Box::new(move || done.send(()).unwrap())).unwrap();
        durable.recv().unwrap();
        assert!(is_consistent_with(&log, at(1, 2)).unwrap() && is_consistent_with(&log, at(2, 4)).unwrap());
        assert!(is_consistent_with(&log, at(7, 5)).unwrap(), "behind its end");
        assert!(!is_consistent_with(&log, at(3, 4)).unwrap(), "what is there instead was never committed");
    }
}
