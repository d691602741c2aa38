//! What the running command changed, so that it can be taken back as a whole or to a savepoint; and every change of the
//! batch's overlays, which all pass through here.

use super::Txn;
use crate::store::{
    engine::Family,
    keys::StorageKey,
    scan::Overlay,
    state::{Database, StateRecord},
};
use bytes::Bytes;

/// What one change replaced.
pub(super) enum Undo {
    /// A row of an overlay; outer `None`: the overlay had none.
    Row(Family, StorageKey, Option<Option<Bytes>>),
    /// The counts of a logical database.
    Counts(u32, Database),
    /// All of the state record.
    State(Box<StateRecord>),
}

/// A point of the running command to which it can be taken back. Savepoints nest: a later one is void once an earlier one
/// has been rolled back to.
#[derive(Debug, Clone, Copy, Default)]
pub struct Savepoint {
    undo: usize,
    dropped: usize,
    changes: usize,
}

impl Txn<'_> {
    /// The present point of the running command.
    pub fn savepoint(&self) -> Savepoint {
        let (undo, dropped, changes) = (self.undo.len(), self.dropped.len(), self.changes.len());
        Savepoint { undo, dropped, changes }
    }

    /// Takes back whatever the command has written since this point. Numbers drawn and collection ids handed out since
    /// then stay used.
    pub fn roll_back(&mut self, to: Savepoint) {
        while self.undo.len() > to.undo {
            match self.undo.pop() {
                Some(Undo::Row(family, key, before)) => {
                    self.cache.forget_at(family, &key);
                    let overlay = self.overlay_mut(family);
                    match before {
                        Some(value) => drop(overlay.insert(key, value)),
                        None => drop(overlay.remove(&key)),
                    }
                }
                Some(Undo::Counts(db, before)) => *self.state.database_mut(db) = before,
                Some(Undo::State(before)) => self.state = *before,
                None => break,
            }
        }
        self.dropped.truncate(to.dropped);
        self.changes.truncate(to.changes);
    }

    /// The command stands.
    pub fn accept(&mut self) {
        self.undo.clear();
        self.began = self.savepoint();
    }

    /// The command failed: takes back whatever it wrote.
    pub fn reject(&mut self) {
        self.roll_back(self.began);
    }

    pub(super) fn overlay(&self, family: Family) -> &Overlay {
        match family {
            // `default` has no rows of commands.
            Family::Meta | Family::Default => &self.meta,
            Family::Expiry => &self.expiry,
            Family::Data => &self.data,
            Family::Score => &self.score,
        }
    }

    fn overlay_mut(&mut self, family: Family) -> &mut Overlay {
        match family {
            Family::Meta | Family::Default => &mut self.meta,
            Family::Expiry => &mut self.expiry,
            Family::Data => &mut self.data,
            Family::Score => &mut self.score,
        }
    }

    /// Lays a row over what is stored; `None` deletes.
    pub(super) fn write(&mut self, family: Family, key: StorageKey, value: Option<Bytes>) {
        self.cache.written(family, &key, value.as_ref());
        let before = self.overlay_mut(family).insert(key.clone(), value);
        self.undo.push(Undo::Row(family, key, before));
    }

    /// Takes a row off the overlay, of which nothing is stored or what is stored goes as well.
    pub(super) fn uncover(&mut self, family: Family, key: StorageKey) {
        self.cache.written(family, &key, None);
        if let Some(before) = self.overlay_mut(family).remove(&key) {
            self.undo.push(Undo::Row(family, key, Some(before)));
        }
    }

    /// A logical database, to change its counts.
    pub(super) fn counts_mut(&mut self, db: u32) -> &mut Database {
        self.undo.push(Undo::Counts(db, *self.state.database(db)));
        self.state.database_mut(db)
    }

    /// Before databases are emptied or exchanged.
    pub(super) fn save_state(&mut self) {
        self.undo.push(Undo::State(Box::new(self.state.clone())));
    }
}
