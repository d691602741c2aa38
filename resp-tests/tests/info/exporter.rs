//! prometheus-redis-exporter: what it exports of a redis-server it exports of this server as well, with the same labels.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

use resp_tests::connection::Connection;
use resp_tests::door::Door;
use resp_tests::installed::HOW_TO_INSTALL;
use resp_tests::ports::free_port;
use resp_tests::process::Process;
use resp_tests::server::Server;

use super::{call, eventually, product, reference};

/// Families that redis-server has and this server has not, and why.
const LEFT_OUT: [(&str, &str); 0] = [];

/// The same load on both: every type, expiries, hits and misses, errors, scripts, slow calls, stalls, subscribers.
fn load(server: &Server) -> [Connection; 2] {
    let mut client = server.connect().unwrap();
    let mut subscriber = server.connect().unwrap();
    call(&mut subscriber, &["SUBSCRIBE", "channel"]);
    for words in [
        &["CONFIG", "SET", "slowlog-log-slower-than", "0"][..],
        &["CONFIG", "SET", "latency-monitor-threshold", "1"],
        &["CLIENT", "SETNAME", "loader"],
        &["SET", "string", "value"],
        &["SET", "short", "value", "EX", "1000"],
        &["RPUSH", "list", "a", "b"],
        &["SADD", "set", "a"],
        &["ZADD", "zset", "1", "a"],
        &["HSET", "hash", "f", "v"],
        &["XADD", "stream", "*", "f", "v"],
        &["XGROUP", "CREATE", "stream", "group", "0"],
        &["XREADGROUP", "GROUP", "group", "consumer", "STREAMS", "stream", ">"],
        &["GET", "string"],
        &["GET", "absent"],
        &["LPUSH", "string", "x"],
        &["NOSUCHCOMMAND"],
        &["GET"],
        &["EVAL", "return redis.call('GET', 'string')", "0"],
        &["EVALSHA", "0000000000000000000000000000000000000000", "0"],
        &["MULTI"],
        &["SET", "string", "value"],
        &["EXEC"],
        &["PUBLISH", "channel", "message"],
        &["DEBUG", "SLEEP", "0.02"],
        &["SELECT", "3"],
        &["SET", "other", "value"],
    ] {
        call(&mut client, words);
    }
    [client, subscriber]
}

/// What the exporter says of a server: of each family the labels of its samples.
fn exported(server: &Server) -> BTreeMap<String, BTreeSet<String>> {
    let home = tempfile::tempdir().unwrap();
    let (mut process, port) = (Process::new(home.path().join("output.log")), free_port().unwrap());
    let mut command = Command::new("prometheus-redis-exporter");
    command.args([
        format!("-redis.addr=redis://127.0.0.1:{}", server.port),
        format!("-web.listen-address=127.0.0.1:{port}"),
    ]);
    command.args([
        "-check-single-keys=db0=string,db0=list",
        "-check-streams=db0=stream",
        "-include-system-metrics",
        "-export-client-list",
    ]);
    process
        .start(&mut command)
        .unwrap_or_else(|error| panic!("prometheus-redis-exporter: {error}. {HOW_TO_INSTALL}"));
    let mut text = String::new();
    eventually("the exporter answers", || {
        assert!(process.is_running(), "{}", process.log_tail(20));
        let Ok(mut connection) = Door::from(port).connect() else { return false };
        connection.send_raw(b"GET /metrics HTTP/1.0\r\n\r\n").unwrap();
        text = String::from_utf8_lossy(&connection.read_to_close().unwrap()).into_owned();
        text.contains("redis_up 1")
    });
    let mut families: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for line in text.lines().filter(|line| line.starts_with("redis_")) {
        let sample = line.rsplit_once(' ').map_or(line, |(sample, _)| sample);
        let (name, labels) = sample.split_once('{').unwrap_or((sample, ""));
        let names = labels.split("\",").filter_map(|label| label.split_once('=')).map(|(name, _)| name);
        families.entry(name.to_owned()).or_default().extend(names.map(str::to_owned));
    }
    families
}

#[test]
fn the_exporter_exports_every_family_of_redis_server() {
    let (own, theirs) = (product(&["--enable-debug-command", "yes"]), reference());
    let connected = [&own, &theirs].map(load);
    let (own, theirs) = (exported(&own), exported(&theirs));
    drop(connected);
    assert!(theirs.len() > 100, "only {} families of redis-server", theirs.len());
    let left_out: BTreeMap<&str, &str> = LEFT_OUT.into_iter().collect();
    let mut missing = Vec::new();
    for (family, labels) in &theirs {
        match own.get(family) {
            None if left_out.contains_key(family.as_str()) => {}
            None => missing.push(family.clone()),
            Some(of_own) if of_own != labels => missing.push(format!("{family}: {of_own:?}, not {labels:?}")),
            Some(_) => {}
        }
    }
    let needless: Vec<_> = left_out
        .keys()
        .filter(|family| own.contains_key(**family) || !theirs.contains_key(**family))
        .collect();
    println!("{} families of redis-server, {} here, {} left out", theirs.len(), own.len(), left_out.len());
    assert!(
        missing.is_empty() && needless.is_empty(),
        "missing: {missing:#?}, left out and there: {needless:?}"
    );
    // The families of errors and of calls have what was sent.
    for family in
        ["redis_commands_total", "redis_commands_failed_calls_total", "redis_commands_rejected_calls_total"]
    {
        assert!(own.contains_key(family), "{family}");
    }
}
