//! A snapshot in openraft's terms: made from a checkpoint of the store, offered to another node, or fetched.

use super::{
    membership, rpc,
    rpc::LogId,
    types::{RaftSnapshot, RaftSnapshotMeta, RaftVote, SnapshotFiles, log_id},
};
use crate::{
    error::StoreError,
    peer::PeerClient,
    replication::{
        snapshots::{Source, Throttle, fetch_files},
        wire::{FileMeta, kind},
    },
    store::Checkpoint,
};
use std::{io, path::Path};

pub(super) fn to_raft(checkpoint: &Checkpoint) -> Result<RaftSnapshot, StoreError> {
    let last_membership = membership::decode_stored(checkpoint.membership.as_deref())?;
    let meta = RaftSnapshotMeta { last_log_id: checkpoint.position.map(log_id), last_membership };
    Ok(RaftSnapshot { meta, snapshot: SnapshotFiles { directory: checkpoint.directory.clone() } })
}

/// The receiver's information for fetching a snapshot.
pub(super) fn offer(
    address: &str,
    vote: &RaftVote,
    snapshot: &RaftSnapshot,
    files: Vec<FileMeta>,
) -> rpc::Snapshot {
    let directory = &snapshot.snapshot.directory;
    rpc::Snapshot {
        vote: vote.into(),
        last: snapshot.meta.last_log_id.as_ref().map(LogId::from),
        membership: membership::encode_stored(&snapshot.meta.last_membership),
        name: directory.file_name().unwrap_or_default().to_string_lossy().into_owned(),
        files,
        address: address.to_owned(),
    }
}

/// Fetches the offered snapshot into `directory`; complete and synced when this returns.
pub(super) async fn fetch(
    offered: &rpc::Snapshot,
    from: &PeerClient,
    directory: &Path,
    throttle: &mut Throttle,
) -> io::Result<RaftSnapshot> {
    let source = Source { kind: kind::FILE, snapshot: &offered.name, from };
    fetch_files(&source, &offered.files, directory, throttle, &|_| ()).await?;
    let stored = membership::decode_stored(Some(&offered.membership)).map_err(io::Error::other)?;
    let meta = RaftSnapshotMeta { last_log_id: offered.last.map(Into::into), last_membership: stored };
    Ok(RaftSnapshot { meta, snapshot: SnapshotFiles { directory: directory.to_path_buf() } })
}
