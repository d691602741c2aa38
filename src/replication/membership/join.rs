//! Joins an existing core: the node asks again and again until it is a member.
//!
//! The leader checks that the node really answers at its address, tells it the cluster id, and adds it as a learner; the
//! membership controller (`controller.rs`) promotes it once it has caught up. A node with a voter's name but another id is
//! that node with an empty disk: it replaces the old one. A node id is never used again, so the old node's votes bind
//! nobody.

use crate::{
    feature_level,
    limits::MEMBERS_MAX,
    peer::{CallError, LocalIdentity, Peers},
    replication::{
        consensus::{ChangeError, Member, Members, Peer, RaftNode},
        wire,
    },
    session::ClusterIdentity,
    state::ReplicationState,
};
use bytes::Bytes;
use parking_lot::RwLock;
use std::{sync::Arc, time::Duration};

const ASK_INTERVAL: Duration = Duration::from_millis(200);
const ASK_MAX: Duration = Duration::from_secs(15);
const LOOK_MAX: Duration = Duration::from_secs(2);
/// A node that asks to become a member.
pub struct Joiner {
    /// Peer addresses to ask.
    pub contacts: Vec<String>,
    pub identity: Arc<LocalIdentity>,
    pub standby: bool,
    /// Whether this node founds the core.
    pub founds: bool,
    pub raft: RaftNode,
    pub peers: Arc<Peers>,
    pub state: Arc<ReplicationState>,
}

impl Joiner {
    /// Asks until this node has the wanted role.
    pub async fn run(self) {
        let mut said = String::new();
        while !self.is_done() {
            let mut refusals = Vec::new();
            for contact in self.known() {
                match self.ask(&contact).await {
                    Ok(()) => {
                        refusals.clear();
                        break;
                    }
                    Err(error) => refusals.push(format!("{contact}: {error}")),
                }
            }
            let text = refusals.join("; ");
            if !text.is_empty() && text != said {
                tracing::info!(reason = %text, "waiting to be a member of the core");
            }
            self.note(&text);
            said = text;
            tokio::time::sleep(ASK_INTERVAL).await;
        }
        self.note("");
    }

    /// A member only updates its address: it waits for nothing.
    fn note(&self, refusals: &str) {
        let is_member = self.raft.members().find(self.identity.node_id).is_some();
        let waiting_for = match refusals.is_empty() || is_member {
            true => String::new(),
            false => format!("this node waits to be a member of the core ({refusals})"),
        };
        // A founder has reasons of its own to wait.
        if !self.founds {
            *self.state.waiting_for.write() = waiting_for;
        }
    }

    /// The nodes to ask: the configured ones and the known members. The configured ones may all have been replaced since.
    fn known(&self) -> Vec<String> {
        let own = self.identity.node_id;
        let members = self.raft.members().list.into_iter().filter(|member| member.id != own);
        let learned = members.map(|member| member.peer.address);
        let mut known = self.contacts.clone();
        for address in learned.filter(|address| !address.is_empty()) {
            if !known.contains(&address) {
                known.push(address);
            }
        }
        known
    }

    fn is_done(&self) -> bool {
        let members = self.raft.members();
        let own = members.find(self.identity.node_id);
        own.is_some_and(|own| {
            own.peer.address == self.identity.address && (own.is_voter || own.peer.standby || self.standby)
        })
    }

    async fn ask(&self, contact: &str) -> Result<(), CallError> {
        let join = wire::Join {
            node_id: self.identity.node_id,
            node_name: self.identity.node_name.clone(),
            address: self.identity.address.clone(),
            standby: self.standby,
            feature_level: feature_level::NEWEST,
            feature_level_min: feature_level::OLDEST,
        };
        let answer = self.send(contact, &join).await?;
        if answer.leader.is_empty() {
            return Ok(());
        }
        self.send(&answer.leader, &join).await.map(|_| ())
    }

    async fn send(&self, to: &str, join: &wire::Join) -> Result<wire::JoinAnswer, CallError> {
        let answer = self.peers.client(to, 0).call(wire::kind::JOIN, wire::write(join), ASK_MAX).await?;
        wire::read(answer).map_err(|error| CallError::Broken(error.to_string()))
    }
}

/// The side that lets nodes in.
pub struct Admission {
    pub raft: RaftNode,
    pub peers: Arc<Peers>,
    pub state: Arc<ReplicationState>,
    pub cluster: Arc<RwLock<ClusterIdentity>>,
}

fn refused(why: impl Into<String>) -> CallError {
    CallError::Refused(why.into())
}

