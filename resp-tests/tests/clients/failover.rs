//! Cluster- and sentinel-aware clients on three nodes: the leader is killed, and the same client object goes on by itself.

use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use resp_tests::cluster::Cluster;
use resp_tests::connection::Received;
use resp_tests::installed::installed;
use resp_tests::server::{Program, Server, Stop};
use resp_tests::value::Value;

use super::program::source;

/// A core in the mode that a kind of client wants, its leader, and the client ports of all.
pub fn core(kind: &str) -> (Cluster, usize, [u16; 3]) {
    let args: &[&str] = if kind == "cluster" { &["--cluster-enabled", "yes"] } else { &[] };
    let cluster = Cluster::start(&Program::product(), 3, args).unwrap();
    let leader = cluster.wait_until_agreed().unwrap();
    // A plain client knows one node only: not the one that dies.
    let first = (leader + 1) % 3;
    let ports = [first, (first + 1) % 3, (first + 2) % 3].map(|node| cluster.nodes[node].port);
    wait_until_told(&cluster, kind);
    (cluster, leader, ports)
}

/// Nodes ask each other once a second where their clients connect.
pub fn wait_until_told(cluster: &Cluster, kind: &str) {
    let deadline = Instant::now() + Duration::from_secs(10);
    let words: &[&str] = match kind {
        "cluster" => &["CLUSTER", "NODES"],
        _ => &["SENTINEL", "REPLICAS", "flotilla"],
    };
    for node in &cluster.nodes {
        loop {
            let Received::Reply(told) = node.connect().unwrap().call(words).unwrap() else { panic!() };
            let told = text(&told);
            let is_told = |other: &Server| kind != "cluster" || told.contains(&other.port.to_string());
            let replicas = told.matches("runid").count() == 2 || kind == "cluster";
            if cluster.nodes.iter().all(is_told) && replicas {
                break;
            }
            assert!(Instant::now() < deadline, "{told}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

/// All texts in a reply.
fn text(value: &Value) -> String {
    match value {
        Value::Bulk(bytes) => String::from_utf8_lossy(bytes).into_owned() + " ",
        Value::Array(values) => values.iter().map(text).collect(),
        _ => String::new(),
    }
}

/// Runs a program against a core; lets another node lead, and kills the leader, when it says so. It must end with `held`.
fn survives(mut command: Command, kind: &str) {
    let (mut cluster, leader, ports) = core(kind);
    let ports = ports.map(|port| port.to_string());
    let mut child = command
        .arg(kind)
        .args(ports)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
    let mut said = Vec::new();
    for line in &mut lines {
        if line == "transfer" {
            // Not the one node that a plain client knows.
            let to = format!("core-{}", (leader + 2) % 3);
            cluster.nodes[leader].connect().unwrap().call(&["CORE", "TRANSFER", &to]).unwrap();
            assert_ne!(cluster.wait_until_agreed().unwrap(), leader);
            writeln!(child.stdin.as_mut().unwrap(), "transferred").unwrap();
        }
        if line == "kill" {
            let leader = cluster.wait_until_agreed().unwrap();
            cluster.nodes[leader].stop(Stop::Kill).unwrap();
            writeln!(child.stdin.as_mut().unwrap(), "killed").unwrap();
        }
        said.push(line);
    }
    let output = child.wait_with_output().unwrap();
    println!("{kind}: {said:?}");
    let complaint = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(
        output.status.success() && said.last().is_some_and(|line| line == "held"),
        "{said:?}\n{complaint}"
    );
}

fn python() -> Command {
    let mut command = Command::new(installed("python/bin/python"));
    command.arg(source("python/failover.py"));
    command
}

fn node() -> Command {
    let mut command = Command::new("node");
    command.env("NODE_PATH", installed("node/node_modules")).arg(source("node/failover.js"));
    command
}

#[test]
fn redis_py_as_a_cluster_client() {
    survives(python(), "cluster");
}

#[test]
fn redis_py_as_a_sentinel_client() {
    survives(python(), "sentinel");
}

#[test]
fn redis_py_as_a_plain_client_of_a_follower() {
    survives(python(), "plain");
}

#[test]
fn ioredis_as_a_cluster_client() {
    survives(node(), "cluster");
}

#[test]
fn ioredis_as_a_sentinel_client() {
    survives(node(), "sentinel");
}

#[test]
fn ioredis_as_a_plain_client_of_a_follower() {
    survives(node(), "plain");
}
