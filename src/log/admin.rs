//! What an administrator asks of the core: done by the leader, whichever node was asked.

use super::{
    join::Admission,
    progress::Progress,
    raft::{Member, Members, Peers, RaftNode, wire},
    steward::{VOTERS_MAX, has_caught_up},
    timekeeper,
    verify::Verify,
};
use crate::{
    peer::{Answer, CallError, LocalIdentity},
    resp::{ErrorReply, Reply, put_reply, take_reply},
    session::{CoreRequest, Other},
};
use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};
use tokio::time::Instant;

/// How long a request waits for somebody to lead.
const LEADER_WAIT_MAX: Duration = Duration::from_secs(5);
const AGAIN: Duration = Duration::from_millis(50);
/// How long the leader may take for a request.
const ANSWER_MAX: Duration = Duration::from_secs(120);
const TRANSFER_MAX: Duration = Duration::from_secs(3);

/// See the module.
pub(super) struct Admin {
    pub(super) raft: RaftNode,
    pub(super) peers: Arc<Peers>,
    pub(super) progress: Arc<Progress>,
    pub(super) identity: Arc<LocalIdentity>,
    pub(super) admission: Arc<Admission>,
    pub(super) verify: Verify,
    /// Where this node's clients connect.
    pub(super) client_port: u16,
}

/// Why a request was not done here.
enum Undone {
    NotLeader,
    Because(String),
}

impl From<crate::log::LogError> for Undone {
    fn from(error: crate::log::LogError) -> Self {
        Undone::Because(error.to_string())
    }
}

impl From<CallError> for Undone {
    fn from(error: CallError) -> Self {
        Undone::Because(error.to_string())
    }
}

fn because<T>(text: impl Into<String>) -> Result<T, Undone> {
    Err(Undone::Because(text.into()))
}

impl Admin {
    /// Does it here if this node leads, and has it done by the leader if not.
    pub(super) async fn perform(&self, request: CoreRequest) -> Reply {
        let deadline = Instant::now() + LEADER_WAIT_MAX;
        loop {
            if self.progress.is_leader() {
                match self.lead(&request).await {
                    Ok(reply) => return reply,
                    Err(Undone::Because(text)) => return Reply::Error(ErrorReply::err(text)),
                    Err(Undone::NotLeader) => {}
                }
            } else if let Some((id, address)) = self.progress.leader() {
                let body = wire::write(&to_wire(&request));
                match self.peers.client(&address, id).call(wire::kind::ADMIN, body, ANSWER_MAX).await {
                    Ok(answer) => return read_answer(answer),
                    Err(CallError::Broken(why)) => {
                        let text = format!("outcome unknown: {why}; look at the status before trying again");
                        return Reply::Error(ErrorReply::new("UNKNOWN", text));
                    }
                    Err(CallError::Unreachable(_) | CallError::Refused(_)) => {}
                }
            }
            // What one node knows is better than nothing, and here nothing is changed.
            if request == CoreRequest::Status {
                return self.status();
            }
            if Instant::now() > deadline {
                let text = "no node leads at the moment; nothing was changed, try again";
                return Reply::Error(ErrorReply::new("CLUSTERDOWN", text));
            }
            tokio::time::sleep(AGAIN).await;
        }
    }

    /// The leader's side of a request that another node sent on.
    pub(super) async fn receive(&self, wanted: wire::Admin) -> Answer {
        let refused = |text: &str| CallError::Refused(text.into());
        let request = from_wire(wanted).ok_or_else(|| refused("no such request"))?;
        if !self.progress.is_leader() {
            return Err(refused("this node does not lead"));
        }
        let reply = match self.lead(&request).await {
            Ok(reply) => reply,
            Err(Undone::Because(text)) => Reply::Error(ErrorReply::err(text)),
            Err(Undone::NotLeader) => return Err(refused("this node does not lead any more")),
        };
        let mut bytes = Vec::new();
        put_reply(&reply, &mut bytes);
        Ok(wire::write(&wire::AdminAnswer { reply: bytes }))
    }

    async fn lead(&self, request: &CoreRequest) -> Result<Reply, Undone> {
        if !matches!(request, CoreRequest::Status | CoreRequest::Clock { step: false }) {
            tracing::info!(?request, "administration");
        }
        match request {
            CoreRequest::Status => Ok(self.status()),
            CoreRequest::Add { name, address, standby } => self.add(name, address, *standby, None).await,
            CoreRequest::Replace { old, name, address } => self.add(name, address, false, Some(old)).await,
            CoreRequest::Remove { name, force } => self.remove(name, *force).await,
            CoreRequest::Promote { name } => self.promote(name).await,
            CoreRequest::Transfer { name } => self.transfer(name.as_deref()).await,
            CoreRequest::Verify => self.verify.run().await.map_err(Undone::Because),
            CoreRequest::Clock { step } => self.clock(*step).await,
        }
    }

    fn member(&self, members: &Members, name: &str) -> Result<Member, Undone> {
        let found = members.named(name).cloned();
        found.ok_or_else(|| Undone::Because(format!("the core has no node {name}")))
    }

