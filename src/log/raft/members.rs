//! Who is of the cluster, and how that changes: one change at a time, through joint consensus (Ongaro 2014, section 4.3).

use super::{
    node::{RaftNode, failed},
    types::{Peer, RaftLogId, RaftMembership},
};
use crate::log::LogError;
use openraft::{ChangeMembers, async_runtime::WatchReceiver};
use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

/// How long a change may take to be committed.
const CHANGE_MAX: Duration = Duration::from_secs(10);

/// A node that the log replicates to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::log) struct Member {
    pub(in crate::log) id: u64,
    pub(in crate::log) peer: Peer,
    pub(in crate::log) is_voter: bool,
    /// How far its log is known to be on its disk; only the leader knows.
    pub(in crate::log) matched: Option<u64>,
}

/// All of them, as this node knows.
#[derive(Debug, Clone, Default)]
pub(in crate::log) struct Members {
    /// The entry of the log that made them so.
    pub(in crate::log) at: u64,
    pub(in crate::log) is_committed: bool,
    /// Whether a change is half done: two sets of voters, each of which must agree.
    pub(in crate::log) is_joint: bool,
    pub(in crate::log) list: Vec<Member>,
    pub(in crate::log) last_index: u64,
}

impl Members {
    pub(in crate::log) fn find(&self, id: u64) -> Option<&Member> {
        self.list.iter().find(|member| member.id == id)
    }

    /// By name, or by the decimal digits of its id.
    pub(in crate::log) fn named(&self, name: &str) -> Option<&Member> {
        let by_name = self.list.iter().find(|member| member.peer.name == name);
        by_name.or_else(|| name.parse().ok().and_then(|id| self.find(id)))
    }

    pub(in crate::log) fn voters(&self) -> impl Iterator<Item = &Member> {
        self.list.iter().filter(|member| member.is_voter)
    }
}

impl RaftNode {
    pub(in crate::log) fn members(&self) -> Members {
        let seen = self.raft.server_metrics().borrow_watched().clone();
        let data = self.raft.data_metrics().borrow_watched().clone();
        let membership = seen.membership_config.membership();
        let voters: BTreeSet<u64> = membership.voter_ids().collect();
        let last_index = data.last_log.as_ref().map_or(0, |id| id.index);
        let matched = |id: u64| match &data.replication {
            Some(replication) if id != seen.id => {
                replication.get(&id).and_then(|matched| matched.as_ref().map(|id| id.index))
            }
            _ => (id == seen.id).then_some(last_index),
        };
        let member = |(id, peer): (&u64, &Peer)| Member {
            id: *id,
            peer: peer.clone(),
            is_voter: voters.contains(id),
            matched: matched(*id),
        };
        Members {
            at: seen.membership_config.log_id().as_ref().map_or(0, |id| id.index),
            is_committed: seen.membership_config == seen.committed_membership_config,
            is_joint: membership.get_joint_config().len() > 1,
            list: membership.nodes().map(member).collect(),
            last_index,
        }
    }

    /// As leader: how many other nodes have the entry on their disks.
    pub(in crate::log) fn replicated(&self, index: u64) -> Option<u32> {
        if !self.progress.is_leader() {
            return None;
        }
        let replication = self.raft.data_metrics().borrow_watched().replication.clone().unwrap_or_default();
        let have = |(id, matched): (&u64, &Option<_>)| {
            *id != *self.raft.node_id() && matched.as_ref().is_some_and(|at: &RaftLogId| at.index >= index)
        };
        u32::try_from(replication.iter().filter(|one| have(*one)).count()).ok()
    }

    /// The log goes to this node from now on; it has no vote.
    pub(in crate::log) async fn add_learner(&self, id: u64, peer: Peer) -> Result<(), LogError> {
        self.change(ChangeMembers::AddNodes(BTreeMap::from([(id, peer)]))).await
    }

    /// What is known of a member beside its id.
    pub(in crate::log) async fn set_peer(&self, id: u64, peer: Peer) -> Result<(), LogError> {
        self.change(ChangeMembers::SetNodes(BTreeMap::from([(id, peer)]))).await
    }

    /// Gives a learner its vote, and takes it from the one whose place it takes.
    pub(in crate::log) async fn promote(
        &self,
        learner: &Member,
        replaced: Option<&Member>,
    ) -> Result<(), LogError> {
        let peer = Peer { standby: false, replaces: 0, ..learner.peer.clone() };
        let mut steps = vec![
            ChangeMembers::SetNodes(BTreeMap::from([(learner.id, peer)])),
            ChangeMembers::AddVoterIds(BTreeSet::from([learner.id])),
        ];
        steps.extend(replaced.map(removal));
        self.change(ChangeMembers::Batch(steps)).await
    }

    /// Takes a node out.
    pub(in crate::log) async fn remove(&self, member: &Member) -> Result<(), LogError> {
        self.change(removal(member)).await
    }

    /// Ends a change that its leader did not live to end.
    pub(in crate::log) async fn settle_joint(&self) -> Result<(), LogError> {
        self.change(ChangeMembers::AddVoterIds(BTreeSet::new())).await
    }

    async fn change(&self, change: ChangeMembers<u64, Peer>) -> Result<(), LogError> {
        let text = change.to_string();
        let changed = tokio::time::timeout(CHANGE_MAX, self.raft.change_membership(change, false)).await;
        match changed {
            Ok(Ok(_)) => {
                tracing::info!(change = %text, "the members of the core have changed");
                Ok(())
            }
            Ok(Err(error)) => Err(failed(error)),
            Err(_) => Err(LogError::Raft(format!(
                "outcome unknown: no majority has taken the change in {} s; it may yet be done",
                CHANGE_MAX.as_secs()
            ))),
        }
    }

    /// Asks a node to lead, and waits until it does.
    pub(in crate::log) async fn transfer_to(&self, id: u64, within: Duration) -> bool {
        let deadline = tokio::time::Instant::now() + within;
        let leads = || self.progress.leader().is_some_and(|(leader, _)| leader == id);
        while !leads() && tokio::time::Instant::now() < deadline {
            if !self.offer(id).await {
                return false;
            }
            let again = tokio::time::Instant::now() + Duration::from_millis(200);
            while !leads() && tokio::time::Instant::now() < again.min(deadline) {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        }
        leads()
    }
}

fn removal(member: &Member) -> ChangeMembers<u64, Peer> {
    match member.is_voter {
        true => ChangeMembers::RemoveVoters(BTreeSet::from([member.id])),
        false => ChangeMembers::RemoveNodes(BTreeSet::from([member.id])),
    }
}

/// The entry that makes one node all there is.
pub(in crate::log) fn sole(id: u64, name: &str, address: &str) -> Result<Vec<u8>, LogError> {
    let peer = Peer { name: name.to_owned(), address: address.to_owned(), ..Peer::default() };
    let membership = RaftMembership::new(vec![BTreeSet::from([id])], BTreeMap::from([(id, peer)]));
    Ok(super::membership::encode(None, &membership.map_err(failed)?))
}
