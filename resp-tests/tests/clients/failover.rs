//! Cluster- and sentinel-aware clients on three nodes: the leader is killed, and the same client object goes on by itself.

use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};

use resp_tests::cluster::Cluster;
use resp_tests::server::{Program, Stop};

use super::program::{installed, source};

/// Runs a program against a cluster; kills the leader when it says so. It must end with `held`.
fn survives(mut command: Command, kind: &str) {
    let args: &[&str] = if kind == "cluster" { &["--cluster-enabled", "yes"] } else { &[] };
    let mut cluster = Cluster::start(&Program::product(), 3, args).unwrap();
    let leader = cluster.wait_until_agreed().unwrap();
    // A plain client knows one node only: not the one that dies.
    let first = (leader + 1) % 3;
    let ports = [first, (first + 1) % 3, (first + 2) % 3].map(|node| cluster.nodes[node].port.to_string());
    // Nodes hear where clients of the others connect once a second.
    std::thread::sleep(std::time::Duration::from_millis(1500));
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
        if line == "kill" {
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
