//! Sets whose members expire, against maps: random writes, draws, copies, renames, sweeps and rejections while time goes on,
//! seen by readers now and later.

use crate::{
    error::Error,
    store::{LogId, NewRow, ReadTime, Swept, Txn, View, tests::support::Home},
    types::{
        collection::{element_of, hashed},
        random,
        set::{Put, Set, intersect, subtract, unite},
    },
};
use resp_tests::dice::Dice;
use std::{
    collections::{BTreeMap, BTreeSet},
    ops::ControlFlow,
};

const KEYS: [&[u8]; 3] = [b"a", b"b", b"c"];
/// More than are deleted one by one, in one sweep or by a DEL.
const MANY: u32 = 300;

/// When each member expires; 0 = never.
type Members = BTreeMap<Vec<u8>, u64>;
type Model = BTreeMap<Vec<u8>, Members>;

/// The part that is left at a time.
fn at(model: &Model, now: u64) -> Model {
    let mut left = model.clone();
    left.values_mut().for_each(|members| members.retain(|_, at| *at == 0 || *at > now));
    left.retain(|_, members| !members.is_empty());
    left
}

fn member(dice: &mut Dice) -> Vec<u8> {
    match dice.below(8) {
        0 => b"word".to_vec(),
        1 => vec![b'x'; 60 + dice.below(9) as usize],
        _ => dice.below(30).to_string().into_bytes(),
    }
}

fn names(subs: &[Vec<u8>]) -> BTreeSet<Vec<u8>> {
    subs.iter().map(|sub| element_of(sub).to_vec()).collect()
}

fn compare(view: &View<'_>, model: &Model, dice: &mut Dice) {
    let mut sets = Vec::new();
    for key in KEYS {
        let set = Set::open(view, key).unwrap();
        let Some(expected) = model.get(key) else {
            assert!(set.is_none(), "{key:?}");
            assert!(!view.exists(key).unwrap());
            continue;
        };
        let set = set.unwrap_or_else(|| panic!("{key:?} has {expected:?}"));
        assert_eq!(set.len(view).unwrap(), expected.len() as u64);
        let mut found = Members::new();
        set.visit_with_expiries(view, |sub, expires_at| {
            assert!(found.insert(element_of(sub).to_vec(), expires_at).is_none());
            Ok(ControlFlow::Continue(()))
        })
        .unwrap();
        assert_eq!(&found, expected);
        let name = member(dice);
        assert_eq!(set.contains(view, &name).unwrap(), expected.contains_key(&name));
        assert_eq!(set.expiry_of(view, &name).unwrap(), expected.get(&name).copied());
        let wanted = dice.below(expected.len() as u64 + 2);
        let drawn = random::some(&set, view, wanted, &mut random::seeded(dice.roll())).unwrap();
        assert_eq!(drawn.len() as u64, wanted.min(expected.len() as u64));
        assert!(drawn.iter().all(|(name, _)| expected.contains_key(name)));
        sets.push((set, expected.keys().cloned().collect::<BTreeSet<_>>()));
    }
    let (sets, expected): (Vec<Set>, Vec<BTreeSet<Vec<u8>>>) = sets.into_iter().unzip();
    let Some((first, others)) = expected.split_first() else { return };
    let united = expected.iter().flatten().cloned().collect();
    assert_eq!(names(&unite(view, &sets, u64::MAX).unwrap()), united);
    let common = first.iter().filter(|name| others.iter().all(|other| other.contains(*name)));
    assert_eq!(names(&intersect(view, &sets, u64::MAX).unwrap()), common.cloned().collect());
    let rest = first.iter().filter(|name| !others.iter().any(|other| other.contains(*name)));
    assert_eq!(names(&subtract(view, &sets[0], &sets[1..]).unwrap()), rest.cloned().collect());
}

fn change(dice: &mut Dice, txn: &mut Txn<'_>, key: &[u8], model: &mut Model) {
    let now = txn.now();
    let what = dice.below(10);
    let name = member(dice);
    let opened = Set::open(&txn.view(), key).unwrap();
    let mut set = opened.unwrap_or_else(|| Set::create(txn, &name, 1));
    let members = model.entry(key.to_vec()).or_default();
    for name in [name, member(dice), member(dice)] {
        let before = members.get(&name).copied();
        if what < 3 {
            assert_eq!(set.take(txn, &name).unwrap(), members.remove(&name));
        } else if what < 6 {
            assert_eq!(set.add(txn, &name).unwrap(), before.is_none());
            members.entry(name).or_insert(0);
        } else {
            let expires_at = if dice.below(3) == 0 { 0 } else { now + 1 + dice.below(20) };
            let expected = match before {
                None => Put::Added,
                Some(before) if before == expires_at => Put::Unchanged,
                Some(_) => Put::Changed,
            };
            assert_eq!(set.put(txn, &name, expires_at).unwrap(), expected);
            members.insert(name, expires_at);
        }
    }
    set.save(txn, key).unwrap();
    if members.is_empty() {
        model.remove(key);
    }
}

