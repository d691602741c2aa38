//! What has changed lately, for a client that reconnects and has kept what it had cached (CLIENT TRACKING … SINCE, CLIENT CACHED).
//!
//! Each key is here once, with the entry of its last change. Entries of the core have the same numbers on every node and edge:
//! what a client has been told up to on one node means the same on another.
//!
//! **Invariants.** Every key whose last change is behind `floor` is here; whatever makes room, or loses changes, moves `floor` up, and
//! a client that asks from before it drops everything. Apply records a batch here before it looks for those who track its keys, and a
//! client is registered before it looks here: so a change that the client does not find finds the client.
//!
//! Off by default: while it is on, each batch records its changes, as it does while somebody tracks.

use crate::{
    limits::{RECENT_CHANGE_BYTES, SYSTEM_DATABASE},
    store::ChangeEvent,
};
use bytes::Bytes;
use parking_lot::Mutex;
use std::{
    collections::{BTreeMap, HashMap},
    ops::Bound,
    sync::atomic::{AtomicU64, Ordering},
};

/// See the module.
#[derive(Debug, Default)]
pub struct RecentChanges {
    /// `tracking-changes-bytes`; 0 = off.
    bytes_max: AtomicU64,
    /// All changes up to this publication (`Published::number`) are here, and with the network threads.
    told: AtomicU64,
    changed: Mutex<Changed>,
}

#[derive(Debug, Default)]
struct Changed {
    /// `None`: what has changed so far is not known.
    floor: Option<u64>,
    by_name: HashMap<Bytes, At>,
    in_order: BTreeMap<At, Bytes>,
    next: u64,
    bytes: u64,
}

/// The entry of a change, and its number among all changes.
type At = (u64, u64);

/// Keys in the order of their last change.
#[derive(Debug, PartialEq, Eq)]
pub struct Page {
    pub names: Vec<Bytes>,
    /// Where to go on; `None`: this was all.
    pub next: Option<(u64, u64)>,
}

fn bytes_of(name: &[u8]) -> u64 {
    name.len().saturating_add(RECENT_CHANGE_BYTES) as u64
}

/// Changes behind this entry are told.
fn behind(since: u64) -> u64 {
    if cfg!(feature = "broken-since") { u64::MAX } else { since }
}

impl Changed {
    fn put(&mut self, index: u64, name: &[u8]) {
        let at = (index, self.next);
        self.next = self.next.saturating_add(1);
        if let Some(known) = self.by_name.get_mut(name) {
            if let Some(name) = self.in_order.remove(known) {
                self.in_order.insert(at, name);
            }
            *known = at;
            return;
        }
        let name = Bytes::copy_from_slice(name);
        self.bytes = self.bytes.saturating_add(bytes_of(&name));
        self.in_order.insert(at, name.clone());
        self.by_name.insert(name, at);
    }

    fn shrink(&mut self, bytes_max: u64) {
        while self.bytes > bytes_max
            && let Some(((index, _), name)) = self.in_order.pop_first()
        {
            self.by_name.remove(&name);
            self.bytes = self.bytes.saturating_sub(bytes_of(&name));
            self.floor = self.floor.max(Some(index));
        }
    }

    /// Any key may have changed up to this entry; `None`: up to one that is not known yet.
    fn forget(&mut self, floor: Option<u64>) {
        *self = Changed { floor, next: self.next, ..Changed::default() };
    }

    /// After the first batch that was recorded: nothing is known of those before it.
    fn begin(&mut self, index: u64) {
        self.floor = self.floor.or(Some(index));
    }

    fn knows(&self, since: u64) -> bool {
        self.floor.is_some_and(|floor| floor <= since)
    }
}

impl RecentChanges {
    /// Sets `tracking-changes-bytes`.
    pub fn limit(&self, bytes_max: u64) {
        let mut changed = self.changed.lock();
        let before = self.bytes_max.swap(bytes_max, Ordering::SeqCst);
        // What is given back is given back as a whole: maps keep the room that they had.
        if bytes_max < before {
            changed.forget(None);
        }
    }

