//! What follows from the sums that nodes told: who differs, and whether anybody can say so.

use crate::{replication::consensus::Member, state::Comparison};
use std::collections::BTreeMap;

/// A node's report on its state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Told {
    /// A checksum of all rows, or the sum that apply keeps.
    Sum(u64),
    /// The checksum of rows that are not those that apply has counted.
    Miscounted(u64),
    Damaged,
    /// It did not answer, was not done, or was busy with an earlier one.
    Nothing,
}

impl Told {
    pub(super) fn sum(self) -> Option<u64> {
        match self {
            Told::Sum(sum) | Told::Miscounted(sum) => Some(sum),
            Told::Damaged | Told::Nothing => None,
        }
    }
}

/// The verdict on the sums.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Verdict {
    pub(super) outcome: Comparison,
    /// Nodes that differ from a majority of the voters.
    pub(super) divergent: Vec<u64>,
    /// The sum of that majority.
    pub(super) right: Option<u64>,
}

impl Verdict {
    pub(super) fn of(told: &[(&Member, Told)]) -> Verdict {
        let voters = told.iter().filter(|(member, _)| member.is_voter).count();
        let mut votes: BTreeMap<u64, usize> = BTreeMap::new();
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
        let is_damaged = told.iter().any(|(_, told)| matches!(told, Told::Damaged | Told::Miscounted(_)));
        let outcome = match right {
            _ if is_damaged || !divergent.is_empty() || votes.len() > 1 => Comparison::Differs,
            Some(_) => Comparison::Equal,
            None => Comparison::Incomplete,
        };
        Verdict { outcome, divergent, right }
    }

    /// The word for a node's result.
    pub(super) fn state(&self, id: u64, told: Told) -> &'static str {
        match told {
            Told::Damaged => "damaged",
            Told::Miscounted(_) => "miscounted",
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
            let Verdict { outcome, divergent, .. } = Verdict::of(&told);
            (outcome, divergent)
        };
        let (a, b, c, bad, none) = (Told::Sum(1), Told::Sum(2), Told::Sum(3), Told::Damaged, Told::Nothing);
        assert_eq!(of([a, a, a, a]), (Comparison::Equal, vec![]));
        assert_eq!(of([a, a, none, none]), (Comparison::Equal, vec![]));
        assert_eq!(of([a, b, a, a]), (Comparison::Differs, vec![2]));
        assert_eq!(of([a, a, a, b]), (Comparison::Differs, vec![9]));
        assert_eq!(of([a, b, c, a]), (Comparison::Differs, vec![]));
        // A slow, silent or busy node does not differ.
        assert_eq!(of([a, none, none, a]), (Comparison::Incomplete, vec![]));
        assert_eq!(of([none, none, none, none]), (Comparison::Incomplete, vec![]));
        // Damage is certain, and no reason to quarantine another node.
        assert_eq!(of([bad, a, a, a]), (Comparison::Differs, vec![]));
        assert_eq!(of([bad, bad, a, a]), (Comparison::Differs, vec![]));
        // What a node says against itself is no reason, either, if it has what all have: the fault is the program's.
        let own = Told::Miscounted(1);
        assert_eq!(of([own, a, a, a]), (Comparison::Differs, vec![]));
        assert_eq!(of([Told::Miscounted(2), a, a, a]), (Comparison::Differs, vec![1]));
    }
}
