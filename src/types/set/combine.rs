//! Intersection, union, difference. Members are compared by their sub-keys. Results of small sets are in the order in which
//! Redis would find them, others in storage order.

use super::Set;
use crate::{
    error::Result,
    store::View,
    types::{collection::element_of, integer::parse_i64},
};
use std::{collections::BTreeSet, ops::ControlFlow};

/// Looks that a thread which serves connections may take.
const LOOKS_INLINE_MAX: u64 = 1000;
/// A lookup costs about as much as this many steps of a scan.
const STEPS_PER_LOOK: u64 = 8;

/// Members of all sets; up to `wanted`. It scans the smallest set and looks up its members in the others.
pub fn intersect(view: &View<'_>, sets: &[Set], wanted: u64) -> Result<Vec<Vec<u8>>> {
    let mut sets: Vec<&Set> = sets.iter().collect();
    sets.sort_by_key(|set| set.stored_len());
    let Some((smallest, others)) = sets.split_first() else { return Ok(Vec::new()) };
    let wanted = usize::try_from(wanted).unwrap_or(usize::MAX);
    filter(view, smallest, others, true, wanted)
}

/// Members of any of the sets; up to `wanted`.
pub fn unite(view: &View<'_>, sets: &[Set], wanted: u64) -> Result<Vec<Vec<u8>>> {
    let wanted = usize::try_from(wanted).unwrap_or(usize::MAX);
    let (mut found, mut in_order) = (BTreeSet::new(), Vec::new());
    let is_small = sets.iter().all(Set::is_small);
    for set in sets {
        if found.len() >= wanted {
            break;
        }
        set.visit(&view.in_passing(), |sub| {
            if found.insert(sub.to_vec()) {
                view.keep(1, sub.len())?;
                if is_small {
                    in_order.push(sub.to_vec());
                }
            }
            Ok(if found.len() >= wanted { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
        })?;
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

/// Members of the first set that are in none of the others. It looks them up in the others, or scans those if that is less
/// work.
pub fn subtract(view: &View<'_>, first: &Set, others: &[Set]) -> Result<Vec<Vec<u8>>> {
    let mut others: Vec<&Set> = others.iter().collect();
    // The largest set first: most lookups end there.
    others.sort_by_key(|set| std::cmp::Reverse(set.stored_len()));
    let steps = others.iter().fold(0_u64, |sum, set| sum.saturating_add(set.stored_len()));
    if first.is_small() || looks(first, &others).saturating_mul(STEPS_PER_LOOK) <= steps {
        return Ok(gathered(filter(view, first, &others, false, usize::MAX)?));
    }
    let mut left: BTreeSet<Vec<u8>> = first.subs(view)?.into_iter().collect();
    for set in others {
        set.visit(&view.in_passing(), |sub| {
            left.remove(sub);
            Ok(if left.is_empty() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
        })?;
    }
    Ok(left.into_iter().collect())
}

/// The members of one set that all others have, or that none has.
fn filter(
    view: &View<'_>,
    scanned: &Set,
    others: &[&Set],
    must_have: bool,
    wanted: usize,
) -> Result<Vec<Vec<u8>>> {
    if looks(scanned, others) > LOOKS_INLINE_MAX {
        view.may_take_long()?;
    }
    let (mut found, passing) = (Vec::new(), view.in_passing());
    scanned.visit(&passing, |sub| {
        for other in others {
            if other.has_sub(&passing, sub)? != must_have {
                return Ok(ControlFlow::Continue(()));
            }
        }
        view.keep(1, sub.len())?;
        found.push(sub.to_vec());
        Ok(if found.len() >= wanted { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
    })?;
    Ok(found)
}

fn looks(set: &Set, others: &[&Set]) -> u64 {
    set.stored_len().saturating_mul(u64::try_from(others.len()).unwrap_or(u64::MAX))
}
