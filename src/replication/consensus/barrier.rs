//! Linearizable reads where there is no lease: one question to the leader serves all reads that wait.
//!
//! Read index (Ongaro, Consensus: Bridging Theory and Practice, 2014, section 6.4): the leader confirms that it still
//! leads, and returns its commit index at the time of the question; a node that has applied that index may answer.

use super::node::RaftNode;
use crate::{
    peer::{Lane, Peers},
    replication::wire,
    resp::ErrorReply,
    state::ReplicationState,
};
use bytes::Bytes;
use openraft::ReadPolicy;
use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};
use tokio::{
    sync::{mpsc, oneshot},
    time::Instant,
};

/// Longest wait of a read for a leader's read index.
pub const WAIT_MAX: Duration = Duration::from_secs(5);
const ASK_MAX: Duration = Duration::from_secs(1);
const RETRY_INTERVAL: Duration = Duration::from_millis(20);
/// How long a leader waits for an entry that tells others, in passing, of a long one that it has applied.
const TELL_AFTER: Duration = Duration::from_millis(1);
/// Readers that may wait at once.
pub const READERS_MAX: usize = 65_536;

/// The channel of a waiting reader; it gets log time (ms) at the leader's answer, or 0 if unknown.
pub type Reader = oneshot::Sender<Result<u64, ErrorReply>>;

/// A leader's answer: the index that must be applied, and log time then (ms; 0 = unknown).
#[derive(Debug, Clone, Copy)]
pub struct ReadFrom {
    pub index: u64,
    pub log_ms: u64,
}

/// Lets reads wait until they are allowed.
pub struct Barrier {
    pub raft: RaftNode,
    pub peers: Arc<Peers>,
    pub state: Arc<ReplicationState>,
}

impl Barrier {
    /// Serves readers until all senders are gone.
    pub async fn run(self, mut readers: mpsc::Receiver<Reader>) {
        while let Some(first) = readers.recv().await {
            // All readers here arrived before the question is asked.
            let mut waiting = vec![first];
            while let Ok(next) = readers.try_recv() {
                waiting.push(next);
            }
            let outcome = self.pass().await;
            for reader in waiting {
                // The reader may be gone.
                let _ = reader.send(outcome.clone());
            }
        }
    }

    async fn pass(&self) -> Result<u64, ErrorReply> {
        let deadline = Instant::now() + WAIT_MAX;
        loop {
            if let Some(ReadFrom { index, log_ms }) = self.ask().await {
                let applied = tokio::time::timeout_at(deadline, self.state.wait_applied(index)).await;
                return applied.map(|()| log_ms).map_err(|_| down("this node is behind its leader"));
            }
            if Instant::now() >= deadline {
                return Err(down("there is no leader at the moment"));
            }
            tokio::time::sleep(RETRY_INTERVAL).await;
        }
    }

    /// The read index of a read that starts now, from the leader.
    pub async fn ask(&self) -> Option<ReadFrom> {
        if self.state.is_leader() {
            let index = self.raft.read_index().await?;
            return Some(ReadFrom { index, log_ms: self.state.clock.now_ms() });
        }
        let (id, address) = self.state.leader()?;
        let client = self.peers.client(&address, id);
        let answer = tokio::select! {
            biased;
            answer = client.send(Lane::Quick, wire::kind::READ_INDEX, Bytes::new(), ASK_MAX) => answer,
            // A leader that was cut off answers late, or never.
            () = self.state.led_by_another_than(id) => return None,
        };
        let wire::ReadIndex { index, log_ms } = wire::read(answer.ok()?).ok()?;
        self.state.clock.told(log_ms);
        Some(ReadFrom { index, log_ms })
    }
}

impl RaftNode {
    /// As leader: the read index of a read that starts now. `None`: this node is not the leader, or has no contact to a
    /// majority. Under the lease it need not ask: acknowledged writes were applied here before, and this node announced
    /// whatever another node may have shown.
    pub async fn read_index(&self) -> Option<u64> {
        let applied = self.state.applied_index();
        if self.state.announced_index() < applied && self.state.is_one_of_many.load(Ordering::Relaxed) {
            // Or the reader's node would hear of it a little later.
            let _ = self.raft.trigger().heartbeat().await;
        }
        if self.state.knows_all() {
            return Some(applied.max(self.state.announced_index()));
        }
        let answer = self.raft.get_read_log_id(ReadPolicy::ReadIndex).await;
        answer.ok().map(|(read, _)| read.log_id().index)
    }

    /// As leader: tells the others of entries that they were not told of before this node had applied them (`Unapplied`), if
    /// no entry behind them does so at once. Never ends.
    pub async fn tell_of_long_entries(self) {
        loop {
            self.state.unapplied.news().await;
            tokio::time::sleep(TELL_AFTER).await;
            if self.state.is_leader() && self.state.announced_index() < self.state.applied_index() {
                // The core may be gone at shutdown.
                let _ = self.raft.trigger().heartbeat().await;
            }
        }
    }
}

pub fn down(why: &str) -> ErrorReply {
    ErrorReply::new("CLUSTERDOWN", format!("{why}; try again"))
}
