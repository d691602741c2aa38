//! The frequent comparison: of sums that apply keeps, so it costs an entry of the log and a message to each node.
//!
//! A difference of sums stops nobody. It is the reason to read all data and compare those (`verify.rs`), whose verdict counts.
//! What a majority of the voters agrees on is told to all nodes of the core, and they tell their edges.

use super::{
    Verify,
    verdict::{Told, Verdict},
    verify::{ASK_MAX, CHECKSUMS_UNATTENDED_MAX, RETRY_INTERVAL},
};
use crate::{
    feature_level,
    replica::ProposalBuilder,
    replication::{consensus::Member, wire},
    state::{Comparison, StateSum, SumAt},
};
use std::time::Duration;
use tokio::time::Instant;

/// How long a node may take to apply the entry: one that is further behind does not differ.
const SUMS_MAX: Duration = Duration::from_secs(10);
/// Between two reads of all data because of a difference that the last one has not ended.
const CONFIRM_INTERVAL: Duration = Duration::from_secs(600);

impl Verify {
    /// Compares sums wherever this node leads, as often as this.
    pub async fn compare_sums_every(&self, interval: Duration) {
        let (mut confirmed, mut said) = (None::<Instant>, Comparison::Equal);
        loop {
            tokio::time::sleep(interval).await;
            if !self.has_sums_to_compare() {
                continue;
            }
            let outcome = match self.compare_sums().await {
                Ok((outcome, differing)) => {
                    tell(outcome, &differing, &mut said);
                    outcome
                }
                Err(error) => {
                    tracing::debug!(%error, "the sums of the nodes were not compared");
                    continue;
                }
            };
            let is_confirmed = confirmed.is_some_and(|at| at.elapsed() < CONFIRM_INTERVAL);
            if outcome != Comparison::Differs || is_confirmed {
                continue;
            }
            match self.compare(CHECKSUMS_UNATTENDED_MAX).await {
                Ok((Comparison::Incomplete, _)) => {}
                Ok(_) => confirmed = Some(Instant::now()),
                Err(error) => tracing::warn!(%error, "the states of the nodes were not compared"),
            }
        }
    }

    fn has_sums_to_compare(&self) -> bool {
        let is_read = self.raft.members().list.len() > 1 || !self.state.fed.is_empty();
        self.state.has_applied_own_term() && self.state.feature_level() >= feature_level::SUMS && is_read
    }

    /// Compares now; also returns the names of those who differ, or of all who said something if nobody knows who is right.
    async fn compare_sums(&self) -> Result<(Comparison, Vec<String>), String> {
        let index = self.mark(ProposalBuilder::mark_sums()).await?;
        let members = self.raft.members().list;
        let told = futures::future::join_all(members.iter().map(|member| self.sum(member, index))).await;
        let told: Vec<(&Member, Told)> = members.iter().zip(told).collect();
        let verdict = Verdict::of(&told);
        let is_silent = told.iter().any(|(_, told)| *told == Told::Nothing);
        let outcome = match verdict.outcome {
            Comparison::Equal if is_silent => Comparison::Incomplete,
            outcome => outcome,
        };
        let differs = |member: &Member, told: Told| match verdict.right {
            Some(_) => verdict.divergent.contains(&member.id),
            None => outcome == Comparison::Differs && told.sum().is_some(),
        };
        let differing = told.iter().filter(|(member, told)| differs(member, *told));
        let differing: Vec<String> = differing.map(|(member, _)| member.peer.name.clone()).collect();
        self.state.sums.lead(index, verdict.right, outcome, differing.clone());
        let others = members.iter().filter(|member| member.id != self.identity.node_id);
        futures::future::join_all(others.map(|member| self.ask_sum(member, 0))).await;
        Ok((outcome, differing))
    }

    async fn sum(&self, member: &Member, index: u64) -> Told {
        let deadline = Instant::now() + SUMS_MAX;
        loop {
            let sum = match member.id == self.identity.node_id {
                true => self.own_sum(index),
                false => self.ask_sum(member, index).await,
            };
            match sum {
                Some(StateSum::Known(sum)) => return Told::Sum(sum),
                Some(StateSum::Skipped) => return Told::Nothing,
                None if Instant::now() >= deadline => return Told::Nothing,
                None => tokio::time::sleep(RETRY_INTERVAL).await,
            }
        }
    }

    /// Index 0: it is only told what was agreed on.
    async fn ask_sum(&self, member: &Member, index: u64) -> Option<StateSum> {
        let client = self.peers.client(&member.peer.address, member.id);
        let agreed = self.state.sums.agreed().unwrap_or_default();
        let asked = wire::StateSumAsked { index, agreed_index: agreed.index, agreed_sum: agreed.sum };
        let answer = client.call(wire::kind::SUM, wire::write(&asked), ASK_MAX).await.ok()?;
        let answer: wire::StateSumAnswer = wire::read(answer).ok()?;
        match answer.state {
            1 => Some(StateSum::Known(answer.sum)),
            2 => Some(StateSum::Skipped),
            _ => None,
        }
    }

    fn own_sum(&self, index: u64) -> Option<StateSum> {
        let applied = self.state.applied_index();
        self.state.sums.get(index, applied)
    }

    /// Answers a question for a sum, and compares this node's own with what the leader says was agreed on.
    pub fn answer_sum(&self, asked: &wire::StateSumAsked, is_of_leader: bool) -> wire::StateSumAnswer {
        let agreed = SumAt { index: asked.agreed_index, sum: asked.agreed_sum };
        if is_of_leader && agreed.index != 0 {
            let applied = self.state.applied_index();
            if self.state.sums.agree(agreed, applied) == Some(Comparison::Differs) {
                tracing::error!(
                    index = agreed.index,
                    remedy = "none is needed: all nodes read their data and compare them, and one that differs is repaired",
                    "this node's state checksum differs from the majority's"
                );
            }
        }
        match self.own_sum(asked.index) {
            None => wire::StateSumAnswer { state: 0, sum: 0 },
            Some(StateSum::Known(sum)) => wire::StateSumAnswer { state: 1, sum },
            Some(StateSum::Skipped) => wire::StateSumAnswer { state: 2, sum: 0 },
        }
    }
}

/// A line for each change; a difference is said every time.
fn tell(outcome: Comparison, differing: &[String], said: &mut Comparison) {
    match outcome {
        Comparison::Differs => tracing::error!(
            ?differing,
            remedy = "none is needed: all nodes read their data and compare them, and one that differs is repaired",
            "the state checksums of the nodes differ"
        ),
        _ if outcome == *said => {}
        Comparison::Equal => tracing::info!("the state checksums of all nodes are equal again"),
        Comparison::Incomplete => tracing::info!("not all nodes have compared their state checksums"),
    }
    *said = outcome;
}
