//! openraft's calls of other nodes, answered: entries, votes, snapshots.

use super::{
    node::{RaftNode, VOTE_DELAY},
    rpc,
    snapshot::fetch,
};
use crate::{
    environment::{DiskState, Rule},
    peer::{Answer, CallError, Peers},
    replication::{
        snapshots::Throttle,
        wal::blocking,
        wire::{self, kind},
    },
    state::{SiteHeartbeat, StateWriter},
};
use bytes::Bytes;
use openraft::raft::AppendEntriesResponse;
use std::{path::PathBuf, sync::Arc, time::Duration};
use tokio::time::Instant;

/// A caller that waits longer than this for an answer has given up.
const VOTE_WAIT_MAX: Duration = Duration::from_millis(500);

/// Answers the calls of consensus.
pub struct RaftService {
    raft: RaftNode,
    peers: Arc<Peers>,
    state: Arc<StateWriter>,
    node_id: u64,
    /// Bytes per second at which to fetch snapshots; 0 = no limit.
    snapshot_bytes_per_second: u64,
    /// The directory for snapshots that are being fetched.
    receiving: PathBuf,
    /// Held while one is: two that write the same files would mix them.
    one_receives: Arc<tokio::sync::Mutex<()>>,
    /// No vote before this moment: a node that has just started does not know to whom it promised a lease.
    votes_from: Instant,
}

fn broken(error: impl std::fmt::Display) -> CallError {
    CallError::Broken(error.to_string())
}

fn refused(error: impl std::fmt::Display) -> CallError {
    CallError::Refused(error.to_string())
}

impl RaftService {
    pub fn new(
        raft: RaftNode,
        peers: Arc<Peers>,
        state: Arc<StateWriter>,
        node_id: u64,
        snapshot_bytes_per_second: u64,
        receiving: PathBuf,
    ) -> Self {
        let votes_later = state.environment().keeps(Rule::VotesLater);
        let votes_from = Instant::now() + if votes_later { VOTE_DELAY } else { Duration::ZERO };
        RaftService {
            raft,
            peers,
            state,
            node_id,
            snapshot_bytes_per_second,
            receiving,
            one_receives: Arc::default(),
            votes_from,
        }
    }

    /// Answers a call of one of openraft's kinds.
    pub async fn answer(self: &Arc<Self>, from: u64, kind: u32, body: Bytes) -> Answer {
        match kind {
            kind::APPEND => self.append(body).await,
            kind::VOTE | kind::PRE_VOTE => self.vote(kind, body).await,
            kind::TRANSFER => self.transfer(body).await,
            kind::SNAPSHOT => Arc::clone(self).snapshot(from, body).await,
            _ => Err(CallError::Refused(format!("no call of kind {kind}"))),
        }
    }

    async fn transfer(&self, body: Bytes) -> Answer {
        let transfer: rpc::Transfer = wire::read(body).map_err(refused)?;
        // Acknowledged all the same if this node should lead instead of the caller: it lets that node be elected.
        if transfer.to == self.node_id && self.state.refuses_leadership() {
            return Err(refused("this node is stopping and does not take over leadership"));
        }
        self.raft.transfer_to_us(&transfer).await.map_err(broken)?;
        Ok(Bytes::new())
    }

