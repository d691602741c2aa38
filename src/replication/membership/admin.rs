//! Administrators' requests: the leader executes them, whichever node was asked.

use super::{join::Admission, reconfigure::Wanted};
use crate::{
    peer::{Answer, CallError, LocalIdentity, Peers},
    replication::{
        consensus::{ChangeError, RaftNode},
        upkeep::{Upgrade, tell_clock},
        verify::Verify,
        wire,
    },
    resp::{ErrorReply, Reply, put_reply, take_reply},
    session::CoreRequest,
    state::{ClientPorts, ReplicationState},
};
use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};
use tokio::time::Instant;

/// Longest wait for a leader.
const LEADER_WAIT_MAX: Duration = Duration::from_secs(5);
const RETRY_INTERVAL: Duration = Duration::from_millis(50);
/// Longest time for a request, over all leaders that are asked.
const REQUEST_MAX: Duration = Duration::from_secs(90);
/// How long the leader may take for a request.
const ANSWER_MAX: Duration = Duration::from_secs(120);
const STATUS_MAX: Duration = Duration::from_secs(2);
const TRANSFER_MAX: Duration = Duration::from_secs(3);

/// Executes requests.
pub struct Admin {
    pub raft: RaftNode,
    pub peers: Arc<Peers>,
    pub state: Arc<ReplicationState>,
    pub identity: Arc<LocalIdentity>,
    pub admission: Arc<Admission>,
    pub verify: Verify,
    pub upgrade: Arc<Upgrade>,
    /// The client ports of this node.
    pub client_ports: ClientPorts,
}

/// Why a request was not done here.
pub enum Undone {
    NotLeader,
    Because(String),
    /// It continues by itself; the text names what it waits for.
    InProgress(String),
}

impl Undone {
    /// The reply; `None`: ask another node.
    fn told(self) -> Option<Reply> {
        match self {
            Undone::NotLeader => None,
            Undone::Because(text) => Some(Reply::Error(ErrorReply::err(text))),
            Undone::InProgress(waits_for) => {
                let text = format!("{waits_for}; the change goes on by itself, ask again to wait for it");
                Some(Reply::Error(ErrorReply::new("INPROGRESS", text)))
            }
        }
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
    /// Executes the request if this node leads, otherwise through the leader.
    pub async fn perform(&self, request: CoreRequest) -> Reply {
        let (began, mut asked) = (Instant::now(), Instant::now());
        let mut broken = None;
        loop {
            match self.attempt(&request).await {
                Attempt::Done(reply) => return reply,
                Attempt::Broken(why) => {
                    broken = Some(why);
                    asked = Instant::now();
                }
                Attempt::Elsewhere => asked = Instant::now(),
                Attempt::Nowhere => {}
            }
            // A status from one node is better than none, and it changes nothing.
            if request == CoreRequest::Status {
                return self.status();
            }
            if let Some(why) = broken.as_ref().filter(|_| !is_repeatable(&request)) {
                return unknown(why);
            }
            if began.elapsed() > REQUEST_MAX || asked.elapsed() > LEADER_WAIT_MAX {
                let is_removed = self.state.is_member_no_more();
                return broken.as_deref().map_or_else(|| nobody_leads(is_removed), unknown);
            }
            tokio::time::sleep(RETRY_INTERVAL).await;
        }
    }

    async fn attempt(&self, request: &CoreRequest) -> Attempt {
        if self.state.is_leader() {
            // Without a majority it can change nothing; another node may lead already.
            if !self.state.has_lease() && *request != CoreRequest::Status {
                return Attempt::Nowhere;
            }
            return match self.lead(request).await {
                Ok(reply) => Attempt::Done(reply),
                Err(undone) => undone.told().map_or(Attempt::Elsewhere, Attempt::Done),
            };
        }
        if self.state.is_removed.load(Ordering::Relaxed) {
            return self.own_end(request).map_or(Attempt::Nowhere, Attempt::Done);
        }
        let Some((id, address)) = self.state.leader() else { return Attempt::Nowhere };
        let (body, within) = (wire::write(&to_wire(request)), answer_max(request));
        match self.peers.client(&address, id).call(wire::kind::ADMIN, body, within).await {
            Ok(answer) => Attempt::Done(read_answer(answer)),
            Err(CallError::Broken(why)) => Attempt::Broken(why),
            Err(CallError::Unreachable(_) | CallError::Refused(_)) => Attempt::Nowhere,
        }
    }

    /// The reply of a node that is gone, to who asked for that: the core answers it no more. The one that replaces it had a vote
    /// before it went.
    fn own_end(&self, request: &CoreRequest) -> Option<Reply> {
        let is_own =
            |name: &str| name == self.identity.node_name || name == self.identity.node_id.to_string();
        let text = match request {
            CoreRequest::Remove { name, .. } if is_own(name) => {
                format!("OK {} is no longer a node of the core", self.identity.node_name)
            }
            CoreRequest::Replace { old, name, address } if is_own(old) && !is_own(name) => {
                let members = self.raft.members();
                members.named(name).filter(|new| new.peer.address == *address)?;
                format!("OK {name} votes, and {old} is gone")
            }
            _ => return None,
        };
        Some(Reply::simple(text))
    }

    /// The leader's side of a request that another node sent on.
    pub async fn receive(&self, wanted: wire::Admin) -> Answer {
        let refused = |text: &str| CallError::Refused(text.into());
        let request = from_wire(wanted).ok_or_else(|| refused("no such request"))?;
        if !self.state.is_leader() {
            return Err(refused("this node does not lead"));
        }
        let done = match self.lead(&request).await {
            Ok(reply) => Some(reply),
            Err(undone) => undone.told(),
        };
        let reply = done.ok_or_else(|| CallError::Broken("the leader has changed".into()))?;
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
            CoreRequest::Add { name, address, standby } => {
                self.bring_about(Wanted::Member { name, address, standby: *standby }).await
            }
            CoreRequest::Replace { old, name, address } => {
                self.bring_about(Wanted::Replaced { old, name, address }).await
            }
            CoreRequest::Remove { name, force } => {
                self.bring_about(Wanted::Gone { name, force: *force }).await
            }
            CoreRequest::Promote { name } => self.bring_about(Wanted::Voter { name }).await,
            CoreRequest::Transfer { name } => self.transfer(name.as_deref()).await,
            // It changes nothing, so whoever leads now may do it again.
            CoreRequest::Verify => self.verify.run().await.map_err(|why| match self.state.is_leader() {
                true => Undone::Because(why),
                false => Undone::NotLeader,
            }),
            CoreRequest::Clock { step } => self.clock(*step).await,
            CoreRequest::FinishUpgrade => self.finish_upgrade().await,
        }
    }

