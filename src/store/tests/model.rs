//! Random writes against maps: rows, counts, index and order are those of the maps, after commits, rejections and restarts.

use super::support::{Home, scan};
use crate::store::{LogId, NewRow, NextDue, Txn};
use resp_tests::dice::Dice;
use std::collections::BTreeMap;

const DATABASES: u32 = 3;
const BATCHES: u64 = 120;

/// Per database: key → value and expiry.
type Model = Vec<BTreeMap<Vec<u8>, (Vec<u8>, u64)>>;

fn key(dice: &mut Dice) -> Vec<u8> {
    let long = if dice.below(4) == 0 { 30 } else { 0 };
    let bytes: Vec<u8> = (0..dice.below(3)).map(|_| [0, b'a', 0xff][dice.below(3) as usize]).collect();
    [vec![b'l'; long], bytes].concat()
}

fn command(dice: &mut Dice, txn: &mut Txn<'_>, model: &mut Model, now: u64) {
    let db = dice.below(u64::from(DATABASES)) as u32;
    let key = key(dice);
    match dice.below(20) {
        0 => {
            txn.flush_db(db);
            model[db as usize].clear();
        }
        1 => {
            let other = dice.below(u64::from(DATABASES)) as u32;
            txn.swap_db(db, other);
            model.swap(db as usize, other as usize);
        }
        2 => {
            let bound = dice.below(4) as u32;
            let swept = txn.sweep_expired(bound).unwrap().keys;
            let mut due: Vec<(u64, usize, Vec<u8>)> = Vec::new();
            for (db, rows) in model.iter().enumerate() {
                due.extend(
                    rows.iter()
                        .filter(|(_, row)| row.1 != 0 && row.1 <= now)
                        .map(|(key, row)| (row.1, db, key.clone())),
                );
            }
            assert_eq!(swept as usize, due.len().min(bound as usize));
            // Of several with the same time, the index decides which go; ask it.
            for (_, db, key) in due {
                if txn.record(txn.state().database(db as u32).namespace, &key).unwrap().is_none() {
                    model[db].remove(&key);
                }
            }
        }
        3..=6 => {
            let was = model[db as usize].remove(&key);
            let live = was.is_some_and(|row| row.1 == 0 || row.1 > now);
            assert_eq!(txn.delete_in(db, &key).unwrap(), live);
        }
        _ => {
            let value = dice.roll().to_be_bytes()[..dice.below(8) as usize].to_vec();
            let expires_at = if dice.below(2) == 0 { 0 } else { now + dice.below(30) };
            txn.put_in(db, &key, NewRow { expires_at, ..NewRow::string(&value) }).unwrap();
            model[db as usize].insert(key, (value, expires_at));
        }
    }
}

fn check(home: &Home, model: &Model, now: u64, steps: usize) {
    for (db, rows) in (0_u32..).zip(model) {
        let expires = rows.values().filter(|row| row.1 != 0).count();
        assert_eq!(home.counts(db), (rows.len() as u64, expires as u64), "db {db}");
        let live: Vec<&Vec<u8>> =
            rows.iter().filter(|(_, row)| row.1 == 0 || row.1 > now).map(|(key, _)| key).collect();
        home.read(db, now, |view| {
            assert_eq!(scan(view, b"", b"").iter().collect::<Vec<_>>(), live, "db {db}");
            for (key, (value, expires_at)) in rows {
                let found = view.get(key).unwrap();
                let gone = *expires_at != 0 && *expires_at <= now;
                assert_eq!(found.is_none(), gone, "db {db} {key:?}");
                assert!(found.is_none_or(|row| row.body[..] == value[..] && row.expires_at == *expires_at));
            }
        });
    }
    home.store.checksum().unwrap();
    let next = model.iter().flat_map(BTreeMap::values).map(|row| row.1).filter(|at| *at != 0).min();
    let (first_row, total) = (home.store.next_expiry().unwrap(), home.rows());
    // Rows of flushed databases may be there as well, never fewer than the live ones.
    assert!(next.is_none_or(|next| first_row.is_some_and(|row| row <= next)));
    assert!(total.0 >= model.iter().map(BTreeMap::len).sum::<usize>());
    match home.store.next_due(steps).unwrap() {
        NextDue::At(at) => assert_eq!(Some(at), next),
        NextDue::Nothing => assert_eq!(next, None),
        NextDue::StepsUsedUp => assert!(first_row.is_some()),
    }
}

#[test]
fn rows_counts_and_order_are_those_of_the_model() {
    for seed in 0..10 {
        let mut dice = Dice::new(seed);
        let mut home = Home::new([0, 1500, 1 << 20][(seed % 3) as usize]);
        let mut model: Model = vec![BTreeMap::new(); DATABASES as usize];
        let mut now = 100;
        let mut index = 0;
        for _ in 0..BATCHES {
            let mut txn = home.store.begin();
            for _ in 0..dice.between(1, 4) {
                (index, now) = (index + 1, now + dice.below(10));
                txn.begin_entry(LogId { term: 1, index }, now, 0);
                for _ in 0..dice.between(1, 5) {
                    txn.begin_command(0);
                    let before = model.clone();
                    for _ in 0..dice.between(1, 4) {
                        command(&mut dice, &mut txn, &mut model, now);
                    }
                    if dice.below(4) == 0 {
                        txn.reject();
                        model = before;
                    } else {
                        txn.accept();
                    }
                }
            }
            txn.commit().unwrap();
            check(&home, &model, now, dice.below(30) as usize);
            match dice.below(30) {
                0 => home = home.reopen(),
                1 => {
                    home.store.flush().unwrap();
                    home.store.collect_dead_namespaces().unwrap();
                }
                _ => continue,
            }
            check(&home, &model, now, dice.below(30) as usize);
        }
        // Once nothing dead is left, the rows are the model's to the last one.
        home.store.flush().unwrap();
        home.store.collect_dead_namespaces().unwrap();
        let rows = model.iter().map(BTreeMap::len).sum::<usize>();
        let expires = model.iter().flat_map(BTreeMap::values).filter(|row| row.1 != 0).count();
        assert_eq!(home.rows(), (rows, expires), "seed {seed}");
    }
}
