//! Scripts in apply: what they write, what is kept of them, and that every replica sees the same.

use super::support::{Home, commands, entry};
use crate::{
    feature_level,
    limits::{SCRIPTS_BYTES_MAX, SCRIPTS_MAX, SYSTEM_DATABASE},
    replica::{Raise, Replica},
    resp::Reply,
    store::{Store, StoreOptions},
};
use std::sync::Arc;

fn eval(home: &Home, body: &str) -> Reply {
    home.call(1, 0, &[b"EVAL", body.as_bytes(), b"0"])
}

fn error(reply: &Reply) -> String {
    match reply {
        Reply::Error(error) => error.to_string(),
        other => panic!("no error: {other:?}"),
    }
}

fn sum(home: &Home) -> (u64, u32) {
    (home.store.published().state().sum(), home.store.checksum().unwrap())
}

#[test]
fn a_failed_call_is_undone_alone_and_an_error_of_the_script_keeps_the_rest() {
    let home = Home::new(1 << 20);
    let body = "redis.call('set', 'a', '1') redis.pcall('mset', 'b', '1', 'c') redis.call('lpush', 'a', 'x')";
    assert!(error(&eval(&home, body)).starts_with("WRONGTYPE"));
    assert_eq!(home.call(1, 0, &[b"MGET", b"a", b"b"]), Reply::Array(vec![Reply::bulk("1"), Reply::Nil]));
}

#[test]
fn a_script_without_end_changes_nothing_and_catches_nothing() {
    let home = Home::new(1 << 20);
    for body in [
        "redis.call('set', 'k', 'v') while true do end",
        "redis.call('set', 'k', 'v') while true do pcall(function() while true do end end) end",
        "redis.call('set', 'k', 'v') local t = {} while true do t[#t + 1] = {} end",
        "redis.call('set', 'k', 'v') local s = 'x' while true do s = s .. s end",
    ] {
        let before = home.keys(SYSTEM_DATABASE);
        error(&eval(&home, body));
        assert_eq!((home.keys(0), home.keys(SYSTEM_DATABASE)), (0, before), "{body}");
    }
}

#[test]
fn scripts_of_one_exec_share_their_instructions() {
    let home = Home::new(1 << 20);
    let body = "for i = 1, tonumber(ARGV[1]) do end return 1";
    let count = (crate::limits::SCRIPT_INSTRUCTIONS_MAX / 5).to_string();
    let call: &[&[u8]] = &[b"EVAL", body.as_bytes(), b"0", count.as_bytes()];
    let mut builder = crate::replica::ProposalBuilder::transaction(&[]);
    (0..8).for_each(|_| builder.push(0, call));
    let Reply::Array(replies) = home.next(1, builder.finish()) else { panic!() };
    let failed = replies.iter().filter(|reply| matches!(reply, Reply::Error(_))).count();
    assert!(failed > 0 && failed < 8, "{replies:?}");
    // Another call has its own.
    assert!(!matches!(home.call(1, 0, call), Reply::Error(_)));
}

#[test]
fn scripts_of_eval_are_kept_up_to_a_bound_and_those_in_use_stay() {
    let home = Home::new(1 << 20);
    let body = |n: u64| format!("return {n}");
    let sha1 = |n: u64| crate::script::sha1_hex(body(n).as_bytes());
    let loaded = home.call(1, 0, &[b"SCRIPT", b"LOAD", b"return 'loaded'"]);
    assert!(matches!(loaded, Reply::Bulk(_)));
    for n in 0..2 * SCRIPTS_MAX {
        eval(&home, &body(n));
        // In use: it is never among the oldest.
        assert_eq!(home.call(1, 0, &[b"EVALSHA", &sha1(0), b"0"]), Reply::Int(0), "after {n}");
    }
    // The scripts, their order, the loaded one and the totals.
    assert_eq!(home.keys(SYSTEM_DATABASE), 2 * SCRIPTS_MAX + 2);
    let missing = error(&home.call(1, 0, &[b"EVALSHA", &sha1(1), b"0"]));
    assert_eq!(missing, "NOSCRIPT No matching script. Please use EVAL.");
    let large = format!("return 'large' --{}", "x".repeat(SCRIPTS_BYTES_MAX as usize / 32));
    assert_eq!(eval(&home, &large), Reply::bulk("large"));
    assert_eq!(home.keys(SYSTEM_DATABASE), 2 * SCRIPTS_MAX + 2, "too large to be kept");
    home.call(1, 0, &[b"FLUSHALL"]);
    assert_eq!(home.keys(SYSTEM_DATABASE), 2 * SCRIPTS_MAX + 2, "no keys of clients");
    home.call(1, 0, &[b"SCRIPT", b"FLUSH"]);
    assert_eq!(home.keys(SYSTEM_DATABASE), 1, "the totals");
    sum(&home);
}

