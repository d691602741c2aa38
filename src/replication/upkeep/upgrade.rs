//! Raises the feature level once every node of the core, and every edge that follows it, understands the next one.
//!
//! The leader asks each member, at the moment of the decision; one that does not answer has not said that it understands. What
//! it then proposes is an entry (`replica/raise.rs`), so all replicas go over at one log position. A core without data
//! begins at the newest level, before its first write where this node founds it. Elsewhere it is `auto-upgrade` that says
//! whether the leader does so by itself or waits for `flotilla admin upgrade finish`.

use crate::{
    feature_level,
    peer::Peers,
    replica::Raise,
    replication::{
        consensus::{Member, RaftNode},
        queue::Outcome,
        wire,
    },
    resp::Reply,
    state::{FedSeen, ReplicationState},
    store::Store,
};
use bytes::Bytes;
use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};
use tokio::{sync::oneshot, time::Instant};

/// Between two looks at whether the level can be raised.
const LOOK_INTERVAL: Duration = Duration::from_secs(1);
/// The same while there are no data yet: who founds a core begins to write soon.
const NEW_INTERVAL: Duration = Duration::from_millis(50);
const ASK_MAX: Duration = Duration::from_secs(1);
const PROPOSE_MAX: Duration = Duration::from_secs(10);
/// How long a node that is alone puts off its first write for this.
const BEGIN_MAX: Duration = Duration::from_secs(5);
const BEGIN_INTERVAL: Duration = Duration::from_millis(1);

/// See the module.
pub struct Upgrade {
    pub raft: RaftNode,
    pub peers: Arc<Peers>,
    pub state: Arc<ReplicationState>,
    pub store: Arc<Store>,
    pub node_id: u64,
    /// Whether the leader raises the level without being asked.
    pub is_automatic: bool,
    /// Whether this process has founded the core.
    pub has_founded: AtomicBool,
}

/// Who understands what, as asked just now.
#[derive(Debug, Default, PartialEq, Eq)]
struct Survey {
    /// What a node of the core understands at most, by name; `None`: it does not answer.
    nodes: Vec<(String, Option<u32>)>,
    edges: Vec<(String, u32)>,
}

/// What follows from a survey.
#[derive(Debug, PartialEq, Eq)]
struct Finding {
    /// All understand levels up to this one; 0 = somebody does not answer.
    agreed: u32,
    /// The highest that any node of the core understands.
    highest: u32,
    /// Who does not understand that one.
    behind: Vec<String>,
}

impl Survey {
    fn finding(&self) -> Finding {
        let highest = self.nodes.iter().filter_map(|(_, level)| *level).max().unwrap_or(0);
        let nodes = self.nodes.iter().map(|(name, level)| (name.clone(), *level));
        let edges = self.edges.iter().map(|(name, level)| (format!("the edge {name}"), Some(*level)));
        let all: Vec<(String, Option<u32>)> = nodes.chain(edges).collect();
        let behind = all.iter().filter_map(|(name, level)| match level {
            None => Some(format!("{name} does not answer")),
            Some(level) if *level < highest => Some(format!("{name} understands levels up to {level}")),
            Some(_) => None,
        });
        Finding {
            agreed: all.iter().map(|(_, level)| level.unwrap_or(0)).min().unwrap_or(0),
            highest,
            behind: behind.collect(),
        }
    }
}

impl Upgrade {
    /// Puts off the first write of a new node that is alone until the level is raised: its data begin at the newest one.
    pub async fn begin(&self) {
        let deadline = Instant::now() + BEGIN_MAX;
        while self.is_new() && !self.is_newest() && Instant::now() < deadline {
            if self.state.has_applied_own_term() && self.propose(feature_level::NEWEST).await.is_ok() {
                return;
            }
            tokio::time::sleep(BEGIN_INTERVAL).await;
        }
    }

    /// Runs until aborted. Works only where this node leads.
    pub async fn run(self: Arc<Self>) {
        let mut said = String::new();
        loop {
            tokio::time::sleep(if self.is_new() && !self.is_newest() { NEW_INTERVAL } else { LOOK_INTERVAL })
                .await;
            if self.is_newest() || !self.state.has_applied_own_term() {
                continue;
            }
            let is_new = self.is_new() || self.has_founded.load(Ordering::Relaxed);
            let text = match self.is_automatic || is_new {
                true => self.finish().await.err(),
                false => self.is_possible().await,
            };
            let text = text.unwrap_or_default();
            if !text.is_empty() && text != said {
                tracing::info!(why = %text, "the feature level stays {}", self.state.feature_level());
            }
            said = text;
        }
    }

