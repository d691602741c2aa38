//! A node that was cut off with writes nobody else has is brought back by a snapshot while it feeds an edge. The store then
//! stands behind that tail, which is still in the log until openraft purges it: the edge must see none of it.

use crate::{
    commands,
    peer::{Answers, Caller, LocalIdentity, Peers},
    replica::{BatchBuilder, ProposalBuilder, Replica},
    replication::{
        consensus::{
            apply,
            state_machine::StateMachine,
            types::{SnapshotFiles, to_raft_entry},
        },
        edge::Feed,
        queue::InFlight,
        snapshots::{BootstrapSnapshots, Snapshots},
        wal::{EntryKind, LogEntry, SegmentLog, SegmentOptions},
        wire,
    },
    session::{ClusterIdentity, PubSub},
    state::StateWriter,
    store::{LogId, Store, StoreOptions},
};
use futures::{StreamExt, stream};
use openraft::{RaftSnapshotBuilder, storage::RaftStateMachine};
use parking_lot::RwLock;
use std::{
    ops::RangeInclusive,
    path::PathBuf,
    sync::{Arc, mpsc},
    time::Duration,
};
use tempfile::TempDir;

const HISTORY: &str = "history";
/// Committed by all before the node was cut off: entries up to this one, of term 1.
const BEFORE: u64 = 5;
/// The end of the tail, of term 1, that was never committed,
const TAIL: u64 = 10;
/// and of what the others have committed meanwhile in term 2.
const MEANWHILE: u64 = 20;

fn at(term: u64, index: u64) -> LogId {
    LogId { term, index }
}

fn entries(term: u64, indexes: RangeInclusive<u64>) -> Vec<LogEntry> {
    let write = |index: u64| {
        let mut proposal = ProposalBuilder::commands();
        proposal.push(0, &[b"SET", b"key", format!("{term}.{index}").as_bytes()]);
        let mut batch = BatchBuilder::with_capacity(0);
        batch.push(&proposal.finish());
        LogEntry { index, term, kind: EntryKind::Normal, payload: batch.finish(index, index) }
    };
    indexes.map(write).collect()
}

/// A core node's log, store and feed, without openraft.
struct Node {
    log: Arc<SegmentLog>,
    state_machine: StateMachine,
    feed: Arc<Feed>,
    _home: TempDir,
}

impl Node {
    fn new() -> Node {
        let home = tempfile::tempdir().unwrap();
        let log = SegmentLog::open(&home.path().join("log"), &SegmentOptions::retaining(1 << 20)).unwrap();
        let log = Arc::new(log);
        let store = Arc::new(Store::open(&home.path().join("store"), StoreOptions::default()).unwrap());
        let snapshots = Snapshots::open(&home.path().join("snapshot"), Arc::clone(&store)).unwrap();
        let (snapshots, directory) = (Arc::new(snapshots), home.path().join("bootstrap"));
        let writer = Arc::new(StateWriter::default());
        let in_flight = Arc::new(InFlight::new(Arc::clone(writer.state())));
        let replica = Replica::new(Arc::clone(&store), commands::table());
        let alone = Arc::new(LocalIdentity::new(1, String::new(), String::new(), None));
        let peers = Arc::new(Peers::new(alone));
        let bootstrap_snapshots = BootstrapSnapshots::new(
            peers,
            Arc::clone(writer.state()),
            Arc::clone(&log),
            Arc::clone(&snapshots),
            directory,
        );
        let apply::Running { jobs, applier, .. } =
            apply::start(replica, Arc::clone(&writer), in_flight, PathBuf::new()).unwrap();
        let cluster = ClusterIdentity { cluster_id: "cluster".into(), history_id: HISTORY.into() };
        let feed = Feed::new(
            Arc::clone(&log),
            Arc::clone(writer.state()),
            Arc::clone(&store),
            Arc::new(RwLock::new(cluster)),
            Arc::new(PubSub::default()),
            "core-0".into(),
            10,
        );
        let state_machine = StateMachine::new(store, snapshots, jobs, applier, Arc::new(bootstrap_snapshots));
        Node { log, state_machine, feed: Arc::new(feed), _home: home }
    }

    fn append(&self, entries: Vec<LogEntry>) {
        let (done, durable) = mpsc::channel();
        self.log.append(entries, Box::new(move || done.send(()).unwrap())).unwrap();
        durable.recv().unwrap();
    }

    fn purge(&self, upto: LogId) {
        let (done, durable) = mpsc::channel();
        self.log.purge(upto, Box::new(move || done.send(()).unwrap())).unwrap();
        durable.recv().unwrap();
    }

    /// Applies what the log has there.
    async fn apply(&mut self, indexes: RangeInclusive<u64>) {
        let entries = self.log.read(*indexes.start(), indexes.end() + 1, usize::MAX).unwrap();
        let entries = entries.into_iter().map(|entry| Ok((to_raft_entry(entry).unwrap(), None)));
        self.state_machine.apply(stream::iter(entries)).await.unwrap();
    }

