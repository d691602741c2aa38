//! Asks the other nodes for their status once a second: for INFO and ROLE, and to learn of this node's own removal.

use crate::{
    feature_level,
    peer::{LocalIdentity, Peers},
    replication::{
        consensus::{Members, RaftNode},
        directory::become_member,
        wire,
    },
    session::ClusterIdentity,
    state::{ClientPorts, Other, ReplicationState},
};
use parking_lot::RwLock;
use std::{
    collections::BTreeSet,
    path::PathBuf,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};
use tokio::time::MissedTickBehavior;

/// Time between two rounds of status calls.
const LOOK_INTERVAL: Duration = Duration::from_secs(1);

/// Asks the other nodes how they are, for INFO and ROLE.
pub struct PeerStatusPoller {
    /// The data directory.
    pub directory: PathBuf,
    /// This node's cluster.
    pub cluster: Arc<RwLock<ClusterIdentity>>,
    /// The others of the list, for as long as there is no log.
    pub members: Vec<(String, String)>,
    pub raft: RaftNode,
    pub identity: Arc<LocalIdentity>,
    pub node_id: u64,
    pub peers: Arc<Peers>,
    pub state: Arc<ReplicationState>,
}

impl PeerStatusPoller {
    pub async fn run(self) {
        let mut ticks = tokio::time::interval(LOOK_INTERVAL);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut foreign = BTreeSet::new();
        loop {
            ticks.tick().await;
            let before = self.state.others.read().clone();
            let members = self.raft.members();
            let names = members.list.iter().map(|member| (member.id, member.peer.name.clone()));
            self.identity.set_names(names.collect());
            let known: Vec<(u64, String)> = match members.list.is_empty() {
                true => self.members.iter().map(|(_, address)| (0, address.clone())).collect(),
                false => members.list.iter().map(|member| (member.id, member.peer.address.clone())).collect(),
            };
            let known = known.into_iter().filter(|(id, _)| *id != self.node_id);
            let looks = known.map(|(id, address)| {
                let before = before.iter().find(|other| other.node_id == id).cloned();
                self.look(id, address, before)
            });
            let looked = futures::future::join_all(looks).await;
            // The calls took a while; compare their answers with this node's current knowledge.
            let members = self.raft.members();
            for (other, status) in &looked {
                self.tell(other, &before, &members);
                if let Some(status) = status {
                    self.compare_identity(other, status, &mut foreign);
                }
            }
            let is_member = members.find(self.node_id).is_some();
            let without_us = |status: &wire::Status| {
                !status.members.contains(&self.node_id)
                    && status.members_at > members.at
                    && !status.members.is_empty()
            };
            let excluded = looked.iter().filter_map(|(_, status)| status.as_ref()).any(without_us);
            let is_removed = !members.list.is_empty() && (!is_member && members.is_committed || excluded);
            // Around the line between: one that has just become a member is not one that was removed, even for a moment; and one
            // that hears at once of both was removed.
            if !is_removed {
                self.set_removed(false);
            }
            if is_member && members.is_committed {
                self.note_membership();
            }
            if is_removed {
                self.set_removed(true);
            }
            *self.state.others.write() = looked.into_iter().map(|(other, _)| other).collect();
        }
    }

    /// Says, once, that a node is of another cluster, or of another history of this one.
    fn compare_identity(&self, other: &Other, status: &wire::Status, foreign: &mut BTreeSet<u64>) {
        let own = self.cluster.read().clone();
        let differ = |own: &str, theirs: &str| !own.is_empty() && !theirs.is_empty() && own != theirs;
        let (what, ours, theirs) = match () {
            () if differ(&own.cluster_id, &status.cluster_id) => {
                ("cluster", &own.cluster_id, &status.cluster_id)
            }
            () if differ(&own.history_id, &status.history_id) => {
                ("history", &own.history_id, &status.history_id)
            }
            () => {
                foreign.remove(&other.node_id);
                return;
            }
        };
        if foreign.insert(other.node_id) {
            let file = self.directory.join("IDENTITY");
            tracing::error!(
                node = %status.node_name, host = %other.host, identity = %file.display(),
                remedy = "empty the data directory of whichever node is in the wrong place",
                "that node belongs to {what} {theirs}, this one to {what} {ours}"
            );
        }
    }

    /// Logs that a node stopped or started to answer.
    fn tell(&self, now: &Other, before: &[Other], members: &Members) {
        let answered = before.iter().find(|other| other.node_id == now.node_id).map(|other| other.answers);
        let name = members.find(now.node_id).map_or("", |member| &member.peer.name);
        match (answered, now.answers) {
            (Some(true) | None, false) => {
                tracing::warn!(node = name, host = %now.host, "a node does not answer")
            }
            (Some(false), true) => tracing::info!(node = name, host = %now.host, "a node answers again"),
            _ => {}
        }
    }

    /// Writes down, once, that this node is a member. Should that fail, it is tried again.
    fn note_membership(&self) {
        let was_member = &self.state.was_member;
        if was_member.load(Ordering::Relaxed) {
            return;
        }
        match become_member(&self.directory) {
            Ok(()) => was_member.store(true, Ordering::Relaxed),
            Err(error) => tracing::error!(
                %error,
                remedy = "make the data directory writable; the node tries again every second",
                "cannot record that this node is a member"
            ),
        }
    }

    /// A node that never was a member was not removed, but must not serve clients either.
    fn set_removed(&self, removed: bool) {
        let was_member = self.state.was_member.load(Ordering::Relaxed);
        let before = self.state.is_removed.swap(removed, Ordering::AcqRel);
        if was_member && before != removed && removed {
            tracing::error!(
                remedy = "stop the node, or empty its data directory to let it join again",
                "this node was removed from the core and no longer serves clients"
            );
        }
    }

    /// Asks a node once more and returns its updated status.
    async fn look(&self, id: u64, address: String, before: Option<Other>) -> (Other, Option<wire::Status>) {
        let (host, port) = address.rsplit_once(':').unwrap_or((&address, ""));
        let (host, peer_port) = (host.to_owned(), port.parse().unwrap_or(0));
        let asked_ms = self.state.environment().wall_ms();
        let client = self.peers.client(&address, id);
        let answer = client.call(wire::kind::STATUS, bytes::Bytes::new(), LOOK_INTERVAL).await;
        let status = answer.ok().and_then(|answer| wire::read::<wire::Status>(answer).ok());
        let other = match &status {
            Some(status) => Other {
                node_id: status.node_id,
                name: status.node_name.clone(),
                host: if status.client_host.is_empty() { host } else { status.client_host.clone() },
                client_ports: ClientPorts {
                    first: u16::try_from(status.client_port).unwrap_or(0),
                    tls: u16::try_from(status.client_tls_port).unwrap_or(0),
                },
                applied_index: status.applied,
                answers: true,
                feature_levels: levels(status),
                peer_port,
                asked_ms: 0,
                answered_ms: self.state.environment().wall_ms(),
                fed: status.fed.iter().cloned().map(wire::fed_from_wire).collect(),
            },
            None => {
                let before = before.unwrap_or_default();
                let asked_ms = if before.asked_ms == 0 { asked_ms } else { before.asked_ms };
                Other { node_id: id, host, answers: false, peer_port, asked_ms, ..before }
            }
        };
        (other, status)
    }
}

/// Which feature levels a node's program understands.
fn levels(status: &wire::Status) -> (u32, u32) {
    (feature_level::said(status.feature_level_min), feature_level::said(status.feature_level))
}
