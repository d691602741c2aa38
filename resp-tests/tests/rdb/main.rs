//! RDB against redis-server: payloads of DUMP both ways, files into the product and out of it.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

mod data;
mod killed;
mod migrate;

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use data::{bytes, call, content, contents, difference, fill};
use resp_tests::cluster::Cluster;
use resp_tests::dice::Dice;
use resp_tests::server::{Program, Server, Stop};
use resp_tests::value::Value;

fn product() -> Server {
    Server::start(&Program::product(), &[]).unwrap()
}

fn reference() -> Server {
    Server::start(&Program::reference().unwrap(), &[]).unwrap()
}

/// What `flotilla import` or `export` says.
fn flotilla(words: &[&str]) -> Output {
    Command::new(Program::product().path).args(words).output().unwrap()
}

fn text(output: &Output) -> String {
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    format!("{out}{err}")
}

fn address(server: &Server) -> String {
    format!("127.0.0.1:{}", server.port)
}

/// A redis-server full of keys, and the file that it saved.
fn saved(seed: u64, keys: u64) -> (Server, String) {
    let redis = reference();
    let mut client = redis.connect().unwrap();
    fill(&mut client, seed, keys);
    assert_eq!(call(&mut client, &["SAVE"]), Value::Simple(b"OK".to_vec()));
    let file = redis.data().join("dump.rdb").to_str().unwrap().to_owned();
    (redis, file)
}

fn assert_same(left: &Server, right: &Server) -> usize {
    let left = contents(&mut left.connect().unwrap());
    let right = contents(&mut right.connect().unwrap());
    assert_eq!(left.keys().collect::<Vec<_>>(), right.keys().collect::<Vec<_>>());
    for (key, content) in &left {
        assert_eq!(difference(content, &right[key]), None, "{key:?}");
    }
    left.len()
}

#[test]
fn a_file_of_redis_becomes_the_same_keys_and_its_export_is_loaded_by_redis() {
    let (redis, file) = saved(1, 300);
    let node = product();
    let imported = flotilla(&["import", &file, "--to", &address(&node)]);
    assert!(imported.status.success(), "{}", text(&imported));
    assert!(text(&imported).contains("\nimported: 300\n"), "{}", text(&imported));
    assert_eq!(assert_same(&redis, &node), 300);

    let mut other = reference();
    let exported = other.data().join("dump.rdb");
    let told = flotilla(&["export", exported.to_str().unwrap(), "--from", &address(&node)]);
    assert!(told.status.success(), "{}", text(&told));
    assert!(text(&told).contains("\nkeys: 300\n"), "{}", text(&told));
    other.stop(Stop::Kill).unwrap();
    other.start_again().unwrap();
    assert_eq!(assert_same(&redis, &other), 300);
}

/// Through a node that does not lead, so every write is forwarded, and agreed on before it counts.
#[test]
fn a_file_goes_into_a_core_of_three_through_any_node() {
    let (redis, file) = saved(11, 300);
    let core = Cluster::start(&Program::product(), 3, &[]).unwrap();
    core.wait_until_agreed().unwrap();
    let follower = (core.leader().unwrap() + 1) % 3;
    let imported = flotilla(&["import", &file, "--to", &address(&core.nodes[follower])]);
    assert!(imported.status.success(), "{}", text(&imported));
    assert!(text(&imported).contains("\nimported: 300\n"), "{}", text(&imported));
    for node in &core.nodes {
        assert_eq!(assert_same(&redis, node), 300);
    }
}

#[test]
fn large_values_come_in_pieces_and_are_the_same() {
    let redis = reference();
    let mut client = redis.connect().unwrap();
    let mut dice = Dice::new(7);
    for round in 0..12_u32 {
        for (name, key) in [("RPUSH", "list"), ("SADD", "set"), ("ZADD", "sorted"), ("HSET", "hash")] {
            let mut words: Vec<Vec<u8>> = vec![name.into(), key.into()];
            for number in 0..1000_u32 {
                let element = format!("{round}:{number}:{}", dice.below(1 << 40)).into_bytes();
                match name {
                    "ZADD" => words.extend([dice.below(1 << 50).to_string().into_bytes(), element]),
                    "HSET" => words.extend([element, bytes(&mut dice)]),
                    _ => words.push(element),
                }
            }
            call(&mut client, &words);
        }
        for number in 0..1000 {
            let id = format!("{round}-{}", number + 1);
            call(&mut client, &["XADD", "stream", &id, "number", &number.to_string()]);
        }
    }
    let noise: Vec<u8> = (0..3_000_000).map(|_| dice.below(256) as u8).collect();
    call(&mut client, &[b"SET".to_vec(), b"string".to_vec(), noise]);
    for key in ["list", "stream", "string"] {
        call(&mut client, &["PEXPIREAT", key, "4102444800000"]);
    }
    call(&mut client, &["XDEL", "stream", "5-5", "11-1000"]);
    call(&mut client, &["XGROUP", "CREATE", "stream", "group", "3-3"]);
    call(&mut client, &["XREADGROUP", "GROUP", "group", "reader", "COUNT", "9", "STREAMS", "stream", ">"]);
    call(&mut client, &["SAVE"]);
    let node = product();
    let file = redis.data().join("dump.rdb").to_str().unwrap().to_owned();
    let imported = flotilla(&["import", &file, "--to", &address(&node)]);
    assert!(imported.status.success(), "{}", text(&imported));
    assert_eq!(assert_same(&redis, &node), 6);
}

