//! What the group does about disks that are almost full.

use super::{members::Member, node::RaftNode};
use crate::{
    replication::wal::{LogError, blocking},
    state::Growth,
};
use std::{sync::Arc, time::Duration};

/// Longest time for a node that has room to take over.
const HAND_OVER_MAX: Duration = Duration::from_millis(1000);

impl RaftNode {
    /// What this node, as leader, does about growth.
    pub fn growth(&self, own_is_low: bool) -> Growth {
        let voters: Vec<u64> = self.members().voters().map(|voter| voter.id).collect();
        self.state.disks.growth(*self.raft.node_id(), own_is_low, &voters)
    }

    /// Refuses writes that may make the data grow from now on, or does not.
    pub fn refuse_growth(&self, refuses: bool) {
        if !self.state.set_refuses_growth(refuses) {
            return;
        }
        match refuses {
            true => tracing::warn!(
                left = self.state.disk.left(),
                low = self.state.disk.low(),
                remedy = "delete data or give the nodes more disk; it ends by itself",
                "too many disks are almost full: writes that may make the data grow are refused; reads and deletes go on"
            ),
            false => {
                tracing::info!(
                    left = self.state.disk.left(),
                    "there is free space again; accepting all writes"
                )
            }
        }
    }

    /// Lets a voter that has room lead.
    pub async fn hand_over_to_room(&self) {
        let own = *self.raft.node_id();
        let members = self.members();
        let mut others: Vec<&Member> =
            members.voters().filter(|voter| voter.id != own && self.state.disks.has_room(voter.id)).collect();
        others.sort_by_key(|voter| std::cmp::Reverse(voter.matched));
        for voter in others {
            if self.is_willing(voter).await {
                let done = self.transfer_to(voter.id, HAND_OVER_MAX).await;
                tracing::info!(to = %voter.peer.name, done, "this node's disk is almost full: handing over leadership");
                return;
            }
        }
    }

    /// Replaces the newest snapshot, for its files may be ones that the store no longer needs.
    pub async fn snapshot_anew(&self) -> Result<(), LogError> {
        if self.snapshots.newest().is_none() {
            return Ok(());
        }
        self.snapshot().await?;
        let snapshots = Arc::clone(&self.snapshots);
        let renewed = blocking(move || snapshots.renew()).await;
        Ok(renewed.map_err(|error| LogError::Raft(error.to_string()))??)
    }
}
