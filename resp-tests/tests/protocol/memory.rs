//! What one client may pin, and who goes when clients pin too much.

use std::time::Duration;

use resp_tests::connection::{Connection, Received};
use resp_tests::server::Server;
use resp_tests::support::{call, eventually, ok};
use resp_tests::value::Value;

use crate::support::{Context, Test, alive, is_blocked, process_status};

pub const TESTS: &[Test] = &[
    Test::everywhere("many_keys_of_one_call_cost_their_number_and_not_its_square", many_keys),
    Test::product("keys_that_a_client_waits_for_or_watches_have_a_bound", bounded_keys),
    Test::product("patterns_of_one_client_have_a_bound", bounded_patterns),
    Test::product("the_largest_clients_go_when_all_pin_too_much_and_those_spared_stay", eviction),
    Test::everywhere("replies_beyond_the_hard_limit_close_the_client", hard_limit),
    Test::everywhere("replies_beyond_the_soft_limit_close_the_client_in_time", soft_limit),
    Test::everywhere("messages_beyond_the_limit_close_the_listener", pubsub_limit),
    Test::product("idle_connections_cost_less_than_ten_kibibytes", idle_connections),
];

/// A deadline that linear work meets many times over, and quadratic work never.
const LINEAR: Duration = Duration::from_secs(60);

fn connect(server: &Server) -> Connection {
    let mut connection = server.connect().unwrap();
    connection.set_deadline(LINEAR);
    connection
}

fn names(count: usize, length: usize) -> Vec<String> {
    (0..count).map(|index| format!("{}{index:08}", "k".repeat(length - 8))).collect()
}

fn with_keys<'a>(before: &[&'a str], keys: &'a [String], behind: &[&'a str]) -> Vec<&'a str> {
    let keys = keys.iter().map(String::as_str);
    before.iter().copied().chain(keys).chain(behind.iter().copied()).collect()
}

fn many_keys(on: &Context) {
    let server = on.start(&[]);
    let (mut waiting, mut other) = (connect(&server), connect(&server));
    let keys = names(200_000, 8);
    // A key of another type must be left out of the attempt, wherever it stands.
    waiting.send(&with_keys(&["BLPOP"], &keys, &["0"])).unwrap();
    eventually("it waits", || is_blocked(&mut other));
    assert_eq!(call(&mut other, &["SET", &keys[7], "a string"]), ok());
    assert_eq!(call(&mut other, &["RPUSH", &keys[199_999], "element"]), Value::Integer(1));
    let element =
        Value::Array(vec![Value::Bulk(keys[199_999].clone().into_bytes()), Value::Bulk(b"element".to_vec())]);
    assert_eq!(waiting.receive().unwrap(), Received::Reply(element));
    let watched = names(90_000, 8);
    for _ in 0..2 {
        assert_eq!(call(&mut other, &with_keys(&["WATCH"], &watched, &[])), ok());
    }
    for words in [&["MULTI"][..], &["SET", "k", "v"]] {
        call(&mut other, words);
    }
    assert_eq!(call(&mut other, &["EXEC"]), Value::Array(vec![ok()]));
    alive(&server);
}

fn bounded_keys(on: &Context) {
    let server = on.start(&[]);
    let mut connection = connect(&server);
    let keys = names(262_145, 8);
    let refused = Value::Error(b"ERR a call may wait for no more than 262144 keys".to_vec());
    assert_eq!(call(&mut connection, &with_keys(&["BLPOP"], &keys, &["0"])), refused);
    let refused = Value::Error(b"ERR too many watched keys".to_vec());
    assert_eq!(call(&mut connection, &with_keys(&["WATCH"], &names(100_001, 8), &[])), refused);
    let long = names(60, 1 << 20);
    assert_eq!(call(&mut connection, &with_keys(&["WATCH"], &long, &[])), ok());
    // Each counts once.
    assert_eq!(call(&mut connection, &with_keys(&["WATCH"], &long, &[])), ok());
    assert_eq!(call(&mut connection, &with_keys(&["WATCH"], &names(5, (1 << 20) + 1), &[])), refused);
    assert_eq!(call(&mut connection, &["UNWATCH"]), ok());
    assert_eq!(call(&mut connection, &with_keys(&["WATCH"], &names(5, (1 << 20) + 1), &[])), ok());
    alive(&server);
}

