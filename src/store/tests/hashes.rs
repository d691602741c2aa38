//! Hashes against maps, with the expiry of fields and keys: random writes, copies, renames, moves, sweeps and rejections
//! while time goes on, seen by readers now and later.

use super::support::Home;
use crate::{
    error::Error,
    store::{LogId, NewRow, ReadTime, Swept, Txn, View},
    types::hash::Hash,
};
use resp_tests::dice::Dice;
use std::{collections::BTreeMap, ops::ControlFlow};

const DATABASES: u32 = 2;
const KEYS: [&[u8]; 3] = [b"a", b"b", b"c"];
/// More than are deleted one by one, in one sweep or by a DEL.
const MANY: u32 = 300;

/// Value, expiry.
type Held = (Vec<u8>, u64);
/// The value of each field, in the order in which they were added: all of these hashes stay small.
#[derive(Debug, Clone, Default, PartialEq)]
struct Fields(Vec<(Vec<u8>, Held)>);

impl Fields {
    fn get(&self, field: &[u8]) -> Option<&Held> {
        self.0.iter().find(|(name, _)| name == field).map(|(_, held)| held)
    }

    /// One that was there keeps its place.
    fn insert(&mut self, field: Vec<u8>, held: Held) -> Option<Held> {
        match self.0.iter_mut().find(|(name, _)| *name == field) {
            Some((_, before)) => Some(std::mem::replace(before, held)),
            None => {
                self.0.push((field, held));
                None
            }
        }
    }

    fn remove(&mut self, field: &[u8]) -> Option<Held> {
        let at = self.0.iter().position(|(name, _)| name == field)?;
        Some(self.0.remove(at).1)
    }
}

/// Fields, and the key's expiry.
type Model = BTreeMap<(u32, Vec<u8>), (Fields, u64)>;

/// The part that is left at a time.
fn at(model: &Model, now: u64) -> Model {
    let lives = |expires_at: u64| expires_at == 0 || expires_at > now;
    let mut left = model.clone();
    left.values_mut().for_each(|(fields, _)| fields.0.retain(|(_, (_, expires_at))| lives(*expires_at)));
    left.retain(|_, (fields, expires_at)| lives(*expires_at) && !fields.0.is_empty());
    left
}

fn field(dice: &mut Dice) -> Vec<u8> {
    (0..=dice.below(2)).map(|_| b"xyz"[dice.below(3) as usize]).collect()
}

fn compare(view: &View<'_>, model: &Model, dice: &mut Dice) {
    for db in 0..DATABASES {
        for key in KEYS {
            // A view of the other database would do as well.
            if db != view.db() {
                continue;
            }
            let hash = Hash::open(view, key).unwrap();
            let Some((fields, _)) = model.get(&(db, key.to_vec())) else {
                assert!(hash.is_none(), "{db} {key:?}");
                assert!(!view.exists(key).unwrap());
                continue;
            };
            let hash = hash.unwrap_or_else(|| panic!("{db} {key:?} has {fields:?}"));
            assert_eq!(hash.len(view).unwrap(), fields.0.len() as u64);
            let (mut found, mut filed, mut last) = (Fields::default(), 0, None);
            hash.visit(view, |seen| {
                found.0.push((seen.field.to_vec(), (seen.value.to_vec(), seen.expires_at)));
                Ok(ControlFlow::Continue(()))
            })
            .unwrap();
            assert_eq!(&found, fields);
            hash.visit_from(view, 0, |seen| {
                assert!(last <= Some(seen.hash));
                (last, filed) = (Some(seen.hash), filed + 1);
                Ok(ControlFlow::Continue(()))
            })
            .unwrap();
            assert_eq!(filed, fields.0.len());
            let name = field(dice);
            let got = hash.get(view, &name).unwrap().map(|field| (field.value.to_vec(), field.expires_at));
            assert_eq!(got.as_ref(), fields.get(&name), "{name:?}");
        }
    }
}

