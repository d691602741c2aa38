//! Reads of a set.

use super::member::Member;
use crate::{
    error::Result,
    store::{Direction, Encoding, SubKeys, Txn, Type, View},
    types::{
        collection::{Collection, element_of, hash_in, hashed},
        expiring::Expiring,
        integer::parse_i64,
        random::{Drawn, Visitor},
    },
};
use std::ops::{Bound, ControlFlow};

/// A set.
#[derive(Debug, Clone)]
pub struct Set {
    pub(super) collection: Collection,
    pub(super) expiring: Expiring,
    /// Stored sub-keys are dropped with the row.
    pub(super) is_cleared: bool,
    /// The last number that a member was given, of a listpack.
    pub(super) last_number: u64,
}

impl Set {
    /// The set under a key; another type is WRONGTYPE.
    pub fn open(view: &View<'_>, key: &[u8]) -> Result<Option<Self>> {
        Collection::open(view, key, Type::Set)?.map(Self::of).transpose()
    }

    /// That of a row's parts.
    pub fn of(collection: Collection) -> Result<Self> {
        let (expiring, beside) = Expiring::split(&collection.rest)?;
        let last_number = beside.first_chunk().map_or(0, |number| u64::from_be_bytes(*number));
        Ok(Set { collection, expiring, is_cleared: false, last_number })
    }

    /// The number of members. Looks at each that expired since the last sweep.
    pub fn len(&self, view: &View<'_>) -> Result<u64> {
        Ok(self.stored_len().saturating_sub(self.expiring.expired(view, &self.collection.id)?))
    }

    /// Members stored, including expired ones.
    pub fn stored_len(&self) -> u64 {
        self.collection.len
    }

    /// Whether Redis would store it as an intset or a listpack: then it has an order, and a scan returns it at once.
    pub fn is_small(&self) -> bool {
        self.collection.encoding != Encoding::Large
    }

    /// Whether there is this member.
    pub fn contains(&self, view: &View<'_>, member: &[u8]) -> Result<bool> {
        self.has_sub(view, &hashed(member))
    }

    /// As `contains`, by sub-key.
    pub fn has_sub(&self, view: &View<'_>, sub: &[u8]) -> Result<bool> {
        if self.expiring.is_empty() {
            return Ok(view.sub(SubKeys::Data, &self.collection.id, sub)?.is_some());
        }
        match self.stored(view, sub)? {
            Some((found, _)) => Ok(!view.has_passed(found.expires_at)?),
            None => Ok(false),
        }
    }

    /// When a member expires (ms since the epoch, 0 = never); `None`: there is none.
    pub fn expiry_of(&self, view: &View<'_>, member: &[u8]) -> Result<Option<u64>> {
        match self.stored(view, &hashed(member))? {
            Some((found, _)) if !view.has_passed(found.expires_at)? => Ok(Some(found.expires_at)),
            Some(_) | None => Ok(None),
        }
    }

    /// What is stored under a sub-key, expired or not, and its length.
    pub(super) fn stored(&self, view: &View<'_>, sub: &[u8]) -> Result<Option<(Member, usize)>> {
        let Some(stored) = view.sub(SubKeys::Data, &self.collection.id, sub)? else { return Ok(None) };
        Ok(Some((Member::decode(&stored)?, stored.len())))
    }

    /// Before so many members are drawn: a set that loses many again and again is kept in memory.
    pub fn will_be_drawn_from(&self, txn: &mut Txn<'_>, members: u64) -> Result<()> {
        txn.cache_searched(SubKeys::Data, &self.collection.id, self.stored_len(), Some(members))
    }

    /// Visits all sub-keys until the visitor breaks: those of an intset ascending, those of a listpack in the order in
    /// which they were added, others in storage order.
    pub fn visit(
        &self,
        view: &View<'_>,
        mut visit: impl FnMut(&[u8]) -> Result<ControlFlow<()>>,
    ) -> Result<()> {
        self.visit_with_expiries(view, |sub, _| visit(sub))
    }

    /// As `visit`, with the time at which each expires; 0 = never.
    pub fn visit_with_expiries(
        &self,
        view: &View<'_>,
        mut visit: impl FnMut(&[u8], u64) -> Result<ControlFlow<()>>,
    ) -> Result<()> {
        if !self.is_small() {
            return self.visit_from(view, 0, visit);
        }
        let content = self.collection.content(true);
        view.scan_ordered(SubKeys::Data, content, place_of, |sub, stored| {
            self.visit_live(view, sub, stored, &mut visit)
        })
    }

