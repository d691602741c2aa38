//! What other nodes ask of this one.

use super::{
    network::Peers,
    node::RaftNode,
    transfer,
    wire::{self, kind},
};
use crate::{
    log::{
        admin::Admin,
        blocking::blocking,
        broadcast::Broadcast,
        edge::{SiteSeeds, Upstream, wire::kind as seed_kind},
        forward,
        join::Admission,
        progress::Progress,
        queue::Queue,
        stranger::Stranger,
    },
    peer::{Answer, Answers, CallError, Caller, FIRST_EDGE_KIND, FIRST_MEMBER_KIND, Handler},
    time::now_ms,
};
use bytes::Bytes;
use futures::future::BoxFuture;
use openraft::raft::AppendEntriesResponse;
use std::{
    path::PathBuf,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};
use tokio::time::Instant;

/// See the module.
pub(in crate::log) struct Service {
    /// Started without others: nobody joins it.
    pub(in crate::log) is_alone: bool,
    pub(in crate::log) raft: RaftNode,
    pub(in crate::log) queue: Arc<Queue>,
    pub(in crate::log) progress: Arc<Progress>,
    pub(in crate::log) stranger: Stranger,
    pub(in crate::log) admission: Arc<Admission>,
    pub(in crate::log) admin: Arc<Admin>,
    pub(in crate::log) broadcast: Arc<Broadcast>,
    /// What edges are given; `None`: this node is of an edge site itself.
    pub(in crate::log) upstream: Option<Arc<Upstream>>,
    pub(in crate::log) site_seeds: Arc<SiteSeeds>,
    pub(in crate::log) peers: Arc<Peers>,
    /// Where this node's own snapshots are.
    pub(in crate::log) snapshots: PathBuf,
    /// How fast those of others are fetched at most; 0 = no limit.
    pub(in crate::log) snapshot_bytes_per_second: u64,
    /// Where those of others are put together.
    pub(in crate::log) receiving: PathBuf,
    /// Held while one is: two that write the same files would mix them.
    pub(in crate::log) one_receives: Arc<tokio::sync::Mutex<()>>,
    /// No vote is given before this moment: a node that has just started does not know to whom it promised a lease.
    pub(in crate::log) votes_from: Instant,
}

/// A node whose answer takes longer than this has given up listening.
const VOTE_WAIT_MAX: Duration = Duration::from_millis(500);

fn broken(error: impl std::fmt::Display) -> CallError {
    CallError::Broken(error.to_string())
}

fn refused(error: impl std::fmt::Display) -> CallError {
    CallError::Refused(error.to_string())
}

impl Service {
    async fn answer(self: Arc<Self>, from: u64, kind: u32, body: Bytes) -> Answer {
        match kind {
            kind::STATUS => {
                let has_log = self.raft.is_initialized().await.map_err(broken)?;
                Ok(wire::write(&self.stranger.status(has_log, &self.raft)))
            }
            kind::FOUND => {
                self.stranger.found(&wire::read(body).map_err(refused)?)?;
                Ok(Bytes::new())
            }
            kind::JOIN if self.is_alone => Err(refused(
                "this node was started alone; to let others join it, start it with --cluster NAME=HOST:PEER-PORT, its own",
            )),
            kind::JOIN => {
                let answer = self.admission.admit(wire::read(body).map_err(refused)?).await?;
                Ok(wire::write(&answer))
            }
            FIRST_EDGE_KIND..FIRST_MEMBER_KIND => match &self.upstream {
                Some(upstream) => upstream.answer(from, kind, body).await,
                None => Err(refused("this node is not of a core")),
            },
            _ if kind < FIRST_MEMBER_KIND => Err(CallError::Refused(format!("no call of kind {kind}"))),
            kind::APPEND => self.append(body).await,
            kind::VOTE | kind::PRE_VOTE => self.vote(kind, body).await,
            kind::TRANSFER => {
                let transfer: wire::Transfer = wire::read(body).map_err(refused)?;
                // Who is to lead instead of another one is told all the same: it lets that one be elected.
                if transfer.to == self.stranger.identity.node_id && self.progress.refuses_leadership() {
                    return Err(refused("this node stops and does not take over"));
                }
                self.raft.transfer_to_us(&transfer).await.map_err(broken)?;
                Ok(Bytes::new())
            }
            // A node that was removed may not have heard of it; what it asks for would be served to its clients.
            kind::READ_INDEX | kind::FORWARD | kind::ADMIN | kind::REPLICATED | kind::PUBLISH
                if self.raft.members().find(from).is_none() =>
            {
                Err(refused("the calling node is not a member of the core"))
            }
            kind::SUM => {
                let wanted: wire::Replicated = wire::read(body).map_err(refused)?;
                Ok(wire::write(&self.admin.verify.answer(wanted.index)))
            }
            // Only the leader's word counts: it has compared with a majority.
            kind::QUARANTINE if self.raft.follows(from) => {
                let told: wire::Quarantine = wire::read(body).map_err(refused)?;
                self.admin.verify.go_into_quarantine(&told)
            }
            kind::LEAVE => {
                self.admin.verify.leave.let_go(from).map_err(refused)?;
                Ok(Bytes::new())
            }
            kind::PUBLISH => self.broadcast.receive(wire::read(body).map_err(refused)?).await,
            kind::DELIVER => self.broadcast.deliver(wire::read(body).map_err(refused)?),
            kind::ADMIN => self.admin.receive(wire::read(body).map_err(refused)?).await,
            kind::REPLICATED => {
                let wanted: wire::Replicated = wire::read(body).map_err(refused)?;
                let nodes = self.raft.replicated(wanted.index);
                let nodes = nodes.ok_or_else(|| refused("this node does not lead"))?;
                Ok(wire::write(&wire::ReplicatedAnswer { nodes }))
            }
            kind::READ_INDEX => {
                let index = self.raft.read_index().await;
                let index = index.ok_or_else(|| CallError::Refused("this node does not lead".into()))?;
                let log_ms = self.progress.status.clock.now_ms();
                Ok(wire::write(&wire::ReadIndex { index, log_ms }))
            }
            kind::FORWARD => {
                let forwarded = wire::read(body).map_err(refused)?;
                forward::receive(Arc::clone(&self.queue), Arc::clone(&self.progress), forwarded).await
            }
            kind::SNAPSHOT => self.snapshot(from, body).await,
            seed_kind::SITE_SEED..=seed_kind::SITE_SNAPSHOT_FILE => {
                self.site_seeds.answer(&self.raft, from, kind, body).await
            }
            kind::FILE => {
                let wanted: wire::GetFile = wire::read(body).map_err(refused)?;
                let part = blocking(move || transfer::read_part(&self.snapshots, &wanted));
                part.await.map_err(broken)?.map_err(refused)
            }
            _ => Err(CallError::Refused(format!("no call of kind {kind}"))),
        }
    }

