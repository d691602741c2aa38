//! The lists of the largest keys say what a look at all keys finds, whatever was written meanwhile.

use super::support::Home;
use crate::store::{CollectionHead, Encoding, LargestKey, NewRow, SubKeys, Txn, Type, Was};
use resp_tests::dice::Dice;

fn hash(txn: &mut Txn<'_>, key: &[u8], fields: u64) {
    let id = txn.new_collection_id();
    for at in 0..fields {
        txn.put_sub_over(SubKeys::Data, &id, &at.to_be_bytes(), b"value", Was::Absent);
    }
    let body = CollectionHead { generation: id.generation(), len: fields }.body(b"");
    txn.put(key, NewRow { kind: Type::Set, encoding: Encoding::Natural, expires_at: 0, body: &body })
        .unwrap();
}

/// The sizes of a type's largest keys.
fn first(keys: &[LargestKey], kind: Type) -> Vec<u64> {
    keys.iter().filter(|key| key.kind == kind).map(|key| key.bytes).take(16).collect()
}

/// What a look at all rows finds.
fn all(home: &Home) -> Vec<LargestKey> {
    let fresh = &home.store;
    fresh.largest.forget();
    while !fresh.look_for_largest(1).unwrap() {}
    fresh.known_largest_keys().keys
}

#[test]
fn nothing_is_known_until_somebody_asks_and_all_is_once_the_pass_is_over() {
    let home = Home::new(0);
    home.set(0, b"before", &[b'x'; 100], 0);
    assert_eq!(home.store.known_largest_keys(), Default::default());
    assert!(home.store.look_for_largest(1).unwrap());
    home.write(0, 3, |txn| hash(txn, b"behind", 10));
    let found = home.store.known_largest_keys();
    assert!(found.is_complete && found.rows == 1, "{found:?}");
    let of = |key: &LargestKey| (key.db, key.key.clone(), key.kind, key.bytes);
    let string = 4 + 6 + 22 + 100;
    let set = 4 + 6 + 22 + 8 + 20 + 10 * (16 + 8 + 5);
    let expected = [(3, b"behind".to_vec(), Type::Set, set), (0, b"before".to_vec(), Type::String, string)];
    assert_eq!(found.keys.iter().map(of).collect::<Vec<_>>(), expected);
    home.write(0, 0, |txn| txn.swap_db(0, 3));
    assert_eq!(home.store.known_largest_keys().keys.iter().map(|key| key.db).collect::<Vec<_>>(), [0, 3]);
    home.write(0, 0, |txn| txn.flush_db(0));
    assert_eq!(home.store.known_largest_keys().keys.len(), 1);
    home.store.tick(1);
    home.store.tick(4000);
    assert_eq!(home.store.known_largest_keys(), Default::default(), "nobody has asked for an hour");
}

#[test]
fn whatever_is_written_while_the_pass_is_under_way_and_after_it() {
    for seed in 0..3 {
        let (home, mut dice) = (Home::new(if seed % 2 == 0 { 0 } else { 1 << 20 }), Dice::new(seed));
        let step = |dice: &mut Dice| {
            let (db, key) = (dice.below(3) as u32, format!("k{}", dice.below(3000)));
            let len = dice.below(2000);
            match dice.below(300) {
                0..120 => home.set(db, key.as_bytes(), &vec![b'x'; len as usize], 0),
                120..140 => home.write(0, db, |txn| hash(txn, key.as_bytes(), len / 100)),
                140..299 => drop(home.write(0, db, |txn| txn.delete(key.as_bytes()).unwrap())),
                _ if dice.chance(300) => home.write(0, db, |txn| txn.flush_db(db)),
                _ => home.write(0, db, |txn| txn.swap_db(0, 2)),
            }
        };
        (0..4000).for_each(|_| step(&mut dice));
        for _ in 0..6 {
            while !home.store.look_for_largest(1).unwrap() {
                (0..20).for_each(|_| step(&mut dice));
            }
            (0..300).for_each(|_| step(&mut dice));
            let found = home.store.known_largest_keys();
            if !home.store.look_for_largest(0).unwrap() && !home.store.known_largest_keys().is_complete {
                continue;
            }
            let expected = all(&home);
            for kind in [Type::String, Type::Set] {
                assert_eq!(first(&found.keys, kind), first(&expected, kind), "{seed}");
            }
        }
    }
}
