//! Options and tasks of a node in a core of several nodes.

use super::service::{Answering, Service};
use crate::{
    command::Table,
    config::FeedSettings,
    fail,
    peer::{self, Groups, LocalIdentity, Peers},
    replication::{
        consensus::{Barrier, RaftNode, RaftService},
        directory::Adopt,
        edge::{self, Feeding},
        membership::{
            Admin, Admission, BootstrapService, Founder, Joiner, MembershipController, PeerStatusPoller,
        },
        pubsub::{Broadcast, Publishing, tell_switches},
        queue::{InFlight, Queue},
        snapshots::BootstrapSnapshots,
        upkeep::Upgrade,
        verify::{Leave, Verify},
    },
    session::{ClusterIdentity, PubSub},
    state::{ClientPorts, ReplicationState, StateWriter},
};
use parking_lot::RwLock;
use std::{
    net::TcpListener,
    path::PathBuf,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};
use tokio::sync::{mpsc, oneshot};

/// The start options of a node in a core of several nodes.
pub struct ClusterOptions {
    /// Runs alone: it founds a core of itself and admits no node, but it feeds edges.
    pub is_alone: bool,
    /// Names and peer addresses of all nodes that found a core, this one included; empty: it joins one.
    pub members: Vec<(String, String)>,
    /// Peer addresses of a core to join.
    pub join: Vec<String>,
    /// Whether it joins as a learner that stays one.
    pub standby: bool,
    /// Between two comparisons of the sums that all nodes keep; zero = never.
    pub compare_interval: Duration,
    /// Between two comparisons of all nodes' data; zero = never.
    pub verify_interval: Duration,
    /// How fast to read them; 0 = no limit.
    pub verify_bytes_per_second: u64,
    /// Whether this node repairs itself when it finds damage.
    pub repair_damaged: bool,
    /// Its cluster, kept current by `adopt`.
    pub cluster: Arc<RwLock<ClusterIdentity>>,
    pub identity: Arc<LocalIdentity>,
    /// The cluster id in this node's directory, or the one it would found.
    pub cluster_id: String,
    pub history_id: String,
    pub adopt: Adopt,
    /// The groups that this node serves on its peer port.
    pub groups: Arc<Groups>,
    /// The listener, which one group serves for all; `None`: another group does.
    pub listener: Option<TcpListener>,
    /// The client ports of this node.
    pub client_ports: ClientPorts,
    /// Empty: where other nodes reach it.
    pub client_host: String,
    /// Bytes per second at which to fetch snapshots; 0 = no limit.
    pub snapshot_bytes_per_second: u64,
    /// The master name that SENTINEL reports.
    pub master_name: String,
    /// Limits on edges of this node.
    pub feed: FeedSettings,
}

/// The tasks of a node in a core of several, beside its log: service for other nodes, and founding.
pub struct Membership {
    pub group: u64,
    pub options: ClusterOptions,
    /// The directories of the group and of the node.
    pub home: PathBuf,
    pub directory: PathBuf,
    pub peers: Arc<Peers>,
    pub state: Arc<ReplicationState>,
    pub writer: Arc<StateWriter>,
    pub in_flight: Arc<InFlight>,
    pub pubsub: Arc<PubSub>,
    /// Messages published by this node's clients; `None`: they go to the core.
    pub publishing: Option<mpsc::Receiver<Publishing>>,
    /// The source of edge feeds; `None`: this is an edge node itself.
    pub feeding: Option<Feeding>,
    pub bootstrap_snapshots: Arc<BootstrapSnapshots>,
    pub table: &'static Table,
    pub upgrade: Arc<Upgrade>,
}

