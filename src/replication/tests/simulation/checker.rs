//! The safety properties, as sentences that are checked while a simulation runs.
//!
//! 1. In each term at most one node leads.
//! 2. A node votes for at most one candidate in each term, whatever crashes lie between.
//! 3. At each log position all nodes apply the same write, and each write has at most one log position.
//! 4. A write that was acknowledged has been applied, is never lost, and is applied by every node in the end.
//! 5. A write that was said not to be done is never applied.
//! 6. A new leader has in its log all that was committed before.
//! 7. Logs that agree on an entry agree on all before it.
//! 8. A node feeds only committed entries to edges: at each log position the entry that nodes apply.
//! 9. A linearizable read, under the lease or not, is of a state with every write that was acknowledged before it.

use crate::{
    replication::{
        consensus::tests::said::Said,
        wal::{LogEntry, SegmentLog},
    },
    store::{LogId, LogPosition},
};
use std::{
    cell::RefCell,
    collections::{BTreeMap, BTreeSet},
};

thread_local! {
    /// The command that nodes apply has no other way to it.
    static CURRENT: RefCell<Checker> = RefCell::default();
}

/// The checker.
#[derive(Debug, Default)]
pub(super) struct Checker {
    violation: Option<String>,
    /// The write at each log position, once a node has applied it.
    applied: BTreeMap<LogPosition, u64>,
    places: BTreeMap<u64, LogPosition>,
    /// Of the entries in which those are.
    terms: BTreeMap<u64, u64>,
    /// Of entries that a node has fed to an edge.
    fed: BTreeMap<u64, u64>,
    leaders: BTreeMap<u64, u64>,
    votes: BTreeMap<(u64, u64), u64>,
    /// Without an outcome yet, and the node that was asked.
    pending: BTreeMap<u64, usize>,
    acknowledged: BTreeSet<u64>,
    /// The highest entry with a write that was acknowledged.
    acknowledged_index: u64,
    refused: BTreeSet<u64>,
    unknown: u64,
    pub(super) reads: u64,
}

/// Looks at or changes this thread's.
pub(super) fn with<T>(then: impl FnOnce(&mut Checker) -> T) -> T {
    CURRENT.with_borrow_mut(then)
}

impl Checker {
    pub(super) fn violation(&self) -> Option<String> {
        self.violation.clone()
    }

    pub(super) fn violated(&mut self, text: String) {
        // The first one is the one to look at.
        self.violation.get_or_insert(text);
    }

    /// A node applies a write.
    pub(super) fn applies(&mut self, node: usize, term: u64, place: LogPosition, write: u64) {
        let known = *self.applied.entry(place).or_insert(write);
        if known != write {
            self.violated(format!("n{node} applies write {write} at {place:?}, where write {known} stands"));
        }
        let known = *self.places.entry(write).or_insert(place);
        if known != place {
            self.violated(format!("n{node} applies write {write} at {place:?}, and it stands at {known:?}"));
        }
        let known = *self.terms.entry(place.index).or_insert(term);
        if known != term {
            self.violated(format!(
                "n{node} applies entry {} of term {term}, known of term {known}",
                place.index
            ));
        }
        if let Some(fed) = self.fed.get(&place.index).copied().filter(|fed| *fed != term) {
            let index = place.index;
            self.violated(format!(
                "an edge was fed entry {index} of term {fed}, and n{node} applies that of {term}"
            ));
        }
        if self.refused.contains(&write) {
            self.violated(format!(
                "n{node} applies write {write}, of which a client was told that it is not done"
            ));
        }
    }

    /// A node sends an entry to an edge.
    pub(super) fn feeds(&mut self, node: usize, at: LogId) {
        let LogId { term, index } = at;
        let known = [self.terms.get(&index).copied(), Some(*self.fed.entry(index).or_insert(term))];
        if let Some(known) = known.into_iter().flatten().find(|known| *known != term) {
            self.violated(format!("n{node} feeds entry {index} of term {term}, known of term {known}"));
        }
    }

    /// A client asks a node to write.
    pub(super) fn asks(&mut self, node: usize, write: u64) {
        self.pending.insert(write, node);
    }

    /// The node is gone: its waiting clients will never know.
    pub(super) fn forgets(&mut self, node: usize) {
        let before = self.pending.len();
        self.pending.retain(|_, asked| *asked != node);
        self.unknown += (before - self.pending.len()) as u64;
    }

    pub(super) fn is_all_answered(&self) -> bool {
        self.pending.is_empty()
    }

    pub(super) fn is_acknowledged(&self, write: u64) -> bool {
        self.acknowledged.contains(&write)
    }

    pub(super) fn is_refused(&self, write: u64) -> bool {
        self.refused.contains(&write)
    }

