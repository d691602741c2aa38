//! Linearizable reads where there is no lease: one question to the leader serves all reads that wait.
//!
//! Read index (Ongaro, Consensus: Bridging Theory and Practice, 2014, section 6.4): the leader makes sure that it still
//! leads and says how far its log was committed when it was asked; a node that has applied that much may answer.

use super::node::RaftNode;
use crate::{
    peer::{Lane, Peers},
    replication::wire,
    resp::ErrorReply,
    state::ReplicationState,
};
use bytes::Bytes;
use std::{sync::Arc, time::Duration};
use tokio::{
    sync::{mpsc, oneshot},
    time::Instant,
};

/// How long a read waits until some leader says how far it must go.
pub const WAIT_MAX: Duration = Duration::from_secs(5);
const ASK_MAX: Duration = Duration::from_secs(1);
const RETRY_INTERVAL: Duration = Duration::from_millis(20);
/// Readers that may wait at once.
pub const READERS_MAX: usize = 65_536;

/// Somebody who wants to read; it is told log time (ms) when the leader answered, or 0 if nobody said.
pub type Reader = oneshot::Sender<Result<u64, ErrorReply>>;

/// A leader's answer: how far a read must be applied, and log time then (ms; 0 = it did not say).
#[derive(Debug, Clone, Copy)]
pub struct ReadFrom {
    pub index: u64,
    pub log_ms: u64,
}

/// See the module.
pub struct Barrier {
    pub raft: RaftNode,
    pub peers: Arc<Peers>,
    pub state: Arc<ReplicationState>,
}

impl Barrier {
    /// Serves readers until there can be no more.
    pub async fn run(self, mut readers: mpsc::Receiver<Reader>) {
        while let Some(first) = readers.recv().await {
            // All that are here were sent before the question is asked.
            let mut waiting = vec![first];
            while let Ok(next) = readers.try_recv() {
                waiting.push(next);
            }
            let outcome = self.pass().await;
            for reader in waiting {
                // It may have gone.
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
                return Err(down("no node leads at the moment"));
            }
            tokio::time::sleep(RETRY_INTERVAL).await;
        }
    }

    /// How far a read of now must be applied, by the leader's word.
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
            // One that was cut off answers late, or never.
            () = self.state.led_by_another_than(id) => return None,
        };
        let wire::ReadIndex { index, log_ms } = wire::read(answer.ok()?).ok()?;
        self.state.clock.told(log_ms);
        Some(ReadFrom { index, log_ms })
    }
}

pub fn down(why: &str) -> ErrorReply {
    ErrorReply::new("CLUSTERDOWN", format!("{why}; try again"))
}