    /// Whether a batch that begins now must record its changes.
    pub fn is_on(&self) -> bool {
        self.bytes_max.load(Ordering::SeqCst) > 0
    }

    /// The changes of a batch whose last entry of the core is this one; it has recorded all of them.
    pub(super) fn record(&self, index: u64, changes: &[ChangeEvent]) {
        if !self.is_on() {
            return;
        }
        let mut changed = self.changed.lock();
        // Switched off meanwhile, or on.
        let bytes_max = self.bytes_max.load(Ordering::SeqCst);
        if bytes_max == 0 {
            return;
        }
        for change in changes {
            match change {
                ChangeEvent::Key(change) if change.db != SYSTEM_DATABASE => changed.put(index, &change.key),
                ChangeEvent::Databases(_) => changed.forget(Some(index)),
                ChangeEvent::Key(_)
                | ChangeEvent::Read { .. }
                | ChangeEvent::ReadsTooMuch { .. }
                | ChangeEvent::Keyspace { .. }
                | ChangeEvent::Message { .. }
                | ChangeEvent::Call(_)
                | ChangeEvent::User { .. } => {}
            }
            changed.shrink(bytes_max);
        }
        changed.begin(index);
    }

    /// Changes were not recorded, or a snapshot has replaced the data.
    pub(super) fn reset(&self) {
        self.changed.lock().forget(None);
    }

    /// All changes up to this publication have been handed out. `recorded`: its last entry, if its changes were recorded.
    pub fn tell(&self, number: u64, recorded: Option<u64>) {
        if let Some(index) = recorded.filter(|_| self.is_on()) {
            self.changed.lock().begin(index);
        }
        self.told.store(number, Ordering::Release);
    }

    /// Whether the changes of this publication, and of all before it, have been handed out.
    pub fn has_told(&self, number: u64) -> bool {
        self.told.load(Ordering::Acquire) >= number
    }

    /// Whether it can be said what has changed behind this entry.
    pub fn knows(&self, since: u64) -> bool {
        self.changed.lock().knows(since)
    }

