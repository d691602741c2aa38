//! Nodes come and go: by themselves (`--join`, an emptied disk) and by `flotilla admin`.

use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use resp_tests::cluster::{Cluster, field};
use resp_tests::server::{Program, Server, Stop};
use resp_tests::support::SMALL;
pub use resp_tests::support::admin;
use resp_tests::value::Value;

use super::{NODES, bulk, call, error_code, ok};

pub const CHANGE_MAX: Duration = Duration::from_secs(40);

/// What it printed; fails the test if it failed.
pub fn admin_ok(node: &Server, words: &[&str]) -> String {
    let output = admin(node, words);
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{words:?}: {text}{}", String::from_utf8_lossy(&output.stderr));
    text
}

/// Names and roles (`leader` told as `voter`), sorted, as a node tells them.
pub fn roles(node: &Server) -> Vec<String> {
    let Ok(mut connection) = node.connect() else { return vec![] };
    let Value::Bulk(json) = call(&mut connection, &["CORE", "STATUS"]) else { return vec![] };
    let told: serde_json::Value = serde_json::from_slice(&json).unwrap();
    if told["change_under_way"] == true {
        return vec![];
    }
    let mut roles: Vec<String> = told["nodes"]
        .as_array()
        .unwrap()
        .iter()
        .map(|node| {
            let role = node["role"].as_str().unwrap().replace("leader", "voter");
            format!("{} {role}", node["name"].as_str().unwrap())
        })
        .collect();
    roles.sort();
    roles
}

pub fn wait_for_roles(node: &Server, wanted: &[&str]) {
    let deadline = Instant::now() + CHANGE_MAX;
    loop {
        let found = roles(node);
        if found == wanted {
            return;
        }
        assert!(Instant::now() < deadline, "{found:?}, not {wanted:?}\n{}", node.log_tail());
        thread::sleep(Duration::from_millis(50));
    }
}

pub fn fill(node: &Server, keys: usize) {
    let mut connection = node.connect().unwrap();
    for key in 0..keys {
        assert_eq!(call(&mut connection, &["SET", &format!("key:{key}"), &key.to_string()]), ok());
    }
}

/// Reads what `fill` wrote as the node has it.
pub fn assert_has(node: &Server, keys: usize) {
    let mut connection = node.connect().unwrap();
    connection.set_deadline(Duration::from_secs(30));
    assert_eq!(call(&mut connection, &["GET", "key:0"]), bulk("0"), "linearizable");
    assert_eq!(call(&mut connection, &["CLIENT", "CONSISTENCY", "LOCAL"]), ok());
    for key in 0..keys {
        assert_eq!(call(&mut connection, &["GET", &format!("key:{key}")]), bulk(&key.to_string()));
    }
}

pub const THREE: [&str; 3] = ["core-0 voter", "core-1 voter", "core-2 voter"];

/// faults.md (a) 31: a node with the old name and an empty disk is another node.
#[test]
fn an_emptied_node_comes_back_by_itself_as_a_new_one() {
    let mut cluster = Cluster::start(&Program::product(), NODES, &SMALL).unwrap();
    fill(&cluster.nodes[0], 2000);
    // More than the log keeps: what is missing comes as a snapshot.
    let large = "x".repeat(20_000);
    let mut connection = cluster.nodes[0].connect().unwrap();
    for key in 0..400 {
        assert_eq!(call(&mut connection, &["SET", &format!("large:{key}"), &large]), ok());
    }
    // The founder too, and a leader: whichever comes first.
    for victim in [0, 1] {
        cluster.wait_until_agreed().unwrap();
        let old = field(&cluster.nodes[victim], "flotilla_node_id").unwrap();
        cluster.nodes[victim].stop(Stop::Kill).unwrap();
        cluster.nodes[victim].wipe().unwrap();
        cluster.nodes[victim].start_again().unwrap();
        let new = field(&cluster.nodes[victim], "flotilla_node_id").unwrap();
        assert_ne!(old, new);
        for node in &cluster.nodes {
            wait_for_roles(node, &THREE);
        }
        let status = admin_ok(&cluster.nodes[2], &["status", "--json"]);
        assert!(status.contains(&new) && !status.contains(&old), "{status}");
        assert_has(&cluster.nodes[victim], 2000);
        let verified = admin_ok(&cluster.nodes[victim], &["verify"]);
        assert_eq!(verified.lines().filter(|line| line.contains("core-")).count(), 3, "{verified}");
    }
    // Both have a vote: the third is not needed.
    cluster.nodes[2].stop(Stop::Kill).unwrap();
    let mut connection = cluster.nodes[0].connect().unwrap();
    connection.set_deadline(Duration::from_secs(30));
    let deadline = Instant::now() + CHANGE_MAX;
    // The first may have been on its way to the one that died.
    while call(&mut connection, &["SET", "after", "1"]) != ok() {
        assert!(Instant::now() < deadline, "two of three do not serve");
    }
}

