//! What comes from a Redis that the data follow: steps are applied once, whole or not at all, and keys are there until the
//! source says that they have expired.

use super::support::{Home, commands, entry};
use crate::{
    replica::{FromSource, Proposal, ProposalBuilder, STALE, SourceChange, StepBuilder},
    resp::Reply,
    store::{SourcePhase, SourceRecord},
};
use bytes::Bytes;

fn change(version: u64, record: &SourceRecord, takes_position: bool) -> Bytes {
    let record = record.to_json().unwrap();
    let change = SourceChange {
        version,
        takes_position,
        only_if_empty: false,
        record: &record,
        settings: Some(b"{}"),
    };
    change.encode()
}

fn following(position: u64) -> SourceRecord {
    let (phase, address) = (SourcePhase::Following, "redis:6379".to_owned());
    SourceRecord { phase, position, address, ..SourceRecord::default() }
}

/// Units of ten bytes, in the first database.
fn step(version: u64, from: u64, units: &[&[&str]]) -> Bytes {
    let mut step = StepBuilder::default();
    for unit in units {
        let calls = unit.iter().map(|call| (0, call.split(' ').map(str::as_bytes).collect::<Vec<_>>()));
        step.push(10, 0, &calls.collect::<Vec<_>>());
    }
    step.finish(version, from, 0)
}

fn begun() -> Home {
    let home = Home::new(1 << 20);
    assert_eq!(home.next(1000, change(0, &following(100), true)), Reply::Int(1));
    home
}

fn record(home: &Home) -> SourceRecord {
    (**home.store.published().source().unwrap()).clone()
}

fn is_stale(reply: &Reply) -> bool {
    matches!(reply, Reply::Error(error) if error.code() == STALE)
}

/// The value as a replica's step would see it: clients may not read while a key has expired.
fn get(home: &Home, at: u64, key: &str) -> Reply {
    home.call(at, 0, &[b"GET", key.as_bytes()])
}

#[test]
fn a_step_is_applied_once_and_only_where_it_follows() {
    let home = begun();
    let two = step(1, 100, &[&["INCR a"], &["INCR a"]]);
    assert_eq!(home.next(1000, two.clone()), Reply::Int(120));
    for again in
        [two, step(1, 130, &[&["INCR a"]]), step(0, 120, &[&["INCR a"]]), step(2, 120, &[&["INCR a"]])]
    {
        assert!(is_stale(&home.next(1000, again)));
    }
    assert_eq!(get(&home, 1000, "a"), Reply::bulk("2"));
    assert_eq!((record(&home).position, record(&home).commands), (120, 2));
    // A change by somebody who knew less keeps the position; the next steps need its version.
    assert_eq!(home.next(1000, change(1, &following(100), false)), Reply::Int(2));
    assert!(is_stale(&home.next(1000, change(1, &following(100), false))));
    assert_eq!(record(&home).position, 120);
    assert!(is_stale(&home.next(1000, step(1, 120, &[&["INCR a"]]))));
    let again = StepBuilder::again(&step(1, 120, &[&["INCR a"]]), 2);
    assert_eq!(home.next(1000, again), Reply::Int(130));
    assert_eq!(get(&home, 1000, "a"), Reply::bulk("3"));
}

#[test]
fn position_and_commands_survive_a_crash_together() {
    let home = begun();
    home.store.flush().unwrap();
    home.next(1000, step(1, 100, &[&["INCR a"]]));
    let home = home.crash();
    assert_eq!(record(&home).position, 100);
    assert_eq!(get(&home, 1000, "a"), Reply::Nil);
    assert_eq!(home.next(1000, step(1, 100, &[&["INCR a"]])), Reply::Int(110));
    home.store.flush().unwrap();
    let home = home.crash();
    assert!(is_stale(&home.next(1000, step(1, 100, &[&["INCR a"]]))));
    assert_eq!(get(&home, 1000, "a"), Reply::bulk("1"));
}

#[test]
fn a_unit_that_fails_is_undone_and_ends_it() {
    let (one, other) = (begun(), begun());
    let bad = step(1, 100, &[&["SET a x"], &["INCR b", "LPUSH a 1", "INCR b"], &["INCR c"]]);
    for home in [&one, &other] {
        let Reply::Error(error) = home.next(1000, bad.clone()) else { panic!("it was done") };
        assert_eq!(error.code(), "WRONGTYPE");
        let record = record(home);
        assert_eq!((record.phase, record.position), (SourcePhase::Failed, 110));
        assert_eq!(record.error, "LPUSH at offset 110 of the source's stream failed here");
        assert_eq!(get(home, 1000, "a"), Reply::bulk("x"));
        assert_eq!((get(home, 1000, "b"), get(home, 1000, "c")), (Reply::Nil, Reply::Nil));
        assert!(is_stale(&home.next(1000, step(1, 110, &[&["INCR c"]]))));
    }
    assert_eq!(one.store.checksum().unwrap(), other.store.checksum().unwrap());
    // A command that nobody knows is one that fails, and stops no node.
    let home = begun();
    let Reply::Error(_) = home.next(1000, step(1, 100, &[&["NONSENSE 1"]])) else { panic!("it was done") };
    assert_eq!(record(&home).phase, SourcePhase::Failed);
}

