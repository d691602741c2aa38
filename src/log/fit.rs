//! Whether the log and the store of a data directory belong together.

use super::{LogError, segment::SegmentLog};
use crate::store::Store;
use std::path::Path;

/// Refuses a log and a store that are not of one history: entries between them would be skipped without a word.
pub(super) fn check_fit(directory: &Path, log: &SegmentLog, store: &Store) -> Result<(), LogError> {
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
            "the store stands at entry {}, but the log begins after entry {}: the store was lost or is an old copy",
            applied.map_or(0, |applied| applied.index),
            purged.index
        );
        return Err(LogError::damaged(&directory.join("store"), 0, detail));
    }
    Ok(())
}
