//! The largest keys of each type on this node (MEMORY LARGEST). No part of the state.
//!
//! Nothing is kept until somebody asks. Then one pass goes through the rows of keys, which say what their sub-keys take, some at a time,
//! and every batch tells what it has written. At the end of the pass the lists are exact, and they stay so however the data
//! change; an hour after the last question they are dropped.
//!
//! **Order.** A part of the pass takes the published state when batches already note which keys they write; what they have written
//! meanwhile, they have told better.

mod list;
mod pass;

pub use list::LargestKey;

use super::{
    Namespace, StateRecord, Store, Type,
    keys::{self, StorageKey},
    row::Header,
    txn::bytes_of_record,
};
use crate::{error::StoreError, limits::SYSTEM_DATABASE};
use bytes::Bytes;
use list::Lists;
use parking_lot::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

/// Without a question for so long, nothing is kept any more.
const KEPT_SECONDS: u32 = 3600;
/// Longer names are not listed.
const NAME_BYTES_MAX: usize = 64 << 10;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Largest {
    is_on: AtomicBool,
    second: AtomicU32,
    asked: AtomicU32,
    lists: Mutex<Lists>,
    /// Held by the thread that goes through a part of the rows.
    part: Mutex<()>,
    /// The pass has a thread of its own.
    has_runner: AtomicBool,
}

/// The lists, for a report.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct LargestKeys {
    /// Whether the pass has come to its end: then they are exact.
    pub is_complete: bool,
    /// Rows that the pass has seen.
    pub rows: u64,
    /// The largest first.
    pub keys: Vec<LargestKey>,
}

/// What a batch tells.
#[derive(Default)]
pub(super) struct Wrote {
    /// Keys that it has written or deleted: what they take now.
    sizes: Vec<(StorageKey, Option<(Type, u64)>)>,
    /// Namespaces of databases, if they are others than before.
    namespaces: Option<Vec<Namespace>>,
}

impl Largest {
    pub(super) fn is_on(&self) -> bool {
        self.is_on.load(Ordering::SeqCst)
    }

    /// What a batch has to tell, before it is published; `None`: nobody wants to know.
    pub(super) fn sizes<'k>(
        &self,
        rows: impl Iterator<Item = (&'k StorageKey, &'k Option<Bytes>)>,
        before: &StateRecord,
        after: &StateRecord,
    ) -> Result<Option<Wrote>, StoreError> {
        if !self.is_on() {
            return Ok(None);
        }
        let of = |state: &StateRecord| state.databases().iter().map(|db| db.namespace).collect::<Vec<_>>();
        let system = after.database(SYSTEM_DATABASE).namespace;
        let is_listed = |key: &StorageKey| {
            key.len() <= NAME_BYTES_MAX && keys::meta_user_key(key).is_ok_and(|(of, _)| of != system)
        };
        let sized = |(key, record): (&StorageKey, &Option<Bytes>)| {
            let size = record.as_ref().map(|record| size_of(key, record)).transpose()?;
            Ok((key.clone(), size))
        };
        let sizes = rows.filter(|(key, _)| is_listed(key)).map(sized).collect::<Result<_, StoreError>>()?;
        let namespaces = Some(of(after)).filter(|after| *after != of(before));
        Ok(Some(Wrote { sizes, namespaces }))
    }

    /// The batch was published.
    pub(super) fn wrote(&self, wrote: Option<Wrote>) {
        if !self.is_on() {
            return;
        }
        // Somebody has asked meanwhile, and may have looked at the state before this batch.
        let Some(Wrote { sizes, namespaces }) = wrote else { return self.forget() };
        let mut lists = self.lists.lock();
        sizes.into_iter().for_each(|(key, size)| lists.wrote(key, size));
        if let Some(namespaces) = namespaces {
            lists.keep_only(&namespaces);
        }
    }

    /// All data were replaced.
    pub(super) fn forget(&self) {
        self.lists.lock().forget();
    }

    /// It is this second.
    pub(super) fn tick(&self, second: u32) {
        self.second.store(second, Ordering::Relaxed);
        if self.is_on() && second.saturating_sub(self.asked.load(Ordering::Relaxed)) > KEPT_SECONDS {
            self.is_on.store(false, Ordering::Relaxed);
            self.forget();
        }
    }
}

/// What a key of a record takes.
fn size_of(key: &[u8], record: &[u8]) -> Result<(Type, u64), StoreError> {
    Ok((Header::decode(record)?.kind, bytes_of_record(key, record)?))
}

impl Store {
    /// The largest keys as far as they are known, without starting to look for them; empty: nobody has asked.
    pub fn known_largest_keys(&self) -> LargestKeys {
        match self.largest.is_on() {
            true => self.largest.lists.lock().report(self.published().state()),
            false => LargestKeys::default(),
        }
    }
}