    async fn append(&self, body: Bytes) -> Answer {
        let bytes = body.len() as u64;
        let append: rpc::Append = wire::read(body).map_err(refused)?;
        let (leader_ms, of_core, cut_off) = (append.now, append.of_core, append.cut_off);
        let (refuses_growth, is_out_of_memory) = (append.refuses_growth, append.is_out_of_memory);
        let request = rpc::raft_append(append).map_err(refused)?;
        let committed = request.leader_commit.as_ref().map_or(0, |id| id.index);
        // Heartbeats have none: the node goes on following.
        if !request.entries.is_empty() && !self.state.disk.fits(bytes) {
            return Err(refused("the disk of this node is full"));
        }
        let answer = self.raft.append(request).await.map_err(broken)?;
        let accepted =
            matches!(answer, AppendEntriesResponse::Success | AppendEntriesResponse::PartialSuccess(_));
        if !matches!(answer, AppendEntriesResponse::HigherVote(_)) {
            self.state.heard_leader(cut_off);
            self.state.set_refuses_growth(refuses_growth);
            self.state.set_out_of_memory(is_out_of_memory);
        }
        if accepted {
            self.state.clock.heard(leader_ms);
            self.state.heard_commit(committed);
        }
        if let Some(heartbeat) = of_core.filter(|_| accepted && self.state.edge.is_edge()) {
            let heartbeat: SiteHeartbeat = heartbeat.into();
            self.state.edge.observe_site(&heartbeat);
            heartbeat.agreed.into_iter().for_each(|agreed| self.state.compare_in_site(agreed));
        }
        if accepted && self.state.applied_index() >= committed {
            self.state.caught_up_with_leader();
        }
        let mut answer_body = rpc::append_answer(&answer);
        answer_body.wall_ms = self.state.environment().wall_ms();
        answer_body.is_disk_low = self.state.disk.state() >= DiskState::Low;
        if matches!(answer, AppendEntriesResponse::Conflict) {
            // Set when entries are appended, before any of them is acknowledged: never less than this node claimed to have.
            answer_body.last_index = Some(self.state.last_index());
        }
        Ok(wire::write(&answer_body))
    }

    async fn vote(&self, kind: u32, body: Bytes) -> Answer {
        let ballot: rpc::Ballot = wire::read(body).map_err(refused)?;
        if Instant::now() + VOTE_WAIT_MAX < self.votes_from {
            return Err(CallError::Refused("this node has just started and does not vote yet".into()));
        }
        tokio::time::sleep_until(self.votes_from).await;
        let request = rpc::raft_ballot(&ballot);
        let answer = self.raft.vote(request, kind == kind::PRE_VOTE).await.map_err(broken)?;
        let mut answer_body = rpc::ballot_answer(&answer);
        (answer_body.log_ms, answer_body.wall_ms) =
            (self.state.clock.known_ms(), self.state.environment().wall_ms());
        Ok(wire::write(&answer_body))
    }

    /// Fetches and installs the leader's snapshot, to the end even if the leader does not wait: an abandoned write to the
    /// files would interfere with that of the next offer.
    async fn snapshot(self: Arc<Self>, from: u64, body: Bytes) -> Answer {
        let offered: rpc::Snapshot = wire::read(body).map_err(refused)?;
        let Ok(one) = Arc::clone(&self.one_receives).try_lock_owned() else {
            tracing::info!(from = %offered.address, "refused a snapshot, because another one is being received");
            return Err(refused("this node is receiving a snapshot already; offer it again later"));
        };
        let receiving = tokio::spawn(async move {
            let received = self.receive(from, &offered).await;
            drop(one);
            received
        });
        receiving.await.map_err(broken)?
    }

    async fn receive(&self, from: u64, offered: &rpc::Snapshot) -> Answer {
        let client = self.peers.client(&offered.address, from);
        let bytes: u64 = offered.files.iter().map(|file| file.bytes).sum();
        // As much again as is kept for deletes: the old state stays until the new one has taken its place.
        if self.state.disk.left() < self.state.disk.low().saturating_add(bytes) {
            let left = self.state.disk.left();
            tracing::warn!(from = %offered.address, snapshot = %offered.name, bytes, left, "no room on disk for a snapshot");
            return Err(refused("there is no room on the disk of this node for the snapshot"));
        }
        let began = Instant::now();
        let mut throttle = Throttle::new(self.snapshot_bytes_per_second);
        tracing::info!(from = %offered.address, snapshot = %offered.name, bytes, "fetching a snapshot");
        let fetched = fetch(offered, &client, &self.receiving, &mut throttle).await;
        let snapshot = fetched.map_err(|error| {
            tracing::warn!(from = %offered.address, snapshot = %offered.name, %error, "cannot fetch the snapshot");
            broken(error)
        })?;
        let millis = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
        tracing::info!(snapshot = %offered.name, bytes, millis, "fetched the snapshot, installing it");
        let vote = self.raft.install((&offered.vote).into(), snapshot).await.map_err(broken)?;
        // The store has names of its own for the files.
        let received = self.receiving.clone();
        if let Ok(Err(error)) = blocking(move || std::fs::remove_dir_all(received)).await {
            tracing::warn!(%error, "cannot remove the files of the received snapshot; the next one replaces them");
        }
        Ok(wire::write(&rpc::SnapshotAnswer { vote: (&vote).into() }))
    }
}
