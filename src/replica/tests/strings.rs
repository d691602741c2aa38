//! Long strings on replicas that have nothing in common but the entries: batches of one entry, of seven, of all; a large cache,
//! a small one, none. Rows, replies and the cost of what asks for much are the same.

use super::support::{Entry, Home, commands, entry, position};
use crate::{replica::Replica, resp::Reply, store::Txn};
use resp_tests::dice::Dice;

const ENTRIES: u64 = 120;

/// `K` some key, `B` a bit, `O` a byte, near the edges of pieces more often than not, `L` some bytes, `N` a number.
const CALLS: [&str; 40] = [
    "SET K L",
    "SET K L GET",
    "SET K L KEEPTTL",
    "SET K L PX N",
    "SET K L IFEQ L",
    "GETSET K L",
    "APPEND K L",
    "APPEND K v",
    "SETRANGE K O v",
    "SETRANGE K O L",
    "GETRANGE K O O",
    "GETRANGE K -9000 -1",
    "GET K",
    "MGET K K",
    "STRLEN K",
    "SETBIT K B 1",
    "SETBIT K B 1",
    "SETBIT K B 0",
    "GETBIT K B",
    "BITCOUNT K",
    "BITCOUNT K O O",
    "BITPOS K 1 O",
    "BITPOS K 0 O O",
    "BITFIELD K SET u13 B N INCRBY i64 B N GET u5 B",
    "BITOP NOT K K",
    "BITOP AND K K K",
    "BITOP OR K K K",
    "BITOP XOR K K K",
    "BITOP DIFF K K K",
    "BITOP DIFF1 K K K",
    "BITOP ANDOR K K K",
    "BITOP ONE K K K K",
    "COPY K K REPLACE",
    "RENAME K K",
    "MOVE K 1",
    "DEL K",
    "PEXPIRE K N",
    "PERSIST K",
    "DUMP K",
    "PFADD K N",
];

fn near(dice: &mut Dice) -> u64 {
    let edge = [0, 8 << 10, 16 << 10, 32 << 10, 40 << 10, 200 << 10][dice.below(6) as usize];
    (edge + dice.below(4)).saturating_sub(2)
}

fn words(dice: &mut Dice) -> Vec<Vec<u8>> {
    let call = CALLS[dice.below(CALLS.len() as u64) as usize];
    call.split(' ')
        .map(|word| match word {
            "K" => vec![b"abc"[dice.below(3) as usize]],
            "B" => (near(dice) * 8 + dice.below(8)).to_string().into_bytes(),
            "O" => near(dice).to_string().into_bytes(),
            "N" => dice.below(100).to_string().into_bytes(),
            "L" => {
                let byte = [0, 0xff, dice.roll() as u8][dice.below(3) as usize];
                vec![byte; [10, 8192, 32768, 32769, 50_000][dice.below(5) as usize]]
            }
            word => word.into(),
        })
        .collect()
}

fn entries(dice: &mut Dice) -> Vec<Entry> {
    (1..=ENTRIES)
        .map(|index| {
            let calls: Vec<Vec<Vec<u8>>> = (0..=dice.below(3)).map(|_| words(dice)).collect();
            let calls: Vec<Vec<&[u8]>> =
                calls.iter().map(|call| call.iter().map(Vec::as_slice).collect()).collect();
            let calls: Vec<(u32, &[&[u8]])> = calls.iter().map(|call| (0, &call[..])).collect();
            (index, entry(index * 10, index, &[commands(&calls)]))
        })
        .collect()
}

#[test]
fn batches_of_any_size_give_the_same_strings() {
    for seed in [1, 2] {
        let entries = entries(&mut Dice::new(seed));
        let replay = |size: usize, hot_cache_bytes| {
            let home = Home::new(hot_cache_bytes);
            let replies: Vec<_> = entries.chunks(size).flat_map(|entries| home.apply(entries)).collect();
            (home.store.checksum().unwrap(), replies)
        };
        let (one, seven, all) = (replay(1, 0), replay(7, 64 << 10), replay(usize::MAX, 16 << 20));
        assert_eq!((one.0, seven.0), (all.0, all.0), "seed {seed}: checksums");
        assert!(one.1 == all.1 && seven.1 == all.1, "seed {seed}: replies");
    }
}