#[test]
fn nodes_join_are_removed_and_lead_as_they_are_told() {
    let program = Program::product();
    let mut cluster = Cluster::start(&program, NODES, &[]).unwrap();
    fill(&cluster.nodes[0], 100);
    cluster.join(&program, "core-3", &[]).unwrap();
    wait_for_roles(&cluster.nodes[0], &["core-0 voter", "core-1 voter", "core-2 voter", "core-3 voter"]);
    cluster.join(&program, "core-4", &["--join-as", "standby"]).unwrap();
    let five = ["core-0 voter", "core-1 voter", "core-2 voter", "core-3 voter", "core-4 standby"];
    wait_for_roles(&cluster.nodes[4], &five);
    assert_has(&cluster.nodes[4], 100);
    wait_until_answering(&cluster.nodes[4], 5);
    let table = admin_ok(&cluster.nodes[4], &["status"]);
    assert!(table.lines().any(|line| line.starts_with("core-4  standby  yes")), "{table}");
    // A standby does not lead; a voter does when told.
    let refused = admin(&cluster.nodes[1], &["transfer-leader", "core-4"]);
    assert!(!refused.status.success());
    assert!(String::from_utf8_lossy(&refused.stderr).contains("a learner, which cannot lead"));
    for name in ["core-3", "core-1", "core-3"] {
        let began = Instant::now();
        admin_ok(&cluster.nodes[4], &["transfer-leader", name]);
        println!("leadership went to {name} in {:?}", began.elapsed());
        let leader = cluster.wait_until_agreed().unwrap();
        assert_eq!(
            cluster.nodes[leader].connect().map(|mut c| call(&mut c, &["PING"])).unwrap(),
            Value::Simple(b"PONG".to_vec())
        );
        assert_eq!(leader, name.strip_prefix("core-").unwrap().parse::<usize>().unwrap());
    }
    admin_ok(&cluster.nodes[0], &["promote", "core-4"]);
    wait_for_roles(
        &cluster.nodes[0],
        &["core-0 voter", "core-1 voter", "core-2 voter", "core-3 voter", "core-4 voter"],
    );
    // The leader itself goes, and one more.
    for name in ["core-3", "core-4"] {
        let deadline = Instant::now() + CHANGE_MAX;
        // Refused while voters that would be left are slow to answer, as on a busy machine.
        while !admin(&cluster.nodes[0], &["remove", name]).status.success() {
            assert!(Instant::now() < deadline, "{name} cannot be removed");
            thread::sleep(Duration::from_millis(200));
        }
    }
    for node in &cluster.nodes[..3] {
        wait_for_roles(node, &THREE);
    }
    // What was removed serves nobody, and disturbs nobody.
    let deadline = Instant::now() + CHANGE_MAX;
    for removed in [3, 4] {
        let mut connection = cluster.nodes[removed].connect().unwrap();
        connection.set_deadline(Duration::from_secs(30));
        loop {
            let codes = [&["GET", "key:0"][..], &["SET", "key:0", "x"]]
                .map(|words| error_code(&call(&mut connection, words)));
            if codes == ["CLUSTERDOWN", "CLUSTERDOWN"] {
                break;
            }
            assert!(Instant::now() < deadline, "{codes:?}");
        }
    }
    let term = field(&cluster.nodes[0], "flotilla_raft_term");
    thread::sleep(Duration::from_secs(2));
    assert_eq!(field(&cluster.nodes[0], "flotilla_raft_term"), term, "a removed node disturbs the others");
    assert_has(&cluster.nodes[0], 100);
    // Started again it is still removed; emptied, it is a new node.
    cluster.nodes[3].stop(Stop::Kill).unwrap();
    cluster.nodes[3].wipe().unwrap();
    cluster.nodes[3].spawn_again().unwrap();
    wait_for_roles(&cluster.nodes[0], &["core-0 voter", "core-1 voter", "core-2 voter", "core-3 voter"]);
    // Two of four gone: nobody may be removed that is needed.
    cluster.nodes[3].stop(Stop::Kill).unwrap();
    wait_until_answering(&cluster.nodes[0], 3);
    admin_ok(&cluster.nodes[0], &["remove", "core-3"]);
    cluster.nodes[2].stop(Stop::Kill).unwrap();
    wait_until_answering(&cluster.nodes[0], 2);
    let refused = admin(&cluster.nodes[0], &["remove", "core-1"]);
    assert!(String::from_utf8_lossy(&refused.stderr).contains("which is no majority"), "{refused:?}");
}

