//! The order of small hashes and sets: as Redis's listpacks and intsets keep it, whatever happens to them; and of what was
//! stored before there was one.

use crate::{
    store::{
        ElementExpiries, Encoding, SubKeys, Txn, Type, View, expiry_sub,
        tests::support::{Home, against_model},
    },
    types::{
        collection::{Collection, element_of, hashed},
        hash::Hash,
        integer::parse_i64,
        random,
        set::{Set, intersect, subtract, unite},
    },
};
use resp_tests::dice::Dice;
use std::{collections::BTreeMap, ops::ControlFlow};

const KEYS: [&[u8]; 3] = [b"a", b"b", b"c"];
/// Fewer than a listpack holds.
const MEMBERS_MAX: usize = 100;

/// A set as Redis keeps it.
#[derive(Clone, Default, Debug, PartialEq)]
struct Packed {
    is_intset: bool,
    members: Vec<Vec<u8>>,
}

type Model = BTreeMap<Vec<u8>, Packed>;

fn integer(member: &[u8]) -> Option<i64> {
    parse_i64(member)
}

impl Packed {
    fn of(is_intset: bool, members: impl IntoIterator<Item = Vec<u8>>) -> Self {
        let mut packed = Packed { is_intset, members: Vec::new() };
        for member in members {
            packed.add(member);
        }
        packed
    }

    fn add(&mut self, member: Vec<u8>) -> bool {
        if self.members.contains(&member) {
            return false;
        }
        self.is_intset &= integer(&member).is_some();
        self.members.push(member);
        if self.is_intset {
            self.members.sort_by_key(|member| integer(member));
        }
        true
    }

    fn remove(&mut self, member: &[u8]) -> bool {
        let before = self.members.len();
        self.members.retain(|other| other != member);
        self.members.len() < before
    }
}

fn members(subs: Vec<Vec<u8>>) -> Vec<Vec<u8>> {
    subs.iter().map(|sub| element_of(sub).to_vec()).collect()
}

fn compare(view: &View<'_>, model: &Model, dice: &mut Dice) {
    for key in KEYS {
        let set = Set::open(view, key).unwrap();
        let (Some(set), Some(expected)) = (&set, model.get(key)) else {
            assert_eq!(set.is_some(), model.contains_key(key));
            continue;
        };
        assert_eq!(members(set.subs(view).unwrap()), expected.members);
        let mut rolls = random::seeded(dice.roll());
        let all = random::some(set, view, set.stored_len() + 1, &mut rolls).unwrap();
        assert_eq!(all.into_iter().map(|(member, _)| member).collect::<Vec<_>>(), expected.members);
        let mut page = Vec::new();
        // Whatever the cursor, a small set is returned at once.
        assert_eq!(set.page(view, dice.roll() >> 1, 1, |member| page.push(member.to_vec())).unwrap(), 0);
        assert_eq!(page, expected.members);
    }
    let chosen: Vec<&[u8]> = (0..=dice.below(2)).map(|_| KEYS[dice.below(3) as usize]).collect();
    let sets: Vec<Set> = chosen.iter().filter_map(|key| Set::open(view, key).unwrap()).collect();
    if sets.len() < chosen.len() {
        return;
    }
    let all: Vec<&Packed> = chosen.iter().map(|key| &model[*key]).collect();
    let united = Packed::of(true, all.iter().flat_map(|set| set.members.iter().cloned()));
    assert_eq!(members(unite(view, &sets, u64::MAX).unwrap()), united.members);
    let others = |member: &Vec<u8>| all[1..].iter().any(|set| set.members.contains(member));
    let rest = Packed::of(true, all[0].members.iter().filter(|member| !others(member)).cloned());
    assert_eq!(members(subtract(view, &sets[0], &sets[1..]).unwrap()), rest.members);
    let smallest = all.iter().min_by_key(|set| set.members.len()).unwrap();
    let has_all = |member: &&Vec<u8>| all.iter().all(|set| set.members.contains(*member));
    let common: Vec<Vec<u8>> = smallest.members.iter().filter(has_all).cloned().collect();
    assert_eq!(members(intersect(view, &sets, u64::MAX).unwrap()), common);
}

fn member(dice: &mut Dice) -> Vec<u8> {
    match dice.below(6) {
        0 => vec![b"xyz"[dice.below(3) as usize]],
        1 => format!("-{}", 1 + dice.below(300)).into_bytes(),
        _ => dice.below(40).to_string().into_bytes(),
    }
}