#[test]
fn payloads_are_restored_both_ways() {
    let (redis, node) = (reference(), product());
    let (mut there, mut here) = (redis.connect().unwrap(), node.connect().unwrap());
    fill(&mut there, 3, 120);
    let original = contents(&mut there);
    for ((db, key), content_there) in &original {
        for client in [&mut there, &mut here] {
            call(client, &["SELECT", db]);
        }
        let payload = call(&mut there, &[b"DUMP".to_vec(), key.clone()]).as_text().unwrap();
        let restore = |key: &[u8], payload: Vec<u8>| {
            vec![b"RESTORE".to_vec(), key.to_vec(), b"0".to_vec(), payload, b"REPLACE".to_vec()]
        };
        assert_eq!(call(&mut here, &restore(key, payload)), Value::Simple(b"OK".to_vec()), "{key:?}");
        // All but the expiry, which is no part of a payload.
        assert_eq!(difference(&content(&mut here, key)[2..], &content_there[2..]), None, "{key:?}");
        let payload = call(&mut here, &[b"DUMP".to_vec(), key.clone()]).as_text().unwrap();
        assert_eq!(call(&mut there, &restore(b"back", payload)), Value::Simple(b"OK".to_vec()), "{key:?}");
        assert_eq!(difference(&content(&mut there, b"back")[2..], &content_there[2..]), None, "{key:?}");
        call(&mut there, &["DEL", "back"]);
    }
}

#[test]
fn damaged_payloads_are_refused_and_the_node_lives() {
    let (redis, node) = (reference(), product());
    let (mut there, mut here) = (redis.connect().unwrap(), node.connect().unwrap());
    fill(&mut there, 4, 18);
    call(&mut there, &["SELECT", "0"]);
    let Value::Array(keys) = call(&mut there, &["KEYS", "*"]) else { panic!() };
    let mut dice = Dice::new(5);
    for key in keys {
        let payload = call(&mut there, &[b"DUMP".to_vec(), key.as_text().unwrap()]).as_text().unwrap();
        for _ in 0..20 {
            let mut bad = payload.clone();
            let at = dice.below(bad.len() as u64) as usize;
            bad[at] ^= 1 << dice.below(8);
            let told = call(&mut here, &[b"RESTORE".to_vec(), b"bad".to_vec(), b"0".to_vec(), bad]);
            assert_eq!(told, Value::Error(b"ERR DUMP payload version or checksum are wrong".to_vec()));
        }
    }
    assert_eq!(call(&mut here, &["DBSIZE"]), Value::Integer(0));
}

#[test]
fn a_dry_run_reads_all_and_asks_no_node() {
    let (_redis, file) = saved(2, 60);
    let told = flotilla(&["import", &file, "--dry-run", "--to", "127.0.0.1:1"]);
    assert!(told.status.success(), "{}", text(&told));
    let told = text(&told);
    for line in
        ["keys: 60", "RDB version 10, checksum right", "  string: 10 with 10 elements", "  stream: 10 with "]
    {
        assert!(told.contains(line), "{line} in\n{told}");
    }
}

#[test]
fn keys_that_are_there_are_left_alone_or_replaced_as_asked() {
    let (redis, file) = saved(6, 30);
    let node = product();
    let to = address(&node);
    let mut client = node.connect().unwrap();
    let Value::Array(keys) = call(&mut redis.connect().unwrap(), &["KEYS", "*"]) else { panic!() };
    let taken = keys[0].as_text().unwrap();
    call(&mut client, &[b"SET".to_vec(), taken.clone(), b"mine".to_vec()]);
    let told = flotilla(&["import", &file, "--to", &to]);
    assert_eq!(told.status.code(), Some(1), "{}", text(&told));
    assert!(text(&told).contains("\nimported: 29\nexisted already and stayed: 1\n"), "{}", text(&told));
    assert_eq!(call(&mut client, &[b"GET".to_vec(), taken]), Value::Bulk(b"mine".to_vec()));
    let told = flotilla(&["import", &file, "--to", &to, "--replace"]);
    assert!(told.status.success(), "{}", text(&told));
    assert_eq!(assert_same(&redis, &node), 30);
}

#[test]
fn a_broken_file_is_an_error_that_says_where() {
    let (_redis, file) = saved(8, 60);
    let whole = fs::read(&file).unwrap();
    let broken = Path::new(&file).with_file_name("broken.rdb");
    let broken_name = broken.to_str().unwrap();
    fs::write(&broken, &whole[..whole.len() / 2]).unwrap();
    let told = flotilla(&["import", broken_name, "--dry-run"]);
    assert_eq!(told.status.code(), Some(2));
    assert!(text(&told).contains("the data ends here"), "{}", text(&told));
    let mut other = whole.clone();
    let at = other.len() - 1;
    other[at] ^= 1;
    fs::write(&broken, other).unwrap();
    let told = flotilla(&["import", broken_name, "--dry-run"]);
    assert!(text(&told).contains("checksum"), "{}", text(&told));
    fs::write(&broken, "something else").unwrap();
    assert!(text(&flotilla(&["import", broken_name, "--dry-run"])).contains("not an RDB file"));
    let told = flotilla(&["import", &file, "--to", "127.0.0.1:1"]);
    assert_eq!(told.status.code(), Some(2));
    assert!(text(&told).contains("127.0.0.1:1"), "{}", text(&told));
}
