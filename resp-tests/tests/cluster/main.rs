//! Three nodes that are one core: any node takes any command, and nothing acknowledged is lost when nodes are killed.
//!
//! `CLUSTER_CYCLES` kills (6 if not set), chosen by `CLUSTER_SEED` (printed).

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

mod catching_up;
mod clock_steps;
mod clocks;
mod faces;
mod founding;
mod growing;
mod joining;
mod late_learner;
mod leading;
mod long_commands;
mod lost_replies;
mod membership;
mod old_copy;
mod pods;
mod replacing;
mod stopping;
mod travelling;
mod truth;
mod users;
mod waiting;

use std::fs;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use resp_tests::cluster::{Cluster, field};
use resp_tests::connection::{Connection, Received};
use resp_tests::dice::Dice;
use resp_tests::recorder::{Client, Shared, Style};
use resp_tests::server::{Program, Stop};
use resp_tests::support::{SMALL, bulk, call, error_code, ok, seed, variable};
use resp_tests::value::Value;

const NODES: usize = 3;
const CLIENTS: usize = 6;
const CYCLES: u64 = 6;
/// How long the others go on writing when a node has died: a new leader must come in that time.
const AFTER_KILL: Duration = Duration::from_millis(2500);

/// With a hot cache that holds little, too.
fn small() -> Vec<&'static str> {
    [&SMALL[..], &["--hot-cache-bytes", "1mb"]].concat()
}

#[test]
fn any_node_takes_any_command_and_reads_what_was_written_on_any_other() {
    let cluster = Cluster::start(&Program::product(), NODES, &[]).unwrap();
    let mut dice = Dice::new(seed("CLUSTER_SEED"));
    let mut nodes: Vec<Connection> = cluster.nodes.iter().map(|node| node.connect().unwrap()).collect();
    for round in 0..200_u64 {
        let (writer, reader) = (dice.below(3) as usize, dice.below(3) as usize);
        let value = round.to_string();
        assert_eq!(call(&mut nodes[writer], &["SET", "register", &value]), ok());
        assert_eq!(
            call(&mut nodes[reader], &["GET", "register"]),
            bulk(&value),
            "{writer} wrote, {reader} read"
        );
    }
    let leader = cluster.wait_until_agreed().unwrap();
    for (index, node) in nodes.iter_mut().enumerate() {
        // A transaction whose watched key another node changes, and one that stands.
        let other = &mut cluster.nodes[(index + 1) % NODES].connect().unwrap();
        assert_eq!(call(node, &["WATCH", "watched"]), ok());
        assert_eq!(call(other, &["SET", "watched", "changed"]), ok());
        call(node, &["MULTI"]);
        call(node, &["INCR", "transactions"]);
        assert_eq!(call(node, &["EXEC"]), Value::NilArray, "node {index}, leader {leader}");
        call(node, &["MULTI"]);
        call(node, &["INCR", "transactions"]);
        call(node, &["GET", "watched"]);
        let replies = Value::Array(vec![Value::Integer(index as i64 + 1), bulk("changed")]);
        assert_eq!(call(node, &["EXEC"]), replies);
        // Errors come through as they are.
        let error = Value::Error(b"ERR value is not an integer or out of range".to_vec());
        assert_eq!(call(node, &["INCR", "watched"]), error);
        assert_eq!(call(node, &["DBSIZE"]).as_text(), call(other, &["DBSIZE"]).as_text());
        // The leader deletes it, and that reaches every node.
        assert_eq!(call(node, &["SET", "short", "lived", "PX", "1"]), ok());
        let deadline = Instant::now() + Duration::from_secs(10);
        while call(other, &["DBSIZE"]) != Value::Integer(3) {
            assert!(Instant::now() < deadline, "an expired key stays");
            thread::sleep(Duration::from_millis(10));
        }
    }
}

#[test]
fn each_node_tells_the_truth_about_its_role() {
    let cluster = Cluster::start(&Program::product(), NODES, &[]).unwrap();
    let leader = cluster.wait_until_agreed().unwrap();
    let leader_id = field(&cluster.nodes[leader], "flotilla_raft_leader_id");
    for (index, node) in cluster.nodes.iter().enumerate() {
        let role = if index == leader { "master" } else { "slave" };
        assert_eq!(field(node, "role").as_deref(), Some(role), "node {index}");
        assert_eq!(field(node, "flotilla_raft_leader_id"), leader_id);
        assert_eq!(field(node, "flotilla_cluster_id"), field(&cluster.nodes[0], "flotilla_cluster_id"));
        let Value::Array(told) = call(&mut node.connect().unwrap(), &["ROLE"]) else { panic!("ROLE") };
        assert_eq!(told[0], bulk(role));
    }
}

