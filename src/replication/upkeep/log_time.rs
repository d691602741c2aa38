//! Sets log time at process start from the data directory.

use super::clock_file::{ClockRecord, boot_hash};
use crate::state::ReplicationState;
use std::path::Path;

/// Log time at the start of a process: what its directory knows of it.
pub fn begin(state: &ReplicationState, directory: &Path, last_at_ms: u64) {
    let record = ClockRecord::load(directory);
    let own_boot = boot_hash(state.environment().boot().as_deref());
    let same_boot = record.filter(|record| own_boot != 0 && record.boot == own_boot);
    let past_ms = record.map_or(0, |record| record.log_ms).max(last_at_ms);
    state.clock.begin(past_ms, same_boot.map(|record| record.offset_us));
}
