//! A client that reconnects, to any node, with what it had cached: it is told what has changed since, or to drop everything.

use resp_tests::connection::Connection;
use resp_tests::edge::support;
use resp_tests::server::{Program, Server};
use resp_tests::support::{SMALL, bulk, call, eventually, next, ok};
use resp_tests::value::Value;

use super::{answer, everything, invalidation, is_quiet, is_told, tracking};

const RECENT: [&str; 2] = ["--tracking-changes-bytes", "64kb"];

fn revision(client: &mut Connection) -> String {
    let Value::Bulk(text) = answer(client, &["CLIENT", "REVISION"]) else { panic!("no revision") };
    String::from_utf8(text).unwrap()
}

/// A connection to a node that has all that the writer has written.
fn behind(node: &Server, writer: &mut Connection) -> Connection {
    let Value::Integer(written) = call(writer, &["LASTREV"]) else { panic!("no revision") };
    let mut client = node.connect().unwrap();
    let words = ["WAITREV", &written.to_string(), "10000"];
    assert!(matches!(call(&mut client, &words), Value::Integer(_)));
    call(&mut client, &["HELLO", "3"]);
    client
}

/// A client that tracks by prefix: messages before the reply.
fn since(mut client: Connection, revision: &str, prefix: &[&str]) -> (Vec<Value>, Connection) {
    let words = [&["CLIENT", "TRACKING", "ON", "BCAST"], prefix, &["SINCE", revision]].concat();
    client.send(&words).unwrap();
    let mut told = Vec::new();
    loop {
        match next(&mut client) {
            reply if reply == ok() => return (told, client),
            push => told.push(push),
        }
    }
}

/// A client that tracks what it reads: the reply to what it says that it has.
fn cached(client: &mut Connection, revision: &str, keys: &[&str]) -> Value {
    assert_eq!(answer(client, &["CLIENT", "TRACKING", "ON"]), ok());
    answer(client, &[&["CLIENT", "CACHED", revision], keys].concat())
}

fn names(keys: &[&str]) -> Value {
    Value::Array(keys.iter().map(|key| bulk(key)).collect())
}

#[test]
fn a_client_goes_on_with_its_cache_on_any_node() {
    let core = support::core(3, &RECENT);
    let edge = support::edge("fra", &support::upstream(&core), &RECENT);
    drop(tracking(&core.nodes[0], &[]));
    let mut writer = core.nodes[0].connect().unwrap();
    for key in ["a", "b", "d"] {
        assert_eq!(call(&mut writer, &["SET", key, "1"]), ok());
    }
    let nodes: Vec<&Server> = core.nodes.iter().chain([&edge]).collect();
    for (from, first) in nodes.iter().enumerate() {
        for (to, second) in nodes.iter().enumerate() {
            let mut client = behind(first, &mut writer);
            assert_eq!(answer(&mut client, &["CLIENT", "TRACKING", "ON"]), ok());
            for key in ["a", "b", "d"] {
                answer(&mut client, &["GET", key]);
            }
            let revision = revision(&mut client);
            drop(client);
            let script = "return redis.call('INCR', KEYS[1])";
            for words in [&["SET", "b", "1"][..], &["MSET", "c", "x", "b", "y"], &["EVAL", script, "1", "n"]]
            {
                assert!(!matches!(call(&mut writer, words), Value::Error(_)));
            }
            let (told, mut client) = since(behind(second, &mut writer), &revision, &[]);
            assert_eq!(told, [invalidation(&["c", "b", "n"])], "from {from} to {to}");
            call(&mut writer, &["SET", "later", "x"]);
            is_told(&mut client, "later");
            let mut client = behind(second, &mut writer);
            assert_eq!(
                cached(&mut client, &revision, &["a", "b", "d"]),
                names(&["b"]),
                "from {from} to {to}"
            );
            // What it keeps is tracked.
            is_quiet(&mut client);
            call(&mut writer, &["EXPIRE", "d", "1000"]);
            is_told(&mut client, "d");
            let fresh = self::revision(&mut client);
            assert_eq!(cached(&mut behind(second, &mut writer), &fresh, &["a", "b", "d"]), names(&[]));
        }
    }
}

#[test]
fn prefixes_and_permissions_hold_for_what_has_changed_since() {
    let args: Vec<String> = RECENT.iter().map(|word| (*word).to_owned()).collect();
    let server = Server::start(&Program::product(), &args).unwrap();
    let mut writer = tracking(&server, &[]);
    let revision = revision(&mut writer);
    for key in ["user:1", "user:2", "order:1", "user:1"] {
        answer(&mut writer, &["SET", key, "x"]);
    }
    let connect = || {
        let mut client = server.connect().unwrap();
        call(&mut client, &["HELLO", "3"]);
        client
    };
    let told = |prefix: &[&str]| since(connect(), &revision, prefix).0;
    assert_eq!(told(&["PREFIX", "user:"]), [invalidation(&["user:2", "user:1"])]);
    assert_eq!(told(&["PREFIX", "order:", "PREFIX", "user:2"]), [invalidation(&["user:2", "order:1"])]);
    assert!(told(&["PREFIX", "x"]).is_empty());
    let rules = ["ACL", "SETUSER", "some", "on", "nopass", "+@all", "~order:*", "%W~user:*"];
    assert_eq!(answer(&mut writer, &rules), ok());
    let mut client = connect();
    assert_eq!(call(&mut client, &["AUTH", "some", ""]), ok());
    assert_eq!(since(client, &revision, &[]).0, [invalidation(&["order:1"])]);
    let mut client = connect();
    assert_eq!(call(&mut client, &["AUTH", "some", ""]), ok());
    assert_eq!(cached(&mut client, &revision, &["order:1", "order:2"]), names(&["order:1"]));
    assert!(matches!(cached(&mut client, &revision, &["order:1", "user:1"]), Value::Error(_)));
    // Nobody would hear of it.
    let mut old = server.connect().unwrap();
    let words = ["CLIENT", "TRACKING", "ON", "BCAST", "SINCE", &revision];
    assert!(matches!(call(&mut old, &words), Value::Error(_)));
}