    /// The members, if no change of them is under way.
    fn at_rest(&self) -> Result<Members, Undone> {
        let members = self.raft.members();
        match members.is_committed && !members.is_joint {
            true => Ok(members),
            false => because("another change of the members is under way; try again"),
        }
    }

    async fn add(
        &self,
        name: &str,
        address: &str,
        standby: bool,
        old: Option<&str>,
    ) -> Result<Reply, Undone> {
        let members = self.at_rest()?;
        let replaces = match old {
            None => 0,
            Some(old) => self.member(&members, old)?.id,
        };
        if replaces == self.identity.node_id {
            return because("it leads; transfer leadership first");
        }
        if let Some(known) =
            members.list.iter().find(|member| member.peer.name == name && member.id != replaces)
        {
            return match known.peer.address == address {
                true => Ok(Reply::Ok),
                false => because(format!("{name} is a node of the core already, at {}", known.peer.address)),
            };
        }
        if old.is_none() && !standby && members.voters().count() >= VOTERS_MAX {
            return because(format!(
                "the core has {VOTERS_MAX} voters, and may not have more; add a standby"
            ));
        }
        let status = self.admission.status(address, 0).await?;
        if status.node_name != name {
            return because(format!("{address} answers as {}", status.node_name));
        }
        let join = wire::Join {
            node_id: status.node_id,
            node_name: name.to_owned(),
            address: address.to_owned(),
            standby,
            feature_level: status.feature_level,
        };
        self.admission.let_in(join, replaces).await?;
        Ok(Reply::Ok)
    }

    async fn remove(&self, name: &str, force: bool) -> Result<Reply, Undone> {
        let members = self.at_rest()?;
        let member = self.member(&members, name)?;
        if member.is_voter && !force {
            let left: Vec<&Member> = members.voters().filter(|voter| voter.id != member.id).collect();
            let answering = left.iter().filter(|voter| self.answers(voter.id)).count();
            if left.is_empty() || answering <= left.len() / 2 {
                return because(format!(
                    "without {name} {answering} of {} voters would answer, which is no majority (FORCE removes it all the same)",
                    left.len()
                ));
            }
        }
        if member.id == self.identity.node_id {
            // The next leader does it.
            self.transfer(None).await?;
            return Err(Undone::NotLeader);
        }
        self.raft.remove(&member).await?;
        Ok(Reply::Ok)
    }

    async fn promote(&self, name: &str) -> Result<Reply, Undone> {
        let members = self.at_rest()?;
        let member = self.member(&members, name)?;
        if member.is_voter {
            return Ok(Reply::Ok);
        }
        if members.voters().count() >= VOTERS_MAX && members.find(member.peer.replaces).is_none() {
            return because(format!("the core has {VOTERS_MAX} voters, and may not have more"));
        }
        if !has_caught_up(&member, &members) {
            let behind = members.last_index.saturating_sub(member.matched.unwrap_or(0));
            return because(format!(
                "{name} is behind by {behind} entries; it gets its vote when it has caught up"
            ));
        }
        let replaced = members.find(member.peer.replaces).filter(|old| old.id != self.identity.node_id);
        self.raft.promote(&member, replaced).await?;
        Ok(Reply::Ok)
    }

    async fn transfer(&self, name: Option<&str>) -> Result<Reply, Undone> {
        let members = self.at_rest()?;
        let own = self.identity.node_id;
        let target = match name {
            Some(name) => self.member(&members, name)?,
            None => match self.raft.successor().await {
                Some(best) => best,
                None => return because("there is no other voter that answers and does not stop itself"),
            },
        };
        if target.id == own {
            return Ok(Reply::Ok);
        }
        if !target.is_voter {
            return because(format!("{} is a learner, which cannot lead", target.peer.name));
        }
        // One that has died since it was last looked at would cost the core its leader for an election.
        if self.admission.status(&target.peer.address, target.id).await.is_err() {
            return because(format!("{} does not answer at {}", target.peer.name, target.peer.address));
        }
        match self.raft.transfer_to(target.id, TRANSFER_MAX).await {
            true => Ok(Reply::Ok),
            false => because(format!(
                "{} did not take over in {} s; look at the status",
                target.peer.name,
                TRANSFER_MAX.as_secs()
            )),
        }
    }

    async fn clock(&self, step: bool) -> Result<Reply, Undone> {
        if self.progress.status.edge.is_edge() {
            return because("an edge's time is the core's; ask a node of the core");
        }
        if !self.progress.has_applied_own_term() {
            return Err(Undone::NotLeader);
        }
        let members = self.raft.members();
        let name = |id| members.find(id).map_or_else(|| id.to_string(), |member| member.peer.name.clone());
        let told =
            timekeeper::tell(&self.progress, &self.verify.queue, step, self.identity.node_id, name).await;
        told.map(|told| Reply::bulk(told.to_string())).map_err(Undone::Because)
    }

    fn answers(&self, id: u64) -> bool {
        let others = self.progress.status.others.read();
        id == self.identity.node_id || others.iter().any(|other| other.node_id == id && other.answers)
    }

