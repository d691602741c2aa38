//! Acknowledged writes survive a restart, whichever of them had reached the store's files.

use super::support::{TestNode, copy_directory, eventually, small_segments};
use std::{fs, path::Path};

/// A copy of the files as they are now: what `kill -9` would leave.
fn copy_of(from: &Path) -> tempfile::TempDir {
    let home = tempfile::tempdir().unwrap();
    copy_directory(from, home.path());
    home
}

#[tokio::test(flavor = "current_thread")]
async fn a_crash_before_any_flush_loses_nothing() {
    let home = tempfile::tempdir().unwrap();
    let node = TestNode::start(home.path()).await;
    for id in 0..300 {
        node.submit(id, &[b"ADD", format!("key:{}", id % 7).as_bytes()]);
    }
    node.outcomes(300).await;
    assert_eq!(node.store.flushed().unwrap(), None, "this test is about data that is only in the log");
    let (crashed, without_store) = (copy_of(home.path()), copy_of(home.path()));
    fs::remove_dir_all(without_store.path().join("store")).unwrap();
    let applied = node.store.applied().unwrap();
    node.stop().await;

    let again = TestNode::start(crashed.path()).await;
    assert!(again.store.applied().unwrap() > applied, "a new term begins with an entry");
    let counts: Vec<i64> = (0..7).map(|n| again.count_of(format!("key:{n}").as_bytes()).unwrap()).collect();
    assert_eq!(counts, [43, 43, 43, 43, 43, 43, 42]);
    // The same entries give the same state, whatever of it was in files.
    let replayed = TestNode::start(without_store.path()).await;
    assert_eq!(replayed.store.applied(), again.store.applied());
    assert_eq!(replayed.store.checksum().unwrap(), again.store.checksum().unwrap());
    again.stop().await;
    replayed.stop().await;
}

#[tokio::test(flavor = "current_thread")]
async fn a_lost_log_or_store_is_refused() {
    let home = tempfile::tempdir().unwrap();
    let node = TestNode::start_with(home.path(), small_segments(), 16 << 10).await;
    let filler = vec![b'x'; 2000];
    while node.log.state().purged_index() == 0 {
        node.call(&[b"ADD", &filler]).await;
    }
    node.stop().await;
    for (lost, expect) in [("log", "the log directory was lost"), ("store", "the store was lost")] {
        let copy = copy_of(home.path());
        fs::remove_dir_all(copy.path().join(lost)).unwrap();
        let error = TestNode::try_start(copy.path(), small_segments(), 0).err().unwrap().to_string();
        assert!(error.contains(expect), "{error}");
    }
}

#[tokio::test(flavor = "current_thread")]
async fn the_log_is_purged_below_what_the_store_has_flushed() {
    let home = tempfile::tempdir().unwrap();
    let node = TestNode::start(home.path()).await;
    let filler = vec![b'x'; 2000];
    let mut added = 0;
    while node.log.state().purged_index() == 0 {
        assert!(added < 5000, "no purge although {} bytes are logged", node.log.state().log_bytes());
        for _ in 0..20 {
            node.submit(0, &[b"ADD", &filler]);
        }
        node.outcomes(20).await;
        added += 20;
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    let purged = node.log.state().purged_index();
    assert!(node.store.flushed().unwrap().unwrap().index >= purged);
    // A snapshot counts once it has its name; the one before it is removed after that.
    eventually("one snapshot", || fs::read_dir(home.path().join("snapshot")).unwrap().count() == 1).await;
    eventually("segments deleted", || fs::read_dir(home.path().join("log")).unwrap().count() < 7).await;
    let crashed = copy_of(home.path());
    node.stop().await;
    let again = TestNode::start(crashed.path()).await;
    assert_eq!(again.count_of(&filler), Some(added));
    again.stop().await;
}

#[tokio::test(flavor = "current_thread")]
async fn a_snapshot_is_made_on_request() {
    let home = tempfile::tempdir().unwrap();
    let node = TestNode::start(home.path()).await;
    node.call(&[b"ADD", b"k"]).await;
    node.log.snapshot().await.unwrap();
    let applied = node.store.applied().unwrap();
    assert!(home.path().join("snapshot").join(applied.index.to_string()).is_dir());
    assert_eq!(node.store.flushed().unwrap(), Some(applied));
    node.log.snapshot().await.unwrap();
    node.stop().await;
}
