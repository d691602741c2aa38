//! The edges that a core node feeds: for INFO, metrics and `flotilla admin sites`. An edge is here while it is connected.

use parking_lot::Mutex;
use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, Instant},
};

/// What an edge says of itself.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FedReport {
    /// The entry of the core that its data stand at.
    pub core_index: u64,
    pub lag_ms: u64,
    /// `following`, `seeding` …
    pub state: String,
}

/// One connected edge.
#[derive(Debug, Clone)]
pub struct FedEdge {
    pub node_id: u64,
    pub name: String,
    pub site: String,
    pub since: Instant,
    /// The last entry that was sent.
    pub sent_index: u64,
    pub sent_bytes: u64,
    pub report: Option<FedReport>,
}

/// See the module. Clones are the same list.
#[derive(Debug, Clone, Default)]
pub struct FedEdges(Arc<Mutex<List>>);

#[derive(Debug, Default)]
struct List {
    next: u64,
    edges: BTreeMap<u64, FedEdge>,
}

/// An edge's place in the list; dropped, it is free.
#[derive(Debug)]
pub struct Seat {
    edges: FedEdges,
    number: u64,
}

impl FedEdges {
    /// Takes a place; `None`: there are `max` edges already. The place of an earlier connection of the same node counts as
    /// free, since that connection has broken without a word.
    pub fn take(&self, node_id: u64, name: &str, site: &str, max: usize) -> Option<Seat> {
        let mut list = self.0.lock();
        list.edges.retain(|_, edge| edge.node_id != node_id);
        if list.edges.len() >= max {
            return None;
        }
        list.next = list.next.saturating_add(1);
        let number = list.next;
        let edge = FedEdge {
            node_id,
            name: name.to_owned(),
            site: site.to_owned(),
            since: Instant::now(),
            sent_index: 0,
            sent_bytes: 0,
            report: None,
        };
        list.edges.insert(number, edge);
        drop(list);
        Some(Seat { edges: self.clone(), number })
    }

    /// An edge has said how it is.
    pub fn report(&self, node_id: u64, report: &FedReport) {
        for edge in self.0.lock().edges.values_mut().filter(|edge| edge.node_id == node_id) {
            edge.report = Some(report.clone());
        }
    }

    /// All of them, by name.
    pub fn list(&self) -> Vec<FedEdge> {
        let mut edges: Vec<FedEdge> = self.0.lock().edges.values().cloned().collect();
        edges.sort_by(|a, b| (&a.site, &a.name).cmp(&(&b.site, &b.name)));
        edges
    }

    pub fn len(&self) -> usize {
        self.0.lock().edges.len()
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl FedEdge {
    /// Entries that it has not, as far as it has told; `committed` is the last one there is.
    pub fn lag_entries(&self, committed: u64) -> u64 {
        committed.saturating_sub(self.report.as_ref().map_or(0, |report| report.core_index))
    }

    pub fn connected_for(&self) -> Duration {
        self.since.elapsed()
    }
}

impl Seat {
    /// Entries up to this one have been sent, in so many bytes.
    pub fn sent(&self, index: u64, bytes: u64) {
        if let Some(edge) = self.edges.0.lock().edges.get_mut(&self.number) {
            edge.sent_index = edge.sent_index.max(index);
            edge.sent_bytes = edge.sent_bytes.saturating_add(bytes);
        }
    }

    /// Whether the place is still this connection's.
    pub fn is_taken(&self) -> bool {
        self.edges.0.lock().edges.contains_key(&self.number)
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.edges.0.lock().edges.remove(&self.number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_few_and_a_node_has_one() {
        let edges = FedEdges::default();
        let first = edges.take(1, "edge-a", "a", 2).unwrap();
        let _second = edges.take(2, "edge-b", "b", 2).unwrap();
        assert!(edges.take(3, "edge-c", "c", 2).is_none());
        let again = edges.take(1, "edge-a", "a", 2).unwrap();
        assert!(!first.is_taken() && again.is_taken());
        drop(first);
        assert_eq!(edges.len(), 2);
        again.sent(7, 10);
        edges.report(1, &FedReport { core_index: 5, lag_ms: 3, state: "following".into() });
        let list = edges.list();
        assert_eq!((list[0].sent_index, list[0].lag_entries(9)), (7, 4));
        drop(again);
        assert_eq!(edges.len(), 1);
    }
}
