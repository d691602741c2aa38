//! Backups of a core of three: its leaders archive the log one after the other, and a restored core is another one.

use std::thread;
use std::time::Duration;

use resp_tests::cluster::{Cluster, field};
use resp_tests::server::{Program, Server, Stop};
use resp_tests::support::{admin, call, eventually, number, ok};
use resp_tests::value::Value;

use super::stage::{Store, dumps, fill, flotilla, keeps, said, start_on, status};

#[test]
fn a_core_is_restored_from_what_its_leaders_archived_and_edges_start_again() {
    let store = Store::new();
    let args = ["--backup-to", store.url(), "--archive-interval", "1", "--memtable-bytes", "1mb"];
    let mut cluster = Cluster::start(&Program::product(), 3, &args).unwrap();
    let leader = cluster.wait_until_agreed().unwrap();
    let peers: Vec<String> = cluster.nodes.iter().map(Server::peer_address).collect();
    let edge_args = ["--role", "edge", "--site", "fra", "--upstream", &peers.join(",")].map(str::to_owned);
    let mut edge = Server::start(&Program::product(), &edge_args).unwrap();
    fill(&cluster.nodes[leader], 0..500);
    // Any node of the core takes one.
    said(&admin(&cluster.nodes[(leader + 1) % 3], &["backup"]));
    let refused = admin(&edge, &["backup"]);
    assert!(!refused.status.success() && keeps(&refused, "a node of the core"), "{refused:?}");
    let mut last = 0;
    for round in 0..3 {
        let leader = cluster.wait_until_agreed().unwrap();
        let mut connection = cluster.nodes[leader].connect().unwrap();
        for _ in 0..200 {
            last = number(&call(&mut connection, &["INCR", "counter"]));
            thread::sleep(Duration::from_millis(2));
        }
        // Some of it may not be archived by this one.
        if round < 2 {
            cluster.nodes[leader].stop(Stop::Kill).unwrap();
            eventually("another node leads", || cluster.leader().is_some_and(|now| now != leader));
            cluster.nodes[leader].start_again().unwrap();
        }
    }
    assert_eq!(last, 600);
    let leader = cluster.wait_until_agreed().unwrap();
    let mut connection = cluster.nodes[leader].connect().unwrap();
    let revision = {
        call(&mut connection, &["INCR", "counter"]);
        number(&call(&mut connection, &["LASTREV"]))
    };
    eventually("all is archived", || {
        let at = cluster.wait_until_agreed().unwrap();
        status(&cluster.nodes[at])["archived_revision"].as_i64() >= Some(revision)
    });
    // Any node tells, as the leader has told it.
    let told = said(&admin(&cluster.nodes[(leader + 1) % 3], &["status"]));
    let wanted = format!("backups in {}: ", store.url());
    assert!(told.contains(&wanted) && told.contains("restorable to any moment up to 2"), "{told}");
    let then = dumps(&cluster.nodes[leader]);
    for node in &mut cluster.nodes {
        node.stop(Stop::Kill).unwrap();
    }
    let home = tempfile::tempdir().unwrap();
    let data = home.path().join("data");
    let told = said(&flotilla(&["restore", "--from", store.url(), "--data-dir", data.to_str().unwrap()]));
    assert!(told.contains("new cluster"), "{told}");
    // At the place of the first node, where the edge looks for its core; others join it.
    let first = &mut cluster.nodes[0];
    first.wipe().unwrap();
    std::fs::remove_dir(first.data()).unwrap();
    std::fs::rename(&data, first.data()).unwrap();
    let alone = format!("core-0={}", first.peer_address());
    first.change_arg("--cluster", &alone);
    first.start_again().unwrap();
    assert_eq!(dumps(first), then);
    assert_eq!(call(&mut first.connect().unwrap(), &["SET", "after", "restore"]), ok());
    eventually("the edge has the restored core's data", || {
        let reply = edge.connect().and_then(|mut edge| edge.call(&["GET", "after"]));
        matches!(reply, Ok(resp_tests::connection::Received::Reply(Value::Bulk(value))) if value == b"restore")
    });
    assert!(edge.is_running().unwrap());
    let contact = first.peer_address();
    let args = ["--node-name", "new-1", "--join", &contact].map(str::to_owned);
    let joined = Server::start(&Program::product(), &args).unwrap();
    assert_eq!(call(&mut joined.connect().unwrap(), &["GET", "counter"]), resp_tests::support::bulk("601"));
}

#[test]
fn a_gap_in_the_archive_is_told_and_ends_with_the_next_backup() {
    let store = Store::new();
    let small = ["--archive-interval", "1", "--log-retain-bytes", "1mb", "--log-retain-seconds", "0"];
    let mut node = super::start(&store, &small);
    fill(&node, 0..100);
    said(&admin(&node, &["backup"]));
    eventually("it archives", || {
        status(&node)["archived_revision"].as_u64() >= status(&node)["last"]["revision"].as_u64()
    });
    // Started again without a place for backups, it writes more than the log keeps.
    node.stop(Stop::Terminate).unwrap();
    let with: Vec<String> =
        ["--memtable-bytes", "1mb"].iter().chain(&small[2..]).map(|word| (*word).to_owned()).collect();
    node.set_args(&with);
    node.start_again().unwrap();
    let mut connection = node.connect().unwrap();
    let large = "x".repeat(100_000);
    for key in 0..150 {
        assert_eq!(call(&mut connection, &["SET", &format!("large:{key}"), &large]), ok());
    }
    assert_eq!(call(&mut connection, &["SAVE"]), ok());
    eventually("the log is purged", || purged(&node) > 120);
    node.stop(Stop::Terminate).unwrap();
    let own = ["--backup-to", store.url(), "--archive-interval", "1"].map(str::to_owned);
    node.set_args(&[with, own.to_vec()].concat());
    node.start_again().unwrap();
    eventually("the gap is told", || {
        status(&node)["archive_error"]
            .as_str()
            .is_some_and(|text| text.contains("was purged before it was archived"))
    });
    said(&admin(&node, &["backup"]));
    fill(&node, 100..200);
    eventually("it archives again", || {
        let status = status(&node);
        status["archive_error"].is_null()
            && status["archived_revision"].as_u64() > status["last"]["revision"].as_u64()
    });
    let then = dumps(&node);
    let verified = said(&flotilla(&["backup", "verify", "--from", store.url()]));
    assert!(verified.contains("is sound"), "{verified}");
    eventually("all is archived", || {
        status(&node)["archived_revision"].as_i64()
            >= Some(number(&call(&mut node.connect().unwrap(), &["LASTREV"])))
    });
    drop(node);
    let home = tempfile::tempdir().unwrap();
    let data = home.path().join("data");
    said(&flotilla(&["restore", "--from", store.url(), "--data-dir", data.to_str().unwrap()]));
    assert_eq!(dumps(&start_on(&data, &[])), then);
}

/// The last entry that the log of a node no longer has.
fn purged(node: &Server) -> u64 {
    field(node, "flotilla_log_purged_index").map_or(0, |number| number.parse().unwrap())
}
