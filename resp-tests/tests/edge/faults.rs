//! Nodes that die while an edge follows.

use std::thread;
use std::time::Duration;

use resp_tests::cluster::field;
use resp_tests::connection::Received;
use resp_tests::server::{Server, Stop};
use resp_tests::value::Value;

use super::oracle::{Reader, Writer, let_write};
use super::support::*;

#[test]
fn following_goes_on_when_the_cores_leader_is_killed() {
    let mut core = core(3, &[]);
    let edge = edge("fra", &upstream(&core), &[]);
    let writer = Writer::start(core.nodes.iter().map(|node| node.port).collect());
    let reader = Reader::start(edge.port);
    for _ in 0..3 {
        let_write(&writer, 200);
        let leader = (0..3)
            .find(|index| field(&core.nodes[*index], "flotilla_raft_is_leader").as_deref() == Some("1"));
        let Some(leader) = leader else { continue };
        core.nodes[leader].stop(Stop::Kill).unwrap();
        let_write(&writer, 200);
        core.nodes[leader].start_again().unwrap();
    }
    let_write(&writer, 200);
    let last = writer.stop();
    eventually("the last write is seen", || {
        number(&call(&mut edge.connect().unwrap(), &["GET", "one"])) >= last as i64
    });
    let reads = reader.stop();
    println!("{last} writes, {reads} reads at the edge");
    assert_same_state(&core.nodes[0], &[&edge]);
}

/// Each core node that it follows dies; what was published meanwhile comes from the next one, in its order, and once.
#[test]
fn messages_come_once_and_none_is_missed_when_the_edge_goes_to_another_core_node() {
    const MESSAGES: u64 = 600;
    let mut core = core(3, &[]);
    core.wait_until_agreed().unwrap();
    let leader = core.leader().unwrap();
    let others = [(leader + 1) % 3, (leader + 2) % 3];
    let addresses = [others[0], others[1], leader].map(|node| core.nodes[node].peer_address()).join(",");
    let edge = edge("fra", &addresses, &[]);
    let mut listener = edge.connect().unwrap();
    call(&mut listener, &["SUBSCRIBE", "news"]);
    let mut publisher = core.nodes[leader].connect().unwrap();
    let publishing = thread::spawn(move || {
        for message in 0..MESSAGES {
            let told = call(&mut publisher, &["PUBLISH", "news", &message.to_string()]);
            assert!(matches!(told, Value::Integer(_)), "{told:?}");
            thread::sleep(Duration::from_millis(5));
        }
    });
    let mut next = 0;
    let mut hear = |count: u64| {
        for _ in 0..count {
            let Received::Reply(got) = listener.receive().unwrap() else { panic!("the edge has closed") };
            let wanted = Value::Array(vec![bulk("message"), bulk("news"), bulk(&next.to_string())]);
            assert_eq!(got, wanted, "{}", edge.log_tail());
            next += 1;
        }
    };
    hear(100);
    core.nodes[others[0]].stop(Stop::Kill).unwrap();
    hear(100);
    core.nodes[others[0]].start_again().unwrap();
    hear(100);
    core.nodes[others[1]].stop(Stop::Kill).unwrap();
    hear(MESSAGES - 300);
    publishing.join().unwrap();
    assert_eq!(info(&edge, "flotilla_contradictions"), 0);
}

#[test]
fn an_edge_that_is_killed_goes_on_where_it_was() {
    let core = core(1, &["--memtable-bytes", "1mb"]);
    let mut edge = edge("fra", &upstream(&core), &["--memtable-bytes", "1mb"]);
    let writer = Writer::start(vec![core.nodes[0].port]);
    let reader = Reader::start(edge.port);
    for round in 0..6 {
        let_write(&writer, 150);
        // At some other moment each time.
        thread::sleep(Duration::from_millis(round * 7));
        edge.stop(Stop::Kill).unwrap();
        let_write(&writer, 100);
        edge.start_again().unwrap();
        wait_for_data(&edge);
    }
    let last = writer.stop();
    eventually("the last write is seen", || {
        number(&call(&mut edge.connect().unwrap(), &["GET", "one"])) >= last as i64
    });
    let reads = reader.stop();
    println!("{last} writes, {reads} reads at the edge");
    assert_same_state(&core.nodes[0], &[&edge]);
    assert_eq!(info(&edge, "flotilla_bootstraps"), 0, "the log was enough");
}

