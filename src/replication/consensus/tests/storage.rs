//! openraft's own conformance suite for storage, against our log store and state machine.

use crate::{
    command::Table,
    peer::{LocalIdentity, Peers},
    replica::Replica,
    replication::{
        consensus::{apply, log_store::LogStore, state_machine::StateMachine, types::Types},
        queue::InFlight,
        snapshots::{BootstrapSnapshots, Snapshots},
        wal::{EntryKind, LogEntry, SegmentLog, SegmentOptions},
    },
    state::StateWriter,
    store::{Store, StoreOptions},
};
use openraft::{
    RaftLogReader, StorageError,
    testing::log::{StoreBuilder, Suite},
};
use std::sync::{Arc, LazyLock};
use tempfile::TempDir;

static NO_COMMANDS: LazyLock<Table> = LazyLock::new(|| Table::new(&[]));

/// A state machine whose apply thread is running, in this directory, for these commands.
pub(super) fn state_machine(
    home: &TempDir,
    log: &Arc<SegmentLog>,
    options: StoreOptions,
    table: &'static Table,
) -> (StateMachine, Arc<StateWriter>) {
    let store = Arc::new(Store::open(&home.path().join("store"), options).unwrap());
    let snapshots = Snapshots::open(&home.path().join("snapshot"), Arc::clone(&store)).unwrap();
    let writer = Arc::new(StateWriter::default());
    let in_flight = Arc::new(InFlight::new(Arc::clone(writer.state())));
    let replica = Replica::new(Arc::clone(&store), table);
    let alone = Arc::new(LocalIdentity::new(1, String::new(), String::new(), None));
    let peers = Arc::new(Peers::new(alone));
    let (snapshots, directory) = (Arc::new(snapshots), home.path().join("bootstrap"));
    let bootstrap_snapshots = BootstrapSnapshots::new(
        peers,
        Arc::clone(writer.state()),
        Arc::clone(log),
        Arc::clone(&snapshots),
        directory,
    );
    let apply::Running { jobs, applier, .. } =
        apply::start(replica, Arc::clone(&writer), in_flight, std::path::PathBuf::new()).unwrap();
    let state_machine = StateMachine::new(store, snapshots, jobs, applier, Arc::new(bootstrap_snapshots));
    (state_machine, writer)
}

struct Builder;

impl StoreBuilder<Types, LogStore, StateMachine, TempDir> for Builder {
    async fn build(&self) -> Result<(TempDir, LogStore, StateMachine), StorageError<Types>> {
        let home = tempfile::tempdir().unwrap();
        // Small enough that the suite crosses segments, with a cache that keeps next to nothing.
        let segments = SegmentOptions {
            segment_bytes: 1024,
            first_segment_bytes: 512,
            cache_bytes: 128,
            ..Default::default()
        };
        let log = Arc::new(SegmentLog::open(&home.path().join("log"), &segments).unwrap());
        let options =
            StoreOptions { block_cache_bytes: 1 << 20, hot_cache_bytes: 1 << 20, ..Default::default() };
        let (state_machine, writer) = state_machine(&home, &log, options, &NO_COMMANDS);
        Ok((home, LogStore::new(log, writer), state_machine))
    }
}

#[test]
fn raft_storage_suite() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    runtime.block_on(Suite::test_all(Builder)).unwrap();
}

/// A follower that is far behind is sent entries of old segments. The thread that keeps the group alive read them.
#[test]
fn entries_that_are_not_in_memory_are_read_by_another_thread() {
    const ENTRIES: u64 = 100;
    let home = tempfile::tempdir().unwrap();
    let segments = SegmentOptions {
        segment_bytes: 2048,
        first_segment_bytes: 1024,
        cache_bytes: 256,
        ..Default::default()
    };
    let log = Arc::new(SegmentLog::open(home.path(), &segments).unwrap());
    let payload = bytes::Bytes::from_static(&[7; 64]);
    let entry = |index| LogEntry { index, term: 1, kind: EntryKind::Normal, payload: payload.clone() };
    let (done, durable) = std::sync::mpsc::channel();
    log.append((1..=ENTRIES).map(entry).collect(), Box::new(move || done.send(()).unwrap())).unwrap();
    durable.recv().unwrap();
    let mut store = LogStore::new(log, Arc::default());
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_time().max_blocking_threads(1).build().unwrap();
    runtime.block_on(async {
        // The only thread that may wait is taken.
        let (release, held) = std::sync::mpsc::channel::<()>();
        let taken = tokio::task::spawn_blocking(move || held.recv());
        let old = {
            let mut store = store.clone();
            tokio::spawn(async move { store.limited_get_log_entries(1, 10).await })
        };
        let last = store.limited_get_log_entries(ENTRIES, ENTRIES + 1).await.unwrap();
        assert_eq!(last.len(), 1, "what is in memory waits for nobody");
        for _ in 0..10 {
            tokio::task::yield_now().await;
        }
        assert!(!old.is_finished(), "it was read on this thread");
        release.send(()).unwrap();
        taken.await.unwrap().unwrap();
        assert_eq!(old.await.unwrap().unwrap().len(), 9);
        assert_eq!(store.try_get_log_entries(1..=ENTRIES).await.unwrap().len(), 100);
        let stream = store.entries_stream(5..=ENTRIES).await;
        let read: Vec<_> = futures::StreamExt::collect(stream).await;
        assert!(read.len() == 96 && read.iter().all(Result::is_ok));
    });
}
