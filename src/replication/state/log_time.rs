//! Where log time begins: at the start of a process, and when this node comes to lead.

use super::clock_file::{ClockRecord, boot_hash};
use crate::{
    session::{Beginning, LogStatus},
    time::{boot, now_ms},
};
use std::path::Path;

/// Log time at the start of a process: what its directory knows of it.
pub fn begin(status: &LogStatus, directory: &Path, last_at_ms: u64) {
    let record = ClockRecord::load(directory);
    let own_boot = boot_hash(boot().as_deref());
    let same_boot = record.filter(|record| own_boot != 0 && record.boot == own_boot);
    let past_ms = record.map_or(0, |record| record.log_ms).max(last_at_ms);
    status.clock.begin(past_ms, same_boot.map(|record| record.offset_us));
}

/// This node leads from here on.
pub(super) fn lead(status: &LogStatus) {
    let ahead_ms = status.walls.agreed_ahead_of(status.clock.now_ms(), now_ms());
    match status.clock.lead(ahead_ms) {
        Beginning::Known => {}
        Beginning::Wall => {
            tracing::info!(log_ms = status.clock.now_ms(), "log time begins with what wall clocks say");
        }
        Beginning::NotBelieved(ahead_ms) => tracing::error!(
            days = ahead_ms / 86_400_000,
            remedy = "set them if they are wrong; if they are right, 'flotilla admin clock --step' steps log time to them",
            "wall clocks are that far ahead of the last write, which is not believed: log time goes on from the last write"
        ),
    }
}
