//! Sets against ordered sets: members added, taken, drawn, combined; rejected commands, restarts; SSCAN's promise.

use crate::{
    store::{
        Encoding, Txn, View,
        tests::support::{Home, against_model},
    },
    types::{
        collection::element_of,
        random,
        set::{Set, intersect, subtract, unite},
    },
};
use resp_tests::dice::Dice;
use std::collections::{BTreeMap, BTreeSet};

type Members = BTreeSet<Vec<u8>>;
type Model = BTreeMap<Vec<u8>, Members>;

const KEYS: [&[u8]; 3] = [b"a", b"b", b"c"];

fn members(subs: Vec<Vec<u8>>) -> Members {
    let count = subs.len();
    let members: Members = subs.iter().map(|sub| element_of(sub).to_vec()).collect();
    assert_eq!(members.len(), count, "no member twice");
    members
}

fn compare(view: &View<'_>, model: &Model, dice: &mut Dice) {
    let nothing = Members::new();
    let of = |key: &[u8]| model.get(key).unwrap_or(&nothing);
    for key in KEYS {
        let set = Set::open(view, key).unwrap();
        assert_eq!(set.is_some(), model.contains_key(key));
        let Some(set) = set else { continue };
        let expected = of(key);
        assert_eq!(set.len(view).unwrap(), expected.len() as u64);
        assert!(members(set.subs(view).unwrap()) == *expected);
        let probe = member(dice);
        assert_eq!(set.contains(view, &probe).unwrap(), expected.contains(&probe));
        let mut rolls = random::seeded(dice.roll());
        let wanted = dice.below(set.stored_len() + 2);
        let drawn = random::some(&set, view, wanted, &mut rolls).unwrap();
        let drawn: Members = drawn.into_iter().map(|(member, _)| member).collect();
        assert_eq!(drawn.len() as u64, wanted.min(set.stored_len()));
        assert!(drawn.is_subset(expected));
    }
    let chosen: Vec<&[u8]> = (0..=dice.below(3)).map(|_| KEYS[dice.below(3) as usize]).collect();
    let sets: Vec<Set> = chosen.iter().filter_map(|key| Set::open(view, key).unwrap()).collect();
    if sets.len() < chosen.len() {
        return;
    }
    let all: Vec<&Members> = chosen.iter().map(|key| of(key)).collect();
    let union: Members = all.iter().flat_map(|set| set.iter().cloned()).collect();
    let has_all = |member: &&Vec<u8>| all.iter().all(|set| set.contains(*member));
    let common: Members = union.iter().filter(has_all).cloned().collect();
    let rest: Members =
        all[0].iter().filter(|member| !all[1..].iter().any(|set| set.contains(*member))).cloned().collect();
    assert!(members(intersect(view, &sets, u64::MAX).unwrap()) == common);
    let limit = dice.below(3) + 1;
    assert_eq!(intersect(view, &sets, limit).unwrap().len() as u64, limit.min(common.len() as u64));
    assert!(members(unite(view, &sets, u64::MAX).unwrap()) == union);
    assert!(members(subtract(view, &sets[0], &sets[1..]).unwrap()) == rest);
}

fn member(dice: &mut Dice) -> Vec<u8> {
    match dice.below(10) {
        0 => Vec::new(),
        1 => vec![0xff; dice.below(80) as usize],
        _ => dice.below(600).to_string().into_bytes(),
    }
}

fn command(dice: &mut Dice, txn: &mut Txn<'_>, model: &mut Model) {
    let key = KEYS[dice.below(3) as usize];
    let opened = Set::open(&txn.view(), key).unwrap();
    let mut expected = model.get(key).cloned().unwrap_or_default();
    match (dice.below(10), opened) {
        (0..=4, opened) => {
            let many = if dice.below(6) == 0 { 700 } else { 3 };
            let added: Vec<Vec<u8>> = (0..=dice.below(many)).map(|_| member(dice)).collect();
            let mut set = opened.unwrap_or_else(|| Set::create(txn, &added[0], added.len()));
            for member in added {
                assert_eq!(set.add(txn, &member).unwrap(), expected.insert(member));
            }
            assert!(!set.save(txn, key).unwrap());
        }
        (5, Some(mut set)) => {
            let wanted = if dice.below(3) == 0 {
                set.stored_len() - dice.below(2)
            } else {
                dice.below(set.stored_len() + 1)
            };
            let mut rolls = random::seeded(txn.random());
            let drawn = random::some(&set, &txn.view(), wanted.max(1), &mut rolls).unwrap();
            let drawn: Vec<Vec<u8>> = drawn.into_iter().map(|(member, _)| member).collect();
            set.remove_all(txn, &drawn).unwrap();
            drawn.iter().for_each(|member| assert!(expected.remove(member)));
            assert_eq!(set.save(txn, key).unwrap(), expected.is_empty());
        }
        (6, _) => {
            let from: Vec<Vec<u8>> =
                KEYS.iter().filter_map(|key| model.get(*key)).flatten().cloned().collect();
            let kept: Members = from.into_iter().filter(|_| dice.below(3) > 0).collect();
            let mut subs: Vec<Vec<u8>> =
                kept.iter().map(|member| crate::types::collection::hashed(member)).collect();
            subs.sort_unstable();
            assert_eq!(Set::store(txn, key, &subs).unwrap(), !kept.is_empty());
            expected = kept;
        }
        (_, Some(mut set)) => {
            for _ in 0..=dice.below(5) {
                let member = member(dice);
                assert_eq!(set.remove(txn, &member).unwrap(), expected.remove(&member));
            }
            assert_eq!(set.save(txn, key).unwrap(), expected.is_empty());
        }
        (_, None) => {}
    }
    match expected.is_empty() {
        true => model.remove(key),
        false => model.insert(key.to_vec(), expected),
    };
}

