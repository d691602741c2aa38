//! The log as the rest of the program uses it, and the raft thread behind it.

use super::{
    LogError,
    admin::Admin,
    barrier::{self, Barrier, Reader},
    batch::Batcher,
    broadcast::{self, Publishing},
    cluster::{ClusterOptions, Membership},
    fit::check_fit,
    forward::Forwarder,
    mailbox::Ticket,
    maintenance::Maintenance,
    progress::Progress,
    queue::{Queue, Refused},
    raft::{Peers, RaftNode, RaftParts, Snapshots},
    replicated,
    segment::{SegmentLog, SegmentOptions},
};
use crate::{
    command::Table,
    fail,
    peer::LocalIdentity,
    replica::Replica,
    resp::{ErrorReply, Reply},
    session::{Consistency, CoreRequest, LogStatus, PubSub, Publication, Stats},
    store::Store,
};
use bytes::Bytes;
use std::{
    path::PathBuf,
    sync::{Arc, atomic::Ordering},
    thread::JoinHandle,
    time::Duration,
};
use tokio::sync::{mpsc, oneshot, watch};

/// What a log is started with.
pub struct LogOptions {
    /// The node's data directory; the log goes to `log/` and snapshots to `snapshot/` in it.
    pub data_directory: PathBuf,
    pub node_id: u64,
    pub store: Arc<Store>,
    pub table: &'static Table,
    pub status: Arc<LogStatus>,
    pub pubsub: Arc<PubSub>,
    pub stats: Arc<Stats>,
    pub segments: SegmentOptions,
    /// Log kept on disk beyond what a restart needs, bytes.
    pub log_retain_bytes: u64,
    /// The other nodes; `None`: there are none.
    pub cluster: Option<ClusterOptions>,
}

/// A request to the raft thread.
enum Request {
    Snapshot(oneshot::Sender<Result<(), LogError>>),
    Core(CoreRequest, oneshot::Sender<Reply>),
    Replicated { wanted: u32, within: Duration, answer: oneshot::Sender<u32> },
    HandOver(oneshot::Sender<()>),
}

/// See the module. Clones are handles of the same log; when the last is dropped, it shuts down.
#[derive(Clone)]
pub struct LogHandle {
    queue: Arc<Queue>,
    progress: Arc<Progress>,
    stats: Arc<Stats>,
    requests: mpsc::Sender<Request>,
    readers: mpsc::Sender<Reader>,
    publishing: mpsc::Sender<Publishing>,
    ended: watch::Receiver<bool>,
}

impl LogHandle {
    /// Opens the log and starts its threads. Returns when the raft core runs; `wait_ready` says when it can serve.
    pub fn start(options: LogOptions) -> Result<Self, LogError> {
        let directory = options.data_directory.clone();
        let (handle, raft_thread) = Self::prepare(options)?;
        let (started, start) = std::sync::mpsc::sync_channel(1);
        std::thread::Builder::new()
            .name("raft".into())
            .spawn(move || {
                let _guard = fail::StopOnPanic("the raft thread");
                raft_thread.run(&started);
            })
            .map_err(LogError::io("start thread for", &directory))?;
        start.recv().map_err(|_| LogError::Raft("the raft thread ended at its start".into()))??;
        Ok(handle)
    }

    /// Opens the log; nothing runs yet but its writer.
    pub(super) fn prepare(options: LogOptions) -> Result<(Self, RaftThread), LogError> {
        let LogOptions {
            data_directory,
            node_id,
            store,
            table,
            status,
            pubsub,
            stats,
            segments,
            log_retain_bytes,
            cluster,
        } = options;
        let log = Arc::new(SegmentLog::open(&data_directory.join("log"), &segments)?);
        check_fit(&data_directory, &log, &store)?;
        let snapshots = Arc::new(Snapshots::open(&data_directory.join("snapshot"), Arc::clone(&store))?);
        let progress = Arc::new(Progress::new(Arc::clone(&status)));
        let queue = Arc::new(Queue::new());
        let (requests, received) = mpsc::channel(16);
        let (ending, ended) = watch::channel(false);
        let (publishing, published) = mpsc::channel(broadcast::PUBLISHING_MAX);
        let (readers, reading) = mpsc::channel(barrier::READERS_MAX);
        let alone = || Arc::new(LocalIdentity::new(node_id, String::new(), String::new(), None));
        let identity = cluster.as_ref().map_or_else(alone, |cluster| Arc::clone(&cluster.identity));
        let peers = Arc::new(Peers::new(identity));
        let forwarder = cluster.is_some().then(|| Forwarder {
            peers: Arc::clone(&peers),
            progress: Arc::clone(&progress),
            queue: Arc::clone(&queue),
        });
        let parts = RaftParts {
            node_id,
            log,
            replica: Replica::new(Arc::clone(&store), table),
            snapshots,
            progress: Arc::clone(&progress),
            peers: Arc::clone(&peers),
            is_one_of_many: cluster.is_some(),
        };
        let last_at = store.published().state().last_at;
        let raft_thread = RaftThread {
            parts,
            batcher: Batcher::new(Arc::clone(&queue), Arc::clone(&progress), forwarder, last_at),
            maintenance: Maintenance::new(
                store,
                Arc::clone(&progress),
                Arc::clone(&queue),
                Arc::clone(&stats),
                log_retain_bytes,
            ),
            requests: received,
            reading,
            published,
            pubsub,
            queue: Arc::clone(&queue),
            cluster: cluster.map(|options| (options, data_directory)),
            ending,
        };
        Ok((LogHandle { queue, progress, stats, requests, readers, publishing, ended }, raft_thread))
    }

