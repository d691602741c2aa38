//! Keys that expire: gone once is gone for good, the time left never grows, and a life is as long as it was to be. Times of
//! the checker are monotonic; log time keeps within a tenth of that (see the product's guarantees, and `cluster::clock_steps`
//! for the exact bounds). What is allowed beyond it here is for a busy machine.

use std::collections::BTreeMap;

use crate::chaos::append::Fate;

const MS: i64 = 1_000_000;
/// A key may be gone after this share of its life, less a moment.
const SHORTEST_PERCENT: i64 = 80;
const EARLY_MS: i64 = 50;
/// It may be there for this share of its life, and so much longer.
const LONGEST_PERCENT: i64 = 120;
const LATE_MS: i64 = 3_000;

/// SET key value PX: the only write that the key ever gets.
#[derive(Clone, Debug)]
pub struct Born {
    pub key: String,
    pub life_ms: u64,
    pub called_at: i64,
    pub fate: Fate,
}

/// What an answered read said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sight {
    Gone,
    There,
    /// PTTL.
    Left {
        ms: u64,
    },
}

#[derive(Clone, Debug)]
pub struct Look {
    pub key: String,
    pub sight: Sight,
    pub called_at: i64,
    pub answered_at: i64,
}

#[derive(Clone, Debug, Default)]
pub struct Lives {
    pub born: Vec<Born>,
    pub looks: Vec<Look>,
}

impl Lives {
    pub fn append(&mut self, other: &mut Lives) {
        self.born.append(&mut other.born);
        self.looks.append(&mut other.looks);
    }

    /// Everything that is wrong with it. `is_timed`: lives must last as long as they were to, too. They need not when all
    /// nodes were away at once with wrong clocks.
    pub fn check(&self, is_timed: bool) -> Vec<String> {
        let mut looks: BTreeMap<&str, Vec<&Look>> = BTreeMap::new();
        for look in &self.looks {
            looks.entry(&look.key).or_default().push(look);
        }
        let none = Vec::new();
        let mut complaints = Vec::new();
        for born in &self.born {
            let looks = looks.get(born.key.as_str()).unwrap_or(&none);
            let wrong = looks.iter().filter_map(|look| {
                comes_back(born, look, looks).or_else(|| is_timed.then(|| untimely(born, look)).flatten())
            });
            complaints.extend(wrong);
        }
        complaints
    }
}

/// What it shows that cannot come after what was seen before.
fn comes_back(born: &Born, look: &Look, looks: &[&Look]) -> Option<String> {
    if look.sight == Sight::Gone {
        return None;
    }
    if born.fate == Fate::Aborted {
        return Some(format!("{look:?} of what was refused: {born:?}"));
    }
    // A write of unknown outcome may be late: gone means something once the key was there.
    let was_there = |moment: i64| {
        matches!(born.fate, Fate::Committed { at } if at < moment)
            || looks.iter().any(|other| other.sight != Sight::Gone && other.answered_at < moment)
    };
    let contradicts = |before: &Look| match (before.sight, look.sight) {
        (Sight::Gone, _) => was_there(before.called_at),
        (Sight::Left { ms: before }, Sight::Left { ms }) => ms > before,
        _ => false,
    };
    let mut earlier = looks.iter().filter(|other| other.answered_at < look.called_at);
    earlier.find(|before| contradicts(before)).map(|before| format!("{look:?} came after {before:?}"))
}

/// Gone too early, there too late, or more left than it was to have.
fn untimely(born: &Born, look: &Look) -> Option<String> {
    let life = i64::try_from(born.life_ms).unwrap_or(i64::MAX / MS / 200);
    let Fate::Committed { at } = born.fate else { return None };
    let is_wrong = match look.sight {
        Sight::Gone => {
            let lived = look.answered_at - born.called_at;
            look.called_at > at && lived < life * MS * SHORTEST_PERCENT / 100 - EARLY_MS * MS
        }
        Sight::Left { ms } if ms > born.life_ms => true,
        Sight::There | Sight::Left { .. } => {
            look.called_at - at > life * MS * LONGEST_PERCENT / 100 + LATE_MS * MS
        }
    };
    is_wrong.then(|| format!("{look:?} of {born:?}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn born(fate: Fate) -> Born {
        Born { key: "k".into(), life_ms: 1000, called_at: 0, fate }
    }

    fn look(sight: Sight, from_ms: i64) -> Look {
        Look { key: "k".into(), sight, called_at: from_ms * MS, answered_at: (from_ms + 1) * MS }
    }

    fn check(looks: &[(Sight, i64)]) -> Vec<String> {
        let looks = looks.iter().map(|(sight, from)| look(*sight, *from)).collect();
        Lives { born: vec![born(Fate::Committed { at: MS })], looks }.check(true)
    }

    #[test]
    fn good_histories_pass() {
        let none: Vec<String> = vec![];
        let left = |ms| Sight::Left { ms };
        assert_eq!(
            check(&[(Sight::There, 10), (left(900), 100), (left(900), 102), (Sight::Gone, 1001)]),
            none
        );
        // A busy machine, and clocks that run a little faster or slower.
        assert_eq!(check(&[(left(20), 900), (Sight::Gone, 950)]), none);
        assert_eq!(check(&[(Sight::There, 1150)]), none);
        // Never there, if the write is of unknown outcome; there late.
        let looks = vec![look(Sight::Gone, 5)];
        assert_eq!(Lives { born: vec![born(Fate::Unknown)], looks }.check(true), none);
        let looks = vec![look(Sight::There, 9000)];
        assert_eq!(Lives { born: vec![born(Fate::Unknown)], looks }.check(true), none);
        // Such a write comes late, and goes.
        let looks = vec![look(Sight::Gone, 5), look(Sight::There, 900), look(Sight::Gone, 1100)];
        assert_eq!(Lives { born: vec![born(Fate::Unknown)], looks }.check(true), none);
        // After all nodes were away.
        let lives = Lives { born: vec![born(Fate::Committed { at: MS })], looks: vec![look(Sight::Gone, 5)] };
        assert_eq!(lives.check(false), none);
    }

    #[test]
    fn faults_are_found() {
        let left = |ms| Sight::Left { ms };
        for (fault, looks) in [
            ("gone and back", vec![(Sight::Gone, 1001), (Sight::There, 1010)]),
            ("gone and back with time left", vec![(Sight::Gone, 1001), (left(1), 1010)]),
            ("more time left", vec![(left(500), 500), (left(501), 510)]),
            ("more time left than given", vec![(left(1001), 10)]),
            ("gone too early", vec![(Sight::Gone, 500)]),
            ("there too late", vec![(Sight::There, 4500)]),
            ("never there", vec![(Sight::Gone, 5)]),
        ] {
            assert!(!check(&looks).is_empty(), "not found: {fault}");
        }
        let looks = vec![look(Sight::There, 5), look(Sight::Gone, 1001), look(Sight::There, 1010)];
        let unknown = Lives { born: vec![born(Fate::Unknown)], looks: looks.clone() };
        assert!(!unknown.check(false).is_empty(), "not found: an unknown one that is gone and back");
        let refused = Lives { born: vec![born(Fate::Aborted)], looks };
        assert!(!refused.check(false).is_empty(), "not found: a refused one that is there");
    }
}
