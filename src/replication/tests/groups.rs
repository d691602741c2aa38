//! Two groups on the nodes of one process: they share ports and connections, and nothing else.

use super::support::{TABLE, eventually, small_segments, within};
use crate::{
    commands,
    config::FeedSettings,
    environment::Environment,
    peer::{CallError, Connections, FIRST_GROUP, Groups, LocalIdentity, Peers},
    replica::ProposalBuilder,
    replication::{
        directory::{DataDirectory, open_group},
        group::{ClusterOptions, GroupHandle, GroupOptions},
        queue::{Mailbox, Outcome, Ticket},
        wal::Retention,
        wire::kind,
    },
    session::{Client, ClusterIdentity, Group, Session, Users},
    state::{ClientPorts, StateWriter, Work},
    store::{Condition, ReadTime, Store, StoreOptions},
};
use bytes::Bytes;
use parking_lot::RwLock;
use std::{
    net::{SocketAddr, TcpListener},
    path::Path,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

const SECOND: u64 = 1;
const CLUSTER: &str = "1d8ee7a8-6b3c-4f54-9d0a-000000000001";

/// A node of two: what its groups share.
struct Node {
    home: tempfile::TempDir,
    directory: DataDirectory,
    identity: Arc<LocalIdentity>,
    connections: Arc<Connections>,
    groups: Arc<Groups>,
    listener: Option<TcpListener>,
}

impl Node {
    fn new(name: &str) -> Self {
        let home = tempfile::tempdir().unwrap();
        let directory = DataDirectory::open(home.path(), name, true).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let identity = LocalIdentity::new(directory.identity.node_id, name.into(), address, None);
        let identity = Arc::new(identity);
        let connections = Connections::new(Arc::clone(&identity));
        Node { home, directory, identity, connections, groups: Arc::default(), listener: Some(listener) }
    }

    fn start(&mut self, group: u64, members: &[(String, String)]) -> GroupHandle {
        let files = open_group(Environment::machine(), self.home.path(), group).unwrap();
        let options =
            StoreOptions { block_cache_bytes: 1 << 20, hot_cache_bytes: 64 << 10, ..Default::default() };
        let cluster = Arc::new(RwLock::new(ClusterIdentity::default()));
        let adopted = Arc::clone(&cluster);
        let store = Arc::new(Store::open(&files.join("store"), options).unwrap());
        let writer = Arc::<StateWriter>::default();
        let state = Arc::clone(writer.state());
        GroupHandle::start(GroupOptions {
            group: Arc::new(Group { id: group, store, state }),
            data_directory: self.home.path().to_path_buf(),
            connections: Some(Arc::clone(&self.connections)),
            node_id: self.identity.node_id,
            table: &TABLE,
            writer,
            pubsub: Arc::default(),
            stats: Arc::default(),
            observer: None,
            segments: small_segments(),
            retention: Retention::of_bytes(1 << 20),
            cluster: Some(ClusterOptions {
                is_alone: false,
                members: members.to_vec(),
                join: Vec::new(),
                standby: false,
                compare_interval: Duration::ZERO,
                verify_interval: Duration::ZERO,
                verify_bytes_per_second: 0,
                repair_damaged: false,
                cluster,
                identity: Arc::clone(&self.identity),
                cluster_id: CLUSTER.into(),
                history_id: format!("history of group {group}"),
                adopt: Arc::new(move |cluster_id, history_id| {
                    let (cluster_id, history_id) = (cluster_id.to_owned(), history_id.to_owned());
                    *adopted.write() = ClusterIdentity { cluster_id, history_id };
                    Ok(())
                }),
                groups: Arc::clone(&self.groups),
                listener: self.listener.take(),
                client_ports: ClientPorts { first: 1, tls: 0 },
                client_host: String::new(),
                snapshot_bytes_per_second: 0,
                master_name: "test".into(),
                feed: FeedSettings { edges_max: 1, bootstraps_max: 1, bootstrap_bytes_per_second: 0 },
            }),
            edge: None,
            upgrades: true,
            lost_store: None,
        })
        .unwrap()
    }
}

async fn write(group: &GroupHandle, key: &[u8]) -> Outcome {
    let mailbox = Mailbox::new();
    let mut proposal = ProposalBuilder::commands();
    proposal.push(0, &[b"ADD", key]);
    let ticket = Ticket {
        mailbox: Arc::clone(&mailbox),
        id: 0,
        was_forwarded: false,
        client: 0,
        work: Work::HOUSEKEEPING,
    };
    group.submit(proposal.finish(), ticket).unwrap();
    let mut outcomes = Vec::new();
    while outcomes.is_empty() {
        within(20, mailbox.wait()).await;
        mailbox.drain(&mut outcomes);
    }
    outcomes.remove(0).1
}

fn has(group: &GroupHandle, key: &[u8]) -> bool {
    let published = group.store().published();
    group.store().blocking_view(&published, 0, ReadTime::LastEntry).get(key).unwrap().is_some()
}

/// What a connection wrote to one group, or watches there, is nothing to the other one.
async fn a_session_is_apart_in_each([first, second]: &[GroupHandle; 2]) {
    let address = SocketAddr::from(([127, 0, 0, 1], 1));
    let user = Users::new(commands::acl::commands()).default_user();
    let client = Arc::new(Client::new(1, address, address, -1, 0));
    let mut session = Session::new(client, Arc::clone(&user), 0, true);
    let ahead = second.state().edge.core_index.load(Ordering::SeqCst) + 1000;
    session.of_group(SECOND).wrote = ahead;
    assert!(first.has_writes_of(&session), "it wrote nothing there");
    assert!(first.wait_for_writes_of(&session, Duration::ZERO).await, "so it waits for nothing");
    assert!(!second.has_writes_of(&session));
    assert!(!second.wait_for_writes_of(&session, Duration::from_millis(20)).await);
    session.reset(user, true);
    assert_eq!((session.wrote(FIRST_GROUP), session.wrote(SECOND)), (0, ahead), "RESET forgets no write");
    // The same key in both, watched in the first.
    let watch = |session: &mut Session| {
        let watched = session.of_group(FIRST_GROUP).watched.get_or_insert_with(|| first.store().watches());
        first.store().watch(watched, 0, b"same");
    };
    watch(&mut session);
    assert!(matches!(write(second, b"same").await, Outcome::Applied(_)));
    eventually("the write is in the second", || has(second, b"same")).await;
    assert!(!session.unwatch(FIRST_GROUP).1, "the first group's key was not written");
    watch(&mut session);
    assert!(matches!(write(first, b"same").await, Outcome::Applied(_)));
    eventually("the write is in the first", || has(first, b"same")).await;
    assert!(session.unwatch(FIRST_GROUP).1);
    // What is watched in another group cannot be checked with an entry of this one.
    let condition = || Condition { db: 0, key: b"same".to_vec(), revision: None };
    session.of_group(SECOND).watch(vec![condition()]);
    assert_eq!(session.unwatch(FIRST_GROUP), (vec![], true));
    session.of_group(FIRST_GROUP).watch(vec![condition()]);
    assert_eq!(session.unwatch(FIRST_GROUP), (vec![condition()], false));
}

#[tokio::test(flavor = "multi_thread")]
async fn two_groups_share_nodes_and_ports_and_nothing_else() {
    let mut nodes = [Node::new("a"), Node::new("b")];
    let members: Vec<(String, String)> =
        nodes.iter().map(|node| (node.identity.node_name.clone(), node.identity.address.clone())).collect();
    let groups: Vec<[GroupHandle; 2]> =
        nodes.iter_mut().map(|node| [FIRST_GROUP, SECOND].map(|group| node.start(group, &members))).collect();
    for group in groups.iter().flatten() {
        within(30, group.wait_ready()).await;
    }
    // Each node writes to each group; one of them leads it, the other one forwards.
    for (number, node) in groups.iter().enumerate() {
        for group in node {
            let key = format!("{}:{number}", group.group());
            assert!(matches!(write(group, key.as_bytes()).await, Outcome::Applied(_)), "{key}");
        }
    }
    for group in groups.iter().flatten() {
        for number in 0..groups.len() {
            let (own, other) = (group.group(), SECOND - group.group());
            eventually("a write is on both nodes", || has(group, format!("{own}:{number}").as_bytes())).await;
            assert!(!has(group, format!("{other}:{number}").as_bytes()), "it is of the other group");
        }
    }
    a_session_is_apart_in_each(&groups[0]).await;
    // Histories, terms and files are apart.
    for node in &nodes {
        for path in ["log/STATE", "groups/1/log/STATE", "groups/1/store"] {
            assert!(Path::new(node.home.path()).join(path).exists(), "{path}");
        }
        assert!(!node.home.path().join("groups/0").exists());
        assert_ne!(node.directory.identity.node_id, 0);
    }
    // A group that a node does not have is refused, and nothing is done.
    let stranger = Peers::of_group(7, Connections::new(Arc::clone(&nodes[0].identity)));
    let client = stranger.client(&nodes[1].identity.address, nodes[1].identity.node_id);
    let refused = client.call(kind::STATUS, Bytes::new(), Duration::from_secs(5)).await;
    assert!(matches!(&refused, Err(CallError::Refused(why)) if why.contains("no group 7")), "{refused:?}");
    for group in groups.iter().flatten() {
        group.shutdown(Duration::from_secs(10)).await;
    }
}
