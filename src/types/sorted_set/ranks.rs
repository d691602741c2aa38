//! Ranks in large sets: counts of stretches, on a few levels (`src/docs/adr/0019-ranks-in-sorted-sets.md`).
//!
//! A level divides the order of (score, member) into stretches and counts the members of each. The hash of its last member
//! alone decides where a stretch ends: one member in 128 ends a stretch on level 1, one in 128 of these one on level 2, and
//! so on. So nothing is ever split or merged for balance, the counts follow from the members in any order of insertion, and
//! every replica has the same bytes.
//!
//! The last stretch of a level ends behind all members. A rank is the sum of the stretches before the one that contains the
//! member, on the highest level, then within that stretch on the level below, and so on down to the members themselves:
//! about 64 steps on each level. An addition or removal changes one count on each level. A count is filed under the end of
//! its stretch, so that a forward seek finds the stretch of a position: a backward seek would pass all the versions that a
//! count has had.
//!
//! Invariant: the counts of a level add up to the number of members; a stretch without members has no count.

use super::score::SCORE_LEN;
use crate::{
    error::{Result, StoreError},
    store::{CollectionId, Direction, SubKeys, Txn, View, Was},
    types::collection::hash_of,
};
use bytes::Bytes;
use std::ops::{Bound, ControlFlow};

/// Prefix of the counts' sub-keys; no hash has it.
const COUNT: u8 = 0xff;
/// A stretch holds 128 of the level below, on average.
const SPREAD_BITS: u32 = 7;
/// So many members can be stepped over, 2 to the power of this; more, and counts are kept.
const STEPS_BITS: u32 = 10;
const LEVELS_MAX: u8 = 7;
/// The end of the last stretch: behind the sub-keys of all members.
const END: &[u8] = &[0xff, 0xff];

/// The counts of one set.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ranks {
    pub(super) id: CollectionId,
    /// The number of levels.
    pub(super) levels: u8,
    pub(super) members: u64,
}

/// The most members of a set with this many levels.
pub(super) fn capacity(levels: u8) -> u64 {
    1_u64
        .checked_shl(SPREAD_BITS.saturating_mul(u32::from(levels)).saturating_add(STEPS_BITS))
        .unwrap_or(u64::MAX)
}

/// Whether a member ends a stretch.
pub(super) fn ends(member: &[u8], level: u8) -> bool {
    hash_of(member).trailing_zeros() >= SPREAD_BITS.saturating_mul(u32::from(level))
}

fn count_key(level: u8, end: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(end.len().saturating_add(2));
    out.extend_from_slice(&[COUNT, level]);
    out.extend_from_slice(end);
    out
}

fn count_in(value: &[u8]) -> Result<u64, StoreError> {
    let bytes =
        value.first_chunk::<8>().ok_or_else(|| StoreError::corrupt("sorted set", "a count is cut off"))?;
    Ok(u64::from_be_bytes(*bytes))
}

/// The end of a stretch, and its members.
type Stretch = (Vec<u8>, u64);

/// The first position behind a sub-key.
fn behind(sub: &[u8]) -> Vec<u8> {
    [sub, &[0]].concat()
}

impl Ranks {
    /// Members before this position, which may be a member's sub-key or not: the number before the stretch that contains
    /// it, and the start of that stretch.
    pub(super) fn before(&self, view: &View<'_>, place: &[u8]) -> Result<(Vec<u8>, u64)> {
        let (mut from, mut total) = (Vec::new(), 0_u64);
        for level in (1..=self.levels).rev() {
            let (mut last, to) = (None, count_key(level, place));
            self.visit(view, level, &from, Bound::Excluded(&to), |end, count| {
                total = total.saturating_add(count);
                last = Some(behind(end));
                ControlFlow::Continue(())
            })?;
            from = last.unwrap_or(from);
        }
        Ok((from, total))
    }

    /// The start of the level 1 stretch that contains this rank, and the number of its members before the rank.
    pub(super) fn stretch_of(&self, view: &View<'_>, rank: u64) -> Result<(Vec<u8>, u64)> {
        let (mut from, mut left) = (Vec::new(), rank);
        for level in (1..=self.levels).rev() {
            let mut last = None;
            self.visit(
                view,
                level,
                &from,
                Bound::Excluded(&[COUNT, level.saturating_add(1)]),
                |end, count| {
                    if left < count {
                        return ControlFlow::Break(());
                    }
                    left = left.saturating_sub(count);
                    last = Some(behind(end));
                    ControlFlow::Continue(())
                },
            )?;
            from = last.unwrap_or(from);
        }
        Ok((from, left))
    }

