//! Whether all nodes have the same state: they compute its checksum at one place of the log, and the leader compares.
//!
//! The leader proposes a mark; every node that applies it walks its own state as of that entry in the background, and
//! every block that it reads has its own checksum: a checksum that a node tells is of sound files. A node that finds damage says
//! so, and repairs itself when the others can do without it (`leave.rs`). A node whose checksum is not that of the majority has
//! another state in sound files: it is quarantined, if the voters that are left are a majority. Without a majority of
//! equal checksums nobody can say who is right: that is only told. A node that was not done in time does not differ.

use super::leave::Leave;
use crate::{
    fail::{self, Damage, Part},
    peer::{LocalIdentity, Peers},
    replica::ProposalBuilder,
    replication::{
        consensus::{Member, RaftNode},
        queue::{Mailbox, Outcome, Queue, Ticket},
        wire,
    },
    resp::Reply,
    state::{ReplicationState, StateChecksum},
};
use std::{
    collections::BTreeMap,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};
use tokio::time::Instant;

/// Between two questions for a checksum.
const RETRY_INTERVAL: Duration = Duration::from_millis(100);
const ASK_MAX: Duration = Duration::from_secs(2);
/// How long nodes may take to walk their state while somebody waits for the answer.
const CHECKSUMS_MAX: Duration = Duration::from_secs(100);
/// As long as that, or longer, if nobody does.
const CHECKSUMS_UNATTENDED_MAX: Duration = Duration::from_secs(6 * 3600);
/// A node that does not even answer is not waited for so long.
const SILENT_MAX: Duration = Duration::from_secs(5);

/// See the module.
pub struct Verify {
    pub raft: RaftNode,
    pub peers: Arc<Peers>,
    pub state: Arc<ReplicationState>,
    pub queue: Arc<Queue>,
    pub identity: Arc<LocalIdentity>,
    pub leave: Arc<Leave>,
}

/// What a node says of its state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Told {
    Checksum(u32),
    Damaged,
    /// It did not answer, was not done, or was busy with an earlier one.
    Nothing,
}

impl Told {
    fn checksum(self) -> Option<u32> {
        match self {
            Told::Checksum(checksum) => Some(checksum),
            Told::Damaged | Told::Nothing => None,
        }
    }
}

impl Verify {
    /// As leader: compares now and quarantines who differs; the answer is JSON.
    pub async fn run(&self) -> Result<Reply, String> {
        self.compare(CHECKSUMS_MAX).await
    }

    /// Compares wherever this node leads, as often as this.
    pub async fn run_now_and_then(&self, interval: Duration) {
        loop {
            tokio::time::sleep(interval).await;
            if self.state.is_leader()
                && let Err(error) = self.compare(CHECKSUMS_UNATTENDED_MAX).await
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
            futures::future::join_all(members.iter().map(|member| self.checksum(member, index, within)))
                .await;
        let told: Vec<(&Member, Told)> = members.iter().zip(told).collect();
        let verdict = Verdict::of(&told);
        let nodes: Vec<serde_json::Value> = told
            .iter()
            .map(|(member, told)| {
                let checksum = told.checksum().map(|checksum| format!("{checksum:08x}"));
                let state = verdict.state(member.id, *told);
                serde_json::json!({ "name": member.peer.name, "checksum": checksum, "state": state })
            })
            .collect();
        let state = &self.state;
        state.verified_index.store(index, Ordering::Relaxed);
        state.divergent_nodes.store(verdict.divergent.len() as u64, Ordering::Relaxed);
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

    async fn checksum(&self, member: &Member, index: u64, within: Duration) -> Told {
        let deadline = Instant::now() + within;
        let mut silent_until = Instant::now() + SILENT_MAX;
        loop {
            let checksum = match member.id == self.identity.node_id {
                true => self.own_checksum(index),
                false => {
                    let answer = self.ask(member, index).await;
                    if answer.is_some() {
                        silent_until = Instant::now() + SILENT_MAX;
                    }
                    answer.and_then(|answer| from_wire(&answer))
                }
            };
            match checksum {
                Some(StateChecksum::Known(checksum)) => return Told::Checksum(checksum),
                Some(StateChecksum::Damaged) => return Told::Damaged,
                Some(StateChecksum::Skipped) => return Told::Nothing,
                Some(StateChecksum::Pending) | None => {}
            }
            if Instant::now() >= deadline
                || (member.id != self.identity.node_id && Instant::now() >= silent_until)
            {
                return Told::Nothing;
            }
            tokio::time::sleep(RETRY_INTERVAL).await;
        }
    }

    async fn ask(&self, member: &Member, index: u64) -> Option<wire::ChecksumAnswer> {
        let client = self.peers.client(&member.peer.address, member.id);
        let body = wire::write(&wire::Replicated { index });
        let answer = client.call(wire::kind::CHECKSUM, body, ASK_MAX).await.ok()?;
        wire::read(answer).ok()
    }

    fn own_checksum(&self, index: u64) -> Option<StateChecksum> {
        let applied = self.state.applied_index();
        self.state.checksums.get(index, applied)
    }

    /// Answers the leader's question.
    pub fn answer(&self, index: u64) -> wire::ChecksumAnswer {
        match self.own_checksum(index) {
            None => wire::ChecksumAnswer { state: 0, checksum: 0 },
            Some(StateChecksum::Pending) => wire::ChecksumAnswer { state: 1, checksum: 0 },
            Some(StateChecksum::Known(checksum)) => wire::ChecksumAnswer { state: 2, checksum },
            Some(StateChecksum::Skipped) => wire::ChecksumAnswer { state: 3, checksum: 0 },
            Some(StateChecksum::Damaged) => wire::ChecksumAnswer { state: 4, checksum: 0 },
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

fn from_wire(answer: &wire::ChecksumAnswer) -> Option<StateChecksum> {
    match answer.state {
        1 => Some(StateChecksum::Pending),
        2 => Some(StateChecksum::Known(answer.checksum)),
        3 => Some(StateChecksum::Skipped),
        4 => Some(StateChecksum::Damaged),
        _ => None,
    }
}

/// How a comparison ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Comparison {
    /// All that told a checksum agree, and are a majority of the voters.
    Equal,
    /// Some differ, or have damaged data.
    Differs,
    /// Too few told a checksum to know.
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

/// What follows from the checksums.
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
            if let Some(checksum) = told.checksum() {
                *votes.entry(checksum).or_default() += 1;
            }
        }
        let right = votes.iter().find(|(_, count)| **count > voters / 2).map(|(checksum, _)| *checksum);
        let differs = |told: &Told| told.checksum().is_some() && told.checksum() != right;
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
            Told::Checksum(_) if self.divergent.contains(&id) => "differs",
            Told::Checksum(_) if self.outcome == Comparison::Incomplete => "unconfirmed",
            Told::Checksum(_) if self.outcome == Comparison::Differs && self.divergent.is_empty() => {
                "unconfirmed"
            }
            Told::Checksum(_) => "equal",
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
        let (a, b, c, bad, none) =
            (Told::Checksum(1), Told::Checksum(2), Told::Checksum(3), Told::Damaged, Told::Nothing);
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
