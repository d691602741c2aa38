//! How a node becomes one of a core that is there already: it asks, over and over, until it is.
//!
//! The leader looks whether the node really answers where it says, tells it which cluster it is of, and adds it as a
//! learner; the membership controller (`controller.rs`) gives it its vote when it has caught up. A node that comes with the name of a voter
//! but another id is that node with an empty disk: it takes the old one's place. A node id is never used again, so what
//! the old one promised with its votes binds nobody any more.

use crate::{
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
/// A node that wants to be a member.
pub struct Joiner {
    /// Peer addresses to ask.
    pub contacts: Vec<String>,
    pub identity: Arc<LocalIdentity>,
    pub standby: bool,
    /// Whether this node is the one that founds the core.
    pub founds: bool,
    pub raft: RaftNode,
    pub peers: Arc<Peers>,
    pub state: Arc<ReplicationState>,
}

impl Joiner {
    /// Asks until this node is what it wants to be.
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

    /// One that is a member already only changes its address: it waits for nothing.
    fn note(&self, refusals: &str) {
        let is_member = self.raft.members().find(self.identity.node_id).is_some();
        let waiting_for = match refusals.is_empty() || is_member {
            true => String::new(),
            false => format!("this node waits to be a member of the core ({refusals})"),
        };
        // Whoever founds a core has a reason of its own.
        if !self.founds {
            *self.state.waiting_for.write() = waiting_for;
        }
    }

    /// Whom to ask: those that this node was told of, and the members that it knows. All of the first may have been replaced
    /// since.
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
            feature_level: wire::FEATURE_LEVEL,
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

impl Admission {
    /// Lets a node in that asks for it.
    pub async fn admit(&self, join: wire::Join) -> Result<wire::JoinAnswer, CallError> {
        if !self.state.is_leader() {
            let (_, leader) = self.state.leader().ok_or_else(|| refused("no node leads at the moment"))?;
            return Ok(wire::JoinAnswer { leader, ..Default::default() });
        }
        if join.feature_level < wire::FEATURE_LEVEL {
            return Err(refused(format!(
                "feature level {} is below the core's, {}: the program is too old",
                join.feature_level,
                wire::FEATURE_LEVEL
            )));
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

    /// Makes a node that answers where it says a learner that takes the place of `replaces` (0: nobody's).
    ///
    /// It may have a log without ever having been a member: a leader begins to send it before a majority has taken the
    /// node in, and may then lose its place. What such a node has is corrected like any follower's log.
    pub async fn let_in(&self, members: &Members, join: wire::Join, replaces: u64) -> Result<(), NotLetIn> {
        let refused = |why: String| Err(NotLetIn::Refused(refused(why)));
        if members.list.len() >= MEMBERS_MAX {
            return refused(format!("the core has {MEMBERS_MAX} nodes, and may not have more"));
        }
        let status = self.look(&join).await?;
        let ClusterIdentity { cluster_id, history_id } = self.cluster.read().clone();
        if !status.cluster_id.is_empty() && status.cluster_id != cluster_id {
            return refused(format!(
                "{} is of cluster {}, not of {cluster_id}: empty its data directory to let it in",
                join.node_name, status.cluster_id
            ));
        }
        if status.has_log && !status.never_member {
            return refused(format!(
                "{} has a log but is no member (it was removed?): empty its data directory, so that it comes as a new node",
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

    /// Whether the node answers where it says, as who it says.
    async fn look(&self, join: &wire::Join) -> Result<wire::Status, CallError> {
        let status = self.status(&join.address, join.node_id).await?;
        if status.node_name != join.node_name {
            return Err(refused(format!("{} answers as {}", join.address, status.node_name)));
        }
        Ok(status)
    }

    /// Who answers at an address; `node_id` 0 = whoever.
    pub async fn status(&self, address: &str, node_id: u64) -> Result<wire::Status, CallError> {
        let client = self.peers.client(address, node_id);
        let answer = client.call(wire::kind::STATUS, Bytes::new(), LOOK_MAX).await?;
        wire::read(answer).map_err(|error| CallError::Broken(error.to_string()))
    }

    /// A name belongs to one node; another one may have it only when the first is no more.
    async fn is_gone(&self, old: &Member, join: &wire::Join) -> Result<(), CallError> {
        if self.state.leader().is_some_and(|(leader, _)| leader == old.id) {
            return Err(refused(format!("{} leads, and is another node", join.node_name)));
        }
        // At the same address it answers no more, since another one does.
        if old.peer.address != join.address && self.status(&old.peer.address, old.id).await.is_ok() {
            return Err(refused(format!("{} lives at {}", join.node_name, old.peer.address)));
        }
        Ok(())
    }
}
