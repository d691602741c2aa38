//! Data that move here from a running redis-server or valkey-server: all of them, each write once, whoever is killed meanwhile.
//!
//! `MOVING_SEED` is printed; `MOVING_ROUNDS` (3 if not set) is how often leader and connections are killed.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

mod load;

use std::path::PathBuf;
use std::process::Output;
use std::thread;
use std::time::Duration;

use load::Load;
use resp_tests::certificates::Authority;
use resp_tests::cluster::{Cluster, field};
use resp_tests::edge::support::edge;
use resp_tests::ports::free_port;
use resp_tests::redis::{PASSWORD, Product, Redis as Source, account, fill};
use resp_tests::server::{Program, Server, Stop};
use resp_tests::support::{
    admin, bulk, call, error_code, eventually, eventually_within, number, ok, seed, variable,
};
use resp_tests::value::Value;

const LOADED_MAX: Duration = Duration::from_secs(60);

fn node() -> Server {
    Server::start(&Program::product(), &[]).unwrap()
}

fn text(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

/// `flotilla admin` does it.
fn done(node: &Server, words: &[&str]) -> String {
    let output = admin(node, words);
    assert!(output.status.success(), "{words:?}: {}", text(&output));
    text(&output)
}

fn status(node: &Server) -> serde_json::Value {
    let output = admin(node, &["replicate-from", "--status", "--json"]);
    serde_json::from_slice(&output.stdout).unwrap_or_default()
}

fn wait_for(node: &Server, phase: &str) {
    let mut last = serde_json::Value::Null;
    let began = std::time::Instant::now();
    while began.elapsed() < LOADED_MAX {
        last = status(node);
        if last["phase"] == phase {
            return;
        }
        thread::sleep(Duration::from_millis(50));
    }
    panic!("never {phase}: {last}\n{}", node.log_tail());
}

fn follow(node: &Server, source: &Source, words: &[&str]) {
    done(node, &[&["replicate-from", &source.url()], words].concat());
    wait_for(node, "following");
}

/// Compares all there is, once the node is level.
fn must_be_equal(node: &Server, source: &Source) {
    let output = admin(node, &["compare", &source.url(), "--tolerance-ms", "0"]);
    assert!(output.status.success(), "{}\n{}", text(&output), node.log_tail());
}

/// Everything of everything, under load and kills, from the first byte to the cut-over.
fn move_under_load(product: Product) {
    let seed = seed("MOVING_SEED");
    let rounds = variable("MOVING_ROUNDS").unwrap_or(3);
    let source = Source::start(product, &["--repl-backlog-size", "64mb"]);
    fill(&mut source.connect());
    let load = Load::start(&source, seed);
    let mut cluster = Cluster::start(&Program::product(), 3, &[]).unwrap();
    let leader = cluster.wait_until_agreed().unwrap();
    follow(&cluster.nodes[leader], &source, &["--pause-seconds", "120"]);
    let full_syncs = status(&cluster.nodes[leader])["full_syncs"].clone();
    for round in 0..rounds {
        // The connection, then whoever leads.
        call(&mut source.connect(), &["CLIENT", "KILL", "TYPE", "replica"]);
        thread::sleep(Duration::from_millis(300));
        let leader = cluster.wait_leader();
        cluster.nodes[leader].stop(if round % 2 == 0 { Stop::Kill } else { Stop::Terminate }).unwrap();
        let other = (leader + 1) % 3;
        let partial_syncs = || status(&cluster.nodes[other])["partial_syncs"].as_u64();
        let before = partial_syncs();
        eventually_within("another node goes on", LOADED_MAX, || partial_syncs() > before);
        cluster.nodes[leader].start_again().unwrap();
    }
    let (increments, entries) = load.stop();
    let leader = cluster.wait_leader();
    let node = &cluster.nodes[leader];
    eventually_within("it is nearly level", LOADED_MAX, || {
        status(node)["lag_bytes"].as_u64() < Some(100_000)
    });
    let now = status(node);
    assert_eq!(now["full_syncs"], full_syncs, "the rest was read from where it stood: {now}");
    done(node, &["replicate-from", "--cut-over"]);
    must_be_equal(node, &source);
    cluster.wait_until_agreed().unwrap();
    for node in &cluster.nodes {
        let mut connection = node.connect().unwrap();
        assert_eq!(call(&mut connection, &["GET", "counter"]), bulk(&increments.to_string()));
        assert_eq!(number(&call(&mut connection, &["XLEN", "stream"])), i64::try_from(entries).unwrap());
        assert_eq!(call(&mut connection, &["FCALL", "f", "0"]), Value::Integer(7));
        let own = account(&mut connection);
        assert_eq!(call(&mut connection, &["SELECT", "3"]), ok());
        assert_eq!(own + account(&mut connection), 0, "a transaction of the source is one here");
    }
    let verified = done(&cluster.nodes[leader], &["verify"]);
    println!("{increments} increments, {entries} entries; {verified}");
    assert_eq!(call(&mut cluster.nodes[leader].connect().unwrap(), &["SET", "own", "write"]), ok());
    for node in &cluster.nodes {
        assert!(!node.has_said(PASSWORD), "its password is in a log");
    }
}

#[test]
fn a_redis_moves_here_under_load_while_leaders_and_connections_are_killed() {
    move_under_load(Product::Redis);
}

#[test]
fn a_valkey_moves_here_under_load_while_leaders_and_connections_are_killed() {
    move_under_load(Product::Valkey);
}

#[test]
fn clients_write_nothing_until_the_cut_over_and_the_source_is_paused_at_it() {
    let (node, source) = (node(), Source::start(Product::Redis, &[]));
    let mut there = source.connect();
    call(&mut there, &["SET", "a", "1"]);
    follow(&node, &source, &["--pause-seconds", "3"]);
    let mut here = node.connect().unwrap();
    assert_eq!(call(&mut here, &["GET", "a"]), bulk("1"));
    for refused in [&["SET", "a", "2"][..], &["FLUSHALL"], &["EVAL", "return redis.call('DEL', 'a')", "0"]] {
        assert_eq!(error_code(&call(&mut here, refused)), "READONLY", "{refused:?}");
    }
    assert_eq!(call(&mut here, &["MULTI"]), ok());
    assert_eq!(error_code(&call(&mut here, &["SET", "a", "2"])), "READONLY");
    assert_eq!(error_code(&call(&mut here, &["EXEC"])), "EXECABORT");
    // Who may log in is this core's own.
    assert_eq!(call(&mut here, &["ACL", "SETUSER", "somebody", "on"]), ok());
    assert_eq!(call(&mut here, &["EVAL", "return redis.call('GET', 'a')", "0"]), bulk("1"));
    done(&node, &["replicate-from", "--cut-over"]);
    assert_eq!(call(&mut here, &["SET", "a", "2"]), ok());
    // The source's clients wait, and go on when the pause is over: they were to come here meanwhile.
    there.send(&["SET", "a", "3"]).unwrap();
    assert_eq!(call(&mut source.connect(), &["GET", "a"]), bulk("1"), "paused");
    assert_eq!(call(&mut here, &["GET", "a"]), bulk("2"));
    assert_eq!(status(&node)["phase"], "cut-over");
    assert_eq!(field(&node, "flotilla_source_phase").as_deref(), Some("cut-over"));
    assert_eq!(field(&node, "flotilla_source_lag_bytes").as_deref(), Some("0"));
    let again = admin(&node, &["replicate-from", "--cut-over"]);
    assert_eq!(again.status.code(), Some(1), "{}", text(&again));
    // What was stored of the password is gone: only a new start brings one.
    let refused = admin(&node, &["replicate-from", &source.url()]);
    assert!(text(&refused).contains("--replace"), "{}", text(&refused));
}

#[test]
fn a_source_that_was_restarted_without_its_data_empties_nothing() {
    let (node, mut source) = (node(), Source::start(Product::Redis, &[]));
    let mut there = source.connect();
    for number in 0..100 {
        call(&mut there, &["SET", &format!("old {number}"), "x"]);
    }
    follow(&node, &source, &[]);
    source.start_anew();
    call(&mut source.connect(), &["SET", "new", "x"]);
    wait_for(&node, "failed");
    let now = status(&node);
    assert!(now["error"].as_str().unwrap().contains("new history"), "{now}");
    let mut here = node.connect().unwrap();
    assert_eq!(number(&call(&mut here, &["DBSIZE"])), 100);
    assert_eq!(error_code(&call(&mut here, &["SET", "own", "1"])), "READONLY");
    done(&node, &["replicate-from", "--stop"]);
    assert_eq!(call(&mut here, &["SET", "own", "1"]), ok());
    follow(&node, &source, &["--replace"]);
    must_be_equal(&node, &source);
    assert_eq!(number(&call(&mut here, &["DBSIZE"])), 1);
    done(&node, &["replicate-from", "--stop"]);
    let again = admin(&node, &["replicate-from", "--stop"]);
    assert_eq!(again.status.code(), Some(1), "{}", text(&again));
}

#[test]
fn what_is_missing_and_no_longer_in_the_backlog_is_loaded_with_all_the_rest() {
    let (node, source) = (node(), Source::start(Product::Redis, &["--repl-backlog-size", "16384"]));
    let mut there = source.connect();
    call(&mut there, &["SET", "gone", "x"]);
    follow(&node, &source, &[]);
    call(&mut there, &["CLIENT", "KILL", "TYPE", "replica"]);
    let long = "x".repeat(100_000);
    for number in 0..20 {
        call(&mut there, &["SET", &format!("new {number}"), &long]);
    }
    call(&mut there, &["DEL", "gone"]);
    eventually_within("it was loaded again", LOADED_MAX, || {
        let now = status(&node);
        now["full_syncs"] == 2 && now["phase"] == "following"
    });
    must_be_equal(&node, &source);
    assert_eq!(number(&call(&mut node.connect().unwrap(), &["DBSIZE"])), 20);
}

#[test]
fn data_that_are_here_are_replaced_only_if_that_is_said() {
    let (node, source) = (node(), Source::start(Product::Redis, &[]));
    call(&mut source.connect(), &["SET", "theirs", "1"]);
    call(&mut node.connect().unwrap(), &["SET", "own", "1"]);
    let refused = admin(&node, &["replicate-from", &source.url()]);
    assert_eq!(refused.status.code(), Some(1), "{}", text(&refused));
    assert!(text(&refused).contains("--replace"), "{}", text(&refused));
    assert_eq!(number(&call(&mut node.connect().unwrap(), &["EXISTS", "own"])), 1);
    follow(&node, &source, &["--replace"]);
    let mut here = node.connect().unwrap();
    assert_eq!(number(&call(&mut here, &["EXISTS", "own", "theirs"])), 1);
    let twice = admin(&node, &["replicate-from", &source.url(), "--replace"]);
    assert!(text(&twice).contains("already"), "{}", text(&twice));
}

#[test]
fn what_cannot_be_carried_is_named_before_the_start() {
    let (node, source) = (node(), Source::start(Product::Redis, &["--databases", "20"]));
    let mut there = source.connect();
    call(&mut there, &["ACL", "SETUSER", "alice", "on", ">p"]);
    call(&mut there, &["SELECT", "17"]);
    call(&mut there, &["SET", "k", "v"]);
    for words in [&["--dry-run"][..], &[]] {
        let output = admin(&node, &[&["replicate-from", &source.url()], words].concat());
        let said = text(&output);
        assert_eq!(output.status.code(), Some(1), "{said}");
        for part in ["Redis 7.0", "database 17 has keys", "1 users do not come along: alice"] {
            assert!(said.contains(part), "{part}: {said}");
        }
    }
    assert_eq!(status(&node)["phase"], "none");
    call(&mut there, &["DEL", "k"]);
    let said = done(&node, &["replicate-from", &source.url(), "--dry-run"]);
    assert!(said.contains("1 users"), "{said}");
    assert_eq!(status(&node)["phase"], "none");
    // One who may not replicate hears what he lacks.
    call(&mut there, &["ACL", "SETUSER", "alice", "~*", "+@read", "+ping", "+info", "+acl", "+config"]);
    let url = format!("redis://alice:p@127.0.0.1:{}", source.port);
    let refused = admin(&node, &["replicate-from", &url]);
    assert!(text(&refused).contains("psync"), "{}", text(&refused));
    // A database that comes later ends it by name, at the place before it.
    follow(&node, &source, &[]);
    call(&mut there, &["SET", "k", "v"]);
    wait_for(&node, "failed");
    let now = status(&node);
    assert!(now["error"].as_str().unwrap().contains("database '17'"), "{now}");
    assert_eq!(error_code(&call(&mut node.connect().unwrap(), &["SET", "a", "1"])), "READONLY");
}

#[test]
fn what_differs_is_shown_and_is_an_exit_code() {
    let (node, source) = (node(), Source::start(Product::Redis, &[]));
    let mut there = source.connect();
    fill(&mut there);
    for number in 0..20 {
        call(&mut there, &["SET", &format!("same {number}"), "x"]);
    }
    follow(&node, &source, &[]);
    must_be_equal(&node, &source);
    done(&node, &["replicate-from", "--stop"]);
    let mut here = node.connect().unwrap();
    for change in [
        &["SET", "only here", "1"][..],
        &["DEL", "same 1"],
        &["SET", "same 2", "y"],
        &["LSET", "large list", "14999", "other"],
        &["HSET", "large hash", "f14000", "other"],
        &["ZADD", "large zset", "1", "m3"],
        &["SREM", "large set", "77"],
        &["SETRANGE", "huge", "2999999", "y"],
        &["PEXPIREAT", "same 3", "33333333333333"],
        &["XACK", "stream of groups", "g", "1-1"],
    ] {
        let reply = call(&mut here, change);
        assert!(!matches!(reply, Value::Error(_)), "{change:?}: {reply:?}");
    }
    let output = admin(&node, &["compare", &source.url(), "--show", "8"]);
    let said = text(&output);
    assert_eq!(output.status.code(), Some(3), "{said}");
    assert!(said.contains("10 of ") && said.contains("and 2 more"), "{said}");
    let all = text(&admin(&node, &["compare", &source.url()]));
    for part in [
        "only here: no key there, a string here",
        "same 1: a string there, no key here",
        "same 2: other bytes",
        "same 3: expires never there, at 33333333333333 ms here",
        "large list: other elements from 14000 to 14999",
        "large hash: other fields or values",
        "large zset: other members or scores",
        "large set: members 15000 there, 14999 here",
        "huge: other bytes",
        "stream of groups: other consumer groups",
    ] {
        assert!(all.contains(part), "{part}: {all}");
    }
    let sampled = admin(&node, &["compare", &source.url(), "--sample", "400"]);
    assert_eq!(sampled.status.code(), Some(3), "{}", text(&sampled));
}

#[test]
fn keys_go_when_the_source_says_so_whatever_the_clock_here_says() {
    let program = Program::product().with_own_clock();
    let (node, source) = (Server::start(&program, &[]).unwrap(), Source::start(Product::Redis, &[]));
    // An hour ahead of the source.
    node.set_clock(3_600_000).unwrap();
    done(&node, &["clock", "--step"]);
    let mut there = source.connect();
    call(&mut there, &["SET", "k", "5", "EX", "1000"]);
    follow(&node, &source, &[]);
    call(&mut there, &["INCR", "k"]);
    call(&mut there, &["SET", "later", "1", "EX", "1000"]);
    call(&mut there, &["INCR", "later"]);
    call(&mut there, &["PERSIST", "k"]);
    call(&mut there, &["PERSIST", "later"]);
    let mut here = node.connect().unwrap();
    eventually("they are as there", || {
        call(&mut here, &["GET", "k"]) == bulk("6") && call(&mut here, &["GET", "later"]) == bulk("2")
    });
}

/// The user has the rights that src/docs/migration.md gives, and no more.
#[test]
fn a_user_with_few_rights_and_tls_is_enough() {
    let authority = Authority::new();
    let [certificate, key, ca] = authority.files("source", &["localhost"], |_| {});
    let path = |path: &PathBuf| path.to_str().unwrap().to_owned();
    let tls_port = free_port().unwrap();
    let source = Source::start(
        Product::Redis,
        &[
            "--tls-port",
            &tls_port.to_string(),
            "--tls-cert-file",
            &path(&certificate),
            "--tls-key-file",
            &path(&key),
            "--tls-ca-cert-file",
            &path(&ca),
        ],
    );
    let mut there = source.connect();
    let page = include_str!("../../../src/docs/migration.md");
    let rule =
        page.split("`ACL SETUSER move on >PASSWORD ").nth(1).and_then(|rest| rest.split('`').next()).unwrap();
    let rule: Vec<&str> = rule.split(' ').collect();
    let words = [&["ACL", "SETUSER", "move", "on", ">secret"], &rule[..]].concat();
    assert_eq!(call(&mut there, &words), ok());
    call(&mut there, &["SET", "k", "v"]);
    let url = format!("rediss://move:secret@localhost:{tls_port}");
    let (certificate, key, ca) = (path(&certificate), path(&key), path(&ca));
    let node = node();
    let files = ["--source-cacert", &ca, "--source-cert", &certificate, "--source-key", &key];
    let edge = edge("far", &node.peer_address(), &[]);
    done(&node, &[&["replicate-from", &url][..], &files].concat());
    wait_for(&node, "following");
    call(&mut there, &["INCR", "counter"]);
    let mut far = edge.connect().unwrap();
    eventually("the edge has it", || call(&mut far, &["GET", "counter"]) == bulk("1"));
    assert_eq!(error_code(&call(&mut far, &["SET", "own", "1"])), "READONLY");
    done(&node, &["replicate-from", "--cut-over"]);
    eventually("the edge knows of the cut-over", || call(&mut far, &["SET", "own", "1"]) == ok());
    // Its certificate is not one for this name.
    let wrong = url.replace("localhost", "127.0.0.1");
    let refused = admin(&node, &[&["replicate-from", &wrong, "--dry-run"][..], &files].concat());
    assert_eq!(refused.status.code(), Some(1), "{}", text(&refused));
    assert!(text(&refused).contains("certificate"), "{}", text(&refused));
}

#[test]
fn a_copy_that_is_restored_follows_nobody() {
    let home = tempfile::tempdir().unwrap();
    let (place, data) = (format!("file://{}/backups", home.path().display()), home.path().join("data"));
    std::fs::create_dir(home.path().join("backups")).unwrap();
    let args = ["--backup-to".to_owned(), place.clone()];
    let node = Server::start(&Program::product(), &args).unwrap();
    let source = Source::start(Product::Redis, &[]);
    call(&mut source.connect(), &["SET", "k", "1"]);
    follow(&node, &source, &[]);
    done(&node, &["backup"]);
    let mut restore = std::process::Command::new(Program::product().path);
    restore.args(["restore", "--from", &place, "--data-dir", data.to_str().unwrap()]);
    let restored = restore.output().unwrap();
    assert!(restored.status.success(), "{}", text(&restored));
    let mut copy = Server::spawn(&Program::product(), &[]).unwrap();
    copy.wait_until_ready().unwrap();
    copy.stop(Stop::Terminate).unwrap();
    std::fs::remove_dir_all(copy.data()).unwrap();
    std::fs::rename(&data, copy.data()).unwrap();
    copy.start_again().unwrap();
    wait_for(&copy, "stopped");
    assert!(status(&copy)["error"].as_str().unwrap().contains("restored"), "{}", status(&copy));
    let mut here = copy.connect().unwrap();
    assert_eq!(call(&mut here, &["GET", "k"]), bulk("1"));
    assert_eq!(call(&mut here, &["SET", "k", "2"]), ok());
    assert_eq!(status(&node)["phase"], "following");
}
