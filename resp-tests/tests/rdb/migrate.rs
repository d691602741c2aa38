//! MIGRATE: to redis-server and from it, the texts of both, and what becomes of a key that changes while it is on its way.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::thread;

use resp_tests::cluster::Cluster;
use resp_tests::connection::Connection;
use resp_tests::server::{Program, Server};
use resp_tests::support::{bulk, ok};
use resp_tests::value::Value;

use super::data::{call, contents, difference, fill};

const KEYS: usize = 60;
const ALLOWED: [&str; 2] = ["--enable-migrate-command", "yes"];

fn product(args: &[&str]) -> Server {
    let args: Vec<String> = ALLOWED.iter().chain(args).map(|word| (*word).to_owned()).collect();
    Server::start(&Program::product(), &args).unwrap()
}

fn reference(args: &[&str]) -> Server {
    let args: Vec<String> = args.iter().map(|word| (*word).to_owned()).collect();
    Server::start(&Program::reference().unwrap(), &args).unwrap()
}

fn words(line: &str, port: u16) -> Vec<String> {
    line.split(' ').map(|word| word.replace("PORT", &port.to_string()).replace('_', "")).collect()
}

fn error(text: &str) -> Value {
    Value::Error(text.as_bytes().to_vec())
}

/// All keys of databases 0 and 9, as one call of each.
fn move_all(from: &Server, to: &Server, options: &[&str]) -> usize {
    let (mut client, port) = (from.connect().unwrap(), to.port.to_string());
    let mut moved = 0;
    for db in ["0", "9"] {
        call(&mut client, &["SELECT", db]);
        let Value::Array(keys) = call(&mut client, &["KEYS", "*"]) else { panic!("KEYS") };
        moved += keys.len();
        let mut order: Vec<Vec<u8>> = ["MIGRATE", "127.0.0.1", &port, "", db, "60000"]
            .iter()
            .map(|word| word.as_bytes().to_vec())
            .collect();
        order.extend(options.iter().map(|word| word.as_bytes().to_vec()));
        order.push(b"KEYS".to_vec());
        order.extend(keys.iter().map(|key| key.as_text().unwrap()));
        assert_eq!(call(&mut client, &order), ok());
    }
    moved
}

/// MIGRATE says how long a key has left, so what the way takes is added.
fn is_drift(difference: &str) -> bool {
    let times: Vec<i64> =
        difference.split(|c: char| !c.is_ascii_digit()).filter_map(|word| word.parse().ok()).collect();
    matches!(times[..], [a, b] if a > 1_000_000_000_000 && a.abs_diff(b) < 60_000)
}

#[test]
fn keys_of_every_type_move_to_redis_and_back_with_their_expiry() {
    let (node, redis) = (product(&[]), reference(&[]));
    fill(&mut redis.connect().unwrap(), 3, KEYS as u64);
    let before = contents(&mut redis.connect().unwrap());
    assert_eq!(before.len(), KEYS);
    for (from, to, options) in
        [(&redis, &node, &[][..]), (&node, &redis, &[][..]), (&redis, &node, &["COPY"][..])]
    {
        assert_eq!(move_all(from, to, options), KEYS);
        let left = contents(&mut from.connect().unwrap());
        assert_eq!(left.len(), if options.is_empty() { 0 } else { KEYS });
        let there = contents(&mut to.connect().unwrap());
        assert_eq!(before.keys().collect::<Vec<_>>(), there.keys().collect::<Vec<_>>());
        for (key, content) in &before {
            let found = difference(content, &there[key]);
            assert!(found.as_deref().is_none_or(is_drift), "{key:?}: {found:?}");
        }
    }
    assert_eq!(move_all(&node, &redis, &["REPLACE", "COPY"]), KEYS);
    let mut client = node.connect().unwrap();
    call(&mut client, &["SET", "soon", "v", "PX", "100000"]);
    let port = redis.port.to_string();
    let order = ["MIGRATE", "127.0.0.1", &port, "soon", "5", "1000"];
    assert_eq!(call(&mut client, &order), ok());
    let mut there = redis.connect().unwrap();
    call(&mut there, &["SELECT", "5"]);
    let Value::Integer(left_ms) = call(&mut there, &["PTTL", "soon"]) else { panic!("PTTL") };
    assert!((60_000..=100_000).contains(&left_ms), "{left_ms}");
}

