//! A core of several nodes: which they are, and how exactly one cluster comes of them.
//!
//! All nodes are started with the same list. The first of the list is the founder: once every node of the list answers
//! and none of them has a log, it tells each which cluster it is of (written down before the answer), and only then makes
//! the first entry of the log, the membership. Started again at any point it does the same with the same ids; a node that
//! is of another cluster, or has a log, stops it. The others wait to be told.

use super::{
    LogError,
    progress::Progress,
    queue::Queue,
    raft::{Answering, Peers, RaftNode, Service, VOTE_DELAY, wire},
};
use crate::{
    fail,
    peer::{self, CallError, LocalIdentity},
    session::Other,
};
use std::{
    collections::BTreeMap,
    net::TcpListener,
    path::PathBuf,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};
use tokio::{sync::oneshot, time::MissedTickBehavior};

const ASK_INTERVAL: Duration = Duration::from_millis(200);
/// Between two looks at how the other nodes are.
const LOOK_INTERVAL: Duration = Duration::from_secs(1);
const ASK_MAX: Duration = Duration::from_secs(2);

/// Writes down which cluster (and history) this node is of; refuses another one than it has.
pub type Adopt = Arc<dyn Fn(&str, &str) -> Result<(), LogError> + Send + Sync>;

/// What a node of a core of several is started with.
pub struct ClusterOptions {
    /// Names and peer addresses of all nodes, this one included.
    pub members: Vec<(String, String)>,
    pub identity: Arc<LocalIdentity>,
    /// What this node's directory says, or would found.
    pub cluster_id: String,
    pub history_id: String,
    pub adopt: Adopt,
    pub listener: TcpListener,
    /// Where this node's clients connect.
    pub client_port: u16,
}

/// See the module.
pub(super) struct Founder {
    pub(super) members: Vec<(String, String)>,
    pub(super) identity: Arc<LocalIdentity>,
    pub(super) cluster_id: String,
    pub(super) history_id: String,
    pub(super) adopt: Adopt,
    pub(super) peers: Arc<Peers>,
}

impl Founder {
    /// Whether this node is the one that founds.
    pub(super) fn is_founder(&self) -> bool {
        self.members.first().is_some_and(|(name, _)| *name == self.identity.node_name)
    }

