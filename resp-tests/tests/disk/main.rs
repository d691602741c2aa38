//! A disk that is full is no reason to stop: what would grow the data is refused, reads and deletes go on, and with room all
//! writes come back, by themselves.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

mod alone;
mod core;

use resp_tests::connection::Connection;
use resp_tests::dice::Dice;
use resp_tests::server::{Program, Server};
use resp_tests::support::{SMALL, call, error_code, eventually, ok};
use resp_tests::value::Value;

const MIB: u64 = 1 << 20;
const VALUE_BYTES: usize = 100_000;

const DISK_BYTES: u64 = 256 * MIB;
const LOW_BYTES: u64 = 128 * MIB;

fn program() -> Program {
    Program::product().with_disk(DISK_BYTES)
}

fn small() -> Vec<String> {
    let low = LOW_BYTES.to_string();
    let all = [&SMALL[..], &["--disk-low-bytes", &low]].concat();
    all.into_iter().map(str::to_owned).collect()
}

/// Nothing compresses it.
fn value(dice: &mut Dice) -> Vec<u8> {
    (0..VALUE_BYTES / 8).flat_map(|_| dice.roll().to_le_bytes()).collect()
}

fn key(number: u64) -> String {
    format!("key:{number:08}")
}

/// Sets keys from `from` on until one is refused for want of room; how many there are then.
fn fill(node: &mut Connection, dice: &mut Dice, from: u64) -> u64 {
    for number in from.. {
        let reply = call(node, &[b"SET".to_vec(), key(number).into_bytes(), value(dice)]);
        if reply != ok() {
            assert_eq!(error_code(&reply), "OOM", "{reply:?}");
            return number;
        }
        assert!(number * (VALUE_BYTES as u64) < DISK_BYTES, "nothing was ever refused");
    }
    unreachable!()
}

fn is_taken(node: &mut Connection) -> bool {
    call(node, &["SET", "probe", "value"]) == ok()
}

/// What a node whose disk is low does, and does not.
fn assert_low(server: &Server, node: &mut Connection) {
    let is_oom = |reply: Value, what: &str| assert_eq!(error_code(&reply), "OOM", "{what}: {reply:?}");
    is_oom(call(node, &["SET", "new", "value"]), "SET");
    is_oom(call(node, &["INCR", "new"]), "INCR");
    is_oom(call(node, &["RPUSH", "new", "element"]), "RPUSH");
    assert_eq!(call(node, &["EXISTS", "new"]), Value::Integer(0));
    assert!(matches!(call(node, &["GET", &key(1)]), Value::Bulk(value) if value.len() == VALUE_BYTES));
    assert_eq!(call(node, &["EXPIRE", &key(1), "10000"]), Value::Integer(1));
    // A log file that is removed meanwhile may leave room for a moment.
    eventually("growth is refused as it is queued", || {
        assert_eq!(call(node, &["MULTI"]), ok());
        let is_refused = error_code(&call(node, &["SET", "new", "value"])) == "OOM";
        match is_refused {
            true => assert_eq!(error_code(&call(node, &["EXEC"])), "EXECABORT"),
            false => assert_eq!(call(node, &["DISCARD"]), ok()),
        }
        is_refused
    });
    assert_eq!(call(node, &["MULTI"]), ok());
    call(node, &["DEL", &key(0)]);
    call(node, &["GET", &key(1)]);
    assert!(matches!(call(node, &["EXEC"]), Value::Array(replies) if replies.len() == 2));
    scripts_go_on_that_add_nothing(node);
    let (status, text) = server.http("/readyz").unwrap();
    assert!(status == 200 && text.contains("almost full"), "{status} {text}");
}

/// Those that add data, or have flags but not `allow-oom`, are refused.
fn scripts_go_on_that_add_nothing(node: &mut Connection) {
    let mut eval = |body: &str| call(node, &["EVAL", body, "1", "new"]);
    let add = "redis.call('set', KEYS[1], 'v') return redis.call('del', KEYS[1])";
    for refused in [add, &format!("pcall(redis.call, 'set', KEYS[1], 'v') {add}"), &format!("#!lua\n{add}")] {
        // By a trial each time: what is known of a script makes no difference.
        for _ in 0..2 {
            assert_eq!(error_code(&eval(refused)), "OOM", "{refused}");
        }
    }
    assert_eq!(error_code(&eval("#!lua\nreturn redis.call('del', KEYS[1])")), "OOM", "it lacks allow-oom");
    for _ in 0..2 {
        assert_eq!(eval("return redis.call('del', KEYS[1])"), Value::Integer(0));
        assert_eq!(eval("#!lua flags=no-writes\nreturn redis.call('exists', KEYS[1])"), Value::Integer(0));
        assert_eq!(eval(&format!("#!lua flags=allow-oom\n{add}")), Value::Integer(1));
    }
}
