//! Intersection, union, difference. Members go by their sub-keys. What is made of small sets comes in the order in which Redis
//! would find it, else as it is filed.

use super::Set;
use crate::{
    error::Result,
    store::View,
    types::{collection::element_of, integer::parse_i64},
};
use std::{collections::BTreeSet, ops::ControlFlow};

/// Looks that a thread which serves connections may take.
const LOOKS_INLINE_MAX: u64 = 1000;
/// A look costs about so many steps of a walk.
const STEPS_PER_LOOK: u64 = 8;

/// What is in all of the sets; up to `wanted` members. The smallest is walked, and the others are looked into.
pub fn intersect(view: &View<'_>, sets: &[Set], wanted: u64) -> Result<Vec<Vec<u8>>> {
    let mut sets: Vec<&Set> = sets.iter().collect();
    sets.sort_by_key(|set| set.len());
    let Some((smallest, others)) = sets.split_first() else { return Ok(Vec::new()) };
    let wanted = usize::try_from(wanted).unwrap_or(usize::MAX);
    filter(view, smallest, others, true, wanted)
}

/// What is in any of the sets.
pub fn unite(view: &View<'_>, sets: &[Set]) -> Result<Vec<Vec<u8>>> {
    let (mut found, mut in_order) = (BTreeSet::new(), Vec::new());
    let is_small = sets.iter().all(Set::is_small);
    for set in sets {
        let subs = set.subs(view)?;
        if is_small {
            in_order.extend(subs.iter().filter(|sub| !found.contains(*sub)).cloned());
        }
        found.extend(subs);
    }
    Ok(if is_small { gathered(in_order) } else { found.into_iter().collect() })
}

/// Members as a set has them that they are added to one by one: it is an intset up to the first that is no integer.
fn gathered(mut subs: Vec<Vec<u8>>) -> Vec<Vec<u8>> {
    let integers = subs.iter().take_while(|sub| parse_i64(element_of(sub)).is_some()).count();
    if let Some(integers) = subs.get_mut(..integers) {
        integers.sort_by_cached_key(|sub| parse_i64(element_of(sub)));
    }
    subs
}

/// What is in the first set and in none of the others. These are looked into, or walked if that is less work.
pub fn subtract(view: &View<'_>, first: &Set, others: &[Set]) -> Result<Vec<Vec<u8>>> {
    let mut others: Vec<&Set> = others.iter().collect();
    // Where most is, most is found at the first look.
    others.sort_by_key(|set| std::cmp::Reverse(set.len()));
    let steps = others.iter().fold(0_u64, |sum, set| sum.saturating_add(set.len()));
    if first.is_small() || looks(first, &others).saturating_mul(STEPS_PER_LOOK) <= steps {
        return Ok(gathered(filter(view, first, &others, false, usize::MAX)?));
    }
    let mut left: BTreeSet<Vec<u8>> = first.subs(view)?.into_iter().collect();
    for set in others {
        set.visit(view, |sub| {
            left.remove(sub);
            Ok(if left.is_empty() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
        })?;
    }
    Ok(left.into_iter().collect())
}

/// The members of one set that all others have, or that none has.
fn filter(
    view: &View<'_>,
    walked: &Set,
    others: &[&Set],
    must_have: bool,
    wanted: usize,
) -> Result<Vec<Vec<u8>>> {
    if looks(walked, others) > LOOKS_INLINE_MAX {
        view.may_take_long()?;
    }
    let mut found = Vec::new();
    walked.visit(view, |sub| {
        for other in others {
            if other.has_sub(view, sub)? != must_have {
                return Ok(ControlFlow::Continue(()));
            }
        }
        found.push(sub.to_vec());
        Ok(if found.len() >= wanted { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
    })?;
    Ok(found)
}

fn looks(set: &Set, others: &[&Set]) -> u64 {
    set.len().saturating_mul(u64::try_from(others.len()).unwrap_or(u64::MAX))
}
