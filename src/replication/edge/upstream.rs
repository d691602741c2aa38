//! What a core node does for edges beside feeding them: takes their writes and messages, says how far a read must go, gives
//! bootstrap snapshots away, remembers what they report while they are connected.

use super::{bootstrap_source::BootstrapSource, core_nodes, feed::Feed};
use crate::{
    config::FeedSettings,
    peer::{Answer, Answers, CallError, Caller},
    replica::Proposal,
    replication::{
        consensus::Barrier,
        proposals::receive_from_edge,
        pubsub::Broadcast,
        queue::Queue,
        snapshots::Snapshots,
        wal::SegmentLog,
        wire::{self, Forward, GetFile, Publish, ReadIndex, edge_kind, read, write},
    },
    session::ClusterIdentity,
    state::{FedReport, ReplicationState},
    store::Store,
};
use bytes::Bytes;
use parking_lot::RwLock;
use std::{path::PathBuf, sync::Arc};

/// Proposals in one call of an edge.
const PROPOSALS_MAX: usize = 16 * 1024;
/// What an edge may say of itself.
const NAME_BYTES_MAX: usize = 255;

/// See the module.
pub struct Upstream {
    pub feed: Arc<Feed>,
    pub bootstrap: BootstrapSource,
    pub queue: Arc<Queue>,
    pub state: Arc<ReplicationState>,
    pub barrier: Barrier,
    pub broadcast: Arc<Broadcast>,
}

/// What all that is made of.
pub struct Feeding {
    pub log: Arc<SegmentLog>,
    pub store: Arc<Store>,
    pub snapshots: Arc<Snapshots>,
    pub snapshots_directory: PathBuf,
}

impl Feeding {
    pub fn upstream(
        self,
        limits: FeedSettings,
        cluster: Arc<RwLock<ClusterIdentity>>,
        node_name: String,
        barrier: Barrier,
        broadcast: Arc<Broadcast>,
        queue: Arc<Queue>,
    ) -> Upstream {
        let state = Arc::clone(&barrier.state);
        let bootstrap = BootstrapSource::new(
            barrier.raft.clone(),
            Arc::clone(&self.store),
            self.snapshots,
            self.snapshots_directory,
            Arc::clone(&cluster),
            limits.seeds_max,
            limits.seed_bytes_per_second,
        );
        let feed = Feed::new(
            self.log,
            Arc::clone(&state),
            self.store,
            cluster,
            Arc::clone(&broadcast.pubsub),
            node_name,
            limits.edges_max,
        );
        Upstream { feed: Arc::new(feed), bootstrap, queue, state, barrier, broadcast }
    }
}

fn refused(error: impl std::fmt::Display) -> CallError {
    CallError::Refused(error.to_string())
}

impl Upstream {
    /// Begins to feed an edge.
    pub fn open(&self, caller: &Caller, body: Bytes) -> Result<Answers, CallError> {
        match caller.kind {
            edge_kind::FOLLOW => {
                self.bootstrap.release(caller.id);
                self.feed.open(caller, read(body).map_err(refused)?)
            }
            other => Err(CallError::Refused(format!("no feed of kind {other}"))),
        }
    }

    /// Answers a call of an edge.
    pub async fn answer(&self, from: u64, kind: u32, body: Bytes) -> Answer {
        match kind {
            edge_kind::FORWARD => {
                let forwarded: Forward = read(body).map_err(refused)?;
                check(&forwarded)?;
                let (queue, state) = (Arc::clone(&self.queue), Arc::clone(&self.state));
                receive_from_edge(queue, state, forwarded).await
            }
            edge_kind::READ_INDEX => {
                let from = self.barrier.ask().await;
                let from = from.ok_or_else(|| refused("no node of the core leads at the moment"))?;
                Ok(write(&ReadIndex { index: from.index, log_ms: from.log_ms }))
            }
            edge_kind::PUBLISH => {
                let publish: Publish = read(body).map_err(refused)?;
                self.broadcast.publish_for_edge(publish).await
            }
            edge_kind::REPORT => {
                let report: wire::Report = read(body).map_err(refused)?;
                let wire::Report { core_index, lag_ms, state, name, site } = report;
                if [&state, &name, &site].iter().any(|text| text.len() > NAME_BYTES_MAX) {
                    return Err(refused("a name is too long"));
                }
                let report = FedReport { core_index, lag_ms, state };
                self.state.fed.report(from, &name, &site, &report);
                Ok(Bytes::new())
            }
            edge_kind::NODES => {
                let members = self.barrier.raft.members().list.into_iter();
                Ok(core_nodes::told(members.map(|member| member.peer.address)))
            }
            edge_kind::BOOTSTRAP => self.bootstrap.offer(from, read(body).map_err(refused)?).await,
            edge_kind::FILE => {
                let wanted: GetFile = read(body).map_err(refused)?;
                self.bootstrap.part(from, wanted).await
            }
            _ => Err(CallError::Refused(format!("no call of kind {kind}"))),
        }
    }
}

/// What an edge sends goes into the core's log: it must be what a session could have said.
fn check(forwarded: &Forward) -> Result<(), CallError> {
    if forwarded.proposals.len() > PROPOSALS_MAX {
        return Err(refused("too many proposals in one call"));
    }
    for proposal in &forwarded.proposals {
        match Proposal::decode(proposal).map_err(refused)? {
            Proposal::Commands(mut calls) | Proposal::Transaction { mut calls, .. } => {
                while calls.next_call().map_err(refused)?.is_some() {}
            }
            Proposal::Sweep { .. } | Proposal::Mark => {
                return Err(refused("an edge may not ask for this"));
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::replica::ProposalBuilder;

    #[test]
    fn only_what_a_session_could_say_gets_into_the_cores_log() {
        let mut good = ProposalBuilder::commands();
        good.push(0, &[b"SET", b"k", b"v"]);
        let good = good.finish();
        let of = |proposal: Bytes| check(&Forward { proposals: vec![proposal] });
        assert!(of(good.clone()).is_ok());
        let transaction = ProposalBuilder::transaction(&[]);
        assert!(of(transaction.finish()).is_ok());
        for bad in
            [ProposalBuilder::sweep(1), ProposalBuilder::mark(), Bytes::new(), good.slice(..good.len() - 1)]
        {
            assert!(of(bad.clone()).is_err(), "{bad:?}");
        }
    }
}
