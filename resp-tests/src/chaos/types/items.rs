//! Items that are put somewhere and taken out again, by several consumers: lists as queues, sorted sets by rank. What was
//! acknowledged as put is taken once or still there; only a take of unknown outcome may have taken it as well.

use std::collections::{BTreeMap, BTreeSet};

use crate::chaos::append::Fate;

/// What came out: an item, and its score where it has one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Item {
    pub token: u64,
    pub score: Option<u64>,
}

#[derive(Clone, Debug)]
pub struct Put {
    pub place: &'static str,
    pub item: Item,
    pub called_at: i64,
    pub fate: Fate,
}

/// One item taken out, or moved: then it is still there.
#[derive(Clone, Debug)]
pub struct Take {
    pub place: &'static str,
    pub is_move: bool,
    /// `None`: there was none, or no reply.
    pub found: Option<Item>,
    pub called_at: i64,
    pub fate: Fate,
}

/// All that happened to places of items.
#[derive(Clone, Debug, Default)]
pub struct Items {
    pub puts: Vec<Put>,
    pub takes: Vec<Take>,
    /// What is there in the end, by place.
    pub rest: BTreeMap<&'static str, Vec<u64>>,
}

impl Items {
    pub fn append(&mut self, other: &mut Items) {
        self.puts.append(&mut other.puts);
        self.takes.append(&mut other.takes);
        other.rest.iter_mut().for_each(|(place, rest)| self.rest.entry(place).or_default().append(rest));
    }

    /// Everything that is wrong with it.
    pub fn check(&self) -> Vec<String> {
        let places: BTreeSet<&str> =
            self.puts.iter().map(|put| put.place).chain(self.takes.iter().map(|take| take.place)).collect();
        places.into_iter().flat_map(|place| self.check_place(place)).collect()
    }

    fn check_place(&self, place: &str) -> Vec<String> {
        let mut complaints = Vec::new();
        let puts: BTreeMap<u64, &Put> =
            self.puts.iter().filter(|put| put.place == place).map(|put| (put.item.token, put)).collect();
        let takes: Vec<&Take> = self.takes.iter().filter(|take| take.place == place).collect();
        let rest = self.rest.get(place).cloned().unwrap_or_default();
        let found = || takes.iter().filter_map(|take| Some((*take, take.found?)));
        // Whatever was seen was put, and not refused.
        for (take, item) in found() {
            let Fate::Committed { at } = take.fate else { continue };
            match puts.get(&item.token) {
                None => complaints.push(format!("{place}: {} was never put", item.token)),
                Some(put) if put.fate == Fate::Aborted || put.called_at >= at => {
                    complaints.push(format!("{place}: {put:?} was refused or not yet sent, and {take:?}"));
                }
                Some(put) if put.item.score != item.score => {
                    complaints.push(format!("{place}: {put:?} has another score in {take:?}"));
                }
                Some(_) => {}
            }
        }
        // Nothing comes out twice.
        let out = found().filter(|(take, _)| !take.is_move).map(|(_, item)| item.token);
        let mut seen = BTreeSet::new();
        for token in out.chain(rest.iter().copied()) {
            if !seen.insert(token) {
                complaints.push(format!("{place}: {token} came out twice, or came out and is there"));
            }
        }
        for token in &rest {
            if puts.get(token).is_none_or(|put| put.fate == Fate::Aborted) {
                complaints.push(format!("{place}: {token} is there, and was never put or refused"));
            }
        }
        // What was acknowledged is somewhere.
        let is_acknowledged = |put: &Put| matches!(put.fate, Fate::Committed { .. });
        let missing: Vec<u64> = puts
            .values()
            .filter(|put| is_acknowledged(put))
            .map(|put| put.item.token)
            .filter(|token| !seen.contains(token))
            .collect();
        let unknown = takes.iter().filter(|take| !take.is_move && take.fate == Fate::Unknown).count();
        if missing.len() > unknown {
            complaints.push(format!(
                "{place}: {} acknowledged items are gone, {unknown} takes are of unknown outcome: {missing:?}",
                missing.len()
            ));
        }
        complaints.extend(out_of_order(place, &puts, &takes, &rest));
        complaints
    }
}

