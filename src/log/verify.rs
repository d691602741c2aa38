//! Whether all nodes have the same state: they compute its checksum at one place of the log, and the leader compares.
//!
//! The leader proposes a mark; every node that applies it walks its own state as of that entry in the background. A node
//! whose sum is not that of the majority is quarantined: it writes that down, stops, and does not start again before its
//! data directory is emptied (then it comes back as a new node). Without a majority of equal sums nobody can say who is
//! right: that is only told.

use super::{
    mailbox::{Mailbox, Outcome, Ticket},
    progress::Progress,
    queue::Queue,
    raft::{Member, Peers, RaftNode, wire},
    sums::Sum,
};
use crate::{fail, peer::LocalIdentity, replica::ProposalBuilder, resp::Reply};
use std::{
    collections::BTreeMap,
    io::Write,
    path::PathBuf,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};
use tokio::time::Instant;

/// Between two questions for a sum.
const AGAIN: Duration = Duration::from_millis(100);
const ASK_MAX: Duration = Duration::from_secs(2);
/// How long nodes may take to walk their state.
const SUMS_MAX: Duration = Duration::from_secs(100);
/// A node that does not even answer is not waited for so long.
const SILENT_MAX: Duration = Duration::from_secs(5);
/// Name of the file that keeps a quarantined node from starting.
pub(super) const QUARANTINE: &str = "QUARANTINED";

/// See the module.
pub(super) struct Verify {
    pub(super) raft: RaftNode,
    pub(super) peers: Arc<Peers>,
    pub(super) progress: Arc<Progress>,
    pub(super) queue: Arc<Queue>,
    pub(super) identity: Arc<LocalIdentity>,
    pub(super) directory: PathBuf,
}

