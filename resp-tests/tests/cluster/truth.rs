//! Whoever is asked, in whatever way, says the same about the core: without a majority nobody leads, and a node that cannot
//! serve says why instead of keeping its callers waiting.

use std::thread;
use std::time::{Duration, Instant};

use resp_tests::cluster::{Cluster, field};
use resp_tests::connection::Received;
use resp_tests::server::{Program, Server, Stop};
use resp_tests::value::Value;

use super::membership::{CHANGE_MAX, THREE, admin, admin_ok, fill, wait_for_roles};
use super::{NODES, call, error_code, ok};

fn text(node: &Server, words: &[&str]) -> String {
    match call(&mut node.connect().unwrap(), words) {
        Value::Bulk(text) | Value::Simple(text) | Value::Error(text) => {
            String::from_utf8_lossy(&text).into_owned()
        }
        other => format!("{other:?}"),
    }
}

/// What a node says in each of its ways; `true`: there is a leader that counts.
fn says(node: &Server) -> Vec<(&'static str, bool)> {
    let is = |name: &str, value: &str| field(node, name).as_deref() == Some(value);
    let role = call(&mut node.connect().unwrap(), &["ROLE"]);
    let Value::Array(role) = role else { panic!("{role:?}") };
    let Value::Bulk(kind) = &role[0] else { panic!("{role:?}") };
    let status = admin(node, &["status", "--json"]);
    let told: serde_json::Value = serde_json::from_slice(&status.stdout).unwrap();
    vec![
        ("readyz", node.http("/readyz").unwrap().0 == 200),
        ("link", is("role", "master") || is("master_link_status", "up")),
        ("leader id", !is("flotilla_raft_leader_id", "0")),
        ("ROLE", kind == b"master" || role[3] == Value::Bulk(b"connected".to_vec())),
        ("CLUSTER INFO", text(node, &["CLUSTER", "INFO"]).contains("cluster_state:ok")),
        ("status", told["leader"].is_string() && told["problem"].is_null()),
        ("exit code of status", status.status.code() == Some(0)),
        ("metrics", node.http("/metrics").unwrap().1.contains("\nflotilla_raft_has_leader 1")),
    ]
}

