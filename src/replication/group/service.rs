//! Answers calls of other nodes.

use super::{reports, scripts};
use crate::{
    command::Table,
    peer::{Answer, Answers, CallError, Caller, FIRST_EDGE_KIND, FIRST_MEMBER_KIND, Handler},
    replication::{
        consensus::{RaftNode, RaftService},
        edge::{self, Upstream},
        membership::{Admin, Admission, BootstrapService},
        proposals::receive,
        pubsub::Broadcast,
        queue::Queue,
        snapshots::{BootstrapSnapshots, read_part},
        upkeep::hear_reads,
        wal::blocking,
        wire::{self, edge_kind, kind},
    },
    state::ReplicationState,
    store::Store,
};
use bytes::Bytes;
use futures::future::BoxFuture;
use std::{path::PathBuf, sync::Arc};

/// The handler of the group's calls.
pub struct Service {
    /// Runs alone: no node joins it.
    pub is_alone: bool,
    pub raft: RaftNode,
    pub store: Arc<Store>,
    pub queue: Arc<Queue>,
    pub table: &'static Table,
    pub state: Arc<ReplicationState>,
    pub bootstrap: BootstrapService,
    pub admission: Arc<Admission>,
    pub admin: Arc<Admin>,
    pub broadcast: Arc<Broadcast>,
    /// The service for edges; `None`: this is an edge node itself.
    pub upstream: Option<Arc<Upstream>>,
    pub bootstrap_snapshots: Arc<BootstrapSnapshots>,
    pub raft_service: Arc<RaftService>,
    /// The directory of this node's snapshots.
    pub snapshots: PathBuf,
}

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
                Ok(wire::write(&self.bootstrap.status(has_log, &self.raft)))
            }
            kind::FOUND => {
                self.bootstrap.found(&wire::read(body).map_err(refused)?)?;
                Ok(Bytes::new())
            }
            kind::JOIN if self.is_alone => Err(refused(
                "this node was started alone; to let others join it, start it with --cluster NAME=HOST:PEER-PORT (its own name and address)",
            )),
            kind::JOIN => {
                let answer = self.admission.admit(wire::read(body).map_err(refused)?).await?;
                Ok(wire::write(&answer))
            }
            FIRST_EDGE_KIND..FIRST_MEMBER_KIND => match &self.upstream {
                Some(upstream) => upstream.answer(from, kind, body).await,
                None => Err(refused("this node is not a core node")),
            },
            _ if kind < FIRST_MEMBER_KIND => Err(CallError::Refused(format!("no call of kind {kind}"))),
            kind::APPEND | kind::VOTE | kind::PRE_VOTE | kind::TRANSFER | kind::SNAPSHOT => {
                self.raft_service.answer(from, kind, body).await
            }
            // A removed node may not know yet; it would pass on to its clients what it is given here.
            kind::READ_INDEX
            | kind::FORWARD
            | kind::ADMIN
            | kind::REPLICATED
            | kind::PUBLISH
            | kind::KILL_SCRIPTS
            | kind::READS
            | kind::REPORT
                if self.raft.members().find(from).is_none() =>
            {
                Err(refused("the calling node is not a member of the core"))
            }
            kind::CHECKSUM => {
                let wanted: wire::Replicated = wire::read(body).map_err(refused)?;
                Ok(wire::write(&self.admin.verify.answer(wanted.index)))
            }
            kind::SUM => {
                let asked: wire::StateSumAsked = wire::read(body).map_err(refused)?;
                Ok(wire::write(&self.admin.verify.answer_sum(&asked, self.raft.follows(from))))
            }
            // Only the leader may do this: it has compared with a majority.
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
            kind::KILL_SCRIPTS => scripts::answer(body),
            kind::REPORT => reports::answer(&self.state, body),
            kind::READS => {
                let wire::Reads { keys } = wire::read(body).map_err(refused)?;
                Ok(wire::write(&hear_reads(&self.store, &self.state, keys).await))
            }
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
                let log_ms = self.state.clock.now_ms();
                Ok(wire::write(&wire::ReadIndex { index, log_ms }))
            }
            kind::FORWARD => {
                let forwarded = wire::read(body).map_err(refused)?;
                receive(Arc::clone(&self.queue), Arc::clone(&self.state), self.table, forwarded).await
            }
            edge_kind::SITE_SNAPSHOT => {
                edge::offer_snapshot(&self.bootstrap_snapshots, &self.raft, body).await
            }
            edge_kind::SITE_BOOTSTRAP..=edge_kind::SITE_SNAPSHOT_FILE => {
                self.bootstrap_snapshots.answer(from, kind, body).await
            }
            kind::FILE => {
                let wanted: wire::GetFile = wire::read(body).map_err(refused)?;
                let part = blocking(move || read_part(&self.snapshots, &wanted));
                part.await.map_err(broken)?.map_err(refused)
            }
            _ => Err(CallError::Refused(format!("no call of kind {kind}"))),
        }
    }
}

/// The service as `peer` knows it.
pub struct Answering(pub Arc<Service>);

impl Handler for Answering {
    fn call(&self, from: u64, kind: u32, body: Bytes) -> BoxFuture<'static, Answer> {
        Box::pin(Arc::clone(&self.0).answer(from, kind, body))
    }

    fn feed(&self, caller: Caller, body: Bytes) -> BoxFuture<'static, Result<Answers, CallError>> {
        let opened = match &self.0.upstream {
            Some(upstream) => upstream.open(&caller, body),
            None => Err(refused("this node is not a core node")),
        };
        Box::pin(std::future::ready(opened))
    }
}
