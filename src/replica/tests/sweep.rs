//! The entries decide which expired keys a sweep deletes, not this node's compactions.

use super::support::Home;
use crate::resp::Reply;

const OLD: u64 = 10;
const KEYS: u64 = 20;

/// A database whose keys have expired and was flushed, and another life of the same keys that expires later.
fn two_lives(home: &Home) {
    for number in 0..OLD {
        home.call(1000, 0, &[b"SET", format!("old{number}").as_bytes(), b"v", b"PXAT", b"2000"]);
    }
    home.call(1000, 0, &[b"FLUSHDB"]);
    for number in 0..KEYS {
        home.call(1000, 0, &[b"SET", format!("new{number}").as_bytes(), b"v", b"PXAT", b"3000"]);
    }
}

/// The story: rows of flushed databases counted towards a sweep's bound. A node on which compaction had dropped them
/// deleted more keys than one that still had them, and the replicas were different from then on.
#[test]
fn rows_that_compaction_has_not_dropped_yet_change_nothing() {
    let (has_them, dropped_them) = (Home::new(0), Home::new(0));
    two_lives(&has_them);
    two_lives(&dropped_them);
    dropped_them.store.flush().unwrap();
    assert!(dropped_them.store.collect_dead_namespaces().unwrap() > 0);
    assert_eq!(has_them.store.next_expiry().unwrap(), Some(2000));
    assert_eq!(dropped_them.store.next_expiry().unwrap(), Some(3000), "nothing was dropped: no test");
    assert_eq!(has_them.store.checksum().unwrap(), dropped_them.store.checksum().unwrap());
    for round in 1..=5 {
        for home in [&has_them, &dropped_them] {
            let expected = if round <= 4 { 5 } else { 0 };
            assert_eq!(home.sweep(5000, 5), Reply::Int(expected), "round {round}");
        }
        assert_eq!(has_them.keys(0), dropped_them.keys(0), "round {round}");
        assert_eq!(
            has_them.store.checksum().unwrap(),
            dropped_them.store.checksum().unwrap(),
            "round {round}"
        );
    }
    // The dead rows went too, in pieces.
    assert_eq!(has_them.store.next_expiry().unwrap(), None);
}

#[test]
fn a_sweep_deletes_what_is_due_at_its_entry_s_time_and_nothing_else() {
    let home = Home::new(1 << 20);
    home.call(1000, 0, &[b"SET", b"a", b"v", b"PXAT", b"2000"]);
    home.call(1000, 3, &[b"SET", b"b", b"v", b"PXAT", b"2001"]);
    home.call(1000, 0, &[b"SET", b"c", b"v"]);
    assert_eq!(home.sweep(1999, 100), Reply::Int(0));
    assert_eq!(home.sweep(2000, 100), Reply::Int(1));
    // A key given more time is not deleted at its earlier hour, in the same batch or a later one.
    home.call(2000, 3, &[b"PEXPIREAT", b"b", b"9000"]);
    assert_eq!(home.sweep(2001, 100), Reply::Int(0));
    assert_eq!(home.call(2001, 3, &[b"PERSIST", b"b"]), Reply::Int(1));
    assert_eq!(home.sweep(u64::MAX, 100), Reply::Int(0));
    assert_eq!((home.keys(0), home.keys(3)), (1, 1));
    assert_eq!(home.store.next_expiry().unwrap(), None);
}

#[test]
fn a_sweep_follows_a_database_through_swapdb() {
    let home = Home::new(0);
    home.call(1000, 0, &[b"SET", b"a", b"v", b"PXAT", b"2000"]);
    home.call(1000, 1, &[b"SET", b"a", b"stays"]);
    home.call(1000, 0, &[b"SWAPDB", b"0", b"1"]);
    assert_eq!((home.keys(0), home.keys(1)), (1, 1));
    assert_eq!(home.sweep(2000, 100), Reply::Int(1));
    assert_eq!((home.keys(0), home.keys(1)), (1, 0));
    assert_eq!(home.call(2000, 0, &[b"GET", b"a"]), Reply::bulk("stays"));
}

/// Time in the log never runs backwards, so a key that was gone stays gone under a new leader with a late clock.
#[test]
fn an_expired_key_does_not_come_back_when_a_leader_s_clock_is_late() {
    let home = Home::new(1 << 20);
    home.call(1000, 0, &[b"SET", b"a", b"v", b"PXAT", b"2000"]);
    assert_eq!(home.call(2000, 0, &[b"GET", b"a"]), Reply::Nil);
    assert_eq!(home.call(1500, 0, &[b"GET", b"a"]), Reply::Nil);
    assert_eq!(home.call(1500, 0, &[b"SET", b"b", b"v", b"PX", b"10"]), Reply::Ok);
    assert_eq!(home.call(0, 0, &[b"PEXPIRETIME", b"b"]), Reply::Int(2010));
}
