//! A set: read, changed, stored.

use crate::{
    error::Result,
    store::{Direction, Encoding, SubKeys, Txn, Type, View, Was},
    types::{
        collection::{Collection, element_of, hash_in, hashed, put_number, take_number},
        encoding::{INTSET_ELEMENTS_MAX, LISTPACK_ELEMENT_BYTES_MAX, LISTPACK_ELEMENTS_MAX},
        integer::parse_i64,
        random::{Drawn, Visitor},
    },
};
use std::ops::{Bound, ControlFlow};

/// Up to this many members are removed one by one; more, if few stay, all at once.
const ONE_BY_ONE_MAX: u64 = 256;
/// Redis rebuilds a set, so that it is small again, if one in this many members is to stay.
const ANEW_SHARE: u64 = 5;

/// A set.
#[derive(Debug, Clone)]
pub struct Set {
    collection: Collection,
    /// Stored sub-keys are dropped with the row.
    is_cleared: bool,
    /// The last number that a member was given, of a listpack.
    last_number: u64,
}

impl Set {
    /// The set under a key; another type is WRONGTYPE.
    pub fn open(view: &View<'_>, key: &[u8]) -> Result<Option<Self>> {
        let collection = Collection::open(view, key, Type::Set)?;
        Ok(collection.map(|collection| {
            let last_number = collection.rest.first_chunk().map_or(0, |number| u64::from_be_bytes(*number));
            Set { collection, is_cleared: false, last_number }
        }))
    }

    /// A new, empty set for this many members, the first of which is known. It replaces the key's value once it is saved.
    pub fn create(txn: &mut Txn<'_>, first: &[u8], members: usize) -> Self {
        let members = u64::try_from(members).unwrap_or(u64::MAX);
        let encoding = if parse_i64(first).is_some() && members <= INTSET_ELEMENTS_MAX {
            Encoding::Natural
        } else if members <= LISTPACK_ELEMENTS_MAX {
            Encoding::Listpack
        } else {
            Encoding::Large
        };
        Self::encoded(txn, encoding)
    }

    fn encoded(txn: &mut Txn<'_>, encoding: Encoding) -> Self {
        let mut collection = Collection::create(txn, Type::Set);
        collection.encoding = encoding;
        Set { collection, is_cleared: false, last_number: 0 }
    }

    /// Writes the row, or deletes the key if the set is empty. `true` = the key is gone.
    pub fn save(mut self, txn: &mut Txn<'_>, key: &[u8]) -> Result<bool> {
        if self.is_cleared {
            txn.delete(key)?;
            return Ok(true);
        }
        let has_numbers = self.collection.encoding == Encoding::Listpack && self.last_number != 0;
        self.collection.rest = if has_numbers { self.last_number.to_be_bytes().to_vec() } else { Vec::new() };
        self.collection.save(txn, key)
    }

    /// Members.
    pub fn len(&self) -> u64 {
        self.collection.len
    }

    /// Only between the last member's going and `save`.
    pub fn is_empty(&self) -> bool {
        self.collection.len == 0
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
        Ok(view.sub(SubKeys::Data, &self.collection.id, sub)?.is_some())
    }

    /// Before so many members are drawn: a set that loses many again and again is kept in memory.
    pub fn will_be_drawn_from(&self, txn: &mut Txn<'_>, members: u64) -> Result<()> {
        txn.cache_searched(SubKeys::Data, &self.collection.id, self.len(), Some(members))
    }

    /// Adds a member; false if it existed.
    pub fn add(&mut self, txn: &mut Txn<'_>, member: &[u8]) -> Result<bool> {
        let sub = hashed(member);
        if self.has_sub(&txn.view(), &sub)? {
            return Ok(false);
        }
        self.add_new(txn, member, &sub);
        Ok(true)
    }

    fn add_new(&mut self, txn: &mut Txn<'_>, member: &[u8], sub: &[u8]) {
        let fits_listpack = self.len() < LISTPACK_ELEMENTS_MAX && member.len() <= LISTPACK_ELEMENT_BYTES_MAX;
        self.collection.encoding = match self.collection.encoding {
            Encoding::Natural if parse_i64(member).is_some() && self.len() < INTSET_ELEMENTS_MAX => {
                Encoding::Natural
            }
            Encoding::Natural if parse_i64(member).is_none() && fits_listpack => Encoding::Listpack,
            Encoding::Listpack if fits_listpack => Encoding::Listpack,
            Encoding::Natural | Encoding::Listpack | Encoding::Raw | Encoding::Large | Encoding::Pieces => {
                Encoding::Large
            }
        };
        let mut number = Vec::new();
        if self.collection.encoding == Encoding::Listpack {
            self.last_number = self.last_number.saturating_add(1);
            put_number(&mut number, self.last_number);
        }
        txn.put_sub_over(SubKeys::Data, &self.collection.id, sub, &number, Was::Absent);
        self.collection.len = self.len().saturating_add(1);
    }

