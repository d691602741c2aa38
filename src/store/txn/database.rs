//! Whole databases: emptied and exchanged in constant time, counted exactly, swept of what has expired.

use super::Txn;
use crate::{
    error::Result,
    store::{
        EventClass,
        engine::{Family, Tier},
        keys::{self, Span, StorageKey},
        scan::{self, Direction},
    },
};
use std::ops::ControlFlow;

impl Txn<'_> {
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
            let everything = Span { from: StorageKey::new(), to: None };
            let mut iterator = self.base.engine().iterator(Family::Expiry, Tier::Disk.options())?;
            let overlay = Some(self.overlay(Family::Expiry));
            scan::merged(&mut iterator, overlay, &everything, Direction::Forward, |index_key, _| {
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
            self.write(Family::Expiry, index_key, None);
        }
        let mut deleted = 0_u32;
        for (db, key) in due {
            self.delete_in(db, &key)?;
            self.event_in(db, EventClass::Expired, "expired", &key);
            deleted = deleted.saturating_add(1);
        }
        Ok(deleted)
    }

    pub(super) fn count(&mut self, db: u32, created: bool, deleted: bool, old_expiry: u64, new_expiry: u64) {
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
}
