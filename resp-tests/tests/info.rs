//! What INFO, CONFIG and CLIENT LIST tell, beside what redis-server tells.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

use std::collections::BTreeMap;
use std::fs;
use std::thread;
use std::time::{Duration, Instant};

use resp_tests::connection::{Connection, Received};
use resp_tests::server::{Program, Server};
use resp_tests::value::Value;

/// Parameters that Redis 7.2 has and 7.0.15, the reference, has not.
const OF_7_2: [&str; 4] = [
    "set-max-listpack-entries",
    "set-max-listpack-value",
    "cluster-announce-human-nodename",
    "locale-collate",
];

fn product(args: &[&str]) -> Server {
    let args: Vec<String> = args.iter().map(|word| (*word).to_owned()).collect();
    Server::start(&Program::product(), &args).unwrap()
}

fn reference() -> Server {
    Server::start(&Program::reference().expect("the reference"), &[]).unwrap()
}

fn call(connection: &mut Connection, words: &[&str]) -> Value {
    match connection.call(words).unwrap() {
        Received::Reply(reply) => reply,
        Received::Closed => panic!("{words:?}: closed"),
    }
}

fn ok() -> Value {
    Value::Simple("OK".into())
}

fn text(value: &Value) -> String {
    match value {
        Value::Bulk(bytes) | Value::Error(bytes) => String::from_utf8_lossy(bytes).into_owned(),
        other => panic!("{other:?}"),
    }
}

fn eventually(what: &str, mut is_so: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(10);
    while !is_so() {
        assert!(Instant::now() < deadline, "{what}: not within 10 s");
        thread::sleep(Duration::from_millis(20));
    }
}

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

/// The names that INFO has, by section.
fn names(server: &Server) -> BTreeMap<String, Vec<String>> {
    let mut sections: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let mut section = String::new();
    for line in text(&call(&mut server.connect().unwrap(), &["INFO", "everything"])).lines() {
        if let Some(name) = line.strip_prefix("# ") {
            section = name.to_owned();
            sections.entry(section.clone()).or_default();
        } else if let Some((name, _)) = line.split_once(':') {
            sections.entry(section.clone()).or_default().push(name.to_owned());
        }
    }
    sections
}

fn field(server: &Server, section: &str, name: &str) -> String {
    let told = text(&call(&mut server.connect().unwrap(), &["INFO", section]));
    let value = told.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    value.unwrap_or_else(|| panic!("INFO {section} has no {name}")).to_owned()
}

fn number(server: &Server, section: &str, name: &str) -> i64 {
    field(server, section, name).parse().unwrap()
}

/// What INFO of Redis 7.2 has beyond that of 7.0.15.
const INFO_OF_7_2: [(&str, &[&str]); 3] = [
    ("Server", &["listener0"]),
    ("Clients", &["total_blocking_keys", "total_blocking_keys_on_nokey"]),
    (
        "Stats",
        &[
            "acl_access_denied_auth",
            "acl_access_denied_channel",
            "acl_access_denied_cmd",
            "acl_access_denied_key",
            "client_output_buffer_limit_disconnections",
            "client_query_buffer_limit_disconnections",
            "eventloop_cycles",
            "eventloop_duration_cmd_sum",
            "eventloop_duration_sum",
            "instantaneous_eventloop_cycles_per_sec",
            "instantaneous_eventloop_duration_usec",
        ],
    ),
];
/// Sections that name what was called and what is stored.
const OF_USE: [&str; 4] = ["Commandstats", "Errorstats", "Latencystats", "Keyspace"];

#[test]
fn info_has_every_section_and_field_of_redis() {
    let (ours, theirs) = (product(&[]), reference());
    let known = names(&ours);
    let mut wanted = names(&theirs);
    for (section, fields) in INFO_OF_7_2 {
        wanted.get_mut(section).unwrap().extend(fields.iter().map(|name| (*name).to_owned()));
    }
    let mut missing = Vec::new();
    for (section, fields) in &wanted {
        let Some(known) = known.get(section) else {
            missing.push(format!("# {section}"));
            continue;
        };
        let fields = fields.iter().filter(|_| !OF_USE.contains(&section.as_str()));
        missing.extend(fields.filter(|name| !known.contains(name)).map(|name| format!("{section}: {name}")));
    }
    assert!(missing.is_empty(), "{missing:#?}");
    // No name twice, or exporters drop one of them.
    for (section, fields) in &known {
        let mut unique = fields.clone();
        unique.sort();
        unique.dedup();
        assert_eq!(unique.len(), fields.len(), "{section}");
    }
    // Redis shows these only when asked to.
    let told = text(&call(&mut ours.connect().unwrap(), &["INFO"]));
    assert!(!told.contains("# Commandstats") && !told.contains("# Latencystats"), "{told}");
}

