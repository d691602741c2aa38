//! The way past whole copies that no node of a site has any more: a snapshot of another node of it, which stands behind them.
//!
//! A node that was away for long comes, in the log of its site, to an entry that puts a copy in place which all others have
//! done with. What has become of the data since is in the snapshot of any of them. The store becomes that; entries up to
//! there are passed over when they come (`raft/state_machine.rs`).

use super::{
    SiteSeeds,
    wire::{self, kind},
};
use crate::{
    log::{
        blocking::blocking,
        raft::{
            RaftNode, Source, Throttle, fetch_files, read_part,
            wire::{GetFile, read, write},
        },
        segment::SegmentLog,
    },
    peer::{Answer, CallError, PeerClient},
    store::{Checkpoint, Position, Store},
};
use std::{io, path::PathBuf, sync::Arc, time::Duration};

/// The other node may have to make the snapshot first, and reads it once.
const OFFER_MAX: Duration = Duration::from_secs(600);

fn refused(error: impl std::fmt::Display) -> CallError {
    CallError::Refused(error.to_string())
}

impl SiteSeeds {
    /// Offers another node of the site a snapshot that stands at this entry of the site's log, or behind it.
    pub(super) async fn offer_snapshot(&self, raft: &RaftNode, wanted: wire::SeedWanted) -> Answer {
        if raft.applied_index() < wanted.index_min {
            return Err(refused("this node has not come so far either"));
        }
        let is_behind = |at: &Checkpoint| at.position.is_some_and(|at| at.index >= wanted.index_min);
        if !self.snapshots.newest().is_some_and(|newest| is_behind(&newest)) {
            raft.snapshot().await.map_err(refused)?;
        }
        let newest = self.snapshots.newest().filter(is_behind);
        let newest = newest.ok_or_else(|| refused("there is no snapshot"))?;
        let Position { term, index } = newest.position.unwrap_or_default();
        let name = newest.directory.file_name().unwrap_or_default().to_string_lossy().into_owned();
        self.snapshots.hold(&name);
        let snapshots = Arc::clone(&self.snapshots);
        let files = blocking(move || snapshots.files(&newest.directory));
        let files = files.await.map_err(refused)?.map_err(|error| {
            self.progress.status.note_damage(&error);
            refused(error)
        })?;
        Ok(write(&wire::SeedOffer { term, index, name, files, ..Default::default() }))
    }

    /// A part of a file of that snapshot.
    pub(super) async fn snapshot_part(&self, wanted: GetFile) -> Answer {
        self.snapshots.hold(&wanted.snapshot);
        let snapshots = Arc::clone(&self.snapshots);
        let part = blocking(move || read_part(snapshots.directory(), &wanted));
        part.await.map_err(refused)?.map_err(refused)
    }

    /// Fetches a snapshot that stands at this entry of the site's log, or behind it; returns where its files are.
    pub(super) async fn fetch_snapshot(&self, from: &PeerClient, index: u64) -> io::Result<PathBuf> {
        let _one = self.fetching.lock().await;
        let wanted = write(&wire::SeedWanted { index_min: index, ..Default::default() });
        let offer = from.call(kind::SITE_SNAPSHOT, wanted, OFFER_MAX).await.map_err(io::Error::other)?;
        let offer: wire::SeedOffer = read(offer).map_err(io::Error::other)?;
        tracing::info!(
            from = %from.address(), snapshot = %offer.name,
            "no node of the site has that whole copy any more; fetching a snapshot of what has become of it"
        );
        let directory = self.directory.join("past");
        let source = Source { kind: kind::SITE_SNAPSHOT_FILE, snapshot: &offer.name, from };
        fetch_files(&source, &offer.files, &directory, &mut Throttle::new(0), &|_| ()).await?;
        let offered = Position { term: offer.term, index: offer.index };
        let (log, checked) = (Arc::clone(&self.log), directory.clone());
        let is_good = blocking(move || {
            let stands = Store::read_checkpoint(&checked).map_err(io::Error::other)?.position;
            Ok::<_, io::Error>(stands == Some(offered) && index <= offered.index && fits(&log, offered)?)
        });
        match is_good.await.map_err(io::Error::other)?? {
            true => Ok(directory),
            false => Err(io::Error::other("the snapshot does not fit the log here")),
        }
    }
}

/// Whether a log has the entry that a store stands at, or is to get it: another one in its place would not have been
/// committed, and be about to go.
pub(in crate::log) fn fits(log: &SegmentLog, at: Position) -> io::Result<bool> {
    let (purged, last) = log.state();
    let is_within = |end: Option<Position>| end.is_some_and(|end| end.index >= at.index);
    if is_within(purged) || !is_within(last) {
        return Ok(true);
    }
    let entries = log.read(at.index, at.index.saturating_add(1), 0).map_err(io::Error::other)?;
    Ok(entries.first().is_some_and(|entry| entry.term == at.term))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log::segment::{EntryKind, LogEntry, SegmentOptions};
    use std::sync::mpsc;

    #[test]
    fn a_snapshot_fits_a_log_that_has_its_last_entry_or_is_to_get_it() {
        let home = tempfile::tempdir().unwrap();
        let log = SegmentLog::open(&home.path().join("log"), &SegmentOptions::retaining(1 << 20)).unwrap();
        let at = |term, index| Position { term, index };
        assert!(fits(&log, at(1, 5)).unwrap());
        let entry = |index| LogEntry {
            index,
            term: if index < 3 { 1 } else { 2 },
            kind: EntryKind::Blank,
            payload: Default::default(),
        };
        let (done, durable) = mpsc::channel();
        log.append((0..5).map(entry).collect(), Box::new(move || done.send(()).unwrap())).unwrap();
        durable.recv().unwrap();
        assert!(fits(&log, at(1, 2)).unwrap() && fits(&log, at(2, 4)).unwrap());
        assert!(fits(&log, at(7, 5)).unwrap(), "behind its end");
        assert!(!fits(&log, at(3, 4)).unwrap(), "what is there instead was never committed");
    }
}
