//! What keys and values take is counted as it changes, and a read of all rows finds the same.

use super::support::{Home, raise};
use crate::store::{
    CollectionHead, Encoding, LogPosition, NewRow, Sampler, SubKeys, Txn, Type, VictimOrder, Was,
};
use resp_tests::dice::Dice;

fn bytes(home: &Home) -> u64 {
    home.store.checksum().unwrap();
    home.store.published().state().bytes()
}

fn list(txn: &mut Txn<'_>, key: &[u8], elements: u64) {
    let id = txn.new_collection_id();
    for at in 0..elements {
        txn.put_sub_over(SubKeys::Data, &id, &at.to_be_bytes(), b"element", Was::Absent);
    }
    let body = CollectionHead { generation: id.generation(), len: elements }.body(b"");
    let row = NewRow { kind: Type::List, encoding: Encoding::Natural, expires_at: 0, body: &body };
    txn.put(key, row).unwrap();
}

fn rename(txn: &mut Txn<'_>, key: &[u8], db: u32, new: &[u8]) {
    let row = txn.get(key).unwrap().unwrap();
    txn.transfer(key, &row, db, new).unwrap();
}

#[test]
fn of_a_key_its_record_its_expiry_and_its_sub_keys() {
    let home = Home::new(1 << 20);
    assert_eq!(bytes(&home), 0);
    // Namespace, key, header, value.
    home.set(0, b"key", b"value", 0);
    assert_eq!(bytes(&home), 4 + 3 + 22 + 5);
    home.set(0, b"key", b"other value", 1 << 50);
    assert_eq!(bytes(&home), 4 + 3 + 22 + 11 + (8 + 4 + 3));
    home.write(0, 0, |txn| txn.delete(b"key").unwrap());
    assert_eq!(bytes(&home), 0);
    let of_list = 4 + 1 + 22 + 8 + 20 + 100 * (16 + 8 + 7);
    home.write(0, 0, |txn| list(txn, b"l", 100));
    assert_eq!(bytes(&home), of_list);
    home.write(0, 0, |txn| rename(txn, b"l", 0, b"longer"));
    assert_eq!(bytes(&home), of_list + 5);
    home.write(0, 0, |txn| rename(txn, b"longer", 3, b"l"));
    assert_eq!((bytes(&home), home.store.published().state().database(3).bytes), (of_list, of_list));
    home.write(0, 0, |txn| txn.swap_db(0, 3));
    home.write(0, 0, |txn| {
        let row = txn.get(b"l").unwrap().unwrap();
        txn.duplicate(&row, 0, b"m").unwrap();
    });
    assert_eq!(bytes(&home), 2 * of_list);
    home.write(0, 0, |txn| list(txn, b"l", 1));
    assert_eq!(bytes(&home), 2 * of_list - 99 * (16 + 8 + 7));
    home.write(0, 0, |txn| txn.flush_db(0));
    assert_eq!(bytes(&home), 0);
}

#[test]
fn what_is_taken_back_does_not_count() {
    let home = Home::new(0);
    home.write(0, 0, |txn| list(txn, b"l", 3));
    let before = bytes(&home);
    home.write(0, 0, |txn| {
        let savepoint = txn.savepoint();
        list(txn, b"l", 50);
        txn.roll_back(savepoint);
        list(txn, b"m", 2);
        txn.delete(b"m").unwrap();
    });
    assert_eq!(bytes(&home), before);
}

/// Rows of before the level: those that are written in between are counted by their writers, renamed ones as they are renamed.
#[test]
fn rows_of_before_the_level_are_counted_some_at_a_time() {
    for seed in 0..20 {
        let mut dice = Dice::new(seed);
        let mut home = Home::new_at_first_level(if seed % 2 == 0 { 0 } else { 1 << 20 });
        for number in 0..40_u32 {
            let key = format!("key{number}");
            match number % 3 {
                0 => home.write(0, 0, |txn| list(txn, key.as_bytes(), u64::from(number))),
                1 => home.set(1, key.as_bytes(), b"value", 0),
                _ => home.set(0, key.as_bytes(), b"value", 1 << 50),
            }
        }
        home = home.reopen_flushed();
        raise(&home.store);
        assert_eq!((bytes(&home), home.store.published().state().is_counted()), (0, false));
        let mut from = Vec::new();
        let mut entries = 0;
        loop {
            let counted = home.write(0, 0, |txn| txn.count_rows(&from, 7).unwrap());
            entries += 1;
            let Some(next) = counted.next else { break };
            assert!(next > from);
            from = next;
            let (key, other) = (format!("key{}", dice.below(40)), format!("key{}", dice.below(60)));
            home.write(0, 0, |txn| match dice.below(5) {
                0 => drop(txn.delete(key.as_bytes()).unwrap()),
                1 => txn.put(key.as_bytes(), NewRow::string(b"new")).unwrap(),
                2 if txn.get(key.as_bytes()).unwrap().is_some() && key != other => {
                    rename(txn, key.as_bytes(), 0, other.as_bytes());
                }
                3 => list(txn, other.as_bytes(), 4),
                _ => {}
            });
        }
        assert!(entries > 5, "{entries}");
        assert!(home.store.published().state().is_counted());
        assert!(bytes(&home) > 0, "and a read of all rows finds the same");
    }
}

