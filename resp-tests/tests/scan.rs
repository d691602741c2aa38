//! What a whole SCAN promises: a key that is there from its start to its end is returned, whatever happens meanwhile.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

use std::collections::BTreeMap;

use resp_tests::connection::{Connection, Received};
use resp_tests::server::{Program, Server};
use resp_tests::support::call;
use resp_tests::value::{Value, encode};

const KEYS: usize = 3000;

#[test]
fn every_key_is_returned_with_any_count() {
    let (_server, mut connection) = filled();
    for count in ["1", "7", "100", "100000"] {
        let seen = scan(&mut connection, &["COUNT", count], |_, _| {});
        assert_eq!(seen.len(), KEYS, "COUNT {count}");
    }
}

#[test]
fn a_pattern_returns_all_its_matches_and_nothing_else() {
    let (_server, mut connection) = filled();
    let seen = scan(&mut connection, &["MATCH", "key:1*", "COUNT", "50"], |_, _| {});
    let expected = (0..KEYS).filter(|index| index.to_string().starts_with('1')).count();
    assert_eq!(seen.len(), expected);
    assert!(seen.keys().all(|key| key.starts_with(b"key:1")));
    assert_eq!(scan(&mut connection, &["MATCH", "none:*"], |_, _| {}).len(), 0);
    assert_eq!(scan(&mut connection, &["MATCH", "*:2999"], |_, _| {}).len(), 1);
}

#[test]
fn keys_that_stay_are_returned_while_others_come_and_go() {
    let (server, mut connection) = filled();
    let mut other = server.connect().unwrap();
    let seen = scan(&mut connection, &["COUNT", "20"], |round, page| {
        // Even keys go, sometimes just after they were seen; new keys come before, between and behind.
        let gone = (2 * (round * 13 % (KEYS / 2))).to_string();
        call(&mut other, &["DEL", &format!("key:{gone}")]);
        call(&mut other, &["SET", &format!("a:new:{round}"), "v"]);
        call(&mut other, &["SET", &format!("key:{round}:new"), "v"]);
        call(&mut other, &["SET", &format!("z:new:{round}"), "v"]);
        if let Some(seen) = page.first().filter(|key| is_even(key)) {
            call(&mut other, &["DEL", &String::from_utf8_lossy(seen)]);
        }
    });
    for index in (1..KEYS).step_by(2) {
        assert!(seen.contains_key(format!("key:{index}").as_bytes()), "key:{index} was there all the time");
    }
}

#[test]
fn two_scans_at_once_do_not_disturb_each_other() {
    let (_server, mut connection) = filled();
    let first = call(&mut connection, &["SCAN", "0", "COUNT", "10"]);
    let whole = scan(&mut connection, &["COUNT", "33"], |_, _| {});
    assert_eq!(whole.len(), KEYS);
    let (mut cursor, mut seen) = page(&first);
    while cursor != "0" {
        let (next, keys) = page(&call(&mut connection, &["SCAN", &cursor, "COUNT", "500"]));
        seen.extend(keys);
        cursor = next;
    }
    seen.sort();
    seen.dedup();
    assert_eq!(seen.len(), KEYS);
}

fn filled() -> (Server, Connection) {
    let server = Server::start(&Program::product(), &[]).unwrap();
    let mut connection = server.connect().unwrap();
    let sets: Vec<u8> = (0..KEYS).flat_map(|index| encode(&["SET", &format!("key:{index}"), "v"])).collect();
    connection.send_raw(&sets).unwrap();
    for _ in 0..KEYS {
        assert_eq!(connection.receive().unwrap(), Received::Reply(Value::Simple(b"OK".to_vec())));
    }
    (server, connection)
}

fn is_even(key: &[u8]) -> bool {
    key.starts_with(b"key:") && key.last().is_some_and(|digit| digit.is_ascii_digit() && digit % 2 == 0)
}

/// A whole SCAN: how often each key was returned. `between` runs after each page.
fn scan(
    connection: &mut Connection,
    options: &[&str],
    mut between: impl FnMut(usize, &[Vec<u8>]),
) -> BTreeMap<Vec<u8>, usize> {
    let mut seen = BTreeMap::new();
    let mut cursor = "0".to_owned();
    for round in 0.. {
        assert!(round < KEYS * 10, "the scan does not end");
        let argv = [&["SCAN", cursor.as_str()], options].concat();
        let (next, keys) = page(&call(connection, &argv));
        between(round, &keys);
        for key in keys {
            *seen.entry(key).or_default() += 1;
        }
        if next == "0" {
            break;
        }
        cursor = next;
    }
    seen
}

fn page(reply: &Value) -> (String, Vec<Vec<u8>>) {
    let Value::Array(parts) = reply else { panic!("{reply:?}") };
    let [Value::Bulk(cursor), Value::Array(keys)] = parts.as_slice() else { panic!("{reply:?}") };
    let cursor = String::from_utf8(cursor.clone()).unwrap();
    assert!(cursor.parse::<u64>().is_ok(), "clients read cursors as 64-bit numbers: {cursor}");
    (cursor, keys.iter().filter_map(Value::as_text).collect())
}
