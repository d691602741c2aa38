//! Sub-keys against maps: random writes, drops, renames, moves, copies and rejections, then scans both ways, also of what
//! is not committed yet, and after restarts.

use super::support::{Home, against_model};
use crate::store::{
    ALL, CollectionHead, CollectionId, Direction, Encoding, LogPosition, NewRow, SubKeys, SubRange, Txn,
    Type, View,
};
use resp_tests::dice::Dice;
use std::{
    collections::BTreeMap,
    ops::{Bound, ControlFlow, RangeBounds},
};

const DATABASES: u32 = 2;
const KEYS: [&[u8]; 3] = [b"a", b"b", b"long-key-that-does-not-fit-in-place"];

type Subs = BTreeMap<Vec<u8>, Vec<u8>>;
/// (database, key) → sub-keys of both sets; `None` = a string.
type Model = BTreeMap<(u32, Vec<u8>), Option<[Subs; 2]>>;

const BOTH: [SubKeys; 2] = [SubKeys::Data, SubKeys::Score];

fn head_of(view: &View<'_>, db: u32, key: &[u8]) -> Option<CollectionHead> {
    let row = view.get_in(db, key).unwrap()?;
    row.kind.is_collection().then(|| CollectionHead::decode(&row.body).unwrap())
}

fn put(txn: &mut Txn<'_>, db: u32, key: &[u8], head: CollectionHead) {
    let body = head.body(b"rest");
    let row = NewRow { kind: Type::SortedSet, encoding: Encoding::Natural, expires_at: 0, body: &body };
    txn.put_in(db, key, row).unwrap();
}

fn found(
    view: &View<'_>,
    of: SubKeys,
    collection: &CollectionId,
    range: SubRange<'_>,
    direction: Direction,
) -> Vec<Vec<u8>> {
    let mut found = Vec::new();
    view.scan_sub(of, collection, range, direction, |sub, value| {
        assert_eq!(&view.sub(of, collection, sub).unwrap().unwrap()[..], value);
        found.push([sub, b"=", value].concat());
        Ok(ControlFlow::Continue(()))
    })
    .unwrap();
    found
}

/// The result of a scan over a page up to `limit` sub-keys.
fn paged(
    view: &View<'_>,
    of: SubKeys,
    content: (&CollectionId, Option<LogPosition>),
    range: SubRange<'_>,
    direction: Direction,
    limit: usize,
) -> Vec<Vec<u8>> {
    let mut found = Vec::new();
    view.scan_page(of, content, range, direction, |sub, value| {
        found.push([sub, b"=", value].concat());
        Ok(if found.len() < limit { ControlFlow::Continue(()) } else { ControlFlow::Break(()) })
    })
    .unwrap();
    found
}

fn compare(view: &View<'_>, model: &Model, dice: &mut Dice) {
    for db in 0..DATABASES {
        for key in KEYS {
            let head = head_of(view, db, key);
            let Some(Some(sets)) = model.get(&(db, key.to_vec())) else {
                assert_eq!(head, None);
                continue;
            };
            let collection = view.collection_id_in(db, head.unwrap().generation);
            let content = (&collection, Some(view.get_in(db, key).unwrap().unwrap().revision));
            let ends: Vec<Vec<u8>> = (0..2).map(|_| sub(dice)).collect();
            let bounds = |end: usize, which: u64| match which {
                0 => Bound::Included(&ends[end][..]),
                1 => Bound::Excluded(&ends[end][..]),
                _ => Bound::Unbounded,
            };
            let range = (bounds(0, dice.below(3)), bounds(1, dice.below(3)));
            for (of, subs) in BOTH.into_iter().zip(sets) {
                for range in [ALL, range] {
                    let mut expected: Vec<Vec<u8>> = subs
                        .iter()
                        .filter(|(sub, _)| RangeBounds::<[u8]>::contains(&range, &sub[..]))
                        .map(|(sub, value)| [&sub[..], b"=", value].concat())
                        .collect();
                    for direction in [Direction::Forward, Direction::Backward] {
                        assert_eq!(found(view, of, &collection, range, direction), expected, "{range:?}");
                        for limit in [dice.below(4) as usize + 1, usize::MAX, 1] {
                            let page = paged(view, of, content, range, direction, limit);
                            assert_eq!(page, expected[..limit.min(expected.len())], "{range:?}");
                        }
                        expected.reverse();
                    }
                }
            }
        }
    }
}

fn sub(dice: &mut Dice) -> Vec<u8> {
    (0..dice.below(3)).map(|_| [0, b'm', 0xff][dice.below(3) as usize]).collect()
}