/// One node of three is left: nothing is promised any more but what it has.
#[test]
fn without_a_majority_a_node_serves_what_it_has_and_nothing_else() {
    let mut cluster = Cluster::start(&Program::product(), NODES, &[]).unwrap();
    let leader = cluster.wait_until_agreed().unwrap();
    let left = (leader + 1) % NODES;
    let mut connection = cluster.nodes[left].connect().unwrap();
    connection.set_deadline(Duration::from_secs(30));
    assert_eq!(call(&mut connection, &["SET", "key", "value"]), ok());
    assert_eq!(call(&mut connection, &["CLIENT", "CONSISTENCY", "SESSION"]), ok());
    assert_eq!(call(&mut connection, &["GET", "key"]), bulk("value"));
    for index in (0..NODES).filter(|index| *index != left) {
        cluster.nodes[index].stop(Stop::Kill).unwrap();
    }
    assert_eq!(call(&mut connection, &["CLIENT", "CONSISTENCY", "LOCAL"]), ok());
    assert_eq!(call(&mut connection, &["GET", "key"]), bulk("value"));
    assert_eq!(call(&mut connection, &["CLIENT", "CONSISTENCY", "BOUNDED", "1"]), ok());
    assert_eq!(error_code(&call(&mut connection, &["GET", "key"])), "CLUSTERDOWN");
    assert_eq!(call(&mut connection, &["CLIENT", "CONSISTENCY", "LINEARIZABLE"]), ok());
    assert_eq!(error_code(&call(&mut connection, &["GET", "key"])), "CLUSTERDOWN");
    let code = error_code(&call(&mut connection, &["SET", "key", "other"]));
    // A write that was on its way to the leader when it died is of unknown outcome; there is none here.
    assert_eq!(code, "CLUSTERDOWN");
    for index in (0..NODES).filter(|index| *index != left) {
        cluster.nodes[index].spawn_again().unwrap();
    }
    cluster.wait_until_agreed().unwrap();
    assert_eq!(call(&mut connection, &["GET", "key"]), bulk("value"));
    assert_eq!(call(&mut connection, &["SET", "key", "other"]), ok());
}

/// A leader that was stopped in its tracks does not know that others go on; what it had may be old.
#[test]
fn a_paused_leader_does_not_answer_with_what_it_had() {
    let cluster = Cluster::start(&Program::product(), NODES, &[]).unwrap();
    paused_leaders_tell_nothing_old(&cluster);
}

/// Leases are times that each node takes by itself (faults.md (a) 16).
#[test]
fn leases_hold_although_monotonic_clocks_have_nothing_in_common() {
    let mut cluster = Cluster::start(&Program::product(), NODES, &[]).unwrap();
    for (node, ahead) in cluster.nodes.iter_mut().zip([3600, 100 * 86_400, 20]) {
        node.stop(Stop::Terminate).unwrap();
        node.change_program(&Program::product().with_monotonic_ahead(ahead));
        node.start_again().unwrap();
        let theirs = fs::read_link(format!("/proc/{}/ns/time", node.pid())).unwrap();
        assert_ne!(theirs, fs::read_link("/proc/self/ns/time").unwrap());
    }
    paused_leaders_tell_nothing_old(&cluster);
}

fn paused_leaders_tell_nothing_old(cluster: &Cluster) {
    let mut answered = 0;
    for round in 1..=4_u64 {
        let leader = cluster.wait_until_agreed().unwrap();
        let mut at_leader = cluster.nodes[leader].connect().unwrap();
        at_leader.set_deadline(Duration::from_secs(30));
        let mut elsewhere = cluster.nodes[(leader + 1) % NODES].connect().unwrap();
        elsewhere.set_deadline(Duration::from_secs(30));
        assert_eq!(call(&mut at_leader, &["SET", "register", "old"]), ok());
        assert_eq!(call(&mut at_leader, &["GET", "register"]), bulk("old"));
        cluster.nodes[leader].pause().unwrap();
        let new = round.to_string();
        // While it is paused, another one leads. A write that was on its way to the paused one is of unknown outcome.
        let deadline = Instant::now() + Duration::from_secs(20);
        while call(&mut elsewhere, &["SET", "register", &new]) != ok() {
            assert!(Instant::now() < deadline, "no other node leads");
        }
        // The first thing that it finds when it goes on.
        at_leader.send(&["GET", "register"]).unwrap();
        cluster.nodes[leader].resume().unwrap();
        match at_leader.receive().unwrap() {
            Received::Reply(Value::Error(text)) => assert!(text.starts_with(b"CLUSTERDOWN "), "{text:?}"),
            Received::Reply(reply) => {
                assert_eq!(reply, bulk(&new), "round {round}: what the paused leader answered");
                answered += 1;
            }
            Received::Closed => panic!("closed"),
        }
    }
    assert!(answered > 0, "the paused leader never answered at all");
}