#[test]
fn sets_are_those_of_the_model() {
    for seed in 0..4 {
        let mut dice = Dice::new(seed);
        let home = Home::new(if seed % 2 == 0 { 1 << 20 } else { 0 });
        let (home, model): (Home, Model) = against_model(home, &mut dice, 40, 1, command, compare);
        let stored: usize = model.values().map(BTreeSet::len).sum();
        assert_eq!(home.subkeys(), stored, "seed {seed}");
    }
}

fn add(home: &Home, members: impl Iterator<Item = Vec<u8>>) -> Encoding {
    let members: Vec<Vec<u8>> = members.collect();
    home.write(0, 0, |txn| {
        let opened = Set::open(&txn.view(), b"k").unwrap();
        let mut set = opened.unwrap_or_else(|| Set::create(txn, &members[0], members.len()));
        for member in &members {
            set.add(txn, member).unwrap();
        }
        set.save(txn, b"k").unwrap();
    });
    home.read(0, 0, |view| view.get(b"k").unwrap().unwrap().encoding)
}

fn numbers(range: std::ops::Range<u32>) -> impl Iterator<Item = Vec<u8>> {
    range.map(|n| n.to_string().into_bytes())
}

#[test]
fn encodings_are_those_of_redis() {
    let one = |word: &str| std::iter::once(word.as_bytes().to_vec());
    let home = Home::new(0);
    assert_eq!(add(&home, numbers(0..512)), Encoding::Natural);
    assert_eq!(add(&home, numbers(512..513)), Encoding::Large);
    let home = Home::new(0);
    assert_eq!(add(&home, numbers(0..127)), Encoding::Natural);
    assert_eq!(add(&home, one("x")), Encoding::Listpack);
    assert_eq!(add(&home, one("128")), Encoding::Large, "129 members");
    let home = Home::new(0);
    assert_eq!(add(&home, numbers(0..128)), Encoding::Natural);
    assert_eq!(add(&home, one("x")), Encoding::Large);
    let home = Home::new(0);
    assert_eq!(add(&home, one(&"x".repeat(64))), Encoding::Listpack);
    assert_eq!(add(&home, one(&"x".repeat(65))), Encoding::Large);
    let home = Home::new(0);
    assert_eq!(add(&home, numbers(0..600)), Encoding::Large);
}

/// A scan returns a member that exists throughout exactly once, whatever is added and removed meanwhile.
#[test]
fn a_scan_returns_members_that_stay_once() {
    let home = Home::new(0);
    add(&home, numbers(0..2000));
    let (mut seen, mut cursor, mut step) = (Vec::new(), 0, 0);
    loop {
        cursor = home.read(0, 0, |view| {
            let set = Set::open(view, b"k").unwrap().unwrap();
            set.page(view, cursor, 37, |member| seen.push(member.to_vec())).unwrap()
        });
        assert!(i64::try_from(cursor).is_ok());
        if cursor == 0 {
            break;
        }
        step += 1;
        home.write(0, 0, |txn| {
            let mut set = Set::open(&txn.view(), b"k").unwrap().unwrap();
            set.add(txn, format!("new{step}").as_bytes()).unwrap();
            assert!(set.remove(txn, format!("{}", 1000 + step).as_bytes()).unwrap());
            set.save(txn, b"k").unwrap();
        });
    }
    for member in numbers(0..1000) {
        assert_eq!(seen.iter().filter(|other| **other == member).count(), 1, "{member:?}");
    }
    assert!(step >= 50, "{step} steps");
}

#[test]
fn most_of_a_large_set_goes_at_once() {
    let home = Home::new(0);
    add(&home, numbers(0..3000));
    home.write(0, 0, |txn| {
        let mut set = Set::open(&txn.view(), b"k").unwrap().unwrap();
        let gone: Vec<Vec<u8>> = numbers(5..3000).collect();
        set.remove_all(txn, &gone).unwrap();
        assert!(!set.save(txn, b"k").unwrap());
        assert!(txn.pending_rows() < 10, "{}", txn.pending_rows());
    });
    assert_eq!(home.subkeys(), 5);
    assert_eq!(add(&home, numbers(0..1)), Encoding::Natural, "small again");
}

#[test]
fn a_set_that_loses_many_again_and_again_is_kept_in_memory() {
    let home = Home::new(0);
    home.write(0, 0, |txn| {
        let mut set = Set::create(txn, b"m", 5000);
        for number in 0..5000_u32 {
            assert!(set.add(txn, format!("m{number}").as_bytes()).unwrap());
        }
        set.save(txn, b"k").unwrap();
    });
    // As SPOP does.
    let pop = |members: u64| {
        home.write(0, 0, |txn| {
            let mut set = Set::open(&txn.view(), b"k").unwrap().unwrap();
            set.will_be_drawn_from(txn, members).unwrap();
            let mut rolls = random::seeded(txn.random());
            let drawn = random::some(&set, &txn.view(), members, &mut rolls).unwrap();
            let drawn: Vec<Vec<u8>> = drawn.into_iter().map(|(member, _)| member).collect();
            assert_eq!(drawn.len() as u64, members);
            set.remove_all(txn, &drawn).unwrap();
            set.save(txn, b"k").unwrap();
            txn.stepped.get()
        })
    };
    assert!(pop(100) >= 100 * 16, "once is no habit");
    assert_eq!((pop(100), pop(100)), (0, 0));
    assert_eq!(home.subkeys(), 5000 - 300);
}
