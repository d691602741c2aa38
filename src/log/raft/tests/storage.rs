//! openraft's own conformance suite for storage, against our log store and state machine.

use super::super::{
    Peers, Types, apply, log_store::LogStore, snapshots::Snapshots, state_machine::StateMachine,
};
use crate::{
    command::Table,
    log::{
        edge::SiteSeeds,
        progress::Progress,
        segment::{SegmentLog, SegmentOptions},
    },
    peer::LocalIdentity,
    replica::Replica,
    session::LogStatus,
    store::{Store, StoreOptions},
};
use openraft::{
    StorageError,
    testing::log::{StoreBuilder, Suite},
};
use std::sync::{Arc, LazyLock};
use tempfile::TempDir;

static NO_COMMANDS: LazyLock<Table> = LazyLock::new(|| Table::new(&[]));

struct Builder;

impl StoreBuilder<Types, LogStore, StateMachine, TempDir> for Builder {
    async fn build(&self) -> Result<(TempDir, LogStore, StateMachine), StorageError<Types>> {
        let home = tempfile::tempdir().unwrap();
        // Small enough that the suite crosses segments, with a cache that keeps next to nothing.
        let segments = SegmentOptions { segment_bytes: 1024, first_segment_bytes: 512, cache_bytes: 128 };
        let log = Arc::new(SegmentLog::open(&home.path().join("log"), &segments).unwrap());
        let options =
            StoreOptions { block_cache_bytes: 1 << 20, hot_cache_bytes: 1 << 20, ..Default::default() };
        let store = Arc::new(Store::open(&home.path().join("store"), options).unwrap());
        let snapshots = Snapshots::open(&home.path().join("snapshot"), Arc::clone(&store)).unwrap();
        let status = Arc::new(LogStatus::default());
        let progress = Arc::new(Progress::new(Arc::clone(&status)));
        let replica = Replica::new(Arc::clone(&store), &NO_COMMANDS);
        let alone = Arc::new(LocalIdentity::new(1, String::new(), String::new(), None));
        let peers = Arc::new(Peers::new(alone));
        let (snapshots, seed) = (Arc::new(snapshots), home.path().join("seed"));
        let seeds =
            SiteSeeds::new(peers, Arc::clone(&progress), Arc::clone(&log), Arc::clone(&snapshots), seed);
        let apply::Running { jobs, applier, .. } =
            apply::start(replica, Arc::clone(&progress), std::path::PathBuf::new()).unwrap();
        let state_machine = StateMachine::new(store, snapshots, jobs, applier, Arc::new(seeds));
        Ok((home, LogStore::new(log, status), state_machine))
    }
}

#[test]
fn raft_storage_suite() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    runtime.block_on(Suite::test_all(Builder)).unwrap();
}
