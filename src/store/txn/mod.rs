//! The writes of one batch: all entries that are applied together.
//!
//! Write handlers get a `Txn` and can reach nothing else: no clock, no random number generator, no configuration. What
//! they see and write is a function of (state, entry). Writes go to ordered overlays; `commit` puts them, sorted, into
//! one RocksDB batch with the state record, then into the hot cache, then publishes.
//!
//! Order of use: `begin_entry`, then per command `begin_command` … `accept` or `reject`, then `commit`. Within a command
//! savepoints nest, so that one call of several can be undone without its neighbours.

mod apply_cache;
mod commit;
mod database;
mod rows;
mod subkeys;
mod sweep;
mod undo;
mod whole;

use super::{
    ChangeEvent, CollectionId, EventClass, Interest, LogId, LogPosition, Published, Row, Store,
    row::{Encoding, Type},
    scan::Overlay,
    site::SiteRecord,
    state::StateRecord,
    view::View,
};
use crate::error::Result;
use std::sync::Arc;

pub(in crate::store) use apply_cache::ApplyCache;
pub use sweep::Swept;
pub use undo::Savepoint;

/// What a write handler stores under a key.
#[derive(Debug, Clone, Copy)]
pub struct NewRow<'a> {
    pub kind: Type,
    pub encoding: Encoding,
    /// Milliseconds since the epoch; 0 = never.
    pub expires_at: u64,
    pub body: &'a [u8],
}

impl<'a> NewRow<'a> {
    /// A string without expiry.
    pub fn string(body: &'a [u8]) -> Self {
        NewRow { kind: Type::String, encoding: Encoding::Natural, expires_at: 0, body }
    }
}

/// See the module.
pub struct Txn<'s> {
    store: &'s Store,
    base: Arc<Published>,
    state: StateRecord,
    pub(super) site: Option<SiteRecord>,
    meta: Overlay,
    expiry: Overlay,
    data: Overlay,
    score: Overlay,
    pub(super) cache: ApplyCache,
    /// Lives whose stored sub-keys go, all at once.
    dropped: Vec<CollectionId>,
    membership: Option<Vec<u8>>,
    now: u64,
    random: u64,
    position: LogPosition,
    /// Ordinal of the entry's next command.
    next_ordinal: u32,
    /// Whether the running command has created a collection, and how many more commands of this entry have created
    /// beyond their first.
    has_created: bool,
    further_created: u32,
    db: u32,
    /// Newest last.
    undo: Vec<undo::Undo>,
    /// Where the running command began.
    began: Savepoint,
    /// What changed, as far as somebody wants to hear of it.
    changes: Vec<ChangeEvent>,
    interest: Interest,
}

impl<'s> Txn<'s> {
    pub(super) fn new(store: &'s Store, base: Arc<Published>) -> Self {
        let (state, base_epoch) = (base.state.clone(), base.epoch);
        Txn {
            store,
            site: base.site.clone(),
            base,
            now: state.last_at,
            state,
            meta: Overlay::new(),
            expiry: Overlay::new(),
            data: Overlay::new(),
            score: Overlay::new(),
            cache: store.take_apply_cache(base_epoch),
            dropped: Vec::new(),
            membership: None,
            random: 0,
            position: LogPosition::default(),
            next_ordinal: 0,
            has_created: false,
            further_created: 0,
            db: 0,
            undo: Vec::new(),
            began: Savepoint::default(),
            changes: Vec::new(),
            interest: store.interest(),
        }
    }

    /// Starts an entry. Time never runs backwards, whatever a new leader's clock says.
    pub fn begin_entry(&mut self, log_id: LogId, at: u64, seed: u64) {
        self.now = at.max(self.state.last_at);
        self.state.last_at = self.now;
        self.state.applied = Some(log_id);
        self.random = seed;
        self.position = LogPosition { index: log_id.index, ordinal: 0 };
        (self.next_ordinal, self.has_created, self.further_created) = (0, false, 0);
    }

    /// Starts the next command of the entry.
    pub fn begin_command(&mut self, db: u32) {
        self.position.ordinal = self.next_ordinal;
        self.next_ordinal = self.next_ordinal.saturating_add(1);
        self.has_created = false;
        self.db = db;
        self.began = self.savepoint();
    }

    /// Stores the Raft membership with this batch.
    pub fn set_membership(&mut self, membership: Vec<u8>) {
        self.membership = Some(membership);
    }

    /// Whether the batch has grown enough to be written.
    pub fn pending_rows(&self) -> usize {
        let overlays = [&self.meta, &self.expiry, &self.data, &self.score];
        overlays.iter().fold(self.dropped.len(), |sum, overlay| sum.saturating_add(overlay.len()))
    }

    /// The entry's time, ms since the epoch: the only clock a handler has.
    pub fn now(&self) -> u64 {
        self.now
    }

    /// The next number of the entry's random sequence (splitmix64 of the seed in the log).
    pub fn random(&mut self) -> u64 {
        self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.random;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Where in the log the running command stands.
    pub fn position(&self) -> LogPosition {
        self.position
    }

    /// Names a collection that the running command creates; no other one has this name, whatever else the command creates.
    ///
    /// The first one of a command has the position of the command. Those beyond it are numbered through the entry, among ordinals
    /// that no command has: what one command alone creates is named as it always was.
    pub(super) fn new_generation(&mut self) -> LogPosition {
        if !std::mem::replace(&mut self.has_created, true) {
            return self.position;
        }
        let ordinal = LogPosition::FIRST_FURTHER.saturating_add(self.further_created);
        self.further_created = self.further_created.saturating_add(1);
        LogPosition { index: self.position.index, ordinal }
    }

    /// The logical database that unqualified keys mean.
    pub fn db(&self) -> u32 {
        self.db
    }

    /// The state record as this batch has it so far.
    pub fn state(&self) -> &StateRecord {
        &self.state
    }

    /// What read handlers see inside this batch.
    pub fn view(&self) -> View<'_> {
        View::txn(self)
    }

    /// The live row of a key in the current database.
    pub fn get(&self, key: &[u8]) -> Result<Option<Row>> {
        self.view().get(key)
    }

    /// The live row of a key in another database.
    pub fn get_in(&self, db: u32, key: &[u8]) -> Result<Option<Row>> {
        self.view().get_in(db, key)
    }

    /// A keyspace event of a key of the current database.
    pub fn event(&mut self, class: EventClass, name: &'static str, key: &[u8]) {
        self.event_in(self.db, class, name, key);
    }

    /// As `event`, in another database.
    pub fn event_in(&mut self, db: u32, class: EventClass, name: &'static str, key: &[u8]) {
        if self.interest.events {
            self.changes.push(ChangeEvent::Keyspace { db, key: key.to_vec(), class, name });
        }
    }
}
