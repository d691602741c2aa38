//! A store that is behind with its flushes: proposals wait, apply does not.

use super::support::{TestNode, eventually};
use crate::{replication::wal::SegmentOptions, resp::Reply, store::StoreOptions};

const MEMTABLE_BYTES: usize = 64 << 10;
const KEY_BYTES: usize = 8 << 10;

/// Without the wait, RocksDB slows the thread that applies down, then stops it; on a node that applies inline it is the thread
/// of the heartbeats.
#[tokio::test(flavor = "current_thread")]
async fn proposals_wait_before_the_store_lets_apply_wait() {
    let home = tempfile::tempdir().unwrap();
    let options = StoreOptions {
        memtable_bytes: MEMTABLE_BYTES,
        background_bytes_per_second: 128 << 10,
        ..StoreOptions::default()
    };
    let node = TestNode::start_on(home.path(), options, SegmentOptions::default(), 1 << 30).unwrap();
    node.log.wait_ready().await;
    // Twice as much as all memtables hold.
    let mut waited = 0;
    for number in 0..2 * 8 * MEMTABLE_BYTES / KEY_BYTES {
        let mut key = number.to_string().into_bytes();
        key.resize(KEY_BYTES, b'x');
        waited += usize::from(node.store.nears_stall());
        assert_eq!(node.call(&[b"ADD", &key]).await, Reply::Int(1));
    }
    assert!(waited > 0, "the flushes kept up, so this is no test");
    assert_eq!(node.store.stalls(), 0);
    eventually("the flushes have caught up", || !node.store.nears_stall()).await;
    node.stop().await;
}
