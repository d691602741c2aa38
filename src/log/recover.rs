//! The way out when a majority is lost for good: one node goes on alone, with what it has.
//!
//! Dangerous by nature: writes that were acknowledged may be missing, namely those that this node never got. So the node
//! becomes a new cluster with a new history: nodes of the old one are refused, and whoever followed the old history starts
//! again. Works on a stopped node's directory.

use super::{
    DataDirectory, LogError,
    identity::begin_again,
    raft::sole,
    segment::{EntryKind, LogEntry, SegmentLog, SegmentOptions, VoteRecord},
};
use std::{path::Path, sync::mpsc};

/// Makes the node of this directory the only one of a new cluster; says which entry its log ends with.
pub fn recover(directory: &Path, address: &str) -> Result<u64, LogError> {
    if !directory.join("IDENTITY").exists() {
        return Err(LogError::Raft(format!("{} is not the data directory of a node", directory.display())));
    }
    let held = DataDirectory::open(directory, "", false)?;
    let (id, name) = (held.identity.node_id, held.identity.node_name.clone());
    let log = SegmentLog::open(&directory.join("log"), &SegmentOptions::default())?;
    let (_, last) = log.state();
    let last =
        last.ok_or_else(|| LogError::Raft("this node has no log: it was never of a cluster".into()))?;
    let term = log.vote().map_or(0, |vote| vote.term).max(last.term).saturating_add(1);
    let index = last.index.saturating_add(1);
    // First the new cluster: should this be cut short, nodes of the old one are refused already.
    begin_again(directory)?;
    let (done, wait) = mpsc::channel();
    let also = done.clone();
    let vote = VoteRecord { term, node_id: id, committed: false };
    // `wait` is there until both have come.
    log.save_vote(vote, Box::new(move || done.send(()).unwrap_or_default()))?;
    let entry =
        LogEntry { index, term, kind: EntryKind::Membership, payload: sole(id, &name, address)?.into() };
    log.append(vec![entry], Box::new(move || also.send(()).unwrap_or_default()))?;
    for _ in 0..2 {
        wait.recv().map_err(|_| LogError::Raft("the log stopped".into()))?;
    }
    Ok(last.index)
}
