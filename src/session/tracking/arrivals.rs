//! Changes on their way from the apply thread to the table of a network thread.
//!
//! The filter counts the tracked keys of each hash, so that apply hands over, and wakes the thread for, what may concern it only.
//! It may let too much through, never too little: a key is counted before its reader takes the state that it reads from, and
//! apply asks after it has published; each has a fence between the two. A read that was made in the log is counted here, until the
//! thread has put it into the table.
//!
//! **Bound.** More changes than `TRACKING_WAITING_BYTES_MAX` are replaced by one: everything has changed.

use crate::{
    limits::{SYSTEM_DATABASE, TRACKED_KEY_BYTES, TRACKING_WAITING_BYTES_MAX},
    store::{ChangeEvent, Origin},
};
use bytes::Bytes;
use parking_lot::Mutex;
use std::{
    collections::VecDeque,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicU32, AtomicUsize, Ordering},
    },
};
use tokio::sync::Notify;
use xxhash_rust::xxh3::xxh3_64;

const BUCKETS: usize = 1 << 16;

/// What a table is told, in log order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Event {
    /// The key was made, changed or deleted, or has expired; by a call of this client of the node, if that is known.
    Written { key: Bytes, by: Option<u64> },
    /// A call in the log has read the key for this client.
    Read { key: Bytes, client: u64 },
    /// The same, but more keys than can be told.
    ReadTooMuch { client: u64 },
    /// Any key may have changed. `is_told_to_all`: also to clients that track nothing at present, as Redis does.
    Everything { is_told_to_all: bool },
}

/// See the module.
#[derive(Debug, Default)]
pub struct Arrivals {
    /// Made with the first tracker of the thread.
    filter: OnceLock<Arc<Filter>>,
    /// Prefixes that clients of the thread track: each change may concern them.
    pub(super) prefixes: AtomicUsize,
    waiting: Mutex<Waiting>,
    bell: Notify,
}

#[derive(Debug, Default)]
struct Waiting {
    events: VecDeque<Event>,
    bytes: usize,
}

/// How many tracked keys there are of each hash.
#[derive(Debug)]
pub(super) struct Filter(Box<[AtomicU32]>);

impl Filter {
    fn new() -> Arc<Self> {
        Arc::new(Filter((0..BUCKETS).map(|_| AtomicU32::new(0)).collect()))
    }

    fn bucket(&self, key: &[u8]) -> Option<&AtomicU32> {
        self.0.get(usize::try_from(xxh3_64(key)).unwrap_or_default() % BUCKETS)
    }

    pub(super) fn add(&self, key: &[u8]) {
        if let Some(bucket) = self.bucket(key) {
            bucket.fetch_add(1, Ordering::SeqCst);
        }
    }

    pub(super) fn remove(&self, key: &[u8]) {
        if let Some(bucket) = self.bucket(key) {
            bucket.fetch_sub(1, Ordering::SeqCst);
        }
    }

    fn may_have(&self, key: &[u8]) -> bool {
        self.bucket(key).is_none_or(|bucket| bucket.load(Ordering::SeqCst) > 0)
    }
}

impl Arrivals {
    pub(super) fn filter(&self) -> &Arc<Filter> {
        self.filter.get_or_init(Filter::new)
    }

    /// The changes of a batch that was published.
    pub(super) fn arrive(&self, process: u64, changes: &[ChangeEvent]) {
        let Some(filter) = self.filter.get() else { return };
        let hears_all = self.prefixes.load(Ordering::SeqCst) > 0;
        let is_own = |by: &Origin| by.process == process;
        let events = changes.iter().filter_map(|change| match change {
            ChangeEvent::Key(change) if change.db != SYSTEM_DATABASE => {
                let by = change.by.filter(is_own).map(|by| by.client);
                let key = || Bytes::copy_from_slice(&change.key);
                if cfg!(feature = "broken-tracking") && !change.is_visible() {
                    return None;
                }
                (hears_all || filter.may_have(&change.key)).then(|| Event::Written { key: key(), by })
            }
            ChangeEvent::Read { key, by } if is_own(by) => {
                filter.add(key);
                Some(Event::Read { key: Bytes::copy_from_slice(key), client: by.client })
            }
            ChangeEvent::ReadsTooMuch { by } if is_own(by) => Some(Event::ReadTooMuch { client: by.client }),
            ChangeEvent::Databases(_) => Some(Event::Everything { is_told_to_all: true }),
            ChangeEvent::Key(_)
            | ChangeEvent::Read { .. }
            | ChangeEvent::ReadsTooMuch { .. }
            | ChangeEvent::Keyspace { .. }
            | ChangeEvent::Message { .. }
            | ChangeEvent::Call(_)
            | ChangeEvent::User { .. } => None,
        });
        self.put(events);
    }

    /// Any key may have changed.
    pub(super) fn everything(&self, is_told_to_all: bool) {
        if self.filter.get().is_some() {
            self.put([Event::Everything { is_told_to_all }].into_iter());
        }
    }

    fn put(&self, events: impl Iterator<Item = Event>) {
        let mut events = events.peekable();
        if events.peek().is_none() {
            return;
        }
        let mut waiting = self.waiting.lock();
        events.for_each(|event| self.add(&mut waiting, event));
        drop(waiting);
        self.bell.notify_one();
    }

