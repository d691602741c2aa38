//! Ranks in large sets: counts of stretches, on a few levels (`src/docs/adr/0019-ranks-in-sorted-sets.md`).
//!
//! A level cuts the order of (score, member) into stretches and keeps how many members each has. Where a stretch begins
//! is decided by the hash of its first member alone: one member in 128 begins a stretch on level 1, one of 128 of these
//! one on level 2, and so on. So nothing is ever split or merged for balance, the counts follow from the members whatever
//! the order in which they came, and every replica has the same bytes.
//!
//! The first stretch of a level begins before all members, at the empty sub-key. A rank is the sum of the stretches before
//! the one that holds the member, on the highest level, then within that stretch on the level below, and so on down to the
//! members themselves: about 64 steps on each level. An addition or removal changes one count on each level.
//!
//! Invariant: the counts of a level add up to the number of members; a stretch without members has no count.

use super::score::SCORE_LEN;
use crate::{
    error::{Result, StoreError},
    store::{Direction, Life, SubKeys, Txn, View},
    types::collection::hash_of,
};
use std::ops::{Bound, ControlFlow};

/// What the counts' sub-keys begin with: no hash does.
const COUNT: u8 = 0xff;
/// A stretch holds 128 of the level below, on average.
const SPREAD_BITS: u32 = 7;
/// 2^56 members.
const LEVELS_MAX: u8 = 7;

/// The counts of one set.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ranks {
    pub(super) life: Life,
    /// How many levels are kept.
    pub(super) levels: u8,
}

/// Members of which a set with this many levels can have no more.
pub(super) fn capacity(levels: u8) -> u64 {
    1_u64.checked_shl(SPREAD_BITS.saturating_mul(u32::from(levels).saturating_add(1))).unwrap_or(u64::MAX)
}

/// Whether a member begins a stretch.
fn begins(member: &[u8], level: u8) -> bool {
    hash_of(member).trailing_zeros() >= SPREAD_BITS.saturating_mul(u32::from(level))
}

fn count_key(level: u8, begin: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(begin.len().saturating_add(2));
    out.extend_from_slice(&[COUNT, level]);
    out.extend_from_slice(begin);
    out
}

fn count_in(value: &[u8]) -> Result<u64, StoreError> {
    let bytes =
        value.first_chunk::<8>().ok_or_else(|| StoreError::corrupt("sorted set", "a count is cut off"))?;
    Ok(u64::from_be_bytes(*bytes))
}

/// Where a stretch begins, and its members.
type Stretch = (Vec<u8>, u64);

impl Ranks {
    /// Members before this place, which may be a member's sub-key or not: those before the stretch that holds it, and
    /// where that begins.
    pub(super) fn before(&self, view: &View<'_>, place: &[u8]) -> Result<(Vec<u8>, u64)> {
        let (mut from, mut total) = (Vec::new(), 0_u64);
        for level in (1..=self.levels).rev() {
            let mut last: Option<Stretch> = None;
            let to = count_key(level, place);
            self.visit(view, level, &from, Bound::Included(&to), |begin, count| {
                let passed = last.replace((begin.to_vec(), count));
                total = total.saturating_add(passed.map_or(0, |(_, count)| count));
                ControlFlow::Continue(())
            })?;
            from = last.map_or(from, |(begin, _)| begin);
        }
        Ok((from, total))
    }

    /// Where the stretch of level 1 begins that holds this rank, and how many members come before it within the stretch.
    pub(super) fn stretch_of(&self, view: &View<'_>, rank: u64) -> Result<(Vec<u8>, u64)> {
        let (mut from, mut left) = (Vec::new(), rank);
        for level in (1..=self.levels).rev() {
            let mut found = None;
            let end = [COUNT, level.saturating_add(1)];
            self.visit(view, level, &from, Bound::Excluded(&end), |begin, count| {
                found = Some(begin.to_vec());
                if left < count {
                    return ControlFlow::Break(());
                }
                left = left.saturating_sub(count);
                ControlFlow::Continue(())
            })?;
            from = found.unwrap_or(from);
        }
        Ok((from, left))
    }