#[test]
fn latencystats_has_the_percentiles_that_were_asked_for_of_each_command_called() {
    let (ours, theirs) = (product(&[]), reference());
    for server in [&ours, &theirs] {
        let mut connection = server.connect().unwrap();
        for _ in 0..50 {
            call(&mut connection, &["SET", "k", "v"]);
            call(&mut connection, &["GET", "k"]);
        }
        let told = text(&call(&mut connection, &["INFO", "latencystats"]));
        let of = |name: &str| {
            let name = format!("latency_percentiles_usec_{name}:");
            let line = told.lines().find_map(|line| line.strip_prefix(&name));
            let line = line.unwrap_or_else(|| panic!("{name} {told}"));
            let pairs = line.split(',').map(|pair| pair.split_once('=').unwrap());
            pairs
                .map(|(name, value)| (name.to_owned(), value.parse().unwrap()))
                .collect::<Vec<(String, f64)>>()
        };
        for command in ["set", "get"] {
            let found = of(command);
            let names: Vec<&str> = found.iter().map(|(name, _)| name.as_str()).collect();
            assert_eq!(names, ["p50", "p99", "p99.9"]);
            assert!(found[0].1 > 0.0 && found.is_sorted_by(|a, b| a.1 <= b.1), "{found:?}");
        }
        assert!(!told.contains("usec_hset"), "{told}");
        let set = ["CONFIG", "SET", "latency-tracking-info-percentiles", "0 100"];
        assert_eq!(call(&mut connection, &set), ok());
        let told = text(&call(&mut connection, &["INFO", "latencystats"]));
        assert!(told.contains("latency_percentiles_usec_set:p0="), "{told}");
        assert_eq!(call(&mut connection, &["CONFIG", "RESETSTAT"]), ok());
        let told = text(&call(&mut connection, &["INFO", "latencystats"]));
        assert!(!told.contains("usec_set"), "{told}");
        assert_eq!(call(&mut connection, &["CONFIG", "SET", "latency-tracking", "no"]), ok());
        call(&mut connection, &["SET", "k", "v"]);
        assert_eq!(call(&mut connection, &["CONFIG", "SET", "latency-tracking", "yes"]), ok());
        let told = text(&call(&mut connection, &["INFO", "latencystats"]));
        assert!(!told.contains("usec_set"), "{told}");
    }
}

#[test]
fn memory_persistence_and_times_are_told_as_they_are() {
    let server = product(&["--hot-cache-bytes", "64mb"]);
    let mut connection = server.connect().unwrap();
    let before = number(&server, "memory", "used_memory");
    let value = "v".repeat(10_000);
    for key in 0..1000 {
        assert_eq!(call(&mut connection, &["SET", &key.to_string(), &value]), ok());
    }
    let (used, rss) =
        (number(&server, "memory", "used_memory"), number(&server, "memory", "used_memory_rss"));
    assert!(used - before > 10_000_000, "{used} after {before}");
    assert!(used != rss && number(&server, "memory", "used_memory_peak") >= used);
    let dataset = number(&server, "memory", "used_memory_dataset");
    assert_eq!(dataset + number(&server, "memory", "used_memory_overhead"), used);

    assert_eq!(number(&server, "persistence", "rdb_last_bgsave_time_sec"), -1);
    assert_eq!(number(&server, "persistence", "rdb_saves"), 0);
    call(&mut connection, &["BGSAVE"]);
    eventually("the checkpoint", || number(&server, "persistence", "rdb_saves") == 1);
    assert!((0..60).contains(&number(&server, "persistence", "rdb_last_bgsave_time_sec")));

    // All of few keys, a sample of many.
    let avg_ttl = |db: &str| {
        let told = field(&server, "keyspace", db);
        let ttl = told.split(',').find_map(|pair| pair.strip_prefix("avg_ttl=")).unwrap().to_owned();
        ttl.parse::<u64>().unwrap()
    };
    assert_eq!(avg_ttl("db0"), 0);
    call(&mut connection, &["SELECT", "1"]);
    for (key, seconds) in [("a", "1000"), ("b", "3000"), ("c", "5000")] {
        call(&mut connection, &["SET", key, "v", "EX", seconds]);
    }
    call(&mut connection, &["SET", "d", "v"]);
    call(&mut connection, &["SELECT", "2"]);
    for key in 0..3000_u32 {
        let seconds = (1000 + key % 100 * 40).to_string();
        call(&mut connection, &["SET", &format!("key:{key:04}"), "v", "EX", &seconds]);
    }
    eventually("the mean of three", || (2_900_000..=3_000_000).contains(&avg_ttl("db1")));
    eventually("the mean of many", || (2_600_000..=3_300_000).contains(&avg_ttl("db2")));
    call(&mut connection, &["FLUSHALL"]);
    call(&mut connection, &["SET", "e", "v"]);
    assert_eq!(avg_ttl("db2"), 0);
}

