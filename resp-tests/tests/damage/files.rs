//! Each kind of file × each kind of damage, on a follower, on the leader, and on the node that feeds an edge.

use std::fs;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use resp_tests::cluster::Cluster;
use resp_tests::damage::{HARMS, KINDS, database, find, flip, harm, segments, tables};
use resp_tests::server::{Program, Server, Stop};
use resp_tests::value::Value;

use super::stage::{
    NODES, WHOLE_MAX, assert_has_all, call, dice, rounds, save, start, told, value, wait_until_whole, write,
    write_through_others,
};

#[derive(Clone, Copy, Debug)]
enum Role {
    Follower,
    Leader,
    FeedsAnEdge,
}

const ROLES: [Role; 3] = [Role::Follower, Role::Leader, Role::FeedsAnEdge];

fn edge(cluster: &Cluster, preferred: usize) -> Server {
    let order = (0..NODES).map(|step| cluster.nodes[(preferred + step) % NODES].peer_address());
    let upstream = order.collect::<Vec<_>>().join(",");
    let args = ["--role", "edge", "--site", "fra", "--upstream", &upstream].map(str::to_owned);
    Server::start(&Program::product(), &args).unwrap()
}

/// The edge has what was written last.
fn wait_for_edge(edge: &Server, cluster: &Cluster, what: &str) {
    let last = call(&mut cluster.nodes[0].connect().unwrap(), &["GET", "beat"]);
    let deadline = Instant::now() + WHOLE_MAX;
    let mut reader = edge.connect().unwrap();
    while call(&mut reader, &["GET", "beat"]) != last {
        assert!(Instant::now() < deadline, "{what}: the edge stays behind\n{}", edge.log_tail());
        thread::sleep(Duration::from_millis(20));
    }
    assert_has_all(edge, what);
}

#[test]
fn any_damage_to_any_file_of_one_node_is_repaired_and_never_seen() {
    let mut dice = dice();
    let mut cluster = start(&[]);
    cluster.wait_until_agreed().unwrap();
    let edge = edge(&cluster, 0);
    let (mut step, mut hurt, mut worst) = (0_usize, 0, Duration::ZERO);
    for round in 0..rounds() as usize {
        for kind in KINDS {
            for harm_kind in HARMS {
                // In as many rounds as there are roles each meets each.
                let role = ROLES[(step + round) % ROLES.len()];
                step += 1;
                let leader = cluster.wait_until_agreed().unwrap();
                let victim = match role {
                    Role::Leader => leader,
                    Role::Follower => (leader + 1) % NODES,
                    Role::FeedsAnEdge => 0,
                };
                let what = format!("{harm_kind:?} {kind:?} of core-{victim} ({role:?}), step {step}");
                let data = cluster.nodes[victim].data();
                // A damaged file is found at the start, or when it is read: both while it runs and while it does not.
                let at_rest = dice.below(2) == 0;
                if at_rest {
                    cluster.nodes[victim].stop(Stop::Kill).unwrap();
                }
                let Some(path) = find(kind, &data) else {
                    if at_rest {
                        cluster.nodes[victim].start_again().unwrap();
                    }
                    continue;
                };
                harm(&path, harm_kind, &mut dice).unwrap();
                hurt += 1;
                if !at_rest {
                    cluster.nodes[victim].stop(Stop::Kill).unwrap();
                }
                write_through_others(&cluster, victim, 0, &what);
                cluster.nodes[victim].spawn_again().unwrap();
                let took = wait_until_whole(&mut cluster, victim, &mut dice, &what);
                println!("{what}: {} whole after {took:?}", path.display());
                worst = worst.max(took);
                wait_for_edge(&edge, &cluster, &what);
                // The next one has files of its own again.
                save(&cluster.nodes[victim]);
            }
        }
    }
    // What was replaced leaves the disk.
    for node in &cluster.nodes {
        assert_one_database(&node.data());
    }
    println!("{hurt} files hurt, whole again after {worst:?} at most");
    assert!(hurt > rounds() as usize * 36, "too few files were found: {hurt}");
}

/// A store that was replaced goes when nobody reads from it, what was received when it has been installed.
fn assert_one_database(data: &Path) {
    let deadline = Instant::now() + WHOLE_MAX;
    loop {
        let entries = fs::read_dir(data.join("store")).unwrap().map(|entry| entry.unwrap().path());
        let databases: Vec<PathBuf> = entries.filter(|path| path.is_dir()).collect();
        if databases.len() == 1 && !data.join("received").exists() {
            return;
        }
        assert!(Instant::now() < deadline, "{databases:?} of {} are still there", data.display());
        thread::sleep(Duration::from_millis(20));
    }
}