impl Membership {
    /// Starts both on the current runtime, until `end` is dropped. A node that is alone has nothing to administrate.
    pub fn start(
        self,
        raft: RaftNode,
        queue: Arc<Queue>,
        end: oneshot::Receiver<oneshot::Sender<()>>,
    ) -> (Option<Arc<Admin>>, Arc<Broadcast>) {
        let Membership {
            group,
            options,
            home,
            directory,
            peers,
            state,
            writer,
            in_flight,
            pubsub,
            publishing,
            feeding,
            bootstrap_snapshots,
            table,
            upgrade,
        } = self;
        let ClusterOptions {
            is_alone,
            members,
            join,
            standby,
            compare_interval,
            verify_interval,
            verify_bytes_per_second,
            repair_damaged,
            cluster,
            identity,
            cluster_id,
            history_id,
            adopt,
            groups,
            listener,
            client_ports,
            client_host,
            snapshot_bytes_per_second,
            master_name,
            feed,
        } = options;
        let (host, peer_port) = identity.address.rsplit_once(':').unwrap_or_default();
        state.own_peer_port.store(peer_port.parse().unwrap_or(0), Ordering::Relaxed);
        let host = if client_host.is_empty() { host.to_owned() } else { client_host.clone() };
        if !is_alone {
            state.is_one_of_many.store(true, Ordering::Relaxed);
            *state.own_clients.write() = (host, client_ports);
            let (state, pubsub) = (Arc::clone(&state), Arc::clone(&pubsub));
            tokio::spawn(tell_switches(state, pubsub, identity.node_id, master_name));
        }
        let bootstrap = BootstrapService {
            identity: Arc::clone(&identity),
            adopt: Arc::clone(&adopt),
            state: Arc::clone(&state),
            in_flight,
            cluster: Arc::clone(&cluster),
            client_ports,
            client_host,
        };
        let admission = Arc::new(Admission {
            raft: raft.clone(),
            peers: Arc::clone(&peers),
            state: Arc::clone(&state),
            cluster: Arc::clone(&cluster),
        });
        let leave = Arc::new(Leave::new(
            raft.clone(),
            Arc::clone(&peers),
            Arc::clone(&state),
            Arc::clone(&identity),
            repair_damaged,
        ));
        tokio::spawn(Arc::clone(&leave).run());
        let admin = Arc::new(Admin {
            raft: raft.clone(),
            peers: Arc::clone(&peers),
            state: Arc::clone(&state),
            identity: Arc::clone(&identity),
            admission: Arc::clone(&admission),
            verify: Verify {
                raft: raft.clone(),
                peers: Arc::clone(&peers),
                state: Arc::clone(&state),
                queue: Arc::clone(&queue),
                identity: Arc::clone(&identity),
                leave: Arc::clone(&leave),
            },
            upgrade: Arc::clone(&upgrade),
            client_ports,
        });
        state.checksums.bytes_per_second.store(verify_bytes_per_second, Ordering::Relaxed);
        if compare_interval > Duration::ZERO && feeding.is_some() {
            let admin = Arc::clone(&admin);
            tokio::spawn(async move { admin.verify.compare_sums_every(compare_interval).await });
        }
        // An edge site compares itself with the core, as its feed says.
        if verify_interval > Duration::ZERO && feeding.is_some() && !is_alone {
            let admin = Arc::clone(&admin);
            tokio::spawn(async move { admin.verify.run_now_and_then(verify_interval).await });
        }
        let controller = MembershipController {
            raft: raft.clone(),
            state: Arc::clone(&state),
            identity: Arc::clone(&identity),
        };
        let others = members.iter().filter(|(name, _)| *name != identity.node_name);
        let joiner = Joiner {
            contacts: others.map(|(_, address)| address.clone()).chain(join).collect(),
            identity: Arc::clone(&identity),
            standby,
            founds: members.first().is_some_and(|(name, _)| *name == identity.node_name),
            raft: raft.clone(),
            peers: Arc::clone(&peers),
            state: Arc::clone(&state),
        };
        if !is_alone {
            tokio::spawn(controller.run());
            tokio::spawn(joiner.run());
        }
        let broadcast = Arc::new(Broadcast::new(
            raft.clone(),
            Arc::clone(&peers),
            Arc::clone(&state),
            Arc::clone(&identity),
            pubsub,
        ));
        if let Some(publishing) = publishing {
            tokio::spawn(Arc::clone(&broadcast).run(publishing));
        }
        if feeding.is_none() {
            tokio::spawn(edge::keep_others(Arc::clone(&bootstrap_snapshots), raft.clone(), identity.node_id));
        }
        let of = Arc::clone(&cluster);
        let upstream = feeding.map(|feeding| {
            let (broadcast, queue) = (Arc::clone(&broadcast), Arc::clone(&queue));
            let barrier =
                Barrier { raft: raft.clone(), peers: Arc::clone(&peers), state: Arc::clone(&state) };
            let name = identity.node_name.clone();
            Arc::new(feeding.upstream(feed, cluster, name, barrier, broadcast, queue))
        });
        let raft_service = RaftService::new(
            raft.clone(),
            Arc::clone(&peers),
            writer,
            identity.node_id,
            snapshot_bytes_per_second,
            home.join("received"),
        );
        let service = Service {
            is_alone,
            upstream,
            bootstrap_snapshots,
            broadcast: Arc::clone(&broadcast),
            admission,
            admin: Arc::clone(&admin),
            raft: raft.clone(),
            store: Arc::clone(&upgrade.store),
            queue,
            table,
            state,
            bootstrap,
            raft_service: Arc::new(raft_service),
            snapshots: home.join("snapshot"),
        };
        let peer_status = PeerStatusPoller {
            directory,
            cluster: of,
            members: members.iter().filter(|(name, _)| *name != identity.node_name).cloned().collect(),
            raft: raft.clone(),
            node_id: identity.node_id,
            identity: Arc::clone(&identity),
            peers: Arc::clone(&peers),
            state: Arc::clone(&service.state),
        };
        if !is_alone {
            tokio::spawn(peer_status.run());
        }
        let state = Arc::clone(&service.state);
        let answering = Arc::new(Answering(Arc::new(service)));
        let founder =
            Founder { members, identity: Arc::clone(&identity), cluster_id, history_id, adopt, peers, state };
        groups.add(group, answering);
        tokio::spawn(async move {
            let mut has_ended = None;
            let ended = async {
                has_ended = end.await.ok();
            };
            let served = match listener {
                Some(listener) => peer::serve(listener, identity, Arc::clone(&groups), ended).await,
                None => {
                    ended.await;
                    Ok(())
                }
            };
            groups.remove(group);
            drop(has_ended);
            if let Err(error) = served {
                fail::stop_the_process(&format!("cannot answer other nodes: {error}"));
            }
        });
        tokio::spawn(async move {
            let is_new = raft.is_initialized().await.is_ok_and(|initialized| !initialized);
            if !is_new || !founder.is_founder() {
                return;
            }
            match founder.found(raft).await {
                Ok(has_founded) => upgrade.has_founded.store(has_founded, Ordering::Relaxed),
                Err(error) => fail::stop_the_process(&format!("cannot found the cluster: {error}")),
            }
        });
        ((!is_alone).then_some(admin), broadcast)
    }
}