/// A word of the only line of CLIENT LIST that has this client name.
fn listed(server: &Server, name: &str, word: &str) -> String {
    let told = text(&call(&mut server.connect().unwrap(), &["CLIENT", "LIST"]));
    let line = told.lines().find(|line| line.contains(&format!(" name={name} "))).unwrap();
    let value = line.split(' ').find_map(|pair| pair.strip_prefix(&format!("{word}=")));
    value.unwrap_or_else(|| panic!("{line} has no {word}")).to_owned()
}

#[test]
fn client_list_tells_of_buffers_and_queues_as_they_are() {
    let server = product(&[]);
    let named = |name: &str| {
        let mut connection = server.connect().unwrap();
        assert_eq!(call(&mut connection, &["CLIENT", "SETNAME", name]), ok());
        connection
    };
    let of = |name: &str, word: &str| listed(&server, name, word).parse::<u64>().unwrap();
    // Half a request.
    let mut half = named("half");
    half.send_raw(b"*2\r\n$3\r\nGET\r\n$1000\r\nabc").unwrap();
    eventually("the half request is seen", || of("half", "qbuf") == 23);
    assert!(of("half", "qbuf-free") > 0 && of("half", "tot-mem") > of("half", "qbuf-free"));
    // A transaction that is being queued.
    let mut multi = named("multi");
    call(&mut multi, &["MULTI"]);
    assert_eq!(of("multi", "multi-mem"), 0);
    call(&mut multi, &["SET", "k", &"v".repeat(5000)]);
    assert!(of("multi", "multi-mem") > 5000 && of("multi", "tot-mem") > 5000);
    call(&mut multi, &["EXEC"]);
    assert_eq!(of("multi", "multi-mem"), 0);
    // One who does not read: replies pile up in its buffer, messages in its queue.
    let mut asker = named("asker");
    call(&mut asker, &["SET", "large", &"v".repeat(1 << 20)]);
    for _ in 0..40 {
        asker.send(&["GET", "large"]).unwrap();
    }
    eventually("unsent replies are seen", || {
        of("asker", "obl") > 0 && listed(&server, "asker", "events") == "rw"
    });
    assert!(of("asker", "rbp") >= 1 << 20 && of("asker", "rbs") >= 1 << 20);
    let mut listener = named("listener");
    call(&mut listener, &["SUBSCRIBE", "news"]);
    assert_eq!((of("listener", "oll"), of("listener", "omem")), (0, 0));
    assert_eq!(listed(&server, "listener", "events"), "r");
    let mut speaker = server.connect().unwrap();
    let message = "m".repeat(1 << 20);
    eventually("messages wait", || {
        call(&mut speaker, &["PUBLISH", "news", &message]);
        of("listener", "oll") > 0 && of("listener", "omem") >= 1 << 20
    });
    assert!(number(&server, "memory", "mem_clients_normal") > 1 << 20);
    for _ in 0..40 {
        asker.receive().unwrap();
    }
    eventually("all was sent", || of("asker", "obl") == 0 && listed(&server, "asker", "events") == "r");
}

#[test]
fn idletime_counts_from_the_last_access_on_this_node() {
    for args in [&[][..], &["--hot-cache-bytes", "0"]] {
        let server = product(args);
        let mut connection = server.connect().unwrap();
        let idle = || match call(&mut server.connect().unwrap(), &["OBJECT", "IDLETIME", "k"]) {
            Value::Integer(seconds) => seconds,
            other => panic!("{other:?}"),
        };
        let large = "v".repeat(100_000);
        for value in ["v", &large] {
            call(&mut connection, &["SET", "k", value]);
            assert!(idle() <= 1);
            eventually("it is idle", || idle() >= 2);
            // None of these is an access.
            for words in [&["TTL", "k"][..], &["TYPE", "k"], &["EXISTS", "k"], &["OBJECT", "ENCODING", "k"]] {
                call(&mut connection, words);
                assert!(idle() >= 2, "{words:?}");
            }
            call(&mut connection, &["CLIENT", "NO-TOUCH", "on"]);
            call(&mut connection, &["GET", "k"]);
            assert!(idle() >= 2);
            call(&mut connection, &["TOUCH", "k"]);
            assert!(idle() <= 1);
            call(&mut connection, &["CLIENT", "NO-TOUCH", "off"]);
            eventually("it is idle again", || idle() >= 2);
            call(&mut connection, &["GET", "k"]);
            assert!(idle() <= 1);
        }
    }
}
