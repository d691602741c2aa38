//! Whole databases: emptied and exchanged in constant time, counted exactly.

use super::Txn;
use crate::store::{
    ChangeEvent, Database, DatabaseChange,
    engine::Family,
    sums::{self, Change},
};

impl Txn<'_> {
    /// Empties a database in constant time: it gets a new namespace, compaction drops the old rows.
    pub fn flush_db(&mut self, db: u32) {
        // Also of an empty one, as Redis tells clients that cache keys.
        self.databases_changed(DatabaseChange::Emptied(db));
        // No row, nothing to disown: a loop of flushes must not use up namespaces.
        if self.state.database(db).keys == 0 {
            return;
        }
        self.save_state();
        let (namespace, keeps_sums) = (self.state.next_namespace, self.state.keeps_sums());
        let is_counted = self.state.counts_bytes();
        self.state.next_namespace = namespace.saturating_add(1);
        let database = self.state.database_mut(db);
        database.namespace = namespace;
        database.keys = 0;
        database.expires = 0;
        database.row_sum = 0;
        database.is_summed = keeps_sums;
        (database.bytes, database.is_counted) = (0, is_counted);
    }

    /// Exchanges two databases in constant time.
    pub fn swap_db(&mut self, a: u32, b: u32) {
        self.databases_changed(DatabaseChange::Exchanged(a, b));
        self.save_state();
        self.state.swap(a, b);
    }

    fn databases_changed(&mut self, change: DatabaseChange) {
        if self.interest.keys {
            self.changes.push(ChangeEvent::Databases(change));
        }
    }

    /// Rows of metadata or of the expiry index come and go, by their hashes.
    pub(super) fn sum_rows(&mut self, db: u32, come: u64, gone: u64) {
        if come != gone {
            let database = self.counts_mut(db);
            database.row_sum = database.row_sum.wrapping_add(come).wrapping_sub(gone);
        }
    }

    /// The bytes of a database's counted rows change.
    pub(super) fn count_bytes(&mut self, db: u32, come: u64, gone: u64) {
        if come != gone {
            let database = self.counts_mut(db);
            database.bytes = database.bytes.saturating_add(come).saturating_sub(gone);
        }
    }

    /// A database without rows has their sum and their bytes, whatever it was before the levels that keep them.
    pub(super) fn sum_if_empty(&mut self, db: u32) {
        let Database { keys, is_summed, is_counted, .. } = *self.state.database(db);
        if keys == 0 && !is_summed && self.state.keeps_sums() {
            let database = self.counts_mut(db);
            (database.row_sum, database.is_summed) = (0, true);
        }
        if keys == 0 && !is_counted && self.state.counts_bytes() {
            let database = self.counts_mut(db);
            (database.bytes, database.is_counted) = (0, true);
        }
    }

    /// A change of sub-keys by the running command.
    pub(super) fn sum_change(&mut self, family: Family, key: &[u8], change: Change<'_>) {
        if self.state.keeps_sums() {
            let sum = sums::of_change(self.position, family, key, change);
            self.state.change_sum = self.state.change_sum.wrapping_add(sum);
        }
    }

    pub(super) fn count(&mut self, db: u32, created: bool, deleted: bool, old_expiry: u64, new_expiry: u64) {
        if !created && !deleted && (old_expiry == 0) == (new_expiry == 0) {
            return;
        }
        let database = self.counts_mut(db);
        database.keys = database.keys.saturating_add(u64::from(created)).saturating_sub(u64::from(deleted));
        database.expires = database
            .expires
            .saturating_add(u64::from(new_expiry != 0))
            .saturating_sub(u64::from(old_expiry != 0));
    }
}
