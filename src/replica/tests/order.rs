//! An entry is applied once, or not at all.

use super::support::{Home, commands, entry, position};
use crate::resp::Reply;

#[test]
fn an_entry_at_or_before_the_applied_one_is_refused() {
    let home = Home::new(0);
    let incr = entry(5, 1, &[commands(&[(0, &[b"INCR", b"n"])])]);
    home.apply(&[(7, incr.clone())]);
    for index in [7, 6, 0] {
        let mut txn = home.replica.begin();
        assert!(home.replica.apply(&mut txn, position(index), &incr).is_err(), "{index}");
        assert!(home.replica.advance(&mut txn, position(index)).is_err(), "{index}");
        assert!(home.replica.membership(&mut txn, position(index), Vec::new()).is_err(), "{index}");
    }
    // Within one batch as well.
    let mut txn = home.replica.begin();
    home.replica.apply(&mut txn, position(8), &incr).unwrap();
    assert!(home.replica.apply(&mut txn, position(8), &incr).is_err());
    drop(txn);
    assert_eq!(home.call(5, 0, &[b"GET", b"n"]), Reply::bulk("1"));
}

/// A batch that was not committed never was.
#[test]
fn a_batch_dropped_before_commit_leaves_nothing() {
    let home = Home::new(1 << 20);
    home.call(1, 0, &[b"SET", b"k", b"v"]);
    let before = home.store.checksum().unwrap();
    let mut txn = home.replica.begin();
    let flush = entry(9, 1, &[commands(&[(0, &[b"SET", b"k", b"other"]), (0, &[b"FLUSHALL"])])]);
    home.replica.apply(&mut txn, position(2), &flush).unwrap();
    drop(txn);
    assert_eq!(home.store.checksum().unwrap(), before);
    assert_eq!(home.call(1, 0, &[b"GET", b"k"]), Reply::bulk("v"));
}

#[test]
fn a_malformed_entry_stops_apply() {
    let home = Home::new(0);
    let good = entry(5, 1, &[commands(&[(0, &[b"SET", b"k", b"v"])])]);
    for cut in 0..good.len() {
        let mut txn = home.replica.begin();
        assert!(home.replica.apply(&mut txn, position(1), &good[..cut]).is_err(), "cut at {cut}");
    }
    assert_eq!(home.store.applied(), None);
}
