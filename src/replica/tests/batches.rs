//! Random entries on two replicas that have nothing in common but the entries.
//!
//! One applies each entry by itself, caches nothing and never restarts. The other cuts batches at random, has a small
//! cache, flushes, compacts, crashes and begins again after the last entry that survived.

use super::support::{Entry, Home, entry, position};
use crate::{
    replica::ProposalBuilder,
    resp::Reply,
    store::{Condition, LogPosition},
};
use bytes::Bytes;
use resp_tests::dice::Dice;
use std::fmt::Write as _;

const ENTRIES: u64 = 300;

/// Writes, and reads that answer alike whatever was asked before. `K` is some key, `N` a number, `T` a time in ms.
const CALLS: [&str; 93] = [
    "SET K N",
    "SET K N PX N",
    "SET K N PXAT T",
    "SET K v KEEPTTL GET",
    "SET K N NX",
    "SET K N XX EX 1",
    "SET K 7 IFEQ N",
    "SETNX K v",
    "SETEX K N v",
    "PSETEX K N v",
    "GETSET K N",
    "GETDEL K",
    "GETEX K PX N",
    "GETEX K PERSIST",
    "APPEND K N",
    "SETRANGE K N vvv",
    "INCR K",
    "DECRBY K N",
    "INCRBYFLOAT K 0.1",
    "MSET K N K N K v",
    "MSETNX K N K N",
    "MSETEX 2 K v K N PX N",
    "DELIFEQ K N",
    "DEL K K",
    "UNLINK K",
    "PEXPIRE K N",
    "EXPIRE K 1 GT",
    "PEXPIREAT K T",
    "PEXPIRE K -1",
    "PERSIST K",
    "COPY K K",
    "COPY K K DB 1 REPLACE",
    "MOVE K 1",
    "RENAME K K",
    "RENAMENX K K",
    "SWAPDB 0 1",
    "GET K",
    "MGET K K",
    "KEYS *",
    "PTTL K",
    "DBSIZE",
    "EXISTS K K",
    "STRLEN K",
    "SET K",
    "HSET K N v f N",
    "HSET K a 1 b 2 c 3",
    "HDEL K N f",
    "HINCRBY K f N",
    "HPEXPIRE K N FIELDS 2 f b",
    "HPEXPIREAT K T LT FIELDS 3 a b c",
    "HPERSIST K FIELDS 1 f",
    "HSETEX K FNX PX N FIELDS 2 f N N v",
    "HGETEX K PX N FIELDS 1 a",
    "HGETDEL K FIELDS 1 N",
    "HGETALL K",
    "HLEN K",
    "HPTTL K FIELDS 2 a f",
    "SETRANGE K 70000 v",
    "SETBIT K 700000 1",
    "SETRANGE K 33000 N",
    "BITOP OR K K K",
    "PFADD K a N",
    "LPUSH K a N b",
    "RPUSH K N N N",
    "LPOP K 2",
    "RPOP K",
    "LSET K 1 N",
    "LINSERT K BEFORE N v",
    "LREM K 1 N",
    "LTRIM K 1 -2",
    "LMOVE K K LEFT RIGHT",
    "LRANGE K 0 -1",
    "SADD K N a b",
    "SADD K N N N N N",
    "SREM K N a",
    "SPOP K 2",
    "SMOVE K K N",
    "SUNIONSTORE K K K",
    "SDIFFSTORE K K K",
    "SMEMBERS K",
    "ZADD K N a N b N N",
    "ZADD K GT N a",
    "ZINCRBY K N a",
    "ZREM K a N",
    "ZPOPMIN K 2",
    "ZREMRANGEBYSCORE K N +inf",
    "ZUNIONSTORE K 2 K K",
    "ZRANGE K 0 -1 WITHSCORES",
    "XADD K MAXLEN 5 1-* f N",
    "XDEL K 1-1 1-3",
    "XGROUP CREATE K g 0 MKSTREAM",
    "XREADGROUP GROUP g c COUNT 2 STREAMS K >",
    "XACK K g 1-0 1-1 1-2",
];
const RARE: [&str; 2] = ["FLUSHDB", "FLUSHALL"];

/// Clocks of leaders: mostly forward, at times far, at times back.
fn tick(dice: &mut Dice, at: u64) -> u64 {
    match dice.below(10) {
        0 => at + dice.below(3000),
        1 => at.saturating_sub(dice.below(50)),
        _ => at + dice.below(20),
    }
}