    fn visit(
        &self,
        view: &View<'_>,
        level: u8,
        from: &[u8],
        to: Bound<&[u8]>,
        mut visit: impl FnMut(&[u8], u64) -> ControlFlow<()>,
    ) -> Result<()> {
        let from = count_key(level, from);
        let range = (Bound::Included(&from[..]), to);
        view.scan_sub(SubKeys::Data, &self.life, range, Direction::Forward, |sub, value| {
            Ok(visit(sub.get(2..).unwrap_or_default(), count_in(value)?))
        })
    }

    /// The last stretch that begins before a sub-key.
    fn last_before(&self, view: &View<'_>, level: u8, sub: &[u8]) -> Result<Stretch> {
        let mut found = (Vec::new(), 0);
        let (from, to) = ([COUNT, level], count_key(level, sub));
        let range = (Bound::Included(&from[..]), Bound::Excluded(&to[..]));
        view.scan_sub(SubKeys::Data, &self.life, range, Direction::Backward, |sub, value| {
            found = (sub.get(2..).unwrap_or_default().to_vec(), count_in(value)?);
            Ok(ControlFlow::Break(()))
        })?;
        Ok(found)
    }

    fn put(&self, txn: &mut Txn<'_>, level: u8, begin: &[u8], count: u64) {
        let key = count_key(level, begin);
        match count {
            0 => txn.delete_sub(SubKeys::Data, &self.life, &key),
            _ => txn.put_sub(SubKeys::Data, &self.life, &key, &count.to_be_bytes()),
        }
    }

    /// A member has come.
    pub(super) fn added(&self, txn: &mut Txn<'_>, sub: &[u8], member: &[u8]) -> Result<()> {
        // On the level below: where the stretch began that is cut in two, and how much of it stays.
        let mut below: Stretch = (Vec::new(), 0);
        for level in 1..=self.levels {
            let (begin, count) = self.last_before(&txn.view(), level, sub)?;
            if !begins(member, level) {
                self.put(txn, level, &begin, count.saturating_add(1));
                continue;
            }
            let stays = match level {
                1 => members_within(&txn.view(), &self.life, &begin, sub)?,
                _ => below.1.saturating_add(self.sum(&txn.view(), level - 1, &begin, &below.0)?),
            };
            self.put(txn, level, &begin, stays);
            self.put(txn, level, sub, count.saturating_sub(stays).saturating_add(1));
            below = (begin, stays);
        }
        Ok(())
    }

