//! What INFO, CONFIG and CLIENT LIST tell, beside what redis-server tells.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

mod called;
mod clients;
mod config;
mod exporter;
mod observed;
mod outside;
mod resources;

use std::collections::BTreeMap;

use resp_tests::server::{Program, Server};
use resp_tests::support::{call, eventually, ok};
use resp_tests::value::Value;

fn product(args: &[&str]) -> Server {
    let args: Vec<String> = args.iter().map(|word| (*word).to_owned()).collect();
    Server::start(&Program::product(), &args).unwrap()
}

fn reference() -> Server {
    Server::start(&Program::reference().expect("the reference"), &[]).unwrap()
}

fn text(value: &Value) -> String {
    match value {
        Value::Bulk(bytes) | Value::Error(bytes) => String::from_utf8_lossy(bytes).into_owned(),
        other => panic!("{other:?}"),
    }
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

#[test]
fn memory_stats_has_every_name_of_redis_and_agrees_with_info() {
    let (ours, theirs) = (product(&[]), reference());
    let told = |server: &Server| -> BTreeMap<String, Value> {
        let mut connection = server.connect().unwrap();
        call(&mut connection, &["SET", "k", "v"]);
        call(&mut connection, &["HELLO", "3"]);
        let Value::Map(pairs) = call(&mut connection, &["MEMORY", "STATS"]) else { panic!() };
        pairs.into_iter().map(|(name, value)| (text(&name), value)).collect()
    };
    let (known, wanted) = (told(&ours), told(&theirs));
    for (name, value) in &wanted {
        let found = known.get(name).unwrap_or_else(|| panic!("{name} is missing"));
        assert_eq!(
            std::mem::discriminant(found),
            std::mem::discriminant(value),
            "{name}: {found:?}, {value:?}"
        );
    }
    let of = |name: &str| match &known[name] {
        Value::Integer(number) => *number,
        other => panic!("{other:?}"),
    };
    assert_eq!(of("total.allocated"), of("dataset.bytes") + of("overhead.total"));
    assert!(of("clients.normal") > 1000 && of("keys.count") == 1);
    assert!((of("total.allocated") - number(&ours, "memory", "used_memory")).abs() < 1 << 20);
}