/// A rolling restart: each node in turn is asked to end and comes back; clients of the others meet no error at all.
#[test]
fn a_rolling_restart_costs_clients_of_other_nodes_nothing() {
    let mut cluster = Cluster::start(&Program::product(), NODES, &[]).unwrap();
    let mut changes = 0;
    for stopped in 0..NODES {
        let leader = cluster.wait_until_agreed().unwrap();
        let port = cluster.nodes[(stopped + 1) % NODES].port;
        let done = AtomicBool::new(false);
        let (written, longest) = thread::scope(|scope| {
            let writing = scope.spawn(|| {
                let mut connection = Connection::open(port).unwrap();
                let (mut written, mut longest) = (0_u64, Duration::ZERO);
                while !done.load(Ordering::SeqCst) {
                    let started = Instant::now();
                    let reply = call(&mut connection, &["INCR", "rolling"]);
                    assert!(matches!(reply, Value::Integer(_)), "{reply:?} while node {stopped} stopped");
                    longest = longest.max(started.elapsed());
                    written += 1;
                }
                (written, longest)
            });
            thread::sleep(Duration::from_millis(300));
            let status = cluster.nodes[stopped].stop(Stop::Terminate).unwrap();
            assert!(status.success(), "{status}");
            thread::sleep(Duration::from_millis(300));
            cluster.nodes[stopped].start_again().unwrap();
            done.store(true, Ordering::SeqCst);
            writing.join().unwrap()
        });
        changes += u64::from(cluster.wait_until_agreed().unwrap() != leader);
        println!("node {stopped} (leader {leader}): {written} writes, the longest took {longest:?}");
        assert!(written > 20, "only {written} writes");
    }
    assert!(changes > 0, "leadership never changed");
}

#[test]
fn acknowledged_writes_survive_killed_nodes_exactly_once() {
    let cycles = variable("CLUSTER_CYCLES").unwrap_or(CYCLES);
    let seed = seed("CLUSTER_SEED");
    let mut dice = Dice::new(seed);
    let mut cluster = Cluster::start(&Program::product(), NODES, &small()).unwrap();
    let mut clients: Vec<Client> =
        (0..CLIENTS).map(|id| Client::new(id, Style::OneByOne, 0, Dice::new(dice.roll()))).collect();
    let mut shared = Shared::default();
    let mut leaders_killed = 0;
    for cycle in 1..=cycles {
        let leader = cluster.wait_until_agreed().unwrap();
        // The leader most of the time.
        let victim = if dice.below(3) == 0 { dice.below(3) as usize } else { leader };
        leaders_killed += u64::from(victim == leader);
        let ports: Vec<u16> = cluster.nodes.iter().map(|node| node.port).collect();
        let before: u64 = clients.iter().map(|client| client.acknowledged).sum();
        let (stop, never, killed) = (AtomicBool::new(false), AtomicBool::new(false), AtomicBool::new(false));
        let load = Duration::from_millis(dice.between(200, 800));
        thread::scope(|scope| {
            for (index, client) in clients.iter_mut().enumerate() {
                let at = index % NODES;
                let (may_be_cut, stop) = (if at == victim { &killed } else { &never }, &stop);
                let port = ports[at];
                scope.spawn(move || client.write(port, stop, may_be_cut));
            }
            thread::sleep(load);
            killed.store(true, Ordering::SeqCst);
            cluster.nodes[victim].stop(Stop::Kill).unwrap();
            thread::sleep(AFTER_KILL);
            stop.store(true, Ordering::SeqCst);
        });
        let after: u64 = clients.iter().map(|client| client.acknowledged).sum();
        assert!(after > before, "nothing was written in cycle {cycle} (CLUSTER_SEED={seed})");
        cluster.nodes[victim].start_again().unwrap();
        cluster.wait_until_agreed().unwrap();
        let mut complaints = Vec::new();
        for client in &mut clients {
            let node = &cluster.nodes[dice.below(3) as usize];
            complaints.extend(client.verify(node));
            shared.take(client);
        }
        for node in &cluster.nodes {
            complaints.extend(shared.verify(node));
        }
        let text = complaints.join("\n");
        assert!(
            complaints.is_empty(),
            "cycle {cycle}, victim {victim}, leader {leader} (CLUSTER_SEED={seed}):\n{text}"
        );
    }
    // What one node says, all say.
    for client in &mut clients {
        for node in &cluster.nodes {
            assert_eq!(client.verify(node), Vec::<String>::new());
        }
    }
    let acknowledged: u64 = clients.iter().map(|client| client.acknowledged).sum();
    println!("{cycles} kills, {leaders_killed} of them of the leader, {acknowledged} writes acknowledged");
    assert!(acknowledged > cycles * 50, "only {acknowledged} writes were acknowledged");
}
