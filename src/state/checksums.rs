//! Checksums of the state at marked places of the log, computed beside the log's own work.

use super::ReplicationState;
use crate::store::Store;
use parking_lot::Mutex;
use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

/// StateChecksums that are remembered.
const KEPT: usize = 8;

/// What is known of a place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StateChecksum {
    Pending,
    Known(u32),
    /// Another one was being computed when the log came by, or the node has restarted or installed a snapshot since.
    Skipped,
    /// The data could not be read: a file is damaged.
    Damaged,
}

/// See the module.
#[derive(Debug, Default)]
pub struct StateChecksums {
    checksums: Arc<Mutex<BTreeMap<u64, StateChecksum>>>,
    running: Arc<AtomicBool>,
}

impl StateChecksums {
    /// The entry at `index` was applied last: computes the checksum of what the store shows now, on a thread of its own.
    /// Damage that it meets is noted: this node may go on until the others can do without it.
    pub fn begin(&self, index: u64, store: &Store, state: &Arc<ReplicationState>) {
        if self.running.swap(true, Ordering::AcqRel) {
            self.note(index, StateChecksum::Skipped);
            return;
        }
        self.note(index, StateChecksum::Pending);
        let published = store.published();
        let (checksums, running) = (Arc::clone(&self.checksums), Arc::clone(&self.running));
        let state = Arc::clone(state);
        let started = std::thread::Builder::new().name("checksum".into()).spawn(move || {
            match published.checksum() {
                Ok(checksum) => drop(checksums.lock().insert(index, StateChecksum::Known(checksum))),
                Err(error) if error.damage().is_some() => {
                    state.note_damage(&error);
                    checksums.lock().insert(index, StateChecksum::Damaged);
                }
                Err(error) => error.stop_the_process("the store cannot be read"),
            }
            running.store(false, Ordering::Release);
        });
        if let Err(error) = started {
            tracing::warn!(%error, "cannot start a thread for the checksum; this node compares its state next time");
            self.running.store(false, Ordering::Release);
            self.note(index, StateChecksum::Skipped);
        }
    }

    /// What is known of a place; `None`: the log has not come by. It came by before if `applied`, read earlier, is at or past
    /// the place: without a checksum then (after a restart, or by a snapshot) there will never be one.
    pub fn get(&self, index: u64, applied: u64) -> Option<StateChecksum> {
        let known = self.checksums.lock().get(&index).copied();
        known.or((applied >= index).then_some(StateChecksum::Skipped))
    }

    fn note(&self, index: u64, checksum: StateChecksum) {
        let mut checksums = self.checksums.lock();
        checksums.insert(index, checksum);
        while checksums.len() > KEPT {
            checksums.pop_first();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_that_was_passed_without_a_sum_is_not_waited_for() {
        let checksums = StateChecksums::default();
        assert_eq!(checksums.get(5, 4), None);
        // As after a restart: the entry is applied, nobody remembers its checksum.
        assert_eq!(checksums.get(5, 5), Some(StateChecksum::Skipped));
        checksums.note(5, StateChecksum::Pending);
        assert_eq!(checksums.get(5, 9), Some(StateChecksum::Pending));
    }
}