    /// Visits the stretches of a level that end at `from` or behind it.
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
        view.in_passing().scan_sub(SubKeys::Data, &self.id, range, Direction::Forward, |sub, value| {
            Ok(visit(sub.get(2..).unwrap_or_default(), count_in(value)?))
        })
    }

    /// The stretch that contains a position.
    fn holder(&self, view: &View<'_>, level: u8, place: &[u8]) -> Result<Stretch> {
        let mut found = (END.to_vec(), 0);
        self.visit(view, level, place, Bound::Excluded(&[COUNT, level.saturating_add(1)]), |end, count| {
            found = (end.to_vec(), count);
            ControlFlow::Break(())
        })?;
        Ok(found)
    }

    /// The stretch that contains a position, for a change.
    fn holder_to_write(&self, txn: &mut Txn<'_>, level: u8, place: &[u8]) -> Result<Stretch> {
        let range =
            (Bound::Included(&[COUNT, level][..]), Bound::Excluded(&[COUNT, level.saturating_add(1)][..]));
        let about = self.members >> SPREAD_BITS.saturating_mul(u32::from(level)).min(u64::BITS - 1);
        txn.cache_whole(SubKeys::Data, &self.id, range, about)?;
        self.holder(&txn.view(), level, place)
    }

    fn put(&self, txn: &mut Txn<'_>, level: u8, end: &[u8], count: u64) {
        let key = count_key(level, end);
        match count {
            0 => txn.delete_sub(SubKeys::Data, &self.id, &key),
            _ => {
                let count = Bytes::copy_from_slice(&count.to_be_bytes());
                txn.put_sub_uncounted(SubKeys::Data, &self.id, &key, count, Was::Unknown);
            }
        }
    }

    /// A member has come.
    pub(super) fn added(&self, txn: &mut Txn<'_>, sub: &[u8], member: &[u8]) -> Result<()> {
        // On the level below: where the stretch ends that is cut in two, and how many of it are behind the member.
        let mut below: Stretch = (Vec::new(), 0);
        for level in 1..=self.levels {
            let (end, count) = self.holder_to_write(txn, level, sub)?;
            if !ends(member, level) {
                self.put(txn, level, &end, count.saturating_add(1));
                continue;
            }
            let rest = match level {
                1 => members_within(&txn.view(), &self.id, &behind(sub), &behind(&end))?,
                _ => below.1.saturating_add(self.sum(&txn.view(), level - 1, &behind(&below.0), &end)?),
            };
            self.put(txn, level, &end, rest);
            self.put(txn, level, sub, count.saturating_sub(rest).saturating_add(1));
            below = (end, rest);
        }
        Ok(())
    }

    /// Moves a member from one position to another: `write` does so in `Score`.
    pub(super) fn moves(
        &self,
        txn: &mut Txn<'_>,
        (old, new): (&[u8], &[u8]),
        member: &[u8],
        write: impl FnOnce(&mut Txn<'_>) -> Result<()>,
    ) -> Result<()> {
        if self.levels == 0 || !ends(member, 1) {
            write(txn)?;
            return self.moved(txn, old, new);
        }
        self.removed(txn, old, member)?;
        write(txn)?;
        self.added(txn, new, member)
    }

    /// Updates the counts after a member that ends no stretch has moved.
    fn moved(&self, txn: &mut Txn<'_>, old: &[u8], new: &[u8]) -> Result<()> {
        let (first, last) = (old.min(new), old.max(new));
        let (at_first, at_last) = if old < new { (-1, 1) } else { (1, -1) };
        for level in 1..=self.levels {
            let (end, count) = self.holder_to_write(txn, level, first)?;
            if end[..] > *last {
                // Within one stretch, and so within one on each level above.
                return Ok(());
            }
            let (other, others) = self.holder(&txn.view(), level, last)?;
            self.put(txn, level, &end, count.saturating_add_signed(at_first));
            self.put(txn, level, &other, others.saturating_add_signed(at_last));
        }
        Ok(())
    }

    /// Updates the counts after a member was removed.
    pub(super) fn removed(&self, txn: &mut Txn<'_>, sub: &[u8], member: &[u8]) -> Result<()> {
        for level in 1..=self.levels {
            let (end, count) = self.holder_to_write(txn, level, sub)?;
            if end != sub {
                self.put(txn, level, &end, count.saturating_sub(1));
                continue;
            }
            debug_assert!(ends(member, level));
            let (next, others) = self.holder(&txn.view(), level, &behind(sub))?;
            self.put(txn, level, &end, 0);
            self.put(txn, level, &next, others.saturating_add(count).saturating_sub(1));
        }
        Ok(())
    }

    /// Updates the counts after members that follow one another were removed.
    pub(super) fn removed_run(&self, txn: &mut Txn<'_>, run: &[(Vec<u8>, &[u8])]) -> Result<()> {
        let Some((first, _)) = run.first() else { return Ok(()) };
        let number = |count: usize| u64::try_from(count).unwrap_or(u64::MAX);
        for level in 1..=self.levels {
            let (end, count) = self.holder_to_write(txn, level, first)?;
            let cuts = run.iter().enumerate().filter(|(_, (_, member))| ends(member, level));
            let cuts: Vec<(usize, &[u8])> = cuts.map(|(at, (sub, _))| (at, &sub[..])).collect();
            let (Some((first_cut, _)), Some((last_cut, last_end))) = (cuts.first(), cuts.last()) else {
                self.put(txn, level, &end, count.saturating_sub(number(run.len())));
                continue;
            };
            // Whole stretches go. What stands before the run in the first one belongs to the one behind the run.
            let before = count.saturating_sub(number(*first_cut).saturating_add(1));
            cuts.iter().for_each(|(_, end)| self.put(txn, level, end, 0));
            let (next, others) = self.holder(&txn.view(), level, &behind(last_end))?;
            let gone = number(run.len()).saturating_sub(number(*last_cut).saturating_add(1));
            self.put(txn, level, &next, others.saturating_sub(gone).saturating_add(before));
        }
        Ok(())
    }

    /// Members of the stretches that end from one position up to another.
    fn sum(&self, view: &View<'_>, level: u8, from: &[u8], to: &[u8]) -> Result<u64> {
        let mut sum = 0_u64;
        self.visit(view, level, from, Bound::Included(&count_key(level, to)), |_, count| {
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
            for (end, count) in stretches {
                self.put(txn, level, &end, count);
            }
            self.levels = level;
        }
        Ok(())
    }

    /// The right content of a level, computed from the one below it.
    fn stretches(&self, view: &View<'_>, level: u8) -> Result<Vec<Stretch>> {
        let (mut all, mut sum): (Vec<Stretch>, u64) = (Vec::new(), 0);
        let mut next = |end: &[u8], count: u64| {
            sum = sum.saturating_add(count);
            if end.get(SCORE_LEN..).is_some_and(|member| ends(member, level)) {
                all.push((end.to_vec(), std::mem::take(&mut sum)));
            }
        };
        if level == 1 {
            let range = (Bound::Unbounded, Bound::Unbounded);
            view.in_passing().scan_sub(SubKeys::Score, &self.id, range, Direction::Forward, |sub, _| {
                next(sub, 1);
                Ok(ControlFlow::Continue(()))
            })?;
        } else {
            self.visit(view, level - 1, b"", Bound::Excluded(&[COUNT, level]), |end, count| {
                next(end, count);
                ControlFlow::Continue(())
            })?;
        }
        all.push((END.to_vec(), sum));
        Ok(all)
    }
}

fn members_within(view: &View<'_>, collection: &CollectionId, from: &[u8], to: &[u8]) -> Result<u64> {
    let mut count = 0_u64;
    let range = (Bound::Included(from), Bound::Excluded(to));
    view.in_passing().scan_sub(SubKeys::Score, collection, range, Direction::Forward, |_, _| {
        count = count.saturating_add(1);
        Ok(ControlFlow::Continue(()))
    })?;
    Ok(count)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Golden: which members end a stretch is on disk.
    #[test]
    fn one_member_in_128_ends_a_stretch() {
        let members: Vec<Vec<u8>> = (0..100_000_u32).map(|n| n.to_string().into_bytes()).collect();
        let count = |level| members.iter().filter(|member| ends(member, level)).count();
        let levels = [count(0), count(1), count(2)];
        assert_eq!(levels[0], 100_000);
        assert!((600..1000).contains(&levels[1]) && (1..20).contains(&levels[2]), "{levels:?}");
    }

    #[test]
    fn capacities() {
        assert_eq!([capacity(0), capacity(1), capacity(2)], [1024, 131_072, 16_777_216]);
    }
}
