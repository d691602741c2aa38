//! A snapshot that a follower fetches stays until the follower has it.

use crate::{
    command::Table,
    peer::{Answer, Groups, Handler, LocalIdentity, Peers, serve},
    replica::Replica,
    replication::{
        consensus::{
            network::Network,
            snapshot::to_raft,
            types::{Peer, RaftVote},
        },
        snapshots::{Fetchers, Snapshots},
        wire::kind,
    },
    store::{LogId, Store, StoreOptions},
};
use bytes::Bytes;
use futures::future::BoxFuture;
use openraft::{
    errors::ReplicationClosed,
    network::{RPCOption, RaftNetworkFactory, RaftNetworkV2},
};
use std::{
    net::TcpListener,
    sync::{Arc, LazyLock},
    time::Duration,
};
use tokio::sync::Notify;

static NO_COMMANDS: LazyLock<Table> = LazyLock::new(|| Table::new(&[]));

/// A node that is never done with fetching what it is offered.
#[derive(Default)]
struct Slow {
    offered: Notify,
}

impl Handler for Slow {
    fn call(&self, _from: u64, kind: u32, _body: Bytes) -> BoxFuture<'static, Answer> {
        assert_eq!(kind, kind::SNAPSHOT);
        self.offered.notify_one();
        Box::pin(std::future::pending())
    }
}

/// A new snapshot deleted the one that a follower was fetching, and the log that it would go on from was purged.
#[tokio::test]
async fn a_snapshot_that_a_follower_fetches_stays_and_so_does_the_log_behind_it() {
    let home = tempfile::tempdir().unwrap();
    let options = StoreOptions { block_cache_bytes: 1 << 20, hot_cache_bytes: 1 << 20, ..Default::default() };
    let store = Arc::new(Store::open(&home.path().join("store"), options).unwrap());
    let replica = Replica::new(Arc::clone(&store), &NO_COMMANDS);
    let snapshots = Arc::new(Snapshots::open(&home.path().join("snapshot"), store).unwrap());
    let build = |index| {
        let mut txn = replica.begin();
        replica.advance(&mut txn, LogId { term: 1, index }).unwrap();
        txn.commit().unwrap();
        snapshots.build().unwrap()
    };
    let is_there = |index: u64| home.path().join("snapshot").join(index.to_string()).is_dir();
    let first = to_raft(&build(1)).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let identity = |id| Arc::new(LocalIdentity::new(id, String::new(), address.clone(), Some("c".into())));
    let slow = Arc::new(Slow::default());
    let handler: Arc<dyn Handler> = Arc::<Slow>::clone(&slow);
    tokio::spawn(serve(listener, identity(2), Groups::one(handler), std::future::pending()));
    let fetchers = Arc::new(Fetchers::default());
    let mut network = Network::new(
        Arc::new(Peers::new(identity(1))),
        Arc::clone(&snapshots),
        Arc::clone(&fetchers),
        Arc::default(),
    );
    let mut connection = network.new_client(2, &Peer { address: address.clone(), ..Peer::default() }).await;
    let sending = tokio::spawn(async move {
        let (vote, option) = (RaftVote::new(1, 1), RPCOption::new(Duration::from_secs(60)));
        connection.full_snapshot(vote, first, std::future::pending::<ReplicationClosed>(), option).await
    });
    tokio::time::timeout(Duration::from_secs(20), slow.offered.notified()).await.unwrap();
    build(2);
    build(3);
    assert!(is_there(1), "it is being fetched");
    assert!(!is_there(2) && is_there(3), "of the others the newest is there");
    assert!(fetchers.are_there(), "and the log is kept for the node that fetches");
    sending.abort();
}

/// A follower that is away is offered a snapshot again and again; the log was kept for it all the while, until the disk was full.
#[tokio::test]
async fn the_log_is_not_kept_for_a_follower_that_is_not_there() {
    let home = tempfile::tempdir().unwrap();
    let store = Arc::new(Store::open(&home.path().join("store"), StoreOptions::default()).unwrap());
    let replica = Replica::new(Arc::clone(&store), &NO_COMMANDS);
    let mut txn = replica.begin();
    replica.advance(&mut txn, LogId { term: 1, index: 1 }).unwrap();
    txn.commit().unwrap();
    let snapshots = Arc::new(Snapshots::open(&home.path().join("snapshot"), store).unwrap());
    // Nobody listens there any more.
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    let identity = Arc::new(LocalIdentity::new(1, String::new(), address.clone(), Some("c".into())));
    let fetchers = Arc::new(Fetchers::default());
    let mut network = Network::new(
        Arc::new(Peers::new(identity)),
        Arc::clone(&snapshots),
        Arc::clone(&fetchers),
        Arc::default(),
    );
    let mut connection = network.new_client(2, &Peer { address, ..Peer::default() }).await;
    for attempt in 1..=2 {
        let (vote, option) = (RaftVote::new(1, 1), RPCOption::new(Duration::from_secs(60)));
        let snapshot = to_raft(&snapshots.build().unwrap()).unwrap();
        let never = std::future::pending::<ReplicationClosed>();
        assert!(connection.full_snapshot(vote, snapshot, never, option).await.is_err());
        assert!(!fetchers.are_there(), "attempt {attempt}");
    }
    fetchers.offer(2);
    assert!(!fetchers.are_there(), "it was not there the last time");
    fetchers.admit(2, usize::MAX);
    assert!(fetchers.are_there(), "it fetches");
}
