//! Recovery from a permanent loss of the majority: one node continues alone with its data.
//!
//! Dangerous by nature: acknowledged writes that this node never received are lost. So the node becomes a new cluster with
//! a new history: nodes of the old one are refused, and followers of the old history start again. Works on a stopped node's
//! directory.

use crate::{
    replication::{
        consensus::sole,
        directory::{DataDirectory, begin_again},
        wal::{EntryKind, LogEntry, LogError, SegmentLog, SegmentOptions, VoteRecord},
    },
    store::{LogId, Store, StoreOptions},
};
use std::{path::Path, sync::mpsc};

/// Makes this directory's node the only member of a new cluster; returns the index of the last entry in its log.
pub fn recover(directory: &Path, address: &str) -> Result<u64, LogError> {
    if !directory.join("IDENTITY").exists() {
        return Err(LogError::Raft(format!("{} is not the data directory of a node", directory.display())));
    }
    let held = DataDirectory::open(directory, "", false)?;
    let (id, name) = (held.identity.node_id, held.identity.node_name.clone());
    let log = SegmentLog::open(&directory.join("log"), &SegmentOptions::default())?;
    purge_to_store(directory, &log)?;
    let (_, last) = log.state();
    let last = last
        .ok_or_else(|| LogError::Raft("this node has no log: it was never a member of a cluster".into()))?;
    // First the new cluster: should this be cut short, nodes of the old one are refused already.
    begin_again(directory)?;
    write_sole(&log, last, (id, &name), address)?;
    Ok(last.index)
}

/// Makes the node of a directory, which has a store but no log yet, the only member of its cluster.
pub fn become_sole(held: &DataDirectory, address: &str) -> Result<(), LogError> {
    let log = SegmentLog::open(&held.path.join("log"), &SegmentOptions::default())?;
    purge_to_store(&held.path, &log)?;
    let last = log.state().1.unwrap_or_default();
    write_sole(&log, last, (held.identity.node_id, &held.identity.node_name), address)
}

/// Writes the vote and the entry by which this node is the only member, behind the log's last entry.
fn write_sole(log: &SegmentLog, last: LogId, (id, name): (u64, &str), address: &str) -> Result<(), LogError> {
    let term = log.vote().map_or(0, |vote| vote.term).max(last.term).saturating_add(1);
    let index = last.index.saturating_add(1);
    let (done, wait) = mpsc::channel();
    let also = done.clone();
    let vote = VoteRecord { term, node_id: id, committed: false };
    // `wait` returns once both are done.
    log.save_vote(vote, Box::new(move || done.send(()).unwrap_or_default()))?;
    let entry =
        LogEntry { index, term, kind: EntryKind::Membership, payload: sole(id, name, address)?.into() };
    log.append(vec![entry], Box::new(move || also.send(()).unwrap_or_default()))?;
    for _ in 0..2 {
        wait.recv().map_err(|_| LogError::Raft("the log stopped".into()))?;
    }
    Ok(())
}

/// A node that crashed between installing a snapshot and purging the log has a store that is ahead of its log. New entries
/// must follow the store's last entry, or they would never be applied.
fn purge_to_store(directory: &Path, log: &SegmentLog) -> Result<(), LogError> {
    let Some(applied) = Store::open(&directory.join("store"), StoreOptions::default())?.applied() else {
        return Ok(());
    };
    if log.state().1.is_some_and(|last| last.index >= applied.index) {
        return Ok(());
    }
    let (done, wait) = mpsc::channel();
    log.purge(applied, Box::new(move || done.send(()).unwrap_or_default()))?;
    wait.recv().map_err(|_| LogError::Raft("the log stopped".into()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{commands, replica::Replica};
    use std::sync::Arc;

    /// As after a snapshot was installed, and before the log was purged behind it.
    #[test]
    fn a_store_that_is_past_its_log_has_the_new_beginning_behind_it() {
        let home = tempfile::tempdir().unwrap();
        drop(DataDirectory::open(home.path(), "core-0", false).unwrap());
        {
            let log = SegmentLog::open(&home.path().join("log"), &SegmentOptions::default()).unwrap();
            let entry = |index| LogEntry { index, term: 1, kind: EntryKind::Blank, payload: vec![].into() };
            let (done, wait) = mpsc::channel();
            log.append((0..5).map(entry).collect(), Box::new(move || done.send(()).unwrap())).unwrap();
            wait.recv().unwrap();
            let store = Store::open(&home.path().join("store"), StoreOptions::default()).unwrap();
            let replica = Replica::new(Arc::new(store), commands::table());
            let mut txn = replica.begin();
            replica.advance(&mut txn, LogId { term: 3, index: 20 }).unwrap();
            txn.commit().unwrap();
            replica.store().flush().unwrap();
        }
        assert_eq!(recover(home.path(), "127.0.0.1:1").unwrap(), 20);
        let log = SegmentLog::open(&home.path().join("log"), &SegmentOptions::default()).unwrap();
        assert_eq!(log.state().1, Some(LogId { term: 4, index: 21 }));
    }
}
