//! The members of the cluster, and their changes: one change at a time, through joint consensus (Ongaro 2014, section 4.3).

use super::{
    node::{RaftNode, failed},
    types::{Peer, RaftLogId, RaftMembership, Types},
};
use crate::replication::wal::LogError;
use openraft::{
    ChangeMembers,
    async_runtime::WatchReceiver,
    errors::{ChangeMembershipError, ClientWriteError, RaftError},
    raft::Precondition,
};
use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

/// Longest time for a change to commit.
const CHANGE_MAX: Duration = Duration::from_secs(10);

/// A node that the log replicates to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    pub id: u64,
    pub peer: Peer,
    pub is_voter: bool,
    /// The last entry that its disk is known to have; only the leader knows.
    pub matched: Option<u64>,
}

/// Why the members were not changed.
#[derive(Debug, thiserror::Error)]
pub enum ChangeError {
    /// Nothing was done.
    #[error("another membership change is in progress; try again")]
    UnderWay,
    /// It may have been started; the next leader completes it.
    #[error("this node is no longer the leader")]
    NotLeader,
    #[error("outcome unknown: no majority acknowledged the change in {} s; it may still happen", CHANGE_MAX.as_secs())]
    Undecided,
    #[error("the core would be left without a voter")]
    NoVoters,
    #[error("node {0} is no longer a member of the core")]
    NotMember(u64),
    #[error("{0}")]
    Failed(String),
}

/// All of them, as this node knows.
#[derive(Debug, Clone, Default)]
pub struct Members {
    pub log_id: Option<RaftLogId>,
    /// The entry of the log that made them so.
    pub at: u64,
    pub is_committed: bool,
    /// Whether the configuration is joint: both sets of voters must agree.
    pub is_joint: bool,
    pub list: Vec<Member>,
    pub last_index: u64,
}

impl Members {
    pub fn find(&self, id: u64) -> Option<&Member> {
        self.list.iter().find(|member| member.id == id)
    }

    /// By name, or by the decimal digits of its id.
    pub fn named(&self, name: &str) -> Option<&Member> {
        let by_name = self.list.iter().find(|member| member.peer.name == name);
        by_name.or_else(|| name.parse().ok().and_then(|id| self.find(id)))
    }

    pub fn voters(&self) -> impl Iterator<Item = &Member> {
        self.list.iter().filter(|member| member.is_voter)
    }
}

impl RaftNode {
    /// Whether that node leads by this one's vote. It need not be a member as far as this node knows: a log that went back
    /// may lack the entry that let it in.
    pub fn follows(&self, id: u64) -> bool {
        let vote = self.raft.server_metrics().borrow_watched().vote;
        vote.committed && vote.leader_id.voted_for == id
    }

