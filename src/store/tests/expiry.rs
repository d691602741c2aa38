//! A key is gone at the millisecond at which it expires, is counted until it is deleted, and has one row in the index.

use super::support::{Home, scan};
use crate::store::NewRow;

fn put(home: &Home, key: &[u8], expires_at: u64) {
    home.set(0, key, b"v", expires_at);
}

#[test]
fn a_key_is_there_until_the_millisecond_at_which_it_expires() {
    for hot in [0, 1 << 20] {
        let home = Home::new(hot);
        put(&home, b"k", 1000);
        let there = |now| home.read(0, now, |view| (view.exists(b"k").unwrap(), scan(view, b"", b"").len()));
        // Twice: from the engine, then from the cache.
        for _ in 0..2 {
            assert_eq!((there(999), there(1000), there(u64::MAX)), ((true, 1), (false, 0), (false, 0)));
        }
        assert_eq!(home.counts(0), (1, 1), "not deleted by being read");
    }
}

#[test]
fn the_last_times_there_are_are_times_like_any_other() {
    let home = Home::new(0);
    put(&home, b"far", u64::MAX);
    put(&home, b"signed", i64::MAX as u64);
    assert_eq!(home.store.next_expiry().unwrap(), Some(i64::MAX as u64));
    assert!(home.read(0, u64::MAX - 1, |view| view.exists(b"far").unwrap()));
    let swept = home.write(u64::MAX, 0, |txn| txn.sweep_expired(10).unwrap().keys);
    assert_eq!((swept, home.counts(0), home.rows()), (2, (0, 0), (0, 0)));
}

#[test]
fn the_index_has_one_row_for_a_key_however_often_its_time_changes() {
    let home = Home::new(1 << 20);
    for expires_at in [5, 9, 9, 0, 7, 3, 0, 8] {
        put(&home, b"k", expires_at);
        let expected = usize::from(expires_at != 0);
        assert_eq!((home.rows(), home.counts(0)), ((1, expected), (1, expected as u64)), "{expires_at}");
    }
    // All in one batch.
    home.write(0, 0, |txn| {
        for expires_at in [5, 9, 0, 7, 7, 3] {
            txn.put(b"k", NewRow { expires_at, ..NewRow::string(b"v") }).unwrap();
            txn.accept();
        }
    });
    assert_eq!((home.rows(), home.store.next_expiry().unwrap()), ((1, 1), Some(3)));
    home.write(0, 0, |txn| assert!(txn.delete(b"k").unwrap()));
    assert_eq!((home.rows(), home.counts(0)), ((0, 0), (0, 0)));
}

#[test]
fn deleting_or_replacing_an_expired_key_keeps_the_counts() {
    let home = Home::new(1 << 20);
    put(&home, b"deleted", 10);
    put(&home, b"replaced", 10);
    home.write(50, 0, |txn| {
        assert!(txn.get(b"deleted").unwrap().is_none());
        assert!(!txn.delete(b"deleted").unwrap(), "it was gone already");
        assert!(!txn.delete(b"deleted").unwrap());
        txn.put(b"replaced", NewRow::string(b"v")).unwrap();
    });
    assert_eq!((home.counts(0), home.rows()), ((1, 0), (1, 0)));
}

/// Keys due come oldest first, whatever their names, and keys written in the batch count.
#[test]
fn a_bounded_sweep_takes_the_oldest() {
    let home = Home::new(0);
    for (key, expires_at) in [(b"a", 30), (b"b", 10), (b"c", 20), (b"d", 1000)] {
        put(&home, key, expires_at);
    }
    home.write(100, 0, |txn| {
        txn.put(b"e", NewRow { expires_at: 15, ..NewRow::string(b"v") }).unwrap();
        assert_eq!(txn.sweep_expired(0).unwrap().keys, 0);
        assert_eq!(txn.sweep_expired(2).unwrap().keys, 2);
        assert_eq!(txn.sweep_expired(1).unwrap().keys, 1);
    });
    assert_eq!((home.counts(0), home.store.next_expiry().unwrap()), ((2, 2), Some(30)), "a and d are left");
    assert_eq!(home.read(0, 0, |view| scan(view, b"", b"")), [b"d"], "no read is before the last entry");
    assert_eq!(home.write(100, 0, |txn| txn.sweep_expired(9).unwrap().keys), 1);
    assert_eq!((home.counts(0), home.rows()), ((1, 1), (1, 1)));
}
