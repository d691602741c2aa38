//! A core of several nodes: which they are, and how exactly one cluster comes of them.
//!
//! All nodes are started with the same list. The first of the list is the founder: once every node of the list answers
//! and none of them has a log, it tells each which cluster it is of (written down before the answer), and only then makes
//! the first entry of the log, the membership. Started again at any point it does the same with the same ids; a node that
//! is of another cluster, or has a log, stops it. The others wait to be told.

use super::{
    LogError,
    acquaintance::Acquaintance,
    admin::Admin,
    barrier::Barrier,
    broadcast::{Broadcast, Publishing},
    edge::{Feeding, SiteSeeds},
    join::{Admission, Joiner},
    leave::Leave,
    progress::Progress,
    queue::Queue,
    raft::{Answering, Peer, Peers, RaftNode, Service, VOTE_DELAY, wire},
    steward::Steward,
    stranger::Stranger,
    switches::tell_switches,
    verify::Verify,
};
use crate::{
    config::FeedSettings,
    fail,
    peer::{self, LocalIdentity},
    session::{ClusterIdentity, PubSub},
};
use parking_lot::RwLock;
use std::{
    collections::BTreeMap,
    net::TcpListener,
    path::PathBuf,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};
use tokio::sync::{mpsc, oneshot};

const ASK_INTERVAL: Duration = Duration::from_millis(200);
const ASK_MAX: Duration = Duration::from_secs(2);

/// Writes down which cluster (and history) this node is of; refuses another one than it has.
pub type Adopt = Arc<dyn Fn(&str, &str) -> Result<(), LogError> + Send + Sync>;

/// What a node of a core of several is started with.
pub struct ClusterOptions {
    /// Started without others: it founds a core of itself and lets nobody in, but it feeds edges.
    pub is_alone: bool,
    /// Names and peer addresses of all nodes that found a core, this one included; empty: it joins one.
    pub members: Vec<(String, String)>,
    /// Peer addresses of a core to join.
    pub join: Vec<String>,
    /// Whether it joins as a learner that stays one.
    pub standby: bool,
    /// Between two comparisons of all nodes' states; zero = never.
    pub verify_interval: Duration,
    /// Whether this node repairs itself when it finds damage.
    pub repair_damaged: bool,
    /// Which cluster it is of, kept current by `adopt`.
    pub cluster: Arc<RwLock<ClusterIdentity>>,
    pub identity: Arc<LocalIdentity>,
    /// What this node's directory says, or would found.
    pub cluster_id: String,
    pub history_id: String,
    pub adopt: Adopt,
    pub listener: TcpListener,
    /// Where this node's clients connect.
    pub client_port: u16,
    /// Empty: where other nodes reach it.
    pub client_host: String,
    /// How fast snapshots are fetched at most; 0 = no limit.
    pub snapshot_bytes_per_second: u64,
    /// Under which SENTINEL tells of the leader.
    pub master_name: String,
    /// What edges may have of this node.
    pub feed: FeedSettings,
}

/// See the module.
pub(super) struct Founder {
    pub(super) members: Vec<(String, String)>,
    pub(super) identity: Arc<LocalIdentity>,
    pub(super) cluster_id: String,
    pub(super) history_id: String,
    pub(super) adopt: Adopt,
    pub(super) peers: Arc<Peers>,
    pub(super) progress: Arc<Progress>,
}

impl Founder {
    /// Whether this node is the one that founds.
    pub(super) fn is_founder(&self) -> bool {
        self.members.first().is_some_and(|(name, _)| *name == self.identity.node_name)
    }

