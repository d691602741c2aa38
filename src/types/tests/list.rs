//! Lists against deques: pushes, pops, changes in the middle, trims, rejected commands, restarts.

use crate::{
    store::{
        Direction, Encoding, Txn, View,
        tests::support::{Home, against_model},
    },
    types::{
        encoding::listpack_bytes,
        list::{End, List, position, range},
    },
};
use resp_tests::dice::Dice;
use std::{
    collections::{BTreeMap, VecDeque},
    ops::ControlFlow,
};

type Model = BTreeMap<Vec<u8>, VecDeque<Vec<u8>>>;

const KEYS: [&[u8]; 2] = [b"a", b"b"];

fn elements(view: &View<'_>, list: &List, from: u64, to: u64, direction: Direction) -> Vec<Vec<u8>> {
    let mut found = Vec::new();
    list.scan(view, from..to, direction, |at, element| {
        let expected = match direction {
            Direction::Forward => from + found.len() as u64,
            Direction::Backward => to.min(list.len()) - 1 - found.len() as u64,
        };
        assert_eq!(at, expected);
        found.push(element.to_vec());
        Ok(ControlFlow::Continue(()))
    })
    .unwrap();
    found
}

fn compare(view: &View<'_>, model: &Model, dice: &mut Dice) {
    for key in KEYS {
        let list = List::open(view, key).unwrap();
        let Some(deque) = model.get(key) else {
            assert!(list.is_none());
            continue;
        };
        let list = list.unwrap();
        let len = deque.len() as u64;
        assert_eq!(list.len(), len);
        let all = elements(view, &list, 0, len, Direction::Forward);
        assert!(*deque == all, "{} elements", deque.len());
        let (from, to) = (dice.below(len + 1), dice.below(len + 3));
        let mut part: Vec<Vec<u8>> =
            deque.range(from as usize..(to.clamp(from, len)) as usize).cloned().collect();
        assert!(elements(view, &list, from, to, Direction::Forward) == part, "{from}..{to} of {len}");
        part.reverse();
        assert!(elements(view, &list, from, to, Direction::Backward) == part, "{from}..{to} of {len}");
        let at = dice.below(len + 2);
        assert_eq!(
            list.get(view, at).unwrap().as_deref(),
            deque.get(at as usize).map(|element| &element[..])
        );
        // Growing makes it large beyond 8 KiB at the latest, shrinking makes it small below 4 KiB.
        let bytes: u64 = 7 + deque.iter().map(|element| listpack_bytes(element)).sum::<u64>();
        let encoding = view.get(key).unwrap().unwrap().encoding;
        if bytes > 8192 + 4 * len {
            assert_eq!(encoding, Encoding::Large, "{bytes}");
        }
        if bytes <= 2048 {
            assert_eq!(encoding, Encoding::Natural, "{bytes}");
        }
    }
}

fn element(dice: &mut Dice) -> Vec<u8> {
    match dice.below(8) {
        0 => Vec::new(),
        1 => vec![0xff; dice.below(300) as usize],
        _ => dice.below(4).to_string().into_bytes(),
    }
}

fn command(dice: &mut Dice, txn: &mut Txn<'_>, model: &mut Model) {
    let key = KEYS[dice.below(2) as usize];
    let mut list = List::open_or_create(txn, key).unwrap();
    let deque = model.entry(key.to_vec()).or_default();
    let len = deque.len() as u64;
    let end = if dice.below(2) == 0 { End::Left } else { End::Right };
    match dice.below(if len == 0 { 2 } else { 12 }) {
        0 | 1 => {
            let many = if dice.below(10) == 0 { 400 } else { 3 };
            let pushed: Vec<Vec<u8>> = (0..=dice.below(many)).map(|_| element(dice)).collect();
            list.push(txn, end, &pushed.iter().map(|element| &element[..]).collect::<Vec<_>>()).unwrap();
            pushed.into_iter().for_each(|element| match end {
                End::Left => deque.push_front(element),
                End::Right => deque.push_back(element),
            });
        }
        2..=4 => {
            let count = if dice.below(8) == 0 { len } else { 1 + dice.below(3) };
            let popped = list.pop(txn, end, count).unwrap();
            let expected: Vec<Vec<u8>> = (0..count)
                .filter_map(|_| if end == End::Left { deque.pop_front() } else { deque.pop_back() })
                .collect();
            assert_eq!(popped.iter().map(|element| element.to_vec()).collect::<Vec<_>>(), expected);
        }
        5 | 6 => {
            let (at, element) = (dice.below(len + 1), element(dice));
            assert_eq!(list.set(txn, at, &element).unwrap(), at < len);
            if let Some(place) = deque.get_mut(at as usize) {
                *place = element;
            }
        }
        7 | 8 => {
            let (at, element) = (dice.below(len + 1), element(dice));
            list.insert(txn, at, &element).unwrap();
            deque.insert(at as usize, element);
        }
        9 | 10 => {
            let element = deque[dice.below(len) as usize].clone();
            let all = 0..len;
            let mut positions: Vec<u64> = all.filter(|at| deque[*at as usize] == element).collect();
            let wanted = [1, 2, usize::MAX][dice.below(3) as usize].min(positions.len());
            if dice.below(2) == 0 {
                positions.truncate(wanted);
            } else {
                positions.drain(..positions.len() - wanted);
            }
            list.remove(txn, &positions, &element).unwrap();
            positions.iter().rev().for_each(|at| drop(deque.remove(*at as usize)));
        }
        _ => {
            let (from, to) = match dice.below(3) {
                0 => (dice.below(len), dice.below(len + 2)),
                1 => (dice.below(3), len.saturating_sub(dice.below(3))),
                _ => (dice.below(len), dice.below(len) + 5),
            };
            let from = from.min(len);
            let to = to.clamp(from, len);
            list.trim(txn, from..to).unwrap();
            *deque = deque.range(from as usize..to as usize).cloned().collect();
        }
    }
    let is_gone = deque.is_empty();
    assert_eq!(list.is_empty(), is_gone);
    assert_eq!(list.save(txn, key).unwrap(), is_gone);
    if is_gone {
        model.remove(key);
    }
}