/// Why a node is no member yet.
#[derive(Debug, thiserror::Error)]
pub enum NotLetIn {
    #[error(transparent)]
    Refused(#[from] CallError),
    #[error(transparent)]
    Changing(#[from] ChangeError),
}

impl From<NotLetIn> for CallError {
    fn from(why: NotLetIn) -> Self {
        match why {
            NotLetIn::Refused(why) => why,
            NotLetIn::Changing(error @ ChangeError::UnderWay) => refused(error.to_string()),
            NotLetIn::Changing(error) => CallError::Broken(error.to_string()),
        }
    }
}

/// Why a node's program cannot be of a core at this feature level; `None`: it can. A later program can, and is upgraded first.
fn not_fit(join: &wire::Join, active: u32) -> Option<String> {
    let (newest, oldest) = (feature_level::said(join.feature_level), join.feature_level_min);
    let name = &join.node_name;
    if newest < active {
        return Some(format!(
            "the program of {name} understands feature levels up to {newest}, and the core is at {active}: start it with a \
             build that understands level {active}"
        ));
    }
    (oldest > active).then(|| {
        format!(
            "the program of {name} understands feature levels from {oldest} on, and the core is at {active}: upgrade the core \
             by an earlier build first"
        )
    })
}

impl Admission {
    /// Lets a node in that asks for it.
    pub async fn admit(&self, join: wire::Join) -> Result<wire::JoinAnswer, CallError> {
        if !self.state.is_leader() {
            let (_, leader) =
                self.state.leader().ok_or_else(|| refused("there is no leader at the moment"))?;
            return Ok(wire::JoinAnswer { leader, ..Default::default() });
        }
        let members = self.raft.members();
        if let Some(member) = members.find(join.node_id) {
            if member.peer.address != join.address {
                self.look(&join).await?;
                let peer = Peer { address: join.address, name: join.node_name, ..member.peer.clone() };
                self.raft.set_peer(&members, member.id, peer).await.map_err(NotLetIn::from)?;
            }
            return Ok(wire::JoinAnswer { is_member: true, is_voter: member.is_voter, ..Default::default() });
        }
        let replaces = match members.list.iter().find(|member| member.peer.name == join.node_name) {
            None => 0,
            Some(old) => {
                self.is_gone(old, &join).await?;
                old.id
            }
        };
        self.let_in(&members, join, replaces).await?;
        Ok(wire::JoinAnswer { is_member: true, ..Default::default() })
    }

    /// Makes a node that answers at its address a learner that replaces `replaces` (0: no node).
    ///
    /// It may have a log without ever having been a member: a leader starts to send it entries before a majority has
    /// admitted the node, and may then lose leadership. Such a log is corrected like any follower's.
    pub async fn let_in(&self, members: &Members, join: wire::Join, replaces: u64) -> Result<(), NotLetIn> {
        let refused = |why: String| Err(NotLetIn::Refused(refused(why)));
        if let Some(why) = not_fit(&join, self.state.feature_level()) {
            return refused(why);
        }
        if members.list.len() >= MEMBERS_MAX {
            return refused(format!("the core has {MEMBERS_MAX} nodes already, the maximum"));
        }
        let status = self.look(&join).await?;
        let ClusterIdentity { cluster_id, history_id } = self.cluster.read().clone();
        if !status.cluster_id.is_empty() && status.cluster_id != cluster_id {
            return refused(format!(
                "{} is of cluster {}, not of {cluster_id}: empty its data directory to let it join",
                join.node_name, status.cluster_id
            ));
        }
        if status.has_log && !status.never_member {
            return refused(format!(
                "{} has a log but is not a member (was it removed?): empty its data directory, so that it joins as a new node",
                join.node_name
            ));
        }
        // A fresh snapshot takes a node further, and faster, than an old one with all the log since; it costs a flush.
        self.raft.snapshot().await.map_err(|error| CallError::Broken(error.to_string()))?;
        let found = wire::Found { cluster_id, history_id };
        let client = self.peers.client(&join.address, join.node_id);
        client.call(wire::kind::FOUND, wire::write(&found), LOOK_MAX).await?;
        let peer = Peer { address: join.address, name: join.node_name, standby: join.standby, replaces };
        Ok(self.raft.add_learner(members, join.node_id, peer).await?)
    }

    /// Checks that the node answers at its address under its name.
    async fn look(&self, join: &wire::Join) -> Result<wire::Status, CallError> {
        let status = self.status(&join.address, join.node_id).await?;
        if status.node_name != join.node_name {
            return Err(refused(format!("{} answers as {}", join.address, status.node_name)));
        }
        Ok(status)
    }

    /// The status of the node at an address; `node_id` 0 = any node.
    pub async fn status(&self, address: &str, node_id: u64) -> Result<wire::Status, CallError> {
        let client = self.peers.client(address, node_id);
        let answer = client.call(wire::kind::STATUS, Bytes::new(), LOOK_MAX).await?;
        wire::read(answer).map_err(|error| CallError::Broken(error.to_string()))
    }

    /// A name belongs to one node; another node may have it only if the first is gone.
    async fn is_gone(&self, old: &Member, join: &wire::Join) -> Result<(), CallError> {
        if self.state.leader().is_some_and(|(leader, _)| leader == old.id) {
            return Err(refused(format!("{} is the leader, and is another node", join.node_name)));
        }
        // It no longer answers at this address, since another node does.
        if old.peer.address != join.address && self.status(&old.peer.address, old.id).await.is_ok() {
            return Err(refused(format!("{} is registered at {}", join.node_name, old.peer.address)));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_that_does_not_understand_the_active_level_is_refused_by_name() {
        let join = |min, max| wire::Join {
            node_name: "n4".into(),
            feature_level: max,
            feature_level_min: min,
            ..wire::Join::default()
        };
        assert_eq!(not_fit(&join(3, 4), 4), None);
        assert_eq!(not_fit(&join(3, 5), 4), None, "a later program may join, and roll");
        assert_eq!(not_fit(&join(0, 0), 3), None, "one that does not say is of level 3");
        let text = not_fit(&join(3, 4), 5).unwrap();
        assert!(text.contains("n4") && text.contains("up to 4") && text.contains("at 5"), "{text}");
        assert!(not_fit(&join(5, 6), 4).unwrap().contains("from 5 on"));
    }
}