#[test]
fn a_large_value_moves_in_pieces() {
    let (node, redis) = (product(&[]), reference(&[]));
    let noise: Vec<u8> = (0..5_000_000_u32).map(|at| (at.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
    let mut client = node.connect().unwrap();
    call(&mut client, &[b"SET", &b"k"[..], &noise]);
    let port = redis.port.to_string();
    assert_eq!(call(&mut client, &["MIGRATE", "127.0.0.1", &port, "k", "0", "60000"]), ok());
    assert_eq!(call(&mut client, &["EXISTS", "k"]), Value::Integer(0));
    assert_eq!(call(&mut redis.connect().unwrap(), &["GET", "k"]), Value::Bulk(noise));
}

#[test]
fn replies_are_those_of_redis() {
    let (node, redis, target) = (product(&[]), reference(&[]), reference(&["--requirepass", "secret"]));
    call(&mut authenticated(&target, &["secret"]), &["SET", "busy", "v"]);
    for (line, expected) in [
        ("MIGRATE 127.0.0.1 PORT k 0", "ERR wrong number of arguments for 'migrate' command"),
        ("MIGRATE 127.0.0.1 PORT absent 0 1000", "+NOKEY"),
        ("MIGRATE 127.0.0.1 1 _ 0 1000 KEYS absent gone", "+NOKEY"),
        ("MIGRATE 127.0.0.1 1 _ 0 1000 KEYS", "+NOKEY"),
        ("MIGRATE 127.0.0.1 PORT k 0 1000 COPIES", "ERR syntax error"),
        ("MIGRATE 127.0.0.1 PORT k 0 1000 AUTH", "ERR syntax error"),
        ("MIGRATE 127.0.0.1 PORT k 0 1000 AUTH2 default", "ERR syntax error"),
        (
            "MIGRATE 127.0.0.1 PORT k 0 1000 KEYS k",
            "ERR When using MIGRATE KEYS option, the key argument must be set to the empty string",
        ),
        ("MIGRATE 127.0.0.1 PORT k zero 1000", "ERR value is not an integer or out of range"),
        ("MIGRATE 127.0.0.1 PORT k 0 soon", "ERR value is not an integer or out of range"),
        ("MIGRATE 127.0.0.1 1 k 0 1000", "IOERR error or timeout writing to target instance"),
        (
            "MIGRATE 127.0.0.1 PORT k 0 1000",
            "ERR Target instance replied with error: NOAUTH Authentication required.",
        ),
        (
            "MIGRATE 127.0.0.1 PORT k 0 1000 AUTH wrong",
            "ERR Target instance replied with error: WRONGPASS invalid username-password pair or user is disabled.",
        ),
        (
            "MIGRATE 127.0.0.1 PORT k 99 1000 AUTH secret",
            "ERR Target instance replied with error: ERR DB index is out of range",
        ),
        (
            "MIGRATE 127.0.0.1 PORT busy 0 1000 AUTH secret",
            "ERR Target instance replied with error: BUSYKEY Target key name already exists.",
        ),
        // The others move all the same.
        (
            "MIGRATE 127.0.0.1 PORT _ 0 1000 AUTH2 default secret KEYS busy k absent",
            "ERR Target instance replied with error: BUSYKEY Target key name already exists.",
        ),
        ("EXISTS busy k", ":1"),
        ("MIGRATE 127.0.0.1 PORT busy 0 -1 replace copy auth secret", "+OK"),
        ("MIGRATE 127.0.0.1 PORT busy 0 0 REPLACE AUTH secret", "+OK"),
        ("EXISTS busy", ":0"),
    ] {
        let expected = match expected.split_at(1) {
            ("+", text) => Value::Simple(text.as_bytes().to_vec()),
            (":", number) => Value::Integer(number.parse().unwrap()),
            _ => error(expected),
        };
        for (name, server) in [("redis", &redis), ("node", &node)] {
            let mut client = server.connect().unwrap();
            if line.contains("zero") {
                call(&mut client, &["MSET", "k", "v", "busy", "v"]);
                call(&mut authenticated(&target, &["secret"]), &["DEL", "k"]);
            }
            if line.contains("KEYS busy k") {
                call(&mut authenticated(&target, &["secret"]), &["DEL", "k"]);
            }
            assert_eq!(call(&mut client, &words(line, target.port)), expected, "{name}: {line}");
        }
    }
}

fn authenticated(server: &Server, login: &[&str]) -> Connection {
    let mut client = server.connect().unwrap();
    assert_eq!(call(&mut client, &[&["AUTH"], login].concat()), ok());
    client
}

#[test]
fn redis_moves_keys_here_as_a_user_of_this_server() {
    let (node, redis) = (product(&[]), reference(&[]));
    let mut here = node.connect().unwrap();
    let rules = ["ACL", "SETUSER", "mover", "on", ">secret", "~m:*", "+restore", "+select"];
    assert_eq!(call(&mut here, &rules), ok());
    let mut there = redis.connect().unwrap();
    call(&mut there, &["MSET", "m:1", "v", "n:1", "v"]);
    let line = "MIGRATE 127.0.0.1 PORT _ 3 1000 AUTH2 mover secret KEYS m:1 n:1";
    let refused = "ERR Target instance replied with error: NOPERM No permissions to access a key";
    assert_eq!(call(&mut there, &words(line, node.port)), error(refused));
    call(&mut here, &["SELECT", "3"]);
    assert_eq!(call(&mut here, &["MGET", "m:1", "n:1"]), Value::Array(vec![bulk("v"), Value::NilBulk]));
    assert_eq!(call(&mut there, &["KEYS", "*"]), Value::Array(vec![bulk("n:1")]));
}

#[test]
fn a_user_needs_the_command_and_its_keys() {
    let node = product(&[]);
    let mut client = node.connect().unwrap();
    let rules = ["ACL", "SETUSER", "u", "on", "nopass", "~a*", "%R~r*", "+@all", "-@dangerous"];
    assert_eq!(call(&mut client, &rules), ok());
    let mut may = |line: &str| {
        let line = format!("ACL DRYRUN u {line}");
        call(&mut client, &words(&line, 1)) == ok()
    };
    assert!(!may("MIGRATE h PORT a 0 1"));
    assert_eq!(call(&mut node.connect().unwrap(), &["ACL", "SETUSER", "u", "+migrate"]), ok());
    assert!(may("MIGRATE h PORT a 0 1") && may("MIGRATE h PORT _ 0 1 AUTH KEYS KEYS a aa"));
    assert!(!may("MIGRATE h PORT b 0 1") && !may("MIGRATE h PORT r 0 1 COPY"));
    assert!(!may("MIGRATE h PORT _ 0 1 KEYS a b") && !may("MIGRATE h PORT _ 0 1"));
}

/// A server that answers a call with a line that the test gives, once the test has done what it does then.
struct Pretender {
    listener: TcpListener,
}

impl Pretender {
    fn new() -> Self {
        Pretender { listener: TcpListener::bind("127.0.0.1:0").unwrap() }
    }

    fn port(&self) -> u16 {
        self.listener.local_addr().unwrap().port()
    }

    /// Sends the call from a thread of its own, hands each call of RESTORE to `answer`, and returns the reply.
    fn while_moving(
        &self,
        mut client: Connection,
        line: &str,
        mut answer: impl FnMut(usize, &[Vec<u8>]) -> &'static str,
    ) -> Value {
        let order = words(line, self.port());
        let moving = thread::spawn(move || call(&mut client, &order));
        let (stream, _) = self.listener.accept().unwrap();
        let mut reader = BufReader::new(stream);
        let mut number = 0;
        while let Some(words) = read_call(&mut reader) {
            let line = match words[0].as_slice() {
                b"SELECT" => "+OK\r\n",
                _ => {
                    number += 1;
                    answer(number, &words)
                }
            };
            reader.get_mut().write_all(line.as_bytes()).unwrap();
        }
        moving.join().unwrap()
    }
}

/// The number behind a mark.
fn header(reader: &mut BufReader<TcpStream>, mark: char) -> Option<usize> {
    let mut line = String::new();
    reader.read_line(&mut line).ok()?;
    line.trim_end().strip_prefix(mark)?.parse().ok()
}

fn read_call(reader: &mut BufReader<TcpStream>) -> Option<Vec<Vec<u8>>> {
    let mut words = Vec::new();
    for _ in 0..header(reader, '*')? {
        let mut word = vec![0; header(reader, '$')? + 2];
        reader.read_exact(&mut word).ok()?;
        word.truncate(word.len() - 2);
        words.push(word);
    }
    Some(words)
}

#[test]
fn a_key_that_changes_on_its_way_is_sent_again_or_stays() {
    let node = product(&[]);
    let mut other = node.connect().unwrap();
    let pretender = Pretender::new();
    call(&mut other, &["RPUSH", "k", "0"]);
    let mut seen = Vec::new();
    let reply = pretender.while_moving(
        node.connect().unwrap(),
        "MIGRATE 127.0.0.1 PORT k 0 5000",
        |number, words| {
            seen.push((words.len(), words.last().cloned().unwrap()));
            if number == 1 {
                call(&mut other, &["RPUSH", "k", "1"]);
            }
            "+OK\r\n"
        },
    );
    assert_eq!(reply, ok());
    assert_eq!((seen.len(), seen[0].0, seen[1].0), (2, 4, 5));
    assert_eq!(seen[1].1, b"REPLACE");
    assert_eq!(call(&mut other, &["EXISTS", "k"]), Value::Integer(0));

    call(&mut other, &["RPUSH", "k", "0"]);
    let mut sent = 0;
    let reply =
        pretender.while_moving(node.connect().unwrap(), "MIGRATE 127.0.0.1 PORT k 0 5000", |number, _| {
            call(&mut other, &["RPUSH", "k", &number.to_string()]);
            sent = number;
            "+OK\r\n"
        });
    let text = "ERR the key kept changing while it was moved; it is still here, and the target instance has what it was";
    assert_eq!((reply, sent), (error(text), 3));
    assert_eq!(call(&mut other, &["LLEN", "k"]), Value::Integer(4));

    let reply = pretender.while_moving(node.connect().unwrap(), "MIGRATE 127.0.0.1 PORT k 0 5000", |_, _| {
        call(&mut other, &["DEL", "k"]);
        "+OK\r\n"
    });
    assert_eq!(reply, error("ERR the key was deleted while it was moved; the target instance has it"));
}

/// Nothing is deleted for an answer that is none.
#[test]
fn a_target_that_says_nothing_or_something_else_gets_no_key() {
    let node = product(&[]);
    let mut other = node.connect().unwrap();
    call(&mut other, &["SET", "k", "v"]);
    let pretender = Pretender::new();
    for line in ["HTTP/1.1 200 OK\r\n", ":1\r\n", "\r\n", "+OK\n", ""] {
        let reply =
            pretender.while_moving(node.connect().unwrap(), "MIGRATE 127.0.0.1 PORT k 0 300", |_, _| line);
        assert_eq!(reply, error("IOERR error or timeout reading to target instance"), "{line:?}");
        assert_eq!(call(&mut other, &["GET", "k"]), bulk("v"), "{line:?}");
    }
}

#[test]
fn any_node_of_a_core_moves_keys() {
    let core = Cluster::start(&Program::product(), 3, &ALLOWED).unwrap();
    core.wait_until_agreed().unwrap();
    let redis = reference(&[]);
    let leader = core.leader().unwrap();
    for (number, node) in core.nodes.iter().enumerate() {
        let key = format!("k{number}");
        let mut client = core.nodes[leader].connect().unwrap();
        call(&mut client, &["SADD", &key, "a", "b"]);
        let mut client = node.connect().unwrap();
        let port = redis.port.to_string();
        assert_eq!(call(&mut client, &["MIGRATE", "127.0.0.1", &port, &key, "0", "5000"]), ok());
        assert_eq!(call(&mut client, &["EXISTS", &key]), Value::Integer(0));
        assert_eq!(call(&mut redis.connect().unwrap(), &["SCARD", &key]), Value::Integer(2));
    }
}
