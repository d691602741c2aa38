//! Tracking on the whole node: who tracks, how much the tables of all network threads hold, and where apply tells of changes.

use super::{arrivals::Arrivals, recent::RecentChanges, table::TrackingTable};
use crate::{
    limits::TRACKING_BYTES_MAX,
    session::{Client, PubSub, Subscriber, output_limit::SharedOutputLimit},
    store::ChangeEvent,
};
use bytes::Bytes;
use parking_lot::{Mutex, RwLock};
use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering, fence},
    },
};

/// See the module.
#[derive(Debug)]
pub struct Tracking {
    process: u64,
    output_limit: Arc<SharedOutputLimit>,
    pub recent: RecentChanges,
    clients: AtomicU64,
    next_number: AtomicU64,
    /// Clients that track no more, ever.
    pub(super) ended: AtomicU64,
    pub(super) counts: Counts,
    /// How many clients track each prefix.
    prefixes: Mutex<BTreeMap<Bytes, usize>>,
    /// One for each network thread.
    threads: RwLock<Vec<Arc<Arrivals>>>,
    /// Invalidations of keys handed to clients.
    pub(super) told: AtomicU64,
    /// Keys that the tables forgot because they were full.
    pub(super) forgotten: AtomicU64,
}

/// What the tables hold together.
#[derive(Debug, Default)]
pub(super) struct Counts {
    pub(super) keys: AtomicU64,
    pub(super) items: AtomicU64,
    pub(super) bytes: AtomicU64,
}

/// For INFO and metrics.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct TrackingTotals {
    pub clients: u64,
    /// Tracked keys; one that clients of several network threads track counts for each of these.
    pub keys: u64,
    /// Keys of each client, of all clients.
    pub items: u64,
    pub bytes: u64,
    pub prefixes: u64,
    pub told: u64,
    pub forgotten: u64,
}

impl Tracking {
    /// `process`: drawn for this process.
    pub fn new(process: u64, pubsub: &PubSub) -> Self {
        Tracking {
            process,
            output_limit: Arc::clone(&pubsub.output_limit),
            recent: RecentChanges::default(),
            clients: AtomicU64::new(0),
            next_number: AtomicU64::new(0),
            ended: AtomicU64::new(0),
            counts: Counts::default(),
            prefixes: Mutex::default(),
            threads: RwLock::default(),
            told: AtomicU64::new(0),
            forgotten: AtomicU64::new(0),
        }
    }

    /// The table of one more network thread.
    pub fn table(self: &Arc<Self>) -> TrackingTable {
        let arrivals = Arc::new(Arrivals::default());
        self.threads.write().push(Arc::clone(&arrivals));
        TrackingTable::new(Arc::clone(self), arrivals)
    }

    pub(super) fn process(&self) -> u64 {
        self.process
    }

    /// Whether any client tracks keys.
    pub fn is_used(&self) -> bool {
        self.clients.load(Ordering::SeqCst) > 0
    }

    /// Whether a batch that begins now must record its changes.
    pub fn wants_changes(&self) -> bool {
        self.is_used() || self.recent.is_on()
    }

    /// Whether no client has ever tracked keys.
    pub fn is_idle(&self) -> bool {
        self.next_number.load(Ordering::Relaxed) == 0
    }

    /// Where messages for the client go.
    pub(super) fn inbox<'c>(&self, client: &'c Arc<Client>) -> &'c Arc<Subscriber> {
        client.inbox(&self.output_limit)
    }

    /// A client begins to track; returns its number.
    pub(super) fn enter(&self) -> u64 {
        self.clients.fetch_add(1, Ordering::SeqCst);
        self.next_number.fetch_add(1, Ordering::Relaxed)
    }

    /// It tracks no more, nor these prefixes.
    pub(super) fn leave<'p>(&self, prefixes: impl Iterator<Item = &'p Bytes>) {
        self.clients.fetch_sub(1, Ordering::SeqCst);
        self.ended.fetch_add(1, Ordering::Relaxed);
        let mut all = self.prefixes.lock();
        for prefix in prefixes {
            if let Some(count) = all.get_mut(prefix) {
                *count = count.saturating_sub(1);
                if *count == 0 {
                    all.remove(prefix);
                }
            }
        }
    }

    pub(super) fn count_prefixes(&self, new: &[Bytes]) {
        let mut all = self.prefixes.lock();
        for prefix in new {
            let count = all.entry(prefix.clone()).or_default();
            *count = count.saturating_add(1);
        }
    }

    /// The changes of a batch that was published, in log order; its last entry of the core is this one.
    pub fn changed(&self, index: u64, changes: &[ChangeEvent]) {
        // First: see `recent.rs`.
        self.recent.record(index, changes);
        if !self.is_used() {
            return;
        }
        // See `arrivals.rs`: published before, asked after.
        fence(Ordering::SeqCst);
        self.threads.read().iter().for_each(|thread| thread.arrive(self.process, changes));
    }

    /// Any key may have changed. `is_told_to_all`: clients that track nothing at present are told as well.
    pub fn everything_changed(&self, is_told_to_all: bool) {
        self.recent.reset();
        if self.is_used() {
            self.threads.read().iter().for_each(|thread| thread.everything(is_told_to_all));
        }
    }

    /// Whether the tables hold more than they may. `keys_max`: 0 = any number.
    pub(super) fn is_full(&self, keys_max: u64) -> bool {
        let load = |count: &AtomicU64| count.load(Ordering::Relaxed);
        keys_max > 0 && load(&self.counts.keys) > keys_max || load(&self.counts.bytes) > TRACKING_BYTES_MAX
    }

    /// A network thread's share of what all hold, which it may exceed while there is room.
    pub(super) fn share(&self) -> (u64, u64) {
        let threads = (self.threads.read().len() as u64).max(1);
        let part = |count: &AtomicU64| count.load(Ordering::Relaxed) / threads;
        (part(&self.counts.keys), part(&self.counts.bytes))
    }

    pub fn totals(&self) -> TrackingTotals {
        let load = |count: &AtomicU64| count.load(Ordering::Relaxed);
        TrackingTotals {
            clients: load(&self.clients),
            keys: load(&self.counts.keys),
            items: load(&self.counts.items),
            bytes: load(&self.counts.bytes),
            prefixes: self.prefixes.lock().len() as u64,
            told: load(&self.told),
            forgotten: load(&self.forgotten),
        }
    }
}
