//! Counters that only grow: HINCRBY and ZINCRBY, each done at most once. At every moment a counter is at least what was
//! acknowledged and at most that and what is unknown.

use std::collections::BTreeMap;

use crate::chaos::append::Fate;

/// An increment, or a look.
#[derive(Clone, Debug)]
pub struct Count {
    /// Key and field.
    pub counter: String,
    /// 0: it only looked.
    pub added: u64,
    /// The counter afterwards, where there was a reply.
    pub seen: u64,
    pub called_at: i64,
    pub fate: Fate,
}

/// Everything that is wrong with a history.
pub fn check(history: &[Count]) -> Vec<String> {
    let mut counters: BTreeMap<&str, Vec<&Count>> = BTreeMap::new();
    for count in history {
        counters.entry(&count.counter).or_default().push(count);
    }
    counters.values().flat_map(|counts| check_one(counts)).collect()
}

fn check_one(counts: &[&Count]) -> Vec<String> {
    let mut complaints = Vec::new();
    for one in counts {
        let Fate::Committed { at } = one.fate else { continue };
        let others = || counts.iter().filter(|other| !std::ptr::eq(**other, *one));
        let before = others().filter(|other| is_answered_before(other, one.called_at));
        let least = before.map(|other| other.added).sum::<u64>() + one.added;
        let perhaps = others().filter(|other| other.fate != Fate::Aborted && other.called_at < at);
        let most = perhaps.map(|other| other.added).sum::<u64>() + one.added;
        if one.seen < least {
            complaints.push(format!("{}: {} where {least} is the least: {one:?}", one.counter, one.seen));
        }
        if one.seen > most {
            complaints.push(format!("{}: {} where {most} is the most: {one:?}", one.counter, one.seen));
        }
        // What came later in real time is no less.
        let earlier = others().filter(|other| is_answered_before(other, one.called_at));
        if let Some(more) =
            earlier.filter(|other| other.seen + one.added > one.seen).max_by_key(|other| other.seen)
        {
            complaints.push(format!("{}: it went from {} to {}", one.counter, more.seen, one.seen));
        }
    }
    complaints
}

fn is_answered_before(count: &Count, moment: i64) -> bool {
    matches!(count.fate, Fate::Committed { at } if at < moment)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn count(added: u64, seen: u64, called_at: i64, fate: Fate) -> Count {
        Count { counter: "h/f".into(), added, seen, called_at, fate }
    }

    fn done(added: u64, seen: u64, from: i64, to: i64) -> Count {
        count(added, seen, from, Fate::Committed { at: to })
    }

    #[test]
    fn good_histories_pass() {
        let none: Vec<String> = vec![];
        assert_eq!(check(&[done(2, 2, 0, 1), done(3, 5, 2, 3), done(0, 5, 4, 5)]), none);
        // At once, in either order.
        assert_eq!(check(&[done(2, 5, 0, 9), done(3, 3, 0, 9), done(0, 3, 1, 2)]), none);
        // Unknown: done, late, or never.
        for seen in [5, 8] {
            assert_eq!(check(&[done(5, 5, 0, 1), count(3, 0, 2, Fate::Unknown), done(0, seen, 8, 9)]), none);
        }
        assert_eq!(check(&[done(5, 5, 0, 1), count(3, 0, 2, Fate::Aborted), done(0, 5, 8, 9)]), none);
    }

    #[test]
    fn faults_are_found() {
        for (fault, history) in [
            ("a lost increment", vec![done(2, 2, 0, 1), done(3, 3, 2, 3)]),
            ("one done twice", vec![done(2, 2, 0, 1), done(0, 4, 2, 3)]),
            (
                "an unknown one done twice",
                vec![done(2, 2, 0, 1), count(3, 0, 2, Fate::Unknown), done(0, 8, 4, 5)],
            ),
            ("a refused one that is there", vec![count(3, 0, 0, Fate::Aborted), done(0, 3, 4, 5)]),
            ("going back", vec![count(3, 0, 0, Fate::Unknown), done(0, 3, 1, 2), done(0, 0, 4, 5)]),
            ("two that got one number", vec![done(2, 2, 0, 1), done(2, 2, 2, 3)]),
            ("a look into the future", vec![done(0, 2, 0, 1), done(2, 2, 2, 3)]),
        ] {
            assert!(!check(&history).is_empty(), "not found: {fault}");
        }
    }
}