/// Applies an entry of these calls.
fn run(home: &Home, txn: &mut Txn<'_>, lines: &[&str]) -> Vec<Reply> {
    let index = txn.state().applied.map_or(1, |applied| applied.index + 1);
    let words: Vec<Vec<&[u8]>> =
        lines.iter().map(|line| line.split(' ').map(str::as_bytes).collect()).collect();
    let calls: Vec<(u32, &[&[u8]])> = words.iter().map(|call| (0, &call[..])).collect();
    let payload = entry(1, index, &[commands(&calls)]);
    home.replica.apply(txn, position(index), &payload).unwrap().remove(0)
}

/// A long string is not put together where nobody waits for it, and what it is stays the same.
#[test]
fn replies_nobody_waits_for_are_not_built() {
    // Two of these are half of what the reads of a proposal may return.
    let calls = ["SETRANGE k 134217727 x", "GET k", "GETRANGE k 0 -1", "SET k v GET", "GET k"];
    let [waited, not] = [true, false].map(|wanted| {
        let home = Home::new(0);
        let mut txn = home.replica.begin();
        txn.want_replies(wanted);
        let replies = run(&home, &mut txn, &calls);
        txn.commit().unwrap();
        (home.store.checksum().unwrap(), replies)
    });
    assert_eq!(waited.0, not.0);
    let lengths: Vec<usize> = waited.1.iter().map(len).collect();
    assert_eq!(lengths, [0, 128 << 20, 128 << 20, 128 << 20, 1]);
    assert_eq!(not.1, [Reply::Int(128 << 20), Reply::Nil, Reply::Nil, Reply::Nil, Reply::bulk("v")]);
}

fn len(reply: &Reply) -> usize {
    if let Reply::Bulk(value) = reply { value.len() } else { 0 }
}

/// Thirty bytes of request are not half a gigabyte of memory.
#[test]
fn what_asks_for_much_holds_little() {
    let home = Home::new(1 << 20);
    let mut txn = home.replica.begin();
    let calls = [0, 1, 2, 3, 4, 5].map(|key| format!("SETRANGE k{key} 536870910 x"));
    let replies = run(&home, &mut txn, &calls.each_ref().map(String::as_str));
    assert_eq!(replies, vec![Reply::Int((512 << 20) - 1); 6]);
    assert!(txn.pending_bytes() < 64 << 10, "{}", txn.pending_bytes());
    let (bit, len) = (4_294_967_295, 512 << 20);
    let replies = run(
        &home,
        &mut txn,
        &[
            "SETBIT bit 4294967295 1",
            "SETBIT bit 4294967295 1",
            "BITCOUNT bit",
            "BITPOS bit 1",
            "BITOP OR or bit k0 k1",
            "BITOP AND and bit k0",
            "BITCOUNT or",
            "BITCOUNT and",
            "STRLEN and",
        ],
    );
    assert_eq!(replies, [0, 1, 1, bit, len, len, 5, 0, len].map(Reply::Int));
    assert!(txn.pending_bytes() < 128 << 10, "{}", txn.pending_bytes());
    // The complement of a hole is a row a piece.
    let calls =
        ["BITOP NOT not bit", "BITCOUNT not", "BITPOS not 0", "BITOP NOT again not", "BITCOUNT again"];
    assert_eq!(run(&home, &mut txn, &calls), [len, bit, bit, len, 1].map(Reply::Int));
    assert!(txn.pending_bytes() < 8 << 20, "{}", txn.pending_bytes());
    txn.commit().unwrap();
    assert!(home.store.stats().hot_bytes < 2 << 20);
}

/// A batch is written before its bytes are many, not only its rows.
#[test]
fn batches_are_bounded_in_bytes() {
    let home = Home::new(0);
    let mut txn = home.replica.begin();
    let value = "v".repeat(1 << 20);
    for index in 0..16 {
        assert!(!Replica::is_full(&txn), "after {index} entries");
        run(&home, &mut txn, &[&format!("SETRANGE {index} 100 {value}")]);
    }
    assert!(Replica::is_full(&txn));
    txn.commit().unwrap();
}