/// Nobody to ask, and nothing flushed to tables yet: all that it had is in its log.
#[test]
fn a_site_that_is_killed_while_the_core_is_away_serves_what_it_had() {
    let mut core = core(1, &[]);
    let mut nodes = site("fra", &upstream(&core), 3, &[]);
    nodes.push(edge("sin", &upstream(&core), &[]));
    let mut client = core.nodes[0].connect().unwrap();
    assert_eq!(call(&mut client, &["SET", "a", "1"]), ok());
    for node in &nodes {
        eventually("it is seen", || call(&mut node.connect().unwrap(), &["GET", "a"]) == bulk("1"));
    }
    core.nodes[0].stop(Stop::Kill).unwrap();
    nodes.iter_mut().for_each(|node| assert!(node.stop(Stop::Kill).is_ok()));
    nodes.iter_mut().for_each(|node| node.spawn_again().unwrap());
    for node in &mut nodes {
        node.wait_until_ready().unwrap();
        wait_for_data(node);
        eventually("it is served", || call(&mut node.connect().unwrap(), &["GET", "a"]) == bulk("1"));
    }
}

/// The node that it follows lags behind what it has: it waits, or goes elsewhere, but never back.
#[test]
fn an_edge_never_goes_back_to_what_a_lagging_node_knows() {
    let core = core(3, &[]);
    core.wait_until_agreed().unwrap();
    let leader = core.leader().unwrap();
    let follower = (leader + 1) % 3;
    let addresses = format!("{},{}", core.nodes[leader].peer_address(), core.nodes[follower].peer_address());
    let edge = edge("fra", &addresses, &[]);
    let writer = Writer::start(vec![core.nodes[leader].port]);
    let reader = Reader::start(edge.port);
    let_write(&writer, 100);
    // It falls behind, while the edge follows the leader.
    core.nodes[follower].pause().unwrap();
    let_write(&writer, 300);
    let (mut client, before) = (edge.connect().unwrap(), info(&edge, "flotilla_core_index"));
    core.nodes[leader].pause().unwrap();
    core.nodes[follower].resume().unwrap();
    eventually("the edge leaves the node that is silent", || {
        field(&edge, "flotilla_upstream").as_deref() == Some(core.nodes[follower].peer_address().as_str())
    });
    assert!(number(&call(&mut client, &["GET", "one"])) > 0);
    assert!(info(&edge, "flotilla_core_index") >= before);
    core.nodes[leader].resume().unwrap();
    let_write(&writer, 50);
    let last = writer.stop();
    eventually("the last write is seen", || number(&call(&mut client, &["GET", "one"])) >= last as i64);
    reader.stop();
    let all: Vec<&Server> = core.nodes.iter().collect();
    assert_same_state(all[0], &[&edge, all[1], all[2]]);
}

/// Upstreams come in the order of preference: the first one is followed again once it is well.
#[test]
fn an_edge_goes_back_to_the_node_that_it_prefers() {
    let mut core = core(3, &[]);
    core.wait_until_agreed().unwrap();
    let preferred = (core.leader().unwrap() + 1) % 3;
    let other = (preferred + 1) % 3;
    let addresses = [preferred, other].map(|index| core.nodes[index].peer_address());
    let edge = edge("fra", &addresses.join(","), &[]);
    let follows = |address: &str| field(&edge, "flotilla_upstream").as_deref() == Some(address);
    assert!(follows(&addresses[0]));
    let writer = Writer::start(core.nodes.iter().map(|node| node.port).collect());
    let reader = Reader::start(edge.port);
    let_write(&writer, 50);
    core.nodes[preferred].stop(Stop::Kill).unwrap();
    eventually("the other one is followed", || follows(&addresses[1]));
    let_write(&writer, 50);
    core.nodes[preferred].start_again().unwrap();
    eventually("the preferred one is followed again", || follows(&addresses[0]));
    let_write(&writer, 50);
    let last = writer.stop();
    eventually("the last write is seen", || {
        number(&call(&mut edge.connect().unwrap(), &["GET", "one"])) >= last as i64
    });
    reader.stop();
    assert_same_state(&core.nodes[0], &[&edge]);
}
