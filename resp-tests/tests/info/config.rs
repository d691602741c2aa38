//! CONFIG GET and CONFIG SET.

use std::collections::BTreeMap;
use std::fs;

use resp_tests::server::Server;
use resp_tests::value::Value;

use super::{call, ok, product, reference, text};

/// Parameters that Redis 7.2 has and 7.0.15, the reference, has not.
const OF_7_2: [&str; 4] = [
    "set-max-listpack-entries",
    "set-max-listpack-value",
    "cluster-announce-human-nodename",
    "locale-collate",
];

/// CONFIG GET of a pattern.
fn config(server: &Server, pattern: &str) -> BTreeMap<String, String> {
    let reply = call(&mut server.connect().unwrap(), &["CONFIG", "GET", pattern]);
    let Value::Array(words) = reply else { panic!("{reply:?}") };
    words.chunks(2).map(|pair| (text(&pair[0]), text(&pair[1]))).collect()
}

#[test]
fn config_knows_every_parameter_of_redis_and_sets_it_or_says_why_not() {
    let (ours, theirs) = (product(&[]), reference());
    let known = config(&ours, "*");
    let names: Vec<String> = config(&theirs, "*").into_keys().chain(OF_7_2.map(str::to_owned)).collect();
    let missing: Vec<&String> = names.iter().filter(|name| !known.contains_key(*name)).collect();
    assert!(missing.is_empty(), "CONFIG GET does not tell of {missing:?}");
    let mut connection = ours.connect().unwrap();
    for name in &names {
        // What stands can be set again, unless the parameter cannot be set at all.
        let reply = call(&mut connection, &["CONFIG", "SET", name, &known[name]]);
        let refusals = ["can't set immutable config", "can't set protected config"];
        let refused = refusals
            .map(|why| format!("ERR CONFIG SET failed (possibly related to argument '{name}') - {why}"));
        assert!(
            reply == ok() || matches!(&reply, Value::Error(_)) && refused.contains(&text(&reply)),
            "{name}: {reply:?}"
        );
        // A value of Redis's own is taken, or refused with a reason; nothing is unknown.
        if let Some(value) = config(&theirs, name).get(name) {
            let reply = call(&mut connection, &["CONFIG", "SET", name, value]);
            let is_told =
                matches!(&reply, Value::Error(_)) && text(&reply).contains("possibly related to argument");
            assert!(reply == ok() || is_told, "{name} {value}: {reply:?}");
        }
    }
}

#[test]
fn what_config_set_takes_is_what_config_get_shows_under_either_name() {
    let server = product(&[]);
    let mut connection = server.connect().unwrap();
    for (set, value, shown, wanted) in [
        ("hash-max-listpack-entries", "33", "hash-max-ziplist-entries", "33"),
        ("zset-max-ziplist-value", "34", "zset-max-listpack-value", "34"),
        ("list-max-ziplist-size", "-5", "list-max-listpack-size", "-5"),
        ("slave-lazy-flush", "no", "replica-lazy-flush", "no"),
        ("lua-time-limit", "7", "busy-reply-threshold", "7"),
        ("stream-node-max-bytes", "5kb", "stream-node-max-bytes", "5120"),
        ("hz", "1000", "hz", "500"),
    ] {
        assert_eq!(call(&mut connection, &["CONFIG", "SET", set, value]), ok(), "{set}");
        assert_eq!(config(&server, shown)[shown], wanted, "{set} {value}");
    }
    // All or none, also where the reason to refuse comes last.
    let refused = call(&mut connection, &["CONFIG", "SET", "hz", "20", "appendonly", "no"]);
    assert!(text(&refused).contains("'appendonly'"), "{refused:?}");
    assert_eq!(config(&server, "hz")["hz"], "500");
}

/// The seconds until the kernel probes a connection that a server accepted; `None` = it does not.
fn keepalive_seconds(server: &Server, client_port: u16) -> Option<u64> {
    let table = fs::read_to_string("/proc/net/tcp").unwrap();
    let (own, other) = (format!(":{:04X}", server.port), format!(":{client_port:04X}"));
    let row = table
        .lines()
        .map(|line| line.split_whitespace().collect::<Vec<_>>())
        .find(|row| row.len() > 5 && row[1].ends_with(&own) && row[2].ends_with(&other))?;
    let (timer, ticks) = row[5].split_once(':').unwrap();
    (timer == "02").then(|| u64::from_str_radix(ticks, 16).unwrap() / 100)
}

#[test]
fn tcp_keepalive_is_that_of_the_next_connection() {
    let server = product(&[]);
    let mut connection = server.connect().unwrap();
    let mut probe_after = |seconds: &str| {
        assert_eq!(call(&mut connection, &["CONFIG", "SET", "tcp-keepalive", seconds]), ok());
        let mut fresh = server.connect().unwrap();
        assert_eq!(call(&mut fresh, &["PING"]), Value::Simple("PONG".into()));
        keepalive_seconds(&server, fresh.local_port().unwrap())
    };
    let found = probe_after("1000");
    assert!(found.is_some_and(|seconds| (900..=1000).contains(&seconds)), "{found:?}");
    assert_eq!(probe_after("0"), None);
    let found = probe_after("77");
    assert!(found.is_some_and(|seconds| (60..=77).contains(&seconds)), "{found:?}");
}
