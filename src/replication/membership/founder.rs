//! Founds a core of several nodes: exactly one cluster results.
//!
//! All nodes are started with the same list. The first of the list is the founder: once every node of the list answers and
//! none of them has a log, it tells each the cluster id (recorded before the answer), and only then writes the first entry
//! of the log, the membership. Restarted at any point, it repeats the same steps with the same ids; a node that belongs to
//! another cluster, or has a log, stops it. The other nodes wait for it.

use crate::{
    peer::{LocalIdentity, Peers},
    replication::{
        consensus::{Peer, RaftNode},
        directory::Adopt,
        wal::LogError,
        wire,
    },
    state::ReplicationState,
};
use std::{collections::BTreeMap, sync::Arc, time::Duration};

const ASK_INTERVAL: Duration = Duration::from_millis(200);
const ASK_MAX: Duration = Duration::from_secs(2);

/// Founds a core.
pub struct Founder {
    pub members: Vec<(String, String)>,
    pub identity: Arc<LocalIdentity>,
    pub cluster_id: String,
    pub history_id: String,
    pub adopt: Adopt,
    pub peers: Arc<Peers>,
    pub state: Arc<ReplicationState>,
}

impl Founder {
    /// Whether this node is the founder.
    pub fn is_founder(&self) -> bool {
        self.members.first().is_some_and(|(name, _)| *name == self.identity.node_name)
    }

    /// Founds the cluster, however long the other nodes take to come; false: another core has let this node in meanwhile.
    pub async fn found(self, raft: RaftNode) -> Result<bool, LogError> {
        let mut said = String::new();
        let waiting_for = &self.state.waiting_for;
        loop {
            // With an emptied directory, the existing core admits it.
            let is_done = match raft.is_initialized().await? {
                true => Ok(false),
                false => self.try_once(&raft).await.map(|()| true),
            };
            match is_done {
                Ok(has_founded) => {
                    waiting_for.write().clear();
                    return Ok(has_founded);
                }
                Err(Waiting::For(why)) => {
                    *waiting_for.write() = format!("this node waits to found the core ({why})");
                    if why != said {
                        tracing::info!(reason = %why, "waiting to found the cluster");
                        said = why;
                    }
                }
                Err(Waiting::InVain(error)) => return Err(error),
            }
            tokio::time::sleep(ASK_INTERVAL).await;
        }
    }

    async fn try_once(&self, raft: &RaftNode) -> Result<(), Waiting> {
        let mut nodes = BTreeMap::new();
        for (name, address) in &self.members {
            let id = match *name == self.identity.node_name {
                true => self.identity.node_id,
                false => self.ask(name, address).await?,
            };
            let peer = Peer { address: address.clone(), name: name.clone(), ..Peer::default() };
            if nodes.insert(id, peer).is_some() {
                return Err(Waiting::For(format!(
                    "{name} at {address} is the same node as another name of the list"
                )));
            }
        }
        (self.adopt)(&self.cluster_id, &self.history_id).map_err(Waiting::InVain)?;
        self.identity.join(&self.cluster_id);
        let found = wire::Found { cluster_id: self.cluster_id.clone(), history_id: self.history_id.clone() };
        for (id, peer) in nodes.iter().filter(|(id, _)| **id != self.identity.node_id) {
            let client = self.peers.client(&peer.address, *id);
            let told = client.call(wire::kind::FOUND, wire::write(&found), ASK_MAX);
            told.await.map_err(|error| Waiting::For(error.to_string()))?;
        }
        raft.initialize(nodes).await.map_err(Waiting::InVain)
    }

    async fn ask(&self, name: &str, address: &str) -> Result<u64, Waiting> {
        let client = self.peers.client(address, 0);
        let answer = client.call(wire::kind::STATUS, bytes::Bytes::new(), ASK_MAX).await;
        let waiting = |why: String| Waiting::For(format!("{name}: {why}"));
        let status: wire::Status = wire::read(answer.map_err(|error| waiting(error.to_string()))?)
            .map_err(|e| waiting(e.to_string()))?;
        if status.node_name != name {
            return Err(waiting(format!("{address} answers as {}", status.node_name)));
        }
        if status.has_log {
            return Err(waiting(format!("it has the log of cluster {} already", status.cluster_id)));
        }
        if !status.cluster_id.is_empty() && status.cluster_id != self.cluster_id {
            return Err(waiting(format!("it is of cluster {}", status.cluster_id)));
        }
        Ok(status.node_id)
    }
}

enum Waiting {
    For(String),
    InVain(LogError),
}
