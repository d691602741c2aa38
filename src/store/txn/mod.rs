//! The writes of one batch: all entries that are applied together.
//!
//! Write handlers get a `Txn` and can reach nothing else: no clock, no random number generator, no configuration. What
//! they see and write is a function of (state, entry). Writes go to ordered overlays; `commit` puts them, sorted, into
//! one RocksDB batch with the state record, then into the hot cache, then publishes.
//!
//! Order of use: `begin_entry`, then per command `begin_command` … `accept` or `reject`, then `commit`.

mod commit;
mod database;
mod held;
mod rows;
mod subkeys;
mod sweep;
mod undo;
mod whole;

use super::{
    EventClass, Happening, Life, Place, Position, Published, Row, Store,
    keys::StorageKey,
    row::{Encoding, Type},
    scan::Overlay,
    site::SiteRecord,
    state::StateRecord,
    view::View,
};
use crate::error::Result;
use std::sync::Arc;

pub(in crate::store) use held::Held;
pub use sweep::Swept;

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
    pub(super) held: Held,
    /// Lives whose stored sub-keys go, all at once.
    dropped: Vec<Life>,
    membership: Option<Vec<u8>>,
    now: u64,
    random: u64,
    place: Place,
    db: u32,
    undo: undo::Undo,
    /// Watched keys (while anybody watches) that were made, changed, or deleted while alive.
    touched: Vec<StorageKey>,
    happenings: Vec<Happening>,
    wants_events: bool,
    wants_ready: bool,
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
            held: store.take_held(base_epoch),
            dropped: Vec::new(),
            membership: None,
            random: 0,
            place: Place::default(),
            db: 0,
            undo: undo::Undo::default(),
            touched: Vec::new(),
            happenings: Vec::new(),
            wants_events: store.observer().is_some_and(|observer| observer.wants_events()),
            wants_ready: store.observer().is_some_and(|observer| observer.wants_ready()),
        }
    }

    /// Starts an entry. Time never runs backwards, whatever a new leader's clock says.
    pub fn begin_entry(&mut self, position: Position, at: u64, seed: u64) {
        self.now = at.max(self.state.last_at);
        self.state.last_at = self.now;
        self.state.applied = Some(position);
        self.random = seed;
        self.place = Place { index: position.index, ordinal: 0 };
    }

    /// Starts a command of the entry.
    pub fn begin_command(&mut self, ordinal: u32, db: u32) {
        self.place.ordinal = ordinal;
        self.db = db;
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
    pub fn place(&self) -> Place {
        self.place
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
        if self.wants_events {
            self.tell(Happening::Event { db, key: key.to_vec(), class, name });
        }
    }

    /// Sessions that are parked on a key of this database should look again.
    pub fn ready_in(&mut self, db: u32, key: &[u8]) {
        if self.wants_ready {
            self.tell(Happening::Ready { db, key: key.to_vec() });
        }
    }

    fn all_ready(&mut self) {
        if self.wants_ready {
            self.tell(Happening::AllReady);
        }
    }
}
