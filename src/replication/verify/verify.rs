//! Whether all nodes have the same state: they compute its checksum at one place of the log, and the leader compares.
//!
//! The leader proposes a mark; every node that applies it walks its own state as of that entry in the background, and
//! every block that it reads has its own checksum: a sum that a node tells is of sound files. A node that finds damage says
//! so, and repairs itself when the others can do without it (`leave.rs`). A node whose sum is not that of the majority has
//! another state in sound files: it is quarantined, if the voters that are left are a majority. Without a majority of
//! equal sums nobody can say who is right: that is only told. A node that was not done in time does not differ.

use super::leave::Leave;
use crate::{
    fail::{self, Damage, Part},
    peer::{LocalIdentity, Peers},
    replica::ProposalBuilder,
    replication::{
        consensus::{Member, RaftNode},
        queue::{Mailbox, Outcome, Queue, Ticket},
        state::{Progress, Sum},
        wire,
    },
    resp::Reply,
};
use std::{
    collections::BTreeMap,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};
use tokio::time::Instant;

/// Between two questions for a sum.
const AGAIN: Duration = Duration::from_millis(100);
const ASK_MAX: Duration = Duration::from_secs(2);
/// How long nodes may take to walk their state while somebody waits for the answer.
const SUMS_MAX: Duration = Duration::from_secs(100);
/// As long as that, or longer, if nobody does.
const SUMS_UNATTENDED_MAX: Duration = Duration::from_secs(6 * 3600);
/// A node that does not even answer is not waited for so long.
const SILENT_MAX: Duration = Duration::from_secs(5);

/// See the module.
pub struct Verify {
    pub raft: RaftNode,
    pub peers: Arc<Peers>,
    pub progress: Arc<Progress>,
    pub queue: Arc<Queue>,
    pub identity: Arc<LocalIdentity>,
    pub leave: Arc<Leave>,
}

/// What a node says of its state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Told {
    Sum(u32),
    Damaged,
    /// It did not answer, was not done, or was busy with an earlier one.
    Nothing,
}

impl Told {
    fn sum(self) -> Option<u32> {
        match self {
            Told::Sum(sum) => Some(sum),
            Told::Damaged | Told::Nothing => None,
        }
    }
}

impl Verify {
    /// As leader: compares now and quarantines who differs; the answer is JSON.
    pub async fn run(&self) -> Result<Reply, String> {
        self.compare(SUMS_MAX).await
    }

    /// Compares wherever this node leads, as often as this.
    pub async fn run_now_and_then(&self, interval: Duration) {
        loop {
            tokio::time::sleep(interval).await;
            if self.progress.is_leader()
                && let Err(error) = self.compare(SUMS_UNATTENDED_MAX).await
            {
                tracing::warn!(%error, "the states of the nodes were not compared");
            }
        }
    }

    async fn compare(&self, within: Duration) -> Result<Reply, String> {
        let index = self.mark().await?;
        let mut members = self.raft.members().list;
        members.sort_by(|a, b| a.peer.name.cmp(&b.peer.name));
        let told =
            futures::future::join_all(members.iter().map(|member| self.sum(member, index, within))).await;
        let told: Vec<(&Member, Told)> = members.iter().zip(told).collect();
        let verdict = Verdict::of(&told);
        let nodes: Vec<serde_json::Value> = told
            .iter()
            .map(|(member, told)| {
                let sum = told.sum().map(|sum| format!("{sum:08x}"));
                let state = verdict.state(member.id, *told);
                serde_json::json!({ "name": member.peer.name, "checksum": sum, "state": state })
            })
            .collect();
        let status = &self.progress.status;
        status.verified_index.store(index, Ordering::Relaxed);
        status.divergent_nodes.store(verdict.divergent.len() as u64, Ordering::Relaxed);
        match verdict.outcome {
            Comparison::Equal => {}
            Comparison::Differs => {
                tracing::error!(
                    index,
                    ?nodes,
                    remedy = "none is needed with --repair-damaged yes; else start the node that differs with an empty data directory",
                    "nodes of the core do not have the same state"
                )
            }
            Comparison::Incomplete => {
                tracing::warn!(index, ?nodes, "not all nodes of the core have compared their states");
            }
        }
        for id in &verdict.divergent {
            self.quarantine(*id, index).await;
        }
        let equal = verdict.outcome == Comparison::Equal;
        let answer = serde_json::json!({
            "index": index, "equal": equal, "outcome": verdict.outcome.word(), "nodes": nodes
        });
        Ok(Reply::bulk(answer.to_string()))
    }

