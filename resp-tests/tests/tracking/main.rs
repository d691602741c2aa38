//! Client-side caching (CLIENT TRACKING): what the script corpus cannot say, since it takes several nodes, faults or many clients.
//!
//! | variable | meaning | default |
//! |---|---|---|
//! | `TRACKING_SECONDS` | how long caches are held against the history of their keys | 25 |
//! | `TRACKING_SEED` | what is drawn: keys, writes, faults | 1 |

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

mod client;
mod history;
mod oracle;
mod since;

use std::time::{Duration, Instant};

use resp_tests::cluster::field;
use resp_tests::connection::{Connection, Received};
use resp_tests::edge::support;
use resp_tests::server::{Program, Server};
use resp_tests::support::{SMALL, bulk, call, eventually, next, ok};
use resp_tests::value::Value;

fn invalidation(keys: &[&str]) -> Value {
    Value::Push(vec![bulk("invalidate"), Value::Array(keys.iter().map(|key| bulk(key)).collect())])
}

fn everything() -> Value {
    Value::Push(vec![bulk("invalidate"), Value::Null])
}

/// A RESP3 connection that tracks.
fn tracking(node: &Server, options: &[&str]) -> Connection {
    let mut connection = node.connect().unwrap();
    call(&mut connection, &["HELLO", "3"]);
    let words: Vec<&str> = ["CLIENT", "TRACKING", "ON"].into_iter().chain(options.iter().copied()).collect();
    // A core that is new raises its level once it has heard from all its nodes.
    eventually("the core's level allows it", || call(&mut connection, &words) == ok());
    connection
}

/// The reply to a call. On a machine that has much to do, a node may lose its leader for a moment and void everything.
fn answer(connection: &mut Connection, words: &[&str]) -> Value {
    let mut reply = call(connection, words);
    while reply == everything() {
        reply = next(connection);
    }
    reply
}

/// The key has changed, or, see `answer`, all keys may have.
fn is_told(connection: &mut Connection, key: &str) {
    let told = next(connection);
    assert!([invalidation(&[key]), everything()].contains(&told), "{key}: {told:?}");
}

/// Nothing is there but the reply.
fn is_quiet(connection: &mut Connection) {
    assert_eq!(answer(connection, &["PING"]), Value::Simple(b"PONG".to_vec()));
}

/// Writes travel through the log: a node knows its own clients' when they come back, wherever the leader is.
#[test]
fn a_client_knows_its_own_changes_on_every_node() {
    let core = support::core(3, &[]);
    let edge = support::edge("fra", &support::upstream(&core), &[]);
    for (number, node) in core.nodes.iter().chain([&edge]).enumerate() {
        let (mut quiet, mut other) = (tracking(node, &["NOLOOP"]), tracking(node, &[]));
        let own = format!("own:{number}");
        for (round, words) in [
            &["SET", &own, "1"][..],
            &["EVAL", "return redis.call('INCR', KEYS[1])", "1", &own],
            &["INCR", &own],
        ]
        .into_iter()
        .enumerate()
        {
            answer(&mut quiet, &["GET", &own]);
            answer(&mut other, &["GET", &own]);
            answer(&mut quiet, words);
            is_told(&mut other, &own);
            // On a follower and on an edge the reply may come before the entry is applied.
            assert_eq!(answer(&mut quiet, &["GET", &own]), bulk(&(round + 1).to_string()));
        }
        for words in [&["MULTI"][..], &["SET", &own, "9"], &["GET", &own], &["EXEC"]] {
            answer(&mut quiet, words);
        }
        answer(&mut quiet, &["GET", &own]);
        is_quiet(&mut quiet);
        answer(&mut other, &["SET", &own, "theirs"]);
        is_told(&mut quiet, &own);
    }
}

/// A transaction that writes is in the log, with its reads, and so is a script that writes: what they have read is tracked on the
/// node of the client.
#[test]
fn what_is_read_in_the_log_is_tracked_on_every_node() {
    let core = support::core(3, &[]);
    let edge = support::edge("fra", &support::upstream(&core), &[]);
    let mut writer = core.nodes[0].connect().unwrap();
    for (round, node) in core.nodes.iter().chain([&edge]).enumerate() {
        let (read, script, value) = (format!("read:{round}"), format!("script:{round}"), round.to_string());
        let mut reader = tracking(node, &[]);
        for words in [&["MULTI"][..], &["SET", "a", &value], &["GET", &read], &["EXEC"]] {
            answer(&mut reader, words);
        }
        let text = "redis.call('SET', 'b', ARGV[1]) return redis.call('GET', KEYS[1])";
        answer(&mut reader, &["EVAL", text, "1", &script, &value]);
        // What was written before it was read is no news.
        is_quiet(&mut reader);
        call(&mut writer, &["SET", &read, "x"]);
        is_told(&mut reader, &read);
        call(&mut writer, &["SET", &script, "x"]);
        is_told(&mut reader, &script);
    }
}

#[test]
fn a_transaction_that_begins_to_track_voids_what_it_has_read() {
    let server = Server::start(&Program::product(), &[]).unwrap();
    let mut client = server.connect().unwrap();
    call(&mut client, &["HELLO", "3"]);
    for words in [&["MULTI"][..], &["CLIENT", "TRACKING", "ON"], &["GET", "k"]] {
        call(&mut client, words);
    }
    assert_eq!(call(&mut client, &["EXEC"]), Value::Array(vec![ok(), Value::Null]));
    assert_eq!(next(&mut client), everything());
}

