//! The sums that apply keeps: of rows, those that a read of all rows finds; of changes, those of what was done.

use super::support::{Home, raise};
use crate::{
    feature_level::SUMS,
    store::{CollectionHead, Encoding, LogId, NewRow, SubKeys, Txn, Type, engine::Family, keys},
};

fn list(txn: &mut Txn<'_>, key: &[u8], elements: &[&[u8]]) {
    let id = txn.new_collection_id();
    for (at, element) in elements.iter().enumerate() {
        txn.put_sub(SubKeys::Data, &id, &at.to_be_bytes(), element);
    }
    let body = CollectionHead { generation: id.generation(), len: elements.len() as u64 }.body(b"");
    let row = NewRow { kind: Type::List, encoding: Encoding::Natural, expires_at: 0, body: &body };
    txn.put(key, row).unwrap();
}

fn state_sum(home: &Home) -> u64 {
    home.store.published().state().sum()
}

fn put_behind_its_back(home: &Home, family: Family, key: &[u8], value: &[u8]) {
    let published = home.store.published();
    let engine = published.engine();
    let mut batch = rocksdb::WriteBatch::default();
    batch.put_cf(engine.family(family).unwrap(), key, value);
    engine.write(batch).unwrap();
}

#[test]
fn a_row_that_changed_behind_the_back_of_apply_is_found_by_a_full_read() {
    for hot in [0, 1 << 20] {
        let home = Home::new(hot);
        home.set(0, b"a", b"1", 0);
        home.set(3, b"b", b"2", 1 << 50);
        home.store.checksum().unwrap();
        let namespace = |home: &Home, db| home.store.published().state().database(db).namespace;
        let miscounted = |home: &Home| home.store.published().read_all(0).unwrap().miscounted;
        // Each a publication of its own, since a snapshot does not see what came later.
        put_behind_its_back(&home, Family::Expiry, &keys::expiry(7, namespace(&home, 3), b"b"), b"");
        home.set(1, b"x", b"", 0);
        assert_eq!(miscounted(&home), [3]);
        let home = home.reopen_flushed();
        put_behind_its_back(&home, Family::Meta, &keys::meta(namespace(&home, 0), b"a"), b"\x11");
        home.set(1, b"x", b"", 0);
        assert_eq!(miscounted(&home), [0, 3]);
        // Flushed, it counts from nothing again.
        home.write(0, 0, |txn| [0, 3].into_iter().for_each(|db| txn.flush_db(db)));
        assert_eq!(miscounted(&home), [0_u32; 0]);
    }
}

/// Two replicas that read the same and write different bytes, once: all later sums differ, whatever becomes of the key.
#[test]
fn a_change_that_one_replica_made_differently_stays_in_the_sum() {
    let (one, other) = (Home::new(0), Home::new(1 << 20));
    for (home, element) in [(&one, b"x"), (&other, b"y")] {
        home.write(0, 0, |txn| list(txn, b"l", &[b"a", element]));
        home.write(0, 0, |txn| {
            txn.delete(b"l").unwrap();
            list(txn, b"l", &[b"a"]);
        });
    }
    assert_ne!(state_sum(&one), state_sum(&other));
    let (one, other) = (Home::new(0), Home::new(1 << 20));
    for home in [&one, &other] {
        home.write(0, 0, |txn| list(txn, b"l", &[b"a", b"x"]));
        home.set(0, b"s", b"v", 0);
    }
    assert_eq!(state_sum(&one), state_sum(&other));
}

#[test]
fn what_is_taken_back_is_in_no_sum() {
    let home = Home::new(0);
    home.write(0, 0, |txn| list(txn, b"l", &[b"a", b"b"]));
    let before = home.store.published().state().clone();
    home.write(0, 0, |txn| {
        let outer = txn.savepoint();
        txn.put(b"s", NewRow::string(b"v")).unwrap();
        let inner = txn.savepoint();
        list(txn, b"m", &[b"c"]);
        txn.flush_db(0);
        txn.put(b"t", NewRow { expires_at: 9, ..NewRow::string(b"v") }).unwrap();
        txn.roll_back(inner);
        txn.delete(b"l").unwrap();
        txn.roll_back(outer);
        txn.delete(b"l").unwrap();
        txn.reject();
    });
    let after = home.store.published().state().clone();
    assert_eq!((after.databases(), after.change_sum), (before.databases(), before.change_sum));
    home.store.checksum().unwrap();
}

/// The sum of changes does not depend on where batches end: what a batch has made itself is uncovered, not deleted.
#[test]
fn sums_do_not_depend_on_where_batches_end() {
    let commands: [fn(&mut Txn<'_>); 4] = [
        |txn| list(txn, b"l", &[b"a", b"b"]),
        |txn| {
            let row = txn.get(b"l").unwrap().unwrap();
            let id = txn.view().collection_id(CollectionHead::decode(&row.body).unwrap().generation);
            txn.delete_sub(SubKeys::Data, &id, &1_usize.to_be_bytes());
            txn.delete_sub(SubKeys::Data, &id, b"was never there");
        },
        |txn| assert!(txn.delete(b"l").unwrap()),
        |txn| list(txn, b"l", &[b"c"]),
    ];
    let (apart, together) = (Home::new(0), Home::new(0));
    commands.into_iter().for_each(|command| apart.write(0, 0, command));
    let mut txn = together.store.begin();
    for (index, command) in (1..).zip(commands) {
        txn.begin_entry(LogId { term: 1, index }, 0, index);
        txn.begin_command(0);
        command(&mut txn);
        txn.accept();
    }
    txn.commit().unwrap();
    assert_eq!(apart.store.published().state(), together.store.published().state());
}

#[test]
fn a_store_that_had_rows_before_its_level_was_raised_sums_what_changes_since() {
    let home = Home::new_at_first_level(0);
    home.set(0, b"old", b"1", 0);
    let database = |home: &Home, db| *home.store.published().state().database(db);
    assert_eq!(database(&home, 0).row_sum, 0);
    raise(&home.store);
    assert!(home.store.published().state().feature_level >= SUMS);
    assert!(!database(&home, 0).is_summed && database(&home, 1).is_summed);
    home.set(0, b"new", b"2", 1 << 50);
    home.set(0, b"old", b"3", 0);
    assert_ne!(database(&home, 0).row_sum, 0);
    home.store.checksum().unwrap();
    let home = home.reopen_flushed();
    home.write(0, 0, |txn| {
        for key in [&b"old"[..], b"new"] {
            assert!(txn.delete(key).unwrap());
        }
    });
    assert!(database(&home, 0).is_summed && database(&home, 0).row_sum == 0);
    home.set(0, b"new", b"2", 0);
    home.store.checksum().unwrap();
}
