//! Random elements of a collection that is filed by hash (`collection::hashed`).
//!
//! A small one is read whole, and every element is equally likely. Of a large one, a random place in the order of hashes
//! is sought, and one of the elements that follow it is taken: those behind a gap are somewhat likelier than others. That
//! is one seek an element, however large the collection is. Where a good part of it is wanted, it is walked once instead,
//! and every element is equally likely again.

use crate::{error::Result, store::View};
use std::{
    collections::BTreeMap,
    hash::{BuildHasher, RandomState},
    ops::ControlFlow,
};

/// Collections of up to so many elements are read whole.
const READ_WHOLE_MAX: u64 = 128;
/// Elements behind a random place, of which one is taken: the more, the less a gap before them matters.
const NEIGHBOURS: usize = 16;
/// If more than one in so many elements is wanted, all are walked.
const WALKED_SHARE: u64 = 8;
/// Places tried for every element wanted before all are walked instead.
const TRIES: u64 = 8;
/// Elements drawn on a thread that serves connections.
const DRAWN_INLINE_MAX: usize = 64;

/// What is drawn from.
pub trait Drawn {
    /// Elements stored, with those that have expired.
    fn stored_len(&self) -> u64;
    /// Elements that there are.
    fn live_len(&self, view: &View<'_>) -> Result<u64>;
    /// Visits all elements and their values in the order in which they are shown.
    fn visit(&self, view: &View<'_>, visit: Visitor<'_>) -> Result<()>;
    /// Visits elements and their values in the order of hashes, from a hash on.
    fn visit_from(&self, view: &View<'_>, from: u64, visit: Visitor<'_>) -> Result<()>;
}

/// Sees an element and its value, and says whether to go on.
pub type Visitor<'a> = &'a mut dyn FnMut(&[u8], &[u8]) -> ControlFlow<()>;
/// An element and its value.
pub type Entry = (Vec<u8>, Vec<u8>);
/// A source of random numbers.
pub type Dice<'a> = &'a mut dyn FnMut() -> u64;

/// Random numbers of this node alone, for reads: they change nothing that replicas must agree on.
pub fn dice() -> impl FnMut() -> u64 {
    let state = RandomState::new();
    let mut rolls = 0_u64;
    move || {
        rolls = rolls.wrapping_add(1);
        state.hash_one(rolls)
    }
}

/// Random numbers that follow from a seed (splitmix64), for writes: the same on every replica.
pub fn seeded(seed: u64) -> impl FnMut() -> u64 {
    let mut state = seed;
    move || {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
}

/// All elements.
pub fn all(of: &impl Drawn, view: &View<'_>) -> Result<Vec<Entry>> {
    let mut entries = Vec::new();
    of.visit(view, &mut |element, value| {
        entries.push((element.to_vec(), value.to_vec()));
        ControlFlow::Continue(())
    })?;
    Ok(entries)
}

/// One element; `None` only of a collection that has none.
pub fn one(of: &impl Drawn, view: &View<'_>, dice: Dice<'_>) -> Result<Option<Entry>> {
    if of.stored_len() <= READ_WHOLE_MAX {
        return Ok(choose(all(of, view)?, dice));
    }
    draw(of, view, dice)
}

/// So many elements, the same one more than once perhaps.
pub fn repeated(of: &impl Drawn, view: &View<'_>, count: usize, dice: Dice<'_>) -> Result<Vec<Entry>> {
    if count > DRAWN_INLINE_MAX {
        view.may_take_long()?;
    }
    let mut drawn = Vec::new();
    if of.stored_len() <= READ_WHOLE_MAX {
        let all = all(of, view)?;
        drawn.extend((0..count).filter_map(|_| all.get(index(all.len(), dice)?).cloned()));
        return Ok(drawn);
    }
    for _ in 0..count {
        drawn.extend(draw(of, view, dice)?);
    }
    Ok(drawn)
}

/// So many different elements, or all if there are fewer.
pub fn some(of: &impl Drawn, view: &View<'_>, count: u64, dice: Dice<'_>) -> Result<Vec<Entry>> {
    let len = of.live_len(view)?;
    if count >= len {
        return all(of, view);
    }
    if len <= READ_WHOLE_MAX || count > len / WALKED_SHARE {
        return walk(of, view, count, len, dice);
    }
    if count > DRAWN_INLINE_MAX as u64 {
        view.may_take_long()?;
    }
    let mut drawn = BTreeMap::new();
    for _ in 0..count.saturating_mul(TRIES) {
        if drawn.len() as u64 == count {
            return Ok(drawn.into_iter().collect());
        }
        drawn.extend(draw(of, view, dice)?);
    }
    walk(of, view, count, len, dice)
}

/// Selection sampling (Knuth, TAOCP 2, 3.4.2, algorithm S): each element is taken with the chance that is left for it.
fn walk(of: &impl Drawn, view: &View<'_>, count: u64, len: u64, dice: Dice<'_>) -> Result<Vec<Entry>> {
    let (mut wanted, mut left, mut taken) = (count, len, Vec::new());
    of.visit(view, &mut |element, value| {
        if dice().checked_rem(left).unwrap_or(0) < wanted {
            taken.push((element.to_vec(), value.to_vec()));
            wanted = wanted.saturating_sub(1);
        }
        left = left.saturating_sub(1);
        if wanted == 0 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    })?;
    Ok(taken)
}

/// One of those behind a random place; behind the last place comes the first.
fn draw(of: &impl Drawn, view: &View<'_>, dice: Dice<'_>) -> Result<Option<Entry>> {
    let mut behind: Vec<Entry> = Vec::with_capacity(NEIGHBOURS);
    for from in [dice() >> 1, 0] {
        if behind.len() < NEIGHBOURS {
            of.visit_from(view, from, &mut |element, value| {
                behind.push((element.to_vec(), value.to_vec()));
                let is_full = behind.len() >= NEIGHBOURS;
                if is_full { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
            })?;
        }
    }
    Ok(choose(behind, dice))
}

fn choose(mut entries: Vec<Entry>, dice: Dice<'_>) -> Option<Entry> {
    Some(entries.swap_remove(index(entries.len(), dice)?))
}

/// Below `len`; `None` if that is 0.
fn index(len: usize, dice: Dice<'_>) -> Option<usize> {
    usize::try_from(dice().checked_rem(len as u64)?).ok()
}