    /// An edge that stands there begins to follow.
    async fn follow(&self, position: Option<LogId>) -> Edge {
        let LogId { term, index } = position.unwrap_or_default();
        let wanted = wire::Follow {
            site: "paris".into(),
            history: HISTORY.into(),
            has_position: position.is_some(),
            term,
            index,
            level: wire::EDGE_LEVEL,
            ..Default::default()
        };
        let caller = Caller { id: 9, name: "edge-paris.0".into(), kind: wire::edge_kind::FOLLOW };
        let mut edge = Edge(self.feed.open(&caller, wanted).unwrap());
        assert!(edge.item().await.hello.is_some());
        edge
    }
}

struct Edge(Answers);

impl Edge {
    async fn item(&mut self) -> wire::Item {
        let item = tokio::time::timeout(Duration::from_secs(20), self.0.next()).await.expect("silence");
        crate::replication::wire::read(item.unwrap().unwrap()).unwrap()
    }

    /// The next item that is more than a word: which entries came, or why none will.
    async fn next(&mut self) -> Result<(u64, RangeInclusive<u64>), u32> {
        loop {
            let item = self.item().await;
            match item.entries {
                _ if item.lost != 0 => return Err(item.lost),
                Some(entries) => return Ok((entries.previous_term, entries.first..=entries.last)),
                None => {}
            }
        }
    }
}

/// The node that was cut off, with its tail, and a snapshot of one that was not.
async fn cut_off() -> (Node, Node) {
    let (mut node, mut other) = (Node::new(), Node::new());
    for one in [&mut node, &mut other] {
        one.append(entries(1, 0..=BEFORE));
        one.apply(0..=BEFORE).await;
    }
    node.append(entries(1, BEFORE + 1..=TAIL));
    other.append(entries(2, BEFORE + 1..=MEANWHILE));
    other.apply(BEFORE + 1..=MEANWHILE).await;
    (node, other)
}

/// As openraft does, but for the purge.
async fn install(node: &mut Node, other: &mut Node) {
    let snapshot = other.state_machine.get_snapshot_builder().await.build_snapshot().await.unwrap();
    let SnapshotFiles { directory } = snapshot.snapshot;
    node.state_machine.install_snapshot(&snapshot.meta, SnapshotFiles { directory }).await.unwrap();
}

fn run(test: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    runtime.block_on(test);
}

#[test]
fn a_tail_that_a_snapshot_went_past_is_not_fed() {
    run(async {
        let (mut node, mut other) = cut_off().await;
        let mut edge = node.follow(None).await;
        assert_eq!(edge.next().await, Ok((0, 0..=BEFORE)));
        install(&mut node, &mut other).await;
        assert_eq!(edge.next().await, Err(wire::lost::PURGED));
        // Wherever an edge stands that comes now: nothing of the tail is sent, nothing is measured by it.
        for position in [None, Some(at(1, BEFORE)), Some(at(2, TAIL - 1)), Some(at(2, TAIL + 3))] {
            let came = node.follow(position).await.next().await;
            assert_eq!(came, Err(wire::lost::PURGED), "{position:?}");
        }
        node.purge(at(2, MEANWHILE));
        assert_eq!(node.follow(Some(at(1, BEFORE))).await.next().await, Err(wire::lost::PURGED));
        let mut edge = node.follow(Some(at(2, MEANWHILE))).await;
        node.append(entries(2, MEANWHILE + 1..=MEANWHILE + 1));
        node.apply(MEANWHILE + 1..=MEANWHILE + 1).await;
        assert_eq!(edge.next().await, Ok((2, MEANWHILE + 1..=MEANWHILE + 1)));
    });
}

/// As between a crash and the purge: nobody has said that the log is not what the store came by.
#[test]
fn a_store_that_is_past_its_log_feeds_nothing_of_it() {
    run(async {
        let (mut node, other) = cut_off().await;
        let tail = std::mem::replace(&mut node.log, Arc::clone(&other.log));
        // The store comes by other entries than those the feed reads.
        node.apply(BEFORE + 1..=MEANWHILE).await;
        node.log = tail;
        for position in [None, Some(at(1, BEFORE)), Some(at(2, TAIL - 1))] {
            let came = node.follow(position).await.next().await;
            assert_eq!(came, Err(wire::lost::PURGED), "{position:?}");
        }
    });
}

#[test]
fn an_edge_with_an_entry_that_was_never_committed_is_told_at_once() {
    run(async {
        let (_, other) = cut_off().await;
        for tail in [at(1, BEFORE + 1), at(1, MEANWHILE), at(1, MEANWHILE + 100)] {
            assert_eq!(other.follow(Some(tail)).await.next().await, Err(wire::lost::HISTORY), "{tail:?}");
        }
        let came = other.follow(Some(at(1, BEFORE))).await.next().await;
        assert_eq!(came, Ok((1, BEFORE + 1..=MEANWHILE)));
    });
}

/// An edge of the level before takes what it is sent now.
#[test]
fn an_older_edge_is_fed() {
    run(async {
        let (node, _) = cut_off().await;
        let wanted = wire::Follow { site: "paris".into(), level: 1, ..Default::default() };
        let caller = Caller { id: 9, name: "edge-paris.0".into(), kind: wire::edge_kind::FOLLOW };
        let mut edge = Edge(node.feed.open(&caller, wanted).unwrap());
        assert_eq!(edge.next().await, Ok((0, 0..=BEFORE)));
        let newer = wire::Follow { site: "paris".into(), level: wire::EDGE_LEVEL + 1, ..Default::default() };
        assert!(node.feed.open(&caller, newer).is_err(), "the core goes first");
    });
}
