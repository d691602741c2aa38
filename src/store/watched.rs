//! Keys under WATCH on this node, so that a key that was absent, was created and deleted again is seen to have changed.
//!
//! A revision cannot show that: the key is absent before and after. So each watching session has a flag, and a batch that
//! creates, changes or deletes a watched key raises it (`changes.rs`); deleting an expired row does not, since it was
//! absent before. The flag can only make EXEC abort; revisions checked inside apply decide that a transaction runs, the
//! same on every replica. Costs one atomic load per batch while no session watches.

use super::{ChangeEvent, keys::StorageKey};
use parking_lot::Mutex;
use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
};

/// The key under which a watched key is filed: by its database's number, not its namespace, so that SWAPDB leaves it in
/// place.
pub(super) fn watched_key(db: u32, key: &[u8]) -> StorageKey {
    let mut out = StorageKey::from_slice(&db.to_be_bytes());
    out.extend_from_slice(key);
    out
}

/// All watched keys of the node.
#[derive(Debug, Default)]
pub(super) struct Watched {
    keys: AtomicUsize,
    by_key: Mutex<BTreeMap<StorageKey, Vec<Arc<AtomicBool>>>>,
}

/// The watches of one session; dropping it ends them.
#[derive(Debug)]
pub struct Watches {
    watched: Arc<Watched>,
    touched: Arc<AtomicBool>,
    keys: Vec<StorageKey>,
}

impl Watched {
    /// Begins to watch nothing yet.
    pub(super) fn session(self: &Arc<Self>) -> Watches {
        Watches { watched: Arc::clone(self), touched: Arc::default(), keys: Vec::new() }
    }

    /// Whether any session watches a key.
    pub(super) fn any(&self) -> bool {
        self.keys.load(Ordering::Acquire) > 0
    }

    /// Raises the flags of sessions that watch a key changed by a batch.
    pub(super) fn changed(&self, changes: &[ChangeEvent]) {
        self.written(changes.iter().filter_map(|change| match change {
            ChangeEvent::Key(change) if change.is_visible() => Some((change.db, &change.key[..])),
            ChangeEvent::Key(_)
            | ChangeEvent::Keyspace { .. }
            | ChangeEvent::Message { .. }
            | ChangeEvent::Read { .. }
            | ChangeEvent::ReadsTooMuch { .. }
            | ChangeEvent::User { .. }
            | ChangeEvent::Databases(_)
            | ChangeEvent::Call(_) => None,
        }));
    }

    /// Raises the flags of sessions that watch one of these keys.
    pub(super) fn written<'k>(&self, keys: impl Iterator<Item = (u32, &'k [u8])>) {
        if !self.any() {
            return;
        }
        let by_key = self.by_key.lock();
        for (db, key) in keys {
            for flag in by_key.get(&watched_key(db, key)).into_iter().flatten() {
                flag.store(true, Ordering::Release);
            }
        }
    }
}

impl Watches {
    /// Whether a watched key was written since it was added.
    pub fn touched(&self) -> bool {
        self.touched.load(Ordering::Acquire)
    }

    /// Watches one more key.
    pub(super) fn add(&mut self, key: StorageKey) {
        self.watched.keys.fetch_add(1, Ordering::AcqRel);
        self.watched.by_key.lock().entry(key.clone()).or_default().push(Arc::clone(&self.touched));
        self.keys.push(key);
    }
}

impl Drop for Watches {
    fn drop(&mut self) {
        let mut by_key = self.watched.by_key.lock();
        for key in &self.keys {
            let Some(flags) = by_key.get_mut(key) else { continue };
            flags.retain(|flag| !Arc::ptr_eq(flag, &self.touched));
            if flags.is_empty() {
                by_key.remove(key);
            }
        }
        self.watched.keys.fetch_sub(self.keys.len(), Ordering::AcqRel);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::{KeyChange, Type};

    #[test]
    fn only_those_who_watch_are_told_and_drop_ends_it() {
        let watched = Arc::new(Watched::default());
        let (mut a, mut b) = (watched.session(), watched.session());
        a.add(watched_key(0, b"k"));
        b.add(watched_key(0, b"other"));
        let (before, after) = (Some(Type::String), None);
        let change = |db, was_live| KeyChange { db, key: b"k".to_vec(), before, after, was_live, by: None };
        watched.changed(&[ChangeEvent::Key(change(1, true)), ChangeEvent::Key(change(0, false))]);
        assert!(!a.touched(), "another database, and what had expired");
        watched.changed(&[ChangeEvent::Key(change(0, true))]);
        assert!(a.touched() && !b.touched());
        drop((a, b));
        assert_eq!(watched.keys.load(Ordering::Acquire), 0);
        assert!(watched.by_key.lock().is_empty());
    }
}
