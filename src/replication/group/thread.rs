//! The raft thread: what runs on it, and in which order it ends.

use super::{
    cluster::{ClusterOptions, Membership},
    reports, scripts,
};
use crate::{
    command::Table,
    commands::scripting::Killed,
    peer::Peers,
    replication::{
        consensus::{Barrier, RaftNode, RaftParts, Reader, wait_replicated},
        edge::{EdgeOptions, EdgeTasks, Feeding},
        membership::Admin,
        proposals::Batcher,
        pubsub::Publishing,
        queue::{NotDone, Queue},
        upkeep::{DiskWatch, Maintenance, ReadTeller, Timekeeper, Upgrade, tell_clock},
        wal::LogError,
    },
    resp::{ErrorReply, Reply},
    session::{CoreRequest, PubSub},
    state::ReplicationState,
};
use std::{
    path::PathBuf,
    sync::{Arc, atomic::AtomicBool},
    thread::JoinHandle,
    time::Duration,
};
use tokio::{
    sync::{mpsc, oneshot, watch},
    time::Instant,
};

/// Longest time for tasks to end once the raft core has stopped.
const END_MAX: Duration = Duration::from_secs(1);

/// A request to the raft thread.
pub enum Request {
    Snapshot(oneshot::Sender<Result<(), LogError>>),
    Core(CoreRequest, oneshot::Sender<Reply>),
    Replicated {
        wanted: u32,
        within: Duration,
        answer: oneshot::Sender<u32>,
    },
    StepDown(oneshot::Sender<()>),
    /// On the other nodes.
    KillScripts {
        of_functions: bool,
        answer: oneshot::Sender<Killed>,
    },
    /// What all nodes say of themselves.
    Reports {
        is_history: bool,
        answer: oneshot::Sender<Vec<reports::Told>>,
    },
    /// Takes this node out, although it leads.
    #[cfg(test)]
    RemoveLeader,
}

/// Reads that wait for permission: from the log's leader or, on an edge, from the core.
pub struct Reading {
    pub site: mpsc::Receiver<Reader>,
    pub core: mpsc::Receiver<Reader>,
}

/// The parts of the group that run on its raft thread.
pub struct RaftThread {
    pub node_id: u64,
    pub parts: RaftParts,
    pub batcher: Batcher,
    pub maintenance: Maintenance,
    pub timekeeper: Timekeeper,
    pub disk: DiskWatch,
    pub requests: mpsc::Receiver<Request>,
    pub reading: Reading,
    pub published: mpsc::Receiver<Publishing>,
    pub pubsub: Arc<PubSub>,
    pub queue: Arc<Queue>,
    pub group: u64,
    pub table: &'static Table,
    /// Whether the leader raises the feature level by itself.
    pub upgrades: bool,
    /// The directories of the group and of the node.
    pub home: PathBuf,
    pub data_directory: PathBuf,
    pub cluster: Option<ClusterOptions>,
    pub edge: Option<EdgeOptions>,
    /// Reports at the end whether everything has stopped.
    pub ending: watch::Sender<Option<bool>>,
}

impl RaftThread {
    pub fn run(self, started: &std::sync::mpsc::SyncSender<Result<(), LogError>>) {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .thread_name("raft-blocking")
            .max_blocking_threads(4)
            .build();
        let ending = self.ending.clone();
        let runtime = match runtime {
            Ok(runtime) => runtime,
            Err(error) => {
                let _ = started.send(Err(LogError::Raft(format!("cannot start a runtime: {error}"))));
                return;
            }
        };
        let apply_thread = runtime.block_on(self.serve(started));
        // The runtime's tasks hold the state machine, and that the apply thread's only sender.
        let ended = Instant::now();
        runtime.shutdown_timeout(END_MAX);
        let mut has_ended = ended.elapsed() < END_MAX;
        if let Some(thread) = apply_thread {
            // It may be in the middle of a long command; entries that are not applied are in the log.
            while !thread.is_finished() && ended.elapsed() < END_MAX {
                std::thread::sleep(Duration::from_millis(1));
            }
            has_ended &= thread.is_finished() && thread.join().is_ok();
        }
        ending.send_replace(Some(has_ended));
    }

