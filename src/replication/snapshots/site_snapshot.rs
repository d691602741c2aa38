//! The way past bootstrap snapshots that no node of a site has any more: a snapshot of another node of it, which stands behind them.
//!
//! A node that was away for long comes, in the log of its site, to an entry that puts a copy in place which all others have
//! done with. What has become of the data since is in the snapshot of any of them. The store becomes that; entries up to
//! there are passed over when they come (`consensus/state_machine.rs`).

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

    /// Fetches a snapshot that stands at this entry of the site's log, or behind it; returns where its files are.
    pub(super) async fn fetch_snapshot(&self, from: &PeerClient, index: u64) -> io::Result<PathBuf> {
        let _one = self.fetching.lock().await;
        let wanted = write(&wire::BootstrapWanted { index_min: index, ..Default::default() });
        let offer = from.call(edge_kind::SITE_SNAPSHOT, wanted, OFFER_MAX).await.map_err(io::Error::other)?;
        let offer: wire::BootstrapOffer = read(offer).map_err(io::Error::other)?;
        tracing::info!(
            from = %from.address(), snapshot = %offer.name,
            "no node of the site has that bootstrap snapshot any more; fetching a snapshot of what has become of it"
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
            false => Err(io::Error::other("the snapshot does not fit the log here")),
        }
    }
}
