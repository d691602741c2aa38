//! Elements of a collection that expire one by one: fields of a hash, members of a set. The type stores an element's expiry
//! beside the element; this files it under the expiry as well, and keeps what the row says of that (`store/expiring.rs`).

use crate::{
    error::Result,
    store::{CollectionId, ElementExpiries, SubKeys, Txn, View, Was, expiry_sub},
};

/// The elements of one collection that expire.
#[derive(Debug, Clone, Copy, Default)]
pub struct Expiring {
    expiries: Option<ElementExpiries>,
    /// Whether the first expiry has been taken away, so that the next one must be looked for.
    lost_first: bool,
}

impl Expiring {
    /// What a row says, and the type's own bytes behind that.
    pub fn split(rest: &[u8]) -> Result<(Self, &[u8])> {
        let (expiries, beside) = ElementExpiries::split(rest)?;
        Ok((Expiring { expiries, lost_first: false }, beside))
    }

    /// Whether no element expires: then no element's expiry need be looked at.
    pub fn is_empty(&self) -> bool {
        self.expiries.is_none()
    }

    /// Elements that have expired and are still stored. Looks at each that expired since the last sweep.
    pub fn expired(&self, view: &View<'_>, collection: &CollectionId) -> Result<u64> {
        match &self.expiries {
            Some(expiries) => view.expired_elements(collection, expiries),
            None => Ok(0),
        }
    }

    /// Files an element, given by sub-key, under a new expiry instead of an old one (0 = none).
    pub fn refile(&mut self, txn: &mut Txn<'_>, collection: &CollectionId, sub: &[u8], old: u64, new: u64) {
        if old == new {
            return;
        }
        if old != 0 {
            let old = expiry_sub(old, sub);
            txn.delete_sub_of(SubKeys::Score, collection, &old, Was::Bytes(0));
            if let Some(expiries) = &mut self.expiries {
                self.lost_first |= expiries.first == ElementExpiries::beginning(&old);
                expiries.count = expiries.count.saturating_sub(1);
            }
        }
        if new != 0 {
            let new = expiry_sub(new, sub);
            txn.put_sub_over(SubKeys::Score, collection, &new, b"", Was::Absent);
            let first = ElementExpiries::beginning(&new);
            let expiries = self.expiries.get_or_insert(ElementExpiries { first, count: 0 });
            expiries.first = expiries.first.min(first);
            expiries.count = expiries.count.saturating_add(1);
        }
        self.expiries = self.expiries.filter(|expiries| expiries.count > 0);
    }

    /// The row's part; empty if no element expires.
    pub fn encode(self, view: &View<'_>, collection: &CollectionId) -> Result<Vec<u8>> {
        let Some(mut expiries) = self.expiries else { return Ok(Vec::new()) };
        if self.lost_first
            && let Some(first) = view.first_expiry(collection, &expiries.first)?
        {
            expiries.first = first;
        }
        Ok(expiries.encode())
    }
}
