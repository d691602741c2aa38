//! Three nodes, each with a disk of its own.

use std::thread;
use std::time::Duration;

use resp_tests::cluster::{Cluster, field};
use resp_tests::connection::Connection;
use resp_tests::server::Stop;
use resp_tests::support::{bulk, call, error_code, eventually, ok};
use resp_tests::value::Value;

use super::{LOW_BYTES, MIB, is_taken, program, small};

fn start() -> (Cluster, usize) {
    let args = small();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let cluster = Cluster::start(&program(), 3, &args).unwrap();
    let leader = cluster.wait_until_agreed().unwrap();
    (cluster, leader)
}

fn connect(cluster: &Cluster) -> Vec<Connection> {
    cluster.nodes.iter().map(|node| node.connect().unwrap()).collect()
}

fn is(cluster: &Cluster, node: usize, state: &str) -> bool {
    field(&cluster.nodes[node], "flotilla_disk_state").as_deref() == Some(state)
}

/// What all nodes do while the leader refuses growth.
fn assert_low(nodes: &mut [Connection]) {
    for (index, node) in nodes.iter_mut().enumerate() {
        let added = call(node, &["APPEND", "kept", "more"]);
        assert_eq!(error_code(&added), "OOM", "node {index}: {added:?}");
        assert_eq!(call(node, &["GET", "kept"]), bulk("value"), "node {index}");
        assert_eq!(call(node, &["DEL", &format!("gone:{index}")]), Value::Integer(1), "node {index}");
        call(node, &["MULTI"]);
        call(node, &["SET", "new", "value"]);
        assert_eq!(error_code(&call(node, &["EXEC"])), "EXECABORT", "node {index}");
    }
}

fn fill(nodes: &mut [Connection]) {
    assert_eq!(call(&mut nodes[0], &["SET", "kept", "value"]), ok());
    for index in 0..9 {
        assert_eq!(call(&mut nodes[0], &["SET", &format!("gone:{}", index % 3), "value"]), ok());
    }
}

#[test]
fn a_core_refuses_growth_while_a_majority_has_no_room_and_takes_it_again_with_room_at_one_of_them() {
    let (mut cluster, leader) = start();
    let mut nodes = connect(&cluster);
    fill(&mut nodes);
    let full = [(leader + 1) % 3, (leader + 2) % 3];
    for node in full {
        cluster.nodes[node].disk().fill_to(LOW_BYTES / 2).unwrap();
    }
    for node in &mut nodes {
        eventually("every node refuses growth", || !is_taken(node));
    }
    assert_low(&mut nodes);

    cluster.nodes[full[0]].stop(Stop::Kill).unwrap();
    cluster.nodes[full[0]].start_again().unwrap();
    let mut nodes = connect(&cluster);
    for node in &mut nodes {
        eventually("every node refuses growth again", || {
            error_code(&call(node, &["APPEND", "kept", "more"])) == "OOM"
        });
    }
    assert_eq!(call(&mut nodes[full[0]], &["GET", "kept"]), bulk("value"));

    cluster.nodes[full[1]].disk().free().unwrap();
    for node in &mut nodes {
        eventually("two have room", || is_taken(node));
    }
    cluster.wait_until_agreed().unwrap();
}

#[test]
fn a_follower_without_room_stops_no_writes_and_catches_up_when_it_has_some() {
    let (mut cluster, leader) = start();
    let mut nodes = connect(&cluster);
    fill(&mut nodes);
    let (follower, other) = ((leader + 1) % 3, (leader + 2) % 3);
    // More than once: it has a reserve.
    eventually("its disk is full", || {
        cluster.nodes[follower].disk().fill_to(MIB).unwrap();
        is(&cluster, follower, "full")
    });
    let value = "x".repeat(10_000);
    for number in 0..300 {
        let reply = call(
            &mut nodes[if number % 2 == 0 { leader } else { other }],
            &["SET", &format!("k{number}"), &value],
        );
        assert_eq!(reply, ok(), "write {number}");
        thread::sleep(Duration::from_millis(2));
    }
    assert!(cluster.nodes[follower].is_running().unwrap(), "{}", cluster.nodes[follower].log_tail());
    assert_eq!(cluster.leader(), Some(leader), "and it disturbed nobody");
    cluster.nodes[follower].disk().free().unwrap();
    cluster.wait_until_agreed().unwrap();
    let found = call(&mut cluster.nodes[follower].connect().unwrap(), &["GET", "k299"]);
    assert_eq!(found, bulk(&value));
}

#[test]
fn a_leader_that_alone_has_no_room_lets_another_node_lead() {
    let (cluster, leader) = start();
    let mut nodes = connect(&cluster);
    fill(&mut nodes);
    cluster.nodes[leader].disk().fill_to(LOW_BYTES * 3 / 4).unwrap();
    eventually("another node leads", || cluster.leader().is_some_and(|now| now != leader));
    for node in &mut nodes {
        eventually("all writes are taken", || is_taken(node));
    }
    assert!(is(&cluster, leader, "low"));
    cluster.wait_until_agreed().unwrap();
}
