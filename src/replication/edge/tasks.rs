//! The tasks of an edge node beside its site's Raft group: following the core, and its clients' calls to the core.

use super::{
    core_nodes::CoreNodes, follow::Follower, forward::Writes, options::EdgeOptions, upstreams::Upstreams,
};
use crate::{
    peer::{CallError, Peers},
    replication::{
        consensus::{RaftNode, Reader},
        directory::become_whole,
        pubsub::{Broadcast, Publishing},
        queue::Queue,
        snapshots::BootstrapSnapshots,
        wal::blocking,
        wire::{Publish, PublishAnswer, ReadIndex, edge_kind, publication_to_wire, read, write},
    },
    resp::ErrorReply,
    session::PubSub,
    state::ReplicationState,
    store::Store,
};
use bytes::Bytes;
use parking_lot::Mutex;
use std::{path::PathBuf, sync::Arc, time::Duration};
use tokio::{sync::mpsc, task::JoinHandle, time::Instant};

/// Longest time for a read to get its read index from the core and for the site to reach it.
const READ_MAX: Duration = Duration::from_secs(5);
const ASK_MAX: Duration = Duration::from_secs(2);
/// Longest time for the core to order a message.
const PUBLISH_MAX: Duration = Duration::from_secs(5);
const BATCH_MESSAGES_MAX: usize = 256;
const BATCH_BYTES_MAX: usize = 1 << 20;
const NOTE_RETRY_INTERVAL: Duration = Duration::from_secs(5);

/// The tasks.
pub struct EdgeTasks {
    pub options: EdgeOptions,
    /// The data directory.
    pub directory: PathBuf,
    pub raft: RaftNode,
    pub state: Arc<ReplicationState>,
    pub peers: Arc<Peers>,
    pub store: Arc<Store>,
    pub pubsub: Arc<PubSub>,
    pub queue: Arc<Queue>,
    pub bootstrap_snapshots: Arc<BootstrapSnapshots>,
    pub broadcast: Option<Arc<Broadcast>>,
}

/// They run until this is run to its end.
pub struct Running {
    writes: Writes,
    others: Vec<JoinHandle<()>>,
}

impl EdgeTasks {
    /// Starts them on the current runtime.
    pub fn start(
        self,
        publishing: Option<mpsc::Receiver<Publishing>>,
        readers: mpsc::Receiver<Reader>,
    ) -> Running {
        let upstreams = self.options.settings.upstreams.clone();
        let upstreams = Arc::new(Upstreams::new(self.peers, upstreams));
        self.options.settings.site.clone_into(&mut self.state.edge.site.write());
        let writes =
            Writes { queue: self.queue, upstreams: Arc::clone(&upstreams), state: Arc::clone(&self.state) };
        let settings = &self.options.settings;
        let nodes = settings.discovers.then(|| CoreNodes {
            upstreams: Arc::clone(&upstreams),
            directory: self.directory.clone(),
            may_leave_machine: settings.leaves_machine() || self.options.identity.tls.is_some(),
        });
        let note = self.options.is_partial.then(|| note_whole(Arc::clone(&self.state), self.directory));
        let follower = Follower {
            raft: self.raft,
            state: Arc::clone(&self.state),
            store: self.store,
            pubsub: self.pubsub,
            upstreams: Arc::clone(&upstreams),
            options: self.options,
            bootstrap_snapshots: self.bootstrap_snapshots,
            broadcast: self.broadcast,
            asked: Mutex::default(),
            alarmed: Mutex::default(),
            renewed: Mutex::default(),
        };
        let mut others = vec![
            tokio::spawn(follower.run()),
            tokio::spawn(answer_readers(readers, Arc::clone(&upstreams), self.state)),
        ];
        others.extend(publishing.map(|messages| tokio::spawn(publish(messages, upstreams))));
        others.extend(note.map(tokio::spawn));
        others.extend(nodes.map(|nodes| tokio::spawn(nodes.run())));
        Running { writes, others }
    }
}

impl Running {
    /// Runs until no more writes can come and all have been answered.
    pub async fn run(self) {
        self.writes.run().await;
        self.others.iter().for_each(JoinHandle::abort);
    }
}