    /// Founds the cluster, however long the other nodes take to come.
    pub(super) async fn found(self, raft: RaftNode) -> Result<(), LogError> {
        let mut said = String::new();
        loop {
            match self.try_once(&raft).await {
                Ok(()) => return Ok(()),
                Err(Waiting::For(why)) => {
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
            if nodes.insert(id, address.clone()).is_some() {
                return Err(Waiting::For(format!(
                    "{name} at {address} is a node that has another name as well"
                )));
            }
        }
        (self.adopt)(&self.cluster_id, &self.history_id).map_err(Waiting::InVain)?;
        self.identity.join(&self.cluster_id);
        let found = wire::Found { cluster_id: self.cluster_id.clone(), history_id: self.history_id.clone() };
        for (id, address) in nodes.iter().filter(|(id, _)| **id != self.identity.node_id) {
            let client = self.peers.client(address, *id);
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

/// Answers what nodes may ask that are not known to be of this cluster.
pub(super) struct Stranger {
    pub(super) identity: Arc<LocalIdentity>,
    pub(super) adopt: Adopt,
    pub(super) progress: Arc<Progress>,
    pub(super) client_port: u16,
}

impl Stranger {
    pub(super) fn status(&self, has_log: bool) -> wire::Status {
        wire::Status {
            node_id: self.identity.node_id,
            node_name: self.identity.node_name.clone(),
            cluster_id: self.identity.cluster_id().unwrap_or_default(),
            has_log,
            leader_id: self.progress.status.leader_id.load(Ordering::Relaxed),
            client_port: self.client_port.into(),
            applied: self.progress.status.applied_index.load(Ordering::Relaxed),
        }
    }

    /// Joins the cluster it is told of, if it is of none.
    pub(super) fn found(&self, found: &wire::Found) -> Result<(), CallError> {
        (self.adopt)(&found.cluster_id, &found.history_id)
            .map_err(|error| CallError::Refused(error.to_string()))?;
        self.identity.join(&found.cluster_id);
        Ok(())
    }
}

/// What a node of several runs beside its log: the side that answers other nodes, and the founding.
pub(super) struct Membership {
    pub(super) options: ClusterOptions,
    pub(super) directory: PathBuf,
    pub(super) peers: Arc<Peers>,
    pub(super) progress: Arc<Progress>,
}

impl Membership {
    /// Starts both on the current runtime, until `end` is dropped.
    pub(super) fn start(self, raft: RaftNode, queue: Arc<Queue>, end: oneshot::Receiver<()>) {
        let Membership { options, directory, peers, progress } = self;
        progress.status.is_one_of_many.store(true, Ordering::Relaxed);
        let ClusterOptions { members, identity, cluster_id, history_id, adopt, listener, client_port } =
            options;
        let stranger = Stranger {
            identity: Arc::clone(&identity),
            adopt: Arc::clone(&adopt),
            progress: Arc::clone(&progress),
            client_port,
        };
        let service = Service {
            raft: raft.clone(),
            queue,
            progress,
            stranger,
            peers: Arc::clone(&peers),
            snapshots: directory.join("snapshot"),
            receiving: directory.join("received"),
            votes_from: tokio::time::Instant::now() + VOTE_DELAY,
        };
        let acquaintance = Acquaintance {
            members: members.iter().filter(|(name, _)| *name != identity.node_name).cloned().collect(),
            peers: Arc::clone(&peers),
            progress: Arc::clone(&service.progress),
        };
        tokio::spawn(acquaintance.run());
        let answering = Arc::new(Answering(Arc::new(service)));
        let founder =
            Founder { members, identity: Arc::clone(&identity), cluster_id, history_id, adopt, peers };
        tokio::spawn(async move {
            let ended = async move {
                let _ = end.await;
            };
            if let Err(error) = peer::serve(listener, identity, answering, ended).await {
                fail::stop_the_process(&format!("cannot answer other nodes: {error}"));
            }
        });
        tokio::spawn(async move {
            let is_new = raft.is_initialized().await.is_ok_and(|initialized| !initialized);
            if is_new
                && founder.is_founder()
                && let Err(error) = founder.found(raft).await
            {
                fail::stop_the_process(&format!("cannot found the cluster: {error}"));
            }
        });
    }
}

/// Asks the other nodes how they are, for INFO and ROLE.
struct Acquaintance {
    members: Vec<(String, String)>,
    peers: Arc<Peers>,
    progress: Arc<Progress>,
}

impl Acquaintance {
    async fn run(self) {
        let mut ticks = tokio::time::interval(LOOK_INTERVAL);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            let before = self.progress.status.others.read().clone();
            let before = before.into_iter().map(Some).chain(std::iter::repeat(None));
            let looks =
                self.members.iter().zip(before).map(|((_, address), before)| self.look(address, before));
            let others = futures::future::join_all(looks).await;
            *self.progress.status.others.write() = others;
        }
    }

    /// What is known of a node after it was asked once more.
    async fn look(&self, address: &str, before: Option<Other>) -> Other {
        let host = address.rsplit_once(':').map_or(address, |(host, _)| host).to_owned();
        let client = self.peers.client(address, 0);
        let answer = client.call(wire::kind::STATUS, bytes::Bytes::new(), LOOK_INTERVAL).await;
        let status = answer.ok().and_then(|answer| wire::read::<wire::Status>(answer).ok());
        match status {
            Some(status) => Other {
                node_id: status.node_id,
                host,
                client_port: u16::try_from(status.client_port).unwrap_or(0),
                applied_index: status.applied,
                answers: true,
            },
            None => Other { host, answers: false, ..before.unwrap_or_default() },
        }
    }
}
