//! The nodes of the group as clients see them, and this node's relation to its leader.

use super::{ClientPorts, FedSeen, Following, Leadership, PortKind, ReplicationState};
use std::{
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};
use tokio::time::Instant;
use xxhash_rust::xxh3;

/// From one look at what a starting node has applied to the next.
const READY_POLL: Duration = Duration::from_millis(5);
/// A node with data that is behind after its start, or hears no leader, waits so long.
const SERVE_BEHIND_AFTER: Duration = Duration::from_secs(2);

/// Another node of the core.
#[derive(Debug, Clone, Default)]
pub struct Other {
    pub node_id: u64,
    /// Empty until it has answered once.
    pub name: String,
    /// Of its peer address.
    pub host: String,
    pub client_ports: ClientPorts,
    /// Its applied index, as it reports.
    pub applied_index: u64,
    /// Whether it answered when it was last asked.
    pub answers: bool,
    /// Of its peer address.
    pub peer_port: u16,
    /// Since when it owes an answer, ms since the epoch; 0 = it owes none.
    pub asked_ms: u64,
    /// When it last answered, ms since the epoch; 0 = never.
    pub answered_ms: u64,
    /// The lowest and highest feature level that its program understands; 0 = it never answered.
    pub feature_levels: (u32, u32),
    /// The edges that it feeds.
    pub fed: Vec<FedSeen>,
}

/// A node as cluster- and sentinel-aware clients see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeEndpoint {
    pub node_id: u64,
    pub host: String,
    /// For clients of the kind that was asked for.
    pub port: u16,
    pub ports: ClientPorts,
    pub leads: bool,
    pub answers: bool,
    pub offset: u64,
    /// Its peer port; for a node that runs alone, Redis's bus port: 10,000 above the client port.
    pub peer_port: u16,
    /// Since when it owes an answer, ms since the epoch; 0 = it owes none.
    pub asked_ms: u64,
    /// When it last answered this node, ms since the epoch; 0 = never, or it is this node.
    pub answered_ms: u64,
}

impl NodeEndpoint {
    /// See `public_id`.
    pub fn id(&self) -> String {
        public_id(self.node_id)
    }
}

/// A node's public id: 40 hexadecimal digits, always the same for a node. They are a hash, since people and tools
/// distinguish nodes by the first eight.
pub fn public_id(node_id: u64) -> String {
    let bytes = node_id.to_be_bytes();
    format!("{:032x}{:08x}", xxh3::xxh3_128(&bytes), xxh3::xxh3_64(&bytes) >> 32)
}

/// A follower as INFO and ROLE report it.
#[derive(Debug, Clone)]
pub struct Follower {
    pub host: String,
    pub port: u16,
    pub offset: u64,
    pub is_online: bool,
}

impl ReplicationState {
    /// Whether this node is one of several and does not lead.
    pub fn follows(&self) -> bool {
        self.is_one_of_many.load(Ordering::Relaxed) && !self.is_leader()
    }

    /// Whether this node was a member and is none any more. One that joins is none yet, and may hear so for a moment while leaders change:
    /// it waits instead.
    pub fn is_member_no_more(&self) -> bool {
        self.is_removed.load(Ordering::Relaxed) && self.was_member.load(Ordering::Relaxed)
    }

    /// This node's relation to the leader of its group.
    pub fn leadership(&self) -> Leadership {
        let load = |flag: &AtomicBool| flag.load(Ordering::Relaxed);
        let knows_leader = self.leader_id() != 0;
        if load(&self.is_removed) {
            Leadership::Removed
        } else if !load(&self.is_one_of_many) {
            Leadership::Leads
        } else if self.is_leader() {
            if self.contact.has_quorum() { Leadership::Leads } else { Leadership::NoQuorum }
        } else if !knows_leader || !self.contact.hears_leader() {
            Leadership::NoLeader
        } else if self.contact.leader_is_cut_off() {
            Leadership::NoQuorum
        } else {
            Leadership::Follows
        }
    }

    /// On an edge: whether the core's entries reach this node.
    pub fn is_fed(&self) -> bool {
        let follows = matches!(*self.edge.following.read(), Following::Log | Following::Site);
        follows && self.leadership().is_sound()
    }

    /// What INFO says as `master_link_status`: whether this node is as current as its leader or (on an edge) the core keeps it.
    pub fn is_link_up(&self) -> bool {
        match self.edge.is_edge() {
            true => self.is_fed(),
            false => self.leadership().is_sound(),
        }
    }

    /// The leader's id, if it counts as a leader; 0 = none.
    pub fn sound_leader_id(&self) -> u64 {
        match self.leadership().is_sound() {
            true => self.leader_id(),
            false => 0,
        }
    }

    /// Waits until this node can serve: it has all that was committed when it first heard a leader, itself or another. One without
    /// any data would take itself for one without users, and at the lowest feature level. One that has been away serves what it
    /// has after a while, as one that falls behind while it runs.
    pub async fn wait_ready(&self) {
        let began = Instant::now();
        while !self.is_ready(began.elapsed()) {
            let _ = tokio::time::timeout(READY_POLL, self.leader_bell.notified()).await;
        }
    }