/// Found by a client's read of a running leader: the client gets no wrong answer, and the core goes on with another leader.
#[test]
fn a_block_that_a_client_needs_is_damaged_under_a_running_leader() {
    let mut dice = dice();
    let mut cluster = start(&["--verify-interval", "0"]);
    let victim = cluster.wait_until_agreed().unwrap();
    for path in tables(&cluster.nodes[victim].data()) {
        let bytes = fs::metadata(&path).unwrap().len();
        // Each data block.
        for at in (0..bytes * 8 / 10).step_by(2048) {
            flip(&path, at).unwrap();
        }
    }
    let deadline = Instant::now() + WHOLE_MAX;
    let mut key = 0;
    while !cluster.nodes[victim].has_said("is damaged") {
        if let Some(told) = told(&cluster.nodes[victim], key % 400) {
            assert_eq!(told, Value::Bulk(value(key % 400).into_bytes()), "key:{}", key % 400);
        }
        key += 1;
        assert!(Instant::now() < deadline, "nobody noticed\n{}", cluster.nodes[victim].log_tail());
    }
    let took = wait_until_whole(&mut cluster, victim, &mut dice, "a block under a client");
    println!("whole after {took:?}");
}

/// A follower that was away makes its leader read entries that it has on disk only, and some are damaged.
#[test]
fn entries_that_a_follower_needs_are_damaged_under_a_running_leader() {
    // What a node keeps in memory is half of what is written.
    const VALUES: u64 = 64;
    const VALUE_BYTES: usize = 500_000;
    let mut cluster = start(&["--log-retain-bytes", "64mb"]);
    let leader = cluster.wait_until_agreed().unwrap();
    let follower = (leader + 1) % NODES;
    cluster.nodes[follower].stop(Stop::Kill).unwrap();
    let mut connection = cluster.nodes[leader].connect().unwrap();
    for key in 0..VALUES {
        write(&mut connection, &["SET", &format!("away:{key}"), &"y".repeat(VALUE_BYTES)]);
    }
    let mut left = VALUES * VALUE_BYTES as u64 / 4;
    for path in segments(&cluster.nodes[leader].data()) {
        let used = fs::read(&path).unwrap().iter().rposition(|byte| *byte != 0).unwrap_or(0) as u64;
        for at in (4096..used.min(left)).step_by(100_000) {
            flip(&path, at).unwrap();
        }
        left = left.saturating_sub(used);
    }
    cluster.nodes[follower].spawn_again().unwrap();
    let deadline = Instant::now() + WHOLE_MAX;
    while !cluster.nodes[leader].has_said("is damaged") {
        assert!(Instant::now() < deadline, "nobody noticed\n{}", cluster.nodes[leader].log_tail());
        thread::sleep(Duration::from_millis(20));
    }
    let took = wait_until_whole(&mut cluster, leader, &mut dice(), "entries of a leader's log");
    assert!(!cluster.nodes[leader].has_said("the raft core failed"), "it ended, and did not repair itself");
    println!("whole after {took:?}");
}

/// A parameter lets a human decide.
#[test]
fn a_node_that_may_not_repair_itself_stops_and_says_what_to_do() {
    let mut cluster = start(&["--repair-damaged", "no"]);
    let victim = (cluster.wait_until_agreed().unwrap() + 1) % NODES;
    cluster.nodes[victim].stop(Stop::Kill).unwrap();
    let path = database(&cluster.nodes[victim].data()).join("CURRENT");
    fs::remove_file(&path).unwrap();
    for _ in 0..2 {
        let refused = cluster.nodes[victim].start_again().unwrap_err().to_string();
        assert!(refused.contains("CURRENT") && refused.contains("--repair-damaged yes"), "{refused}");
    }
    cluster.nodes[victim].change_arg("--repair-damaged", "yes");
    cluster.nodes[victim].spawn_again().unwrap();
    wait_until_whole(&mut cluster, victim, &mut dice(), "allowed to repair itself");
}

/// Nobody has what it lost: it keeps what it has, and says what to do.
#[test]
fn a_node_that_is_alone_refuses_to_start_with_damage_and_touches_nothing() {
    let mut node = Server::start(&Program::product(), &[]).unwrap();
    call(&mut node.connect().unwrap(), &["SET", "k", "v"]);
    save(&node);
    node.stop(Stop::Kill).unwrap();
    let current = node.data().join("store/db/CURRENT");
    let text = fs::read(&current).unwrap();
    fs::remove_file(&current).unwrap();
    for _ in 0..2 {
        let refused = node.start_again().unwrap_err().to_string();
        assert!(
            refused.contains("no other node to repair it from") && refused.contains("CURRENT"),
            "{refused}"
        );
    }
    fs::write(&current, text).unwrap();
    node.start_again().unwrap();
    assert_eq!(call(&mut node.connect().unwrap(), &["GET", "k"]), Value::Bulk(b"v".to_vec()));
}