impl Verify {
    /// As leader: compares now and quarantines who differs; the answer is JSON.
    pub(super) async fn run(&self) -> Result<Reply, String> {
        let index = self.mark().await?;
        let mut members = self.raft.members().list;
        members.sort_by(|a, b| a.peer.name.cmp(&b.peer.name));
        let sums = futures::future::join_all(members.iter().map(|member| self.sum(member, index))).await;
        let told: Vec<(&Member, Option<u32>)> = members.iter().zip(sums).collect();
        let verdict = Verdict::of(&told);
        let nodes: Vec<serde_json::Value> = told
            .iter()
            .map(|(member, sum)| {
                let name = &member.peer.name;
                serde_json::json!({ "name": name, "checksum": sum.map(|sum| format!("{sum:08x}")) })
            })
            .collect();
        let status = &self.progress.status;
        status.verified_index.store(index, Ordering::Relaxed);
        status.divergent_nodes.store(verdict.divergent.len() as u64, Ordering::Relaxed);
        if !verdict.equal {
            tracing::error!(
                index,
                ?nodes,
                remedy = "keep the data directory of a node that is quarantined for whoever looks for the cause, and start it \
                          with an empty one",
                "nodes of the core do not have the same state"
            );
        }
        for id in &verdict.divergent {
            self.quarantine(*id, index).await;
        }
        Ok(Reply::bulk(
            serde_json::json!({ "index": index, "equal": verdict.equal, "nodes": nodes }).to_string(),
        ))
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

    async fn sum(&self, member: &Member, index: u64) -> Option<u32> {
        let deadline = Instant::now() + SUMS_MAX;
        let mut silent_until = Instant::now() + SILENT_MAX;
        loop {
            let sum = match member.id == self.identity.node_id {
                true => self.progress.sums.get(index),
                false => {
                    let answer = self.ask(member, index).await;
                    if answer.is_some() {
                        silent_until = Instant::now() + SILENT_MAX;
                    }
                    answer.and_then(|answer| from_wire(&answer))
                }
            };
            match sum {
                Some(Sum::Known(sum)) => return Some(sum),
                Some(Sum::Skipped) => return None,
                Some(Sum::Pending) | None => {}
            }
            if Instant::now() >= deadline
                || (member.id != self.identity.node_id && Instant::now() >= silent_until)
            {
                return None;
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

    /// Answers the leader's question.
    pub(super) fn answer(&self, index: u64) -> wire::SumAnswer {
        match self.progress.sums.get(index) {
            None => wire::SumAnswer { state: 0, sum: 0 },
            Some(Sum::Pending) => wire::SumAnswer { state: 1, sum: 0 },
            Some(Sum::Known(sum)) => wire::SumAnswer { state: 2, sum },
            Some(Sum::Skipped) => wire::SumAnswer { state: 3, sum: 0 },
        }
    }

    async fn quarantine(&self, id: u64, index: u64) {
        let members = self.raft.members();
        let Some(member) = members.find(id) else { return };
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
    pub(super) fn go_into_quarantine(&self, told: &wire::Quarantine) -> ! {
        let text = quarantine_text(told);
        let write = || -> std::io::Result<()> {
            let mut file = std::fs::File::create(self.directory.join(QUARANTINE))?;
            writeln!(file, "{text}")?;
            file.sync_all()?;
            std::fs::File::open(&self.directory)?.sync_all()
        };
        if let Err(error) = write() {
            tracing::error!(
                %error,
                remedy = "do not start this node again before its data directory is emptied",
                "cannot write the quarantine down"
            );
        }
        fail::stop_the_process(&text)
    }
}

fn quarantine_text(told: &wire::Quarantine) -> String {
    let wire::Quarantine { index, went_back } = told;
    match went_back {
        false => format!(
            "the state of this node at entry {index} is not that of the majority: its files are damaged or the program has a \
             fault. Keep the data directory for those who look for the cause, and start the node with an empty one"
        ),
        true => format!(
            "the log of this node ends before entry {index}, which it had on disk before: its data directory is an old copy, \
             or its disk lost writes. It must not vote with it. Start the node with an empty directory; it gets all data back"
        ),
    }
}

fn from_wire(answer: &wire::SumAnswer) -> Option<Sum> {
    match answer.state {
        1 => Some(Sum::Pending),
        2 => Some(Sum::Known(answer.sum)),
        3 => Some(Sum::Skipped),
        _ => None,
    }
}

/// What follows from the sums.
#[derive(Debug, PartialEq, Eq)]
struct Verdict {
    /// Whether all that answered agree, and are a majority of the voters.
    equal: bool,
    /// Who differs from a majority of the voters.
    divergent: Vec<u64>,
}

impl Verdict {
    fn of(told: &[(&Member, Option<u32>)]) -> Verdict {
        let voters = told.iter().filter(|(member, _)| member.is_voter).count();
        let mut votes: BTreeMap<u32, usize> = BTreeMap::new();
        for (_, sum) in told.iter().filter(|(member, _)| member.is_voter) {
            if let Some(sum) = sum {
                *votes.entry(*sum).or_default() += 1;
            }
        }
        let right = votes.iter().find(|(_, count)| **count > voters / 2).map(|(sum, _)| *sum);
        let differs = |sum: Option<u32>| sum.is_some() && sum != right;
        let divergent = match right {
            None => vec![],
            Some(_) => told.iter().filter(|(_, sum)| differs(*sum)).map(|(member, _)| member.id).collect(),
        };
        Verdict { equal: right.is_some() && divergent.is_empty(), divergent }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log::raft::Peer;

    #[test]
    fn who_differs_from_a_majority_is_named_and_nobody_without_one() {
        let member = |id, is_voter| Member { id, peer: Peer::default(), is_voter, matched: None };
        let voters: Vec<Member> = (1..=3).map(|id| member(id, true)).collect();
        let learner = member(9, false);
        let of = |sums: [Option<u32>; 4]| {
            let told: Vec<_> = voters.iter().chain([&learner]).zip(sums).collect();
            Verdict::of(&told)
        };
        let (a, b, c) = (Some(1), Some(2), Some(3));
        assert_eq!(of([a, a, a, a]), Verdict { equal: true, divergent: vec![] });
        assert_eq!(of([a, a, None, None]), Verdict { equal: true, divergent: vec![] });
        assert_eq!(of([a, b, a, a]), Verdict { equal: false, divergent: vec![2] });
        assert_eq!(of([a, a, a, b]), Verdict { equal: false, divergent: vec![9] });
        assert_eq!(of([a, b, c, a]), Verdict { equal: false, divergent: vec![] });
        assert_eq!(of([a, None, None, a]), Verdict { equal: false, divergent: vec![] });
    }
}
