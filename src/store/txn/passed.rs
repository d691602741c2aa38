//! Calls that went through, for whoever repeats them elsewhere. It changes nothing that is stored.

use super::Txn;
use crate::{
    limits::SYSTEM_DATABASE,
    store::{ChangeEvent, Passed, PassedCall},
};

impl Txn<'_> {
    /// Whether `call_passed` has somebody to tell.
    pub fn tells_of_calls(&self) -> bool {
        self.interest.calls
    }

    /// How many changes the batch has recorded.
    pub fn recorded(&self) -> usize {
        self.changes.len()
    }

    /// Whether clients' keys were changed since so many changes were recorded.
    pub fn has_changed_since(&self, recorded: usize) -> bool {
        let changes = self.changes.get(recorded..).unwrap_or_default();
        changes.iter().any(|change| matches!(change, ChangeEvent::Key(key) if key.db != SYSTEM_DATABASE))
    }

    /// A call went through whose changes are those behind `recorded`.
    pub fn call_passed(&mut self, recorded: usize, passed: Passed) {
        let changes = self.changes.len().saturating_sub(recorded);
        self.changes.push(ChangeEvent::Call(PassedCall { db: self.db, changes, passed }));
    }
}
