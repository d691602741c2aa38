//! Who a node is, changed behind its back.

use std::fs;

use resp_tests::cluster::field;
use resp_tests::server::{Program, Server, Stop};

use super::stage::{NODES, dice, start, wait_until_whole};

/// Another history or cluster id in IDENTITY was taken without a word once.
#[test]
fn a_changed_identity_is_refused_by_name_and_the_node_comes_back_as_a_new_one() {
    let mut cluster = start(&[]);
    for name in ["history_id", "cluster_id"] {
        let victim = (cluster.wait_until_agreed().unwrap() + 1) % NODES;
        let before = field(&cluster.nodes[victim], "flotilla_node_id").unwrap();
        cluster.nodes[victim].stop(Stop::Kill).unwrap();
        let path = cluster.nodes[victim].data().join("IDENTITY");
        let text = fs::read_to_string(&path).unwrap();
        let line = text.lines().find(|line| line.contains(name)).unwrap();
        let other = line.replace(|c: char| c.is_ascii_digit(), "a");
        assert_ne!(line, other);
        fs::write(&path, text.replace(line, &other)).unwrap();
        cluster.nodes[victim].spawn_again().unwrap();
        wait_until_whole(&mut cluster, victim, &mut dice(), name);
        assert!(cluster.nodes[victim].has_said("IDENTITY"), "{}", cluster.nodes[victim].log_tail());
        assert_ne!(field(&cluster.nodes[victim], "flotilla_node_id").unwrap(), before);
    }
}

/// Files of two nodes in one directory: each is sound, together they are not.
#[test]
fn an_identity_beside_another_nodes_log_is_refused() {
    let other = Server::start(&Program::product(), &[]).unwrap();
    let mut node = Server::start(&Program::product(), &[]).unwrap();
    node.stop(Stop::Kill).unwrap();
    fs::copy(other.data().join("IDENTITY"), node.data().join("IDENTITY")).unwrap();
    let refused = node.start_again().unwrap_err().to_string();
    assert!(refused.contains("IDENTITY") && refused.contains("belongs to the log"), "{refused}");
}