/// Nothing of what it will miss can reach the node.
#[test]
fn a_node_without_a_majority_tells_its_clients_to_drop_everything() {
    let core = support::core(3, &[]);
    let leader = core.wait_until_agreed().unwrap();
    let mut clients: Vec<Connection> = core.nodes.iter().map(|node| tracking(node, &[])).collect();
    for client in &mut clients {
        call(client, &["GET", "k"]);
    }
    let others: Vec<usize> = (0..3).filter(|node| *node != leader).collect();
    others.iter().for_each(|node| core.nodes[*node].pause().unwrap());
    let began = Instant::now();
    assert_eq!(next(&mut clients[leader]), everything());
    let took = began.elapsed();
    println!("told {took:?} after the others stopped");
    assert!(took < Duration::from_secs(8));
    others.iter().for_each(|node| core.nodes[*node].resume().unwrap());
}

/// A follower that was away for longer than the log reaches gets all data anew.
#[test]
fn a_snapshot_voids_everything() {
    let args = [&SMALL[..], &["--log-retain-bytes-max", "1mb"]].concat();
    let core = support::core(3, &args);
    let leader = core.wait_until_agreed().unwrap();
    let away = (leader + 1) % 3;
    let mut writer = core.nodes[leader].connect().unwrap();
    assert_eq!(call(&mut writer, &["SET", "k", "before"]), ok());
    let mut reader = tracking(&core.nodes[away], &[]);
    assert_eq!(call(&mut reader, &["GET", "k"]), bulk("before"));
    core.nodes[away].pause().unwrap();
    let large = "x".repeat(100_000);
    for at in 0..200 {
        assert_eq!(call(&mut writer, &["SET", &format!("large:{at}"), &large]), ok());
    }
    assert_eq!(call(&mut writer, &["SET", "k", "after"]), ok());
    eventually("the log is purged", || {
        field(&core.nodes[leader], "flotilla_log_purged_index")
            .is_some_and(|index| index.parse::<u64>().unwrap() > 60)
    });
    core.nodes[away].resume().unwrap();
    assert!([everything(), invalidation(&["k"])].contains(&next(&mut reader)));
    eventually("the follower serves again", || {
        loop {
            match reader.call(&["GET", "k"]).unwrap() {
                Received::Reply(Value::Push(_)) => {}
                reply => return reply == Received::Reply(bulk("after")),
            }
        }
    });
}

#[test]
fn a_full_table_tells_of_what_it_forgets() {
    let server =
        Server::start(&Program::product(), &["--tracking-table-max-keys".into(), "20".into()]).unwrap();
    let mut client = tracking(&server, &[]);
    let mut told = Vec::new();
    for at in 0..50 {
        client.send(&["GET", &format!("k{at}")]).unwrap();
        while let Value::Push(words) = next(&mut client) {
            told.push(words);
        }
    }
    let count = |name: &str| field(&server, name).unwrap().parse::<usize>().unwrap();
    assert_eq!(
        (count("tracking_total_keys"), count("tracking_total_items"), count("tracking_clients")),
        (20, 20, 1)
    );
    told.extend((told.len()..30).map(|_| match next(&mut client) {
        Value::Push(words) => words,
        other => panic!("{other:?}"),
    }));
    assert_eq!(count("flotilla_tracking_forgotten_keys"), 30);
    assert_eq!(call(&mut client, &["CONFIG", "SET", "tracking-table-max-keys", "5"]), ok());
    eventually("the table shrinks", || count("tracking_total_keys") == 5);
    assert_eq!(call(&mut server.connect().unwrap(), &["CONFIG", "GET", "tracking-table-max-keys"]), {
        Value::Array(vec![bulk("tracking-table-max-keys"), bulk("5")])
    });
    drop(client);
    eventually("a client that has gone is forgotten", || {
        (count("tracking_total_keys"), count("tracking_clients")) == (0, 0)
    });
}

#[test]
fn all_who_track_a_key_are_told_and_their_memory_is_counted() {
    let server = Server::start(&Program::product(), &[]).unwrap();
    let mut clients: Vec<Connection> = (0..300).map(|_| tracking(&server, &[])).collect();
    let memory = |client: &mut Connection| {
        let Value::Verbatim(_, text) = call(client, &["CLIENT", "INFO"]) else { panic!("no text") };
        let text = String::from_utf8_lossy(&text).into_owned();
        let field = text.split(' ').find_map(|field| field.strip_prefix("tot-mem=")).unwrap().to_owned();
        field.parse::<usize>().unwrap()
    };
    let before = memory(&mut clients[0]);
    for client in &mut clients {
        for at in 0..100 {
            call(client, &["GET", &format!("k{at}")]);
        }
    }
    let after = memory(&mut clients[0]);
    assert!(after > before + 100 * 64, "{before}, then {after}");
    assert_eq!(field(&server, "tracking_total_items").unwrap(), "30000");
    let mut writer = server.connect().unwrap();
    for at in 0..100 {
        assert_eq!(call(&mut writer, &["SET", &format!("k{at}"), "x"]), ok());
    }
    for client in &mut clients {
        let mut told: Vec<Value> = (0..100).map(|_| next(client)).collect();
        told.dedup();
        assert_eq!(told.len(), 100);
        is_quiet(client);
    }
    assert_eq!(field(&server, "tracking_total_keys").unwrap(), "0");
}

/// As a subscriber that never reads.
#[test]
fn a_client_that_does_not_read_its_invalidations_is_closed() {
    let server = Server::start(&Program::product(), &[]).unwrap();
    let mut deaf = tracking(&server, &["BCAST"]);
    let mut writer = server.connect().unwrap();
    let name = "x".repeat(1 << 20);
    let mut written = 0;
    eventually("it is closed", || {
        call(&mut writer, &["SET", &name, "x"]);
        written += 1;
        assert!(written < 300, "nobody is closed");
        field(&server, "tracking_clients").as_deref() == Some("0")
    });
    assert!(written > 20, "closed after {written} MiB");
    assert!(deaf.read_to_close().is_ok());
}
