//! Which reads of a pipeline go through the log with the writes before them.

use super::{Cluster, NODES, Program, Value, bulk, call, ok};
use resp_tests::connection::{Connection, Received};

const ROUNDS: usize = 20;

/// Keys that a node has looked up for reads of its own.
fn hits(node: &mut Connection) -> u64 {
    let Value::Bulk(text) = call(node, &["INFO", "stats"]) else { panic!("INFO is no text") };
    let text = String::from_utf8(text).unwrap();
    text.lines().find_map(|line| line.strip_prefix("keyspace_hits:")).unwrap().trim().parse().unwrap()
}

/// Pipelines of a SET and a GET; returns how many of the GETs this node has looked up.
fn looked_up(node: &mut Connection) -> u64 {
    let before = hits(node);
    for _ in 0..ROUNDS {
        // At once, so that they come in one piece.
        node.send_raw(b"*3\r\n$3\r\nSET\r\n$1\r\na\r\n$1\r\n1\r\n*2\r\n$3\r\nGET\r\n$5\r\nvalue\r\n")
            .unwrap();
        assert_eq!(node.receive().unwrap(), Received::Reply(ok()));
        assert_eq!(node.receive().unwrap(), Received::Reply(bulk("short")));
    }
    hits(node) - before
}

/// The story: a follower that had not applied a value of 10 MB yet took its GETs for short ones, let them travel, and the
/// leader made 200 replies of 10 MB where it applies its log.
#[test]
fn a_follower_does_not_judge_how_long_a_reply_will_be() {
    let cluster = Cluster::start(&Program::product(), NODES, &[]).unwrap();
    let leader = cluster.wait_until_agreed().unwrap();
    let mut at_leader = cluster.nodes[leader].connect().unwrap();
    assert_eq!(call(&mut at_leader, &["SET", "value", "short"]), ok());
    let travelled = ROUNDS as u64 - looked_up(&mut at_leader);
    assert!(travelled > 0, "none travels even where it is known to be short");
    for number in (0..NODES).filter(|number| *number != leader) {
        let mut follower = cluster.nodes[number].connect().unwrap();
        assert_eq!(looked_up(&mut follower), ROUNDS as u64, "node {number} let reads travel");
    }
}