    /// A member goes from one place to another: `write` does so in `Score`.
    pub(super) fn moves(
        &self,
        txn: &mut Txn<'_>,
        (old, new): (&[u8], &[u8]),
        member: &[u8],
        write: impl FnOnce(&mut Txn<'_>) -> Result<()>,
    ) -> Result<()> {
        if self.is_inner(member) {
            write(txn)?;
            return self.moved(txn, old, new);
        }
        self.removed(txn, old, member)?;
        write(txn)?;
        self.added(txn, new, member)
    }

    /// A member has gone.
    pub(super) fn removed(&self, txn: &mut Txn<'_>, sub: &[u8], member: &[u8]) -> Result<()> {
        for level in 1..=self.levels {
            let (begin, count) = self.last_before(&txn.view(), level, sub)?;
            let mut own = 0;
            if begins(member, level) {
                let key = count_key(level, sub);
                let value = txn.view().sub(SubKeys::Data, &self.life, &key)?;
                own = value.map(|value| count_in(&value)).transpose()?.unwrap_or(0);
                self.put(txn, level, sub, 0);
            }
            self.put(txn, level, &begin, count.saturating_add(own).saturating_sub(1));
        }
        Ok(())
    }

    /// A member that begins no stretch has gone from one place to another.
    fn moved(&self, txn: &mut Txn<'_>, old: &[u8], new: &[u8]) -> Result<()> {
        for level in 1..=self.levels {
            let (begin, count) = self.last_before(&txn.view(), level, old.max(new))?;
            if begin[..] < *old.min(new) {
                // Within one stretch, and so within one on each level above.
                return Ok(());
            }
            let (other, others) = self.last_before(&txn.view(), level, old.min(new))?;
            let (later, earlier) = if old < new { (1, -1) } else { (-1, 1) };
            self.put(txn, level, &begin, count.saturating_add_signed(later));
            self.put(txn, level, &other, others.saturating_add_signed(earlier));
        }
        Ok(())
    }

    /// Whether a member is nowhere the first of a stretch.
    fn is_inner(&self, member: &[u8]) -> bool {
        self.levels == 0 || !begins(member, 1)
    }

    /// Members of the stretches that begin from one place on and before another.
    fn sum(&self, view: &View<'_>, level: u8, from: &[u8], to: &[u8]) -> Result<u64> {
        let mut sum = 0_u64;
        let end = count_key(level, to);
        self.visit(view, level, from, Bound::Excluded(&end), |_, count| {
            sum = sum.saturating_add(count);
            ControlFlow::Continue(())
        })?;
        Ok(sum)
    }

    /// Adds the levels that a set of this many members should have.
    pub(super) fn raise(&mut self, txn: &mut Txn<'_>, members: u64) -> Result<()> {
        while self.levels < LEVELS_MAX && members > capacity(self.levels) {
            let level = self.levels.saturating_add(1);
            let stretches = self.stretches(&txn.view(), level)?;
            for (begin, count) in stretches {
                self.put(txn, level, &begin, count);
            }
            self.levels = level;
        }
        Ok(())
    }

    /// What a level must be, from the one below it.
    fn stretches(&self, view: &View<'_>, level: u8) -> Result<Vec<Stretch>> {
        let mut all: Vec<Stretch> = vec![(Vec::new(), 0)];
        let mut next = |begin: &[u8], count: u64| {
            let member = begin.get(SCORE_LEN..);
            if member.is_some_and(|member| begins(member, level)) {
                all.push((begin.to_vec(), 0));
            }
            if let Some((_, sum)) = all.last_mut() {
                *sum = sum.saturating_add(count);
            }
        };
        if level == 1 {
            let range = (Bound::Unbounded, Bound::Unbounded);
            view.scan_sub(SubKeys::Score, &self.life, range, Direction::Forward, |sub, _| {
                next(sub, 1);
                Ok(ControlFlow::Continue(()))
            })?;
        } else {
            let end = [COUNT, level];
            self.visit(view, level - 1, b"", Bound::Excluded(&end), |begin, count| {
                next(begin, count);
                ControlFlow::Continue(())
            })?;
        }
        Ok(all)
    }
}

fn members_within(view: &View<'_>, life: &Life, from: &[u8], to: &[u8]) -> Result<u64> {
    let mut count = 0_u64;
    let range = (Bound::Included(from), Bound::Excluded(to));
    view.scan_sub(SubKeys::Score, life, range, Direction::Forward, |_, _| {
        count = count.saturating_add(1);
        Ok(ControlFlow::Continue(()))
    })?;
    Ok(count)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Golden: which members begin a stretch is on disk.
    #[test]
    fn one_member_in_128_begins_a_stretch() {
        let members: Vec<Vec<u8>> = (0..100_000_u32).map(|n| n.to_string().into_bytes()).collect();
        let count = |level| members.iter().filter(|member| begins(member, level)).count();
        let levels = [count(0), count(1), count(2)];
        assert_eq!(levels[0], 100_000);
        assert!((600..1000).contains(&levels[1]) && (1..20).contains(&levels[2]), "{levels:?}");
    }

    #[test]
    fn capacities() {
        assert_eq!([capacity(0), capacity(1), capacity(2)], [128, 16_384, 2_097_152]);
    }
}
