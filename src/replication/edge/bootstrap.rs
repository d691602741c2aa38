//! Fetches a bootstrap snapshot of the core's data file by file, while the old data serve, then switches to it at once.
//!
//! If the connection breaks, the fetched bytes stay: the next attempt at the same core node continues from there. The switch
//! is an ordinary entry of the site's log, so all nodes of the site switch at the same log position.

use super::{follow::Follower, in_flight::InFlightProposals};
use crate::{
    peer::PeerClient,
    replica::BootstrapSnapshot,
    replication::{
        snapshots::{Source, Throttle, fetch_files, note_whole, prepare},
        wal::blocking,
        wire::{self, FileMeta, edge_kind, read, write},
    },
    state::Following,
    store::{LogId, Store},
};
use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};
use tokio::time::Instant;

/// A core node may have to make a snapshot first, and reads it once.
const OFFER_MAX: Duration = Duration::from_secs(600);
const TELL_INTERVAL: Duration = Duration::from_secs(5);
/// Attempts at one core node before the edge asks another, whose files differ.
const ATTEMPTS_MAX: u32 = 20;
const RETRY_INTERVAL: Duration = Duration::from_secs(1);

impl Follower {
    /// Fetches a bootstrap snapshot from this core node and installs it.
    pub(super) async fn bootstrap(&self, index: usize) -> Result<(), String> {
        let client = self.upstreams.client(index).ok_or("no upstream")?;
        let mut attempt = 1;
        loop {
            match self.bootstrap_once(&client).await {
                Err(why) if attempt < ATTEMPTS_MAX && self.state.is_leader() => {
                    tracing::warn!(%why, attempt, "the bootstrap snapshot is incomplete; going on with it");
                    tokio::time::sleep(RETRY_INTERVAL).await;
                }
                result => return result,
            }
            attempt = attempt.saturating_add(1);
        }
    }

    async fn bootstrap_once(&self, client: &Arc<PeerClient>) -> Result<(), String> {
        let text = |error: &dyn std::fmt::Display| format!("{}: {error}", client.address());
        let (history, position) = self.cursor();
        let is_same_history = *self.state.edge.core_history.read() == history;
        let LogId { term: term_min, index: index_min } =
            position.filter(|_| is_same_history).unwrap_or_default();
        let body = write(&wire::BootstrapWanted { index_min, term_min, feature_level: self.understands() });
        let offer = client.call(edge_kind::BOOTSTRAP, body, OFFER_MAX).await.map_err(|error| text(&error))?;
        let offer: wire::BootstrapOffer = read(offer).map_err(|error| text(&error))?;
        let offered = LogId { term: offer.term, index: offer.index };
        let snapshot =
            BootstrapSnapshot { history: offer.history.clone(), position: offered, name: offer.name.clone() };
        if position.is_some_and(|position| history == snapshot.history && !snapshot.is_forward_of(position)) {
            return Err(text(&"its bootstrap snapshot is older than the data here"));
        }
        self.fetch(client, &offer).await.map_err(|error| text(&error))?;
        self.spread(&snapshot).await;
        let mut in_flight = InFlightProposals::new();
        in_flight.propose(&self.raft, snapshot.encode()).await;
        in_flight
            .next()
            .await
            .map_err(|error| format!("cannot install the bootstrap snapshot: {error:?}"))?;
        self.clean_up().await;
        tracing::info!(index = offered.index, "installed the bootstrap snapshot");
        Ok(())
    }

    /// Has the other nodes of the site fetch the snapshot, too.
    async fn spread(&self, snapshot: &BootstrapSnapshot) {
        let identity = &self.options.identity;
        let members = self.raft.members();
        let others = members.list.into_iter().filter(|member| member.id != identity.node_id);
        let others: Vec<(u64, String)> = others.map(|member| (member.id, member.peer.address)).collect();
        if !others.is_empty() {
            self.bootstrap_snapshots.spread(others, &identity.address, snapshot).await;
        }
    }

    /// Removes the files in a site of one node. No other node needs them, and the store has its own links to them.
    async fn clean_up(&self) {
        if self.raft.members().list.len() > 1 {
            return;
        }
        let directory = self.bootstrap_snapshots.directory.clone();
        let removed = blocking(move || std::fs::remove_dir_all(&directory));
        if let Ok(Err(error)) = removed.await {
            tracing::warn!(%error, "cannot remove the files of the bootstrap snapshot");
        }
    }

    async fn fetch(&self, client: &Arc<PeerClient>, offer: &wire::BootstrapOffer) -> Result<(), String> {
        let of_bytes: u64 = offer.files.iter().map(|file: &FileMeta| file.bytes).sum();
        let done = AtomicU64::new(0);
        let mut throttle = Throttle::new(self.options.bootstrap_bytes_per_second);
        let source = Source { kind: edge_kind::FILE, snapshot: &offer.name, from: client };
        let tell = |bytes: u64| {
            let bytes = done.fetch_add(bytes, Ordering::Relaxed).saturating_add(bytes);
            self.note(Following::Bootstrap { bytes, of_bytes });
        };
        self.note(Following::Bootstrap { bytes: 0, of_bytes });
        tracing::info!(
            upstream = %client.address(), index = offer.index, bytes = of_bytes, files = offer.files.len(),
            "fetching a bootstrap snapshot"
        );
        let began = Instant::now();
        let mut ticks = tokio::time::interval(TELL_INTERVAL);
        ticks.tick().await;
        let offered = LogId { term: offer.term, index: offer.index };
        let directory = self.bootstrap_snapshots.directory.clone();
        let place = blocking(move || prepare(&directory, offered)).await;
        let place = place.map_err(|error| error.to_string())?.map_err(|error| error.to_string())?;
        let fetching = fetch_files(&source, &offer.files, &place, &mut throttle, &tell);
        tokio::pin!(fetching);
        let fetched = loop {
            tokio::select! {
                fetched = &mut fetching => break fetched,
                _ = ticks.tick() => {
                    let bytes = done.load(Ordering::Relaxed);
                    let per_second = (bytes as f64 / began.elapsed().as_secs_f64().max(0.001)) as u64;
                    let eta_seconds = of_bytes.saturating_sub(bytes) / per_second.max(1);
                    tracing::info!(bytes, of_bytes, per_second, eta_seconds, "fetching a bootstrap snapshot");
                    self.report(client);
                }
            }
        };
        fetched.map_err(|error| error.to_string())?;
        let checked = place.clone();
        let stands = blocking(move || Store::read_checkpoint(&checked))
            .await
            .map_err(|error| error.to_string())?
            .map_err(|error| error.to_string())?
            .data;
        match stands == Some(offered) {
            true => note_whole(&self.bootstrap_snapshots.directory, &offer.history, offered)
                .map_err(|error| error.to_string()),
            false => {
                Err(format!("the bootstrap snapshot is at log id {stands:?}, but {offered:?} was offered"))
            }
        }
    }
}