fn command(dice: &mut Dice, txn: &mut Txn<'_>, model: &mut Model) {
    let db = txn.db();
    let key = KEYS[dice.below(3) as usize];
    let id = (db, key.to_vec());
    let other = (dice.below(u64::from(DATABASES)) as u32, KEYS[dice.below(3) as usize].to_vec());
    let row = txn.get(key).unwrap();
    match (dice.below(13), row) {
        (0, _) => {
            txn.put(key, NewRow::string(b"s")).unwrap();
            model.insert(id, None);
        }
        (1, _) => {
            assert_eq!(txn.delete(key).unwrap(), model.remove(&id).is_some());
        }
        (2, Some(row)) if other != id => {
            txn.transfer(key, &row, other.0, &other.1).unwrap();
            let moved = model.remove(&id).unwrap();
            model.insert(other, moved);
        }
        (3, Some(row)) if other != id => {
            txn.duplicate(&row, other.0, &other.1).unwrap();
            let copied = model[&id].clone();
            model.insert(other, copied);
        }
        (4, _) => {
            // A new collection, of more sub-keys than are deleted one by one.
            let collection = txn.new_collection_id();
            let many: Subs = (0..700_u32).map(|n| (n.to_be_bytes().to_vec(), b"v".to_vec())).collect();
            many.iter().for_each(|(sub, value)| txn.put_sub(SubKeys::Data, &collection, sub, value));
            put(txn, db, key, CollectionHead { generation: collection.generation(), len: 700 });
            model.insert(id, Some([many, Subs::new()]));
        }
        (5, Some(_)) => {
            let Some(head) = head_of(&txn.view(), db, key) else { return };
            let collection = txn.view().collection_id(head.generation);
            let (direction, at) = (direction(dice), dice.below(2) as usize);
            let subs = &mut model.get_mut(&id).unwrap().as_mut().unwrap()[at];
            for _ in 0..dice.below(100) {
                txn.cache_end(BOTH[at], &collection, ALL, direction).unwrap();
                let mut first = None;
                txn.view()
                    .scan_sub(BOTH[at], &collection, ALL, direction, |sub, _| {
                        first = Some(sub.to_vec());
                        Ok(ControlFlow::Break(()))
                    })
                    .unwrap();
                let expected = match direction {
                    Direction::Forward => subs.pop_first(),
                    Direction::Backward => subs.pop_last(),
                };
                assert_eq!(first, expected.map(|(sub, _)| sub));
                first.iter().for_each(|sub| txn.delete_sub(BOTH[at], &collection, sub));
            }
            put(txn, db, key, head);
        }
        (what, _) => {
            let head = head_of(&txn.view(), db, key)
                .unwrap_or(CollectionHead { generation: txn.new_collection_id().generation(), len: 0 });
            let collection = txn.view().collection_id(head.generation);
            let sets = model.entry(id).or_default().get_or_insert_default();
            hold(dice, txn, &collection);
            for _ in 0..3 {
                let (at, sub) = (dice.below(2) as usize, sub(dice));
                if what < 7 {
                    txn.delete_sub(BOTH[at], &collection, &sub);
                    sets[at].remove(&sub);
                } else {
                    // A long one is not held in memory.
                    let len = if dice.below(10) == 0 { 1 << 10 } else { 1 };
                    let value = dice.roll().to_be_bytes()[..2].repeat(len);
                    txn.put_sub(BOTH[at], &collection, &sub, &value);
                    sets[at].insert(sub, value);
                }
            }
            // The row comes last: it has what its sub-keys take.
            put(txn, db, key, head);
        }
    }
}

fn direction(dice: &mut Dice) -> Direction {
    [Direction::Forward, Direction::Backward][dice.below(2) as usize]
}

/// Something of a collection is in memory from here on, or nothing is.
fn hold(dice: &mut Dice, txn: &mut Txn<'_>, collection: &CollectionId) {
    let of = BOTH[dice.below(2) as usize];
    match dice.below(3) {
        0 => txn.cache_end(of, collection, ALL, direction(dice)).unwrap(),
        1 => {
            let ends = [sub(dice), sub(dice)];
            let range = (Bound::Included(&ends[0][..]), Bound::Excluded(&ends[1][..]));
            txn.cache_whole(of, collection, range, dice.below(100)).unwrap();
        }
        _ => {}
    }
}

#[test]
fn sub_keys_are_those_of_the_maps() {
    for seed in 0..8 {
        let mut dice = Dice::new(seed);
        let home = Home::new(1 << 20);
        let (home, model): (Home, Model) = against_model(home, &mut dice, 60, DATABASES, command, compare);
        // Nothing is left of those that are gone.
        let stored: usize = model.values().flatten().flatten().map(BTreeMap::len).sum();
        assert_eq!(home.subkeys(), stored, "seed {seed}");
    }
}

#[test]
fn a_large_collection_goes_at_once_and_leaves_nothing() {
    let home = Home::new(0);
    home.write(0, 0, |txn| {
        let collection = txn.new_collection_id();
        put(txn, 0, b"k", CollectionHead { generation: collection.generation(), len: 5000 });
        (0..5000_u32).for_each(|n| txn.put_sub(SubKeys::Data, &collection, &n.to_be_bytes(), b"v"));
    });
    assert_eq!(home.subkeys(), 5000);
    home.store.flush().unwrap();
    home.write(0, 0, |txn| {
        txn.delete(b"k").unwrap();
        assert_eq!(txn.pending_rows(), 2, "one row and one range");
    });
    assert_eq!(home.subkeys(), 0);
    let home = home.reopen_flushed();
    assert_eq!(home.subkeys(), 0);
}
