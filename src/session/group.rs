//! A group as sessions and commands see it, and what a session has to do with one.
//!
//! **Invariant.** What a session has written or watches it has in a group: a position in the log of one group says nothing of
//! another one, and nothing waits for a group that it has no business with.

use crate::{
    state::ReplicationState,
    store::{Condition, LogPosition, Store, Watches},
};
use std::{
    collections::{BTreeMap, BTreeSet, btree_map::Entry},
    sync::Arc,
};

/// See the module. One runs today.
pub struct Group {
    pub id: u64,
    pub store: Arc<Store>,
    /// What this node knows of the group.
    pub state: Arc<ReplicationState>,
}

/// What a session has to do with a group.
#[derive(Default)]
pub struct GroupSession {
    /// On an edge: the entry of the core that has this connection's last write, or a later one; 0 = it wrote nothing.
    pub wrote: u64,
    /// Keys under WATCH, by database, with the revisions they had; `None` = it was absent.
    watches: BTreeMap<(u32, Vec<u8>), Option<LogPosition>>,
    watched_bytes: usize,
    /// Told of writes to these keys; `None` = nothing is watched.
    pub watched: Option<Watches>,
}

impl GroupSession {
    /// Forgets all watches; returns them, and whether one of the keys was written meanwhile.
    pub(super) fn unwatch(&mut self) -> (Vec<Condition>, bool) {
        let touched = self.watched.take().is_some_and(|watched| watched.touched());
        let watches = std::mem::take(&mut self.watches).into_iter();
        self.watched_bytes = 0;
        (watches.map(|((db, key), revision)| Condition { db, key, revision }).collect(), touched)
    }

    /// Watches these as well. Of a key that is watched already, the older revision counts.
    pub fn watch(&mut self, conditions: Vec<Condition>) {
        for Condition { db, key, revision } in conditions {
            let bytes = key.len();
            if let Entry::Vacant(place) = self.watches.entry((db, key)) {
                place.insert(revision);
                self.watched_bytes = self.watched_bytes.saturating_add(bytes);
            }
        }
    }

    /// Of these keys of a database, those that are not watched yet, each once.
    pub fn unwatched(&self, db: u32, keys: Vec<Vec<u8>>) -> Vec<Vec<u8>> {
        let named: BTreeSet<(u32, Vec<u8>)> = keys.into_iter().map(|key| (db, key)).collect();
        named.into_iter().filter(|key| !self.watches.contains_key(key)).map(|(_, key)| key).collect()
    }

    /// Watched keys, and the bytes of their names.
    pub fn watching(&self) -> (usize, usize) {
        (self.watches.len(), self.watched_bytes)
    }
}
