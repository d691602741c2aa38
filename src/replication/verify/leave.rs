//! Decides when an unsound node may stop for repair: one at a time, and only while the others are a majority.
//!
//! A node may find damage that does not affect its answers (when it reads all its data, or sends them to another node).
//! Then it stops only with the leader's permission: until then its sound votes and log keep the core alive. A leader hands
//! over leadership first. Damage that affects an answer or an entry stops the node at once (`fail::damaged`).

use crate::{
    fail,
    peer::{LocalIdentity, Peers},
    replication::{consensus::RaftNode, wire},
    state::ReplicationState,
};
use parking_lot::Mutex;
use std::{sync::Arc, time::Duration};
use tokio::time::Instant;

const LOOK_INTERVAL: Duration = Duration::from_millis(500);
const ASK_MAX: Duration = Duration::from_secs(2);
/// Time between two permissions: by then it is known whether the first node answers again.
const BETWEEN: Duration = Duration::from_secs(5);

/// Permission to repair.
pub struct Leave {
    raft: RaftNode,
    peers: Arc<Peers>,
    state: Arc<ReplicationState>,
    identity: Arc<LocalIdentity>,
    /// Whether this node repairs itself.
    repairs: bool,
    /// The last node that this node, as leader, let repair itself.
    let_go: Mutex<Option<(u64, Instant)>>,
}

impl Leave {
    pub fn new(
        raft: RaftNode,
        peers: Arc<Peers>,
        state: Arc<ReplicationState>,
        identity: Arc<LocalIdentity>,
        repairs: bool,
    ) -> Self {
        Leave { raft, peers, state, identity, repairs, let_go: Mutex::default() }
    }

    /// As leader: lets a node stop, or returns the reason why not.
    pub fn let_go(&self, id: u64) -> Result<(), String> {
        if !self.state.is_leader() {
            return Err("this node does not lead".into());
        }
        let voters: Vec<u64> = self.raft.members().voters().map(|member| member.id).collect();
        let answering: Vec<u64> = {
            let others = self.state.others.read();
            others.iter().filter(|other| other.answers).map(|other| other.node_id).collect()
        };
        let is_up = |voter: &u64| *voter == self.identity.node_id || answering.contains(voter);
        if !can_spare(&voters, id, is_up) {
            return Err("without it, the voters that answer would not be a majority".into());
        }
        let mut let_go = self.let_go.lock();
        if let_go.is_some_and(|(other, since)| other != id && since.elapsed() < BETWEEN) {
            return Err("another node has just stopped for repair".into());
        }
        *let_go = Some((id, Instant::now()));
        Ok(())
    }

    /// Sees to damage of this node. Runs until its runtime ends.
    pub async fn run(self: Arc<Self>) {
        let mut said = String::new();
        loop {
            tokio::time::sleep(LOOK_INTERVAL).await;
            let Some(damage) = self.state.damage.read().clone() else { continue };
            if self.state.is_leader() {
                // Clients and followers should not depend on this node: it hands over leadership.
                self.raft.hand_over().await;
                tokio::time::sleep(ASK_MAX).await;
                continue;
            }
            if !self.repairs {
                continue;
            }
            match self.ask().await {
                Ok(()) => fail::damaged(&damage),
                Err(why) if why != said => {
                    tracing::warn!(%damage, %why, "waiting for the other nodes' permission to repair this node");
                    said = why;
                }
                Err(_) => {}
            }
        }
    }

    async fn ask(&self) -> Result<(), String> {
        let (leader, address) = self.state.leader().ok_or("there is no leader")?;
        let client = self.peers.client(&address, leader);
        let answer = client.call(wire::kind::LEAVE, bytes::Bytes::new(), ASK_MAX).await;
        answer.map(|_| ()).map_err(|error| error.to_string())
    }
}

/// Whether the voters that are up are a majority without this one.
fn can_spare(voters: &[u64], id: u64, is_up: impl Fn(&u64) -> bool) -> bool {
    let left = voters.iter().filter(|voter| **voter != id && is_up(voter)).count();
    !voters.contains(&id) || left > voters.len() / 2
}

#[cfg(test)]
mod tests {
    use crate::replication::verify::leave::can_spare;

    #[test]
    fn a_voter_is_spared_while_the_others_that_answer_are_a_majority() {
        let can = |voters: &[u64], id, up: &[u64]| can_spare(voters, id, |voter| up.contains(voter));
        assert!(can(&[1, 2, 3], 2, &[1, 2, 3]));
        assert!(!can(&[1, 2, 3], 2, &[1, 2]), "the third is down already");
        assert!(can(&[1, 2, 3], 3, &[1, 2]), "it is itself the one that does not answer");
        assert!(can(&[1, 2, 3, 4, 5], 2, &[1, 2, 3, 4]) && !can(&[1, 2, 3, 4, 5], 2, &[1, 2, 3]));
        assert!(!can(&[1], 1, &[1]));
        assert!(can(&[1, 2, 3], 9, &[1]), "a learner is always spared");
    }
}
