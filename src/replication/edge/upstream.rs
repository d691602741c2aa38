//! A core node's service for edges: feeds, forwarded writes and messages, read indexes, bootstrap snapshots, and the reports
//! of connected edges.

use super::{bootstrap_source::BootstrapSource, core_nodes, feed::Feed};
use crate::{
    command::Table,
    config::FeedSettings,
    peer::{Answer, Answers, CallError, Caller},
    replica::Proposal,
    replication::{
        consensus::Barrier,
        proposals::receive_from_edge,
        pubsub::Broadcast,
        queue::Queue,
        snapshots::Snapshots,
        upkeep::hear_reads,
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
/// Length of each text in an edge's report.
const NAME_BYTES_MAX: usize = 255;

/// The service for edges.
pub struct Upstream {
    pub feed: Arc<Feed>,
    pub bootstrap: BootstrapSource,
    pub queue: Arc<Queue>,
    pub state: Arc<ReplicationState>,
    pub barrier: Barrier,
    pub broadcast: Arc<Broadcast>,
    pub table: &'static Table,
}

/// The parts that the service is made of.
pub struct Feeding {
    pub log: Arc<SegmentLog>,
    pub store: Arc<Store>,
    pub snapshots: Arc<Snapshots>,
    pub snapshots_directory: PathBuf,
    pub table: &'static Table,
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
            limits.bootstraps_max,
            limits.bootstrap_bytes_per_second,
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
        Upstream { feed: Arc::new(feed), bootstrap, queue, state, barrier, broadcast, table: self.table }
    }
}

fn refused(error: impl std::fmt::Display) -> CallError {
    CallError::Refused(error.to_string())
}

impl Upstream {
    /// Starts a feed to an edge.
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
                receive_from_edge(queue, state, self.table, forwarded).await
            }
            edge_kind::READ_INDEX => {
                let from = self.barrier.ask().await;
                let from = from.ok_or_else(|| refused("the core has no leader at the moment"))?;
                Ok(write(&ReadIndex { index: from.index, log_ms: from.log_ms }))
            }
            edge_kind::PUBLISH => {
                let publish: Publish = read(body).map_err(refused)?;
                self.broadcast.publish_for_edge(publish).await
            }
            edge_kind::REPORT => {
                let report: wire::Report = read(body).map_err(refused)?;
                let wire::Report { core_index, lag_ms, state, name, site, feature_level, reads } = report;
                if [&state, &name, &site].iter().any(|text| text.len() > NAME_BYTES_MAX) {
                    return Err(refused(format!(
                        "a text of the report is longer than {NAME_BYTES_MAX} bytes"
                    )));
                }
                let report = FedReport { core_index, lag_ms, state, feature_level };
                self.state.fed.report(from, &name, &site, &report);
                Ok(write(&hear_reads(&self.feed.store, &self.state, reads).await))
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

/// An edge's proposals go into the core's log, so they may contain only what a client session could propose.
fn check(forwarded: &Forward) -> Result<(), CallError> {
    if forwarded.proposals.len() > PROPOSALS_MAX {
        return Err(refused("too many proposals in one call"));
    }
    for proposal in &forwarded.proposals {
        match Proposal::decode(proposal).map_err(refused)? {
            Proposal::Commands(mut calls) | Proposal::Transaction { mut calls, .. } => {
                while calls.next_call().map_err(refused)?.is_some() {}
            }
            Proposal::Sweep { .. }
            | Proposal::Mark
            | Proposal::MarkSums
            | Proposal::Count(_)
            | Proposal::Evict(_)
            | Proposal::Source(_) => {
                return Err(refused("an edge may not propose this"));
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
    fn an_edge_proposes_only_what_a_session_could() {
        let mut good = ProposalBuilder::commands();
        good.push(0, &[b"SET", b"k", b"v"]);
        let good = good.finish();
        let of = |proposal: Bytes| check(&Forward { proposals: vec![proposal], ..Forward::default() });
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
