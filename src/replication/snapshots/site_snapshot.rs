//! For a node that needs a bootstrap snapshot that no node of its site has any more: it takes a later Raft snapshot of
//! another node.
//!
//! In the log of its site, a node that was away for long comes to an entry that installs a bootstrap snapshot which all
//! others have discarded. Any other node's Raft snapshot contains the later state of the data. The store becomes that;
//! entries up to there are skipped (`consensus/state_machine.rs`).

use super::{
    bootstrap_snapshots::BootstrapSnapshots,
    transfer::{Source, Throttle, fetch_files, read_part},
};
use crate::{
    peer::{Answer, CallError, PeerClient},
    replication::{
        wal::{blocking, is_consistent_with},
        wire::{self, GetFile, edge_kind, read, write},
    },
    store::{LogId, Store},
};
use std::{io, path::PathBuf, sync::Arc, time::Duration};

/// The other node may have to make the snapshot first, and reads it once.
const OFFER_MAX: Duration = Duration::from_secs(600);

fn refused(error: impl std::fmt::Display) -> CallError {
    CallError::Refused(error.to_string())
}

impl BootstrapSnapshots {
    /// A part of a file of that snapshot.
    pub(super) async fn snapshot_part(&self, wanted: GetFile) -> Answer {
        self.snapshots.hold(&wanted.snapshot);
        let snapshots = Arc::clone(&self.snapshots);
        let part = blocking(move || read_part(snapshots.directory(), &wanted));
        part.await.map_err(refused)?.map_err(refused)
    }

    /// Fetches a snapshot that includes this entry of the site's log; returns its directory.
    pub(super) async fn fetch_snapshot(&self, from: &PeerClient, index: u64) -> io::Result<PathBuf> {
        let _one = self.fetching.lock().await;
        let wanted = write(&wire::BootstrapWanted { index_min: index, ..Default::default() });
        let offer = from.call(edge_kind::SITE_SNAPSHOT, wanted, OFFER_MAX).await.map_err(io::Error::other)?;
        let offer: wire::BootstrapOffer = read(offer).map_err(io::Error::other)?;
        tracing::info!(
            from = %from.address(), snapshot = %offer.name,
            "no node of the site still has that bootstrap snapshot; fetching a later Raft snapshot instead"
        );
        let directory = self.directory.join("past");
        let source = Source { kind: edge_kind::SITE_SNAPSHOT_FILE, snapshot: &offer.name, from };
        fetch_files(&source, &offer.files, &directory, &mut Throttle::new(0), &|_| ()).await?;
        let offered = LogId { term: offer.term, index: offer.index };
        let (log, checked) = (Arc::clone(&self.log), directory.clone());
        let is_good = blocking(move || {
            let stands = Store::read_checkpoint(&checked).map_err(io::Error::other)?.position;
            Ok::<_, io::Error>(
                stands == Some(offered) && index <= offered.index && is_consistent_with(&log, offered)?,
            )
        });
        match is_good.await.map_err(io::Error::other)?? {
            true => Ok(directory),
            false => Err(io::Error::other("the snapshot contradicts the log here")),
        }
    }
}
