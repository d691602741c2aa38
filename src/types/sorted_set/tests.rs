//! Sorted sets against a sorted list: random additions, removals, pops and ranges, with few and with thousands of
//! members, also before they are committed, and after restarts.

use super::{LexEnd, LexRange, Scored, SortedSet, Span, ranks::ends, span::sub_key};
use crate::store::{ALL, Direction, LogId, ReadTime, Store, StoreOptions, SubKeys, Txn, View};
use resp_tests::dice::Dice;
use std::{
    collections::{BTreeMap, BTreeSet},
    ops::{Bound, ControlFlow},
    sync::LazyLock,
};

const KEY: &[u8] = b"key";

/// Sub-key of `Score` → member and score.
type Model = BTreeMap<Vec<u8>, Scored>;

/// Members that end stretches on the first or also on the second level, or the third.
static LAST_OF_STRETCHES: LazyLock<Vec<Vec<u8>>> = LazyLock::new(|| {
    let named = |n: u32| format!("last-{n}").into_bytes();
    let of = |level, from: u32, count| {
        (from..).map(named).filter(move |name| ends(name, level)).take(count).collect::<Vec<_>>()
    };
    [of(1, 0, 40), of(2, 10_000, 10), of(3, 200_000, 2)].concat()
});

fn member(dice: &mut Dice, many: u64) -> Vec<u8> {
    match dice.below(10) {
        1 | 2 => LAST_OF_STRETCHES[dice.below(LAST_OF_STRETCHES.len() as u64) as usize].clone(),
        0 => vec![b'm'; dice.below(100) as usize],
        _ => format!("member-{}", dice.below(many)).into_bytes(),
    }
}

fn score(dice: &mut Dice) -> f64 {
    let special = [f64::INFINITY, f64::NEG_INFINITY, -0.0, 0.0, 1.5];
    match dice.below(4) {
        0 => special[dice.below(5) as usize],
        1 => f64::from(dice.below(1000) as u32) / 7.0 - 50.0,
        _ => f64::from(dice.below(20) as u32) - 10.0,
    }
}

fn insert(model: &mut Model, member: &[u8], score: f64) {
    model.retain(|_, scored| scored.member != member);
    model.insert(sub_key(score, member), Scored { member: member.to_vec(), score });
}

fn slice(model: &Model, direction: Direction, offset: usize, limit: usize) -> Vec<Scored> {
    let all = model.values().cloned();
    match direction {
        Direction::Forward => all.skip(offset).take(limit).collect(),
        Direction::Backward => all.rev().skip(offset).take(limit).collect(),
    }
}

fn direction(dice: &mut Dice) -> Direction {
    [Direction::Forward, Direction::Backward][dice.below(2) as usize]
}

/// One change of the set, and of the model.
fn change(dice: &mut Dice, txn: &mut Txn<'_>, model: &mut Model, many: u64) {
    let mut set = SortedSet::open_or_create(txn, KEY).unwrap();
    if dice.below(60) == 0 {
        // Levels come one by one, or several at once.
        set.raise_as_if(txn, 1 << (11 + 7 * dice.below(4)));
    }
    match dice.below(16) {
        0 => {
            let (end, count) = (direction(dice), 1 + dice.below(5));
            let taken = set.take_from_end(txn, end, count).unwrap();
            assert_eq!(taken, slice(model, end, 0, count as usize));
            for Scored { member, score } in &taken {
                model.remove(&sub_key(*score, member)).unwrap();
            }
        }
        1..4 => {
            let member = member(dice, many);
            let was_there = model.values().any(|scored| scored.member == member);
            assert_eq!(set.remove(txn, &member).unwrap(), was_there);
            model.retain(|_, scored| scored.member != member);
        }
        4 if dice.below(20) == 0 => {
            let members = slice(model, Direction::Forward, 0, dice.below(model.len() as u64 + 1) as usize);
            assert_eq!(SortedSet::replace(txn, KEY, &members).unwrap(), !model.is_empty());
            *model =
                members.into_iter().map(|scored| (sub_key(scored.score, &scored.member), scored)).collect();
            return;
        }
        5 if dice.below(4) == 0 => {
            let (from, count) = (dice.below(model.len() as u64 + 1), 1 + dice.below(many / 4 + 1));
            let run = slice(model, Direction::Forward, from as usize, count as usize);
            set.take_run(txn, &run).unwrap();
            run.iter().for_each(|scored| drop(model.remove(&sub_key(scored.score, &scored.member))));
        }
        _ => {
            let (member, score) = (member(dice, many), score(dice));
            let was_there = model.values().any(|scored| scored.member == member);
            assert_eq!(set.add(txn, &member, score).unwrap(), !was_there);
            insert(model, &member, score);
        }
    }
    assert_eq!(set.save(txn, KEY).unwrap(), model.is_empty());
}

