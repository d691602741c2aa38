//! Checksums of the state at marked log positions, computed beside the log's own work.

use super::ReplicationState;
use crate::store::{FullRead, Store};
use parking_lot::Mutex;
use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};

/// Checksums to remember.
const KEPT: usize = 8;

/// The knowledge of one position.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StateChecksum {
    Pending,
    Known(u32),
    /// The rows are not those that apply has counted and summed; their checksum.
    Miscounted(u32),
    /// Another one was being computed when the mark was applied, or the node has restarted or installed a snapshot since.
    Skipped,
    /// The data could not be read: a file is damaged.
    Damaged,
}

/// The checksums.
#[derive(Debug, Default)]
pub struct StateChecksums {
    checksums: Arc<Mutex<BTreeMap<u64, StateChecksum>>>,
    running: Arc<AtomicBool>,
    /// How fast to read; 0 = no limit.
    pub bytes_per_second: AtomicU64,
}

impl StateChecksums {
    /// The entry at `index` was applied last: computes the checksum of the store's present state on a thread of its own.
    /// Damage is recorded: this node may continue until the others can do without it.
    pub fn begin(&self, index: u64, store: &Store, state: &Arc<ReplicationState>) {
        if self.running.swap(true, Ordering::AcqRel) {
            self.note(index, StateChecksum::Skipped);
            return;
        }
        self.note(index, StateChecksum::Pending);
        let published = store.published();
        let (checksums, running) = (Arc::clone(&self.checksums), Arc::clone(&self.running));
        let (state, bytes_per_second) = (Arc::clone(state), self.bytes_per_second.load(Ordering::Relaxed));
        let started = std::thread::Builder::new().name("checksum".into()).spawn(move || {
            match published.read_all(bytes_per_second) {
                Ok(read) => drop(checksums.lock().insert(index, found(index, &read))),
                Err(error) if error.damage().is_some() => {
                    state.note_damage(&error);
                    checksums.lock().insert(index, StateChecksum::Damaged);
                }
                Err(error) => error.stop_the_process("the store cannot be read"),
            }
            running.store(false, Ordering::Release);
        });
        if let Err(error) = started {
            tracing::warn!(%error, "cannot start a thread for the state checksum; this node skips this comparison");
            self.running.store(false, Ordering::Release);
            self.note(index, StateChecksum::Skipped);
        }
    }

    /// The checksum at a position; `None`: the log has not reached it. If `applied`, read earlier, is at or past it, it was
    /// reached: if there is no checksum then (after a restart, or by a snapshot), there will never be one.
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

fn found(index: u64, read: &FullRead) -> StateChecksum {
    if !read.missized.is_empty() {
        tracing::error!(
            index, databases = ?read.missized,
            remedy = "maxmemory goes by a wrong number until these databases are flushed; report a fault of the program",
            "the rows of these databases do not take the bytes that were counted"
        );
    }
    if read.miscounted.is_empty() {
        return StateChecksum::Known(read.checksum);
    }
    tracing::error!(
        index, databases = ?read.miscounted,
        remedy = "compare all nodes with 'flotilla admin verify': a node that differs from the majority is repaired; if none \
                  differs, report a fault of the program",
        "the rows of this node are not those that its log has made"
    );
    StateChecksum::Miscounted(read.checksum)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_that_was_passed_without_a_sum_is_not_waited_for() {
        let checksums = StateChecksums::default();
        assert_eq!(checksums.get(5, 4), None);
        // As after a restart: the entry is applied, and its checksum is not remembered.
        assert_eq!(checksums.get(5, 5), Some(StateChecksum::Skipped));
        checksums.note(5, StateChecksum::Pending);
        assert_eq!(checksums.get(5, 9), Some(StateChecksum::Pending));
    }
}