    pub fn members(&self) -> Members {
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
            log_id: *seen.membership_config.log_id(),
            at: seen.membership_config.log_id().as_ref().map_or(0, |id| id.index),
            is_committed: seen.membership_config == seen.committed_membership_config,
            is_joint: membership.get_joint_config().len() > 1,
            list: membership.nodes().map(member).collect(),
            last_index,
        }
    }

    /// As leader: how many other nodes have the entry on their disks.
    pub fn replicated(&self, index: u64) -> Option<u32> {
        if !self.state.is_leader() {
            return None;
        }
        let replication = self.raft.data_metrics().borrow_watched().replication.clone().unwrap_or_default();
        let have = |(id, matched): (&u64, &Option<_>)| {
            *id != *self.raft.node_id() && matched.as_ref().is_some_and(|at: &RaftLogId| at.index >= index)
        };
        u32::try_from(replication.iter().filter(|one| have(*one)).count()).ok()
    }

    /// The log goes to this node from now on; it has no vote.
    pub async fn add_learner(&self, members: &Members, id: u64, peer: Peer) -> Result<(), ChangeError> {
        self.change(members, ChangeMembers::AddNodes(BTreeMap::from([(id, peer)]))).await
    }

    /// Updates the address, name or flags of a member.
    pub async fn set_peer(&self, members: &Members, id: u64, peer: Peer) -> Result<(), ChangeError> {
        self.change(members, ChangeMembers::SetNodes(BTreeMap::from([(id, peer)]))).await
    }

    /// Promotes a learner to voter, and removes the voter that it replaces.
    pub async fn promote(
        &self,
        members: &Members,
        learner: &Member,
        replaced: Option<&Member>,
    ) -> Result<(), ChangeError> {
        let peer = Peer { standby: false, replaces: 0, ..learner.peer.clone() };
        let mut steps = vec![
            ChangeMembers::SetNodes(BTreeMap::from([(learner.id, peer)])),
            ChangeMembers::AddVoterIds(BTreeSet::from([learner.id])),
        ];
        steps.extend(replaced.map(removal));
        self.change(members, ChangeMembers::Batch(steps)).await
    }

    /// Takes a node out.
    pub async fn remove(&self, members: &Members, member: &Member) -> Result<(), ChangeError> {
        self.change(members, removal(member)).await
    }

    /// Leaves a joint configuration whose leader failed before it could.
    pub async fn leave_joint(&self, members: &Members) -> Result<(), ChangeError> {
        self.change(members, ChangeMembers::AddVoterIds(BTreeSet::new())).await
    }

    /// Changes the membership if it is still the one that the change was decided for.
    async fn change(
        &self,
        decided_for: &Members,
        change: ChangeMembers<u64, Peer>,
    ) -> Result<(), ChangeError> {
        let text = change.to_string();
        let still = Precondition::LastMembershipLogId { last_membership_log_id: decided_for.log_id };
        let changed = self.raft.change_membership_if(change, false, [still]);
        match tokio::time::timeout(CHANGE_MAX, changed).await {
            Ok(Ok(_)) => {
                tracing::info!(change = %text, "changed the core's membership");
                Ok(())
            }
            Ok(Err(error)) => Err(in_words(error)),
            Err(_) => Err(ChangeError::Undecided),
        }
    }

    /// Asks a node to lead, and waits until it does.
    pub async fn transfer_to(&self, id: u64, within: Duration) -> bool {
        let deadline = tokio::time::Instant::now() + within;
        let leads = || self.state.leader().is_some_and(|(leader, _)| leader == id);
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

/// openraft's own texts show its data structures.
fn in_words(error: RaftError<Types, ClientWriteError<Types>>) -> ChangeError {
    let refused = match error {
        RaftError::APIError(refused) => refused,
        RaftError::Fatal(fatal) => return ChangeError::Failed(format!("the raft core has stopped: {fatal}")),
    };
    match refused {
        ClientWriteError::ForwardToLeader(_) | ClientWriteError::LogEntryDiscarded(_) => {
            ChangeError::NotLeader
        }
        ClientWriteError::PreconditionFailed(_)
        | ClientWriteError::ChangeMembershipError(
            ChangeMembershipError::InProgress(_) | ChangeMembershipError::UncommittedLeaderLog(_),
        ) => ChangeError::UnderWay,
        ClientWriteError::ChangeMembershipError(ChangeMembershipError::EmptyMembership(_)) => {
            ChangeError::NoVoters
        }
        ClientWriteError::ChangeMembershipError(ChangeMembershipError::LearnerNotFound(missing)) => {
            ChangeError::NotMember(missing.node_id)
        }
        ClientWriteError::ChangeMembershipError(
            other @ (ChangeMembershipError::UnsupportedMembershipTransition(_)
            | ChangeMembershipError::NodeMetadataChanged(_)),
        ) => ChangeError::Failed(other.to_string()),
    }
}

fn removal(member: &Member) -> ChangeMembers<u64, Peer> {
    match member.is_voter {
        true => ChangeMembers::RemoveVoters(BTreeSet::from([member.id])),
        false => ChangeMembers::RemoveNodes(BTreeSet::from([member.id])),
    }
}

/// The entry that makes one node all there is.
pub fn sole(id: u64, name: &str, address: &str) -> Result<Vec<u8>, LogError> {
    let peer = Peer { name: name.to_owned(), address: address.to_owned(), ..Peer::default() };
    let membership = RaftMembership::new(vec![BTreeSet::from([id])], BTreeMap::from([(id, peer)]));
    Ok(super::membership::encode(None, &membership.map_err(failed)?))
}