/// An item that was taken while one of a lower score was there, from before it was asked for until after the answer.
fn out_of_order(place: &str, puts: &BTreeMap<u64, &Put>, takes: &[&Take], rest: &[u64]) -> Vec<String> {
    let taken_from: BTreeMap<u64, i64> =
        takes.iter().filter_map(|take| Some((take.found?.token, take.called_at))).collect();
    let mut complaints = Vec::new();
    for take in takes {
        let (Fate::Committed { at }, Some(Item { score: Some(score), .. })) = (take.fate, take.found) else {
            continue;
        };
        let passed_over = puts.values().find(|put| {
            let was_there = matches!(put.fate, Fate::Committed { at } if at < take.called_at);
            let token = put.item.token;
            let stayed = rest.contains(&token) || taken_from.get(&token).is_some_and(|from| *from > at);
            was_there && stayed && put.item.score.is_some_and(|lower| lower < score)
        });
        complaints.extend(passed_over.map(|put| format!("{place}: {take:?} although {put:?} was there")));
    }
    complaints
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLACE: &str = "q";

    fn put(token: u64, from: i64, to: i64) -> Put {
        let item = Item { token, score: None };
        Put { place: PLACE, item, called_at: from, fate: Fate::Committed { at: to } }
    }

    fn take(token: u64, from: i64, to: i64) -> Take {
        let found = Some(Item { token, score: None });
        Take { place: PLACE, is_move: false, found, called_at: from, fate: Fate::Committed { at: to } }
    }

    fn nobody_knows(from: i64) -> Take {
        Take { found: None, fate: Fate::Unknown, ..take(0, from, 0) }
    }

    fn items(puts: &[Put], takes: &[Take], rest: &[u64]) -> Items {
        Items { puts: puts.to_vec(), takes: takes.to_vec(), rest: BTreeMap::from([(PLACE, rest.to_vec())]) }
    }

    fn scored(score: u64, mut put: Put) -> Put {
        put.item.score = Some(score);
        put
    }

    fn scoring(score: u64, mut take: Take) -> Take {
        take.found = take.found.map(|item| Item { score: Some(score), ..item });
        take
    }

    #[test]
    fn good_histories_pass() {
        let none: Vec<String> = vec![];
        assert_eq!(items(&[put(1, 0, 1), put(2, 2, 3)], &[take(1, 4, 5)], &[2]).check(), none);
        // A consumer that waited.
        assert_eq!(items(&[put(1, 5, 9)], &[take(1, 0, 6)], &[]).check(), none);
        // Moved, and still there; moved, and taken.
        let moved = Take { is_move: true, ..take(1, 2, 3) };
        assert_eq!(items(&[put(1, 0, 1)], std::slice::from_ref(&moved), &[1]).check(), none);
        assert_eq!(items(&[put(1, 0, 1)], &[moved, take(1, 4, 5)], &[]).check(), none);
        // Unknown: put or not, taken or not.
        let unknown = Put { fate: Fate::Unknown, ..put(1, 0, 0) };
        assert_eq!(items(std::slice::from_ref(&unknown), &[], &[1]).check(), none);
        assert_eq!(items(&[unknown], &[], &[]).check(), none);
        assert_eq!(items(&[put(1, 0, 1)], &[nobody_knows(2)], &[]).check(), none);
        assert_eq!(items(&[put(1, 0, 1)], &[nobody_knows(2)], &[1]).check(), none);
        // The lower one came while the other was taken.
        let (low, high) = (scored(1, put(1, 3, 9)), scored(5, put(2, 0, 1)));
        assert_eq!(items(&[low, high], &[scoring(5, take(2, 2, 4))], &[1]).check(), none);
    }

    #[test]
    fn faults_are_found() {
        let refused = Put { fate: Fate::Aborted, ..put(1, 0, 1) };
        let low_and_high = [scored(1, put(1, 0, 1)), scored(5, put(2, 0, 1))];
        for (fault, history) in [
            ("a lost item", items(&[put(1, 0, 1)], &[], &[])),
            ("more lost than unknown", items(&[put(1, 0, 1), put(2, 0, 1)], &[nobody_knows(2)], &[])),
            ("taken twice", items(&[put(1, 0, 1)], &[take(1, 2, 3), take(1, 4, 5)], &[])),
            ("taken and there", items(&[put(1, 0, 1)], &[take(1, 2, 3)], &[1])),
            ("there twice", items(&[put(1, 0, 1)], &[], &[1, 1])),
            ("refused and taken", items(std::slice::from_ref(&refused), &[take(1, 2, 3)], &[])),
            ("refused and there", items(&[refused], &[], &[1])),
            ("from nowhere", items(&[], &[take(1, 2, 3)], &[])),
            ("taken before it was put", items(&[put(1, 4, 5)], &[take(1, 2, 3)], &[])),
            ("a move that loses", items(&[put(1, 0, 1)], &[Take { is_move: true, ..take(1, 2, 3) }], &[])),
            ("not the lowest, which stays", items(&low_and_high, &[scoring(5, take(2, 2, 3))], &[1])),
            (
                "not the lowest, which is taken later",
                items(&low_and_high, &[scoring(5, take(2, 2, 3)), scoring(1, take(1, 4, 5))], &[]),
            ),
            ("another score", items(&low_and_high[..1], &[scoring(7, take(1, 2, 3))], &[])),
        ] {
            assert!(!history.check().is_empty(), "not found: {fault}");
        }
    }
}