fn bound(dice: &mut Dice) -> Bound<f64> {
    let score = score(dice);
    [Bound::Included(score), Bound::Excluded(score), Bound::Unbounded][dice.below(3) as usize]
}

/// Everything that can be asked.
fn compare(dice: &mut Dice, view: &View<'_>, model: &Model, many: u64) {
    let Some(set) = SortedSet::open(view, KEY).unwrap() else {
        assert!(model.is_empty());
        return;
    };
    assert_eq!(set.len(), model.len() as u64);
    let end = direction(dice);
    let (offset, limit) = (dice.below(model.len() as u64 + 2), dice.below(30));
    let page = set.page(view, &Span::ALL, end, offset, limit).unwrap();
    assert_eq!(page, slice(model, end, offset as usize, limit as usize));

    let (min, max) = (bound(dice), bound(dice));
    let within: Model = model
        .iter()
        .filter(|(_, scored)| std::ops::RangeBounds::contains(&(min, max), &scored.score))
        .map(|(sub, scored)| (sub.clone(), scored.clone()))
        .collect();
    let span = Span::of_scores(min, max);
    assert_eq!(set.count(view, &span).unwrap(), within.len() as u64, "{min:?} {max:?}");
    let page = set.page(view, &span, end, offset, limit).unwrap();
    assert_eq!(page, slice(&within, end, offset as usize, limit as usize), "{min:?} {max:?} {offset}");

    let member = member(dice, many);
    let expected = model.values().position(|scored| scored.member == member);
    let rank = set.rank_of(view, &member).unwrap();
    assert_eq!(rank.map(|(rank, _)| rank as usize), expected);
    let score = set.score_of(view, &member).unwrap();
    assert_eq!(score, expected.map(|rank| slice(model, Direction::Forward, rank, 1)[0].score));
}

/// Sub-keys of the collection that the set is, or was.
fn subkeys(view: &View<'_>, collection: &crate::store::CollectionId) -> (usize, usize) {
    let count = |of| {
        let mut count = 0;
        let all = |_: &[u8], _: &[u8]| {
            count += 1;
            Ok(ControlFlow::Continue(()))
        };
        view.scan_sub(of, collection, ALL, Direction::Forward, all).unwrap();
        count
    };
    (count(SubKeys::Data), count(SubKeys::Score))
}

fn run(seed: u64, many: u64, batches: usize) {
    let directory = tempfile::tempdir().unwrap();
    let open = || Store::open(&directory.path().join("store"), StoreOptions::default()).unwrap();
    let mut store = open();
    let (mut dice, mut model) = (Dice::new(seed), Model::new());
    for _ in 0..batches {
        let mut txn = store.begin();
        let index = store.applied().map_or(1, |applied| applied.index + 1);
        txn.begin_entry(LogId { term: 1, index }, 0, index);
        for _ in 0..=dice.below(many) {
            txn.begin_command(0);
            let before = if dice.below(10) == 0 { Some(model.clone()) } else { None };
            change(&mut dice, &mut txn, &mut model, many);
            match before {
                Some(before) => {
                    txn.reject();
                    model = before;
                }
                None => txn.accept(),
            }
        }
        compare(&mut dice, &txn.view(), &model, many);
        txn.commit().unwrap();
        for _ in 0..8 {
            let published = store.published();
            compare(&mut dice, &store.blocking_view(&published, 0, ReadTime::At(0)), &model, many);
        }
        if dice.below(8) == 0 {
            store.flush().unwrap();
            drop(store);
            store = open();
        }
    }
    let mut txn = store.begin();
    txn.begin_entry(LogId { term: 1, index: 1_000_000 }, 0, 0);
    txn.begin_command(0);
    let Some(mut set) = SortedSet::open(&txn.view(), KEY).unwrap() else { return };
    let collection = set.collection().id;
    assert_eq!(subkeys(&txn.view(), &collection).1, model.len());
    for scored in model.values() {
        set.remove(&mut txn, &scored.member).unwrap();
    }
    assert!(set.save(&mut txn, KEY).unwrap());
    assert_eq!(subkeys(&txn.view(), &collection), (0, 0), "nothing is left, no count either");
}