#[test]
fn what_cannot_be_known_voids_everything() {
    let args: Vec<String> = RECENT.iter().map(|word| (*word).to_owned()).collect();
    let server = Server::start(&Program::product(), &args).unwrap();
    let mut writer = tracking(&server, &[]);
    let connect = || {
        let mut client = server.connect().unwrap();
        call(&mut client, &["HELLO", "3"]);
        client
    };
    let is_void = |revision: &str, why: &str| {
        assert_eq!(since(connect(), revision, &[]).0, [everything()], "{why}");
        assert_eq!(cached(&mut connect(), revision, &["k"]), Value::Null, "{why}");
    };
    answer(&mut writer, &["SET", "k", "x"]);
    let before = revision(&mut writer);
    assert_eq!(cached(&mut connect(), &before, &["k"]), names(&[]));
    let (history, index) = before.rsplit_once(':').unwrap();
    is_void(&format!("another:{index}"), "another history");
    is_void(&format!("{history}:0"), "long ago");
    answer(&mut writer, &["FLUSHALL"]);
    is_void(&before, "emptied databases");
    let flushed = revision(&mut writer);
    for at in 0..1000 {
        answer(&mut writer, &["SET", &format!("k{at}"), "x"]);
    }
    is_void(&flushed, "more changes than are kept");
    let many = revision(&mut writer);
    assert_eq!(cached(&mut connect(), &many, &["k1"]), names(&[]));
    answer(&mut writer, &["CONFIG", "SET", "tracking-changes-bytes", "0"]);
    is_void(&many, "switched off");
    answer(&mut writer, &["CONFIG", "SET", "tracking-changes-bytes", "1mb"]);
    is_void(&many, "switched on: there may have been changes");
    answer(&mut writer, &["SET", "k", "y"]);
    let again = revision(&mut writer);
    answer(&mut writer, &["SET", "k1", "y"]);
    assert_eq!(cached(&mut connect(), &again, &["k", "k1"]), names(&["k1"]));
    for wrong in ["5", "x", ":"] {
        assert!(matches!(cached(&mut connect(), wrong, &["k"]), Value::Error(_)), "{wrong}");
    }
}

/// A follower that was away for longer than the log reaches gets all data anew, and does not know how they came to be.
#[test]
fn a_snapshot_in_between_voids_everything() {
    let args = [&SMALL[..], &RECENT, &["--log-retain-bytes-max", "1mb"]].concat();
    let core = support::core(3, &args);
    let leader = core.wait_until_agreed().unwrap();
    let away = (leader + 1) % 3;
    let mut writer = tracking(&core.nodes[leader], &[]);
    assert_eq!(answer(&mut writer, &["SET", "k", "before"]), ok());
    let before = revision(&mut writer);
    core.nodes[away].pause().unwrap();
    let large = "x".repeat(100_000);
    for at in 0..200 {
        assert_eq!(answer(&mut writer, &["SET", &format!("large:{}", at % 20), &large]), ok());
    }
    eventually("the log is purged", || {
        resp_tests::cluster::field(&core.nodes[leader], "flotilla_log_purged_index")
            .is_some_and(|index| index.parse::<u64>().unwrap() > 60)
    });
    core.nodes[away].resume().unwrap();
    let mut leading = core.nodes[leader].connect().unwrap();
    let written = resp_tests::support::number(&call(&mut leading, &["LASTREV"])).to_string();
    eventually("the follower has all data, and is in touch with its leader", || {
        let mut client = core.nodes[away].connect().unwrap();
        call(&mut client, &["HELLO", "3"]);
        matches!(call(&mut client, &["WAITREV", &written, "1000"]), Value::Integer(_))
            && answer(&mut client, &["CLIENT", "TRACKING", "ON"]) == ok()
            && {
                answer(&mut writer, &["SET", "another", "x"]);
                let fresh = revision(&mut client);
                answer(&mut client, &["CLIENT", "CACHED", &fresh, "k"]) == names(&[])
            }
    });
    assert_eq!(cached(&mut behind(&core.nodes[away], &mut leading), &before, &["k"]), Value::Null);
    assert_eq!(cached(&mut behind(&core.nodes[leader], &mut leading), &before, &["k"]), names(&[]));
}
