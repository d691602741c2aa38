//! A node that has just been let in stands still until the log that it needs is gone everywhere.

use resp_tests::cluster::{Cluster, field};
use resp_tests::connection::Connection;
use resp_tests::server::{Program, Server};
use resp_tests::support::{admin, bulk, call, eventually, ok};
use resp_tests::value::Value;

use super::NODES;

const VALUE_BYTES: usize = 32 << 10;
const KEYS: usize = 100;

fn index(node: &Server, name: &str) -> u64 {
    field(node, name).and_then(|text| text.parse().ok()).unwrap_or(0)
}

fn status(connection: &mut Connection) -> String {
    match call(connection, &["CORE", "STATUS"]) {
        Value::Bulk(text) => String::from_utf8_lossy(&text).into_owned(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_learner_that_was_away_until_the_log_was_purged_comes_by_snapshot_and_gets_its_vote() {
    let settings = [
        "--log-retain-bytes",
        "1mb",
        "--log-retain-bytes-max",
        "2mb",
        "--log-retain-seconds",
        "0",
        "--memtable-bytes",
        "1mb",
    ];
    let program = Program::product();
    let mut cluster = Cluster::start(&program, NODES, &settings).unwrap();
    let leader = cluster.wait_until_agreed().unwrap();
    let mut connection = cluster.nodes[leader].connect().unwrap();
    let value = "v".repeat(VALUE_BYTES);
    let contacts: Vec<String> = cluster.nodes.iter().map(Server::peer_address).collect();
    let own = ["--node-name", "late", "--join", &contacts.join(",")];
    let args: Vec<String> = own.iter().chain(&settings).map(|word| (*word).to_owned()).collect();
    let late = Server::spawn(&program, &args).unwrap();
    // The moment at which it is a member, of whatever role.
    eventually("it is let in", || status(&mut connection).contains("\"late\""));
    late.pause().unwrap();
    let stands_below = index(&cluster.nodes[leader], "flotilla_raft_last_log_index")
        .max(index(&cluster.nodes[leader], "flotilla_raft_applied_index"));
    // Until every node has dropped what came after that.
    let mut round = 0;
    eventually("the log is purged", || {
        for key in 0..KEYS {
            let words = ["SET", &format!("key:{key}"), &format!("{round}{value}")];
            assert_eq!(call(&mut connection, &words), ok());
        }
        round += 1;
        cluster.nodes.iter().all(|node| index(node, "flotilla_log_purged_index") > stands_below)
    });
    late.resume().unwrap();
    cluster.nodes.push(late);
    cluster.nodes[NODES].wait_until_ready().unwrap();
    cluster.wait_until_agreed().unwrap();
    eventually("it has a vote", || {
        status(&mut connection).contains("\"name\":\"late\"") && is_voter(&mut connection)
    });
    let mut there = cluster.nodes[NODES].connect().unwrap();
    let last = format!("{}{value}", round - 1);
    assert_eq!(call(&mut there, &["GET", "key:0"]), bulk(&last));
    assert_eq!(call(&mut there, &["DBSIZE"]), Value::Integer(KEYS as i64));
    let told = admin(&cluster.nodes[leader], &["verify"]);
    assert!(told.status.success(), "{told:?}");
}

fn is_voter(connection: &mut Connection) -> bool {
    let told: serde_json::Value = serde_json::from_str(&status(connection)).unwrap();
    let nodes = told["nodes"].as_array().cloned().unwrap_or_default();
    nodes.iter().any(|node| node["name"] == "late" && node["role"] == "voter")
}