    fn add(&self, waiting: &mut Waiting, event: Event) {
        let len = match &event {
            Event::Written { key, .. } | Event::Read { key, .. } => key.len(),
            Event::ReadTooMuch { .. } => 0,
            Event::Everything { is_told_to_all } => {
                // What came before is part of it.
                let before = self.forget(waiting);
                let is_told_to_all = *is_told_to_all || before;
                return waiting.events.push_back(Event::Everything { is_told_to_all });
            }
        };
        waiting.bytes = waiting.bytes.saturating_add(len).saturating_add(TRACKED_KEY_BYTES);
        if waiting.bytes > TRACKING_WAITING_BYTES_MAX {
            let is_told_to_all = self.forget(waiting);
            waiting.events.push_back(Event::Everything { is_told_to_all });
        }
        waiting.events.push_back(event);
    }

    /// Forgets what waits; returns whether all were to be told something.
    fn forget(&self, waiting: &mut Waiting) -> bool {
        let mut is_told_to_all = false;
        for event in std::mem::take(waiting).events {
            match event {
                // The client may have the value, and the table nothing of it.
                Event::Read { key, .. } => {
                    self.filter().remove(&key);
                    is_told_to_all = true;
                }
                Event::ReadTooMuch { .. } => is_told_to_all = true,
                Event::Written { .. } => {}
                Event::Everything { is_told_to_all: all } => is_told_to_all |= all,
            }
        }
        is_told_to_all
    }

    /// Moves what waits into `into`, which is empty.
    pub(super) fn take(&self, into: &mut VecDeque<Event>) {
        let mut waiting = self.waiting.lock();
        std::mem::swap(&mut waiting.events, into);
        waiting.bytes = 0;
    }

    /// Waits until something may have arrived.
    pub async fn wait(&self) {
        self.bell.notified().await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::KeyChange;

    fn written(key: &[u8], by: Option<Origin>) -> ChangeEvent {
        let (before, after) = (None, None);
        ChangeEvent::Key(KeyChange { db: 0, key: key.to_vec(), before, after, was_live: true, by })
    }

    fn taken(arrivals: &Arrivals) -> Vec<Event> {
        let mut events = VecDeque::new();
        arrivals.take(&mut events);
        events.into()
    }

    #[test]
    fn only_what_may_be_tracked_arrives_and_who_did_it_if_it_was_a_client_of_this_process() {
        let arrivals = Arrivals::default();
        arrivals.arrive(1, &[written(b"k", None)]);
        arrivals.everything(true);
        assert_eq!(taken(&arrivals), [], "nobody has ever tracked");
        arrivals.filter().add(b"k");
        let by = |process| Some(Origin { process, client: 5, tracks: false });
        let mut of_system = written(b"k", None);
        if let ChangeEvent::Key(change) = &mut of_system {
            change.db = SYSTEM_DATABASE;
        }
        arrivals.arrive(1, &[written(b"other", None), of_system, written(b"k", by(1)), written(b"k", by(2))]);
        let event = |by| Event::Written { key: Bytes::from_static(b"k"), by };
        assert_eq!(taken(&arrivals), [event(Some(5)), event(None)]);
        arrivals.filter().remove(b"k");
        arrivals.arrive(1, &[written(b"k", None)]);
        assert_eq!(taken(&arrivals), []);
        arrivals.prefixes.store(1, Ordering::SeqCst);
        arrivals.arrive(1, &[written(b"k", None)]);
        assert_eq!(taken(&arrivals), [event(None)]);
    }

    /// Between a read in the log and its place in the table, a change of the key must not be held back.
    #[test]
    fn a_read_in_the_log_lets_the_change_behind_it_through() {
        let arrivals = Arrivals::default();
        arrivals.filter();
        let by = |process| Origin { process, client: 5, tracks: true };
        let read = |process| ChangeEvent::Read { key: b"k".to_vec(), by: by(process) };
        arrivals.arrive(1, &[written(b"k", None), read(2), written(b"k", None)]);
        assert_eq!(taken(&arrivals), [], "a client of another process");
        arrivals.arrive(1, &[written(b"k", None), read(1), written(b"k", None)]);
        let key = Bytes::from_static(b"k");
        let expected = [Event::Read { key: key.clone(), client: 5 }, Event::Written { key, by: None }];
        assert_eq!(taken(&arrivals), expected);
    }

    #[test]
    fn too_much_becomes_everything_and_nothing_is_counted_for_ever() {
        let arrivals = Arrivals::default();
        arrivals.filter();
        let by = Origin { process: 1, client: 5, tracks: true };
        let key = vec![b'x'; 1 << 20];
        for _ in 0..TRACKING_WAITING_BYTES_MAX >> 20 {
            arrivals.arrive(1, &[ChangeEvent::Read { key: key.clone(), by }]);
        }
        let events = taken(&arrivals);
        assert_eq!(
            events[0],
            Event::Everything { is_told_to_all: true },
            "a client has a value that no table knows of"
        );
        assert_eq!(events.len(), 2, "and the one that was too many");
        arrivals.filter().remove(&key);
        assert!(!arrivals.filter().may_have(&key));
        arrivals.everything(true);
        arrivals.arrive(1, &[written(b"k", None)]);
        arrivals.everything(false);
        assert_eq!(taken(&arrivals), [Event::Everything { is_told_to_all: true }]);
    }
}
