//! Scripts inside a batch, and batches that are only tried.
//!
//! All that a script sees follows from the state and the entry. So while one runs, replies are wanted on every node (they
//! decide what it does next), and random elements come from the entry's numbers.

use super::{ApplyCache, Interest, Txn};
use crate::{
    error::{Error, Result},
    limits::SYSTEM_DATABASE,
    store::{
        ChangeEvent, Published, Store, View,
        engine::{EngineIterator, Family, Tier, read_error},
        keys,
    },
    value::Value,
};
use bytes::Bytes;
use std::{cell::Cell, sync::Arc};

/// How it was before a script began.
#[derive(Debug)]
#[must_use = "the script ends with it"]
pub struct BeforeScript {
    db: u32,
    is_reply_wanted: bool,
}

impl Store {
    /// A batch that is never committed, on what was published then: for a script that is tried out before it is logged. Any
    /// thread may; it neither changes anything nor is seen by anybody, and reads nothing that is newer.
    pub fn trial(&self, published: Arc<Published>) -> Txn<'_> {
        let mut txn = Txn::of(self, published, ApplyCache::default(), Interest::default());
        txn.is_trial = true;
        txn
    }
}

impl Txn<'_> {
    /// A script begins, as the running command.
    pub fn begin_script(&mut self) -> BeforeScript {
        let before = BeforeScript { db: self.db, is_reply_wanted: self.is_reply_wanted };
        self.script_dice = Some(Cell::new(self.random()));
        self.is_reply_wanted = true;
        before
    }

    /// It has ended, whatever came of it.
    pub fn end_script(&mut self, before: BeforeScript) {
        self.script_dice = None;
        (self.db, self.is_reply_wanted) = (before.db, before.is_reply_wanted);
    }

    /// The script has selected another database, for itself alone.
    pub fn select_in_script(&mut self, db: u32) {
        self.db = db;
    }

    pub(in crate::store) fn script_dice(&self) -> Option<&Cell<u64>> {
        self.script_dice.as_ref()
    }

    /// A message that a script publishes: each node hands it to its own listeners once the batch is stored.
    pub fn publish(&mut self, channel: &[u8], payload: &[u8], is_sharded: bool) -> Result<()> {
        self.budget.write(channel.len(), payload.len())?;
        if self.interest.messages {
            let (channel, payload) = (Bytes::copy_from_slice(channel), Bytes::copy_from_slice(payload));
            self.changes.push(ChangeEvent::Message { channel, payload, is_sharded });
        }
        Ok(())
    }

    /// A user was changed: each node follows once the batch is stored.
    pub fn user_changed(&mut self, name: &str) {
        self.changes.push(ChangeEvent::User { name: name.to_owned() });
    }

    /// The system's database.
    pub fn system_view(&self) -> View<'_> {
        self.view().of_db(SYSTEM_DATABASE)
    }

    /// A stored record, whatever the batch has made of it.
    pub(super) fn base_record(&self, storage_key: &[u8]) -> Result<Option<Value>> {
        if self.is_trial {
            return self.as_published(Family::Meta, storage_key);
        }
        if let Some(record) = self.store.hot.get_record(storage_key) {
            return Ok(Some(record));
        }
        self.store.hot.passed_by(storage_key);
        if let Some(record) = self.cache.prefetched.get(storage_key) {
            return Ok(record.map(Value::from));
        }
        let engine = self.base.engine();
        let record = match engine.get(Family::Meta, storage_key, Tier::Memory) {
            Err(Error::WouldBlock) => {
                self.cold.set(self.cold.get().saturating_add(1));
                engine.get(Family::Meta, storage_key, Tier::Disk)?
            }
            record => record?,
        };
        Ok(record.map(Value::from))
    }

    /// As `base_record`, of a sub-key.
    pub(super) fn base_sub(&self, family: Family, key: &[u8]) -> Result<Option<Value>> {
        if self.is_trial {
            return self.as_published(family, key);
        }
        if family == Family::Score {
            return Ok(self.base.engine().get(family, key, Tier::Disk)?.map(Value::from));
        }
        let hot_key = keys::hot_sub(key);
        if let Some(value) = self.store.hot.get(&hot_key) {
            return Ok(Some(value));
        }
        let found = self.base.engine().get(family, key, Tier::Disk)?;
        if let Some(value) = &found {
            let index = self.base.state.applied.map_or(0, |applied| applied.index);
            self.store.hot.put_sub(hot_key, index, value);
        }
        Ok(found.map(Value::from))
    }

    fn as_published(&self, family: Family, key: &[u8]) -> Result<Option<Value>> {
        let of = self.base.engine().family(family)?;
        let found = self.base.snapshot().get_cf_opt(of, key, Tier::Disk.options());
        Ok(found.map_err(read_error)?.map(Value::from))
    }

    pub(super) fn base_iterator(
        &self,
        family: Family,
        options: rocksdb::ReadOptions,
    ) -> Result<EngineIterator<'_>> {
        if self.is_trial {
            let of = self.base.engine().family(family)?;
            return Ok(self.base.snapshot().raw_iterator_cf_opt(of, options));
        }
        Ok(self.base.engine().iterator(family, options)?)
    }

    pub(super) fn is_trial(&self) -> bool {
        self.is_trial
    }
}
