//! The sums of the state at the last log positions where nodes compare them, and the result of the last comparison.
//!
//! A core node compares as its leader asks it to. What a majority of the voters then agree on is *agreed*: every core node
//! and every edge compares its own sum with that, and so knows by itself that it differs.

use parking_lot::Mutex;
use std::{
    collections::BTreeMap,
    sync::atomic::{AtomicU64, Ordering},
    time::Instant,
};

/// Positions to remember: an edge that is behind, or was told late, compares with one of some minutes ago.
const KEPT: usize = 64;

/// The sum of the state at an entry of the core's log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SumAt {
    pub index: u64,
    pub sum: u64,
}

/// The knowledge of one position.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StateSum {
    Known(u64),
    /// The node was not there when it was due: it has restarted or installed a snapshot since.
    Skipped,
}

/// The result of a comparison.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Comparison {
    /// All have the same state, or a majority of the voters and this node.
    Equal,
    /// Some differ, or have damaged data.
    Differs,
    /// Too few had something to compare.
    Incomplete,
}

impl Comparison {
    pub fn word(self) -> &'static str {
        match self {
            Comparison::Equal => "equal",
            Comparison::Differs => "differs",
            Comparison::Incomplete => "incomplete",
        }
    }
}

/// The last comparison of sums that this node made, or took part in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Compared {
    pub index: u64,
    pub outcome: Comparison,
    pub at: Instant,
    /// On the node that made it: who differed.
    pub differing: Vec<String>,
}

impl Compared {
    pub fn seconds_ago(&self) -> i64 {
        i64::try_from(self.at.elapsed().as_secs()).unwrap_or(i64::MAX)
    }
}

/// The sums.
#[derive(Debug, Default)]
pub struct StateSums {
    kept: Mutex<BTreeMap<u64, u64>>,
    agreed: Mutex<Option<SumAt>>,
    last: Mutex<Option<Compared>>,
    /// Comparisons in which this node, or one that it compared, differed.
    pub differed: AtomicU64,
}

impl StateSums {
    /// Apply was at this entry.
    pub fn note(&self, at: SumAt) {
        let mut kept = self.kept.lock();
        kept.insert(at.index, at.sum);
        while kept.len() > KEPT {
            kept.pop_first();
        }
    }

    /// Another state was installed: what was noted of the former one is void.
    pub fn forget(&self) {
        self.kept.lock().clear();
        *self.agreed.lock() = None;
    }

    /// The sum at an entry; `None`: the log has not reached it. `applied`: read before.
    pub fn get(&self, index: u64, applied: u64) -> Option<StateSum> {
        let known = self.kept.lock().get(&index).copied().map(StateSum::Known);
        known.or((applied >= index).then_some(StateSum::Skipped))
    }

    /// What a majority of the core last agreed on.
    pub fn agreed(&self) -> Option<SumAt> {
        *self.agreed.lock()
    }

    /// What was agreed on, if this node has the same.
    pub fn confirmed(&self) -> Option<SumAt> {
        let agreed = self.agreed()?;
        let last = self.last.lock();
        let is_equal = |last: &Compared| last.index == agreed.index && last.outcome == Comparison::Equal;
        last.as_ref().is_some_and(is_equal).then_some(agreed)
    }

    /// A majority of the core agrees on this. Whether this node's own sum there is another one; `None`: it was compared
    /// before, or is not known yet. `applied`: the core's entry applied here, read before.
    pub fn agree(&self, agreed: SumAt, applied: u64) -> Option<Comparison> {
        let SumAt { index, sum } = agreed;
        if self.agreed().is_some_and(|before| before.index >= index) {
            return None;
        }
        let outcome = match self.get(index, applied)? {
            StateSum::Known(own) if own == sum => Comparison::Equal,
            StateSum::Known(_) => Comparison::Differs,
            StateSum::Skipped => Comparison::Incomplete,
        };
        *self.agreed.lock() = Some(agreed);
        self.compared(index, outcome, Vec::new());
        Some(outcome)
    }

    /// As leader: all nodes were compared.
    pub fn lead(&self, index: u64, right: Option<u64>, outcome: Comparison, differing: Vec<String>) {
        if let Some(sum) = right {
            *self.agreed.lock() = Some(SumAt { index, sum });
        }
        self.compared(index, outcome, differing);
    }

    fn compared(&self, index: u64, outcome: Comparison, differing: Vec<String>) {
        if outcome == Comparison::Differs {
            self.differed.fetch_add(1, Ordering::Relaxed);
        }
        *self.last.lock() = Some(Compared { index, outcome, at: Instant::now(), differing });
    }

    /// The last comparison.
    pub fn last(&self) -> Option<Compared> {
        self.last.lock().clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_compares_its_own_sum_with_the_agreed_one_once() {
        let sums = StateSums::default();
        let at = |index, sum| SumAt { index, sum };
        sums.note(at(5, 50));
        sums.note(at(9, 90));
        assert_eq!(sums.agree(at(5, 50), 9), Some(Comparison::Equal));
        assert_eq!(sums.agree(at(5, 51), 9), None, "compared already");
        assert_eq!(sums.agree(at(9, 91), 9), Some(Comparison::Differs));
        assert_eq!(sums.agreed(), Some(at(9, 91)));
        assert_eq!(sums.agree(at(12, 1), 11), None, "not applied yet, which is no difference");
        assert_eq!(
            sums.agree(at(12, 1), 12),
            Some(Comparison::Incomplete),
            "nor is an entry that was passed over"
        );
        let last = sums.last().unwrap();
        assert_eq!((last.index, last.outcome), (12, Comparison::Incomplete));
        assert_eq!(sums.differed.load(Ordering::Relaxed), 1);
    }

    #[test]
    fn what_was_noted_of_another_state_is_forgotten() {
        let sums = StateSums::default();
        sums.note(SumAt { index: 5, sum: 50 });
        sums.forget();
        assert_eq!(sums.get(5, 9), Some(StateSum::Skipped));
        (0..100).for_each(|index| sums.note(SumAt { index, sum: 0 }));
        assert_eq!((sums.get(20, 99), sums.get(99, 99)), (Some(StateSum::Skipped), Some(StateSum::Known(0))));
    }
}
