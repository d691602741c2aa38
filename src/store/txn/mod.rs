//! The writes of one batch: all entries that are applied together.
//!
//! Write handlers get a `Txn` and can reach nothing else: no clock, no random number generator, no configuration. What
//! they see and write is a function of (state, entry). Writes go to ordered overlays; `commit` puts them, sorted, into
//! one RocksDB batch with the state record, then into the hot cache, then publishes.
//!
//! Order of use: `begin_entry`, then per command `begin_command` … `accept` or `reject`, then `commit`. Within a command
//! savepoints nest, so that one call of several can be undone without its neighbours.

mod ahead;
mod apply_cache;
mod budget;
mod commit;
mod database;
mod evict;
mod passed;
mod prefetched;
mod recount;
mod rows;
mod script;
mod source;
mod subkeys;
mod sweep;
mod tracked;
mod undo;
mod whole;

use super::{
    ChangeEvent, CollectionId, EventClass, Interest, LogId, LogPosition, Origin, Published, Replies, Row,
    Store,
    row::{Encoding, Type},
    scan::Overlay,
    script_view::split_mix,
    site::SiteRecord,
    sizes::Resized,
    source::SourceRecord,
    state::StateRecord,
    view::View,
};
use crate::{error::Result, limits::SYSTEM_DATABASE};
use std::{cell::Cell, sync::Arc};

pub(in crate::store) use ahead::remove_ahead;
pub(in crate::store) use apply_cache::ApplyCache;
use budget::Budget;
pub(in crate::store) use budget::Reads;
pub use budget::Spent;
pub(in crate::store) use evict::bytes_of_record;
pub(in crate::store) use prefetched::ColdLookups;
pub use recount::Counted;
pub use script::BeforeScript;
pub use sweep::Swept;
pub use undo::Savepoint;
use undo::UndoLog;

/// The value that a write handler stores under a key.
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

/// The writes of one batch.
pub struct Txn<'s> {
    store: &'s Store,
    base: Arc<Published>,
    state: StateRecord,
    pub(super) site: Option<SiteRecord>,
    source: Option<Arc<SourceRecord>>,
    /// See `keep_expired`.
    keeps_expired: bool,
    meta: Overlay,
    expiry: Overlay,
    data: Overlay,
    score: Overlay,
    pub(super) cache: ApplyCache,
    /// Records that it looked up on the disk.
    cold: Cell<u32>,
    /// Sub-keys that scans have stepped over outside the apply cache.
    #[cfg(test)]
    pub(crate) stepped: Cell<usize>,
    /// What sub-keys have grown by since their collection's row was written.
    resized: Resized,
    /// Collections whose stored sub-keys are dropped at once.
    dropped: Vec<CollectionId>,
    /// Sub-keys of dropped collections that were deleted one by one.
    one_by_one: usize,
    /// What the overlays hold.
    bytes: usize,
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
    undo: UndoLog,
    pub(super) budget: Budget,
    pub(super) is_reply_wanted: bool,
    /// Of a script that runs.
    script_dice: Option<Cell<u64>>,
    /// It is never committed: it reads what was published, and nothing newer.
    is_trial: bool,
    /// What is left for the replies of the proposal that runs.
    replies: Replies,
    /// Bytes of replies in this batch, about.
    replied: u64,
    /// The recorded changes, as far as an observer wants them.
    changes: Vec<ChangeEvent>,
    interest: Interest,
    /// Whose call runs, if its entry says so.
    origin: Option<Origin>,
    /// Memory of the keys that calls have read for their clients.
    tracked_bytes: usize,
}

impl<'s> Txn<'s> {
    pub(super) fn new(store: &'s Store, base: Arc<Published>) -> Self {
        let cache = store.take_apply_cache(base.epoch);
        Self::of(store, base, cache, store.interest())
    }

