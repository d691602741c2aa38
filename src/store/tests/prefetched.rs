//! Records read ahead: apply does not wait for the disk once for each, and finds what it would have found.

use super::support::Home;
use crate::store::{NewRow, Store};
use resp_tests::dice::Dice;
use std::collections::BTreeMap;

const KEYS: u32 = 20_000;

fn key(number: u32) -> Vec<u8> {
    format!("key:{number:08}").into_bytes()
}

/// A store in files, none of whose blocks is in memory.
fn cold() -> Home {
    let home = Home::new(0);
    home.write(0, 0, |txn| {
        for number in 0..KEYS {
            txn.put(&key(number), NewRow::string(&[b'v'; 100])).unwrap();
        }
    });
    home.reopen_flushed()
}

/// Some keys far from each other, from one on.
fn spread(first: u32) -> Vec<Vec<u8>> {
    (0..10).map(|number| key(first + number * (KEYS / 10))).collect()
}

fn update(store: &Home, keys: &[Vec<u8>]) {
    store.write(0, 0, |txn| {
        for key in keys {
            assert_eq!(txn.get(key).unwrap().map(|row| row.body.len()), Some(100));
            txn.put(key, NewRow::string(b"new")).unwrap();
        }
    });
}

fn prefetch(store: &Store, keys: &[Vec<u8>]) {
    store.prefetch(keys.iter().map(|key| (0, &key[..]))).unwrap();
}

#[test]
fn after_a_cold_batch_the_next_one_waits_for_nothing_one_by_one() {
    let home = cold();
    assert!(!home.store.is_cold());
    update(&home, &spread(0));
    let waited = home.store.waited_for();
    assert!(waited >= 8 && home.store.is_cold(), "{waited}: the blocks were in memory, so this is no test");
    // Between the blocks of those before.
    prefetch(&home.store, &spread(1000));
    update(&home, &spread(1000));
    assert_eq!(home.store.waited_for(), waited);
    assert!(home.store.is_cold(), "it would have waited");
    prefetch(&home.store, &spread(1001));
    update(&home, &spread(1001));
    assert!(!home.store.is_cold(), "these are in blocks read before");
}

#[test]
fn what_is_written_meanwhile_counts() {
    let mut home = Home::new(0);
    let (mut model, mut dice) = (BTreeMap::new(), Dice::new(7));
    for round in 0..300 {
        let named: Vec<Vec<u8>> = (0..8).map(|_| key(dice.below(20) as u32)).collect();
        if dice.below(3) > 0 {
            prefetch(&home.store, &named);
        }
        home.write(0, 0, |txn| {
            for _ in 0..4 {
                let key = key(dice.below(20) as u32);
                let found = txn.get(&key).unwrap().map(|row| row.body.to_vec());
                assert_eq!(found.as_ref(), model.get(&key), "round {round}");
                match dice.below(8) {
                    0..=4 => {
                        let value = round.to_string().into_bytes();
                        txn.put(&key, NewRow::string(&value)).unwrap();
                        model.insert(key, value);
                    }
                    5 | 6 => assert_eq!(txn.delete(&key).unwrap(), model.remove(&key).is_some()),
                    _ => {
                        txn.flush_db(0);
                        model.clear();
                    }
                }
            }
        });
        if dice.below(40) == 0 {
            home = home.reopen_flushed();
        }
    }
}
