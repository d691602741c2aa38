//! A sweep does not step over the rows of flushed databases again and again.

use super::support::Home;
use crate::store::{NewRow, NextDue, Swept};

const FLUSHED: u32 = 5000;

fn sweep(home: &Home, now: u64) -> Swept {
    home.write(now, 0, |txn| txn.sweep_expired(1).unwrap())
}

fn put(home: &Home, key: &[u8], expires_at: u64) {
    home.set(0, key, b"v", expires_at);
}

/// A database with so many keys that expire was flushed, and another one has keys that expire earlier, between and later.
fn flushed() -> Home {
    let home = Home::new(1 << 20);
    home.write(0, 1, |txn| {
        for number in 0..FLUSHED {
            let key = number.to_be_bytes();
            let expires_at = 1000 + u64::from(number);
            txn.put(&key, NewRow { expires_at, ..NewRow::string(b"v") }).unwrap();
        }
    });
    home.write(0, 0, |txn| txn.flush_db(1));
    home
}

#[test]
fn rows_of_flushed_databases_are_stepped_over_once_and_some_at_a_time() {
    let home = flushed();
    put(&home, b"last", 100_000);
    let swept = sweep(&home, 90_000);
    assert_eq!((swept.keys, swept.stepped_over), (0, u64::from(FLUSHED)), "nothing knows of them yet");
    let left = FLUSHED as usize - 1;
    for _ in 0..left / 1000 {
        assert_eq!(home.store.next_due(1000).unwrap(), NextDue::StepsUsedUp);
    }
    assert_eq!(home.store.next_due(1000).unwrap(), NextDue::At(100_000));
    assert_eq!(home.store.next_due(0).unwrap(), NextDue::At(100_000), "no step is made twice");
    assert_eq!(sweep(&home, 90_000), Swept::default());
    assert_eq!(sweep(&home, 100_000), Swept { keys: 1, ..Swept::default() });
    assert_eq!(home.store.next_due(0).unwrap(), NextDue::Nothing);
}

#[test]
fn what_is_written_before_the_mark_is_found() {
    let home = flushed();
    while home.store.next_due(1000).unwrap() == NextDue::StepsUsedUp {}
    // In the sweep's own batch, and in an earlier one.
    let swept = home.write(5000, 0, |txn| {
        txn.put(b"same", NewRow { expires_at: 2000, ..NewRow::string(b"v") }).unwrap();
        txn.sweep_expired(10).unwrap().keys
    });
    assert_eq!(swept, 1);
    put(&home, b"between", 3000);
    assert_eq!(sweep(&home, 5000).keys, 1);
    assert_eq!((home.counts(0), home.store.next_due(10_000).unwrap()), ((0, 0), NextDue::Nothing));
}

/// Other data may have what these data had no more.
#[test]
fn data_that_replace_these_are_looked_at_from_the_start() {
    let (home, other) = (flushed(), Home::new(1 << 20));
    while home.store.next_due(1000).unwrap() == NextDue::StepsUsedUp {}
    put(&other, b"early", 10);
    let checkpoint = other.directory.path().join("checkpoint");
    other.store.checkpoint(&checkpoint).unwrap();
    home.store.install(&checkpoint).unwrap();
    assert_eq!(home.store.next_due(0).unwrap(), NextDue::At(10));
}