fn command(dice: &mut Dice, txn: &mut Txn<'_>, model: &mut Model) {
    let key = KEYS[dice.below(3) as usize];
    let opened = Set::open(&txn.view(), key).unwrap();
    let expected = model.get(key).cloned();
    let after = match (dice.below(10), opened, expected) {
        (0..=4, opened, expected) => {
            let added: Vec<Vec<u8>> = (0..=dice.below(3)).map(|_| member(dice)).collect();
            let mut set = opened.unwrap_or_else(|| Set::create(txn, &added[0], added.len()));
            let new = || Packed { is_intset: integer(&added[0]).is_some(), members: Vec::new() };
            let mut expected = expected.unwrap_or_else(new);
            for member in &added {
                if expected.members.len() < MEMBERS_MAX {
                    assert_eq!(set.add(txn, member).unwrap(), expected.add(member.clone()));
                }
            }
            set.save(txn, key).unwrap();
            expected
        }
        (5, _, _) => {
            let of = |key: &[u8]| model.get(key).map(|set| set.members.clone()).unwrap_or_default();
            let kept: Vec<Vec<u8>> =
                of(KEYS[dice.below(3) as usize]).into_iter().rev().filter(|_| dice.below(3) > 0).collect();
            let subs: Vec<Vec<u8>> = kept.iter().map(|member| hashed(member)).collect();
            Set::store(txn, key, &subs).unwrap();
            Packed::of(kept.iter().all(|member| integer(member).is_some()), kept)
        }
        (6, Some(mut set), Some(mut expected)) => {
            let mut rolls = random::seeded(txn.random());
            let wanted = 1 + dice.below(3);
            let drawn = random::some(&set, &txn.view(), wanted, &mut rolls).unwrap();
            let drawn: Vec<Vec<u8>> = drawn.into_iter().map(|(member, _)| member).collect();
            set.remove_all(txn, &drawn).unwrap();
            set.save(txn, key).unwrap();
            drawn.iter().for_each(|member| assert!(expected.remove(member)));
            expected
        }
        (7, _, Some(expected)) => {
            let row = txn.get(key).unwrap().unwrap();
            let other = KEYS[dice.below(3) as usize];
            if other != key {
                txn.duplicate(&row, 0, other).unwrap();
                model.insert(other.to_vec(), expected.clone());
            }
            expected
        }
        (_, Some(mut set), Some(mut expected)) => {
            for _ in 0..=dice.below(3) {
                let member = member(dice);
                assert_eq!(set.remove(txn, &member).unwrap(), expected.remove(&member));
            }
            set.save(txn, key).unwrap();
            expected
        }
        _ => Packed::default(),
    };
    match after.members.is_empty() {
        true => drop(model.remove(key)),
        false => drop(model.insert(key.to_vec(), after)),
    }
}

#[test]
fn small_sets_are_in_the_order_of_intsets_and_listpacks() {
    for seed in 0..4 {
        let mut dice = Dice::new(seed);
        let home = Home::new(if seed % 2 == 0 { 1 << 20 } else { 0 });
        let (_, model): (Home, Model) = against_model(home, &mut dice, 60, 1, command, compare);
        assert!(!model.is_empty());
    }
}

fn fields(home: &Home) -> Vec<String> {
    home.read(0, 50, |view| {
        let mut found = Vec::new();
        let hash = Hash::open(view, b"k").unwrap().unwrap();
        hash.visit(view, |seen| {
            found.push(String::from_utf8(seen.field.to_vec()).unwrap());
            Ok(ControlFlow::Continue(()))
        })
        .unwrap();
        found
    })
}

fn subs(home: &Home) -> Vec<String> {
    home.read(0, 50, |view| {
        let set = Set::open(view, b"k").unwrap().unwrap();
        let members = members(set.subs(view).unwrap());
        members.into_iter().map(|member| String::from_utf8(member).unwrap()).collect()
    })
}

/// As a version wrote it that numbered nothing: these elements, with what it stored under each, and beside the head.
fn stored_before(home: &Home, kind: Type, encoding: Encoding, rest: &[u8], elements: &[(&str, &[u8])]) {
    home.write(10, 0, |txn| {
        let mut collection = Collection::create(txn, kind);
        for (element, stored) in elements {
            let id = collection.id;
            txn.put_sub(SubKeys::Data, &id, &hashed(element.as_bytes()), stored);
            if let [1, expires_at @ ..] = stored {
                let at = u64::from_be_bytes(*expires_at.first_chunk().unwrap());
                txn.put_sub(SubKeys::Score, &id, &expiry_sub(at, &hashed(element.as_bytes())), b"");
            }
            collection.len += 1;
        }
        (collection.encoding, collection.rest) = (encoding, rest.to_vec());
        collection.save(txn, b"k").unwrap();
    });
}

/// As they are filed.
fn filed<'a>(elements: &[&'a str]) -> Vec<&'a str> {
    let mut elements = elements.to_vec();
    elements.sort_by_key(|element| hashed(element.as_bytes()));
    elements
}