fn command(dice: &mut Dice, txn: &mut Txn<'_>, model: &mut Model) {
    let now = txn.now();
    let (key, other) = (KEYS[dice.below(3) as usize], KEYS[dice.below(3) as usize]);
    let row = txn.get(key).unwrap();
    match (dice.below(18), row) {
        (0, _) => assert_eq!(txn.delete(key).unwrap(), model.remove(key).is_some()),
        (1, Some(row)) if other != key => {
            txn.transfer(key, &row, 0, other).unwrap();
            let moved = model.remove(key).unwrap();
            model.insert(other.to_vec(), moved);
        }
        (2, Some(row)) if other != key => {
            txn.duplicate(&row, 0, other).unwrap();
            model.insert(other.to_vec(), model[key].clone());
        }
        (3, _) => {
            txn.put(key, NewRow::string(b"in between")).unwrap();
            txn.delete(key).unwrap();
            model.remove(key);
        }
        (4, _) => {
            // All expire, or all but a few that a large part is taken from.
            let (expires_at, stay) = (now + 1 + dice.below(20), dice.below(2) * 10);
            let many: Members = (0..MANY).map(|n| (n.to_string().into_bytes(), expires_at)).collect();
            let many: Members = many
                .into_iter()
                .enumerate()
                .map(|(at, (name, expires_at))| (name, if (at as u64) < stay { 0 } else { expires_at }))
                .collect();
            let subs: Vec<(Vec<u8>, u64)> = many.iter().map(|(name, at)| (hashed(name), *at)).collect();
            let members = subs.iter().map(|(sub, at)| (&sub[..], *at));
            assert!(Set::store_with_expiries(txn, key, members).unwrap());
            model.insert(key.to_vec(), many);
        }
        (5, _) => drop(txn.sweep_expired(dice.below(200) as u32).unwrap()),
        (6..=8, Some(_)) => {
            let mut set = Set::open(&txn.view(), key).unwrap().unwrap();
            let members = model.get_mut(key).unwrap();
            let wanted =
                if dice.below(2) == 0 { members.len() as u64 - dice.below(2) } else { dice.below(4) };
            let mut rolls = random::seeded(txn.random());
            let drawn = random::some(&set, &txn.view(), wanted, &mut rolls).unwrap();
            let drawn: Vec<Vec<u8>> = drawn.into_iter().map(|(name, _)| name).collect();
            set.remove_all(txn, &drawn).unwrap();
            drawn.iter().for_each(|name| assert!(members.remove(name).is_some()));
            set.save(txn, key).unwrap();
            if members.is_empty() {
                model.remove(key);
            }
        }
        _ => change(dice, txn, key, model),
    }
}

fn sweep(home: &Home, now: u64) -> Swept {
    home.write(now, 0, |txn| txn.sweep_expired(100).unwrap())
}

#[test]
fn sets_are_those_of_the_maps_while_members_expire() {
    for seed in 0..6 {
        let mut dice = Dice::new(seed);
        let mut home = Home::new(if seed % 2 == 0 { 1 << 20 } else { 0 });
        let (mut model, mut now) = (Model::new(), 1000);
        for _ in 0..60 {
            let mut txn = home.store.begin();
            for _ in 0..=dice.below(2) {
                now += dice.below(6);
                let index = txn.state().applied.map_or(1, |applied| applied.index + 1);
                txn.begin_entry(LogId { term: 1, index }, now, index);
                for _ in 0..=dice.below(4) {
                    txn.begin_command(0);
                    model = at(&model, now);
                    let before = model.clone();
                    command(&mut dice, &mut txn, &mut model);
                    compare(&txn.view(), &model, &mut dice);
                    if dice.below(4) == 0 {
                        txn.reject();
                        model = before;
                    } else {
                        txn.accept();
                    }
                }
            }
            txn.commit().unwrap();
            let later = now + dice.below(25);
            home.read(0, now, |view| compare(view, &model, &mut dice));
            home.read(0, later, |view| compare(view, &at(&model, later), &mut dice));
            match dice.below(8) {
                0 => home = home.reopen_flushed(),
                1 => {
                    while sweep(&home, now) != Swept::default() {}
                    let due = model.values().flat_map(|members| members.values().copied());
                    let first = due.filter(|expires_at| *expires_at != 0).min();
                    assert_eq!(home.store.next_expiry().unwrap(), first, "the index has it exactly");
                }
                _ => {}
            }
        }
        // Nothing is left of what is gone.
        now += 1000;
        while sweep(&home, now) != Swept::default() {}
        let model = at(&model, now);
        let members: usize = model.values().map(BTreeMap::len).sum();
        assert_eq!((home.rows(), home.subkeys()), ((model.len(), 0), members), "seed {seed}");
    }
}