#[test]
fn keys_are_there_until_the_source_says_that_they_have_expired() {
    let home = begun();
    home.next(
        1000,
        step(1, 100, &[&["SET k 5"], &["PEXPIREAT k 2000"], &["RPUSH l x"], &["PEXPIREAT l 1500"]]),
    );
    // By log time it is gone, and by the source's clock it is not: no new key is born.
    assert_eq!(get(&home, 3000, "k"), Reply::Nil);
    assert_eq!(
        home.next(3000, step(1, 140, &[&["INCR k"], &["RPUSH l y"], &["PEXPIREAT l 2900"]])),
        Reply::Int(170)
    );
    let swept = home.next(3000, ProposalBuilder::sweep(100));
    assert_eq!(swept, Reply::Array(vec![Reply::Int(0), Reply::Int(0)]), "only the source deletes");
    assert_eq!(home.keys(0), 2);
    home.next(3000, step(1, 170, &[&["PEXPIREAT k 9000"], &["PERSIST l"]]));
    assert_eq!(get(&home, 3000, "k"), Reply::bulk("6"));
    assert_eq!(home.call(3000, 0, &[b"LLEN", b"l"]), Reply::Int(2));
    home.next(3000, step(1, 190, &[&["DEL k"]]));
    assert_eq!(home.keys(0), 1);
    // Afterwards they expire as any other.
    let stopped = SourceRecord { phase: SourcePhase::CutOver, ..record(&home) };
    home.next(3000, step(1, 200, &[&["PEXPIREAT l 3500"]]));
    home.next(3000, change(1, &stopped, false));
    assert_eq!(home.sweep(4000, 100), Reply::Int(1));
}

#[test]
fn clients_do_not_write_meanwhile_unless_they_may() {
    let home = begun();
    let write = [(0, &[b"SET".as_slice(), b"a", b"1"][..]), (0, &[b"GET".as_slice(), b"a"][..])];
    let refused = |reply: &Reply| matches!(reply, Reply::Error(error) if error.code() == "READONLY");
    let index = home.store.applied().unwrap().index + 1;
    let replies = home.apply(&[(index, entry(1000, index, &[commands(&write)]))]);
    assert!(refused(&replies[0][0][0]) && replies[0][0][1] == Reply::Nil, "{replies:?}");
    assert!(refused(&home.call(1000, 0, &[b"EVAL", b"return redis.call('set', 'a', 1)", b"0"])));
    assert!(refused(&home.call(1000, 0, &[b"FLUSHALL"])));
    let open = SourceRecord { allows_writes: true, ..record(&home) };
    home.next(1000, change(1, &open, false));
    assert_eq!(home.call(1000, 0, &[b"SET", b"a", b"1"]), Reply::Ok);
}

#[test]
fn golden_bytes_and_cuts() {
    let first = step(1, 2, &[&["GET k"]]);
    let golden = b"\x07\x01\x01\0\0\0\0\0\0\0\x02\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x01\0\0\0\
        \x0a\0\0\0\0\0\0\0\0\0\0\0\x01\0\0\0\0\0\0\0\x02\0\0\0\x03\0\0\0GET\x01\0\0\0k";
    assert_eq!(&first[..], golden);
    let walk = |bytes: &[u8]| {
        let Ok(Proposal::Source(FromSource::Step(mut step))) = Proposal::decode(bytes) else { return None };
        let mut units = 0;
        while let Some(_unit) = step.next_unit().ok()? {
            units += 1;
        }
        Some(units)
    };
    assert_eq!(walk(&first), Some(1));
    assert!((1..first.len()).all(|cut| walk(&first[..cut]).is_none()));
    assert_eq!(walk(&[&first[..], b"x"].concat()), None);
    // Numbers that the bytes do not bear out take no memory.
    let mut lying = first.to_vec();
    lying[34..38].copy_from_slice(&[0xff; 4]);
    assert_eq!(walk(&lying), None);
    let change =
        SourceChange { version: 1, takes_position: true, only_if_empty: true, record: b"{}", settings: None };
    assert_eq!(&change.encode()[..], b"\x07\0\x01\0\0\0\0\0\0\0\x03\x02\0\0\0{}");
    assert!(
        Proposal::decode(b"\x07\0\x01\0\0\0\0\0\0\0\x08\x02\0\0\0{}").is_err(),
        "a flag of a later build"
    );
}
