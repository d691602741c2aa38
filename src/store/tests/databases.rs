//! FLUSHDB and SWAPDB change which rows a database means, and compaction drops those that none means, no sooner.

use super::support::{Home, scan};

fn fill(home: &Home, db: u32, keys: u32) {
    for number in 0..keys {
        let expires_at = if number % 2 == 0 { 1 << 50 } else { 0 };
        home.set(db, format!("key{number}").as_bytes(), b"v", expires_at);
    }
}

#[test]
fn a_flushed_database_is_empty_at_once_and_its_rows_go_with_compaction() {
    let home = Home::new(1 << 20);
    fill(&home, 0, 20);
    fill(&home, 1, 10);
    home.write(0, 0, |txn| txn.flush_db(0));
    assert_eq!((home.counts(0), home.counts(1)), ((0, 0), (10, 5)));
    assert_eq!(home.get(0, b"key0"), None);
    assert!(home.read(0, 0, |view| scan(view, b"", b"")).is_empty());
    let before = home.store.checksum().unwrap();
    // The files do not know of the flush yet: after a crash these rows would be wanted again.
    assert_eq!(home.store.collect_dead_namespaces().unwrap(), 0);
    assert_eq!(home.rows(), (30, 15));
    home.store.flush().unwrap();
    assert_eq!(home.store.collect_dead_namespaces().unwrap(), 1);
    assert_eq!(home.rows(), (10, 5));
    assert_eq!(home.store.checksum().unwrap(), before, "dead rows are no part of the state");
    assert_eq!(home.store.collect_dead_namespaces().unwrap(), 0);
    let home = home.reopen();
    assert_eq!((home.counts(0), home.counts(1)), ((0, 0), (10, 5)));
    assert_eq!(home.read(1, 0, |view| scan(view, b"", b"")).len(), 10);
    assert_eq!(home.store.checksum().unwrap(), before);
}

#[test]
fn a_new_life_of_a_database_has_nothing_of_the_old_one() {
    let home = Home::new(1 << 20);
    fill(&home, 0, 4);
    home.write(0, 0, |txn| {
        txn.flush_db(0);
        assert!(txn.get(b"key0").unwrap().is_none());
        assert!(!txn.delete(b"key0").unwrap());
    });
    home.set(0, b"key0", b"new", 0);
    assert_eq!(home.counts(0), (1, 0));
    assert_eq!(home.get(0, b"key0").as_deref(), Some(&b"new"[..]));
    home.store.flush().unwrap();
    assert_eq!(home.store.collect_dead_namespaces().unwrap(), 1);
    assert_eq!((home.rows(), home.get(0, b"key0").as_deref()), ((1, 0), Some(&b"new"[..])));
}

/// Otherwise a client that flushes in a loop would use up namespaces, each with a compaction of its own.
#[test]
fn flushing_an_empty_database_changes_nothing() {
    let home = Home::new(0);
    let before = home.store.published().state().next_namespace;
    home.write(0, 0, |txn| (0..3).for_each(|_| txn.flush_db(0)));
    assert_eq!(home.store.published().state().next_namespace, before);
    home.set(0, b"k", b"v", 0);
    home.write(0, 0, |txn| (0..3).for_each(|_| txn.flush_db(0)));
    assert_eq!(home.store.published().state().next_namespace, before + 1);
}

#[test]
fn swapped_databases_keep_their_rows_and_counts() {
    let home = Home::new(1 << 20);
    fill(&home, 0, 6);
    fill(&home, 5, 2);
    home.write(0, 0, |txn| {
        txn.swap_db(0, 5);
        assert_eq!(txn.get_in(5, b"key5").unwrap().unwrap().body[..], b"v"[..]);
        assert!(txn.get(b"key5").unwrap().is_none());
        txn.put(b"mine", crate::store::NewRow::string(b"zero")).unwrap();
    });
    assert_eq!((home.counts(0), home.counts(5)), ((3, 1), (6, 3)));
    assert_eq!((home.get(0, b"mine").as_deref(), home.get(5, b"mine")), (Some(&b"zero"[..]), None));
    // The old rows of 0 are those of 5 now: flushing 0 must not take them.
    home.write(0, 0, |txn| txn.flush_db(0));
    home.store.flush().unwrap();
    assert_eq!(home.store.collect_dead_namespaces().unwrap(), 1);
    assert_eq!((home.counts(0), home.counts(5), home.rows()), ((0, 0), (6, 3), (6, 3)));
    assert_eq!(home.get(5, b"key5").as_deref(), Some(&b"v"[..]));
}

/// Dead namespaces with live ones between them: what is compacted together is dead together.
#[test]
fn live_neighbours_of_dead_namespaces_stay() {
    let home = Home::new(0);
    for round in 0..6_u32 {
        fill(&home, round, 2);
        home.write(0, 0, |txn| {
            txn.flush_db(round);
            txn.flush_db(round);
        });
        fill(&home, round, 2);
        if round % 2 == 0 {
            home.write(0, 0, |txn| txn.flush_db(round));
        }
    }
    let home = home.reopen();
    assert_eq!(home.store.collect_dead_namespaces().unwrap(), 6 + 3);
    assert_eq!(home.rows(), (3 * 2, 3));
    for db in 0..6 {
        assert_eq!(home.read(db, 0, |view| scan(view, b"", b"")).len(), if db % 2 == 0 { 0 } else { 2 });
    }
}

/// Compaction filters take no notice of snapshots: a comparison of states, or any other long read, that began before a flush
/// found part of the rows or none, and told another checksum than the nodes that were faster.
#[test]
fn a_read_that_began_before_a_flush_finds_all_rows_whatever_is_compacted() {
    let home = Home::new(0);
    fill(&home, 0, 20);
    fill(&home, 1, 4);
    home.store.flush().unwrap();
    let before = home.store.published();
    let sum = before.checksum().unwrap();
    home.write(0, 0, |txn| txn.flush_db(0));
    let between = home.store.published();
    home.write(0, 0, |txn| txn.flush_db(1));
    home.store.flush().unwrap();
    assert_eq!(home.store.collect_dead_namespaces().unwrap(), 0, "both are read");
    home.compact();
    assert_eq!(before.checksum().unwrap(), sum);
    let view = home.store.blocking_view(&before, 0, crate::store::ReadTime::LastEntry);
    assert_eq!(scan(&view, b"", b"").len(), 20);
    drop(before);
    assert_eq!(home.store.collect_dead_namespaces().unwrap(), 1);
    let view = home.store.blocking_view(&between, 1, crate::store::ReadTime::LastEntry);
    assert_eq!((scan(&view, b"", b"").len(), home.rows()), (4, (4, 2)));
    drop(between);
    assert_eq!(home.store.collect_dead_namespaces().unwrap(), 1);
    assert_eq!(home.rows(), (0, 0));
}