    async fn append(&self, body: Bytes) -> Answer {
        let append: wire::Append = wire::read(body).map_err(refused)?;
        let (leader_ms, of_core, cut_off) = (append.now, append.of_core, append.cut_off);
        let request = wire::raft_append(append).map_err(refused)?;
        let committed = request.leader_commit.as_ref().map_or(0, |id| id.index);
        let answer = self.raft.append(request).await.map_err(broken)?;
        let accepted =
            matches!(answer, AppendEntriesResponse::Success | AppendEntriesResponse::PartialSuccess(_));
        if !matches!(answer, AppendEntriesResponse::HigherVote(_)) {
            self.progress.status.contact.heard_leader(cut_off);
        }
        if accepted {
            self.progress.status.clock.heard(leader_ms);
        }
        if let Some(word) = of_core.filter(|_| accepted && self.progress.status.edge.is_edge()) {
            self.progress.status.edge.hear_site(&word.into());
        }
        if accepted && self.progress.status.applied_index.load(Ordering::Acquire) >= committed {
            self.progress.heard_leader();
        }
        let mut answer_body = wire::append_answer(&answer);
        answer_body.wall_ms = now_ms();
        if matches!(answer, AppendEntriesResponse::Conflict) {
            // Set when entries are appended, before any of them is acknowledged: never less than what this node said it has.
            answer_body.last_index = Some(self.progress.status.last_index.load(Ordering::Acquire));
        }
        Ok(wire::write(&answer_body))
    }

    async fn vote(&self, kind: u32, body: Bytes) -> Answer {
        let ballot: wire::Ballot = wire::read(body).map_err(refused)?;
        if Instant::now() + VOTE_WAIT_MAX < self.votes_from {
            return Err(CallError::Refused("this node has just started and votes later".into()));
        }
        tokio::time::sleep_until(self.votes_from).await;
        let request = wire::raft_ballot(&ballot);
        let answer = self.raft.vote(request, kind == kind::PRE_VOTE).await.map_err(broken)?;
        let mut answer_body = wire::ballot_answer(&answer);
        (answer_body.log_ms, answer_body.wall_ms) = (self.progress.status.clock.known_ms(), now_ms());
        Ok(wire::write(&answer_body))
    }

    /// Fetches and installs what the leader offers, to the end even if the leader does not wait for it: what writes the
    /// files would go on, beside that of the next offer.
    async fn snapshot(self: Arc<Self>, from: u64, body: Bytes) -> Answer {
        let offered: wire::Snapshot = wire::read(body).map_err(refused)?;
        let Ok(one) = Arc::clone(&self.one_receives).try_lock_owned() else {
            tracing::info!(from = %offered.address, "a snapshot is offered while one is being received: refused");
            return Err(refused("this node is receiving a snapshot already; offer it again later"));
        };
        let receiving = tokio::spawn(async move {
            let received = self.receive(from, &offered).await;
            drop(one);
            received
        });
        receiving.await.map_err(broken)?
    }

    async fn receive(&self, from: u64, offered: &wire::Snapshot) -> Answer {
        let client = self.peers.client(&offered.address, from);
        let began = Instant::now();
        let mut throttle = transfer::Throttle::new(self.snapshot_bytes_per_second);
        let bytes: u64 = offered.files.iter().map(|file| file.bytes).sum();
        tracing::info!(from = %offered.address, snapshot = %offered.name, bytes, "fetching a snapshot");
        let fetched = transfer::fetch(offered, &client, &self.receiving, &mut throttle).await;
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
            tracing::warn!(%error, "the files of the snapshot could not be removed; the next one replaces them");
        }
        Ok(wire::write(&wire::SnapshotAnswer { vote: (&vote).into() }))
    }
}

/// The service as `peer` knows it.
pub(in crate::log) struct Answering(pub(in crate::log) Arc<Service>);

impl Handler for Answering {
    fn call(&self, from: u64, kind: u32, body: Bytes) -> BoxFuture<'static, Answer> {
        Box::pin(Arc::clone(&self.0).answer(from, kind, body))
    }

    fn feed(&self, caller: Caller, body: Bytes) -> BoxFuture<'static, Result<Answers, CallError>> {
        let opened = match &self.0.upstream {
            Some(upstream) => upstream.open(&caller, body),
            None => Err(refused("this node is not of a core")),
        };
        Box::pin(std::future::ready(opened))
    }
}