/// Waits until all of these nodes say the same in every way.
fn wait_until_all_say(nodes: &[&Server], has_leader: bool) {
    let deadline = Instant::now() + CHANGE_MAX;
    loop {
        let said: Vec<_> = nodes.iter().map(|node| says(node)).collect();
        if said.iter().flatten().all(|(_, says)| *says == has_leader) {
            return;
        }
        assert!(Instant::now() < deadline, "not all say {has_leader}: {said:?}");
        thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn without_a_majority_nobody_leads_and_all_say_so() {
    let program = Program::product();
    let mut cluster = Cluster::start(&program, 5, &["--cluster-enabled", "yes"]).unwrap();
    fill_leader(&cluster);
    let all: Vec<&Server> = cluster.nodes.iter().collect();
    wait_until_all_say(&all, true);
    for leader_stays in [true, false] {
        let leader = cluster.wait_until_agreed().unwrap();
        let mut stay: Vec<usize> =
            (0..5).filter(|index| *index != leader).take(if leader_stays { 1 } else { 2 }).collect();
        if leader_stays {
            stay.push(leader);
        }
        for gone in (0..5).filter(|index| !stay.contains(index)) {
            cluster.nodes[gone].stop(Stop::Kill).unwrap();
        }
        let left: Vec<&Server> = stay.iter().map(|index| &cluster.nodes[*index]).collect();
        wait_until_all_say(&left, false);
        for node in &left {
            assert!(field(node, "role").as_deref() == Some("slave"), "nobody is a master");
            let (status, why) = node.http("/readyz").unwrap();
            assert!(status == 503 && why.contains("majority of the voters"), "{status} {why}");
            assert!(
                text(node, &["SENTINEL", "CKQUORUM", "flotilla"]).starts_with("NOQUORUM") || !leader_stays
            );
            let refused = admin(node, &["remove", "core-0"]);
            assert_eq!(refused.status.code(), Some(1), "{refused:?}");
        }
        for gone in (0..5).filter(|index| !stay.contains(index)) {
            cluster.nodes[gone].start_again().unwrap();
        }
        let all: Vec<&Server> = cluster.nodes.iter().collect();
        wait_until_all_say(&all, true);
    }
}

fn fill_leader(cluster: &Cluster) {
    let leader = cluster.wait_until_agreed().unwrap();
    fill(&cluster.nodes[leader], 10);
}

/// It accepted connections, and then nothing came: neither PONG nor an error.
#[test]
fn an_emptied_node_that_nobody_lets_in_says_so_at_once() {
    let mut cluster = Cluster::start(&Program::product(), NODES, &[]).unwrap();
    let victim = (cluster.wait_until_agreed().unwrap() + 1) % NODES;
    for index in 0..NODES {
        cluster.nodes[index].stop(Stop::Kill).unwrap();
    }
    cluster.nodes[victim].wipe().unwrap();
    cluster.nodes[victim].spawn_again().unwrap();
    let node = &cluster.nodes[victim];
    let deadline = Instant::now() + CHANGE_MAX;
    let told = loop {
        // The port is not there yet at first, and the reason comes with the first attempts to join.
        let told = node.connect().and_then(|mut connection| connection.call(&["PING"]));
        match told {
            Ok(Received::Reply(Value::Error(told))) if told.starts_with(b"LOADING this node waits to ") => {
                break String::from_utf8_lossy(&told).into_owned();
            }
            other => assert!(Instant::now() < deadline, "{other:?}\n{}", node.log_tail()),
        }
        thread::sleep(Duration::from_millis(20));
    };
    let other = cluster.nodes[(victim + 1) % NODES].peer_address();
    assert!(told.contains(&other) || told.contains("core-"), "it names whom it asked: {told}");
    let mut connection = node.connect().unwrap();
    assert_eq!(call(&mut connection, &["MULTI"]), ok());
    for (words, code) in
        [(&["GET", "a"][..], "LOADING"), (&["EXEC"], "EXECABORT"), (&["SET", "a", "b"], "LOADING")]
    {
        assert_eq!(error_code(&call(&mut connection, words)), code, "{words:?}");
    }
    assert_eq!(field(node, "loading").as_deref(), Some("1"));
    assert_eq!(node.http("/healthz").unwrap().0, 200);
    let (status, why) = node.http("/readyz").unwrap();
    assert!(status == 503 && why.contains("this node waits to "), "{status} {why}");
    let status = admin(node, &["status"]);
    assert_eq!(status.status.code(), Some(4), "{status:?}");
    assert!(String::from_utf8_lossy(&status.stderr).contains("this node waits to "), "{status:?}");
    assert_eq!(admin(node, &["verify"]).status.code(), Some(1));
    assert!(!node.has_said("replaying the log"), "{}", node.log_tail());
    assert!(!node.has_said("ERROR"), "{}", node.log_tail());
    // It stops when it is asked to.
    assert!(cluster.nodes[victim].stop(Stop::Terminate).unwrap().success());
    for index in 0..NODES {
        cluster.nodes[index].spawn_again().unwrap();
    }
    for node in &mut cluster.nodes {
        node.wait_until_ready().unwrap();
    }
    wait_for_roles(&cluster.nodes[victim], &THREE);
    assert_eq!(call(&mut cluster.nodes[victim].connect().unwrap(), &["SET", "a", "b"]), ok());
}

/// `-` in the place of a checksum, and exit code 0.
#[test]
fn verify_says_with_its_exit_code_that_a_node_did_not_compare() {
    let mut cluster = Cluster::start(&Program::product(), NODES, &[]).unwrap();
    let leader = cluster.wait_until_agreed().unwrap();
    admin_ok(&cluster.nodes[leader], &["verify"]);
    cluster.nodes[(leader + 1) % NODES].stop(Stop::Kill).unwrap();
    let incomplete = admin(&cluster.nodes[leader], &["verify"]);
    assert_eq!(incomplete.status.code(), Some(4), "{incomplete:?}");
    assert!(String::from_utf8_lossy(&incomplete.stderr).contains("-  core-"), "{incomplete:?}");
    assert_eq!(admin(&cluster.nodes[leader], &["verify", "--bogus"]).status.code(), Some(2));
    let port = cluster.nodes[(leader + 1) % NODES].port;
    let output = std::process::Command::new(Program::product().path)
        .args(["admin", "status", "--server", &format!("127.0.0.1:{port}")])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1), "nobody is there: {output:?}");
}

/// Lines of level ERROR are for people who must act: nobody need when a core starts, loses its leader and stops.
#[test]
fn a_clean_life_has_no_errors_in_its_log() {
    let mut cluster = Cluster::start(&Program::product(), NODES, &[]).unwrap();
    let leader = cluster.wait_until_agreed().unwrap();
    fill(&cluster.nodes[leader], 100);
    let two = [(leader + 1) % NODES, (leader + 2) % NODES];
    for gone in two {
        cluster.nodes[gone].stop(Stop::Terminate).unwrap();
    }
    let alone = &cluster.nodes[leader];
    let deadline = Instant::now() + CHANGE_MAX;
    while field(alone, "role").as_deref() != Some("slave") {
        assert!(Instant::now() < deadline, "it leads without a majority");
        thread::sleep(Duration::from_millis(50));
    }
    let mut connection = alone.connect().unwrap();
    connection.set_deadline(Duration::from_secs(30));
    assert!(matches!(call(&mut connection, &["SET", "a", "b"]), Value::Error(_)));
    for gone in two {
        cluster.nodes[gone].start_again().unwrap();
    }
    cluster.wait_until_agreed().unwrap();
    for node in &mut cluster.nodes {
        node.stop(Stop::Terminate).unwrap();
    }
    for node in &cluster.nodes {
        assert!(!node.has_said("ERROR"), "{}", node.log_tail());
    }
}