#[test]
fn what_random_calls_give_a_script_is_the_same_where_nobody_waits() {
    let homes = [Home::new(1 << 20), Home::new(0)];
    let bodies = [
        "for i = 1, 300 do redis.call('sadd', 's', i) redis.call('hset', 'h', i, i) redis.call('zadd', 'z', i, i) end",
        "redis.call('set', 'a', redis.call('srandmember', 's'))",
        "redis.call('rpush', 'b', unpack(redis.call('srandmember', 's', -10)))",
        "redis.call('rpush', 'c', unpack(redis.call('hrandfield', 'h', 10)))",
        "redis.call('rpush', 'd', unpack(redis.call('zrandmember', 'z', 10)))",
        "redis.call('set', 'e', redis.call('randomkey'))",
        "redis.call('set', 'f', redis.call('scan', 0, 'count', 3)[1])",
        "redis.call('set', 'g', redis.call('sscan', 's', 0)[1])",
        "redis.call('set', 'i', tostring(math.random()))",
        "redis.call('set', 'j', redis.call('spop', 's'))",
        "redis.call('set', 'k', redis.call('time')[1])",
        "redis.call('set', 'l', redis.call('object', 'idletime', 's'))",
        "redis.call('set', 'm', redis.call('getset', 'long', string.rep('x', 100000)) and 1 or 0)",
        "redis.call('set', 'n', #redis.call('getset', 'long', 'short'))",
    ];
    for (index, body) in (1..).zip(bodies) {
        let payload = entry(index * 1000, index, &[commands(&[(0, &[b"EVAL", body.as_bytes(), b"0"])])]);
        let replies = homes[0].apply(&[(index, payload.clone())]);
        assert!(!matches!(replies[0][0][0], Reply::Error(_)), "{body}: {replies:?}");
        let mut txn = homes[1].replica.begin();
        txn.want_replies(false);
        homes[1].replica.apply_unawaited(&mut txn, super::support::position(index), &payload).unwrap();
        txn.commit().unwrap();
        assert_eq!(sum(&homes[0]), sum(&homes[1]), "after {body}");
    }
    assert_eq!(homes[0].call(20_000, 0, &[b"GET", b"n"]), Reply::bulk("100000"));
}

#[test]
fn below_their_level_scripts_are_refused_and_what_is_stored_is_as_before() {
    let directory = tempfile::tempdir().unwrap();
    let store = Arc::new(Store::open(&directory.path().join("store"), StoreOptions::default()).unwrap());
    let replica = Replica::new(Arc::clone(&store), crate::commands::table());
    let apply = |index: u64, payload: &[u8]| {
        let mut txn = replica.begin();
        let replies = replica.apply(&mut txn, super::support::position(index), payload).unwrap();
        txn.commit().unwrap();
        replies
    };
    apply(1, &Raise::to(feature_level::SUMS).encode());
    let call = |words: &[&[u8]]| entry(1, 1, &[commands(&[(0, words)])]);
    let refused = apply(2, &call(&[b"EVAL", b"return 1", b"0"]));
    assert!(error(&refused[0][0]).contains("eval needs feature level 5"), "{refused:?}");
    assert_eq!(store.published().state().encode()[0], 2, "the version that builds of level 4 read");
    apply(3, &Raise::to(feature_level::SCRIPTS).encode());
    assert_eq!(apply(4, &call(&[b"EVAL", b"return 1", b"0"])), [[Reply::Int(1)]]);
    store.checksum().unwrap();
}
