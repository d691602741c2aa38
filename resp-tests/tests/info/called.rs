//! What is told of calls inside scripts and EXEC, and of the keys of all calls (HOTKEYS).

use std::collections::BTreeMap;

use resp_tests::connection::Connection;
use resp_tests::server::Server;
use resp_tests::support::next;
use resp_tests::value::Value;

use super::{call, field, ok, product};

fn command(server: &Server, name: &str) -> BTreeMap<String, f64> {
    let line = field(server, "commandstats", &format!("cmdstat_{name}"));
    let pair =
        |pair: &str| pair.split_once('=').map(|(name, value)| (name.to_owned(), value.parse().unwrap()));
    line.split(',').filter_map(pair).collect()
}

/// 200,000 elements: a command on them takes milliseconds.
fn long_list(client: &mut Connection) {
    for _ in 0..20 {
        let words: Vec<&str> =
            ["RPUSH", "long"].into_iter().chain(std::iter::repeat_n("element", 10_000)).collect();
        assert!(matches!(call(client, &words), Value::Integer(_)));
    }
}

#[test]
fn calls_of_scripts_and_of_exec_have_their_time() {
    let server = product(&[]);
    let mut client = server.connect().unwrap();
    long_list(&mut client);
    let usec = |name: &str| command(&server, name)["usec"];
    let mut before = 0.0;
    // On a view; in the log, with a write; in EXEC, alone and with a write.
    let script = "return #redis.call('LRANGE', KEYS[1], 0, 100000)";
    let writes = "redis.call('SET', 'x', 1) return #redis.call('LRANGE', KEYS[1], 0, 100000)";
    for (number, words) in [
        &[&["EVAL_RO", script, "1", "long"][..]][..],
        &[&["EVAL", writes, "1", "long"]],
        &[&["MULTI"], &["LPOS", "long", "none"], &["LRANGE", "long", "0", "50000"], &["EXEC"]],
        &[&["MULTI"], &["SET", "x", "y"], &["LRANGE", "long", "0", "50000"], &["EXEC"]],
    ]
    .iter()
    .enumerate()
    {
        for words in *words {
            assert!(!matches!(call(&mut client, words), Value::Error(_)), "{words:?}");
        }
        let after = usec("lrange");
        assert_eq!(command(&server, "lrange")["calls"], number as f64 + 1.0);
        assert!(after > before + 200.0, "{number}: {before}, then {after} microseconds");
        before = after;
    }
    // Each in the EXEC that only reads has its own: the other one took next to nothing.
    let mut client = server.connect().unwrap();
    call(&mut client, &["CONFIG", "RESETSTAT"]);
    for words in [&["MULTI"][..], &["GET", "none"], &["LRANGE", "long", "0", "100000"], &["EXEC"]] {
        call(&mut client, words);
    }
    assert!(usec("get") * 5.0 < usec("lrange"), "{} and {}", usec("get"), usec("lrange"));
}

#[test]
fn a_large_reply_inside_exec_is_logged_with_its_own_words() {
    let server = product(&["--commandlog-reply-larger-than", "100000"]);
    let mut client = server.connect().unwrap();
    call(&mut client, &["SET", "large", &"x".repeat(200_000)]);
    let logged = |client: &mut Connection| call(client, &["COMMANDLOG", "GET", "-1", "large-reply"]);
    for writes in [false, true] {
        call(&mut client, &["COMMANDLOG", "RESET", "large-reply"]);
        call(&mut client, &["MULTI"]);
        if writes {
            call(&mut client, &["SET", "x", "y"]);
        }
        for words in [&["GET", "none"][..], &["GET", "large"], &["STRLEN", "large"]] {
            call(&mut client, words);
        }
        call(&mut client, &["EXEC"]);
        let Value::Array(entries) = logged(&mut client) else { panic!("no entries") };
        let [Value::Array(entry)] = &entries[..] else { panic!("{entries:?}") };
        assert_eq!(entry[2], Value::Integer(200_000 + 11));
        let words = ["GET", "large"].map(|word| Value::Bulk(word.as_bytes().to_vec()));
        assert_eq!(entry[3], Value::Array(words.to_vec()));
    }
}