/// Waits until a node has heard of so many that they answer: each asks the others once a second.
fn wait_until_answering(node: &Server, count: usize) {
    let deadline = Instant::now() + CHANGE_MAX;
    while roles_answering(node) != count {
        assert!(Instant::now() < deadline, "not {count} nodes answer");
        thread::sleep(Duration::from_millis(100));
    }
}

fn roles_answering(node: &Server) -> usize {
    let Value::Bulk(json) = call(&mut node.connect().unwrap(), &["CORE", "STATUS"]) else { return 0 };
    let told: serde_json::Value = serde_json::from_slice(&json).unwrap();
    told["nodes"].as_array().unwrap().iter().filter(|node| node["answers"] == true).count()
}

#[test]
fn one_node_grows_into_three_and_replaces_one() {
    let program = Program::product();
    let mut cluster = Cluster::start(&program, 1, &[]).unwrap();
    fill(&cluster.nodes[0], 50);
    cluster.join(&program, "core-1", &[]).unwrap();
    cluster.join(&program, "core-2", &[]).unwrap();
    wait_for_roles(&cluster.nodes[2], &THREE);
    // A name that is taken, and lives, is refused; the newcomer only waits.
    let contacts = cluster.nodes[0].peer_address();
    let args = ["--node-name", "core-1", "--join", &contacts].map(str::to_owned);
    assert!(Server::start_for(&program, &args, Duration::from_secs(3)).is_err(), "a second core-1 serves");
    // core-1 dies with its machine; core-9 takes its place.
    cluster.nodes[1].stop(Stop::Kill).unwrap();
    let newcomer =
        Server::spawn(&program, &["--node-name", "core-9", "--join", "127.0.0.1:1"].map(str::to_owned))
            .unwrap();
    let at = format!("core-9={}", newcomer.peer_address());
    let deadline = Instant::now() + CHANGE_MAX;
    while !admin(&cluster.nodes[0], &["replace", "core-1", &at]).status.success() {
        assert!(Instant::now() < deadline, "core-9 does not answer\n{}", newcomer.log_tail());
        thread::sleep(Duration::from_millis(100));
    }
    wait_for_roles(&cluster.nodes[2], &["core-0 voter", "core-2 voter", "core-9 voter"]);
    assert_has(&newcomer, 50);
}

