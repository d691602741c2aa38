//! What a batch writes for a source that the data follow (`store/source.rs`).

use super::{NewRow, Txn};
use crate::{
    error::Result,
    limits::SYSTEM_DATABASE,
    resp::ErrorReply,
    store::{
        SourceRecord, View,
        source::{RECORD, SETTINGS},
    },
    value::Value,
};
use std::sync::Arc;

impl View<'_> {
    /// How the source is reached, with the password: nobody is shown it.
    pub fn source_settings(self) -> Result<Option<Value>> {
        Ok(self.of_db(SYSTEM_DATABASE).quiet().get(SETTINGS)?.map(|row| row.body))
    }
}

impl Txn<'_> {
    /// The source that the data follow, or have followed, as this batch has it.
    pub fn source(&self) -> Option<&SourceRecord> {
        self.source.as_deref()
    }

    /// Stores it, as part of the running command, which stands.
    pub fn put_source(&mut self, record: SourceRecord) -> Result<()> {
        let bytes = record.to_json()?;
        self.put_in(SYSTEM_DATABASE, RECORD, NewRow::string(&bytes))?;
        self.source = Some(Arc::new(record));
        Ok(())
    }

    /// Stores how it is reached.
    pub fn put_source_settings(&mut self, settings: &[u8]) -> Result<()> {
        self.put_in(SYSTEM_DATABASE, SETTINGS, NewRow::string(settings))
    }

    /// The commands that follow are a source's: a key is there until the source says that it has expired, as on every replica
    /// of a Redis. Its clock and log time differ, and a key that is gone here must not be born again by its next command.
    pub fn keep_expired(&mut self, keeps: bool) {
        self.keeps_expired = keeps;
    }

    /// Whether a command may change the data: only the source's may while they are its data. A node that did not know of that
    /// yet may have let a client's call pass.
    pub fn may_write(&self) -> Result<()> {
        match self.source.as_ref().filter(|source| source.refuses_writes() && !self.keeps_expired) {
            Some(source) => Err(ErrorReply::follows_source(&source.address).into()),
            None => Ok(()),
        }
    }

    /// The time by which keys are gone: that of the entry, or none at all.
    pub fn expiry_clock(&self) -> u64 {
        if self.keeps_expired { 0 } else { self.now }
    }

    /// The database that the commands of a source have selected.
    pub fn select_for_source(&mut self, db: u32) {
        self.db = db;
    }
}
