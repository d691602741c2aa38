//! Exchanges status and snapshots between the nodes of a site, beside their log.

use crate::{
    peer::{Answer, CallError},
    replication::{
        consensus::RaftNode,
        snapshots::BootstrapSnapshots,
        wal::blocking,
        wire::{self, read, write},
    },
    store::{Checkpoint, LogId},
};
use bytes::Bytes;
use std::{sync::Arc, time::Duration};

const LOOK_INTERVAL: Duration = Duration::from_secs(1);

fn refused(error: impl std::fmt::Display) -> CallError {
    CallError::Refused(error.to_string())
}

/// Keeps the list of the site's other nodes current.
pub async fn keep_others(site: Arc<BootstrapSnapshots>, raft: RaftNode, own_id: u64) {
    loop {
        let members = raft.members().list.into_iter().filter(|member| member.id != own_id);
        *site.others.lock() = members.map(|member| (member.id, member.peer.address)).collect();
        tokio::time::sleep(LOOK_INTERVAL).await;
    }
}

/// Offers another node of the site a snapshot that includes this entry of the site's log.
pub async fn offer_snapshot(site: &BootstrapSnapshots, raft: &RaftNode, body: Bytes) -> Answer {
    let wanted: wire::BootstrapWanted = read(body).map_err(refused)?;
    if raft.applied_index() < wanted.index_min {
        return Err(refused("this node has not applied that entry, either"));
    }
    let is_behind = |at: &Checkpoint| at.position.is_some_and(|at| at.index >= wanted.index_min);
    if !site.snapshots.newest().is_some_and(|newest| is_behind(&newest)) {
        raft.snapshot().await.map_err(refused)?;
    }
    let newest = site.snapshots.newest().filter(is_behind);
    let newest = newest.ok_or_else(|| refused("there is no snapshot"))?;
    let LogId { term, index } = newest.position.unwrap_or_default();
    let name = newest.directory.file_name().unwrap_or_default().to_string_lossy().into_owned();
    site.snapshots.hold(&name);
    let snapshots = Arc::clone(&site.snapshots);
    let files = blocking(move || snapshots.files(&newest.directory));
    let files = files.await.map_err(refused)?.map_err(|error| {
        site.state.note_damage(&error);
        refused(error)
    })?;
    Ok(write(&wire::BootstrapOffer { term, index, name, files, ..Default::default() }))
}