#[test]
fn lists_are_those_of_the_deques() {
    for seed in 0..6 {
        let mut dice = Dice::new(seed);
        let home = Home::new(if seed % 2 == 0 { 1 << 20 } else { 0 });
        let (home, model): (Home, Model) = against_model(home, &mut dice, 50, 1, command, compare);
        let stored: usize = model.values().map(VecDeque::len).sum();
        assert_eq!(home.subkeys(), stored, "seed {seed}");
    }
}

#[test]
fn few_of_many_are_kept_at_the_cost_of_the_few() {
    let home = Home::new(0);
    let many: Vec<Vec<u8>> = (0..5000_u32).map(|n| n.to_string().into_bytes()).collect();
    home.write(0, 0, |txn| {
        let mut list = List::create(txn);
        list.push(txn, End::Right, &many.iter().map(|element| &element[..]).collect::<Vec<_>>()).unwrap();
        list.save(txn, b"k").unwrap();
    });
    home.write(0, 0, |txn| {
        let mut list = List::open(&txn.view(), b"k").unwrap().unwrap();
        list.trim(txn, 4000..4010).unwrap();
        list.save(txn, b"k").unwrap();
        assert!(txn.pending_rows() < 20, "{}", txn.pending_rows());
    });
    assert_eq!(home.subkeys(), 10);
    home.read(0, 0, |view| {
        let list = List::open(view, b"k").unwrap().unwrap();
        assert_eq!(list.get(view, 9).unwrap().as_deref(), Some(&b"4009"[..]));
        assert_eq!(view.get(b"k").unwrap().unwrap().encoding, Encoding::Natural);
    });
}

#[test]
fn many_equal_elements_go_at_once() {
    let home = Home::new(0);
    home.write(0, 0, |txn| {
        let mut list = List::create(txn);
        list.push(txn, End::Right, &vec![&b"x"[..]; 1000]).unwrap();
        list.save(txn, b"k").unwrap();
    });
    home.write(0, 0, |txn| {
        let mut list = List::open(&txn.view(), b"k").unwrap().unwrap();
        list.remove(txn, &Vec::from_iter(0..1000), b"x").unwrap();
        assert!(list.save(txn, b"k").unwrap());
        assert!(txn.pending_rows() < 5, "{}", txn.pending_rows());
    });
    assert_eq!((home.subkeys(), home.counts(0)), (0, (0, 0)));
}

#[test]
fn indexes_and_ranges() {
    for (start, end, expected) in [
        (0, -1, 0..5),
        (1, 2, 1..3),
        (-2, -1, 3..5),
        (-100, 100, 0..5),
        (3, 2, 3..3),
        (5, 9, 5..5),
        (-1, -2, 4..4),
        (0, -6, 0..0),
        (i64::MIN, i64::MAX, 0..5),
        (i64::MAX, i64::MIN, 5..5),
    ] {
        assert_eq!(range(5, start, end), expected, "{start} {end}");
    }
    for (index, expected) in [(0, Some(0)), (4, Some(4)), (5, None), (-1, Some(4)), (-5, Some(0)), (-6, None)]
    {
        assert_eq!(position(5, index), expected, "{index}");
    }
    assert_eq!((position(5, i64::MIN), position(5, i64::MAX), position(0, 0)), (None, None, None));
}