    fn status(&self) -> Reply {
        let members = self.raft.members();
        let status = &self.progress.status;
        let leader = self.progress.leader().map(|(id, _)| id);
        let cluster = self.admission.cluster.read().clone();
        let others = status.others.read().clone();
        let applied = status.applied_index.load(Ordering::Relaxed);
        let node = |member: &Member| {
            let is_own = member.id == self.identity.node_id;
            let other = others.iter().find(|other| other.node_id == member.id).cloned().unwrap_or_default();
            let host = member.peer.address.rsplit_once(':').map_or("", |(host, _)| host);
            let own = Other {
                host: host.to_owned(),
                client_port: self.client_port,
                applied_index: applied,
                answers: true,
                ..Other::default()
            };
            let seen = if is_own { own } else { other };
            let role = match member {
                member if Some(member.id) == leader => "leader",
                member if member.is_voter => "voter",
                member if member.peer.standby => "standby",
                _ => "learner",
            };
            serde_json::json!({
                "id": member.id,
                "name": member.peer.name,
                "peer_address": member.peer.address,
                "clients": format!("{}:{}", seen.host, seen.client_port),
                "role": role,
                "answers": seen.answers,
                "applied_index": seen.applied_index,
                "log_index": member.matched,
                "replaces": (member.peer.replaces != 0).then_some(member.peer.replaces),
            })
        };
        let mut list: Vec<&Member> = members.list.iter().collect();
        list.sort_by(|a, b| a.peer.name.cmp(&b.peer.name));
        let nodes: Vec<serde_json::Value> = list.into_iter().map(node).collect();
        let told = serde_json::json!({
            "cluster_id": cluster.cluster_id,
            "history_id": cluster.history_id,
            "told_by": self.identity.node_name,
            "term": status.term.load(Ordering::Relaxed),
            "leader": leader.and_then(|id| members.find(id)).map(|leader| leader.peer.name.clone()),
            "committed_index": status.committed_index.load(Ordering::Relaxed),
            "last_index": members.last_index,
            "log_time_ms": status.clock.now_ms(),
            "log_time_ahead_ms": status.clock.ahead_ms(),
            "change_under_way": members.is_joint || !members.is_committed,
            "feature_level": wire::FEATURE_LEVEL,
            "nodes": nodes,
        });
        Reply::bulk(told.to_string())
    }
}

fn to_wire(request: &CoreRequest) -> wire::Admin {
    let (request, words, flag) = match request.clone() {
        CoreRequest::Status => (1, vec![], false),
        CoreRequest::Add { name, address, standby } => (2, vec![name, address], standby),
        CoreRequest::Remove { name, force } => (3, vec![name], force),
        CoreRequest::Promote { name } => (4, vec![name], false),
        CoreRequest::Transfer { name } => (5, name.into_iter().collect(), false),
        CoreRequest::Replace { old, name, address } => (6, vec![old, name, address], false),
        CoreRequest::Verify => (7, vec![], false),
        CoreRequest::Clock { step } => (8, vec![], step),
    };
    wire::Admin { request, words, flag }
}

fn from_wire(wanted: wire::Admin) -> Option<CoreRequest> {
    let mut words = wanted.words.into_iter();
    let flag = wanted.flag;
    let request = match wanted.request {
        1 => CoreRequest::Status,
        2 => CoreRequest::Add { name: words.next()?, address: words.next()?, standby: flag },
        3 => CoreRequest::Remove { name: words.next()?, force: flag },
        4 => CoreRequest::Promote { name: words.next()? },
        5 => CoreRequest::Transfer { name: words.next() },
        6 => CoreRequest::Replace { old: words.next()?, name: words.next()?, address: words.next()? },
        7 => CoreRequest::Verify,
        8 => CoreRequest::Clock { step: flag },
        _ => return None,
    };
    words.next().is_none().then_some(request)
}

fn read_answer(answer: bytes::Bytes) -> Reply {
    let unreadable = || Reply::Error(ErrorReply::new("UNKNOWN", "the leader's answer cannot be read"));
    let Ok(answer) = wire::read::<wire::AdminAnswer>(answer) else {
        return unreadable();
    };
    take_reply(&mut &answer.reply[..]).unwrap_or_else(unreadable)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_come_through_as_they_were() {
        let text = |text: &str| text.to_owned();
        for request in [
            CoreRequest::Status,
            CoreRequest::Add { name: text("a"), address: text("h:1"), standby: true },
            CoreRequest::Remove { name: text("a"), force: true },
            CoreRequest::Promote { name: text("a") },
            CoreRequest::Transfer { name: None },
            CoreRequest::Transfer { name: Some(text("b")) },
            CoreRequest::Replace { old: text("a"), name: text("b"), address: text("h:2") },
            CoreRequest::Verify,
            CoreRequest::Clock { step: true },
        ] {
            assert_eq!(from_wire(to_wire(&request)), Some(request));
        }
        assert_eq!(from_wire(wire::Admin { request: 3, ..Default::default() }), None);
        assert_eq!(from_wire(wire::Admin { request: 99, ..Default::default() }), None);
    }
}