    /// Founds the cluster, however long the other nodes take to come.
    pub(super) async fn found(self, raft: RaftNode) -> Result<(), LogError> {
        let mut said = String::new();
        let waiting_for = &self.progress.status.waiting_for;
        loop {
            // Emptied, it is let in by the core that there is.
            let is_done = match raft.is_initialized().await? {
                true => Ok(()),
                false => self.try_once(&raft).await,
            };
            match is_done {
                Ok(()) => {
                    waiting_for.write().clear();
                    return Ok(());
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
                    "{name} at {address} is a node that has another name as well"
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

/// What a node of several runs beside its log: the side that answers other nodes, and the founding.
pub(super) struct Membership {
    pub(super) options: ClusterOptions,
    pub(super) directory: PathBuf,
    pub(super) peers: Arc<Peers>,
    pub(super) progress: Arc<Progress>,
    pub(super) pubsub: Arc<PubSub>,
    /// What clients of this node publish; `None`: it goes to the core.
    pub(super) publishing: Option<mpsc::Receiver<Publishing>>,
    /// What edges are fed from; `None`: this node is of an edge site itself.
    pub(super) feeding: Option<Feeding>,
    pub(super) site_seeds: Arc<SiteSeeds>,
}

impl Membership {
    /// Starts both on the current runtime, until `end` is dropped. A node that is alone has nothing to administrate.
    pub(super) fn start(
        self,
        raft: RaftNode,
        queue: Arc<Queue>,
        end: oneshot::Receiver<()>,
    ) -> (Option<Arc<Admin>>, Arc<Broadcast>) {
        let Membership { options, directory, peers, progress, pubsub, publishing, feeding, site_seeds } =
            self;
        let ClusterOptions {
            is_alone,
            members,
            join,
            standby,
            verify_interval,
            repair_damaged,
            cluster,
            identity,
            cluster_id,
            history_id,
            adopt,
            listener,
            client_port,
            client_host,
            snapshot_bytes_per_second,
            master_name,
            feed,
        } = options;
        let (host, peer_port) = identity.address.rsplit_once(':').unwrap_or_default();
        progress.status.own_peer_port.store(peer_port.parse().unwrap_or(0), Ordering::Relaxed);
        let host = if client_host.is_empty() { host.to_owned() } else { client_host.clone() };
        if !is_alone {
            progress.status.is_one_of_many.store(true, Ordering::Relaxed);
            *progress.status.own_clients.write() = (host, client_port);
            let (progress, pubsub) = (Arc::clone(&progress), Arc::clone(&pubsub));
            tokio::spawn(tell_switches(progress, pubsub, identity.node_id, master_name));
        }
        let stranger = Stranger {
            identity: Arc::clone(&identity),
            adopt: Arc::clone(&adopt),
            progress: Arc::clone(&progress),
            cluster: Arc::clone(&cluster),
            client_port,
            client_host,
        };
        let admission = Arc::new(Admission {
            raft: raft.clone(),
            peers: Arc::clone(&peers),
            progress: Arc::clone(&progress),
            cluster: Arc::clone(&cluster),
        });
        let leave = Arc::new(Leave::new(
            raft.clone(),
            Arc::clone(&peers),
            Arc::clone(&progress),
            Arc::clone(&identity),
            repair_damaged,
        ));
        tokio::spawn(Arc::clone(&leave).run());
        let admin = Arc::new(Admin {
            raft: raft.clone(),
            peers: Arc::clone(&peers),
            progress: Arc::clone(&progress),
            identity: Arc::clone(&identity),
            admission: Arc::clone(&admission),
            verify: Verify {
                raft: raft.clone(),
                peers: Arc::clone(&peers),
                progress: Arc::clone(&progress),
                queue: Arc::clone(&queue),
                identity: Arc::clone(&identity),
                leave: Arc::clone(&leave),
            },
            client_port,
        });
        // An edge site proposes nothing of its own.
        if verify_interval > Duration::ZERO && feeding.is_some() && !is_alone {
            let admin = Arc::clone(&admin);
            tokio::spawn(async move { admin.verify.run_now_and_then(verify_interval).await });
        }
        let steward =
            Steward { raft: raft.clone(), progress: Arc::clone(&progress), identity: Arc::clone(&identity) };
        let others = members.iter().filter(|(name, _)| *name != identity.node_name);
        let joiner = Joiner {
            contacts: others.map(|(_, address)| address.clone()).chain(join).collect(),
            identity: Arc::clone(&identity),
            standby,
            founds: members.first().is_some_and(|(name, _)| *name == identity.node_name),
            raft: raft.clone(),
            peers: Arc::clone(&peers),
            progress: Arc::clone(&progress),
        };
        if !is_alone {
            tokio::spawn(steward.run());
            tokio::spawn(joiner.run());
        }
        let broadcast = Arc::new(Broadcast::new(
            raft.clone(),
            Arc::clone(&peers),
            Arc::clone(&progress),
            Arc::clone(&identity),
            pubsub,
        ));
        if let Some(publishing) = publishing {
            tokio::spawn(Arc::clone(&broadcast).run(publishing));
        }
        if feeding.is_none() {
            tokio::spawn(Arc::clone(&site_seeds).keep_others(raft.clone(), identity.node_id));
        }
        let of = Arc::clone(&cluster);
        let upstream = feeding.map(|feeding| {
            let (broadcast, queue) = (Arc::clone(&broadcast), Arc::clone(&queue));
            let barrier =
                Barrier { raft: raft.clone(), peers: Arc::clone(&peers), progress: Arc::clone(&progress) };
            let name = identity.node_name.clone();
            Arc::new(feeding.upstream(feed, cluster, name, barrier, broadcast, queue))
        });
        let service = Service {
            is_alone,
            upstream,
            site_seeds,
            broadcast: Arc::clone(&broadcast),
            admission,
            admin: Arc::clone(&admin),
            raft: raft.clone(),
            queue,
            progress,
            stranger,
            peers: Arc::clone(&peers),
            snapshots: directory.join("snapshot"),
            snapshot_bytes_per_second,
            receiving: directory.join("received"),
            one_receives: Arc::default(),
            votes_from: tokio::time::Instant::now() + vote_delay(),
        };
        let acquaintance = Acquaintance {
            directory,
            cluster: of,
            members: members.iter().filter(|(name, _)| *name != identity.node_name).cloned().collect(),
            raft: raft.clone(),
            node_id: identity.node_id,
            identity: Arc::clone(&identity),
            peers: Arc::clone(&peers),
            progress: Arc::clone(&service.progress),
        };
        if !is_alone {
            tokio::spawn(acquaintance.run());
        }
        let progress = Arc::clone(&service.progress);
        let answering = Arc::new(Answering(Arc::new(service)));
        let founder = Founder {
            members,
            identity: Arc::clone(&identity),
            cluster_id,
            history_id,
            adopt,
            peers,
            progress,
        };
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
        ((!is_alone).then_some(admin), broadcast)
    }
}

fn vote_delay() -> Duration {
    #[cfg(test)]
    if crate::tests::stage::is_broken_by(crate::tests::stage::Mutant::VotesAtOnce) {
        return Duration::ZERO;
    }
    VOTE_DELAY
}