/// Two of three are lost for good: what is left goes on as another cluster, and the old one's nodes stay out.
#[test]
fn recovery_from_a_lost_majority_is_a_new_cluster() {
    let program = Program::product();
    let mut cluster = Cluster::start(&program, NODES, &[]).unwrap();
    fill(&cluster.nodes[0], 50);
    cluster.wait_until_agreed().unwrap();
    let old = field(&cluster.nodes[0], "flotilla_cluster_id").unwrap();
    for node in &mut cluster.nodes {
        node.stop(Stop::Kill).unwrap();
    }
    let directory = cluster.nodes[0].data();
    let path = directory.to_str().unwrap().to_owned();
    let run = |words: &[&str]| {
        Command::new(Program::product().path)
            .args(["admin", "recover", "--data-dir", &path])
            .args(words)
            .output()
            .unwrap()
    };
    assert!(!run(&[]).status.success(), "without being told what it may cost");
    let recovered = run(&["--i-accept-that-acknowledged-writes-may-be-lost"]);
    assert!(recovered.status.success(), "{recovered:?}");
    let alone = format!("core-0={}", cluster.nodes[0].peer_address());
    cluster.nodes[0].set_args(&["--node-name", "core-0", "--cluster", &alone].map(str::to_owned));
    cluster.nodes[0].start_again().unwrap();
    assert_ne!(field(&cluster.nodes[0], "flotilla_cluster_id").unwrap(), old);
    assert_has(&cluster.nodes[0], 50);
    fill(&cluster.nodes[0], 60);
    // The two others come back with what they had: they are a majority of the old cluster, which is another one.
    cluster.nodes[1].spawn_again().unwrap();
    cluster.nodes[2].start_again().unwrap();
    wait_for_roles(&cluster.nodes[0], &["core-0 voter"]);
    let mut connection = cluster.nodes[0].connect().unwrap();
    assert_eq!(call(&mut connection, &["SET", "key:59", "59"]), ok());
    // Emptied, they join.
    let contact = cluster.nodes[0].peer_address();
    for index in [1, 2] {
        cluster.nodes[index].stop(Stop::Kill).unwrap();
        cluster.nodes[index].wipe().unwrap();
        cluster.nodes[index]
            .set_args(&["--node-name", &format!("core-{index}"), "--join", &contact].map(str::to_owned));
        cluster.nodes[index].start_again().unwrap();
    }
    wait_for_roles(&cluster.nodes[2], &THREE);
    assert_has(&cluster.nodes[2], 60);
}

/// WAIT counts nodes that have the write on disk, whichever node is asked.
#[test]
fn wait_tells_how_many_nodes_have_a_write() {
    let mut cluster = Cluster::start(&Program::product(), NODES, &[]).unwrap();
    let leader = cluster.wait_until_agreed().unwrap();
    for node in &cluster.nodes {
        let mut connection = node.connect().unwrap();
        assert_eq!(call(&mut connection, &["SET", "k", "v"]), ok());
        assert_eq!(call(&mut connection, &["WAIT", "2", "5000"]), Value::Integer(2));
        assert_eq!(
            call(&mut connection, &["WAITAOF", "1", "2", "5000"]),
            Value::Array(vec![Value::Integer(1), Value::Integer(2)])
        );
    }
    let gone = (leader + 1) % NODES;
    cluster.nodes[gone].stop(Stop::Kill).unwrap();
    for node in [leader, (leader + 2) % NODES] {
        let mut connection = cluster.nodes[node].connect().unwrap();
        assert_eq!(call(&mut connection, &["SET", "k", "w"]), ok());
        assert_eq!(call(&mut connection, &["WAIT", "1", "5000"]), Value::Integer(1));
        assert_eq!(call(&mut connection, &["WAIT", "2", "300"]), Value::Integer(1));
    }
}
