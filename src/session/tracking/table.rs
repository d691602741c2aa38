//! The clients of one network thread that track keys, and the keys that they track. The thread alone uses it.
//!
//! A client that has ended stays among those who track a key until the key is told of, as in Redis, or until the table is cleaned,
//! some keys at a time: nothing is searched when a client goes.

use super::{
    arrivals::{Arrivals, Event},
    keys::{Forgotten, Keys, memory_of},
    prefixes::Prefixes,
    session::{SessionTracking, Tracker},
    state::TrackingMode,
    tell::tell,
    tracking::Tracking,
};
use crate::{
    acl::{KeyUse, User},
    limits::{INVALIDATION_BYTES_MAX, TRACKED_ITEM_BYTES},
    session::{Clients, subscriber::Frame},
};
use bytes::Bytes;
use std::{
    collections::{BTreeMap, HashMap, HashSet, VecDeque},
    sync::{
        Arc,
        atomic::{Ordering, fence},
    },
};

/// Messages from one pause to the next: the thread serves its other clients in between.
const TOLD_AT_A_TIME: usize = 4096;
/// Keys that a full table forgets at a time, and places that it looks at for each.
const FORGOTTEN_AT_A_TIME: usize = 1024;
const PLACES_AT_A_TIME: usize = 4096;
/// Clients of keys that a look for those who have ended looks at.
const CLEANED_AT_A_TIME: usize = 64 * 1024;

/// See the module.
pub struct TrackingTable {
    tracking: Arc<Tracking>,
    arrivals: Arc<Arrivals>,
    /// By their numbers.
    trackers: HashMap<u64, Known>,
    by_client: HashMap<u64, u64>,
    keys: Keys,
    prefixes: Prefixes,
    events: VecDeque<Event>,
    told: usize,
    /// Where to look next for a key to forget.
    hand: usize,
    /// `Tracking::ended` as of the last look, and where the table is being cleaned.
    ended: u64,
    cleaning: Option<usize>,
    /// The node was as current as its leader, or the core, keeps it.
    was_current: bool,
}

struct Known {
    tracker: Arc<Tracker>,
    keys: HashSet<usize>,
}

impl TrackingTable {
    pub(super) fn new(tracking: Arc<Tracking>, arrivals: Arc<Arrivals>) -> Self {
        TrackingTable {
            keys: Keys::new(Arc::clone(&tracking)),
            tracking,
            arrivals,
            trackers: HashMap::new(),
            by_client: HashMap::new(),
            prefixes: Prefixes::default(),
            events: VecDeque::new(),
            told: 0,
            hand: 0,
            ended: 0,
            cleaning: None,
            was_current: true,
        }
    }

    /// Where changes arrive for it.
    pub fn arrivals(&self) -> Arc<Arrivals> {
        Arc::clone(&self.arrivals)
    }

    /// A session tracks from now on, by these prefixes as well.
    pub fn begin(&mut self, session: &SessionTracking, prefixes: Vec<Bytes>) {
        self.keys.set_filter(self.arrivals.filter());
        let tracker = session.tracker();
        self.by_client.insert(tracker.client.id, tracker.number);
        let known = || Known { tracker: Arc::clone(tracker), keys: HashSet::new() };
        self.trackers.entry(tracker.number).or_insert_with(known);
        prefixes.into_iter().for_each(|prefix| self.prefixes.add(prefix, tracker.number));
        self.arrivals.prefixes.store(self.prefixes.len(), Ordering::SeqCst);
    }