    /// A client is told that its write is done.
    pub(super) fn acknowledges(&mut self, node: usize, write: u64) {
        self.pending.remove(&write);
        match self.places.get(&write) {
            Some(place) => self.acknowledged_index = self.acknowledged_index.max(place.index),
            None => self.violated(format!("n{node} acknowledges write {write}, which nobody has applied")),
        }
        self.acknowledged.insert(write);
    }

    /// A client is told that its write is not done and never will be.
    pub(super) fn refuses(&mut self, node: usize, write: u64) {
        self.pending.remove(&write);
        if let Some(place) = self.places.get(&write) {
            self.violated(format!("n{node} says that write {write} is not done, and it stands at {place:?}"));
        }
        self.refused.insert(write);
    }

    pub(super) fn leaves_open(&mut self, write: u64) {
        self.pending.remove(&write);
        self.unknown += 1;
    }

    /// A node, `by`, said something. Whether it is the first that is heard of a leader.
    pub(super) fn hears(&mut self, by: u64, said: Said) -> bool {
        match said {
            Said::Leads { term, leader } => {
                let is_new = !self.leaders.contains_key(&term);
                let known = *self.leaders.entry(term).or_insert(leader);
                if known != leader || by != leader {
                    self.violated(format!(
                        "{by} says that {leader} leads in term {term}, where {known} does"
                    ));
                }
                is_new
            }
            Said::Stands { term, candidate } | Said::Votes { term, candidate } => {
                let known = *self.votes.entry((by, term)).or_insert(candidate);
                if known != candidate {
                    self.violated(format!(
                        "{by} votes for {candidate} in term {term}, and has voted for {known}"
                    ));
                }
                false
            }
        }
    }

    fn read(&mut self, log: &SegmentLog, from: u64, end: u64) -> Vec<LogEntry> {
        match log.read(from, end, usize::MAX) {
            Ok(entries) => entries,
            Err(error) => {
                self.violated(error.to_string());
                Vec::new()
            }
        }
    }

    /// A node has come to lead.
    pub(super) fn comes_to_lead(&mut self, node: usize, log: &SegmentLog) {
        let first = log.state().0.map_or(0, |purged| purged.index + 1);
        for (index, term) in
            self.terms.range(first..).map(|(index, term)| (*index, *term)).collect::<Vec<_>>()
        {
            let found = self.read(log, index, index + 1).first().map(|entry| entry.term);
            if found != Some(term) {
                self.violated(format!(
                    "n{node} leads, but entry {index} of term {term}, which is committed, is in its log as {found:?}"
                ));
            }
        }
    }

    /// The writes that a read starting now must show.
    pub(super) fn must_show(&self) -> u64 {
        self.acknowledged_index
    }

    /// A read that had to show entry `wanted` was made of a state that stands at `applied`.
    pub(super) fn reads(&mut self, node: usize, how: &str, wanted: u64, applied: Option<LogId>) {
        self.reads += 1;
        if applied.map_or(0, |applied| applied.index) < wanted {
            self.violated(format!(
                "a read {how} on n{node} is of {applied:?}, and entry {wanted} was acknowledged before it"
            ));
        }
    }

    /// Logs of two nodes.
    pub(super) fn compares(&mut self, (a, one): (usize, &SegmentLog), (b, other): (usize, &SegmentLog)) {
        let (one, other) = (self.read(one, 0, u64::MAX), self.read(other, 0, u64::MAX));
        let by_index: BTreeMap<u64, _> = other.iter().map(|entry| (entry.index, entry)).collect();
        let mut agree = false;
        for entry in one.iter().rev() {
            let Some(same) = by_index.get(&entry.index) else { continue };
            agree |= same.term == entry.term;
            if agree && *same != entry {
                let index = entry.index;
                self.violated(format!("the logs of n{a} and n{b} differ at {index} but agree after it"));
            }
        }
    }

    /// Everything has come to rest, and every node has applied the whole log: so many writes, in this order.
    pub(super) fn concludes(&mut self) -> Vec<u64> {
        let lost: Vec<u64> =
            self.acknowledged.iter().filter(|write| !self.places.contains_key(write)).copied().collect();
        if !lost.is_empty() {
            self.violated(format!("writes {lost:?} were acknowledged and are nowhere"));
        }
        self.applied.values().copied().collect()
    }

    pub(super) fn summary(&self) -> String {
        format!(
            "{} writes applied, {} acknowledged, {} refused, {} unknown, {} reads, {} terms with a leader",
            self.applied.len(),
            self.acknowledged.len(),
            self.refused.len(),
            self.unknown,
            self.reads,
            self.leaders.len()
        )
    }
}