#[test]
fn monitor_shows_what_scripts_inside_exec_call() {
    let server = product(&[]);
    let (mut monitor, mut client) = (server.connect().unwrap(), server.connect().unwrap());
    assert_eq!(call(&mut monitor, &["MONITOR"]), ok());
    let script = "redis.call('GET', KEYS[1]) return redis.call('STRLEN', KEYS[1])";
    for words in [&["MULTI"][..], &["EVAL_RO", script, "1", "k"], &["GET", "other"], &["EXEC"]] {
        call(&mut client, words);
    }
    let mut line = || {
        let Value::Simple(line) = next(&mut monitor) else { panic!("no line") };
        let line = String::from_utf8(line).unwrap();
        let (by, words) = line.split_once("] ").unwrap();
        (by.contains(" lua"), words.split(' ').next().unwrap().trim_matches('"').to_uppercase())
    };
    let lines: Vec<(bool, String)> = (0..6).map(|_| line()).collect();
    let expected = [
        (false, "MULTI"),
        (false, "EVAL_RO"),
        (true, "GET"),
        (true, "STRLEN"),
        (false, "GET"),
        (false, "EXEC"),
    ];
    assert_eq!(lines, expected.map(|(by, name)| (by, name.to_owned())));
}

/// HOTKEYS GET, with one list of keys as text.
fn hot(client: &mut Connection, list: &str) -> Vec<(String, i64)> {
    let Value::Array(sessions) = call(client, &["HOTKEYS", "GET"]) else { panic!("no session") };
    let [Value::Array(fields)] = &sessions[..] else { panic!("{sessions:?}") };
    let at = fields.iter().position(|name| *name == Value::Bulk(list.as_bytes().to_vec())).unwrap();
    let Value::Array(pairs) = &fields[at + 1] else { panic!("{fields:?}") };
    let pair = |pair: &[Value]| match pair {
        [Value::Bulk(name), Value::Integer(sum)] => (String::from_utf8_lossy(name).into_owned(), *sum),
        other => panic!("{other:?}"),
    };
    pairs.chunks(2).map(pair).collect()
}

#[test]
fn hot_keys_are_those_that_take_most() {
    let server = product(&[]);
    let (mut client, mut admin) = (server.connect().unwrap(), server.connect().unwrap());
    long_list(&mut client);
    let large = "x".repeat(50_000);
    let start = ["HOTKEYS", "START", "METRICS", "2", "CPU", "NET", "COUNT", "3"];
    assert_eq!(call(&mut admin, &start), ok());
    for round in 0..300 {
        call(&mut client, &["SET", &format!("cold:{round}"), "x"]);
        call(&mut client, &["GET", &format!("cold:{round}")]);
    }
    for _ in 0..20 {
        call(&mut client, &["LPOS", "long", "none"]);
        call(&mut client, &["SET", "large", &large]);
        for words in [&["MULTI"][..], &["GET", "in exec"], &["GET", "large"], &["EXEC"]] {
            call(&mut client, words);
        }
        call(
            &mut client,
            &["EVAL", "return redis.call('APPEND', KEYS[1], ARGV[1])", "1", "script", &large[..10_000]],
        );
    }
    assert_eq!(hot(&mut admin, "by-cpu-time-us")[0].0, "long");
    let net = hot(&mut admin, "by-net-bytes");
    assert_eq!((net[0].0.as_str(), net[1].0.as_str(), net.len()), ("large", "script", 3), "{net:?}");
    // Twenty times there, and twenty times back.
    assert!((2_000_000..2_100_000).contains(&net[0].1) && (200_000..230_000).contains(&net[1].1), "{net:?}");
    assert_eq!(call(&mut admin, &["HOTKEYS", "STOP"]), ok());
    call(&mut client, &["SET", "large", &large]);
    assert_eq!(hot(&mut admin, "by-net-bytes"), net, "it is over");
    assert_eq!(call(&mut admin, &["HOTKEYS", "START", "METRICS", "1", "NET", "DURATION", "1"]), ok());
    call(&mut client, &["SET", "large", &large]);
    super::eventually("its time is up", || call(&mut admin, &["HOTKEYS", "RESET"]) == ok());
    assert_eq!(call(&mut admin, &["HOTKEYS", "GET"]), Value::NilBulk);
}

