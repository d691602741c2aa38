//! The feature level: part of the state, hence of its checksum, of checkpoints, and of what a restart finds.

use super::support::Home;
use crate::{
    error::StoreError,
    feature_level::{INITIAL, NEWEST},
    store::{Store, StoreOptions, engine::Family, keys},
};

fn level(store: &Store) -> u32 {
    store.published().state().feature_level
}

#[test]
fn an_empty_store_is_at_the_initial_level_and_a_raised_one_stays_raised() {
    let directory = tempfile::tempdir().unwrap();
    let store = Store::open(&directory.path().join("store"), StoreOptions::default()).unwrap();
    assert_eq!((level(&store), store.begin().feature_level()), (INITIAL, INITIAL));
    let home = Home::new(0);
    home.set(0, b"k", b"v", 0);
    let home = home.reopen_flushed();
    assert_eq!(level(&home.store), NEWEST);
    assert_eq!(home.read(0, 0, |view| view.feature_level()), NEWEST);
    home.write(0, 0, |txn| txn.raise_feature_level(INITIAL));
    assert_eq!(level(&home.store), NEWEST, "never lowered");
}

#[test]
fn the_level_is_in_the_checksum_and_in_checkpoints() {
    let home = Home::new(0);
    home.set(0, b"k", b"v", 0);
    let before = home.store.checksum().unwrap();
    home.write(0, 0, |txn| txn.raise_feature_level(NEWEST + 1));
    // Another entry, and the same data: compared with a record that differs in the level only.
    let at = home.store.published().state().clone();
    let mut same = at.clone();
    same.feature_level = NEWEST;
    assert_ne!(crc32c::crc32c(&at.encode()), crc32c::crc32c(&same.encode()));
    assert_ne!(home.store.checksum().unwrap(), before);
    let target = home.directory.path().join("copy");
    let refused = home.store.checkpoint(&target).unwrap_err();
    assert!(matches!(&refused, StoreError::NotUnderstood(_)), "{refused}");
}

#[test]
fn a_directory_of_an_earlier_build_is_at_level_3_and_its_state_is_written_as_that_build_did() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("store");
    let store = Store::open(&path, StoreOptions::default()).unwrap();
    let written = |store: &Store| {
        let published = store.published();
        published.engine().get_flushed(keys::STATE).unwrap().unwrap()
    };
    let mut txn = store.begin();
    txn.begin_entry(crate::store::LogId { term: 1, index: 1 }, 7, 7);
    txn.commit().unwrap();
    store.flush().unwrap();
    assert_eq!(written(&store).first(), Some(&1), "version 1");
    drop(store);
    let store = Store::open(&path, StoreOptions::default()).unwrap();
    assert_eq!(level(&store), 3);
}

#[test]
fn a_store_of_a_later_level_does_not_open_and_nothing_of_it_is_lost() {
    let home = Home::new(0);
    home.set(0, b"k", b"v", 0);
    home.write(0, 0, |txn| txn.raise_feature_level(NEWEST + 1));
    home.store.flush().unwrap();
    let Home { directory, store, .. } = home;
    drop(store);
    let path = directory.path().join("store");
    for _ in 0..2 {
        let refused = Store::open(&path, StoreOptions::default()).err().unwrap();
        assert!(matches!(&refused, StoreError::NotUnderstood(_)), "{refused}");
        assert!(refused.damage().is_none());
    }
    let options = rocksdb::Options::default();
    let families = Family::ALL.map(|family| family.name());
    let db = rocksdb::DB::open_cf_for_read_only(&options, path.join("db"), families, false).unwrap();
    let meta = db.cf_handle(Family::Meta.name()).unwrap();
    assert!(db.get_cf(meta, keys::meta(1, b"k")).unwrap().is_some());
}
