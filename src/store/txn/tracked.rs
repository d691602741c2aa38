//! Whose call runs, and what it reads, for clients that cache what they read. Listeners of this node alone use it; it changes
//! nothing that is stored.

use super::Txn;
use crate::{
    limits::{TRACKED_KEY_BYTES, TRACKED_READS_BYTES_MAX},
    store::{ChangeEvent, Origin},
};

impl Txn<'_> {
    /// The running command is a call of this client.
    pub fn called_by(&mut self, origin: Option<Origin>) {
        self.origin = origin;
    }

    /// Whether `read_for_caller` has somebody to tell.
    pub fn tracks_reads(&self) -> bool {
        self.interest.keys && self.origin.is_some_and(|origin| origin.tracks)
    }

    /// The running command reads this key for its client, at this position among the changes of the batch. A script may read
    /// any number of keys; beyond a bound the client is told that it has read too much.
    pub fn read_for_caller(&mut self, key: &[u8]) {
        let Some(by) = self.origin.filter(|_| self.tracks_reads()) else { return };
        let bytes = self.tracked_bytes.saturating_add(key.len()).saturating_add(TRACKED_KEY_BYTES);
        if bytes <= TRACKED_READS_BYTES_MAX {
            self.tracked_bytes = bytes;
            self.changes.push(ChangeEvent::Read { key: key.to_vec(), by });
        } else if self.changes.last() != Some(&ChangeEvent::ReadsTooMuch { by }) {
            self.changes.push(ChangeEvent::ReadsTooMuch { by });
        }
    }
}