#[test]
fn a_key_that_was_written_since_it_was_chosen_is_not_evicted() {
    let home = Home::new(1 << 20);
    home.set(2, b"a", b"1", 0);
    home.write(0, 2, |txn| list(txn, b"l", 5));
    let mut sampler = Sampler::new(VictimOrder::Idle, false, 1);
    let mut found = home.store.look_for_victims(&mut sampler, 10).unwrap();
    found.sort_by(|a, b| a.key.cmp(&b.key));
    found.dedup();
    assert_eq!(found.iter().map(|found| &found.key[..]).collect::<Vec<_>>(), [&b"a"[..], b"l"]);
    assert_eq!(found.iter().map(|found| found.bytes).sum::<u64>(), bytes(&home));
    home.set(2, b"a", b"2", 0);
    home.write(0, 0, |txn| txn.swap_db(2, 5));
    let evict = |txn: &mut Txn<'_>| {
        let evicted = found.iter().map(|found| txn.evict(found.namespace, &found.key, found.revision));
        evicted.collect::<Result<Vec<_>, _>>().unwrap()
    };
    assert_eq!(home.write(0, 0, evict), [false, true]);
    assert_eq!(home.counts(5), (1, 0));
    assert_eq!(home.write(0, 0, evict), [false, false]);
    home.write(0, 0, |txn| txn.flush_db(5));
    assert_eq!((home.write(0, 0, evict), bytes(&home)), (vec![false, false], 0));
    let odd = LogPosition { index: 1, ordinal: 0 };
    assert!(!home.write(0, 0, |txn| txn.evict(77, b"a", odd).unwrap()), "no such database");
}

/// Names that lie close together in one place and far apart in another: each key is drawn as often as any.
#[test]
fn keys_are_drawn_from_all_parts_alike() {
    const KEYS: u64 = 20_000;
    let home = Home::new(0);
    home.write(0, 7, |txn| {
        (0..1000).for_each(|n| txn.put(format!("dead{n}").as_bytes(), NewRow::string(b"")).unwrap());
        txn.flush_db(7);
    });
    home.write(0, 3, |txn| {
        for number in 0..KEYS {
            let key = match number % 4 {
                0 => format!("user:{number}"),
                1 => format!("zzz:{number}:session"),
                2 => format!("a{}", number.wrapping_mul(0x9e37_79b9_7f4a_7c15)),
                _ => format!("user:{:040}", number),
            };
            txn.put(key.as_bytes(), NewRow::string(b"")).unwrap();
        }
    });
    let mut sampler = Sampler::new(VictimOrder::Random, false, 7);
    let mut drawn: Vec<Vec<u8>> = Vec::new();
    for _ in 0..200 {
        drawn.extend(
            home.store.look_for_victims(&mut sampler, 500).unwrap().into_iter().map(|found| found.key),
        );
    }
    let total = drawn.len();
    assert!(total > 90_000, "{total}");
    let mut all: Vec<Vec<u8>> = Vec::new();
    home.read(3, 0, |view| {
        let keys = super::support::scan(view, b"", b"");
        all = keys;
    });
    for (part, keys) in all.chunks(all.len() / 20).enumerate() {
        let (first, last) = (&keys[0], &keys[keys.len() - 1]);
        let times = drawn.iter().filter(|key| *key >= first && *key <= last).count();
        let expected = total / 20;
        assert!(times > expected / 2 && times < expected * 2, "part {part}: {times} of {total}");
    }
}

#[test]
fn of_keys_with_an_expiry_the_others_are_never_drawn_and_the_soonest_come_first() {
    let home = Home::new(0);
    for number in 0..500_u64 {
        let expires_at = if number % 2 == 0 { 10_000 - number } else { 0 };
        home.set(0, format!("key{number}").as_bytes(), b"v", expires_at);
    }
    let mut sampler = Sampler::new(VictimOrder::Idle, true, 3);
    for _ in 0..20 {
        let found = home.store.look_for_victims(&mut sampler, 50).unwrap();
        assert!(!found.is_empty());
        assert!(
            found.iter().all(|found| !matches!(found.key.last(), Some(b'1' | b'3' | b'5' | b'7' | b'9')))
        );
    }
    let mut sampler = Sampler::new(VictimOrder::Expiry, true, 3);
    let found = home.store.look_for_victims(&mut sampler, 3).unwrap();
    assert_eq!(
        found.iter().map(|found| &found.key[..]).collect::<Vec<_>>(),
        [b"key498", b"key496", b"key494"]
    );
    assert!(found.is_sorted_by(|a, b| a.score > b.score));
    let none = Home::new(0);
    for is_of_expiring in [false, true] {
        let mut sampler = Sampler::new(VictimOrder::Random, is_of_expiring, 3);
        assert_eq!(none.store.look_for_victims(&mut sampler, 5).unwrap(), []);
    }
}