    /// Of these keys, those that have changed behind this entry; `None`: any may have.
    pub fn changed<'k>(&self, since: u64, keys: impl Iterator<Item = &'k [u8]>) -> Option<Vec<&'k [u8]>> {
        let changed = self.changed.lock();
        let last = |key: &[u8]| changed.by_name.get(key).map(|(index, _)| *index);
        let behind = behind(since);
        changed.knows(since).then(|| keys.filter(|key| last(key) > Some(behind)).collect())
    }

    /// All keys that have changed behind this entry, so many at a time; `None`: any may have. `after`: `Page::next`.
    pub fn page(&self, since: u64, after: Option<(u64, u64)>, keys_max: usize) -> Option<Page> {
        let changed = self.changed.lock();
        if !changed.knows(since) {
            return None;
        }
        let from = after.unwrap_or((behind(since), u64::MAX));
        let rest = changed.in_order.range((Bound::Excluded(from), Bound::Unbounded)).take(keys_max);
        let (mut names, mut next) = (Vec::new(), None);
        for (at, name) in rest {
            names.push(name.clone());
            next = Some(*at);
        }
        Some(Page { next: next.filter(|_| names.len() == keys_max), names })
    }

    /// Keys, and the bytes that they take.
    pub fn size(&self) -> (u64, u64) {
        let changed = self.changed.lock();
        (changed.by_name.len() as u64, changed.bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::{DatabaseChange, KeyChange};

    fn written(key: &str) -> ChangeEvent {
        let (db, key, before, after) = (0, key.as_bytes().to_vec(), None, None);
        ChangeEvent::Key(KeyChange { db, key, before, after, was_live: true, by: None })
    }

    fn on(keys: u64) -> RecentChanges {
        let recent = RecentChanges::default();
        recent.limit(keys * (RECENT_CHANGE_BYTES as u64 + 1));
        recent
    }

    fn record(recent: &RecentChanges, index: u64, keys: &[&str]) {
        let changes: Vec<ChangeEvent> = keys.iter().map(|key| written(key)).collect();
        recent.record(index, &changes);
    }

    fn since(recent: &RecentChanges, since: u64) -> Option<String> {
        let (mut all, mut after) = (String::new(), None);
        loop {
            let page = recent.page(since, after, 2)?;
            page.names.iter().for_each(|name| all.push_str(&String::from_utf8_lossy(name)));
            after = Some(match page.next {
                Some(next) => next,
                None => return Some(all),
            });
        }
    }

    #[test]
    fn keys_come_once_in_the_order_of_their_last_change() {
        let recent = on(10);
        assert_eq!(since(&recent, u64::MAX), None, "nothing is known before the first batch");
        record(&recent, 5, &["a"]);
        assert_eq!((since(&recent, 4), since(&recent, 5)), (None, Some(String::new())));
        record(&recent, 6, &["b", "c", "b"]);
        record(&recent, 9, &["d", "a", "e"]);
        assert_eq!(since(&recent, 5).as_deref(), Some("cbdae"));
        assert_eq!(since(&recent, 6).as_deref(), Some("dae"));
        assert_eq!(since(&recent, 9).as_deref(), Some(""));
        assert_eq!(since(&recent, 1000).as_deref(), Some(""), "this node is behind the other one");
        let of = |since| recent.changed(since, ["a", "b", "x"].iter().map(|key| key.as_bytes()));
        assert_eq!(of(5).unwrap(), [b"a", b"b"]);
        assert_eq!(of(6).unwrap(), [b"a"]);
        assert_eq!(of(4), None);
    }

    #[test]
    fn what_makes_room_is_not_known_any_more() {
        let recent = on(3);
        record(&recent, 1, &["a", "b"]);
        record(&recent, 2, &["c"]);
        assert_eq!(since(&recent, 1).as_deref(), Some("c"));
        // A key that changes again and again takes no more room.
        (3..100).for_each(|index| record(&recent, index, &["c"]));
        assert_eq!((since(&recent, 1).as_deref(), recent.size().0), (Some("c"), 3));
        record(&recent, 100, &["d", "e", "f"]);
        assert_eq!((since(&recent, 98), since(&recent, 99).as_deref()), (None, Some("def")));
        record(&recent, 101, &["g"]);
        assert_eq!((since(&recent, 99), since(&recent, 100).as_deref()), (None, Some("g")));
        assert!(recent.size().1 <= 3 * (RECENT_CHANGE_BYTES as u64 + 1));
        recent.record(102, &[written(&"x".repeat(4096)), written("y")]);
        assert_eq!((since(&recent, 101), since(&recent, 102).as_deref()), (None, Some("")));
    }

    #[test]
    fn emptied_databases_snapshots_and_switches_forget_all() {
        let recent = on(10);
        record(&recent, 1, &["a"]);
        recent.record(2, &[written("b"), ChangeEvent::Databases(DatabaseChange::Emptied(0)), written("c")]);
        assert_eq!((since(&recent, 1), since(&recent, 2).as_deref()), (None, Some("")));
        record(&recent, 3, &["d"]);
        assert_eq!(since(&recent, 2).as_deref(), Some("d"));
        recent.reset();
        assert_eq!(since(&recent, 3), None);
        record(&recent, 1, &["e"]);
        assert_eq!(since(&recent, 1).as_deref(), Some(""), "another history may have lower entries");
        recent.limit(0);
        record(&recent, 9, &["f"]);
        recent.limit(1 << 20);
        assert_eq!((since(&recent, 9), recent.size()), (None, (0, 0)));
        record(&recent, 10, &["g"]);
        assert_eq!((since(&recent, 9), since(&recent, 10).as_deref()), (None, Some("")));
    }
}
