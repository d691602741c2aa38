//! `flotilla admin doctor` finds faults that were brought about: each with its evidence, and exit code 1.

use std::fs;

use resp_tests::certificates::{Authority, long_ago};
use resp_tests::cluster::Cluster;
use resp_tests::connection::Connection;
use resp_tests::edge::support::{core, edge, upstream};
use resp_tests::server::{Program, Server, Stop};
use resp_tests::support::{admin, call, eventually, ok};
use serde_json::Value;

use super::{product, product_with_tls};

/// What is found by way of this node; each as `severity at: what (evidence)`.
fn found(node: &Server) -> Vec<String> {
    let output = admin(node, &["doctor", "--json"]);
    let Ok(findings) = serde_json::from_slice::<Vec<Value>>(&output.stdout) else {
        return vec![String::from_utf8_lossy(&output.stderr).into_owned()];
    };
    let is_pressing = |one: &&Value| one["severity"] != "note";
    let code = i32::from(findings.iter().any(|one| is_pressing(&one)));
    assert_eq!(output.status.code(), Some(code), "{findings:?}");
    for one in &findings {
        assert!(
            one["remedy"].as_str().unwrap().len() > 10 && one["page"].as_str().unwrap().contains('#'),
            "{one}"
        );
    }
    let text = |one: &Value, name: &str| one[name].as_str().unwrap().to_owned();
    let line = |one: &Value| {
        format!(
            "{} {}: {} ({})",
            text(one, "severity"),
            text(one, "at"),
            text(one, "what"),
            text(one, "evidence")
        )
    };
    findings.iter().map(line).collect()
}

/// Waits until all of these words are in one finding.
fn wait_for(node: &Server, words: &[&str]) -> String {
    let mut last = Vec::new();
    let mut hit = String::new();
    eventually(&format!("{words:?} is found"), || {
        last = found(node);
        let with_all = last.iter().find(|line| words.iter().all(|word| line.contains(word)));
        hit = with_all.cloned().unwrap_or_default();
        with_all.is_some()
    });
    hit
}

#[test]
fn a_core_that_is_well_has_nothing_that_presses() {
    let core = Cluster::start(&Program::product(), 3, &[]).unwrap();
    core.wait_until_agreed().unwrap();
    eventually("all is well", || {
        let found = found(&core.nodes[0]);
        // Nobody has told it where backups go, which is worth a note.
        found.len() == 1 && found[0].contains("nothing takes backups")
    });
}

#[test]
fn silent_nodes_a_missing_leader_and_removed_nodes_are_found() {
    let mut core = Cluster::start(&Program::product(), 3, &[]).unwrap();
    let leader = core.wait_until_agreed().unwrap();
    let (first, second) = ((leader + 1) % 3, (leader + 2) % 3);
    core.nodes[first].stop(Stop::Kill).unwrap();
    wait_for(&core.nodes[leader], &[&format!("warning core-{first}: the node does not answer")]);
    wait_for(&core.nodes[leader], &["one more failure takes the majority away", "2 of 3 voters"]);
    core.nodes[second].stop(Stop::Kill).unwrap();
    wait_for(&core.nodes[leader], &["critical core: no node leads", "majority"]);
    wait_for(&core.nodes[leader], &[&format!("critical core-{leader}: the node lives but cannot serve")]);
    for back in [first, second] {
        core.nodes[back].spawn_again().unwrap();
    }
    core.wait_until_agreed().unwrap();
    let leader = core.leader().unwrap();
    let removed = (leader + 1) % 3;
    let name = format!("core-{removed}");
    // Refused until the others have been seen to answer.
    eventually("it is removed", || admin(&core.nodes[leader], &["remove", &name]).status.success());
    wait_for(&core.nodes[removed], &["the node was removed from the core"]);
}

#[test]
fn an_edge_without_its_core_is_found() {
    let mut core = core(1, &[]);
    let edge = edge("fra", &upstream(&core), &[]);
    eventually("the edge is well", || found(&edge).is_empty());
    core.nodes[0].stop(Stop::Kill).unwrap();
    wait_for(&edge, &["critical", "the edge is cut off from the core"]);
}

#[test]
fn memory_clients_disk_and_open_access_are_found() {
    let server = product(&["--maxclients", "10", "--protected-mode", "no", "--bind", "0.0.0.0"]);
    wait_for(&server, &["anybody who reaches the client port"]);
    let mut client = server.connect().unwrap();
    assert_eq!(call(&mut client, &["SET", "key", &"v".repeat(3 << 20)]), ok());
    assert_eq!(call(&mut client, &["CONFIG", "SET", "maxmemory", "2mb"]), ok());
    wait_for(&server, &["critical", "maxmemory is reached"]);
    assert_eq!(call(&mut client, &["CONFIG", "SET", "maxmemory", "0"]), ok());
    eventually("that is over", || !found(&server).iter().any(|line| line.contains("maxmemory")));
    let _many: Vec<Connection> = (0..8).map(|_| server.connect().unwrap()).collect();
    wait_for(&server, &["almost as many clients", "of 10"]);
    drop(server);
    // No disk has so much left.
    let server = product(&["--disk-low-bytes", "1000000gb"]);
    wait_for(&server, &["disk", "are left"]);
}

#[test]
fn certificates_and_backups_are_found() {
    let authority = Authority::new();
    let files = authority.files("server", &["127.0.0.1"], long_ago);
    let place = tempfile::tempdir().unwrap();
    // A file where the directory should be.
    let taken = place.path().join("backups");
    fs::write(&taken, "").unwrap();
    let to = format!("file://{}", taken.display());
    let (server, _) = product_with_tls(&files, &["--backup-to", &to, "--backup-interval", "1"]);
    wait_for(&server, &["critical", "a certificate has expired", "the one for clients"]);
    wait_for(&server, &["backup of the node failed"]);
    wait_for(&server, &["the last backup is too old"]);
    fs::remove_file(&files[0]).unwrap();
    // It looks every half minute.
    wait_for(&server, &["a certificate's file cannot be read"]);
}

#[test]
fn a_clock_that_is_off_is_found() {
    let server = Server::start(&Program::product().with_own_clock(), &[]).unwrap();
    assert_eq!(call(&mut server.connect().unwrap(), &["SET", "key", "value"]), ok());
    server.set_clock(-3_600_000).unwrap();
    wait_for(&server, &["log time and the node's clock disagree"]);
}
