//! Reads of a hash.

use super::field::{self, Field, Parsed};
use crate::{
    error::Result,
    store::{Direction, Encoding, SubKeys, Txn, Type, View},
    types::{
        collection::{Collection, element_of, hash_in, hashed},
        expiring::Expiring,
        random::{Drawn, Visitor},
    },
};
use std::ops::{Bound, ControlFlow};

/// A hash.
#[derive(Debug, Clone)]
pub struct Hash {
    pub(super) collection: Collection,
    pub(super) expiring: Expiring,
    /// The last number that a field was given, of a small hash.
    pub(super) last_number: u64,
}

/// A field in passing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Seen<'a> {
    pub field: &'a [u8],
    pub value: &'a [u8],
    /// Milliseconds since the epoch; 0 = never.
    pub expires_at: u64,
    /// Its position.
    pub hash: u64,
}

impl Hash {
    /// The hash under a key; another type is WRONGTYPE.
    pub fn open(view: &View<'_>, key: &[u8]) -> Result<Option<Self>> {
        Collection::open(view, key, Type::Hash)?.map(Self::of).transpose()
    }

    /// The one under a key, or a new one.
    pub fn open_or_create(txn: &mut Txn<'_>, key: &[u8]) -> Result<Self> {
        Self::of(Collection::open_or_create(txn, key, Type::Hash)?)
    }

    /// A new, empty hash that replaces the key's value once it is saved.
    pub fn create(txn: &mut Txn<'_>) -> Self {
        let collection = Collection::create(txn, Type::Hash);
        Hash { collection, expiring: Expiring::default(), last_number: 0 }
    }

    fn of(collection: Collection) -> Result<Self> {
        let (expiring, beside) = Expiring::split(&collection.rest)?;
        let last_number = beside.first_chunk().map_or(0, |number| u64::from_be_bytes(*number));
        Ok(Hash { collection, expiring, last_number })
    }

    /// Whether Redis would store it as a listpack: then it has an order, and a scan returns it at once.
    pub fn is_small(&self) -> bool {
        self.collection.encoding == Encoding::Natural
    }

    /// The number of fields. Looks at each field that expired since the last sweep.
    pub fn len(&self, view: &View<'_>) -> Result<u64> {
        Ok(self.collection.len.saturating_sub(self.expiring.expired(view, &self.collection.id)?))
    }

    /// A field.
    pub fn get(&self, view: &View<'_>, field: &[u8]) -> Result<Option<Field>> {
        match self.stored(view, &hashed(field))? {
            Some(found) if view.has_passed(found.expires_at)? => Ok(None),
            found => Ok(found),
        }
    }

    /// The value stored under a field's sub-key, expired or not.
    pub(super) fn stored(&self, view: &View<'_>, sub: &[u8]) -> Result<Option<Field>> {
        let stored = view.sub(SubKeys::Data, &self.collection.id, sub)?;
        Ok(stored.map(Field::decode).transpose()?)
    }

    /// Visits all fields until the visitor breaks: those of a small hash in the order in which they were added, others in
    /// storage order.
    pub fn visit(
        &self,
        view: &View<'_>,
        mut visit: impl FnMut(Seen<'_>) -> Result<ControlFlow<()>>,
    ) -> Result<()> {
        if !self.is_small() {
            return self.visit_from(view, 0, visit);
        }
        view.scan_ordered(
            SubKeys::Data,
            self.collection.content(true),
            |_, stored| Ok(field::parse(stored)?.number),
            |sub, stored| visit_live(view, sub, stored, &mut visit),
        )
    }

    /// Visits fields in storage order, from a hash on, until the visitor breaks. That order is fixed, but otherwise
    /// arbitrary.
    pub fn visit_from(
        &self,
        view: &View<'_>,
        from: u64,
        mut visit: impl FnMut(Seen<'_>) -> Result<ControlFlow<()>>,
    ) -> Result<()> {
        let (is_from_the_first, from) = (from == 0, from.to_be_bytes());
        let range = (Bound::Included(&from[..]), Bound::Unbounded);
        view.scan_page(
            SubKeys::Data,
            self.collection.content(is_from_the_first),
            range,
            Direction::Forward,
            |sub, stored| visit_live(view, sub, stored, &mut visit),
        )
    }
}

/// Visits a field unless it has expired.
fn visit_live(
    view: &View<'_>,
    sub: &[u8],
    stored: &[u8],
    visit: &mut impl FnMut(Seen<'_>) -> Result<ControlFlow<()>>,
) -> Result<ControlFlow<()>> {
    let Parsed { expires_at, value, .. } = field::parse(stored)?;
    if view.has_passed(expires_at)? {
        return Ok(ControlFlow::Continue(()));
    }
    visit(Seen { field: element_of(sub), value, expires_at, hash: hash_in(sub) })
}

impl Drawn for Hash {
    fn stored_len(&self) -> u64 {
        self.collection.len
    }

    fn live_len(&self, view: &View<'_>) -> Result<u64> {
        self.len(view)
    }

    fn visit(&self, view: &View<'_>, visit: Visitor<'_>) -> Result<()> {
        Hash::visit(self, view, |seen| Ok(visit(seen.field, seen.value)))
    }

    fn visit_from(&self, view: &View<'_>, from: u64, visit: Visitor<'_>) -> Result<()> {
        Hash::visit_from(self, view, from, |seen| Ok(visit(seen.field, seen.value)))
    }
}
