//! The writes of one batch: all entries that are applied together.
//!
//! Write handlers get a `Txn` and can reach nothing else: no clock, no random number generator, no configuration. What
//! they see and write is a function of (state, entry). Writes go to an ordered overlay; `commit` puts them, sorted, into
//! one RocksDB batch with the state record, then into the hot cache, then publishes.
//!
//! Order of use: `begin_entry`, then per command `begin_command` … `accept` or `reject`, then `commit`.

use super::{
    Namespace, Place, Position, Published, Row, Store,
    engine::{EngineIterator, Family, Tier},
    keys::{self, StorageKey},
    row::{Encoding, Header, Type},
    scan::{self, Overlay},
    site::SiteRecord,
    state::StateRecord,
    view::View,
    watched::watched_key,
};
use crate::{
    error::{Result, StoreError},
    value::Value,
};
use bytes::Bytes;
use rocksdb::WriteBatch;
use std::{collections::BTreeMap, ops::ControlFlow, sync::Arc};

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
    expiry: BTreeMap<StorageKey, bool>,
    membership: Option<Vec<u8>>,
    now: u64,
    random: u64,
    place: Place,
    db: u32,
    undo: Undo,
    /// Watched keys (while anybody watches) that were made, changed, or deleted while alive.
    touched: Vec<StorageKey>,
}

/// What the running command changed, newest last.
#[derive(Default)]
struct Undo {
    state: Option<Box<StateRecord>>,
    meta: Vec<(StorageKey, Option<Option<Bytes>>)>,
    expiry: Vec<(StorageKey, Option<bool>)>,
}