fn command(dice: &mut Dice, txn: &mut Txn<'_>, model: &mut Model) {
    let (db, now) = (txn.db(), txn.now());
    let key = KEYS[dice.below(3) as usize];
    let id = (db, key.to_vec());
    let other = (dice.below(u64::from(DATABASES)) as u32, KEYS[dice.below(3) as usize].to_vec());
    let expiry = |dice: &mut Dice| if dice.below(2) == 0 { 0 } else { now + 1 + dice.below(20) };
    let row = txn.get(key).unwrap();
    match (dice.below(16), row) {
        (0, _) => {
            assert_eq!(txn.delete(key).unwrap(), model.remove(&id).is_some());
        }
        (1, Some(row)) if other != id => {
            txn.transfer(key, &row, other.0, &other.1).unwrap();
            let moved = model.remove(&id).unwrap();
            model.insert(other, moved);
        }
        (2, Some(row)) if other != id => {
            txn.duplicate(&row, other.0, &other.1).unwrap();
            let copied = model[&id].clone();
            model.insert(other, copied);
        }
        (3, Some(row)) => {
            let expires_at = expiry(dice);
            let new = NewRow { kind: row.kind, encoding: row.encoding, expires_at, body: &row.body };
            txn.put(key, new).unwrap();
            model.get_mut(&id).unwrap().1 = expires_at;
        }
        (4, _) => {
            txn.put(key, NewRow::string(b"in between")).unwrap();
            txn.delete(key).unwrap();
            model.remove(&id);
        }
        (5, _) => {
            let mut hash = Hash::create(txn);
            let expires_at = expiry(dice);
            let many = (0..MANY).map(|n| (n.to_string().into_bytes(), (b"v".to_vec(), expires_at)));
            let many = Fields(many.collect());
            for (field, (value, expires_at)) in &many.0 {
                assert!(hash.set(txn, field, value, *expires_at).unwrap());
            }
            assert!(!hash.save(txn, key).unwrap());
            model.insert(id, (many, 0));
        }
        (6, _) => {
            txn.sweep_expired(dice.below(200) as u32).unwrap();
        }
        (what, _) => {
            let mut hash = Hash::open_or_create(txn, key).unwrap();
            let (fields, _) = model.entry(id.clone()).or_default();
            for _ in 0..3 {
                let name = field(dice);
                if what < 10 {
                    let removed = hash.remove(txn, &name).unwrap().map(|field| field.value.to_vec());
                    assert_eq!(removed, fields.remove(&name).map(|(value, _)| value));
                } else {
                    let (value, expires_at) = (dice.roll().to_be_bytes().to_vec(), expiry(dice));
                    let is_new = hash.set(txn, &name, &value, expires_at).unwrap();
                    assert_eq!(is_new, fields.insert(name, (value, expires_at)).is_none());
                }
            }
            hash.save(txn, key).unwrap();
            if fields.0.is_empty() {
                model.remove(&id);
            }
        }
    }
}

fn sweep(home: &Home, now: u64) -> Swept {
    home.write(now, 0, |txn| txn.sweep_expired(100).unwrap())
}