    /// As leader: raises the level as far as all understand it. `Err`: why it is not as high as a node of the core would have it.
    pub async fn finish(&self) -> Result<String, String> {
        let Finding { agreed, highest, behind } = self.survey().await?.finding();
        let active = self.state.feature_level();
        if agreed > active {
            let level = self.propose(agreed).await?;
            tracing::info!(
                level,
                from = active,
                "the feature level is raised: no earlier build can open these data"
            );
        }
        let active = active.max(agreed);
        match active >= highest {
            true => Ok(format!("OK the feature level is {active}")),
            false => Err(format!("the feature level is {active}, not {highest}: {}", behind.join(", "))),
        }
    }

    /// As leader: that the level can be raised, if it can.
    async fn is_possible(&self) -> Option<String> {
        let finding = self.survey().await.ok()?.finding();
        let can = finding.agreed > self.state.feature_level();
        can.then(|| {
            format!(
                "all nodes and edges understand level {}: 'flotilla admin upgrade finish' raises it, and after that no earlier \
                 build can open the data",
                finding.agreed
            )
        })
    }

    fn is_newest(&self) -> bool {
        self.state.feature_level() >= feature_level::NEWEST
    }

    /// Whether there was no write yet.
    fn is_new(&self) -> bool {
        self.store.latest().state().last_at == 0
    }

    /// Asks every member, and hears of every edge that one of them feeds.
    async fn survey(&self) -> Result<Survey, String> {
        let members = self.raft.members();
        if members.is_joint || !members.is_committed {
            return Err("a change of the members is under way; try again".into());
        }
        let others = members.list.iter().filter(|member| member.id != self.node_id);
        let asked = others.map(|member| async move { (member.peer.name.clone(), self.ask(member).await) });
        let told = futures::future::join_all(asked).await;
        let own_name = members.find(self.node_id).map_or_else(String::new, |own| own.peer.name.clone());
        let mut survey = Survey { nodes: vec![(own_name, Some(feature_level::NEWEST))], edges: Vec::new() };
        let edge = |seen: FedSeen| {
            (format!("{} of site {}", seen.name, seen.site), feature_level::said(seen.report.feature_level))
        };
        survey.edges.extend(self.state.fed.seen().into_iter().map(edge));
        for (name, status) in told {
            let level = status.as_ref().map(|status| feature_level::said(status.feature_level));
            survey.nodes.push((name, level));
            let fed = status.into_iter().flat_map(|status| status.fed);
            survey.edges.extend(fed.map(wire::fed_from_wire).map(edge));
        }
        Ok(survey)
    }

    async fn ask(&self, member: &Member) -> Option<wire::Status> {
        let client = self.peers.client(&member.peer.address, member.id);
        let answer = client.call(wire::kind::STATUS, Bytes::new(), ASK_MAX).await.ok()?;
        wire::read(answer).ok()
    }

    async fn propose(&self, level: u32) -> Result<u32, String> {
        let (told, outcome) = oneshot::channel();
        let told = move |outcome| drop(told.send(outcome));
        self.raft.propose(Raise::to(level).encode(), None, told).await;
        match tokio::time::timeout(PROPOSE_MAX, outcome).await {
            Ok(Ok(Outcome::Applied(replies))) => match replies.first().and_then(|replies| replies.first()) {
                Some(Reply::Int(level)) => u32::try_from(*level).map_err(|error| error.to_string()),
                other => Err(format!("unexpected answer: {other:?}")),
            },
            Ok(Ok(Outcome::NotDone(_))) => Err("this node does not lead any more; try again".into()),
            Ok(Ok(Outcome::Unknown(_)) | Err(_)) | Err(_) => {
                Err("outcome unknown: look at the status before trying again".into())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn survey(nodes: &[(&str, Option<u32>)], edges: &[(&str, u32)]) -> Finding {
        let nodes = nodes.iter().map(|(name, level)| ((*name).to_owned(), *level)).collect();
        let edges = edges.iter().map(|(name, level)| ((*name).to_owned(), *level)).collect();
        Survey { nodes, edges }.finding()
    }

    #[test]
    fn the_level_is_what_every_node_and_every_edge_has_said_it_understands() {
        let all = [("n1", Some(5)), ("n2", Some(5)), ("n3", Some(5))];
        let finding = survey(&all, &[("e1", 5)]);
        assert_eq!(finding, Finding { agreed: 5, highest: 5, behind: vec![] });
        let finding = survey(&all, &[("e1", 5), ("e2", 4)]);
        assert_eq!((finding.agreed, finding.highest), (4, 5));
        assert_eq!(finding.behind, ["the edge e2 understands levels up to 4"]);
        let finding = survey(&[("n1", Some(5)), ("n2", None)], &[]);
        assert_eq!((finding.agreed, finding.behind), (0, vec!["n2 does not answer".to_owned()]));
        let leader_is_old = survey(&[("n1", Some(4)), ("n2", Some(5))], &[]);
        assert_eq!(leader_is_old.behind, ["n1 understands levels up to 4"]);
    }
}