impl<'s> Txn<'s> {
    pub(super) fn new(store: &'s Store, base: Arc<Published>) -> Self {
        let state = base.state.clone();
        Txn {
            store,
            site: base.site.clone(),
            base,
            now: state.last_at,
            state,
            meta: Overlay::new(),
            expiry: BTreeMap::new(),
            membership: None,
            random: 0,
            place: Place::default(),
            db: 0,
            undo: Undo::default(),
            touched: Vec::new(),
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

    /// The command stands.
    pub fn accept(&mut self) {
        self.undo.state = None;
        self.undo.meta.clear();
        self.undo.expiry.clear();
    }

    /// The command failed: takes back whatever it wrote.
    pub fn reject(&mut self) {
        for (key, before) in std::mem::take(&mut self.undo.meta).into_iter().rev() {
            restore(&mut self.meta, key, before);
        }
        for (key, before) in std::mem::take(&mut self.undo.expiry).into_iter().rev() {
            restore(&mut self.expiry, key, before);
        }
        if let Some(state) = self.undo.state.take() {
            self.state = *state;
        }
    }

    /// Stores the Raft membership with this batch.
    pub fn set_membership(&mut self, membership: Vec<u8>) {
        self.membership = Some(membership);
    }

    /// Whether the batch has grown enough to be written.
    pub fn pending_rows(&self) -> usize {
        self.meta.len().saturating_add(self.expiry.len())
    }

    /// Writes everything in one batch and publishes it.
    pub fn commit(mut self) -> Result<(), StoreError> {
        let engine = Arc::clone(self.base.engine());
        let bytes: usize =
            self.meta.iter().map(|(key, value)| key.len() + value.as_ref().map_or(0, Bytes::len) + 24).sum();
        let mut batch = WriteBatch::with_capacity_bytes(bytes + self.expiry.len() * 48 + 1024);
        let (default, meta, expiry) =
            (engine.family(Family::Default)?, engine.family(Family::Meta)?, engine.family(Family::Expiry)?);
        for (key, value) in &self.meta {
            match value {
                Some(record) => batch.put_cf(meta, key, record),
                None => batch.delete_cf(meta, key),
            }
        }
        for (key, present) in &self.expiry {
            if *present { batch.put_cf(expiry, key, []) } else { batch.delete_cf(expiry, key) }
        }
        if let Some(membership) = self.membership.take() {
            batch.put_cf(default, keys::MEMBERSHIP, membership);
        }
        if !cfg!(feature = "broken-apply-index") || self.place.index.is_multiple_of(256) {
            batch.put_cf(default, keys::STATE, self.state.encode());
        }
        self.site.iter().for_each(|site| batch.put_cf(default, keys::SITE, site.encode()));
        self.store.enter_commit();
        engine.write(batch)?;
        self.store.watched.touch(&self.touched);
        for (key, value) in std::mem::take(&mut self.meta) {
            match value {
                Some(record) => self.store.hot.put(key, &record),
                None => self.store.hot.remove(&key),
            }
        }
        self.store.leave_commit(engine, self.state, self.site);
        Ok(())
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

    /// Creates or replaces a key in the current database.
    pub fn put(&mut self, key: &[u8], row: NewRow<'_>) -> Result<()> {
        self.put_in(self.db, key, row)
    }

    /// Creates or replaces a key in another database.
    pub fn put_in(&mut self, db: u32, key: &[u8], row: NewRow<'_>) -> Result<()> {
        let namespace = self.state.database(db).namespace;
        let storage_key = keys::meta(namespace, key);
        let before = self.stored(&storage_key)?;
        let record = Row::encode(row.kind, row.encoding, row.expires_at, self.place, row.body);
        let old_expiry = before.unwrap_or(0);
        self.count(db, before.is_none(), false, old_expiry, row.expires_at);
        self.move_expiry(namespace, key, old_expiry, row.expires_at);
        self.touch(db, key);
        self.write_meta(storage_key, Some(Bytes::from(record)));
        Ok(())
    }

    /// Deletes a key; true if a live one was there. A row that has expired goes too, but does not count.
    pub fn delete(&mut self, key: &[u8]) -> Result<bool> {
        self.delete_in(self.db, key)
    }

    /// As `delete`, in another database.
    pub fn delete_in(&mut self, db: u32, key: &[u8]) -> Result<bool> {
        let namespace = self.state.database(db).namespace;
        let storage_key = keys::meta(namespace, key);
        let Some(expires_at) = self.stored(&storage_key)? else {
            return Ok(false);
        };
        self.count(db, false, true, expires_at, 0);
        self.move_expiry(namespace, key, expires_at, 0);
        let live = expires_at == 0 || expires_at > self.now;
        if live {
            self.touch(db, key);
        }
        self.write_meta(storage_key, None);
        Ok(live)
    }

    /// Empties a database in constant time: it gets a new namespace, compaction drops the old rows.
    pub fn flush_db(&mut self, db: u32) {
        // No row, nothing to disown: a loop of flushes must not use up namespaces.
        if self.state.database(db).keys == 0 {
            return;
        }
        self.save_state();
        let namespace = self.state.next_namespace;
        self.state.next_namespace = namespace.saturating_add(1);
        let database = self.state.database_mut(db);
        database.namespace = namespace;
        database.keys = 0;
        database.expires = 0;
    }

    /// Exchanges two databases in constant time.
    pub fn swap_db(&mut self, a: u32, b: u32) {
        self.save_state();
        self.state.swap(a, b);
    }

    /// Deletes up to `keys_max` rows whose time has come; returns how many keys went.
    ///
    /// Index rows of flushed databases are passed over, and some of them deleted: whether compaction has dropped them
    /// already differs from node to node, so they must not decide which keys go.
    pub fn sweep_expired(&mut self, keys_max: u32) -> Result<u32> {
        let mut due = Vec::new();
        let mut stale = Vec::new();
        {
            let mut iterator = self.base.engine().iterator(Family::Expiry, Tier::Disk.options())?;
            let overlay: Overlay =
                self.expiry.iter().map(|(key, present)| (key.clone(), present.then(Bytes::new))).collect();
            scan::merged(&mut iterator, Some(&overlay), b"", b"", |index_key, _| {
                let (expires_at, namespace, key) = keys::parse_expiry(index_key)?;
                if expires_at > self.now || due.len() >= keys_max as usize {
                    return Ok(ControlFlow::Break(()));
                }
                match self.state.database_of(namespace) {
                    Some(db) => due.push((db, key.to_vec())),
                    None if stale.len() < keys_max as usize => stale.push(StorageKey::from_slice(index_key)),
                    None => {}
                }
                Ok(ControlFlow::Continue(()))
            })?;
        }
        for index_key in stale {
            self.write_expiry(index_key, false);
        }
        let mut deleted = 0_u32;
        for (db, key) in due {
            self.delete_in(db, &key)?;
            deleted = deleted.saturating_add(1);
        }
        Ok(deleted)
    }

    /// The record as this batch has it, expired or not.
    pub(super) fn record(&self, namespace: Namespace, key: &[u8]) -> Result<Option<Value>> {
        self.stored_record(&keys::meta(namespace, key))
    }

    pub(super) fn iterator(&self, prefix: &[u8]) -> Result<(EngineIterator<'_>, Option<&Overlay>)> {
        let mut options = Tier::Disk.options();
        scan::bound_to_prefix(&mut options, prefix);
        Ok((self.base.engine().iterator(Family::Meta, options)?, Some(&self.meta)))
    }

    fn stored_record(&self, storage_key: &[u8]) -> Result<Option<Value>> {
        if let Some(written) = self.meta.get(storage_key) {
            return Ok(written.clone().map(Value::from));
        }
        if let Some(record) = self.store.hot.get(storage_key) {
            return Ok(Some(record));
        }
        Ok(self.base.engine().get(Family::Meta, storage_key, Tier::Disk)?.map(Value::from))
    }

    /// When the stored row expires (0 = never), expired or not; `None` = there is no row.
    fn stored(&self, storage_key: &StorageKey) -> Result<Option<u64>> {
        if let Some(written) = self.meta.get(storage_key) {
            return Ok(written.as_deref().map(Header::decode).transpose()?.map(|header| header.expires_at));
        }
        if let Some(expires_at) = self.store.hot.expires_at(storage_key) {
            return Ok(Some(expires_at));
        }
        let stored = self.base.engine().get(Family::Meta, storage_key, Tier::Disk)?;
        Ok(stored.as_deref().map(Header::decode).transpose()?.map(|header| header.expires_at))
    }

    fn count(&mut self, db: u32, created: bool, deleted: bool, old_expiry: u64, new_expiry: u64) {
        if !created && !deleted && (old_expiry == 0) == (new_expiry == 0) {
            return;
        }
        self.save_state();
        let database = self.state.database_mut(db);
        database.keys = database.keys.saturating_add(u64::from(created)).saturating_sub(u64::from(deleted));
        database.expires = database
            .expires
            .saturating_add(u64::from(new_expiry != 0))
            .saturating_sub(u64::from(old_expiry != 0));
    }

    fn move_expiry(&mut self, namespace: Namespace, key: &[u8], old: u64, new: u64) {
        if old == new {
            return;
        }
        if old != 0 {
            self.write_expiry(keys::expiry(old, namespace, key), false);
        }
        if new != 0 {
            self.write_expiry(keys::expiry(new, namespace, key), true);
        }
    }

    fn touch(&mut self, db: u32, key: &[u8]) {
        if self.store.watched.any() {
            self.touched.push(watched_key(db, key));
        }
    }

    fn write_meta(&mut self, storage_key: StorageKey, record: Option<Bytes>) {
        let before = self.meta.insert(storage_key.clone(), record);
        self.undo.meta.push((storage_key, before));
    }

    fn write_expiry(&mut self, index_key: StorageKey, present: bool) {
        let before = self.expiry.insert(index_key.clone(), present);
        self.undo.expiry.push((index_key, before));
    }

    fn save_state(&mut self) {
        if self.undo.state.is_none() {
            self.undo.state = Some(Box::new(self.state.clone()));
        }
    }
}

fn restore<V>(overlay: &mut BTreeMap<StorageKey, V>, key: StorageKey, before: Option<V>) {
    match before {
        Some(value) => drop(overlay.insert(key, value)),
        None => drop(overlay.remove(&key)),
    }
}
