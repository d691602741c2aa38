//! WAIT: the number of other nodes that have this node's acknowledged writes on disk.

use super::node::RaftNode;
use crate::{peer::Peers, replication::wire, state::ReplicationState};
use std::{sync::Arc, time::Duration};
use tokio::time::Instant;

/// Time between two checks. Followers have an entry a moment after the majority that acknowledged it.
const RETRY_INTERVAL: Duration = Duration::from_millis(2);
const RETRY_INTERVAL_MAX: Duration = Duration::from_millis(100);
const ASK_MAX: Duration = Duration::from_secs(1);

/// Waits until `wanted` other nodes have the entry, or the time is up; returns their number.
pub async fn wait(
    raft: RaftNode,
    peers: Arc<Peers>,
    state: Arc<ReplicationState>,
    index: u64,
    wanted: u32,
    within: Duration,
) -> u32 {
    let deadline = Instant::now() + within;
    let (mut best, mut pause) = (0, RETRY_INTERVAL);
    loop {
        if let Some(nodes) = look(&raft, &peers, &state, index).await {
            best = best.max(nodes);
        }
        if best >= wanted || Instant::now() >= deadline {
            return best;
        }
        tokio::time::sleep_until((Instant::now() + pause).min(deadline)).await;
        pause = (pause * 2).min(RETRY_INTERVAL_MAX);
    }
}

async fn look(raft: &RaftNode, peers: &Peers, state: &ReplicationState, index: u64) -> Option<u32> {
    if state.is_leader() {
        return raft.replicated(index);
    }
    let (id, address) = state.leader()?;
    let body = wire::write(&wire::Replicated { index });
    let answer = peers.client(&address, id).call(wire::kind::REPLICATED, body, ASK_MAX).await.ok()?;
    wire::read::<wire::ReplicatedAnswer>(answer).ok().map(|answer| answer.nodes)
}
