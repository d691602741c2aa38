//! What a call, or an EXEC, would take beyond its budget is refused: the same on every replica, and nothing of it is left.

use super::support::{Entry, Home, commands, entry, position};
use crate::{
    command::{Args, Command, Run, Table, invoke},
    error::Result,
    limits,
    replica::{ProposalBuilder, Replica},
    resp::{ErrorReply, Reply},
    store::{NewRow, ReadTime, Store, StoreOptions, SubKeys, Txn},
    types::{
        list::{End, List},
        set::Set,
    },
};
use bytes::Bytes;
use std::sync::{Arc, LazyLock};

const ELEMENTS: usize = 1000;
static LONG: [u8; 32 * 1024] = [b'v'; 32 * 1024];

type Words = Vec<&'static [u8]>;

/// Keeps so many times `ELEMENTS` values of 32 KiB, which are one in memory.
fn keeps(times: usize, store: &[&'static [u8]]) -> Words {
    let gets = std::iter::repeat_n([&b"GET"[..], b"w*"], times).flatten();
    [&b"SORT"[..], b"l", b"BY", b"nosort"].into_iter().chain(gets).chain(store.iter().copied()).collect()
}

fn filled() -> Bytes {
    let push: Words =
        [&b"RPUSH"[..], b"l"].into_iter().chain(std::iter::repeat_n(&b"1"[..], ELEMENTS)).collect();
    commands(&[(0, &push), (0, &[b"SET", b"w1", &LONG]), (0, &[b"SADD", b"d", b"before"])])
}

fn transaction(calls: &[&[&[u8]]]) -> Bytes {
    let mut builder = ProposalBuilder::transaction(&[]);
    calls.iter().for_each(|words| builder.push(0, words));
    builder.finish()
}

fn is_refused(reply: &Reply) -> bool {
    matches!(reply, Reply::Error(error) if error.to_string().contains("memory on every node; nothing was changed"))
}

fn sum(home: &Home) -> u32 {
    home.store.published().checksum().unwrap()
}

#[test]
fn a_call_over_its_budget_is_refused_alone_and_on_every_replica_alike() {
    let (much, some) = (keeps(21, &[b"STORE", b"d"]), keeps(12, &[]));
    let entries: [Entry; 5] = [
        (1, entry(5, 1, &[filled()])),
        (2, entry(6, 2, &[commands(&[(0, &[b"SET", b"a", b"1"]), (0, &much), (0, &[b"INCR", b"a"])])])),
        // Each would do alone; the EXEC has one budget for both.
        (3, entry(7, 3, &[transaction(&[&[b"INCR", b"a"], &some, &some, &[b"INCR", b"a"]])])),
        (4, entry(8, 4, &[commands(&[(0, &some)])])),
        (5, entry(9, 5, &[transaction(&[&much, &[b"SPOP", b"none"], &[b"RPUSH", b"l", b"2"]])])),
    ];
    let one = Home::new(1 << 20);
    let replies = one.apply(&entries);
    assert!(
        matches!(&replies[1][0][..], [Reply::Ok, error, Reply::Int(2)] if is_refused(error)),
        "{:?}",
        replies[1]
    );
    let [Reply::Array(of_exec)] = &replies[2][0][..] else { panic!("{:?}", replies[2]) };
    let is_whole = |reply: &Reply| matches!(reply, Reply::Array(values) if values.len() == 12 * ELEMENTS);
    assert!(
        matches!(&of_exec[..], [Reply::Int(3), found, error, Reply::Int(4)] if is_whole(found) && is_refused(error)),
        "{}",
        of_exec.len()
    );
    assert!(is_whole(&replies[3][0][0]));
    let [Reply::Array(of_exec)] = &replies[4][0][..] else { panic!("{:?}", replies[4]) };
    assert!(
        matches!(&of_exec[..], [error, Reply::Nil, Reply::Int(1001)] if is_refused(error)),
        "{of_exec:?}"
    );
    // Entry by entry, without a cache, and after a crash in between: the same replies.
    let mut other = Home::new(0);
    for (at, each) in entries.iter().enumerate() {
        assert_eq!(other.apply(std::slice::from_ref(each))[0], replies[at]);
        if at == 1 {
            other.store.flush().unwrap();
            other = other.crash();
        }
    }
    // Nobody waits.
    let silent = Home::new(0);
    for (index, payload) in &entries {
        let mut txn = silent.replica.begin();
        txn.want_replies(false);
        silent.replica.apply_unawaited(&mut txn, position(*index), payload).unwrap();
        txn.commit().unwrap();
    }
    assert_eq!([sum(&other), sum(&silent)], [sum(&one); 2]);
}

#[test]
fn the_writes_of_an_entry_are_bounded_together_and_its_reads_are_not() {
    let (some, value) = (keeps(12, &[]), [b'v'; 10_000]);
    let set: (u32, &[&[u8]]) = (0, &[b"SET", b"k", &value]);
    let exec = || transaction(&[set.1, &[b"INCR", b"b"], &[b"SET", b"k", &value, b"NX"]]);
    let entries: [Entry; 3] = [
        (1, entry(5, 1, &[filled()])),
        (
            2,
            entry(
                6,
                2,
                &[
                    commands(&[set, set, (0, &some), (0, &some)]),
                    commands(&[set, (0, &[b"INCR", b"a"]), set, (0, &[b"GET", b"a"])]),
                    exec(),
                ],
            ),
        ),
        (3, entry(7, 3, &[exec(), commands(&[set])])),
    ];
    let apply = |home: &Home, one_by_one: bool| {
        let (mut replies, mut txn) = (Vec::new(), home.replica.begin());
        for (index, payload) in &entries {
            txn.limit_entries(if *index == 1 { u64::MAX } else { 33_000 });
            replies.push(home.replica.apply(&mut txn, position(*index), payload).unwrap());
            if one_by_one {
                txn.commit().unwrap();
                txn = home.replica.begin();
            }
        }
        txn.commit().unwrap();
        (replies, sum(home))
    };
    let (one, other) = (Home::new(1 << 20), Home::new(0));
    let (replies, state) = apply(&one, false);
    assert_eq!(apply(&other, true), (replies.clone(), state));
    let is_late = |reply: &Reply| matches!(reply, Reply::Error(error) if error.code() == "TRYAGAIN");
    let [of_one, of_another, of_exec] = &replies[1][..] else { panic!() };
    assert!(matches!(&of_one[..], [Reply::Ok, Reply::Ok, Reply::Array(_), Reply::Array(_)]));
    assert!(
        matches!(&of_another[..], [Reply::Ok, Reply::Int(1), late, Reply::Bulk(_)] if is_late(late)),
        "{of_another:?}"
    );
    let [Reply::Array(of_exec)] = &of_exec[..] else { panic!() };
    assert!(matches!(&of_exec[..], [late, Reply::Int(1), Reply::Nil] if is_late(late)), "{of_exec:?}");
    let [Reply::Array(of_exec)] = &replies[2][0][..] else { panic!() };
    assert!(matches!(&of_exec[..], [Reply::Ok, Reply::Int(2), Reply::Nil]), "{of_exec:?}");
    assert_eq!(replies[2][1], [Reply::Ok], "the next entry has room");
}

#[test]
fn below_the_level_that_brought_budgets_there_are_none() {
    let directory = tempfile::tempdir().unwrap();
    let store = Arc::new(Store::open(directory.path(), StoreOptions::default()).unwrap());
    let replica = Replica::new(Arc::clone(&store), crate::commands::table());
    let mut txn = replica.begin();
    replica.apply(&mut txn, position(1), &entry(5, 1, &[filled()])).unwrap();
    let much = keeps(21, &[]);
    let replies = replica.apply(&mut txn, position(2), &entry(5, 1, &[commands(&[(0, &much)])])).unwrap();
    assert!(matches!(&replies[0][0], Reply::Array(values) if values.len() == 21 * ELEMENTS));
}

#[test]
fn what_a_reply_would_hold_counts_whether_it_is_wanted_or_not() {
    let long: &[&[u8]] = &[b"SETRANGE", b"k", b"399999999", b"x"];
    let entries = [
        commands(&[(0, long)]),
        // The second one would hold as much as the first.
        transaction(&[&[b"SET", b"k", b"v", b"GET"], long, &[b"GETDEL", b"k"]]),
        // A GET only reads: where nobody waits it is not run, so it is not counted.
        transaction(&[&[b"GET", b"k"], &[b"GETDEL", b"k"], &[b"SET", b"k", b"v"]]),
    ];
    let mut sums = Vec::new();
    for is_wanted in [true, false] {
        let home = Home::new(0);
        for (index, proposal) in (1..).zip(&entries) {
            let mut txn = home.replica.begin();
            txn.want_replies(is_wanted);
            let payload = entry(5, index, std::slice::from_ref(proposal));
            match is_wanted {
                true => drop(home.replica.apply(&mut txn, position(index), &payload).unwrap()),
                false => home.replica.apply_unawaited(&mut txn, position(index), &payload).unwrap(),
            }
            txn.commit().unwrap();
            let view_len = {
                let published = home.store.published();
                let view = home.store.blocking_view(&published, 0, ReadTime::At(0));
                crate::types::string::StoredString::open(&view, b"k").unwrap().unwrap().len()
            };
            assert_eq!(view_len, [400_000_000, 400_000_000, 1][index as usize - 1], "{is_wanted} {index}");
        }
        sums.push(sum(&home));
    }
    assert_eq!(sums[0], sums[1]);
}

#[test]
fn the_replies_of_a_proposal_are_bounded_where_somebody_waits() {
    let reads = 1 + limits::APPLIED_REPLIES_BYTES_MAX as usize / LONG.len();
    let get: (u32, &[&[u8]]) = (0, &[b"GET", b"w1"]);
    let incr: (u32, &[&[u8]]) = (0, &[b"INCR", b"a"]);
    let calls: Vec<(u32, &[&[u8]])> = std::iter::repeat_n(get, reads).chain([incr]).collect();
    let mut builder = ProposalBuilder::transaction(&[]);
    calls.iter().for_each(|(db, words)| builder.push(*db, words));
    let entries =
        [entry(5, 1, &[filled()]), entry(5, 2, &[commands(&calls), builder.finish(), commands(&[get])])];
    let (awaited, silent) = (Home::new(1 << 20), Home::new(0));
    let mut txn = awaited.replica.begin();
    awaited.replica.apply(&mut txn, position(1), &entries[0]).unwrap();
    assert!(!Replica::is_full(&txn));
    let replies = awaited.replica.apply(&mut txn, position(2), &entries[1]).unwrap();
    assert!(Replica::is_full(&txn), "they wait for the batch");
    txn.commit().unwrap();
    let [of_commands, of_exec, of_next] = &replies[..] else { panic!() };
    let [Reply::Array(of_exec)] = &of_exec[..] else { panic!() };
    for (number, replies) in [(1, of_commands), (2, of_exec)] {
        let is_long = |reply: &&Reply| matches!(reply, Reply::Bulk(value) if value.len() == LONG.len());
        let long = replies.iter().take_while(is_long).count();
        assert!((reads - 100..reads).contains(&long), "{long} of {reads}");
        let rest = &replies[long..reads];
        assert!(rest.iter().all(|reply| matches!(reply, Reply::Error(error) if error.code() == "TRYAGAIN")));
        assert_eq!(replies[reads], Reply::Int(number), "what writes is done");
    }
    assert!(matches!(&of_next[..], [Reply::Bulk(_)]), "each proposal for itself");
    for (index, payload) in (1..).zip(&entries) {
        let mut txn = silent.replica.begin();
        silent.replica.apply_unawaited(&mut txn, position(index), payload).unwrap();
        txn.commit().unwrap();
    }
    assert_eq!(sum(&awaited), sum(&silent));
}

static TABLE: LazyLock<Table> = LazyLock::new(|| Table::new(&[&ROWS]));
static ROWS: [Command; 3] = [
    Command { name: "NEST", arity: 1, run: Run::Write(nest), ..Command::BASE },
    Command { name: "FAIL", arity: 1, run: Run::Write(fail), ..Command::BASE },
    Command { name: "READS", arity: 1, run: Run::Write(reads), ..Command::BASE },
];

/// Makes a list, changes it in calls that are taken back and in one that stands, and fails or not.
fn nest(txn: &mut Txn<'_>, _args: &mut Args<'_>) -> Result<Reply> {
    let mut list = List::create(txn);
    list.push(txn, End::Right, &[b"a", b"b", b"c"])?;
    list.save(txn, b"list")?;
    let inner = txn.savepoint();
    list.set(txn, 1, b"taken back")?;
    let mut set = Set::create(txn, b"m", 1);
    set.add(txn, b"m")?;
    set.save(txn, b"set")?;
    txn.delete(b"list")?;
    txn.roll_back(inner);
    invoke(&TABLE, txn, &[b"FAIL"], true)?;
    let inner = txn.savepoint();
    list.set(txn, 2, b"C")?;
    txn.release(inner);
    list.set(txn, 0, b"A")?;
    list.save(txn, b"list")?;
    Ok(Reply::count(list.len()))
}

/// Makes collections, one of which replaces a list, and fails.
fn fail(txn: &mut Txn<'_>, _args: &mut Args<'_>) -> Result<Reply> {
    nested(txn)?;
    Err(ErrorReply::err("made to").into())
}

fn nested(txn: &mut Txn<'_>) -> Result<()> {
    for key in [&b"list"[..], b"other"] {
        let mut list = List::create(txn);
        list.push(txn, End::Left, &[b"x", b"y"])?;
        list.save(txn, key)?;
    }
    Ok(())
}

/// Reads one row again and again, and ignores every error.
fn reads(txn: &mut Txn<'_>, _args: &mut Args<'_>) -> Result<Reply> {
    let mut list = List::create(txn);
    list.push(txn, End::Left, &[b"x"])?;
    list.save(txn, b"list")?;
    txn.put(b"long", NewRow::string(&LONG))?;
    while txn.view().in_passing().get(b"long").is_ok() {}
    let id = txn.new_collection_id();
    txn.put_sub(SubKeys::Data, &id, b"more", b"");
    Ok(Reply::Ok)
}

#[test]
fn a_collection_goes_with_the_savepoint_before_it() {
    let home = Home::new(0);
    let replica = Replica::new(Arc::clone(&home.store), &TABLE);
    let call = |index, name: &'static [u8]| {
        let mut txn = replica.begin();
        let rows = txn.pending_rows();
        let reply =
            replica.apply(&mut txn, position(index), &entry(5, 1, &[commands(&[(0, &[name])])])).unwrap();
        let rows = txn.pending_rows() - rows;
        txn.commit().unwrap();
        (reply[0][0].clone(), rows)
    };
    assert_eq!(call(1, b"FAIL").1, 0, "nothing is left of it");
    assert_eq!(call(2, b"NEST"), (Reply::Int(3), 4), "three elements and their row");
    let elements = || -> Vec<Vec<u8>> {
        let published = home.store.published();
        let view = home.store.blocking_view(&published, 0, ReadTime::At(0));
        let list = List::open(&view, b"list").unwrap().unwrap();
        (0..list.len()).map(|at| list.get(&view, at).unwrap().unwrap().to_vec()).collect()
    };
    assert_eq!(elements(), [b"A", b"b", b"C"]);
    assert_eq!(home.keys(0), 1);
    let before = sum(&home);
    let (reply, rows) = call(3, b"READS");
    assert!(
        matches!(&reply, Reply::Error(error) if error.to_string().contains("would read more than 16384 MiB on every node")),
        "{reply:?}"
    );
    assert_eq!((elements(), rows), (vec![b"A".to_vec(), b"b".to_vec(), b"C".to_vec()], 0));
    assert_ne!(sum(&home), before, "the position");
}