    pub async fn transfer(&self, name: Option<&str>) -> Result<Reply, Undone> {
        let deadline = Instant::now() + TRANSFER_MAX;
        let mut members = self.raft.members();
        while members.is_joint || !members.is_committed {
            if Instant::now() > deadline {
                return because(ChangeError::UnderWay.to_string());
            }
            tokio::time::sleep(RETRY_INTERVAL).await;
            members = self.raft.members();
        }
        let own = self.identity.node_id;
        let target = match name {
            Some(name) => match members.named(name) {
                Some(member) => member.clone(),
                None => return because(format!("the core has no node {name}")),
            },
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
        // Transferring leadership to a node that just died would leave the core without a leader for an election.
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

    async fn finish_upgrade(&self) -> Result<Reply, Undone> {
        if self.state.edge.is_edge() {
            return because("an edge's feature level is the core's; ask a node of the core");
        }
        if !self.state.has_applied_own_term() {
            return Err(Undone::NotLeader);
        }
        self.upgrade.finish().await.map(Reply::simple).map_err(Undone::Because)
    }

    async fn clock(&self, step: bool) -> Result<Reply, Undone> {
        if self.state.edge.is_edge() {
            return because("an edge's time is the core's; ask a node of the core");
        }
        if !self.state.has_applied_own_term() {
            return Err(Undone::NotLeader);
        }
        let members = self.raft.members();
        let name = |id| members.find(id).map_or_else(|| id.to_string(), |member| member.peer.name.clone());
        let told = tell_clock(&self.state, &self.verify.queue, step, self.identity.node_id, name).await;
        told.map(|told| Reply::bulk(told.to_string())).map_err(Undone::Because)
    }

    pub fn answers(&self, id: u64) -> bool {
        let others = self.state.others.read();
        id == self.identity.node_id || others.iter().any(|other| other.node_id == id && other.answers)
    }
}

/// The result of one attempt.
enum Attempt {
    Done(Reply),
    /// It may have been done.
    Broken(String),
    /// This node is no longer the leader.
    Elsewhere,
    /// No leader was asked; nothing was done.
    Nowhere,
}

/// Whether asking twice ends as asking once.
fn is_repeatable(request: &CoreRequest) -> bool {
    !matches!(request, CoreRequest::Transfer { name: None })
}

fn answer_max(request: &CoreRequest) -> Duration {
    match request {
        CoreRequest::Status => STATUS_MAX,
        _ => ANSWER_MAX,
    }
}

fn unknown(why: &str) -> Reply {
    let text = format!("outcome unknown: {why}; look at the status before trying again");
    Reply::Error(ErrorReply::new("UNKNOWN", text))
}

fn nobody_leads(is_removed: bool) -> Reply {
    Reply::Error(match is_removed {
        true => ErrorReply::removed_from_core(),
        false => ErrorReply::no_leader(),
    })
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
        CoreRequest::FinishUpgrade => (9, vec![], false),
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
        9 => CoreRequest::FinishUpgrade,
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
            CoreRequest::FinishUpgrade,
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
