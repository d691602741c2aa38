//! What depends on who waits for a reply, and on how much work an entry is: never the state.

use super::support::{Home, commands, entry, position};
use crate::{
    command::{Args, Command, Run, Table},
    error::Result,
    replica::{ProposalBuilder, Replica, SiteEntry, put_record},
    resp::Reply,
    state::Work,
    store::{Condition, View},
};
use bytes::Bytes;
use std::sync::{
    Arc, LazyLock,
    atomic::{AtomicUsize, Ordering},
};

static TABLE: LazyLock<Table> = LazyLock::new(|| Table::new(&[&ROWS]));
static READS: AtomicUsize = AtomicUsize::new(0);
static ROWS: [Command; 1] = [Command { name: "LOOK", arity: 1, run: Run::Read(look), ..Command::BASE }];

fn look(_view: &View<'_>, _args: &mut Args<'_>) -> Result<Reply> {
    READS.fetch_add(1, Ordering::Relaxed);
    Ok(Reply::Ok)
}

#[test]
fn calls_that_only_read_run_where_somebody_waits() {
    let home = Home::new(0);
    let replica = Replica::new(Arc::clone(&home.store), &TABLE);
    let look = entry(5, 1, &[commands(&[(0, &[b"LOOK"]), (0, &[b"LOOK"])])]);
    let mut txn = replica.begin();
    replica.apply_unawaited(&mut txn, position(1), &look).unwrap();
    assert_eq!(READS.load(Ordering::Relaxed), 0);
    assert_eq!(replica.apply(&mut txn, position(2), &look).unwrap(), [[Reply::Ok, Reply::Ok]]);
    assert_eq!(READS.load(Ordering::Relaxed), 2);
}

#[test]
fn the_state_is_the_same_whoever_waits() {
    let (awaited, unawaited) = (Home::new(1 << 20), Home::new(0));
    let words: [&[&[u8]]; 7] = [
        &[b"RPUSH", b"l", b"a", b"b", b"c"],
        &[b"LRANGE", b"l", b"0", b"-1"],
        &[b"GET", b"l"],
        &[b"SPOP", b"nothing"],
        &[b"LPOP", b"l", b"2"],
        &[b"SADD", b"s", b"1", b"2", b"x"],
        &[b"SPOP", b"s", b"2"],
    ];
    let calls: Vec<(u32, &[&[u8]])> = words.iter().map(|words| (0, *words)).collect();
    let mut transaction = ProposalBuilder::transaction(&[]);
    calls.iter().for_each(|(db, words)| transaction.push(*db, words));
    let payload = entry(5, 7, &[commands(&calls), transaction.finish()]);
    awaited.apply(&[(1, payload.clone())]);
    let mut txn = unawaited.replica.begin();
    unawaited.replica.apply_unawaited(&mut txn, position(1), &payload).unwrap();
    txn.commit().unwrap();
    let sum = |home: &Home| home.store.published().checksum().unwrap();
    assert_eq!(sum(&awaited), sum(&unawaited));
}

/// Asked of a core's replica and an edge's.
fn is_little([core_replica, edge]: &[&Replica; 2], words: &[&[&[u8]]]) -> bool {
    let calls: Vec<(u32, &[&[u8]])> = words.iter().map(|words| (0, *words)).collect();
    let core = entry(5, 1, &[commands(&calls)]);
    let mut records = Vec::new();
    put_record(&mut records, position(1), None);
    put_record(&mut records, position(2), Some(&core));
    let site = SiteEntry::entries("history", &records);
    let at_core = core_replica.is_little_work(Work::NONE, [&core[..]]);
    assert_eq!(edge.is_little_work(Work::NONE, [&site[..]]), at_core, "{words:?}");
    at_core
}

#[test]
fn little_work_is_what_the_words_of_few_calls_bound() {
    let home = Home::new(0);
    let edge = Replica::new(Arc::clone(&home.store), crate::commands::table()).of_edge();
    let replicas = [&home.replica, &edge];
    for words in [
        &[&b"SET"[..], b"k", b"v"][..],
        &[b"SET", b"GET", b"v", b"EX", b"9"],
        &[b"INCR", b"k"],
        &[b"HSET", b"k", b"f", b"v"],
        &[b"DEL", b"k"],
        &[b"XADD", b"k", b"*", b"f", b"v"],
        &[b"NOSUCH"],
        &[b"SET", b"k"],
    ] {
        assert!(is_little(&replicas, &[words]), "{words:?}");
    }
    for words in [
        &[&b"SET"[..], b"k", b"v", b"get"][..],
        &[b"GET", b"k"],
        &[b"SUNIONSTORE", b"d", b"a", b"b"],
        &[b"LPOP", b"k", b"1000000"],
        &[b"FLUSHALL"],
        &[b"XADD", b"k", b"MAXLEN", b"0", b"*", b"f", b"v"],
        &[b"SMOVE", b"a", b"b", b"m"],
    ] {
        assert!(!is_little(&replicas, &[words]), "{words:?}");
        assert!(!is_little(&replicas, &[&[b"SET", b"k", b"v"], words]), "{words:?}");
    }
    assert!(is_little(&replicas, &vec![&[&b"INCR"[..], b"k"][..]; 256]));
    assert!(!is_little(&replicas, &vec![&[&b"INCR"[..], b"k"][..]; 257]));
    let watched = Condition { db: 0, key: b"k".to_vec(), revision: None };
    let transaction = ProposalBuilder::transaction(&vec![watched; 257]).finish();
    let other: [Bytes; 3] = [
        entry(5, 1, &[transaction]),
        entry(5, 1, &[ProposalBuilder::sweep(1)]),
        Bytes::from_static(b"not an entry"),
    ];
    for payload in &other {
        assert!(!home.replica.is_little_work(Work::NONE, [&payload[..]]), "{payload:?}");
    }
}