/// A large batch, of collections that it makes and of one that it adds to.
fn bulk(at: u64) -> Bytes {
    let long: Words = [&b"HSET"[..], b"h", b"f", &LONG, b"g", &LONG].to_vec();
    let pieces = vec![b'p'; 17 << 20];
    entry(
        5,
        at,
        &[commands(&[
            (0, &[b"SET", b"long", &pieces]),
            (0, &[b"RPUSH", b"l", b"x", b"y"]),
            (0, &long),
            (0, &[b"ZADD", b"z", b"1", b"a", b"2", b"b"]),
            (0, &[b"SADD", b"gone", b"a", b"b"]),
            (0, &[b"DEL", b"gone"]),
            (0, &[b"COPY", b"z", b"zz"]),
        ])],
    )
}

#[test]
fn what_a_large_batch_stores_ahead_of_itself_is_gone_if_it_never_was() {
    let whole = Home::new(0);
    whole.apply(&[(1, entry(5, 1, &[filled()]))]);
    let before = sum(&whole);
    whole.apply(&[(2, bulk(2))]);
    assert_eq!(whole.rows_ahead(), 0);
    let mut home = Home::new(0);
    home.apply(&[(1, entry(5, 1, &[filled()]))]);
    for _ in 0..2 {
        let mut txn = home.replica.begin();
        home.replica.apply(&mut txn, position(2), &bulk(2)).unwrap();
        txn.die_in_commit();
        assert!(home.rows_ahead() > 2000);
        assert_eq!(sum(&home), before, "no reader sees them");
        home.store.flush().unwrap();
        home = home.crash();
        assert_eq!((home.rows_ahead(), sum(&home)), (0, before));
    }
    home.apply(&[(2, bulk(2))]);
    assert_eq!(sum(&home), sum(&whole));
    home.store.flush().unwrap();
    let home = home.crash();
    assert_eq!((home.rows_ahead(), sum(&home)), (0, sum(&whole)));
}