/// A number that INFO has.
fn info(server: &Server, name: &str) -> u64 {
    let told = match call(&mut connect(server), &["INFO", "everything"]) {
        Value::Bulk(text) => String::from_utf8(text).unwrap(),
        other => panic!("{other:?}"),
    };
    let line = told.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    line.unwrap_or_else(|| panic!("INFO has no {name}")).parse().unwrap()
}

fn bounded_patterns(on: &Context) {
    let server = on.start(&[]);
    let mut listener = connect(&server);
    listener.send(&with_keys(&["PSUBSCRIBE"], &names(16_385, 8), &[])).unwrap();
    for _ in 0..16_384 {
        assert!(matches!(listener.receive().unwrap(), Received::Reply(Value::Array(_))));
    }
    let refused = Value::Error(b"ERR too many subscriptions of this client or node".to_vec());
    assert_eq!(listener.receive().unwrap(), Received::Reply(refused));
    let mut other = connect(&server);
    other.send(&["PSUBSCRIBE", "another*"]).unwrap();
    assert!(matches!(other.receive().unwrap(), Received::Reply(Value::Array(_))));
}

/// Half of a request with a value of so many MiB.
fn pin(server: &Server, name: &str, mebibytes: usize, is_spared: bool) -> Connection {
    let mut connection = connect(server);
    assert_eq!(call(&mut connection, &["CLIENT", "SETNAME", name]), ok());
    if is_spared {
        assert_eq!(call(&mut connection, &["CLIENT", "NO-EVICT", "on"]), ok());
    }
    connection.send_raw(b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$100000000\r\n").unwrap();
    // It may be closed meanwhile.
    let _closed = connection.send_raw(&vec![b'x'; mebibytes << 20]);
    connection
}

fn is_there(server: &Server, name: &str) -> bool {
    match call(&mut connect(server), &["CLIENT", "LIST"]) {
        Value::Bulk(text) => String::from_utf8_lossy(&text).contains(&format!(" name={name} ")),
        other => panic!("{other:?}"),
    }
}

fn eviction(on: &Context) {
    let server = on.start(&["--maxmemory-clients", "0"]);
    let mut admin = connect(&server);
    let (_small, _large, _spared) =
        (pin(&server, "small", 4, false), pin(&server, "large", 16, false), pin(&server, "spared", 24, true));
    let counts = |name: &str, mebibytes: u64| {
        let told = match call(&mut connect(&server), &["CLIENT", "LIST"]) {
            Value::Bulk(text) => String::from_utf8(text).unwrap(),
            other => panic!("{other:?}"),
        };
        let line = told.lines().find(|line| line.contains(&format!(" name={name} "))).unwrap_or_default();
        let total = line.split(' ').find_map(|word| word.strip_prefix("tot-mem="));
        total.is_some_and(|total| total.parse::<u64>().unwrap() >= mebibytes << 20)
    };
    eventually("all is counted", || counts("small", 4) && counts("large", 16) && counts("spared", 24));
    assert_eq!(info(&server, "evicted_clients"), 0);
    eventually("INFO has it", || info(&server, "mem_clients_normal") >= 44 << 20);
    // Three buffers may have room for up to twice their content.
    assert_eq!(call(&mut admin, &["CONFIG", "SET", "maxmemory-clients", "60mb"]), ok());
    eventually("the largest is gone", || !is_there(&server, "large"));
    eventually("it no longer counts", || info(&server, "mem_clients_normal") <= 60 << 20);
    assert!(is_there(&server, "small") && is_there(&server, "spared"));
    assert_eq!(info(&server, "evicted_clients"), 1);
    // What comes later goes as soon as it is too much.
    let _late = pin(&server, "late", 40, false);
    eventually("the late one is gone", || !is_there(&server, "late"));
    assert!(is_there(&server, "spared"));
    assert_eq!(call(&mut admin, &["PING"]), Value::Simple(b"PONG".to_vec()));
}

fn hard_limit(on: &Context) {
    let server = on.start(&[]);
    let mut admin = connect(&server);
    assert_eq!(call(&mut admin, &["CONFIG", "SET", "client-output-buffer-limit", "normal 1mb 0 0"]), ok());
    assert_eq!(call(&mut admin, &["SET", "small", &"v".repeat(900 << 10)]), ok());
    assert_eq!(call(&mut admin, &["SET", "large", &"v".repeat(8 << 20)]), ok());
    assert!(matches!(call(&mut admin, &["GET", "small"]), Value::Bulk(_)));
    let mut asker = connect(&server);
    asker.send(&["GET", "large"]).unwrap();
    assert!(asker.read_to_close().unwrap().len() < 8 << 20);
}

fn soft_limit(on: &Context) {
    let server = on.start(&[]);
    let mut admin = connect(&server);
    assert_eq!(call(&mut admin, &["CONFIG", "SET", "client-output-buffer-limit", "normal 0 1mb 1"]), ok());
    assert_eq!(call(&mut admin, &["SET", "large", &"v".repeat(32 << 20)]), ok());
    // One that reads is not bothered.
    assert!(matches!(call(&mut admin, &["GET", "large"]), Value::Bulk(_)));
    let mut asker = connect(&server);
    assert_eq!(call(&mut asker, &["CLIENT", "SETNAME", "asker"]), ok());
    asker.send(&["GET", "large"]).unwrap();
    eventually("it is closed", || !is_there(&server, "asker"));
    assert!(asker.read_to_close().unwrap().len() < 32 << 20);
}

fn pubsub_limit(on: &Context) {
    let server = on.start(&[]);
    let (mut admin, mut listener) = (connect(&server), connect(&server));
    assert_eq!(call(&mut admin, &["CONFIG", "SET", "client-output-buffer-limit", "pubsub 1mb 0 0"]), ok());
    listener.send(&["SUBSCRIBE", "news"]).unwrap();
    assert!(matches!(listener.receive().unwrap(), Received::Reply(_)));
    let message = "m".repeat(256 << 10);
    // Its socket takes a few megabytes; the default limit would let 32 more wait.
    let mut published = 0;
    while call(&mut admin, &["PUBLISH", "news", &message]) != Value::Integer(0) {
        published += 1;
        assert!(published < 100, "{published} messages of 256 KiB were queued");
    }
    listener.read_to_close().unwrap();
}

fn idle_connections(on: &Context) {
    const COUNT: usize = 800;
    // A huge page more or less is 2.5 KiB for each of them.
    let server = on.start(&["--disable-thp", "yes"]);
    let use_it = |connection: &mut Connection, index: usize| {
        assert_eq!(call(connection, &["PING"]), Value::Simple(b"PONG".to_vec()));
        assert_eq!(call(connection, &["SET", &format!("key-{index}"), "value"]), ok());
    };
    // What the data and the first connections cost is no matter here.
    for round in 0..2 {
        let mut open: Vec<Connection> = (0..200).map(|_| connect(&server)).collect();
        (0..COUNT).for_each(|index| use_it(&mut open[index % 200], index + round));
    }
    let before = process_status(&server, "VmRSS:");
    let open: Vec<Connection> = (0..COUNT)
        .map(|index| {
            let mut connection = connect(&server);
            use_it(&mut connection, index);
            connection
        })
        .collect();
    let grown = process_status(&server, "VmRSS:").saturating_sub(before);
    assert!(grown < 10 * COUNT as u64, "{COUNT} idle connections cost {grown} KiB");
    drop(open);
}