#[test]
fn hashes_are_those_of_the_maps() {
    for seed in 0..5 {
        let mut dice = Dice::new(seed);
        let mut home = Home::new(1 << 20);
        let (mut model, mut now) = (Model::new(), 1000);
        for _ in 0..40 {
            let mut txn = home.store.begin();
            for _ in 0..=dice.below(2) {
                now += dice.below(6);
                let index = txn.state().applied.map_or(1, |applied| applied.index + 1);
                txn.begin_entry(LogId { term: 1, index }, now, index);
                for _ in 0..=dice.below(4) {
                    txn.begin_command(dice.below(u64::from(DATABASES)) as u32);
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
            for db in 0..DATABASES {
                home.read(db, now, |view| compare(view, &model, &mut dice));
                home.read(db, later, |view| compare(view, &at(&model, later), &mut dice));
            }
            match dice.below(8) {
                0 => home = home.reopen_flushed(),
                1 => {
                    while sweep(&home, now) != Swept::default() {}
                    let due = model.values().flat_map(|(fields, expires_at)| {
                        fields.0.iter().map(|(_, (_, expires_at))| *expires_at).chain([*expires_at])
                    });
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
        let fields: usize = model.values().map(|(fields, _)| fields.0.len()).sum();
        assert_eq!((home.rows(), home.subkeys()), ((model.len(), 0), fields), "seed {seed}");
    }
}

fn write(home: &Home, now: u64, fields: &[(&[u8], u64)]) {
    home.write(now, 0, |txn| {
        let mut hash = Hash::open_or_create(txn, b"k").unwrap();
        for (field, expires_at) in fields {
            hash.set(txn, field, b"v", *expires_at).unwrap();
        }
        hash.save(txn, b"k").unwrap();
    });
}

#[test]
fn a_sweep_takes_as_many_fields_as_it_may_and_goes_on_where_it_stopped() {
    let home = Home::new(0);
    let names: Vec<Vec<u8>> = (0..250).map(|n: u32| n.to_string().into_bytes()).collect();
    let fields: Vec<(&[u8], u64)> = names.iter().map(|name| (&name[..], 50)).collect();
    write(&home, 1, &fields);
    write(&home, 1, &[(b"stays", 0)]);
    for (left, swept) in [(250, 100), (150, 100), (50, 50), (0, 0)] {
        assert_eq!(home.subkeys(), 2 * left + 1);
        assert_eq!(home.read(0, 60, |view| Hash::open(view, b"k").unwrap().unwrap().len(view).unwrap()), 1);
        assert_eq!(sweep(&home, 60), Swept { elements: swept, ..Swept::default() });
    }
    assert_eq!((home.rows(), home.store.next_expiry().unwrap()), ((1, 0), None));
}

#[test]
fn a_hash_whose_fields_have_all_expired_is_gone_and_goes_at_once() {
    let home = Home::new(1 << 20);
    let names: Vec<Vec<u8>> = (0..250).map(|n: u32| n.to_string().into_bytes()).collect();
    let fields: Vec<(&[u8], u64)> = names.iter().map(|name| (&name[..], 50)).collect();
    write(&home, 1, &fields);
    write(&home, 1, &[(b"last", 60)]);
    assert!(home.read(0, 59, |view| view.exists(b"k").unwrap()));
    assert!(!home.read(0, 60, |view| view.exists(b"k").unwrap()));
    home.write(60, 0, |txn| assert!(!txn.delete(b"k").unwrap(), "it was gone already"));
    assert_eq!((home.rows(), home.subkeys()), ((0, 0), 0));
    write(&home, 60, &[(b"x", 70), (b"y", 80)]);
    assert_eq!(sweep(&home, 80), Swept { elements: 2, ..Swept::default() });
    assert_eq!((home.rows(), home.subkeys()), ((0, 0), 0));
}

/// As for keys: a read must not hide what another node, whose clock is behind, could show again.
#[test]
fn fields_that_expired_since_the_last_entry_need_the_log_to_say_so() {
    let home = Home::new(0);
    write(&home, 10, &[(b"short", 20), (b"long", 0)]);
    let published = home.store.published();
    let look = |time| {
        let view = home.store.blocking_view(&published, 0, time);
        let hash = Hash::open(&view, b"k").unwrap().unwrap();
        let all = hash.visit(&view, |_| Ok(ControlFlow::Continue(()))).is_ok();
        (
            hash.get(&view, b"short").map(|field| field.is_some()),
            hash.get(&view, b"long").map(|field| field.is_some()),
            hash.len(&view),
            all,
        )
    };
    assert!(matches!(look(ReadTime::Logged(19)), (Ok(true), Ok(true), Ok(2), true)));
    assert!(matches!(
        look(ReadTime::Logged(20)),
        (Err(Error::NotLogged), Ok(true), Err(Error::NotLogged), false)
    ));
    assert!(matches!(look(ReadTime::LastEntry), (Ok(true), Ok(true), Ok(2), true)));
    assert!(matches!(look(ReadTime::At(20)), (Ok(false), Ok(true), Ok(1), true)));
}

/// The same for the last field of all: whether the key is there.
#[test]
fn so_does_a_hash_that_is_gone_with_its_last_field() {
    let home = Home::new(0);
    write(&home, 10, &[(b"short", 15), (b"long", 20)]);
    let published = home.store.published();
    let exists = |time| home.store.blocking_view(&published, 0, time).exists(b"k");
    assert!(matches!(exists(ReadTime::Logged(19)), Ok(true)));
    assert!(matches!(exists(ReadTime::Logged(20)), Err(Error::NotLogged)));
    assert!(matches!(exists(ReadTime::At(20)), Ok(false)));
}