#[test]
fn small_sets_are_as_the_model_says() {
    (0..20).for_each(|seed| run(seed, 12, 30));
}

#[test]
fn large_sets_are_as_the_model_says() {
    (0..3).for_each(|seed| run(seed, 400, 20));
}

/// Three levels of counts, made at once, and then kept.
#[test]
fn counts_on_several_levels_add_up() {
    let directory = tempfile::tempdir().unwrap();
    let store = Store::open(&directory.path().join("store"), StoreOptions::default()).unwrap();
    let mut txn = store.begin();
    txn.begin_entry(LogId { term: 1, index: 1 }, 0, 0);
    let name = |n: u32| format!("m{n:06}").into_bytes();
    let members: Vec<Scored> = (0..16_000).map(|n| Scored { member: name(n), score: f64::from(n) }).collect();
    SortedSet::replace(&mut txn, KEY, &members).unwrap();
    txn.accept();
    txn.begin_command(0);
    let mut set = SortedSet::open(&txn.view(), KEY).unwrap().unwrap();
    set.raise_as_if(&mut txn, 1 << 25);
    let mut scores: BTreeMap<u32, f64> = (0..20_000).map(|n| (n, f64::from(n))).collect();
    for n in 16_000..20_000 {
        set.add(&mut txn, &name(n), f64::from(n)).unwrap();
    }
    for n in (0..20_000).step_by(3) {
        // Every seventh goes far, the others stay where they are.
        let score = if n % 7 == 0 { f64::from(n * 7919 % 20_000) } else { f64::from(n) + 0.5 };
        set.add(&mut txn, &name(n), score).unwrap();
        scores.insert(n, score);
    }
    for n in (1..20_000).step_by(5) {
        assert!(set.remove(&mut txn, &name(n)).unwrap());
        scores.remove(&n);
    }
    let (run, kept) =
        (set.page(&txn.view(), &Span::ALL, Direction::Forward, 4000, 5000).unwrap(), txn.undo_size().0);
    set.take_run(&mut txn, &run).unwrap();
    let changes = txn.undo_size().0 - kept;
    assert!(changes < 10_200, "two rows for each, and {} counts: they change once", changes - 10_000);
    let gone: BTreeSet<&[u8]> = run.iter().map(|scored| &scored.member[..]).collect();
    scores.retain(|n, _| !gone.contains(&name(*n)[..]));
    set.save(&mut txn, KEY).unwrap();
    txn.accept();
    txn.commit().unwrap();
    let published = store.published();
    let view = store.blocking_view(&published, 0, ReadTime::At(0));
    let set = SortedSet::open(&view, KEY).unwrap().unwrap();
    let mut expected: Vec<Scored> =
        scores.iter().map(|(n, score)| Scored { member: name(*n), score: *score }).collect();
    Scored::sort(&mut expected);
    assert_eq!(set.len(), expected.len() as u64);
    for (rank, scored) in (0_u64..).zip(&expected) {
        assert_eq!(set.rank_of(&view, &scored.member).unwrap(), Some((rank, scored.score)));
        if rank % 97 == 0 {
            for (direction, offset) in
                [(Direction::Forward, rank), (Direction::Backward, set.len() - 1 - rank)]
            {
                let page = set.page(&view, &Span::ALL, direction, offset, 1).unwrap();
                assert_eq!(&page[0], scored);
            }
        }
    }
}

/// A queue: what was popped is not stepped over again.
#[test]
fn seeks_from_an_end_start_behind_what_was_popped() {
    let directory = tempfile::tempdir().unwrap();
    let store = Store::open(&directory.path().join("store"), StoreOptions::default()).unwrap();
    let mut txn = store.begin();
    txn.begin_entry(LogId { term: 1, index: 1 }, 0, 0);
    let members: Vec<Scored> =
        (0..1000_u32).map(|n| Scored { member: n.to_be_bytes().to_vec(), score: f64::from(n) }).collect();
    SortedSet::replace(&mut txn, KEY, &members).unwrap();
    txn.accept();
    txn.begin_command(0);
    let mut set = SortedSet::open(&txn.view(), KEY).unwrap().unwrap();
    assert_eq!(set.take_from_end(&mut txn, Direction::Forward, 900).unwrap().len(), 900);
    set.save(&mut txn, KEY).unwrap();
    let set = SortedSet::open(&txn.view(), KEY).unwrap().unwrap();
    assert_eq!(set.end(&txn.view(), Direction::Forward).unwrap().unwrap().score, 900.0);
    assert_eq!(set.starts_at(), sub_key(900.0, &900_u32.to_be_bytes()));
}

