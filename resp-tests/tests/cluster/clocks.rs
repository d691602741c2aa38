//! Nodes whose wall clocks are hours apart agree on what has expired (faults.md (a) 15 and 42).

use std::thread;
use std::time::{Duration, Instant};

use resp_tests::cluster::Cluster;
use resp_tests::connection::Connection;
use resp_tests::server::{Program, Stop};
use resp_tests::value::Value;

use super::{NODES, bulk, call, ok};

const WAIT: Duration = Duration::from_secs(20);

fn connect(cluster: &Cluster, node: usize) -> Connection {
    let mut connection = cluster.nodes[node].connect().unwrap();
    connection.set_deadline(WAIT);
    connection
}

fn ttl_ms(cluster: &Cluster, node: usize, key: &str) -> i64 {
    match call(&mut connect(cluster, node), &["PTTL", key]) {
        Value::Integer(ms) => ms,
        other => panic!("{other:?}"),
    }
}

#[test]
fn clocks_hours_apart_change_nothing_about_expiry() {
    let mut cluster = Cluster::start(&Program::product().with_own_clock(), NODES, &[]).unwrap();
    let leader = cluster.wait_until_agreed().unwrap();
    let (ahead, behind) = ((leader + 1) % NODES, (leader + 2) % NODES);
    assert_eq!(call(&mut connect(&cluster, leader), &["SET", "long", "v", "EX", "1000"]), ok());
    cluster.nodes[ahead].set_clock(3_600_000).unwrap();
    cluster.nodes[behind].set_clock(-3_600_000).unwrap();
    for node in [leader, ahead, behind] {
        assert_eq!(call(&mut connect(&cluster, node), &["GET", "long"]), bulk("v"), "node {node}");
        let left = ttl_ms(&cluster, node, "long");
        assert!((900_000..=1_000_000).contains(&left), "node {node}: {left} ms left");
    }
    seen_once_gone_for_good(&cluster, &[leader, ahead, behind], "first");
    // Whoever leads next is hours away from who led before; time goes on from where it was.
    let mut left = 1_000_000;
    for (round, next) in [ahead, behind, leader, behind, ahead].into_iter().enumerate() {
        let name = format!("core-{next}");
        let deadline = Instant::now() + WAIT;
        while cluster.wait_until_agreed().unwrap() != next {
            // Refused while another change is under way.
            call(&mut connect(&cluster, leader), &["CORE", "TRANSFER", &name]);
            assert!(Instant::now() < deadline, "{name} does not lead");
        }
        for node in [leader, ahead, behind] {
            let now_left = ttl_ms(&cluster, node, "long");
            // What a follower has heard of the leader's time may be a heartbeat old.
            assert!(now_left > 800_000 && now_left <= left + 200, "round {round}: {left} then {now_left} ms");
            left = left.min(now_left);
        }
        seen_once_gone_for_good(&cluster, &[leader, ahead, behind], &format!("round:{round}"));
    }
    // The leader's wall clock is set back while it leads, and the leader dies.
    cluster.nodes[ahead].set_clock(-7_200_000).unwrap();
    seen_once_gone_for_good(&cluster, &[leader, ahead, behind], "set-back");
    assert!(ttl_ms(&cluster, ahead, "long") <= left + 200);
    cluster.nodes[ahead].stop(Stop::Kill).unwrap();
    let deadline = Instant::now() + WAIT;
    while call(&mut connect(&cluster, leader), &["SET", "after", "kill"]) != ok() {
        assert!(Instant::now() < deadline);
    }
    assert!(ttl_ms(&cluster, leader, "long") <= left + 200);
    seen_once_gone_for_good(&cluster, &[leader, behind], "killed");
}

/// A key that lives for a second is there at first; once one node has said that it is gone, no node says otherwise.
fn seen_once_gone_for_good(cluster: &Cluster, nodes: &[usize], key: &str) {
    let mut connections: Vec<Connection> = nodes.iter().map(|node| connect(cluster, *node)).collect();
    let deadline = Instant::now() + WAIT;
    while call(&mut connections[0], &["SET", key, "v", "PX", "1000"]) != ok() {
        assert!(Instant::now() < deadline, "{key}: no write");
        thread::sleep(Duration::from_millis(20));
    }
    let (mut seen, mut gone) = (0, 0);
    while gone < 30 {
        for (connection, node) in connections.iter_mut().zip(nodes) {
            match call(connection, &["GET", key]) {
                Value::NilBulk => gone += 1,
                Value::Error(text) if text.starts_with(b"CLUSTERDOWN ") => {}
                found => {
                    assert_eq!((found, gone), (bulk("v"), 0), "{key}: node {node} shows it again");
                    seen += 1;
                }
            }
        }
        assert!(Instant::now() < deadline, "{key} never expires");
    }
    assert!(seen > 0, "{key} was gone at once");
}
