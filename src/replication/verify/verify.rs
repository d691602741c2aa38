//! Whether all nodes have the same state: they compute its checksum at one log position, and the leader compares.
//!
//! The leader proposes a mark; every node that applies it scans its own state as of that entry in the background, and
//! every block that it reads has its own checksum: a checksum that a node tells is of sound files. A node that finds damage says
//! so, and repairs itself when the others can do without it (`leave.rs`). A node whose checksum is not that of the majority has
//! another state in sound files: it is quarantined, if the voters that are left are a majority. Without a majority of
//! equal checksums nobody can say who is right: that is only told. A node that was not done in time does not differ.

use super::{
    leave::Leave,
    verdict::{Told, Verdict},
};
use crate::{
    fail::{self, Damage, Part},
    peer::{LocalIdentity, Peers},
    replica::ProposalBuilder,
    replication::{
        consensus::{Member, RaftNode},
        queue::Queue,
        wire,
    },
    resp::{ErrorReply, Reply},
    state::{Comparison, ReplicationState, StateChecksum},
};
use bytes::Bytes;
use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};
use tokio::time::Instant;

/// Between two questions for a checksum.
pub(super) const RETRY_INTERVAL: Duration = Duration::from_millis(100);
pub(super) const ASK_MAX: Duration = Duration::from_secs(2);
/// How long nodes may take to scan their state while a client waits for the answer.
const CHECKSUMS_MAX: Duration = Duration::from_secs(100);
/// The same, if no client waits.
pub(super) const CHECKSUMS_UNATTENDED_MAX: Duration = Duration::from_secs(6 * 3600);
/// A node that does not answer at all is given up sooner.
const SILENT_MAX: Duration = Duration::from_secs(5);

/// Compares the states of all nodes.
pub struct Verify {
    pub raft: RaftNode,
    pub peers: Arc<Peers>,
    pub state: Arc<ReplicationState>,
    pub queue: Arc<Queue>,
    pub identity: Arc<LocalIdentity>,
    pub leave: Arc<Leave>,
}

impl Verify {
    /// As leader: compares now and quarantines nodes that differ; the answer is JSON.
    pub async fn run(&self) -> Result<Reply, String> {
        self.compare(CHECKSUMS_MAX).await.map(|(_, answer)| answer)
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

    pub(super) async fn compare(&self, within: Duration) -> Result<(Comparison, Reply), String> {
        let index = self.mark(ProposalBuilder::mark()).await?;
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
                let checksum = told.sum().map(|checksum| format!("{checksum:08x}"));
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
        Ok((verdict.outcome, Reply::bulk(answer.to_string())))
    }

    /// Proposes the entry after which states are compared; returns its index.
    pub(super) async fn mark(&self, proposal: Bytes) -> Result<u64, String> {
        let told = |error: ErrorReply| error.to_string();
        let outcome = self.queue.propose(proposal, true).await.map_err(|why| told(why.into()))?;
        match outcome.applied().map_err(told)?.first() {
            Some(Reply::Int(index)) => u64::try_from(*index).map_err(|error| error.to_string()),
            _ => Err("the mark has no place".into()),
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
                Some(StateChecksum::Known(checksum)) => return Told::Sum(checksum.into()),
                Some(StateChecksum::Miscounted(checksum)) => return Told::Miscounted(checksum.into()),
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
            Some(StateChecksum::Miscounted(checksum)) => wire::ChecksumAnswer { state: 5, checksum },
        }
    }

    async fn quarantine(&self, id: u64, index: u64) {
        let members = self.raft.members();
        let Some(member) = members.find(id) else { return };
        if let Err(why) = self.leave.let_go(id) {
            tracing::error!(
                node = %member.peer.name, %why,
                remedy = "bring the other nodes back; it is stopped at the next comparison",
                "a node with a diverged state keeps running for now"
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

    /// This node's state or log is wrong: it stops and serves no clients.
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
        5 => Some(StateChecksum::Miscounted(answer.checksum)),
        _ => None,
    }
}