#[test]
fn names_are_found_among_equal_scores() {
    let directory = tempfile::tempdir().unwrap();
    let store = Store::open(&directory.path().join("store"), StoreOptions::default()).unwrap();
    let mut txn = store.begin();
    txn.begin_entry(LogId { term: 1, index: 1 }, 0, 0);
    let names: Vec<Vec<u8>> = (0..500_u32).map(|n| format!("{n:03}").into_bytes()).collect();
    let members: Vec<Scored> = names.iter().map(|name| Scored { member: name.clone(), score: 7.0 }).collect();
    SortedSet::replace(&mut txn, KEY, &members).unwrap();
    let set = SortedSet::open(&txn.view(), KEY).unwrap().unwrap();
    let mut dice = Dice::new(1);
    for _ in 0..300 {
        let ends = [dice.below(520), dice.below(520)].map(|n| format!("{n:03}").into_bytes());
        let end = |dice: &mut Dice, at: usize| match dice.below(8) {
            0 => LexEnd::First,
            1 => LexEnd::Last,
            n => LexEnd::At(&ends[at], n % 2 == 0),
        };
        let range = LexRange { min: end(&mut dice, 0), max: end(&mut dice, 1) };
        let not_before = |name: &[u8]| match range.min {
            LexEnd::First => true,
            LexEnd::Last => false,
            LexEnd::At(min, included) => name > min || (included && name == min),
        };
        let not_behind = |name: &[u8]| match range.max {
            LexEnd::First => false,
            LexEnd::Last => true,
            LexEnd::At(max, included) => name < max || (included && name == max),
        };
        let expected: Vec<&Vec<u8>> =
            names.iter().filter(|name| not_before(name) && not_behind(name)).collect();
        assert_eq!(set.lex_count(&txn.view(), &range).unwrap(), expected.len() as u64, "{range:?}");
        let (offset, limit) = (dice.below(300), dice.below(20));
        let found = set.lex_page(&txn.view(), &range, Direction::Forward, offset, limit).unwrap();
        let found: Vec<&Vec<u8>> = found.iter().map(|scored| &scored.member).collect();
        let expected: Vec<&Vec<u8>> =
            expected.into_iter().skip(offset as usize).take(limit as usize).collect();
        assert_eq!(found, expected, "{range:?}");
    }
}

/// Cursors: what is there from start to end is returned, and once.
#[test]
fn a_scan_returns_every_member_that_stays() {
    let directory = tempfile::tempdir().unwrap();
    let store = Store::open(&directory.path().join("store"), StoreOptions::default()).unwrap();
    let mut txn = store.begin();
    txn.begin_entry(LogId { term: 1, index: 1 }, 0, 0);
    let mut set = SortedSet::create(&mut txn);
    for n in 0..1000_u32 {
        set.add(&mut txn, &n.to_be_bytes(), 1.0).unwrap();
    }
    let (mut found, mut cursor, mut calls) = (Vec::new(), 0, 0);
    loop {
        let (members, next) = set.scan(&txn.view(), cursor, 10).unwrap();
        found.extend(members.into_iter().map(|scored| scored.member));
        let n: u32 = calls;
        set.remove(&mut txn, &(n * 2 + 1).to_be_bytes()).unwrap();
        set.add(&mut txn, &(5000 + n).to_be_bytes(), 2.0).unwrap();
        calls += 1;
        cursor = next;
        if cursor == 0 {
            break;
        }
    }
    assert!((90..130).contains(&calls), "{calls}");
    let count = found.len();
    found.sort();
    found.dedup();
    assert_eq!(found.len(), count, "no member twice");
    let stays = (0..1000_u32).filter(|n| n % 2 == 0 || *n > 2 * calls);
    for n in stays {
        assert!(found.contains(&n.to_be_bytes().to_vec()), "{n}");
    }
}
