//! Tracking as the session has it, from CLIENT TRACKING ON to OFF.

use super::{
    state::{TrackingMode, TrackingOptions, TrackingState},
    tracking::Tracking,
};
use crate::{session::Client, store::Origin};
use bytes::Bytes;
use std::{
    collections::{BTreeSet, btree_set},
    ops::Bound,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

/// A client that tracks keys, for the table of its network thread.
#[derive(Debug)]
pub struct Tracker {
    /// One for each CLIENT TRACKING ON behind an OFF; never used again.
    pub(super) number: u64,
    pub(super) client: Arc<Client>,
    has_ended: AtomicBool,
}

impl Tracker {
    pub(super) fn has_ended(&self) -> bool {
        self.has_ended.load(Ordering::Relaxed)
    }
}

/// See the module. Dropping it ends the tracking; the table finds out.
pub struct SessionTracking {
    tracker: Arc<Tracker>,
    tracking: Arc<Tracking>,
    mode: TrackingMode,
    no_loop: bool,
    prefixes: BTreeSet<Bytes>,
    /// CLIENT CACHING was called for what follows.
    is_asked: bool,
}

impl SessionTracking {
    /// Begins, with nothing tracked yet.
    pub fn begin(tracking: &Arc<Tracking>, client: &Arc<Client>) -> Self {
        let number = tracking.enter();
        let tracker = Tracker { number, client: Arc::clone(client), has_ended: AtomicBool::new(false) };
        // Messages may come from now on.
        tracking.inbox(client);
        SessionTracking {
            tracker: Arc::new(tracker),
            tracking: Arc::clone(tracking),
            mode: TrackingMode::Reads,
            no_loop: false,
            prefixes: BTreeSet::new(),
            is_asked: false,
        }
    }

    /// Takes over options; returns the prefixes that are new.
    pub fn set(&mut self, options: TrackingOptions) -> Vec<Bytes> {
        let TrackingOptions { mode, no_loop, redirect, mut prefixes } = options;
        (self.mode, self.no_loop) = (mode, no_loop);
        *self.tracker.client.tracking.lock() =
            Some(TrackingState { mode, no_loop, redirect, is_broken: false });
        if mode == TrackingMode::Broadcast && prefixes.is_empty() {
            prefixes.push(Bytes::new());
        }
        prefixes.retain(|prefix| self.prefixes.insert(prefix.clone()));
        self.tracking.count_prefixes(&prefixes);
        let memory = &self.tracker.client.memory;
        let bytes =
            self.prefixes.iter().fold(0_u64, |sum, prefix| sum.saturating_add(prefix.len() as u64 + 128));
        memory.prefixes.store(bytes, Ordering::Relaxed);
        prefixes
    }

    pub(super) fn tracker(&self) -> &Arc<Tracker> {
        &self.tracker
    }

    pub fn mode(&self) -> TrackingMode {
        self.mode
    }

    /// In byte order.
    pub fn prefixes(&self) -> btree_set::Iter<'_, Bytes> {
        self.prefixes.iter()
    }

    /// Whether a key begins with one of its prefixes. None of them begins with another one, but all with the empty one.
    pub(super) fn has_prefix_of(&self, key: &[u8]) -> bool {
        let last = self.prefixes.range::<[u8], _>((Bound::Unbounded, Bound::Included(key))).next_back();
        last.is_some_and(|prefix| key.starts_with(prefix)) || self.prefixes.contains(&b""[..])
    }

    /// Whether keys that the next call reads are tracked.
    pub fn tracks_reads(&self) -> bool {
        match self.mode {
            TrackingMode::Reads => true,
            TrackingMode::OptIn => self.is_asked,
            TrackingMode::OptOut => !self.is_asked,
            TrackingMode::Broadcast => false,
        }
    }

    /// What the log must know of a call; `None`: nothing.
    pub fn origin(&self, may_read: bool) -> Option<Origin> {
        let tracks = may_read && self.tracks_reads();
        let (process, client) = (self.tracking.process(), self.tracker.client.id);
        (tracks || self.no_loop).then_some(Origin { process, client, tracks })
    }

    /// CLIENT CACHING, for the next call or transaction.
    pub fn ask(&mut self) {
        self.is_asked = true;
    }

    /// Whether CLIENT CACHING was called for what follows.
    pub fn is_asked(&self) -> bool {
        self.is_asked
    }

    /// A call has ended, or a transaction.
    pub fn called(&mut self) {
        self.is_asked = false;
    }
}

impl Drop for SessionTracking {
    fn drop(&mut self) {
        let client = &self.tracker.client;
        self.tracker.has_ended.store(true, Ordering::Relaxed);
        *client.tracking.lock() = None;
        for part in [&client.memory.tracked, &client.memory.prefixes] {
            part.store(0, Ordering::Relaxed);
        }
        self.tracking.leave(self.prefixes.iter());
    }
}