    /// Takes a member away; false if it was not there.
    pub fn remove(&mut self, txn: &mut Txn<'_>, member: &[u8]) -> Result<bool> {
        let sub = hashed(member);
        if !self.has_sub(&txn.view(), &sub)? {
            return Ok(false);
        }
        self.delete(txn, &sub);
        Ok(true)
    }

    fn delete(&mut self, txn: &mut Txn<'_>, sub: &[u8]) {
        txn.delete_sub(SubKeys::Data, &self.collection.id, sub);
        self.collection.len = self.len().saturating_sub(1);
    }

    /// Removes these existing, different members.
    pub fn remove_all(&mut self, txn: &mut Txn<'_>, members: &[Vec<u8>]) -> Result<()> {
        let gone = u64::try_from(members.len()).unwrap_or(u64::MAX);
        let stay = self.len().saturating_sub(gone);
        if stay == 0 && gone > ONE_BY_ONE_MAX {
            self.collection.len = 0;
            self.is_cleared = true;
            return Ok(());
        }
        let is_large = self.collection.encoding == Encoding::Large || gone > ONE_BY_ONE_MAX;
        if is_large && stay > 0 && stay.saturating_mul(ANEW_SHARE) <= gone {
            return self.begin_anew(txn, members);
        }
        members.iter().for_each(|member| self.delete(txn, &hashed(member)));
        Ok(())
    }

    /// The same set without these members, which are most. The old ones go when the row is saved.
    fn begin_anew(&mut self, txn: &mut Txn<'_>, without: &[Vec<u8>]) -> Result<()> {
        let mut gone: Vec<Vec<u8>> = without.iter().map(|member| hashed(member)).collect();
        gone.sort_unstable();
        let mut kept = Vec::new();
        self.visit(&txn.view(), |sub| {
            if gone.binary_search_by(|other| other[..].cmp(sub)).is_err() {
                kept.push(sub.to_vec());
            }
            Ok(ControlFlow::Continue(()))
        })?;
        let first = kept.first().map(|sub| element_of(sub)).unwrap_or_default();
        let is_large = self.collection.encoding == Encoding::Large;
        let anew = Set::create(txn, first, 1);
        self.collection.id = anew.collection.id;
        (self.collection.len, self.last_number) = (0, 0);
        if is_large {
            self.collection.encoding = anew.collection.encoding;
        }
        kept.iter().for_each(|sub| self.add_new(txn, element_of(sub), sub));
        Ok(())
    }

    /// Stores these different members, given by sub-key, as the new value of a key; none: the key is deleted. They keep
    /// their order if they are few, and not all are integers. `true` = there are some.
    pub fn store(txn: &mut Txn<'_>, key: &[u8], subs: &[Vec<u8>]) -> Result<bool> {
        if subs.is_empty() {
            txn.delete(key)?;
            return Ok(false);
        }
        let are_integers = subs.iter().all(|sub| parse_i64(element_of(sub)).is_some());
        let mut set = Set::encoded(txn, if are_integers { Encoding::Natural } else { Encoding::Listpack });
        subs.iter().for_each(|sub| set.add_new(txn, element_of(sub), sub));
        set.save(txn, key)?;
        Ok(true)
    }

    /// Visits all sub-keys until the visitor breaks: those of an intset ascending, those of a listpack in the order in
    /// which they were added, others in storage order.
    pub fn visit(
        &self,
        view: &View<'_>,
        mut visit: impl FnMut(&[u8]) -> Result<ControlFlow<()>>,
    ) -> Result<()> {
        if !self.is_small() {
            return self.visit_from(view, 0, visit);
        }
        view.scan_ordered(SubKeys::Data, self.collection.content(true), place_of, |sub, _| visit(sub))
    }

    /// Visits sub-keys in storage order, from a hash on, until the visitor breaks.
    fn visit_from(
        &self,
        view: &View<'_>,
        from: u64,
        mut visit: impl FnMut(&[u8]) -> Result<ControlFlow<()>>,
    ) -> Result<()> {
        let (is_from_the_first, from) = (from == 0, from.to_be_bytes());
        let range = (Bound::Included(&from[..]), Bound::Unbounded);
        view.scan_page(
            SubKeys::Data,
            self.collection.content(is_from_the_first),
            range,
            Direction::Forward,
            |sub, _| visit(sub),
        )
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
        self.visit_from(view, cursor, |sub| {
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
    if !stored.is_empty() {
        return Ok((take_number(stored)?.0, false, 0));
    }
    let integer = parse_i64(element_of(sub));
    Ok((0, integer.is_none(), integer.unwrap_or_default()))
}

impl Drawn for Set {
    fn stored_len(&self) -> u64 {
        self.len()
    }

    fn live_len(&self, _view: &View<'_>) -> Result<u64> {
        Ok(self.len())
    }

    fn visit(&self, view: &View<'_>, visit: Visitor<'_>) -> Result<()> {
        Set::visit(self, view, |sub| Ok(visit(element_of(sub), b"")))
    }

    fn visit_from(&self, view: &View<'_>, from: u64, visit: Visitor<'_>) -> Result<()> {
        Set::visit_from(self, view, from, |sub| Ok(visit(element_of(sub), b"")))
    }
}