/// Records that this node has had all that the core had, and only then lets it answer: so after a restart it can answer at
/// once, without asking the core.
async fn note_whole(state: Arc<ReplicationState>, directory: PathBuf) {
    let edge = &state.edge;
    edge.reached().await;
    loop {
        let directory = directory.clone();
        let noted = blocking(move || become_whole(&directory)).await;
        match noted.map_err(|error| error.to_string()).and_then(|noted| noted.map_err(|e| e.to_string())) {
            Ok(()) => return edge.noted(),
            Err(error) => {
                tracing::error!(
                    %error,
                    remedy = "make the data directory writable; the node tries again every few seconds",
                    "cannot record that this node has caught up; it answers no reads until it can"
                );
                tokio::time::sleep(NOTE_RETRY_INTERVAL).await;
            }
        }
    }
}

/// Reads that want to see all that the core has: one question for all that wait.
async fn answer_readers(
    mut readers: mpsc::Receiver<Reader>,
    upstreams: Arc<Upstreams>,
    state: Arc<ReplicationState>,
) {
    while let Some(first) = readers.recv().await {
        let mut waiting = vec![first];
        while let Ok(next) = readers.try_recv() {
            waiting.push(next);
        }
        // The next question need not wait until this site has come so far.
        let (upstreams, state) = (Arc::clone(&upstreams), Arc::clone(&state));
        let deadline = Instant::now() + READ_MAX;
        let asked = upstreams.call(edge_kind::READ_INDEX, &Bytes::new(), ASK_MAX, deadline).await;
        tokio::spawn(async move {
            let outcome = match asked.ok().and_then(|answer| read::<ReadIndex>(answer).ok()) {
                None => Err(ErrorReply::new("CLUSTERDOWN", "cannot reach the core at the moment; try again")),
                Some(ReadIndex { index, log_ms }) => {
                    state.clock.told(log_ms);
                    let come = tokio::time::timeout_at(deadline, state.wait_core(index)).await;
                    come.map(|()| log_ms)
                        .map_err(|_| ErrorReply::new("STALE", "this site is behind the core; try again"))
                }
            };
            for reader in waiting {
                // The reader may be gone.
                let _ = reader.send(outcome.clone());
            }
        });
    }
}

/// Messages of this edge's clients: the core gives them their order. One batch at a time keeps that of each client.
async fn publish(mut publishing: mpsc::Receiver<Publishing>, upstreams: Arc<Upstreams>) {
    while let Some(first) = publishing.recv().await {
        let mut bytes = first.0.payload.len();
        let (mut messages, mut waiting) = (vec![publication_to_wire(&first.0)], vec![first.1]);
        while messages.len() < BATCH_MESSAGES_MAX && bytes < BATCH_BYTES_MAX {
            let Ok((message, answer)) = publishing.try_recv() else { break };
            bytes = bytes.saturating_add(message.payload.len());
            messages.push(publication_to_wire(&message));
            waiting.push(answer);
        }
        let (count, body) = (messages.len(), write(&Publish { messages }));
        let deadline = Instant::now() + PUBLISH_MAX;
        match upstreams.call(edge_kind::PUBLISH, &body, PUBLISH_MAX, deadline).await {
            Ok(answer) => {
                let mut counts = read::<PublishAnswer>(answer).unwrap_or_default().counts;
                counts.resize(count, 0);
                for (answer, count) in waiting.into_iter().zip(counts) {
                    let _ = answer.send(Ok(count));
                }
            }
            Err(error) => {
                let error = match error {
                    CallError::Broken(why) => {
                        let text =
                            format!("outcome unknown: {why}; the message may or may not have been sent");
                        ErrorReply::new("UNKNOWN", text)
                    }
                    CallError::Unreachable(_) | CallError::Refused(_) => {
                        let text = "cannot reach the core at the moment; the message was not sent, try again";
                        ErrorReply::new("CLUSTERDOWN", text)
                    }
                };
                waiting.into_iter().for_each(|answer| drop(answer.send(Err(error.clone()))));
            }
        }
    }
}