#[test]
fn a_hash_stored_before_there_were_numbers_keeps_its_order_and_what_is_added_comes_behind() {
    let home = Home::new(0);
    let expiring = b"\x01\0\0\0\0\0\0\0\x3cv".as_slice();
    let first = ElementExpiries::beginning(&expiry_sub(60, &hashed(b"d")));
    let rest = ElementExpiries { first, count: 1 }.encode();
    let old: [(&str, &[u8]); 4] = [("a", b"\0v"), ("b", b"\0v"), ("c", b"\0v"), ("d", expiring)];
    stored_before(&home, Type::Hash, Encoding::Natural, &rest, &old);
    let before = filed(&["a", "b", "c", "d"]);
    assert_eq!(fields(&home), before);
    let set = |names: &[&str]| {
        home.write(20, 0, |txn| {
            let mut hash = Hash::open(&txn.view(), b"k").unwrap().unwrap();
            for name in names {
                hash.set(txn, name.as_bytes(), b"new", 0).unwrap();
            }
            hash.save(txn, b"k").unwrap();
        });
    };
    set(&["z", "b", "y"]);
    assert_eq!(fields(&home), [&before[..], &["z", "y"]].concat());
    home.write(30, 0, |txn| {
        let mut hash = Hash::open(&txn.view(), b"k").unwrap().unwrap();
        hash.remove(txn, b"a").unwrap();
        hash.save(txn, b"k").unwrap();
    });
    set(&["a", "z", "x"]);
    let left: Vec<&str> = before.iter().copied().filter(|field| *field != "a").collect();
    assert_eq!(fields(&home), [&left[..], &["z", "y", "a", "x"]].concat());
    // A sweep leaves the numbers as they are.
    home.write(60, 0, |txn| assert_eq!(txn.sweep_expired(10).unwrap().elements, 1));
    set(&["d"]);
    let left: Vec<&str> = left.into_iter().filter(|field| *field != "d").collect();
    assert_eq!(fields(&home.reopen_flushed()), [&left[..], &["z", "y", "a", "x", "d"]].concat());
}

#[test]
fn a_set_stored_before_there_were_numbers_is_read_and_added_to() {
    let home = Home::new(0);
    let old: [(&str, &[u8]); 4] = [("10", b""), ("9", b""), ("-3", b""), ("200", b"")];
    stored_before(&home, Type::Set, Encoding::Natural, b"", &old);
    assert_eq!(subs(&home), ["-3", "9", "10", "200"]);
    let add = |home: &Home, names: &[&str]| {
        home.write(20, 0, |txn| {
            let mut set = Set::open(&txn.view(), b"k").unwrap().unwrap();
            for name in names {
                set.add(txn, name.as_bytes()).unwrap();
            }
            set.save(txn, b"k").unwrap();
        });
    };
    add(&home, &["x", "5"]);
    assert_eq!(subs(&home), ["-3", "9", "10", "200", "x", "5"]);

    let home = Home::new(0);
    stored_before(&home, Type::Set, Encoding::Listpack, b"", &[("b", b""), ("7", b""), ("a", b"")]);
    let before = [&["7"], &filed(&["a", "b"])[..]].concat();
    assert_eq!(subs(&home), before);
    add(&home, &["1", "b", "c"]);
    assert_eq!(subs(&home.reopen_flushed()), [&before[..], &["1", "c"]].concat());
}

/// Beyond a listpack there is no order to keep, and no byte is spent on it.
#[test]
fn what_has_outgrown_a_listpack_has_no_numbers() {
    let home = Home::new(0);
    let before = home.write(10, 0, |txn| {
        let mut hash = Hash::create(txn);
        hash.set(txn, b"first", b"v", 0).unwrap();
        hash.set(txn, b"long", &[b'v'; 65], 0).unwrap();
        hash.set(txn, b"last", b"v", 0).unwrap();
        hash.set(txn, b"first", b"w", 0).unwrap();
        hash.save(txn, b"k").unwrap();
        txn.get(b"k").unwrap().unwrap()
    });
    assert_eq!(before.body.len(), crate::store::CollectionHead::LEN);
    home.read(0, 50, |view| {
        let hash = Collection::open(view, b"k", Type::Hash).unwrap().unwrap();
        for (field, value) in [("first", &b"\0w"[..]), ("last", b"\0v")] {
            let stored = view.sub(SubKeys::Data, &hash.id, &hashed(field.as_bytes())).unwrap().unwrap();
            assert_eq!(&stored[..], value);
        }
    });
    assert_eq!(fields(&home), filed(&["first", "long", "last"]));
}
