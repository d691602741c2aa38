//! Checksums of the state at marked places of the log, computed beside the log's own work.

use crate::{session::LogStatus, store::Store};
use parking_lot::Mutex;
use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

/// Sums that are remembered.
const KEPT: usize = 8;

/// What is known of a place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sum {
    Pending,
    Known(u32),
    /// Another one was being computed when the log came by, or the node has restarted or installed a snapshot since.
    Skipped,
    /// The data could not be read: a file is damaged.
    Damaged,
}

/// See the module.
#[derive(Debug, Default)]
pub struct Sums {
    sums: Arc<Mutex<BTreeMap<u64, Sum>>>,
    running: Arc<AtomicBool>,
}

impl Sums {
    /// The entry at `index` was applied last: computes the checksum of what the store shows now, on a thread of its own.
    /// Damage that it meets is noted: this node may go on until the others can do without it.
    pub fn begin(&self, index: u64, store: &Store, status: &Arc<LogStatus>) {
        if self.running.swap(true, Ordering::AcqRel) {
            self.note(index, Sum::Skipped);
            return;
        }
        self.note(index, Sum::Pending);
        let published = store.published();
        let (sums, running) = (Arc::clone(&self.sums), Arc::clone(&self.running));
        let status = Arc::clone(status);
        let started = std::thread::Builder::new().name("checksum".into()).spawn(move || {
            match published.checksum() {
                Ok(sum) => drop(sums.lock().insert(index, Sum::Known(sum))),
                Err(error) if error.damage().is_some() => {
                    status.note_damage(&error);
                    sums.lock().insert(index, Sum::Damaged);
                }
                Err(error) => error.stop_the_process("the store cannot be read"),
            }
            running.store(false, Ordering::Release);
        });
        if let Err(error) = started {
            tracing::warn!(%error, "cannot start a thread for the checksum; this node compares its state next time");
            self.running.store(false, Ordering::Release);
            self.note(index, Sum::Skipped);
        }
    }

    /// What is known of a place; `None`: the log has not come by. It came by before if `applied`, read earlier, is at or past
    /// the place: without a sum then (after a restart, or by a snapshot) there will never be one.
    pub fn get(&self, index: u64, applied: u64) -> Option<Sum> {
        let known = self.sums.lock().get(&index).copied();
        known.or((applied >= index).then_some(Sum::Skipped))
    }

    fn note(&self, index: u64, sum: Sum) {
        let mut sums = self.sums.lock();
        sums.insert(index, sum);
        while sums.len() > KEPT {
            sums.pop_first();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_that_was_passed_without_a_sum_is_not_waited_for() {
        let sums = Sums::default();
        assert_eq!(sums.get(5, 4), None);
        // As after a restart: the entry is applied, nobody remembers its sum.
        assert_eq!(sums.get(5, 5), Some(Sum::Skipped));
        sums.note(5, Sum::Pending);
        assert_eq!(sums.get(5, 9), Some(Sum::Pending));
    }
}
