//! The log as the rest of the program uses it, and the raft thread behind it.

use super::{
    options::GroupOptions,
    thread::{RaftThread, Reading, Request},
};
use crate::{
    fail,
    peer::{Connections, FIRST_GROUP, LocalIdentity, Peers},
    replica::Replica,
    replication::{
        consensus::{READERS_MAX, RaftParts, Reader, WAIT_MAX, down},
        directory::{bind_log, open_group},
        proposals::{Batcher, Forwarder},
        pubsub::{PUBLISHING_MAX, Publishing},
        queue::{InFlight, NotDone, Queue, Ticket},
        snapshots::{BootstrapSnapshots, Snapshots, open_directory},
        upkeep::{DiskWatch, Maintenance, Timekeeper, begin_log_time},
        wal::{LogError, SegmentLog, check_consistency},
    },
    resp::{ErrorReply, Reply},
    session::{Consistency, CoreRequest, Group, Publication, Session, Stats},
    state::ReplicationState,
    store::Store,
};
use bytes::Bytes;
use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};
use tokio::sync::{mpsc, oneshot, watch};

/// A group: store, replica, consensus and proposals behind one handle. Clones are handles of the same group; when the last is
/// dropped, it shuts down.
#[derive(Clone)]
pub struct GroupHandle {
    pub(super) group: Arc<Group>,
    log: Arc<SegmentLog>,
    snapshots: Arc<Snapshots>,
    pub(super) queue: Arc<Queue>,
    stats: Arc<Stats>,
    pub(super) requests: mpsc::Sender<Request>,
    readers: mpsc::Sender<Reader>,
    core_readers: mpsc::Sender<Reader>,
    publishing: mpsc::Sender<Publishing>,
    pub(super) ended: watch::Receiver<Option<bool>>,
}