    pub async fn serve(
        self,
        started: &std::sync::mpsc::SyncSender<Result<(), LogError>>,
    ) -> Option<JoinHandle<()>> {
        let (peers, state) = (Arc::clone(&self.parts.peers), Arc::clone(self.parts.state.state()));
        let (writer, in_flight) = (Arc::clone(&self.parts.state), Arc::clone(&self.parts.in_flight));
        let (store, log) = (Arc::clone(self.parts.replica.store()), Arc::clone(&self.parts.log));
        let snapshots = Arc::clone(&self.parts.snapshots);
        let bootstrap_snapshots = Arc::clone(&self.parts.bootstrap_snapshots);
        let (raft, apply_thread) = match RaftNode::start(self.parts).await {
            Ok(running) => running,
            Err(error) => {
                let _ = started.send(Err(error));
                return None;
            }
        };
        let (end_peers, ended) = oneshot::channel::<oneshot::Sender<()>>();
        let upgrade = Arc::new(Upgrade {
            raft: raft.clone(),
            peers: Arc::clone(&peers),
            state: Arc::clone(&state),
            store: Arc::clone(&store),
            node_id: self.node_id,
            is_automatic: self.upgrades,
            has_founded: AtomicBool::new(false),
        });
        let is_core = self.edge.is_none();
        let is_alone = self.cluster.as_ref().is_none_or(|cluster| cluster.is_alone);
        let directory = self.data_directory.clone();
        let (mut published, mut admin, mut broadcast) = (Some(self.published), None, None);
        let publishing = if self.edge.is_some() { None } else { published.take() };
        if let Some(options) = self.cluster {
            let feeding = self.edge.is_none().then(|| Feeding {
                log,
                store: Arc::clone(&store),
                snapshots,
                snapshots_directory: self.home.join("snapshot"),
                table: self.table,
            });
            let own = Membership {
                group: self.group,
                options,
                home: self.home,
                directory: self.data_directory,
                peers: Arc::clone(&peers),
                state: Arc::clone(&state),
                writer: Arc::clone(&writer),
                in_flight: Arc::clone(&in_flight),
                pubsub: Arc::clone(&self.pubsub),
                publishing,
                feeding,
                bootstrap_snapshots: Arc::clone(&bootstrap_snapshots),
                table: self.table,
                upgrade: Arc::clone(&upgrade),
            };
            let (started_admin, started_broadcast) = own.start(raft.clone(), Arc::clone(&self.queue), ended);
            (admin, broadcast) = (started_admin, Some(started_broadcast));
        } else {
            // Nobody is answered.
            drop(ended);
        }
        let edge = self.edge.map(|options| {
            let tasks = EdgeTasks {
                options,
                directory,
                raft: raft.clone(),
                state: Arc::clone(&state),
                peers: Arc::clone(&peers),
                store,
                pubsub: self.pubsub,
                queue: Arc::clone(&self.queue),
                bootstrap_snapshots,
                broadcast,
            };
            tasks.start(published, self.reading.core)
        });
        let reads = ReadTeller {
            store: Arc::clone(&upgrade.store),
            state: Arc::clone(&state),
            peers: Arc::clone(&peers),
        };
        let reads = tokio::spawn(reads.run());
        let barrier = Barrier { raft: raft.clone(), peers: Arc::clone(&peers), state: Arc::clone(&state) };
        let barrier = tokio::spawn(barrier.run(self.reading.site));
        let telling = tokio::spawn(raft.clone().tell_of_long_entries());
        let _ = started.send(Ok(()));
        let queue = self.queue;
        let (for_admin, raising) = (Arc::clone(&upgrade), is_core.then(|| Arc::clone(&upgrade)));
        let answering = Answers {
            node_id: self.node_id,
            raft: raft.clone(),
            peers,
            state: Arc::clone(&state),
            admin,
            upgrade: for_admin,
        };
        let requests = tokio::spawn(answering.run(self.requests, Arc::clone(&queue)));
        let maintenance = tokio::spawn(self.maintenance.run(raft.clone()));
        let timekeeper = tokio::spawn(self.timekeeper.run());
        let disk = tokio::spawn(self.disk.run(raft.clone()));
        let upgrading = raising.map(|upgrade| tokio::spawn(upgrade.run()));
        let serve = async {
            match edge {
                None => {
                    if is_alone {
                        upgrade.begin().await;
                    }
                    self.batcher.run(&raft).await
                }
                Some(edge) => edge.run().await,
            }
        };
        tokio::select! {
            () = serve => {}
            () = queue.overdue() => tracing::warn!(
                in_flight = in_flight.count(),
                "stopping: shutdown-timeout has expired; the outcome of writes in flight is unknown"
            ),
        }
        queue.refuse_all(&NotDone::Stopping);
        raft.stay_for_leader(queue.deadline().unwrap_or_else(Instant::now)).await;
        maintenance.abort();
        timekeeper.abort();
        disk.abort();
        if let Some(upgrading) = upgrading {
            upgrading.abort();
        }
        requests.abort();
        reads.abort();
        barrier.abort();
        telling.abort();
        // The others are answered first: what they hear nothing of, they cannot tell their clients.
        let (has_ended, peers_ended) = oneshot::channel();
        if end_peers.send(has_ended).is_ok() {
            let _ = peers_ended.await;
        }
        raft.shutdown().await;
        apply_thread
    }
}