/// MEMORY LARGEST, once it is complete: names with their bytes.
fn largest(client: &mut Connection, words: &[&str]) -> Vec<(String, i64)> {
    let words = [&["MEMORY", "LARGEST"], words].concat();
    let fields = |list: Value| match list {
        Value::Array(fields) => fields,
        other => panic!("{other:?}"),
    };
    loop {
        let reply = fields(call(client, &words));
        if reply[1] != Value::Integer(1) {
            continue;
        }
        let named = |key: Value| match &fields(key)[..] {
            [_, Value::Bulk(name), _, _, _, _, _, Value::Integer(bytes)] => {
                (String::from_utf8_lossy(name).into_owned(), *bytes)
            }
            other => panic!("{other:?}"),
        };
        return fields(reply[5].clone()).into_iter().map(named).collect();
    }
}

#[test]
fn the_largest_keys_are_known_without_looking_at_all_and_after_a_restart() {
    let mut server = product(&[]);
    let mut client = server.connect().unwrap();
    for at in 0..3000 {
        call(&mut client, &["SET", &format!("small:{at}"), &"x".repeat(at % 100)]);
    }
    let names = |found: &[(String, i64)]| found.iter().map(|(name, _)| name.clone()).collect::<Vec<_>>();
    // Known from the first question on, whatever comes then.
    assert_eq!(largest(&mut client, &[]).len(), 16);
    call(&mut client, &["SET", "large", &"x".repeat(100_000)]);
    long_list(&mut client);
    call(&mut client, &["SELECT", "3"]);
    call(&mut client, &["SET", "larger", &"x".repeat(200_000)]);
    for at in 0..20 {
        call(&mut client, &["SADD", &format!("set:{at:02}"), &"m".repeat(100 + at), "n"]);
    }
    let all = largest(&mut client, &["COUNT", "3"]);
    assert_eq!(names(&all), ["long", "larger", "large"], "{all:?}");
    assert!((200_000..210_000).contains(&all[1].1), "{all:?}");
    let sets = largest(&mut client, &["TYPE", "set", "COUNT", "2"]);
    assert_eq!(names(&sets), ["set:19", "set:18"], "{sets:?}");
    assert_eq!(field(&server, "memory", "flotilla_largest_key_bytes"), all[0].1.to_string());
    for words in [&["DEL", "larger", "set:19"][..], &["SELECT", "0"], &["LTRIM", "long", "0", "0"]] {
        call(&mut client, words);
    }
    let after = largest(&mut client, &[]);
    assert_eq!(names(&after)[0], "large");
    assert_eq!(names(&largest(&mut client, &["TYPE", "set"]))[0], "set:18");
    assert_eq!(names(&largest(&mut client, &["TYPE", "list"])), ["long"]);
    server.stop(resp_tests::server::Stop::Kill).unwrap();
    server.start_again().unwrap();
    server.wait_until_ready().unwrap();
    assert_eq!(field(&server, "memory", "flotilla_largest_keys_known"), "0");
    assert_eq!(largest(&mut server.connect().unwrap(), &[]), after);
}

#[test]
fn redis_cli_finds_hot_keys_by_their_frequency() {
    let server = product(&["--maxmemory-policy", "allkeys-lfu", "--lfu-log-factor", "0"]);
    let mut client = server.connect().unwrap();
    for at in 0..100 {
        call(&mut client, &["SET", &format!("cold:{at}"), "x"]);
    }
    call(&mut client, &["SET", "hot", "x"]);
    for _ in 0..200 {
        call(&mut client, &["GET", "hot"]);
    }
    let mut command = std::process::Command::new("redis-cli");
    let output = command.args(["-p", &server.port.to_string(), "--hotkeys"]).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let first = text.lines().find(|line| line.starts_with("hot key found with counter:")).unwrap_or_default();
    assert!(first.ends_with("hot") || first.contains("\"hot\""), "{text}");
}
