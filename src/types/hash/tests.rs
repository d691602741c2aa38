//! Random fields: the right number, no field twice unless asked for, and all of them in the long run.

use super::Hash;
use crate::{
    store::{LogId, ReadTime, Store, StoreOptions, View},
    types::random::{all, one, repeated, seeded as dice, some},
};
use std::collections::BTreeMap;

/// Runs `check` on a hash of so many fields, and as many that have expired.
fn with_fields(fields: u32, check: impl Fn(&Hash, &View<'_>)) {
    let directory = tempfile::tempdir().unwrap();
    let store = Store::open(directory.path(), StoreOptions::default()).unwrap();
    let mut txn = store.begin();
    txn.begin_entry(LogId { term: 1, index: 1 }, 1, 1);
    txn.begin_command(0);
    let mut hash = Hash::create(&mut txn);
    for n in 0..fields {
        hash.set(&mut txn, format!("field{n}").as_bytes(), format!("{n}").as_bytes(), 0).unwrap();
        hash.set(&mut txn, format!("gone{n}").as_bytes(), b"", 10).unwrap();
    }
    hash.save(&mut txn, b"k").unwrap();
    txn.accept();
    txn.commit().unwrap();
    let published = store.published();
    let view = store.blocking_view(&published, 0, ReadTime::At(20));
    check(&Hash::open(&view, b"k").unwrap().unwrap(), &view);
}

#[test]
fn the_right_number_and_no_field_twice() {
    for fields in [1, 20, 1000] {
        with_fields(fields, |hash, view| {
            let mut dice = dice(u64::from(fields));
            let everything: BTreeMap<_, _> = all(hash, view).unwrap().into_iter().collect();
            assert_eq!(everything.len(), fields as usize);
            for count in [0, 1, 2, 10, 100, 124, 126, 999, 1000, u64::MAX] {
                let chosen = some(hash, view, count, &mut dice).unwrap();
                let distinct: BTreeMap<_, _> = chosen.iter().cloned().collect();
                let expected = count.min(u64::from(fields)) as usize;
                assert_eq!((chosen.len(), distinct.len()), (expected, expected), "{count} of {fields}");
                assert!(distinct.iter().all(|(field, value)| everything[field] == *value));
            }
            for count in [0, 1, 50, 300] {
                let chosen = repeated(hash, view, count, &mut dice).unwrap();
                assert_eq!(chosen.len(), count);
                assert!(chosen.iter().all(|(field, value)| everything[field] == *value));
            }
        });
    }
}

/// Of a large hash as well, none is left out, and none is much likelier than the others.
#[test]
fn every_field_comes_up_in_the_long_run() {
    for (fields, rolls) in [(20_u32, 2000_u32), (300, 30_000)] {
        with_fields(fields, |hash, view| {
            let mut dice = dice(7);
            let mut times: BTreeMap<Vec<u8>, u32> = BTreeMap::new();
            for _ in 0..rolls {
                *times.entry(one(hash, view, &mut dice).unwrap().unwrap().0).or_default() += 1;
            }
            let expected = rolls / fields;
            assert_eq!(times.len(), fields as usize);
            let (least, most) = (times.values().min().unwrap(), times.values().max().unwrap());
            assert!(*least > expected / 4 && *most < expected * 4, "{least} to {most} for {expected}");
        });
    }
}