/// A list of so many elements, each with its number.
fn numbered(home: &Home, len: u64) -> VecDeque<Vec<u8>> {
    let elements: Vec<Vec<u8>> = (0..len).map(|number| number.to_string().into_bytes()).collect();
    home.write(0, 0, |txn| {
        let mut list = List::create(txn);
        list.push(txn, End::Right, &elements.iter().map(|element| &element[..]).collect::<Vec<_>>()).unwrap();
        list.save(txn, b"k").unwrap();
    });
    elements.into()
}

/// Rows that a change writes in all, the list's own among them.
fn rows_written(home: &Home, change: impl FnOnce(&mut List, &mut Txn<'_>)) -> usize {
    home.write(0, 0, |txn| {
        let mut list = List::open(&txn.view(), b"k").unwrap().unwrap();
        change(&mut list, txn);
        list.save(txn, b"k").unwrap();
        txn.pending_rows()
    })
}

#[test]
fn changes_far_from_both_ends_move_little() {
    const LEN: u64 = 10_000;
    let (home, mut dice) = (Home::new(0), Dice::new(3));
    let mut model = numbered(&home, LEN);
    assert_eq!(rows_written(&home, |list, txn| assert!(list.set(txn, LEN / 2, b"set").unwrap())), 2);
    model[LEN as usize / 2] = b"set".to_vec();
    let mut most = 0;
    for round in 0..400 {
        let len = model.len() as u64;
        let at = 100 + dice.below(len - 200);
        let rows = match dice.below(5) {
            0 | 1 => {
                let element = model.remove(at as usize).unwrap();
                rows_written(&home, |list, txn| list.remove(txn, &[at], &element).unwrap())
            }
            2 => {
                let end = if dice.below(2) == 0 { End::Left } else { End::Right };
                match end {
                    End::Left => model.push_front(b"end".to_vec()),
                    End::Right => model.push_back(b"end".to_vec()),
                }
                rows_written(&home, |list, txn| list.push(txn, end, &[b"end"]).unwrap())
            }
            _ => {
                model.insert(at as usize, b"new".to_vec());
                rows_written(&home, |list, txn| list.insert(txn, at, b"new").unwrap())
            }
        };
        most = most.max(rows);
        if round % 20 == 0 {
            home.read(0, 0, |view| {
                let list = List::open(view, b"k").unwrap().unwrap();
                assert!(model == elements(view, &list, 0, len + 2, Direction::Forward));
                assert_eq!(list.get(view, at).unwrap().as_deref(), model.get(at as usize).map(|e| &e[..]));
            });
        }
    }
    // Two segments of a thirtieth each, read, deleted and written, and what is changed itself. All to one side were 5,000.
    assert!(most > 2 && most <= 2 * 2 * 10_400 / 60, "{most} rows");
    assert_eq!(home.subkeys(), model.len());
    let home = home.reopen_flushed();
    home.read(0, 0, |view| {
        let list = List::open(view, b"k").unwrap().unwrap();
        let backward = elements(view, &list, 0, model.len() as u64, Direction::Backward);
        assert!(backward.iter().eq(model.iter().rev()));
    });
    // What few of it are left is one segment again.
    rows_written(&home, |list, txn| list.trim(txn, 5000..5010).unwrap());
    home.read(0, 0, |view| assert_eq!(view.get(b"k").unwrap().unwrap().body.len(), 20 + 16));
}

/// As below the level from which lists have segments: builds of before must find what they would have written.
#[test]
fn below_the_feature_level_a_list_stays_one_segment() {
    let home = Home::new_at_first_level(0);
    numbered(&home, 1000);
    let body = |home: &Home| home.read(0, 0, |view| view.get(b"k").unwrap().unwrap().body.len());
    let before = body(&home);
    assert_eq!(rows_written(&home, |list, txn| list.insert(txn, 500, b"new").unwrap()), 1000 - 500 + 2);
    assert_eq!(rows_written(&home, |list, txn| list.remove(txn, &[500], b"new").unwrap()), 1001 - 500 + 1);
    assert_eq!(body(&home), before);
}

#[test]
fn a_list_that_is_searched_again_and_again_is_kept_in_memory() {
    const LEN: u64 = 5000;
    let home = Home::new(0);
    numbered(&home, LEN);
    let steps = |wanted: &[u8]| {
        home.write(0, 0, |txn| {
            let list = List::open(&txn.view(), b"k").unwrap().unwrap();
            list.will_be_searched(txn).unwrap();
            let mut found = false;
            list.scan(&txn.view(), 0..LEN, Direction::Forward, |_, element| {
                found |= element == wanted;
                Ok(ControlFlow::Continue(()))
            })
            .unwrap();
            (found, txn.stepped.get())
        })
    };
    assert_eq!(steps(b"4999"), (true, LEN as usize), "once is no habit");
    assert_eq!(steps(b"nothing"), (false, 0));
    rows_written(&home, |list, txn| assert!(list.set(txn, 7, b"nothing").unwrap()));
    assert_eq!(steps(b"nothing"), (true, 0), "what is written is kept as well");
}