    /// The entry after which states are compared.
    async fn mark(&self) -> Result<u64, String> {
        let mailbox = Mailbox::new();
        let ticket = Ticket { mailbox: Arc::clone(&mailbox), id: 0, was_forwarded: true };
        self.queue.submit(ProposalBuilder::mark(), ticket).map_err(|refused| refused.to_string())?;
        let mut outcomes = Vec::new();
        while outcomes.is_empty() {
            mailbox.wait().await;
            mailbox.drain(&mut outcomes);
        }
        match outcomes.pop() {
            Some((_, Outcome::Applied(replies))) => match replies.first() {
                Some(Reply::Int(index)) => u64::try_from(*index).map_err(|error| error.to_string()),
                _ => Err("the mark has no place".into()),
            },
            Some((_, Outcome::NotDone(error) | Outcome::Unknown(error))) => Err(error.to_string()),
            None => Err("the mark has no outcome".into()),
        }
    }

    async fn sum(&self, member: &Member, index: u64, within: Duration) -> Told {
        let deadline = Instant::now() + within;
        let mut silent_until = Instant::now() + SILENT_MAX;
        loop {
            let sum = match member.id == self.identity.node_id {
                true => self.own_sum(index),
                false => {
                    let answer = self.ask(member, index).await;
                    if answer.is_some() {
                        silent_until = Instant::now() + SILENT_MAX;
                    }
                    answer.and_then(|answer| from_wire(&answer))
                }
            };
            match sum {
                Some(Sum::Known(sum)) => return Told::Sum(sum),
                Some(Sum::Damaged) => return Told::Damaged,
                Some(Sum::Skipped) => return Told::Nothing,
                Some(Sum::Pending) | None => {}
            }
            if Instant::now() >= deadline
                || (member.id != self.identity.node_id && Instant::now() >= silent_until)
            {
                return Told::Nothing;
            }
            tokio::time::sleep(AGAIN).await;
        }
    }

    async fn ask(&self, member: &Member, index: u64) -> Option<wire::SumAnswer> {
        let client = self.peers.client(&member.peer.address, member.id);
        let body = wire::write(&wire::Replicated { index });
        let answer = client.call(wire::kind::SUM, body, ASK_MAX).await.ok()?;
        wire::read(answer).ok()
    }

    fn own_sum(&self, index: u64) -> Option<Sum> {
        let applied = self.progress.status.applied_index.load(Ordering::SeqCst);
        self.progress.sums.get(index, applied)
    }

    /// Answers the leader's question.
    pub fn answer(&self, index: u64) -> wire::SumAnswer {
        match self.own_sum(index) {
            None => wire::SumAnswer { state: 0, sum: 0 },
            Some(Sum::Pending) => wire::SumAnswer { state: 1, sum: 0 },
            Some(Sum::Known(sum)) => wire::SumAnswer { state: 2, sum },
            Some(Sum::Skipped) => wire::SumAnswer { state: 3, sum: 0 },
            Some(Sum::Damaged) => wire::SumAnswer { state: 4, sum: 0 },
        }
    }

    async fn quarantine(&self, id: u64, index: u64) {
        let members = self.raft.members();
        let Some(member) = members.find(id) else { return };
        if let Err(why) = self.leave.let_go(id) {
            tracing::error!(
                node = %member.peer.name, %why,
                remedy = "bring the other nodes back; it is stopped at the next comparison",
                "a node whose state differs goes on for now"
            );
            return;
        }
        if id == self.identity.node_id {
            self.raft.hand_over().await;
            self.go_into_quarantine(&wire::Quarantine { index, went_back: false });
        }
        let client = self.peers.client(&member.peer.address, id);
        let body = wire::write(&wire::Quarantine { index, went_back: false });
        if let Err(error) = client.call(wire::kind::QUARANTINE, body, ASK_MAX).await {
            // It stops before it answers.
            tracing::warn!(node = %member.peer.name, %error, "quarantined");
        }
    }

    /// This node's state or log is not what it must be: it serves nobody any more.
    pub fn go_into_quarantine(&self, told: &wire::Quarantine) -> ! {
        fail::damaged(&damage_of(told))
    }
}

fn damage_of(told: &wire::Quarantine) -> Damage {
    let wire::Quarantine { index, went_back } = told;
    match went_back {
        false => Damage {
            part: Part::Store,
            file: "the data of this node".into(),
            detail: format!(
                "its state at entry {index} is not that of the majority: its files were changed or the program has a fault"
            ),
        },
        true => Damage {
            part: Part::Log,
            file: "the log of this node".into(),
            detail: format!(
                "it ends before entry {index}, which it had on disk before: its data directory is an old copy, or its disk \
                 lost writes. It must not vote with it"
            ),
        },
    }
}

