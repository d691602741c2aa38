//! Random elements of a collection that is filed by hash (`collection::hashed`).
//!
//! A small collection is read whole, and every element is equally likely. In a large one, it seeks a random position in the
//! order of hashes, and takes one of the elements behind it: those behind a gap are somewhat likelier than others. That is
//! one seek per element, however large the collection is. If a good part of it is wanted, it is scanned once instead, and
//! every element is equally likely again.

use crate::{error::Result, store::View};
use std::{
    collections::BTreeMap,
    hash::{BuildHasher, RandomState},
    ops::ControlFlow,
};

/// Collections of up to this many elements are read whole.
const READ_WHOLE_MAX: u64 = 128;
/// Elements behind a random position, one of which is taken: the more, the less a gap before them matters.
const NEIGHBOURS: usize = 16;
/// If more than one in this many elements is wanted, all are scanned.
const SCANNED_SHARE: u64 = 8;
/// Positions tried for every wanted element before all are scanned instead.
const TRIES: u64 = 8;
/// Elements drawn on a thread that serves connections.
const DRAWN_INLINE_MAX: usize = 64;

/// A source of random elements.
pub trait Drawn {
    /// Elements stored, including expired ones.
    fn stored_len(&self) -> u64;
    /// Elements that there are.
    fn live_len(&self, view: &View<'_>) -> Result<u64>;
    /// Visits all elements and their values in the order in which they are shown.
    fn visit(&self, view: &View<'_>, visit: Visitor<'_>) -> Result<()>;
    /// Visits elements and their values in the order of hashes, from a hash on.
    fn visit_from(&self, view: &View<'_>, from: u64, visit: Visitor<'_>) -> Result<()>;
}

/// Gets an element and its value, and returns whether to continue.
pub type Visitor<'a> = &'a mut dyn FnMut(&[u8], &[u8]) -> ControlFlow<()>;
/// An element and its value.
pub type Entry = (Vec<u8>, Vec<u8>);
/// A source of random numbers.
pub type Dice<'a> = &'a mut dyn FnMut() -> u64;

/// Random numbers for reads. They change nothing that replicas must agree on, so this node draws them itself; for a script,
/// whose writes may follow from them, they come from the entry.
pub fn dice(view: &View<'_>) -> impl FnMut() -> u64 + use<> {
    seeded(view.script_random().unwrap_or_else(|| RandomState::new().hash_one(0_u8)))
}

/// Pseudo-random numbers from a seed (splitmix64), for writes: the same on every replica.
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
    if len <= READ_WHOLE_MAX || count > len / SCANNED_SHARE {
        return scan_all(of, view, count, len, dice);
    }
    if count > DRAWN_INLINE_MAX as u64 {
        view.may_take_long()?;
    }
    let mut drawn = BTreeMap::new();
    for _ in 0..count.saturating_mul(TRIES) {
        if drawn.len() as u64 == count {
            return Ok(drawn.into_iter().collect());
        }
        if let Some((element, value)) = draw(of, view, dice)? {
            view.keep(1, element.len().saturating_add(value.len()))?;
            drawn.insert(element, value);
        }
    }
    scan_all(of, view, count, len, dice)
}

/// Selection sampling (Knuth, TAOCP 2, 3.4.2, algorithm S): each element is taken with the chance that is left for it.
fn scan_all(of: &impl Drawn, view: &View<'_>, count: u64, len: u64, dice: Dice<'_>) -> Result<Vec<Entry>> {
    let (mut wanted, mut left, mut taken, mut kept) = (count, len, Vec::new(), Ok(()));
    of.visit(&view.in_passing(), &mut |element, value| {
        if dice().checked_rem(left).unwrap_or(0) < wanted {
            kept = view.keep(1, element.len().saturating_add(value.len()));
            if kept.is_err() {
                return ControlFlow::Break(());
            }
            taken.push((element.to_vec(), value.to_vec()));
            wanted = wanted.saturating_sub(1);
        }
        left = left.saturating_sub(1);
        if wanted == 0 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    })?;
    kept.map(|()| taken)
}

/// One of the elements behind a random position; behind the last position comes the first.
fn draw(of: &impl Drawn, view: &View<'_>, dice: Dice<'_>) -> Result<Option<Entry>> {
    let mut behind: Vec<Entry> = Vec::with_capacity(NEIGHBOURS);
    for from in [dice() >> 1, 0] {
        if behind.len() < NEIGHBOURS {
            of.visit_from(&view.in_passing(), from, &mut |element, value| {
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