fn put(home: &Home, now: u64, members: &[(&[u8], u64)]) {
    home.write(now, 0, |txn| {
        let opened = Set::open(&txn.view(), b"k").unwrap();
        let mut set = opened.unwrap_or_else(|| Set::create(txn, members[0].0, members.len()));
        for (member, expires_at) in members {
            set.put(txn, member, *expires_at).unwrap();
        }
        set.save(txn, b"k").unwrap();
    });
}

fn shown(home: &Home, now: u64) -> Vec<String> {
    home.read(0, now, |view| {
        let subs = Set::open(view, b"k").unwrap().unwrap().subs(view).unwrap();
        subs.iter().map(|sub| String::from_utf8_lossy(element_of(sub)).into_owned()).collect()
    })
}

#[test]
fn an_expiry_changes_neither_order_nor_encoding() {
    let home = Home::new(0);
    put(&home, 1, &[(b"3", 0), (b"1", 50), (b"2", 60)]);
    assert_eq!(shown(&home, 1), ["1", "2", "3"]);
    put(&home, 2, &[(b"b", 50), (b"a", 0), (b"3", 70)]);
    assert_eq!(shown(&home, 2), ["1", "2", "3", "b", "a"]);
    assert_eq!(shown(&home, 50), ["2", "3", "a"]);
    // One that had expired is a new one, whether it was swept or not.
    put(&home, 50, &[(b"b", 0)]);
    assert_eq!(shown(&home, 50), ["2", "3", "a", "b"]);
    assert_eq!(sweep(&home, 50).elements, 1);
    put(&home, 51, &[(b"1", 0)]);
    assert_eq!(shown(&home.reopen_flushed(), 51), ["2", "3", "a", "b", "1"]);
}

#[test]
fn a_sweep_takes_as_many_members_as_it_may_and_goes_on_where_it_stopped() {
    let home = Home::new(0);
    let names: Vec<Vec<u8>> = (0..250).map(|n: u32| n.to_string().into_bytes()).collect();
    let members: Vec<(&[u8], u64)> = names.iter().map(|name| (&name[..], 50)).collect();
    put(&home, 1, &members);
    put(&home, 1, &[(b"stays", 0)]);
    for (left, swept) in [(250, 100), (150, 100), (50, 50), (0, 0)] {
        assert_eq!(home.subkeys(), 2 * left + 1);
        assert_eq!(home.read(0, 60, |view| Set::open(view, b"k").unwrap().unwrap().len(view).unwrap()), 1);
        assert_eq!(sweep(&home, 60), Swept { elements: swept, ..Swept::default() });
    }
    assert_eq!((home.rows(), home.store.next_expiry().unwrap()), ((1, 0), None));
}

/// As for keys: a read must not hide what another node, whose clock is behind, could show again.
#[test]
fn members_that_expired_since_the_last_entry_need_the_log_to_say_so() {
    let home = Home::new(0);
    put(&home, 10, &[(b"short", 20), (b"long", 0)]);
    let published = home.store.published();
    let look = |time| {
        let view = home.store.blocking_view(&published, 0, time);
        let set = Set::open(&view, b"k").unwrap().unwrap();
        (set.contains(&view, b"short"), set.contains(&view, b"long"), set.len(&view), set.subs(&view).is_ok())
    };
    assert!(matches!(look(ReadTime::Logged(19)), (Ok(true), Ok(true), Ok(2), true)));
    let unknown = look(ReadTime::Logged(20));
    assert!(matches!(unknown, (Err(Error::NotLogged), Ok(true), Err(Error::NotLogged), false)));
    assert!(matches!(look(ReadTime::At(20)), (Ok(false), Ok(true), Ok(1), true)));
}