fn from_wire(answer: &wire::SumAnswer) -> Option<Sum> {
    match answer.state {
        1 => Some(Sum::Pending),
        2 => Some(Sum::Known(answer.sum)),
        3 => Some(Sum::Skipped),
        4 => Some(Sum::Damaged),
        _ => None,
    }
}

/// How a comparison ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Comparison {
    /// All that told a sum agree, and are a majority of the voters.
    Equal,
    /// Some differ, or have damaged data.
    Differs,
    /// Too few told a sum to know.
    Incomplete,
}

impl Comparison {
    fn word(self) -> &'static str {
        match self {
            Comparison::Equal => "equal",
            Comparison::Differs => "differs",
            Comparison::Incomplete => "incomplete",
        }
    }
}

/// What follows from the sums.
#[derive(Debug, PartialEq, Eq)]
struct Verdict {
    outcome: Comparison,
    /// Who differs from a majority of the voters.
    divergent: Vec<u64>,
}

impl Verdict {
    fn of(told: &[(&Member, Told)]) -> Verdict {
        let voters = told.iter().filter(|(member, _)| member.is_voter).count();
        let mut votes: BTreeMap<u32, usize> = BTreeMap::new();
        for (_, told) in told.iter().filter(|(member, _)| member.is_voter) {
            if let Some(sum) = told.sum() {
                *votes.entry(sum).or_default() += 1;
            }
        }
        let right = votes.iter().find(|(_, count)| **count > voters / 2).map(|(sum, _)| *sum);
        let differs = |told: &Told| told.sum().is_some() && told.sum() != right;
        let divergent: Vec<u64> = match right {
            None => vec![],
            Some(_) => told.iter().filter(|(_, told)| differs(told)).map(|(member, _)| member.id).collect(),
        };
        let is_damaged = told.iter().any(|(_, told)| *told == Told::Damaged);
        let outcome = match right {
            _ if is_damaged || !divergent.is_empty() || votes.len() > 1 => Comparison::Differs,
            Some(_) => Comparison::Equal,
            None => Comparison::Incomplete,
        };
        Verdict { outcome, divergent }
    }

    /// What is said of a node.
    fn state(&self, id: u64, told: Told) -> &'static str {
        match told {
            Told::Damaged => "damaged",
            Told::Nothing => "incomplete",
            Told::Sum(_) if self.divergent.contains(&id) => "differs",
            Told::Sum(_) if self.outcome == Comparison::Incomplete => "unconfirmed",
            Told::Sum(_) if self.outcome == Comparison::Differs && self.divergent.is_empty() => "unconfirmed",
            Told::Sum(_) => "equal",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::replication::consensus::Peer;

    #[test]
    fn who_differs_from_a_majority_is_named_and_nobody_without_one() {
        let member = |id, is_voter| Member { id, peer: Peer::default(), is_voter, matched: None };
        let voters: Vec<Member> = (1..=3).map(|id| member(id, true)).collect();
        let learner = member(9, false);
        let of = |told: [Told; 4]| {
            let told: Vec<_> = voters.iter().chain([&learner]).zip(told).collect();
            let Verdict { outcome, divergent } = Verdict::of(&told);
            (outcome, divergent)
        };
        let (a, b, c, bad, none) = (Told::Sum(1), Told::Sum(2), Told::Sum(3), Told::Damaged, Told::Nothing);
        assert_eq!(of([a, a, a, a]), (Comparison::Equal, vec![]));
        assert_eq!(of([a, a, none, none]), (Comparison::Equal, vec![]));
        assert_eq!(of([a, b, a, a]), (Comparison::Differs, vec![2]));
        assert_eq!(of([a, a, a, b]), (Comparison::Differs, vec![9]));
        assert_eq!(of([a, b, c, a]), (Comparison::Differs, vec![]));
        // Whoever is slow, silent or busy does not differ.
        assert_eq!(of([a, none, none, a]), (Comparison::Incomplete, vec![]));
        assert_eq!(of([none, none, none, none]), (Comparison::Incomplete, vec![]));
        // Damage speaks for itself, and is no reason to quarantine anybody else.
        assert_eq!(of([bad, a, a, a]), (Comparison::Differs, vec![]));
        assert_eq!(of([bad, bad, a, a]), (Comparison::Differs, vec![]));
    }
}