    fn is_ready(&self, waited: Duration) -> bool {
        let leader = self.leader.load();
        let follows = !leader.is_self && leader.node.is_some();
        // An entry of the leader's term is behind all that was committed in earlier ones.
        let has_term = self.applied_term.load(Ordering::Acquire) == leader.term;
        let goal = self.start_goal.load(Ordering::Acquire);
        let has_goal = goal > 0 && self.applied_index.load(Ordering::Acquire) >= goal - 1;
        let may_be_behind = !self.begins_anew.load(Ordering::Relaxed) && waited >= SERVE_BEHIND_AFTER;
        let has_enough = has_term && has_goal || may_be_behind;
        self.has_applied_own_term() || follows && has_enough || self.is_member_no_more()
    }

    /// Why this node, which has not served yet, cannot do so now: an error code of Redis and the reason.
    pub fn waiting(&self) -> (&'static str, String) {
        let waiting_for = self.waiting_for.read().clone();
        let (applied, last) = (self.applied_index(), self.last_index());
        if !waiting_for.is_empty() {
            ("LOADING", waiting_for)
        } else if self.leadership() == Leadership::NoLeader {
            let text = format!(
                "no leader is heard, and this node has not served since its start (entry {applied} of {last} is applied); \
                 it does when a majority of the voters is back"
            );
            ("CLUSTERDOWN", text)
        } else if self.is_removed.load(Ordering::Relaxed) {
            (
                "CLUSTERDOWN",
                "this node is no member of the core: it was removed, or is about to be let in".into(),
            )
        } else {
            ("LOADING", format!("the log is being replayed: entry {applied} of {last} is applied"))
        }
    }

    /// The problem of the group as this node sees it.
    pub fn problem(&self) -> Option<String> {
        let waiting_for = self.waiting_for.read().clone();
        match waiting_for.is_empty() {
            true => self.leadership().problem().map(str::to_owned),
            false => Some(waiting_for),
        }
    }

    /// Whether INFO and ROLE report this node as a replica.
    pub fn is_replica(&self) -> bool {
        self.edge.is_edge() || self.leadership() != Leadership::Leads
    }

    /// The leader's client address; empty and 0 if it is unknown.
    pub fn leader_clients(&self, kind: PortKind) -> (String, u16) {
        let leader = self.leader_id();
        let others = self.others.read();
        others
            .iter()
            .find(|other| other.node_id == leader)
            .map_or_else(Default::default, |leader| (leader.host.clone(), leader.client_ports.of(kind)))
    }

    /// All known nodes, the leader first, this one included. While there is no leader, the last one is listed as leader, as
    /// in Redis: clients that find no master at all give up. `kind`: of the client that is told.
    pub fn endpoints(&self, own_id: u64, kind: PortKind) -> Vec<NodeEndpoint> {
        let leader = self.known_leader().last_id;
        // A node that no longer counts as leader is the last one.
        let is_sound = self.leadership().is_sound();
        let (host, ports) = self.own_clients.read().clone();
        let peer_port = match self.own_peer_port.load(Ordering::Relaxed) {
            0 => ports.first.checked_add(10_000).unwrap_or(0),
            port => port,
        };
        let own = NodeEndpoint {
            peer_port,
            asked_ms: 0,
            answered_ms: 0,
            node_id: own_id,
            host,
            port: ports.of(kind),
            ports,
            leads: leader == own_id || !self.is_one_of_many.load(Ordering::Relaxed),
            answers: leader != own_id || is_sound,
            offset: self.applied_index(),
        };
        let endpoint = |other: &Other| NodeEndpoint {
            peer_port: other.peer_port,
            asked_ms: other.asked_ms,
            answered_ms: other.answered_ms,
            node_id: other.node_id,
            host: other.host.clone(),
            port: other.client_ports.of(kind),
            ports: other.client_ports,
            leads: other.node_id == leader,
            answers: other.answers && (other.node_id != leader || is_sound),
            offset: other.applied_index,
        };
        let others = self.others.read();
        let known =
            others.iter().filter(|other| other.node_id != 0 && other.client_ports.first != 0).map(endpoint);
        let mut endpoints: Vec<NodeEndpoint> = [own].into_iter().chain(known).collect();
        endpoints.sort_by_key(|node| (!node.leads, node.node_id));
        endpoints
    }

    /// All edges that nodes of the core feed, each with the id of the node that feeds it.
    pub fn sites(&self, own_id: u64) -> Vec<(u64, FedSeen)> {
        let own = self.fed.seen().into_iter().map(|edge| (own_id, edge));
        let others = self.others.read();
        let others = others.iter().filter(|other| other.answers);
        let others = others.flat_map(|other| other.fed.iter().map(|edge| (other.node_id, edge.clone())));
        let mut all: Vec<(u64, FedSeen)> = own.chain(others).collect();
        all.sort_by(|(_, a), (_, b)| (&a.site, &a.name).cmp(&(&b.site, &b.name)));
        all
    }

    /// The others, if this node leads.
    pub fn followers(&self) -> Vec<Follower> {
        if self.leadership() != Leadership::Leads {
            return Vec::new();
        }
        let follower = |other: &Other| Follower {
            host: other.host.clone(),
            port: other.client_ports.of(PortKind::Plain),
            offset: other.applied_index,
            is_online: other.answers,
        };
        self.others.read().iter().map(follower).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::public_id;

    /// Clients keep them; a node that changed its own would be a new one to them.
    #[test]
    fn public_ids_are_forty_digits_that_begin_differently_and_stay() {
        assert_eq!(public_id(1), "5e79ae406e85355c521c17117323b0aef36b4a1a");
        let heads: std::collections::BTreeSet<String> =
            (1..1000).map(|id| public_id(id)[..8].to_owned()).collect();
        assert_eq!(heads.len(), 999);
        assert!((1..1000).all(|id| public_id(id).len() == 40));
    }
}
