//! Takes one step after the other until it is as asked.

use crate::{
    replication::{
        consensus::{ChangeError, Members},
        membership::{
            admin::{Admin, Undone},
            join::NotLetIn,
            reconfigure::plan::{Sight, Step, Wanted},
        },
        wire,
    },
    resp::Reply,
};
use std::time::Duration;
use tokio::time::Instant;

/// Longest time that the leader works on one request. A change that it has started continues after that.
const CHANGE_MAX: Duration = Duration::from_secs(60);
const RETRY_INTERVAL: Duration = Duration::from_millis(50);
/// In this time all others have been asked once, with what they may take to answer: a node that has just started, or was cut off,
/// knows nothing good of them yet.
const DOUBT_MAX: Duration = Duration::from_millis(2500);

impl Admin {
    /// Brings the wanted state about, or returns the reason why not.
    pub async fn bring_about(&self, wanted: Wanted<'_>) -> Result<Reply, Undone> {
        let began = Instant::now();
        let deadline = began + CHANGE_MAX;
        loop {
            let newcomer = match wanted.newcomer() {
                Some((_, address)) => {
                    self.admission.status(address, 0).await.map_err(|error| error.to_string())
                }
                None => Err(String::new()),
            };
            if !self.state.is_leader() {
                return Err(Undone::NotLeader);
            }
            let members = self.raft.members();
            let step = match members.is_committed && !members.is_joint {
                true => {
                    let answers = |id| self.answers(id);
                    let sight = Sight {
                        members: &members,
                        own_id: self.identity.node_id,
                        newcomer,
                        answers: &answers,
                    };
                    sight.next(wanted)
                }
                false => Step::Wait("another membership change is in progress".to_owned()),
            };
            let step = match step {
                Step::Doubt(text) if began.elapsed() < DOUBT_MAX => Step::Wait(text),
                Step::Doubt(text) => Step::Refuse(text),
                certain => certain,
            };
            let waits_for = match self.take(&members, wanted, step).await? {
                Taken::All(text) => return Ok(Reply::simple(format!("OK {text}"))),
                Taken::One => continue,
                Taken::None(waits_for) => waits_for,
            };
            if Instant::now() > deadline {
                return Err(Undone::InProgress(waits_for));
            }
            tokio::time::sleep(RETRY_INTERVAL).await;
        }
    }

    async fn take(&self, members: &Members, wanted: Wanted<'_>, step: Step) -> Result<Taken, Undone> {
        let changed = match step {
            Step::Done(text) => return Ok(Taken::All(text)),
            Step::Refuse(text) | Step::Doubt(text) => return Err(Undone::Because(text)),
            Step::Wait(text) => return Ok(Taken::None(text)),
            Step::HandOver => {
                self.transfer(None).await?;
                return Err(Undone::NotLeader);
            }
            Step::LetIn { standby, replaces } => {
                let Some((name, address)) = wanted.newcomer() else { return Ok(Taken::One) };
                let status = self.admission.status(address, 0).await?;
                let join = wire::Join {
                    node_id: status.node_id,
                    node_name: name.to_owned(),
                    address: address.to_owned(),
                    standby,
                    feature_level: status.feature_level,
                    feature_level_min: status.feature_level_min,
                };
                match self.admission.let_in(members, join, replaces).await {
                    Ok(()) => Ok(()),
                    Err(NotLetIn::Changing(error)) => Err(error),
                    Err(NotLetIn::Refused(why)) => return Err(why.into()),
                }
            }
            Step::SetPeer(id, peer) => self.raft.set_peer(members, id, peer).await,
            Step::Promote { learner, replaced } => {
                self.raft.promote(members, &learner, replaced.as_ref()).await
            }
            Step::Remove(member) => {
                let removed = self.raft.remove(members, &member).await;
                if removed.is_ok() && matches!(wanted, Wanted::Gone { .. }) {
                    return Ok(Taken::All(format!("{} is no longer a node of the core", member.peer.name)));
                }
                removed
            }
        };
        match changed {
            Ok(()) => Ok(Taken::One),
            // A concurrent change may have done it, or undone what this one was decided for.
            Err(error @ ChangeError::UnderWay) => Ok(Taken::None(error.to_string())),
            Err(ChangeError::NotLeader) => Err(Undone::NotLeader),
            Err(error) => Err(Undone::Because(error.to_string())),
        }
    }
}

enum Taken {
    /// The last one; the text describes the result.
    All(String),
    One,
    /// It waits for this.
    None(String),
}
