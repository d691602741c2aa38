//! The leader's upkeep of the membership: it promotes learners that have caught up, completes interrupted changes, and
//! corrects its own address.

use crate::{
    peer::LocalIdentity,
    replication::consensus::{ChangeError, Member, Members, Peer, RaftNode},
    state::ReplicationState,
};
use std::{sync::Arc, time::Duration};
use tokio::time::Instant;

const LOOK_INTERVAL: Duration = Duration::from_millis(250);
/// A joint configuration that lasts this long has lost its leader.
const JOINT_MAX: Duration = Duration::from_secs(3);
/// Entries by which a learner may be behind when it gets its vote; while there are fewer it costs writes nothing.
const CAUGHT_UP_ENTRIES: u64 = 256;
/// More voters slow every write down and make the core survive hardly more failures.
pub const VOTERS_MAX: usize = 7;

/// The controller. It acts only on the leader.
pub struct MembershipController {
    pub raft: RaftNode,
    pub state: Arc<ReplicationState>,
    pub identity: Arc<LocalIdentity>,
}

impl MembershipController {
    /// Runs until its runtime ends.
    pub async fn run(self) {
        let mut joint_since: Option<Instant> = None;
        loop {
            tokio::time::sleep(LOOK_INTERVAL).await;
            if !self.state.is_leader() {
                joint_since = None;
                continue;
            }
            let members = self.raft.members();
            let joint_for = match members.is_joint {
                true => joint_since.get_or_insert_with(Instant::now).elapsed(),
                false => {
                    joint_since = None;
                    Duration::ZERO
                }
            };
            match self.look(&members, joint_for).await {
                // An administrator's request, or a node that joins, was quicker.
                Ok(()) | Err(ChangeError::UnderWay | ChangeError::NotLeader) => {}
                Err(error) => {
                    tracing::warn!(%error, "cannot change the core's membership; trying again");
                    tokio::time::sleep(JOINT_MAX).await;
                }
            }
        }
    }

    async fn look(&self, members: &Members, joint_for: Duration) -> Result<(), ChangeError> {
        if members.is_joint {
            return match members.is_committed && joint_for > JOINT_MAX {
                true => self.raft.leave_joint(members).await,
                false => Ok(()),
            };
        }
        if !members.is_committed {
            return Ok(());
        }
        if let Some(own) = members.find(self.identity.node_id)
            && !self.identity.address.is_empty()
            && (own.peer.address != self.identity.address || own.peer.name != self.identity.node_name)
        {
            let (address, name) = (self.identity.address.clone(), self.identity.node_name.clone());
            return self.raft.set_peer(members, own.id, Peer { address, name, ..own.peer.clone() }).await;
        }
        match members.list.iter().find(|member| is_due(member, members)) {
            Some(learner) => {
                let replaced =
                    members.find(learner.peer.replaces).filter(|old| old.id != self.identity.node_id);
                self.raft.promote(members, learner, replaced).await
            }
            None => Ok(()),
        }
    }
}

/// Whether this learner should become a voter now.
fn is_due(member: &Member, members: &Members) -> bool {
    let replaces = members.find(member.peer.replaces).is_some_and(|old| old.is_voter);
    let has_room = replaces || members.voters().count() < VOTERS_MAX;
    !member.is_voter && !member.peer.standby && has_room && has_caught_up(member, members)
}

pub fn has_caught_up(member: &Member, members: &Members) -> bool {
    member.matched.is_some_and(|matched| matched.saturating_add(CAUGHT_UP_ENTRIES) >= members.last_index)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn member(id: u64, is_voter: bool, matched: Option<u64>) -> Member {
        Member { id, peer: Peer { name: format!("n{id}"), ..Peer::default() }, is_voter, matched }
    }

    #[test]
    fn a_learner_gets_its_vote_when_it_has_caught_up_and_there_is_room() {
        let three: Vec<Member> = (1..=3).map(|id| member(id, true, Some(1000))).collect();
        let of = |learner: Member, voters: &[Member]| Members {
            list: [voters, &[learner]].concat(),
            last_index: 1000,
            ..Members::default()
        };
        let due = |learner: Member, voters: &[Member]| is_due(&learner, &of(learner.clone(), voters));
        assert!(due(member(9, false, Some(900)), &three));
        assert!(!due(member(9, false, Some(1000 - CAUGHT_UP_ENTRIES - 1)), &three));
        assert!(!due(member(9, false, None), &three));
        let standby = Peer { standby: true, ..Peer::default() };
        assert!(!due(Member { peer: standby, ..member(9, false, Some(1000)) }, &three));
        let seven: Vec<Member> = (1..=7).map(|id| member(id, true, Some(1000))).collect();
        assert!(!due(member(9, false, Some(1000)), &seven));
        let in_place_of = Peer { replaces: 3, ..Peer::default() };
        assert!(due(Member { peer: in_place_of, ..member(9, false, Some(1000)) }, &seven));
    }
}
