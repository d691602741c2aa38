//! A leader hands over leadership: before its node stops, at an administrator's request, and after its removal from the
//! core.
//!
//! **Invariant.** Before another node is asked to lead, this one's lease is void: the other node gets votes at once,
//! whatever the voters have promised to this one.

use super::{
    members::{Member, Members},
    node::{HEARTBEAT_MS, RaftNode},
};
use crate::replication::wire;
use bytes::Bytes;
use openraft::{ServerState, async_runtime::WatchReceiver};
use std::time::Duration;
use tokio::time::Instant;

/// Longest wait of a stopping leader for another one to lead.
const HAND_OVER_MAX: Duration = Duration::from_millis(1000);
/// Longest time for a node to answer whether it would lead.
const WILLING_MAX: Duration = Duration::from_millis(250);
/// Time between two attempts of a stopping leader to find a successor.
const RETRY_INTERVAL: Duration = Duration::from_millis(200);
/// Time for which a removed leader continues, so that all learn that the change is committed.
const REMOVED_GRACE: Duration = Duration::from_millis(150);

impl RaftNode {
    /// From now on this node refuses leadership: it does not campaign, declines transfers, and hands over what it leads,
    /// now or (if it was elected a moment ago) later. It continues to vote and to replicate. Returns after the first
    /// attempt.
    pub async fn step_down(&self) {
        self.state.refuse_leadership();
        self.raft.runtime_config().elect(false);
        self.hand_over().await;
        let node = self.clone();
        tokio::spawn(async move {
            loop {
                tokio::time::sleep(RETRY_INTERVAL).await;
                node.hand_over().await;
            }
        });
    }

    /// Hands over leadership, if this node leads and another voter is willing.
    pub async fn hand_over(&self) {
        if !self.state.is_leader() {
            return;
        }
        let deadline = Instant::now() + HAND_OVER_MAX;
        let Some(successor) = self.successor().await else { return };
        if !self.offer(successor.id).await {
            return;
        }
        let led_by_another = || self.state.leader().is_some_and(|(id, _)| id != *self.raft.node_id());
        while !led_by_another() && Instant::now() < deadline {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        tracing::info!(to = %successor.peer.name, done = led_by_another(), "handed over leadership");
    }

    /// The willing voter whose log is most complete.
    pub async fn successor(&self) -> Option<Member> {
        let members = self.members();
        for voter in best_first(&members, *self.raft.node_id()) {
            if self.is_willing(&voter).await {
                return Some(voter);
            }
        }
        None
    }

    /// Whether a node answers and does not stop itself.
    pub async fn is_willing(&self, member: &Member) -> bool {
        let client = self.peers.client(&member.peer.address, member.id);
        let answer = client.call(wire::kind::STATUS, Bytes::new(), WILLING_MAX).await;
        let status = answer.ok().and_then(|answer| wire::read::<wire::Status>(answer).ok());
        status.is_some_and(|status| !status.is_stopping)
    }

    /// Asks a node to lead at once, whatever it has promised to this one; false if the raft core is gone.
    pub(super) async fn offer(&self, id: u64) -> bool {
        self.state.offers_leadership();
        self.raft.trigger().transfer_leader(id).await.is_ok()
    }

    /// Before a stopping node leaves: while the leader stops as well, and has entries on their way, it needs this one.
    pub async fn stay_for_leader(&self, until: Instant) {
        while let Some((id, address)) = self.state.leader().filter(|(id, _)| *id != *self.raft.node_id())
            && Instant::now() < until
        {
            let answer = self.peers.client(&address, id);
            let answer = answer.call(wire::kind::STATUS, Bytes::new(), WILLING_MAX).await;
            let status = answer.ok().and_then(|answer| wire::read::<wire::Status>(answer).ok());
            if !status.is_some_and(|status| status.is_stopping && status.in_flight > 0) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    #[cfg(test)]
    pub async fn remove_itself(&self) {
        let members = self.members();
        let own = members.find(*self.raft.node_id()).unwrap();
        self.remove(&members, own).await.unwrap();
    }

    /// As openraft's `StepDownPolicy::After`, but the lease is void before another node is asked.
    pub(super) async fn watch_removal(self) {
        let mut metrics = self.raft.server_metrics();
        loop {
            if self.is_removed_leader() {
                tokio::time::sleep(REMOVED_GRACE).await;
                self.leave().await;
            }
            if metrics.changed().await.is_err() {
                return;
            }
        }
    }

    /// Whether this node leads a core that it is no member of, and all of it is committed.
    fn is_removed_leader(&self) -> bool {
        let seen = self.raft.server_metrics().borrow_watched().clone();
        seen.state == ServerState::Leader
            && seen.membership_config.membership().get_node(&seen.id).is_none()
            && seen.committed_membership_config == seen.membership_config
    }

    async fn leave(&self) {
        // It may have been admitted again meanwhile.
        if !self.is_removed_leader() {
            return;
        }
        let seen = self.raft.server_metrics().borrow_watched().clone();
        tracing::info!("this node leads a core from which it was removed; handing over leadership");
        let best = best_first(&self.members(), seen.id).into_iter().next();
        let offered = match &best {
            Some(best) => self.offer(best.id).await,
            None => true,
        };
        if !offered {
            return;
        }
        tokio::time::sleep(Duration::from_millis(HEARTBEAT_MS)).await;
        // In case no node took over; otherwise it does nothing. An error means that the raft core is gone.
        let at = *seen.membership_config.log_id();
        let _ = self.raft.trigger().refresh_server_state(Some(seen.vote), at).await;
    }
}

/// All voters but one, those first that have most of the log.
fn best_first(members: &Members, own: u64) -> Vec<Member> {
    let mut others: Vec<Member> = members.voters().filter(|voter| voter.id != own).cloned().collect();
    others.sort_by_key(|voter| std::cmp::Reverse(voter.matched));
    others
}