    /// Visits all sub-keys in storage order until the visitor breaks.
    pub fn visit_filed(
        &self,
        view: &View<'_>,
        mut visit: impl FnMut(&[u8]) -> Result<ControlFlow<()>>,
    ) -> Result<()> {
        self.visit_from(view, 0, |sub, _| visit(sub))
    }

    /// Visits sub-keys in storage order, from a hash on, until the visitor breaks.
    fn visit_from(
        &self,
        view: &View<'_>,
        from: u64,
        mut visit: impl FnMut(&[u8], u64) -> Result<ControlFlow<()>>,
    ) -> Result<()> {
        let (is_from_the_first, from) = (from == 0, from.to_be_bytes());
        let range = (Bound::Included(&from[..]), Bound::Unbounded);
        view.scan_page(
            SubKeys::Data,
            self.collection.content(is_from_the_first),
            range,
            Direction::Forward,
            |sub, stored| self.visit_live(view, sub, stored, &mut visit),
        )
    }

    /// Visits a member unless it has expired.
    fn visit_live(
        &self,
        view: &View<'_>,
        sub: &[u8],
        stored: &[u8],
        visit: &mut impl FnMut(&[u8], u64) -> Result<ControlFlow<()>>,
    ) -> Result<ControlFlow<()>> {
        if self.expiring.is_empty() {
            return visit(sub, 0);
        }
        let Member { expires_at, .. } = Member::decode(stored)?;
        match view.has_passed(expires_at)? {
            true => Ok(ControlFlow::Continue(())),
            false => visit(sub, expires_at),
        }
    }

    /// All sub-keys, in their order.
    pub fn subs(&self, view: &View<'_>) -> Result<Vec<Vec<u8>>> {
        let mut found = Vec::new();
        self.visit(view, |sub| {
            found.push(sub.to_vec());
            Ok(ControlFlow::Continue(()))
        })?;
        Ok(found)
    }

    /// SSCAN's step: visits members from a cursor on, `count` of them or a few more, a small set whole. Returns the next
    /// cursor, the hash of the first member not visited: 0 = all were.
    pub fn page(
        &self,
        view: &View<'_>,
        cursor: u64,
        count: u64,
        mut visit: impl FnMut(&[u8]),
    ) -> Result<u64> {
        if self.is_small() {
            // As in Redis, for any cursor.
            self.visit(view, |sub| {
                visit(element_of(sub));
                Ok(ControlFlow::Continue(()))
            })?;
            return Ok(0);
        }
        let (mut left, mut last, mut next) = (count, None, 0);
        self.visit_from(view, cursor, |sub, _| {
            let hash = hash_in(sub);
            // Members with the same hash stay on one page: a cursor could not tell them apart.
            if left == 0 && last != Some(hash) {
                next = hash;
                return Ok(ControlFlow::Break(()));
            }
            left = left.saturating_sub(1);
            last = Some(hash);
            visit(element_of(sub));
            Ok(ControlFlow::Continue(()))
        })?;
        Ok(next)
    }
}

/// The position of a member of a small set: its number. Members without a number come first: the integers of an intset,
/// ascending; then those stored before there were numbers, in storage order.
fn place_of(sub: &[u8], stored: &[u8]) -> Result<(u64, bool, i64)> {
    let Member { number, .. } = Member::decode(stored)?;
    if number != 0 {
        return Ok((number, false, 0));
    }
    let integer = parse_i64(element_of(sub));
    Ok((0, integer.is_none(), integer.unwrap_or_default()))
}

impl Drawn for Set {
    fn stored_len(&self) -> u64 {
        Set::stored_len(self)
    }

    fn live_len(&self, view: &View<'_>) -> Result<u64> {
        self.len(view)
    }

    fn visit(&self, view: &View<'_>, visit: Visitor<'_>) -> Result<()> {
        Set::visit(self, view, |sub| Ok(visit(element_of(sub), b"")))
    }

    fn visit_from(&self, view: &View<'_>, from: u64, visit: Visitor<'_>) -> Result<()> {
        Set::visit_from(self, view, from, |sub, _| Ok(visit(element_of(sub), b"")))
    }
}
