//! A core, edges that follow it, and what tests look at.

use std::thread;
use std::time::{Duration, Instant};

use crate::cluster::{Cluster, field};
use crate::server::{Program, Server};
pub use crate::support::{SMALL, SOON, admin, bulk, call, error_code, eventually, next, number, ok};
use crate::value::Value;

pub fn core(nodes: usize, args: &[&str]) -> Cluster {
    Cluster::start(&Program::product(), nodes, args).unwrap()
}

pub fn upstream(core: &Cluster) -> String {
    core.nodes.iter().map(Server::peer_address).collect::<Vec<_>>().join(",")
}

/// Starts an edge that follows these peer addresses; returns when it serves what the core had then.
pub fn edge(site: &str, upstream: &str, args: &[&str]) -> Server {
    let edge = spawn_edge(site, upstream, args);
    wait_for_data(&edge);
    edge
}

pub fn spawn_edge(site: &str, upstream: &str, args: &[&str]) -> Server {
    let own = ["--role", "edge", "--site", site, "--upstream", upstream];
    let args: Vec<String> = own.iter().chain(args).map(|word| (*word).to_owned()).collect();
    Server::start(&Program::product(), &args).unwrap()
}

pub fn wait_for_data(edge: &Server) {
    eventually(&format!("the edge has data\n{}", edge.log_tail()), || {
        field(edge, "loading").as_deref() == Some("0")
    });
}

/// The core's entry that a node stands at, and the checksum of its state.
pub fn state(node: &Server) -> (i64, i64) {
    match call(&mut node.connect().unwrap(), &["DEBUG", "CHECKSUM"]) {
        Value::Array(parts) => (number(&parts[0]), number(&parts[1])),
        other => panic!("{other:?}"),
    }
}

/// Waits until all stand at the same entry, and compares their states.
pub fn assert_same_state(core: &Server, edges: &[&Server]) {
    let deadline = Instant::now() + SOON;
    loop {
        let own = state(core);
        let others: Vec<_> = edges.iter().map(|edge| state(edge)).collect();
        if others.iter().all(|other| other.0 == own.0) {
            assert!(others.iter().all(|other| *other == own), "core {own:?}, edges {others:?}");
            return;
        }
        let logs: Vec<String> = edges.iter().map(|edge| edge.log_tail()).collect();
        assert!(Instant::now() < deadline, "core {own:?}, edges {others:?}\n{}", logs.join("\n---\n"));
        thread::sleep(Duration::from_millis(20));
    }
}

/// A field of INFO as a number.
pub fn info(node: &Server, name: &str) -> i64 {
    field(node, name).and_then(|text| text.parse().ok()).unwrap_or(-1)
}

/// The node that leads a site, if one says that it does.
pub fn leader(site: &[Server]) -> Option<usize> {
    site.iter().position(|node| field(node, "flotilla_raft_is_leader").as_deref() == Some("1"))
}

/// A site of several nodes; returns when each of them serves what the core had.
pub fn site(name: &str, upstream: &str, nodes: usize, args: &[&str]) -> Vec<Server> {
    let servers = Server::start_together(&Program::product(), nodes, |peers, index| {
        let list = |(index, port): (usize, &u16)| format!("edge-{name}.{index}=127.0.0.1:{port}");
        let list = peers.iter().enumerate().map(list).collect::<Vec<_>>().join(",");
        let own = format!("edge-{name}.{index}");
        let own = [
            "--role",
            "edge",
            "--site",
            name,
            "--upstream",
            upstream,
            "--cluster",
            &list,
            "--node-name",
            &own,
        ];
        own.iter().chain(args).map(|word| (*word).to_owned()).collect()
    });
    let servers = servers.unwrap();
    servers.iter().for_each(wait_for_data);
    servers
}