    /// Queues a proposal; its outcome goes to the ticket's mailbox. `Err`: it was not and will not be done.
    pub fn submit(&self, proposal: Bytes, ticket: Ticket) -> Result<(), Refused> {
        let taken = self.queue.submit(proposal, ticket);
        if taken.is_err() {
            Stats::add(&self.stats.proposals_refused, 1);
        }
        taken
    }

    /// Whether a read of the store now is linearizable.
    pub fn can_read(&self) -> bool {
        self.progress.can_read()
    }

    /// Waits until the store is as current as a read wants it; an error says that it will not be for now.
    pub async fn barrier(&self, consistency: Consistency) -> Result<(), ErrorReply> {
        let enough = match consistency {
            Consistency::Local => true,
            Consistency::Session => self.progress.has_applied_own_writes(),
            Consistency::Bounded(ms) => self.progress.heard_within(ms),
            Consistency::Linearizable => false,
        };
        if (enough && !self.is_removed()) || self.can_read() {
            return Ok(());
        }
        if self.is_removed() && consistency != Consistency::Local {
            return Err(ErrorReply::new("CLUSTERDOWN", "this node was removed from the core"));
        }
        let stopping = || ErrorReply::new("CLUSTERDOWN", "this node is stopping");
        let (reader, outcome) = oneshot::channel();
        self.readers.send(reader).await.map_err(|_| stopping())?;
        outcome.await.unwrap_or_else(|_| Err(stopping()))
    }

    fn is_removed(&self) -> bool {
        self.progress.status.is_removed.load(Ordering::Relaxed)
    }

    /// Hands a message to whoever listens on any node; says to how many, or why it was not done.
    pub async fn publish(&self, message: Publication) -> Result<u64, ErrorReply> {
        let stopping = || ErrorReply::new("CLUSTERDOWN", "this node is stopping");
        let (answer, outcome) = oneshot::channel();
        self.publishing.send((message, answer)).await.map_err(|_| stopping())?;
        outcome.await.unwrap_or_else(|_| Err(stopping()))
    }

    /// Does what an administrator asks, here or at the leader.
    pub async fn core(&self, request: CoreRequest) -> Reply {
        let stopping = || Reply::Error(ErrorReply::new("CLUSTERDOWN", "this node is stopping"));
        let (answer, outcome) = oneshot::channel();
        if self.requests.send(Request::Core(request, answer)).await.is_err() {
            return stopping();
        }
        outcome.await.unwrap_or_else(|_| stopping())
    }

    /// Waits until `wanted` other nodes have on disk all that this one has acknowledged, or the time is up; says how many.
    pub async fn replicated(&self, wanted: u32, within: Duration) -> u32 {
        if !self.progress.status.is_one_of_many.load(Ordering::Relaxed) {
            return 0;
        }
        let (answer, outcome) = oneshot::channel();
        match self.requests.send(Request::Replicated { wanted, within, answer }).await {
            Ok(()) => outcome.await.unwrap_or(0),
            Err(_) => 0,
        }
    }

    /// Waits until this node can serve.
    pub async fn wait_ready(&self) {
        self.progress.wait_ready().await;
    }

    /// What the log says about itself.
    pub fn status(&self) -> &LogStatus {
        &self.progress.status
    }

    /// Makes a snapshot of everything applied so far.
    pub async fn snapshot(&self) -> Result<(), LogError> {
        let ended = || LogError::Raft("the log has stopped".into());
        let (answer, outcome) = oneshot::channel();
        self.requests.send(Request::Snapshot(answer)).await.map_err(|_| ended())?;
        outcome.await.map_err(|_| ended())?
    }

