//! Random fields of a hash.
//!
//! A small hash is read whole, and every field is equally likely. Of a large one, a random place in the order of hashes is
//! sought, and one of the fields that follow it is taken: those behind a gap are somewhat likelier than others. That is
//! one seek a field, however large the hash is. Where a good part of a hash is wanted, it is walked once instead, and
//! every field is equally likely again.

use super::{Hash, hash::Seen};
use crate::{error::Result, store::View};
use std::{collections::BTreeMap, ops::ControlFlow};

/// Hashes of up to so many fields are read whole.
const READ_WHOLE_MAX: u64 = 128;
/// Fields behind a random place, of which one is taken: the more, the less a gap before them matters.
const NEIGHBOURS: usize = 16;
/// If more than one in so many fields is wanted, the hash is walked.
const WALKED_SHARE: u64 = 8;
/// Places tried for every field wanted before the hash is walked instead.
const TRIES: u64 = 8;
/// Fields drawn on a thread that serves connections.
const DRAWN_INLINE_MAX: usize = 64;

/// A field and its value.
pub type Entry = (Vec<u8>, Vec<u8>);
/// A source of random numbers.
pub type Dice<'a> = &'a mut dyn FnMut() -> u64;

/// All fields.
pub fn all(hash: &Hash, view: &View<'_>) -> Result<Vec<Entry>> {
    let mut entries = Vec::new();
    hash.visit(view, 0, |seen| {
        entries.push(entry(seen));
        Ok(ControlFlow::Continue(()))
    })?;
    Ok(entries)
}

/// One field; `None` only of a hash that has none.
pub fn one(hash: &Hash, view: &View<'_>, dice: Dice<'_>) -> Result<Option<Entry>> {
    if hash.stored_len() <= READ_WHOLE_MAX {
        return Ok(choose(all(hash, view)?, dice));
    }
    draw(hash, view, dice)
}

/// So many fields, the same one more than once perhaps.
pub fn repeated(hash: &Hash, view: &View<'_>, count: usize, dice: Dice<'_>) -> Result<Vec<Entry>> {
    if count > DRAWN_INLINE_MAX {
        view.may_take_long()?;
    }
    let mut drawn = Vec::new();
    if hash.stored_len() <= READ_WHOLE_MAX {
        let all = all(hash, view)?;
        drawn.extend((0..count).filter_map(|_| all.get(index(all.len(), dice)?).cloned()));
        return Ok(drawn);
    }
    for _ in 0..count {
        drawn.extend(draw(hash, view, dice)?);
    }
    Ok(drawn)
}

/// So many different fields, or all if there are fewer.
pub fn some(hash: &Hash, view: &View<'_>, count: u64, dice: Dice<'_>) -> Result<Vec<Entry>> {
    let len = hash.len(view)?;
    if count >= len {
        return all(hash, view);
    }
    if len <= READ_WHOLE_MAX || count > len / WALKED_SHARE {
        return walk(hash, view, count, len, dice);
    }
    if count > DRAWN_INLINE_MAX as u64 {
        view.may_take_long()?;
    }
    let mut drawn = BTreeMap::new();
    for _ in 0..count.saturating_mul(TRIES) {
        if drawn.len() as u64 == count {
            return Ok(drawn.into_iter().collect());
        }
        drawn.extend(draw(hash, view, dice)?);
    }
    walk(hash, view, count, len, dice)
}

/// Selection sampling (Knuth, TAOCP 2, 3.4.2, algorithm S): each field is taken with the chance that is left for it.
fn walk(hash: &Hash, view: &View<'_>, count: u64, len: u64, dice: Dice<'_>) -> Result<Vec<Entry>> {
    let (mut wanted, mut left, mut taken) = (count, len, Vec::new());
    hash.visit(view, 0, |seen| {
        if dice().checked_rem(left).unwrap_or(0) < wanted {
            taken.push(entry(seen));
            wanted = wanted.saturating_sub(1);
        }
        left = left.saturating_sub(1);
        Ok(if wanted == 0 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
    })?;
    Ok(taken)
}

/// One of those behind a random place; behind the last place comes the first.
fn draw(hash: &Hash, view: &View<'_>, dice: Dice<'_>) -> Result<Option<Entry>> {
    let mut behind = Vec::with_capacity(NEIGHBOURS);
    for from in [dice() >> 1, 0] {
        if behind.len() < NEIGHBOURS {
            hash.visit(view, from, |seen| {
                behind.push(entry(seen));
                let is_full = behind.len() >= NEIGHBOURS;
                Ok(if is_full { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
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

fn entry(seen: Seen<'_>) -> Entry {
    (seen.field.to_vec(), seen.value.to_vec())
}