    /// The session is about to read these keys, and takes the state that it reads from after this. `keys_max`: of all tables
    /// together; 0 = any number.
    pub fn register<'k>(
        &mut self,
        session: &SessionTracking,
        keys: impl Iterator<Item = &'k [u8]>,
        clients: &Clients,
        keys_max: u64,
    ) {
        let tracker = session.tracker();
        for key in keys {
            self.add(tracker.number, key);
            self.make_room(clients, keys_max);
        }
        // See `arrivals.rs`: counted before, read after.
        fence(Ordering::SeqCst);
        tracker.client.memory.tell();
    }

    fn add(&mut self, number: u64, key: &[u8]) {
        let Some(known) = self.trackers.get_mut(&number) else { return };
        let at = self.keys.enter(key);
        if known.keys.insert(at) {
            self.keys.push(at, number);
            let bytes = memory_of(key).saturating_add(TRACKED_ITEM_BYTES as u64);
            known.tracker.client.memory.tracked.fetch_add(bytes, Ordering::Relaxed);
        }
    }

    /// The session has read these keys of a state that may not be the latest any more: what it has got of them is void.
    pub fn void<'k>(
        &mut self,
        session: &SessionTracking,
        keys: impl Iterator<Item = &'k [u8]>,
        clients: &Clients,
    ) {
        for key in keys {
            let keys = [Bytes::copy_from_slice(key)];
            tell(&self.tracking, session.tracker(), &Frame::invalidation(Some(&keys), 1), clients);
        }
    }

    /// All that the session has got is void.
    pub fn void_all(&mut self, session: &SessionTracking, clients: &Clients) {
        tell(&self.tracking, session.tracker(), &Frame::invalidation(None, 1), clients);
    }

    /// Forgets keys while the tables are full and this one has its share of them: their clients are told, as if they had changed.
    fn make_room(&mut self, clients: &Clients, keys_max: u64) {
        for _ in 0..FORGOTTEN_AT_A_TIME {
            if !self.tracking.is_full(keys_max) {
                return;
            }
            let (keys, bytes) = self.tracking.share();
            if self.keys.len() < keys && self.keys.bytes() < bytes {
                return;
            }
            match self.keys.next_from(self.hand, PLACES_AT_A_TIME) {
                Err(next) => self.hand = next,
                Ok(at) => {
                    self.hand = at.saturating_add(1);
                    self.tracking.forgotten.fetch_add(1, Ordering::Relaxed);
                    self.written(at, None, clients);
                }
            }
        }
    }

    /// Looks for those to tell of what has arrived, for a while; returns whether there is more. `keys_max`: as of `register`.
    pub fn work(&mut self, clients: &Clients, keys_max: u64) -> (bool, Option<Forgotten>) {
        if self.events.is_empty() {
            self.arrivals.take(&mut self.events);
        }
        self.told = 0;
        let (mut changed, mut forgotten) = (BTreeMap::new(), None);
        while self.told < TOLD_AT_A_TIME
            && forgotten.is_none()
            && let Some(event) = self.events.pop_front()
        {
            match event {
                Event::Written { key, by } => {
                    if let Some(at) = self.keys.find(&key) {
                        self.written(at, by, clients);
                    }
                    if !self.prefixes.is_empty() {
                        self.told = self.told.saturating_add(1);
                        // Who did it matters if it was nobody else.
                        changed
                            .entry(key)
                            .and_modify(|is: &mut Option<u64>| *is = is.filter(|is| Some(*is) == by))
                            .or_insert(by);
                    }
                }
                Event::Read { key, client } => {
                    if let Some(number) = self.by_client.get(&client) {
                        self.add(*number, &key);
                        self.make_room(clients, keys_max);
                    }
                    self.arrivals.filter().remove(&key);
                }
                Event::ReadTooMuch { client } => {
                    let number = self.by_client.get(&client);
                    if let Some(known) = number.and_then(|number| self.trackers.get(number)) {
                        tell(&self.tracking, &known.tracker, &Frame::invalidation(None, 1), clients);
                    }
                }
                Event::Everything { is_told_to_all } => {
                    changed.clear();
                    forgotten = Some(self.everything(is_told_to_all, clients));
                }
            }
        }
        self.broadcast(&changed, clients);
        (!self.events.is_empty(), forgotten)
    }

    /// Tells those who track the key; they track it no more, except one who does not want to hear of its own change.
    fn written(&mut self, at: usize, by: Option<u64>, clients: &Clients) {
        let Some((name, numbers)) = self.keys.take(at) else { return };
        let frame = Frame::invalidation(Some(std::slice::from_ref(&name)), numbers.len());
        self.told = self.told.saturating_add(numbers.len());
        for number in numbers {
            let Some(known) = self.trackers.get_mut(&number) else { continue };
            let client = &known.tracker.client;
            if by == Some(client.id) && client.tracking.lock().is_some_and(|state| state.no_loop) {
                self.keys.push(at, number);
                continue;
            }
            known.keys.remove(&at);
            if !known.tracker.has_ended() {
                let bytes = memory_of(&name).saturating_add(TRACKED_ITEM_BYTES as u64);
                client.memory.tracked.fetch_sub(bytes, Ordering::Relaxed);
                tell(&self.tracking, &known.tracker, &frame, clients);
            }
        }
        self.keys.remove_unused(at);
    }

    /// All keys may have changed.
    fn everything(&mut self, is_told_to_all: bool, clients: &Clients) -> Forgotten {
        let frame = Frame::invalidation(None, self.trackers.len());
        for known in self.trackers.values_mut() {
            let has_some = !std::mem::take(&mut known.keys).is_empty();
            if known.tracker.has_ended() {
                continue;
            }
            let client = &known.tracker.client;
            client.memory.tracked.store(0, Ordering::Relaxed);
            let mode = client.tracking.lock().map(|state| state.mode);
            if is_told_to_all || has_some || mode == Some(TrackingMode::Broadcast) {
                tell(&self.tracking, &known.tracker, &frame, clients);
            }
        }
        (self.hand, self.cleaning) = (0, None);
        self.keys.clear()
    }

    /// Tells of changed keys by prefix: one message for as many keys as it may have, the same for all who track the prefix, except
    /// those who must not hear of some of them.
    fn broadcast(&mut self, changed: &BTreeMap<Bytes, Option<u64>>, clients: &Clients) {
        let mut by_prefix: BTreeMap<&Bytes, Vec<(&Bytes, Option<u64>)>> = BTreeMap::new();
        for (key, by) in changed {
            self.prefixes.matching(key, |prefix| by_prefix.entry(prefix).or_default().push((key, *by)));
        }
        for (prefix, keys) in by_prefix {
            for keys in in_messages(&keys) {
                let names: Vec<Bytes> = keys.iter().map(|(key, _)| Bytes::clone(key)).collect();
                let numbers = self.prefixes.of(prefix);
                let frame = Frame::invalidation(Some(&names), numbers.len());
                for known in numbers.iter().filter_map(|number| self.trackers.get(number)) {
                    self.told = self.told.saturating_add(1);
                    let (tracker, client) = (&known.tracker, &known.tracker.client);
                    let no_loop = client.tracking.lock().is_some_and(|state| state.no_loop);
                    let is_own = |by: Option<u64>| no_loop && by == Some(client.id);
                    let user = client.user().filter(|user| !user.is_unrestricted());
                    if tracker.has_ended() {
                        continue;
                    }
                    if user.is_none() && !keys.iter().any(|(_, by)| is_own(*by)) {
                        tell(&self.tracking, tracker, &frame, clients);
                        continue;
                    }
                    let may_hear = |key: &[u8]| user.as_ref().is_none_or(|user| may_read(user, key));
                    let heard = keys.iter().filter(|(key, by)| !is_own(*by) && may_hear(key));
                    let names: Vec<Bytes> = heard.map(|(key, _)| Bytes::clone(key)).collect();
                    if !names.is_empty() {
                        tell(&self.tracking, tracker, &Frame::invalidation(Some(&names), 1), clients);
                    }
                }
            }
        }
    }

    /// To be called some times a second. `is_current`: the node is in touch with its leader, or with the core. When that ends, all
    /// that clients have is void: what changes from now on may reach the node late.
    pub fn tick(&mut self, is_current: bool, clients: &Clients, keys_max: u64) {
        if std::mem::replace(&mut self.was_current, is_current) && !is_current {
            self.arrivals.everything(false);
        }
        let ended = self.tracking.ended.load(Ordering::Relaxed);
        if ended != self.ended {
            self.ended = ended;
            self.trackers.retain(|_, known| !known.tracker.has_ended());
            let trackers = &self.trackers;
            self.by_client.retain(|_, number| trackers.contains_key(number));
            self.prefixes.retain(|number| trackers.contains_key(&number));
            self.arrivals.prefixes.store(self.prefixes.len(), Ordering::SeqCst);
            self.cleaning = Some(0);
        }
        if let Some(from) = self.cleaning {
            let trackers = &self.trackers;
            self.cleaning = self.keys.clean(from, CLEANED_AT_A_TIME, |number| trackers.contains_key(&number));
        }
        self.make_room(clients, keys_max);
    }
}

pub(super) fn may_read(user: &User, key: &[u8]) -> bool {
    let using = KeyUse { reads: true, writes: false };
    user.selectors().iter().any(|selector| selector.allows_key(key, using))
}

/// Splits keys into what one message may have.
pub(super) fn in_messages<'k>(
    keys: &'k [(&'k Bytes, Option<u64>)],
) -> impl Iterator<Item = &'k [(&'k Bytes, Option<u64>)]> {
    let mut bytes = 0_usize;
    keys.chunk_by(move |(key, _), _| {
        bytes = bytes.saturating_add(key.len());
        let goes_on = bytes < INVALIDATION_BYTES_MAX;
        if !goes_on {
            bytes = 0;
        }
        goes_on
    })
}
