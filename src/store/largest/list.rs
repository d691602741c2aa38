//! The lists, one for each type.
//!
//! **Invariant.** Of each type, every key that takes more than the list's floor is in it, with what it takes: of those that the pass has come
//! to, and of those that batches have written since it began. What makes room raises the floor; what is deleted leaves it.

use crate::store::{
    Namespace, StateRecord, Type,
    keys::{self, StorageKey},
};
use std::collections::{BTreeMap, BTreeSet};

/// Keys of a list; and those that it must have, or another pass is needed.
const KEPT: usize = 64;
pub(super) const SHOWN: usize = 16;
/// Keys that batches may write while a part of the pass is under way.
const WRITTEN_MAX: usize = 1 << 16;

/// A key of a report.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LargestKey {
    pub db: u32,
    pub key: Vec<u8>,
    pub kind: Type,
    pub bytes: u64,
}

#[derive(Debug, Default)]
struct List {
    floor: u64,
    in_order: BTreeSet<(u64, StorageKey)>,
}

/// Where the pass is.
#[derive(Debug, Default)]
pub(super) struct Pass {
    pub(super) at: StorageKey,
    pub(super) rows: u64,
    pub(super) is_complete: bool,
    /// Written since the part under way began.
    written: BTreeSet<StorageKey>,
}

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Lists {
    by_type: [List; 6],
    by_key: BTreeMap<StorageKey, (Type, u64)>,
    pub(super) pass: Pass,
    /// Counts how often all was forgotten.
    pub(super) number: u64,
}

fn at(kind: Type) -> usize {
    match kind {
        Type::String => 0,
        Type::List => 1,
        Type::Set => 2,
        Type::SortedSet => 3,
        Type::Hash => 4,
        Type::Stream => 5,
    }
}

impl Lists {
    pub(super) fn forget(&mut self) {
        *self = Lists { number: self.number.wrapping_add(1), ..Lists::default() };
    }

    fn remove(&mut self, key: &StorageKey) {
        if let Some((kind, bytes)) = self.by_key.remove(key)
            && let Some(list) = self.by_type.get_mut(at(kind))
        {
            list.in_order.remove(&(bytes, key.clone()));
        }
    }

    fn offer(&mut self, key: StorageKey, kind: Type, bytes: u64) {
        let Some(list) = self.by_type.get_mut(at(kind)) else { return };
        if bytes <= list.floor {
            return;
        }
        list.in_order.insert((bytes, key.clone()));
        self.by_key.insert(key, (kind, bytes));
        if list.in_order.len() > KEPT
            && let Some((bytes, key)) = list.in_order.pop_first()
        {
            list.floor = bytes;
            self.by_key.remove(&key);
        }
    }

    /// What a key must take more than to be listed.
    pub(super) fn floors(&self) -> impl Fn(Type) -> u64 + use<> {
        let floors = [0, 1, 2, 3, 4, 5].map(|at: usize| self.by_type.get(at).map_or(0, |list| list.floor));
        move |kind| floors.get(at(kind)).copied().unwrap_or(0)
    }

    /// A batch has written or deleted a key.
    pub(super) fn wrote(&mut self, key: StorageKey, size: Option<(Type, u64)>) {
        self.remove(&key);
        if !self.pass.is_complete {
            self.pass.written.insert(key.clone());
        }
        if let Some((kind, bytes)) = size {
            self.offer(key, kind, bytes);
        }
    }

    /// A part of the pass begins.
    pub(super) fn begin_part(&mut self) {
        self.pass.written.clear();
    }

    /// It has found these, and goes on there next, `None`: it has come to the end. False: it must be done again.
    pub(super) fn end_part(
        &mut self,
        found: Vec<(StorageKey, Type, u64)>,
        rows: u64,
        next: Option<StorageKey>,
    ) -> bool {
        if self.pass.written.len() > WRITTEN_MAX {
            return false;
        }
        for (key, kind, bytes) in found {
            if !self.pass.written.contains(&key) {
                self.remove(&key);
                self.offer(key, kind, bytes);
            }
        }
        self.pass.rows = self.pass.rows.saturating_add(rows);
        self.pass.is_complete = next.is_none();
        self.pass.at = next.unwrap_or_default();
        self.pass.written.clear();
        true
    }