impl GroupHandle {
    /// Opens the log and starts its threads. Returns when the raft core runs; `wait_ready` waits until it can serve.
    pub fn start(options: GroupOptions) -> Result<Self, LogError> {
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
    pub fn prepare(options: GroupOptions) -> Result<(Self, RaftThread), LogError> {
        let GroupOptions {
            group,
            data_directory,
            connections,
            node_id,
            table,
            writer,
            pubsub,
            stats,
            observer,
            segments,
            retention,
            cluster,
            edge,
            upgrades,
            lost_store,
        } = options;
        let home = open_group(group.state.environment(), &data_directory, group.id)?;
        let (store, state) = (Arc::clone(&group.store), Arc::clone(&group.state));
        let log = Arc::new(SegmentLog::open(&home.join("log"), &segments)?);
        log.watch_latency(&state.latency);
        if group.id == FIRST_GROUP {
            bind_log(&data_directory, &log.id())?;
        }
        if let Some(lost_store) = lost_store {
            lost_store.restore(&home, &log, &store)?;
        }
        check_consistency(&home, &log, &store)?;
        let has_data = store.applied().is_some() && state.was_member.load(Ordering::Relaxed);
        state.begins_anew.store(edge.is_none() && !has_data, Ordering::Relaxed);
        let snapshots = Arc::new(Snapshots::open(&home.join("snapshot"), Arc::clone(&store))?);
        snapshots.watch_latency(&state.latency);
        begin_log_time(&state, &home, store.published().state().last_at);
        let queue = Arc::new(Queue::new(Arc::clone(&state)));
        let in_flight = Arc::new(InFlight::new(Arc::clone(&state)));
        let (requests, received) = mpsc::channel(16);
        let (ending, ended) = watch::channel(None);
        let (publishing, published) = mpsc::channel(PUBLISHING_MAX);
        let (readers, reading) = mpsc::channel(READERS_MAX);
        let (core_readers, core_reading) = mpsc::channel(READERS_MAX);
        if let Some(edge) = &edge {
            begin_as_edge(&state, &store, &log, edge.is_partial);
        }
        let alone = || Arc::new(LocalIdentity::new(node_id, String::new(), String::new(), None));
        let identity = cluster.as_ref().map(|cluster| &cluster.identity);
        let identity = identity.or(edge.as_ref().map(|edge| &edge.identity)).map_or_else(alone, Arc::clone);
        let connections = connections.unwrap_or_else(|| Connections::new(identity));
        let peers = Arc::new(Peers::of_group(group.id, connections));
        let is_one_of_many = cluster.as_ref().is_some_and(|cluster| !cluster.is_alone);
        let forwarder = is_one_of_many.then(|| Forwarder {
            peers: Arc::clone(&peers),
            state: Arc::clone(&state),
            in_flight: Arc::clone(&in_flight),
            queue: Arc::clone(&queue),
        });
        let bootstrap_snapshots = BootstrapSnapshots::new(
            Arc::clone(&peers),
            Arc::clone(&state),
            Arc::clone(&log),
            Arc::clone(&snapshots),
            open_directory(&home).map_err(LogError::io("rename the bootstrap snapshots in", &home))?,
        );
        let (its_log, its_snapshots) = (Arc::clone(&log), Arc::clone(&snapshots));
        let parts = RaftParts {
            node_id,
            log,
            replica: Replica::of_log(Arc::clone(&store), table, edge.is_some(), observer),
            bootstrap_snapshots: Arc::new(bootstrap_snapshots),
            snapshots,
            state: writer,
            in_flight: Arc::clone(&in_flight),
            peers: Arc::clone(&peers),
            is_one_of_many,
        };
        let raft_thread = RaftThread {
            node_id,
            parts,
            batcher: Batcher::new(
                Arc::clone(&queue),
                Arc::clone(&state),
                Arc::clone(&store),
                in_flight,
                forwarder,
            ),
            maintenance: Maintenance::new(
                Arc::clone(&store),
                Arc::clone(&state),
                Arc::clone(&queue),
                Arc::clone(&stats),
                retention,
            )
            .without_sweeps(edge.is_some()),
            disk: DiskWatch { store: Arc::clone(&store), state: Arc::clone(&state), retention },
            timekeeper: Timekeeper::new(Arc::clone(&state), home.clone()),
            requests: received,
            reading: Reading { site: reading, core: core_reading },
            published,
            pubsub,
            queue: Arc::clone(&queue),
            group: group.id,
            table,
            upgrades,
            home,
            data_directory,
            cluster,
            edge,
            ending,
        };
        let handle = GroupHandle {
            group,
            log: its_log,
            snapshots: its_snapshots,
            queue,
            stats,
            requests,
            readers,
            core_readers,
            publishing,
            ended,
        };
        Ok((handle, raft_thread))
    }

    /// The id of the group.
    pub fn group(&self) -> u64 {
        self.group.id
    }

    /// The data of the group.
    pub fn store(&self) -> &Arc<Store> {
        &self.group.store
    }

    /// The log of the group, to be read.
    pub fn log(&self) -> &Arc<SegmentLog> {
        &self.log
    }

    /// The snapshots of the group, to be read.
    pub fn snapshots(&self) -> &Arc<Snapshots> {
        &self.snapshots
    }

    /// Queues a proposal; its outcome goes to the ticket's mailbox. `Err`: it was not and will not be done.
    pub fn submit(&self, proposal: Bytes, ticket: Ticket) -> Result<(), NotDone> {
        let taken = self.queue.submit(proposal, ticket);
        if taken.is_err() {
            Stats::add(&self.stats.proposals_refused, 1);
        }
        taken
    }

    /// Whether a read of the store now is linearizable.
    pub fn can_read(&self) -> bool {
        self.group.state.can_read()
    }

    /// Waits until the store is as current as a read needs; an error means that it will not be for now. If the leader was
    /// asked, the read is as of the returned log time (ms); 0: as of now.
    pub async fn barrier(&self, consistency: Consistency) -> Result<u64, ErrorReply> {
        let enough = match consistency {
            Consistency::Local => true,
            Consistency::Session => self.group.state.has_applied_own_writes(),
            Consistency::Bounded(ms) => self.group.state.heard_within(ms),
            Consistency::Linearizable | Consistency::Core => false,
        };
        if (enough && !self.is_removed()) || self.can_read() {
            return Ok(0);
        }
        if self.group.state.is_member_no_more() && consistency != Consistency::Local {
            return Err(ErrorReply::removed_from_core());
        }
        if self.group.state.knows_all() {
            // Another node may have applied an entry a moment before this one does.
            let applied = self.group.state.wait_applied(self.group.state.announced_index());
            let applied = tokio::time::timeout(WAIT_MAX, applied).await;
            return applied.map(|()| 0).map_err(|_| down("this node is slow to apply its log"));
        }
        ask(&self.readers).await
    }

    /// On an edge: waits until the store has all that the core had when it was asked; returns the log time (ms) of its
    /// answer.
    pub async fn core_barrier(&self) -> Result<u64, ErrorReply> {
        ask(&self.core_readers).await
    }

    /// Waits until this entry of the core is applied; false: the time is up.
    pub async fn wait_core(&self, index: u64, within: Duration) -> bool {
        tokio::time::timeout(within, self.group.state.wait_core(index)).await.is_ok()
    }

    /// Whether the data have all that this connection wrote to the group.
    pub fn has_writes_of(&self, session: &Session) -> bool {
        session.wrote(self.group()) <= self.group.state.edge.core_index.load(Ordering::SeqCst)
    }

    /// Waits until they do; false: they do not in that time.
    pub async fn wait_for_writes_of(&self, session: &Session, within: Duration) -> bool {
        self.wait_core(session.wrote(self.group()), within).await
    }

    /// On an edge: the core has taken writes of this connection, all that this node has forwarded until now.
    pub fn note_writes_of(&self, session: &mut Session) {
        let state = &self.group.state;
        if state.edge.is_edge() {
            let own = session.of_group(self.group());
            own.wrote = own.wrote.max(state.forwarded_index());
        }
    }

    /// An entry of the core's log that is not before any write that this node has acknowledged.
    pub fn acknowledged(&self) -> u64 {
        self.group.state.acknowledged()
    }

    fn is_removed(&self) -> bool {
        self.group.state.is_removed.load(Ordering::Relaxed)
    }

    /// Sends a message to the subscribers on all nodes; returns their number, or the reason of a failure.
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

    /// Waits until `wanted` other nodes have all acknowledged writes of this node on disk, or the time is up; returns their
    /// number.
    pub async fn replicated(&self, wanted: u32, within: Duration) -> u32 {
        // Writes acknowledged at an edge are on the core's disks.
        if !self.group.state.is_one_of_many.load(Ordering::Relaxed) || self.group.state.edge.is_edge() {
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
        self.group.state.wait_ready().await;
    }

    /// The replication state of the group.
    pub fn state(&self) -> &Arc<ReplicationState> {
        &self.group.state
    }

    /// Makes a snapshot of everything applied so far.
    pub async fn snapshot(&self) -> Result<(), LogError> {
        let ended = || LogError::Raft("the log has stopped".into());
        let (answer, outcome) = oneshot::channel();
        self.requests.send(Request::Snapshot(answer)).await.map_err(|_| ended())?;
        outcome.await.map_err(|_| ended())?
    }
}

/// Waits for permission to read.
async fn ask(readers: &mpsc::Sender<Reader>) -> Result<u64, ErrorReply> {
    let stopping = || ErrorReply::new("CLUSTERDOWN", "this node is stopping");
    let (reader, outcome) = oneshot::channel();
    readers.send(reader).await.map_err(|_| stopping())?;
    outcome.await.unwrap_or_else(|_| Err(stopping()))
}

/// An edge that ever had all data serves what it has from the start, however old. Entries that are only in its log become
/// visible once they are applied.
fn begin_as_edge(state: &ReplicationState, store: &Store, log: &SegmentLog, is_partial: bool) {
    let (published, edge) = (store.published(), &state.edge);
    let was_whole = !is_partial && log.state().1.is_some();
    edge.is_edge.store(true, Ordering::Relaxed);
    edge.was_whole.store(was_whole, Ordering::Relaxed);
    if is_partial {
        edge.answer_once_noted();
    }
    if published.site().is_some_and(|site| !site.history.is_empty()) {
        let index = published.state().applied.map_or(0, |applied| applied.index);
        edge.stand_at(index);
        if was_whole {
            edge.set_goal(index);
        }
    }
}