/// Answers requests from the rest of the program.
struct Answers {
    node_id: u64,
    raft: RaftNode,
    peers: Arc<Peers>,
    state: Arc<ReplicationState>,
    /// `None`: this node is alone.
    admin: Option<Arc<Admin>>,
    upgrade: Arc<Upgrade>,
}

impl Answers {
    /// Answers until all handles are gone; then nothing can be proposed either. Callers may be gone meanwhile.
    async fn run(self, mut requests: mpsc::Receiver<Request>, queue: Arc<Queue>) {
        while let Some(request) = requests.recv().await {
            let raft = self.raft.clone();
            match request {
                Request::Snapshot(outcome) => drop(tokio::spawn(async move {
                    let _ = outcome.send(raft.snapshot().await);
                })),
                Request::StepDown(done) => drop(tokio::spawn(async move {
                    raft.step_down().await;
                    let _ = done.send(());
                })),
                #[cfg(test)]
                Request::RemoveLeader => drop(tokio::spawn(async move { raft.remove_itself().await })),
                Request::Core(request, outcome) => match self.admin.clone() {
                    Some(admin) => drop(tokio::spawn(async move {
                        let _ = outcome.send(admin.perform(request).await);
                    })),
                    None if matches!(request, CoreRequest::Clock { .. }) && !self.state.edge.is_edge() => {
                        let (state, queue) = (Arc::clone(&self.state), Arc::clone(&queue));
                        tokio::spawn(async move {
                            let _ = outcome.send(clock_of_one(&state, &queue, &request).await);
                        });
                    }
                    None if request == CoreRequest::FinishUpgrade && !self.state.edge.is_edge() => {
                        let upgrade = Arc::clone(&self.upgrade);
                        tokio::spawn(async move {
                            let _ = outcome.send(raised(upgrade.finish().await));
                        });
                    }
                    None => {
                        let text = "this node is alone (it was started without --cluster and --join)";
                        let _ = outcome.send(Reply::Error(ErrorReply::err(text)));
                    }
                },
                Request::KillScripts { of_functions, answer } => {
                    let (peers, own_id) = (Arc::clone(&self.peers), self.node_id);
                    tokio::spawn(async move {
                        let _ = answer.send(scripts::kill_elsewhere(raft, peers, own_id, of_functions).await);
                    });
                }
                Request::Reports { is_history, answer } => {
                    let (peers, state) = (Arc::clone(&self.peers), Arc::clone(&self.state));
                    let own_id = self.node_id;
                    tokio::spawn(async move {
                        let _ = answer.send(reports::collect(raft, peers, state, own_id, is_history).await);
                    });
                }
                Request::Replicated { wanted, within, answer } => {
                    let (peers, state) = (Arc::clone(&self.peers), Arc::clone(&self.state));
                    let index = state.acknowledged();
                    tokio::spawn(async move {
                        let have = wait_replicated(raft, peers, state, index, wanted, within).await;
                        let _ = answer.send(have);
                    });
                }
            }
        }
        queue.close();
    }
}

fn raised(outcome: Result<String, String>) -> Reply {
    outcome.map_or_else(|why| Reply::Error(ErrorReply::err(why)), Reply::simple)
}

/// CORE CLOCK of a node that is alone.
async fn clock_of_one(state: &ReplicationState, queue: &Queue, request: &CoreRequest) -> Reply {
    let step = *request == CoreRequest::Clock { step: true };
    match tell_clock(state, queue, step, 0, |_| "this node".to_owned()).await {
        Ok(told) => Reply::bulk(told.to_string()),
        Err(why) => Reply::Error(ErrorReply::err(why)),
    }
}
