//! The edges that a core node feeds: for INFO, metrics and `flotilla admin sites`. An edge is here while it is connected.

use parking_lot::Mutex;
use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, Instant},
};

/// An edge's report on itself.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FedReport {
    /// The last entry of the core that it has applied.
    pub core_index: u64,
    pub lag_ms: u64,
    /// `following`, `bootstrapping` …
    pub state: String,
    /// The highest feature level that all nodes of its site understand; 0 = it does not say.
    pub feature_level: u32,
}

/// An edge, as reported by any node of the core.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FedSeen {
    pub name: String,
    pub site: String,
    /// The last entry that was sent to it.
    pub sent_index: u64,
    pub sent_bytes: u64,
    pub report: FedReport,
}

/// An edge without a report for this long is dropped, unless it is fed.
const FORGET: Duration = Duration::from_secs(10);
/// Edges that report without being fed.
const UNFED_MAX: usize = 1024;

/// One connected edge.
#[derive(Debug, Clone)]
struct FedEdge {
    node_id: u64,
    name: String,
    site: String,
    /// The last entry that was sent.
    sent_index: u64,
    sent_bytes: u64,
    report: Option<FedReport>,
}

/// The list. Clones are the same list.
#[derive(Debug, Clone, Default)]
pub struct FedEdges(Arc<Mutex<List>>);

#[derive(Debug, Default)]
struct List {
    next: u64,
    edges: BTreeMap<u64, FedEdge>,
    /// Edges that are not fed at the moment but have reported: they fetch a bootstrap snapshot.
    unfed: BTreeMap<u64, (FedSeen, Instant)>,
}

/// An edge's slot in the list; dropping it frees the slot.
#[derive(Debug)]
pub struct FeedSlot {
    edges: FedEdges,
    number: u64,
}

impl FedEdges {
    /// Takes a slot; `None`: there are `max` edges already. The slot of an earlier connection of the same node counts as
    /// free, since that connection has broken silently.
    pub fn take(&self, node_id: u64, name: &str, site: &str, max: usize) -> Option<FeedSlot> {
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
            sent_index: 0,
            sent_bytes: 0,
            report: None,
        };
        list.edges.insert(number, edge);
        drop(list);
        Some(FeedSlot { edges: self.clone(), number })
    }

    /// Records an edge's report.
    pub fn report(&self, node_id: u64, name: &str, site: &str, report: &FedReport) {
        let mut list = self.0.lock();
        if let Some(edge) = list.edges.values_mut().find(|edge| edge.node_id == node_id) {
            edge.report = Some(report.clone());
            return;
        }
        list.unfed.retain(|_, (_, since)| since.elapsed() < FORGET);
        if list.unfed.len() < UNFED_MAX {
            let (name, site) = (name.to_owned(), site.to_owned());
            let seen = FedSeen { name, site, report: report.clone(), ..FedSeen::default() };
            list.unfed.insert(node_id, (seen, Instant::now()));
        }
    }

    /// Edges that are fed or fetch a bootstrap snapshot, by site and name.
    pub fn seen(&self) -> Vec<FedSeen> {
        let mut list = self.0.lock();
        list.unfed.retain(|_, (_, since)| since.elapsed() < FORGET);
        let fed: Vec<u64> = list.edges.values().map(|edge| edge.node_id).collect();
        let unfed = list.unfed.iter().filter(|(id, _)| !fed.contains(id));
        let mut seen: Vec<FedSeen> = unfed.map(|(_, (seen, _))| seen.clone()).collect();
        seen.extend(list.edges.values().map(|edge| FedSeen {
            name: edge.name.clone(),
            site: edge.site.clone(),
            sent_index: edge.sent_index,
            sent_bytes: edge.sent_bytes,
            report: edge.report.clone().unwrap_or_default(),
        }));
        seen.sort_by(|a, b| (&a.site, &a.name).cmp(&(&b.site, &b.name)));
        seen
    }

    pub fn len(&self) -> usize {
        self.0.lock().edges.len()
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl FedSeen {
    /// Entries that it has not applied, by its last report; `committed` is the last one of the core.
    pub fn lag_entries(&self, committed: u64) -> u64 {
        committed.saturating_sub(self.report.core_index)
    }
}

impl FeedSlot {
    /// Entries up to this one have been sent, as this many bytes.
    pub fn sent(&self, index: u64, bytes: u64) {
        if let Some(edge) = self.edges.0.lock().edges.get_mut(&self.number) {
            edge.sent_index = edge.sent_index.max(index);
            edge.sent_bytes = edge.sent_bytes.saturating_add(bytes);
        }
    }

    /// Whether the slot still belongs to this connection.
    pub fn is_taken(&self) -> bool {
        self.edges.0.lock().edges.contains_key(&self.number)
    }
}

impl Drop for FeedSlot {
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
        let report = FedReport { core_index: 5, lag_ms: 3, state: "following".into(), feature_level: 4 };
        edges.report(1, "edge-a", "a", &report);
        edges.report(9, "edge-z", "z", &FedReport { state: "bootstrapping".into(), ..report });
        let list = edges.seen();
        assert_eq!((list[0].sent_index, list[0].lag_entries(9)), (7, 4));
        assert_eq!((list.len(), list[2].report.state.as_str()), (3, "bootstrapping"));
        drop(again);
        assert_eq!(edges.len(), 1);
    }
}
