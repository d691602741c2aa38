//! Changes of a set. They reach its row by `save`.

use super::{Set, member::Member};
use crate::{
    error::Result,
    store::{Encoding, SubKeys, Txn, Type, Was},
    types::{
        collection::{Collection, element_of, hashed},
        encoding::{INTSET_ELEMENTS_MAX, LISTPACK_ELEMENT_BYTES_MAX, LISTPACK_ELEMENTS_MAX},
        expiring::Expiring,
        integer::parse_i64,
    },
};
use std::ops::ControlFlow;

/// Up to this many members are removed one by one; more, if few stay, all at once.
const ONE_BY_ONE_MAX: u64 = 256;
/// Redis rebuilds a set, so that it is small again, if one in this many members is to stay.
const ANEW_SHARE: u64 = 5;

/// What `Set::put` did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Put {
    /// The member was not there.
    Added,
    /// Its expiry is another one now.
    Changed,
    Unchanged,
}

impl Set {
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
        Set { collection, expiring: Expiring::default(), is_cleared: false, last_number: 0 }
    }

    /// Writes the row, or deletes the key if the set is empty. `true` = the key is gone.
    pub fn save(mut self, txn: &mut Txn<'_>, key: &[u8]) -> Result<bool> {
        if self.is_cleared {
            txn.delete(key)?;
            return Ok(true);
        }
        self.collection.rest = self.expiring.encode(&txn.view(), &self.collection.id)?;
        if self.collection.encoding == Encoding::Listpack && self.last_number != 0 {
            self.collection.rest.extend_from_slice(&self.last_number.to_be_bytes());
        }
        self.collection.save(txn, key)
    }

    /// Adds a member, which never expires; one that is there stays as it is. False if it existed.
    pub fn add(&mut self, txn: &mut Txn<'_>, member: &[u8]) -> Result<bool> {
        let sub = hashed(member);
        let before = self.stored(&txn.view(), &sub)?;
        if let Some((before, _)) = before
            && !txn.view().has_passed(before.expires_at)?
        {
            return Ok(false);
        }
        self.add_new(txn, &sub, before, 0);
        Ok(true)
    }

    /// Lets a member expire then (ms since the epoch, 0 = never), and adds it if it is not there.
    pub fn put(&mut self, txn: &mut Txn<'_>, member: &[u8], expires_at: u64) -> Result<Put> {
        let sub = hashed(member);
        let before = self.stored(&txn.view(), &sub)?;
        let Some((there, len)) = before else {
            self.add_new(txn, &sub, None, expires_at);
            return Ok(Put::Added);
        };
        if txn.view().has_passed(there.expires_at)? {
            self.add_new(txn, &sub, before, expires_at);
            return Ok(Put::Added);
        }
        if there.expires_at == expires_at {
            return Ok(Put::Unchanged);
        }
        self.expiring.refile(txn, &self.collection.id, &sub, there.expires_at, expires_at);
        let stored = Member { expires_at, ..there }.encode();
        txn.put_sub_over(SubKeys::Data, &self.collection.id, &sub, &stored, Was::Bytes(len));
        Ok(Put::Changed)
    }

    /// `before`: what is stored of the member, which has expired.
    fn add_new(&mut self, txn: &mut Txn<'_>, sub: &[u8], before: Option<(Member, usize)>, expires_at: u64) {
        let member = element_of(sub);
        let others = self.stored_len().saturating_sub(before.is_some().into());
        let fits_listpack = others < LISTPACK_ELEMENTS_MAX && member.len() <= LISTPACK_ELEMENT_BYTES_MAX;
        self.collection.encoding = match self.collection.encoding {
            Encoding::Natural if parse_i64(member).is_some() && others < INTSET_ELEMENTS_MAX => {
                Encoding::Natural
            }
            Encoding::Natural if parse_i64(member).is_none() && fits_listpack => Encoding::Listpack,
            Encoding::Listpack if fits_listpack => Encoding::Listpack,
            Encoding::Natural | Encoding::Listpack | Encoding::Raw | Encoding::Large | Encoding::Pieces => {
                Encoding::Large
            }
        };
        let number = if self.collection.encoding == Encoding::Listpack {
            self.last_number = self.last_number.saturating_add(1);
            self.last_number
        } else {
            0
        };
        let (old_expiry, was) =
            before.map_or((0, Was::Absent), |(before, len)| (before.expires_at, Was::Bytes(len)));
        self.expiring.refile(txn, &self.collection.id, sub, old_expiry, expires_at);
        let stored = Member { expires_at, number }.encode();
        txn.put_sub_over(SubKeys::Data, &self.collection.id, sub, &stored, was);
        self.collection.len = others.saturating_add(1);
    }

    /// Takes a member away; false if it was not there.
    pub fn remove(&mut self, txn: &mut Txn<'_>, member: &[u8]) -> Result<bool> {
        Ok(self.take(txn, member)?.is_some())
    }

    /// Takes a member away, and says when it would have expired (0 = never); `None`: it was not there. One that has expired is
    /// left to the sweep.
    pub fn take(&mut self, txn: &mut Txn<'_>, member: &[u8]) -> Result<Option<u64>> {
        let sub = hashed(member);
        let Some((before, _)) = self.stored(&txn.view(), &sub)? else { return Ok(None) };
        if txn.view().has_passed(before.expires_at)? {
            return Ok(None);
        }
        self.delete(txn, &sub, before.expires_at);
        Ok(Some(before.expires_at))
    }

    fn delete(&mut self, txn: &mut Txn<'_>, sub: &[u8], expires_at: u64) {
        self.expiring.refile(txn, &self.collection.id, sub, expires_at, 0);
        txn.delete_sub(SubKeys::Data, &self.collection.id, sub);
        self.collection.len = self.stored_len().saturating_sub(1);
    }

    /// Removes these existing, different members.
    pub fn remove_all(&mut self, txn: &mut Txn<'_>, members: &[Vec<u8>]) -> Result<()> {
        let gone = u64::try_from(members.len()).unwrap_or(u64::MAX);
        let stay = self.stored_len().saturating_sub(gone);
        if stay == 0 && gone > ONE_BY_ONE_MAX {
            self.clear();
            return Ok(());
        }
        let is_large = self.collection.encoding == Encoding::Large || gone > ONE_BY_ONE_MAX;
        if is_large && stay > 0 && stay.saturating_mul(ANEW_SHARE) <= gone {
            return self.begin_anew(txn, members);
        }
        for member in members {
            if self.expiring.is_empty() {
                self.delete(txn, &hashed(member), 0);
            } else {
                self.take(txn, member)?;
            }
        }
        Ok(())
    }

    fn clear(&mut self) {
        self.collection.len = 0;
        self.is_cleared = true;
    }

    /// The same set without these members, which are most. The old ones go when the row is saved.
    fn begin_anew(&mut self, txn: &mut Txn<'_>, without: &[Vec<u8>]) -> Result<()> {
        let mut gone: Vec<Vec<u8>> = without.iter().map(|member| hashed(member)).collect();
        gone.sort_unstable();
        let mut kept = Vec::new();
        self.visit_with_expiries(&txn.view(), |sub, expires_at| {
            if gone.binary_search_by(|other| other[..].cmp(sub)).is_err() {
                kept.push((sub.to_vec(), expires_at));
            }
            Ok(ControlFlow::Continue(()))
        })?;
        let Some((first, _)) = kept.first() else {
            // All others had expired.
            self.clear();
            return Ok(());
        };
        let is_large = self.collection.encoding == Encoding::Large;
        let anew = Set::create(txn, element_of(first), 1);
        self.collection.id = anew.collection.id;
        (self.collection.len, self.last_number, self.expiring) = (0, 0, Expiring::default());
        if is_large {
            self.collection.encoding = anew.collection.encoding;
        }
        kept.iter().for_each(|(sub, expires_at)| self.add_new(txn, sub, None, *expires_at));
        Ok(())
    }

    /// Stores these different members, given by sub-key, as the new value of a key; none: the key is deleted. They keep
    /// their order if they are few, and not all are integers. `true` = there are some.
    pub fn store(txn: &mut Txn<'_>, key: &[u8], subs: &[Vec<u8>]) -> Result<bool> {
        Self::store_with_expiries(txn, key, subs.iter().map(|sub| (&sub[..], 0)))
    }

    /// As `store`, with the time at which each expires (ms since the epoch, 0 = never).
    pub fn store_with_expiries<'m>(
        txn: &mut Txn<'_>,
        key: &[u8],
        members: impl Iterator<Item = (&'m [u8], u64)> + Clone,
    ) -> Result<bool> {
        if members.clone().next().is_none() {
            txn.delete(key)?;
            return Ok(false);
        }
        let are_integers = members.clone().all(|(sub, _)| parse_i64(element_of(sub)).is_some());
        let mut set = Set::encoded(txn, if are_integers { Encoding::Natural } else { Encoding::Listpack });
        members.for_each(|(sub, expires_at)| set.add_new(txn, sub, None, expires_at));
        set.save(txn, key)?;
        Ok(true)
    }
}
