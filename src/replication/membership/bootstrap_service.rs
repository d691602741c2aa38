//! The answers to nodes that are not known to belong to this cluster.

use crate::{
    feature_level,
    peer::{CallError, LocalIdentity},
    replication::{consensus::RaftNode, directory::Adopt, queue::InFlight, wire},
    session::ClusterIdentity,
    state::{ClientPorts, ReplicationState},
};
use parking_lot::RwLock;
use std::sync::{Arc, atomic::Ordering};

/// Answers them.
pub struct BootstrapService {
    pub identity: Arc<LocalIdentity>,
    pub adopt: Adopt,
    pub state: Arc<ReplicationState>,
    pub in_flight: Arc<InFlight>,
    pub cluster: Arc<RwLock<ClusterIdentity>>,
    pub client_ports: ClientPorts,
    pub client_host: String,
}

impl BootstrapService {
    pub fn status(&self, has_log: bool, raft: &RaftNode) -> wire::Status {
        let members = raft.members();
        wire::Status {
            feature_level: feature_level::NEWEST,
            feature_level_min: feature_level::OLDEST,
            fed: self.state.fed.seen().into_iter().map(wire::fed_to_wire).collect(),
            members: members.list.iter().map(|member| member.id).collect(),
            members_at: if members.is_committed { members.at } else { 0 },
            node_id: self.identity.node_id,
            node_name: self.identity.node_name.clone(),
            cluster_id: self.identity.cluster_id().unwrap_or_default(),
            has_quorum: self.state.is_leader() && self.state.has_lease(),
            history_id: self.cluster.read().history_id.clone(),
            has_log,
            never_member: !self.state.was_member.load(Ordering::Relaxed),
            leader_id: self.state.sound_leader_id(),
            client_port: self.client_ports.first.into(),
            client_tls_port: self.client_ports.tls.into(),
            client_host: self.client_host.clone(),
            is_stopping: self.state.refuses_leadership(),
            in_flight: u64::try_from(self.in_flight.count()).unwrap_or(u64::MAX),
            applied: self.state.applied_index(),
        }
    }

    /// Joins the given cluster, if it has none.
    pub fn found(&self, found: &wire::Found) -> Result<(), CallError> {
        (self.adopt)(&found.cluster_id, &found.history_id)
            .map_err(|error| CallError::Refused(error.to_string()))?;
        self.identity.join(&found.cluster_id);
        Ok(())
    }
}
