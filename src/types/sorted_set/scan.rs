//! ZSCAN's scan: members by their hash, so that additions and removals in between move nothing else.

use super::{
    set::{Scored, SortedSet, score_in},
    span::Span,
};
use crate::{
    error::Result,
    store::{Direction, Encoding, SubKeys, View},
    types::collection::{element_of, hash_in},
};
use std::ops::{Bound, ControlFlow};

/// Behind all members in `Data`: a hash has no highest bit.
pub(super) const BEHIND_MEMBERS: &[u8] = &[0x80];

impl SortedSet {
    /// Members from a cursor on and the next cursor; 0 = start, and done. At least `count` members if that many are left,
    /// and a small set whole, in its order, as in Redis. Members with the same hash come together.
    pub fn scan(&self, view: &View<'_>, cursor: u64, count: u64) -> Result<(Vec<Scored>, u64)> {
        if self.collection().encoding != Encoding::Large {
            return Ok((self.page(view, &Span::ALL, Direction::Forward, 0, u64::MAX)?, 0));
        }
        let (mut found, mut next, mut left, mut last) = (Vec::new(), 0, count, None);
        let from = cursor.to_be_bytes();
        let range = (Bound::Included(&from[..]), Bound::Excluded(BEHIND_MEMBERS));
        view.scan_sub(SubKeys::Data, &self.collection().id, range, Direction::Forward, |sub, value| {
            let hash = hash_in(sub);
            // 0 would mean that this was all.
            if left == 0 && last != Some(hash) && hash != 0 {
                next = hash;
                return Ok(ControlFlow::Break(()));
            }
            left = left.saturating_sub(1);
            last = Some(hash);
            found.push(Scored { member: element_of(sub).to_vec(), score: score_in(value)? });
            Ok(ControlFlow::Continue(()))
        })?;
        Ok((found, next))
    }
}