    /// Rows of other namespaces are gone.
    pub(super) fn keep_only(&mut self, namespaces: &[Namespace]) {
        let is_there = |key: &StorageKey| {
            keys::meta_user_key(key).is_ok_and(|(namespace, _)| namespaces.contains(&namespace))
        };
        self.by_key.retain(|key, _| is_there(key));
        for list in &mut self.by_type {
            list.in_order.retain(|(_, key)| is_there(key));
        }
    }

    /// Begins a pass if the last one is over and no longer enough.
    pub(super) fn begin_again_if_needed(&mut self) {
        let is_short = |list: &List| list.in_order.len() < SHOWN && list.floor > 0;
        if self.pass.is_complete && self.by_type.iter().any(is_short) {
            self.pass = Pass::default();
            self.by_type.iter_mut().for_each(|list| list.floor = 0);
        }
    }

    pub(super) fn report(&self, state: &StateRecord) -> super::LargestKeys {
        let found = |(storage_key, (kind, bytes)): (&StorageKey, &(Type, u64))| {
            let (namespace, key) = keys::meta_user_key(storage_key).ok()?;
            let db = state.database_of(namespace)?;
            Some(LargestKey { db, key: key.to_vec(), kind: *kind, bytes: *bytes })
        };
        let mut keys: Vec<LargestKey> = self.by_key.iter().filter_map(found).collect();
        keys.sort_by(|a, b| b.bytes.cmp(&a.bytes).then_with(|| (a.db, &a.key).cmp(&(b.db, &b.key))));
        super::LargestKeys { is_complete: self.pass.is_complete, rows: self.pass.rows, keys }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(name: u64) -> StorageKey {
        keys::meta(1, format!("{name:04}").as_bytes())
    }

    fn sizes(lists: &Lists) -> Vec<u64> {
        lists.by_type[0].in_order.iter().map(|(bytes, _)| *bytes).collect()
    }

    #[test]
    fn the_list_is_exact_until_too_much_of_it_is_gone() {
        let mut lists = Lists::default();
        lists.pass.is_complete = true;
        for name in 1..=200 {
            lists.wrote(key(name), Some((Type::String, name)));
        }
        assert_eq!(sizes(&lists), (137..=200).collect::<Vec<_>>());
        lists.wrote(key(5), Some((Type::String, 1000)));
        lists.wrote(key(200), Some((Type::String, 3)));
        lists.wrote(key(199), Some((Type::List, 5)));
        assert_eq!(sizes(&lists), (138..=198).chain([1000]).collect::<Vec<_>>());
        lists.wrote(key(1), Some((Type::String, 137)));
        assert_eq!(sizes(&lists).len(), 62, "others of its size may have been dropped");
        (140..=198).for_each(|name| lists.wrote(key(name), None));
        lists.begin_again_if_needed();
        assert!(!lists.pass.is_complete && lists.by_type[0].floor == 0, "only three are known");
        // What a batch has written while a part of the pass was under way is not undone by what that has seen.
        lists.begin_part();
        lists.wrote(key(150), None);
        lists.wrote(key(151), Some((Type::String, 7)));
        let found = [(150, 150), (151, 151), (152, 152)];
        let found = found.map(|(name, bytes)| (key(name), Type::String, bytes)).to_vec();
        assert!(lists.end_part(found, 3, None));
        assert_eq!(sizes(&lists), [7, 138, 139, 152, 1000]);
        assert!(lists.pass.is_complete && lists.by_key.len() == 6, "the list as well");
        lists.keep_only(&[2]);
        assert!(lists.by_key.is_empty() && sizes(&lists).is_empty());
    }
}