    /// Lets another node lead, if this one does and there is another. Writes go on meanwhile: they are forwarded.
    pub async fn hand_over(&self) {
        let (answer, done) = oneshot::channel();
        // An error means that the log has stopped: then it does not lead.
        if self.progress.is_leader() && self.requests.send(Request::HandOver(answer)).await.is_ok() {
            let _ = done.await;
        }
    }

    /// Refuses new proposals, waits until those queued have their outcomes, stops all threads and closes the files.
    pub async fn shutdown(&self) {
        self.queue.close();
        let mut ended = self.ended.clone();
        // An error means that the thread is gone, which is what we wait for.
        let _ = ended.wait_for(|ended| *ended).await;
    }
}

/// What runs on the raft thread.
pub(super) struct RaftThread {
    pub(super) parts: RaftParts,
    batcher: Batcher,
    maintenance: Maintenance,
    requests: mpsc::Receiver<Request>,
    reading: mpsc::Receiver<Reader>,
    published: mpsc::Receiver<Publishing>,
    pubsub: Arc<PubSub>,
    queue: Arc<Queue>,
    /// And the data directory.
    cluster: Option<(ClusterOptions, PathBuf)>,
    /// Told at the end.
    ending: watch::Sender<bool>,
}

impl RaftThread {
    fn run(self, started: &std::sync::mpsc::SyncSender<Result<(), LogError>>) {
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
        drop(runtime);
        if let Some(thread) = apply_thread {
            let _ = thread.join();
        }
        let _ = ending.send(true);
    }

    pub(super) async fn serve(
        self,
        started: &std::sync::mpsc::SyncSender<Result<(), LogError>>,
    ) -> Option<JoinHandle<()>> {
        let (peers, progress) = (Arc::clone(&self.parts.peers), Arc::clone(&self.parts.progress));
        let (raft, apply_thread) = match RaftNode::start(self.parts).await {
            Ok(running) => running,
            Err(error) => {
                let _ = started.send(Err(error));
                return None;
            }
        };
        let (end_peers, ended) = oneshot::channel::<()>();
        let mut admin = None;
        if let Some((options, directory)) = self.cluster {
            let own = Membership {
                options,
                directory,
                peers: Arc::clone(&peers),
                progress: Arc::clone(&progress),
                pubsub: self.pubsub,
                publishing: self.published,
            };
            admin = Some(own.start(raft.clone(), Arc::clone(&self.queue), ended));
        }
        let barrier =
            Barrier { raft: raft.clone(), peers: Arc::clone(&peers), progress: Arc::clone(&progress) };
        let barrier = tokio::spawn(barrier.run(self.reading));
        let _ = started.send(Ok(()));
        let answering = Answers { raft: raft.clone(), peers, progress, admin };
        let requests = tokio::spawn(answering.run(self.requests, self.queue));
        let maintenance = tokio::spawn(self.maintenance.run(raft.clone()));
        self.batcher.run(&raft).await;
        maintenance.abort();
        requests.abort();
        barrier.abort();
        drop(end_peers);
        raft.shutdown().await;
        apply_thread
    }
}

/// What answers requests of the rest of the program.
struct Answers {
    raft: RaftNode,
    peers: Arc<Peers>,
    progress: Arc<Progress>,
    /// `None`: this node is alone.
    admin: Option<Arc<Admin>>,
}

impl Answers {
    /// Answers until all handles are gone; then nobody can propose either. Whoever asked may have gone meanwhile.
    async fn run(self, mut requests: mpsc::Receiver<Request>, queue: Arc<Queue>) {
        while let Some(request) = requests.recv().await {
            let raft = self.raft.clone();
            match request {
                Request::Snapshot(outcome) => drop(tokio::spawn(async move {
                    let _ = outcome.send(raft.snapshot().await);
                })),
                Request::HandOver(done) => drop(tokio::spawn(async move {
                    raft.hand_over().await;
                    let _ = done.send(());
                })),
                Request::Core(request, outcome) => match self.admin.clone() {
                    Some(admin) => drop(tokio::spawn(async move {
                        let _ = outcome.send(admin.perform(request).await);
                    })),
                    None => {
                        let text = "this node is alone (it was started without --cluster and --join)";
                        let _ = outcome.send(Reply::Error(ErrorReply::err(text)));
                    }
                },
                Request::Replicated { wanted, within, answer } => {
                    let (peers, progress) = (Arc::clone(&self.peers), Arc::clone(&self.progress));
                    let index = progress.acknowledged();
                    tokio::spawn(async move {
                        let have = replicated::wait(raft, peers, progress, index, wanted, within).await;
                        let _ = answer.send(have);
                    });
                }
            }
        }
        queue.close();
    }
}