fn words(dice: &mut Dice, at: u64) -> Vec<Vec<u8>> {
    let call = if dice.below(60) == 0 {
        RARE[dice.below(2) as usize]
    } else {
        CALLS[dice.below(CALLS.len() as u64) as usize]
    };
    call.split(' ')
        .map(|word| match word {
            "K" => key(dice),
            "N" => dice.below(100).to_string().into_bytes(),
            "T" => (at + dice.below(200)).to_string().into_bytes(),
            word => word.into(),
        })
        .collect()
}

/// Few keys, so that lives overlap; with bytes that separators and terminators are made of.
fn key(dice: &mut Dice) -> Vec<u8> {
    [&b""[..], b"\0", b"\0\0", b"\xff", b"\xff\xff", b"a", b"a\0", b"a\xff", b"ab", &[b'l'; 40]]
        [dice.below(10) as usize]
        .to_vec()
}

fn proposal(dice: &mut Dice, at: u64, index: u64) -> Bytes {
    if dice.below(8) == 0 {
        return ProposalBuilder::sweep(1 + dice.below(4) as u32);
    }
    let mut builder = match dice.below(4) {
        0 => ProposalBuilder::transaction(&[]),
        1 => {
            let revision = (dice.below(3) == 0)
                .then(|| LogPosition { index: dice.below(index + 1), ordinal: dice.below(3) as u32 });
            ProposalBuilder::transaction(&[Condition { db: dice.below(2) as u32, key: key(dice), revision }])
        }
        _ => ProposalBuilder::commands(),
    };
    for _ in 0..dice.between(1, 6) {
        let words = words(dice, at);
        let words: Vec<&[u8]> = words.iter().map(Vec::as_slice).collect();
        builder.push(dice.below(3) as u32, &words);
    }
    builder.finish()
}

fn entries(dice: &mut Dice) -> Vec<Entry> {
    let (mut at, mut out) = (10_000, Vec::new());
    for index in 1..=ENTRIES {
        at = tick(dice, at);
        let proposals: Vec<Bytes> = (0..dice.between(1, 4)).map(|_| proposal(dice, at, index)).collect();
        out.push((index, entry(at, dice.roll(), &proposals)));
    }
    out
}

/// Applies all entries, living an eventful life; replies by entry, those of the last time it was applied.
fn live(dice: &mut Dice, entries: &[Entry]) -> (Home, Vec<Vec<Vec<Reply>>>, String) {
    let mut home = Home::new(2000);
    let mut replies: Vec<Vec<Vec<Reply>>> = vec![Vec::new(); entries.len()];
    let mut story = String::new();
    loop {
        let next = home.store.applied().map_or(0, |applied| applied.index as usize);
        let Some(rest) = entries.get(next..).filter(|rest| !rest.is_empty()) else {
            return (home, replies, story);
        };
        let count = (dice.below(12) as usize).clamp(1, rest.len());
        for (slot, applied) in replies[next..].iter_mut().zip(home.apply(&rest[..count])) {
            *slot = applied;
        }
        assert_eq!(home.store.applied(), Some(position((next + count) as u64)));
        match dice.below(12) {
            // Seldom, so that a crash has something to lose.
            0 => home.store.flush().unwrap(),
            1 => drop(home.store.collect_dead_namespaces().unwrap()),
            // Never back to the beginning: at least the first flush is there when it crashes.
            2 if home.store.flushed().unwrap().is_some() => {
                home = home.crash();
                let kept = home.store.applied().map_or(0, |applied| applied.index as usize);
                let _ = writeln!(story, "crash after {}, {} entries lost", next + count, next + count - kept);
            }
            _ => {}
        }
    }
}

#[test]
fn batches_caches_compactions_and_crashes_change_neither_state_nor_replies() {
    let mut lost = false;
    for seed in 0..4 {
        let mut dice = Dice::new(seed);
        let entries = entries(&mut dice);
        let plain = Home::new(0);
        let expected: Vec<Vec<Vec<Reply>>> =
            entries.iter().flat_map(|one| plain.apply(std::slice::from_ref(one))).collect();
        let (eventful, replies, story) = live(&mut dice, &entries);
        for (index, (expected, reply)) in expected.iter().zip(&replies).enumerate() {
            assert_eq!(expected, reply, "seed {seed}, entry {}\n{story}", index + 1);
        }
        assert_eq!(
            plain.store.published().state(),
            eventful.store.published().state(),
            "seed {seed}\n{story}"
        );
        assert_eq!(
            plain.store.checksum().unwrap(),
            eventful.store.checksum().unwrap(),
            "seed {seed}\n{story}"
        );
        lost |= story.lines().any(|line| !line.contains(", 0 entries"));
    }
    assert!(lost, "no crash ever lost anything");
}
