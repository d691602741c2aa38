//! Whole databases: emptied and exchanged in constant time, counted exactly.

use super::Txn;
use crate::store::ChangeEvent;

impl Txn<'_> {
    /// Empties a database in constant time: it gets a new namespace, compaction drops the old rows.
    pub fn flush_db(&mut self, db: u32) {
        // No row, nothing to disown: a loop of flushes must not use up namespaces.
        if self.state.database(db).keys == 0 {
            return;
        }
        self.databases_changed();
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
        self.databases_changed();
        self.save_state();
        self.state.swap(a, b);
    }

    fn databases_changed(&mut self) {
        if self.interest.keys {
            self.changes.push(ChangeEvent::Databases);
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