    fn of(store: &'s Store, base: Arc<Published>, cache: ApplyCache, interest: Interest) -> Self {
        let state = base.state.clone();
        Txn {
            store,
            site: base.site.clone(),
            source: base.source.clone(),
            keeps_expired: false,
            base,
            now: state.last_at,
            state,
            meta: Overlay::new(),
            expiry: Overlay::new(),
            data: Overlay::new(),
            score: Overlay::new(),
            cache,
            cold: Cell::new(0),
            #[cfg(test)]
            stepped: Cell::new(0),
            resized: Resized::default(),
            dropped: Vec::new(),
            one_by_one: 0,
            bytes: 0,
            is_reply_wanted: true,
            script_dice: None,
            is_trial: false,
            replies: Replies::of(0),
            replied: 0,
            membership: None,
            random: 0,
            position: LogPosition::default(),
            next_ordinal: 0,
            has_created: false,
            further_created: 0,
            db: 0,
            undo: UndoLog::default(),
            budget: Budget::default(),
            changes: Vec::new(),
            interest,
            origin: None,
            tracked_bytes: 0,
        }
    }

    /// Starts an entry. Time never runs backwards, even if a new leader's clock is behind.
    pub fn begin_entry(&mut self, log_id: LogId, at: u64, seed: u64) {
        self.now = at.max(self.state.last_at);
        self.state.last_at = self.now;
        self.state.applied = Some(log_id);
        self.random = seed;
        self.position = LogPosition { index: log_id.index, ordinal: 0 };
        (self.next_ordinal, self.has_created, self.further_created) = (0, false, 0);
        self.budget.begin_entry();
    }

    /// Starts the next command of the entry.
    pub fn begin_command(&mut self, db: u32) {
        self.position.ordinal = self.next_ordinal;
        self.next_ordinal = self.next_ordinal.saturating_add(1);
        self.has_created = false;
        (self.db, self.origin) = (db, None);
        self.begin_undo();
        self.begin_budget();
    }

    /// Stores the Raft membership with this batch.
    pub fn set_membership(&mut self, membership: Vec<u8>) {
        self.membership = Some(membership);
    }

    /// Rows that it holds until it is written.
    pub fn pending_rows(&self) -> usize {
        let overlays = [&self.meta, &self.expiry, &self.data, &self.score];
        overlays.iter().fold(self.dropped.len(), |sum, overlay| sum.saturating_add(overlay.len()))
    }

    /// Bytes that it holds until it is written.
    pub fn pending_bytes(&self) -> usize {
        self.bytes
    }

    /// Whether anybody looks at the replies of the commands that follow. If not, a long string is not put together for one: the
    /// reply is nil. Whoever lets replies decide anything says that they are wanted, on every replica.
    pub fn want_replies(&mut self, wanted: bool) {
        self.is_reply_wanted = wanted;
    }

    /// The replies of reads that follow may hold so many bytes. They change nothing, so they are bounded, and may be refused,
    /// where somebody waits for them alone.
    pub fn begin_replies(&mut self, bytes_max: u64) {
        self.replied = self.pending_reply_bytes();
        self.replies = Replies::of(bytes_max);
    }

    /// What the replies of reads hold that this batch has made.
    pub fn pending_reply_bytes(&self) -> u64 {
        self.replied.saturating_add(self.replies.taken())
    }

    /// The state that reads see inside this batch whose reply somebody waits for.
    pub fn replying_view(&self) -> View<'_> {
        self.view().replying(&self.replies)
    }

    /// The entry's time, ms since the epoch: the only clock a handler has.
    pub fn now(&self) -> u64 {
        self.now
    }

    /// The next number of the entry's random sequence (splitmix64 of the seed in the log).
    pub fn random(&mut self) -> u64 {
        let (state, number) = split_mix(self.random);
        self.random = state;
        number
    }

    /// The log position of the running command.
    pub fn position(&self) -> LogPosition {
        self.position
    }

    /// Names a collection that the running command creates; no other collection gets this name.
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

    /// What this entry may mean: handlers decide by it, never by what the program understands.
    pub fn feature_level(&self) -> u32 {
        self.state.feature_level
    }

    /// As `StateRecord::raise`.
    pub fn raise_feature_level(&mut self, level: u32) {
        self.state.raise(level);
    }

    /// The state that read handlers see inside this batch.
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
        if self.interest.events && db != SYSTEM_DATABASE {
            self.changes.push(ChangeEvent::Keyspace { db, key: key.to_vec(), class, name });
        }
    }
}
