//! Nodes that are slow and not gone: a disk that stands still, a processor that others use.

use super::Stage;
use crate::chaos::failure::Failure;
use crate::processor::ProcessorGroup;

/// Of one processor: less than a node under this load takes.
const SHARE_PERCENT: u64 = 15;

/// Its log, its store and its vote wait; its connections and its memory do not. A leader may go on with the others' syncs, or
/// let another one lead.
pub(super) fn stall(stage: &mut Stage<'_>, victim: usize) -> Result<(), Failure> {
    let node = &stage.network.nodes[victim];
    let stalled = node.disk.stall()?;
    stage.last(3000, 12_000);
    drop(stalled);
    match node.is_running() {
        true => Ok(()),
        false => Err(Failure::server(format!(
            "{} has ended, its disk only stood still: {}",
            node.name,
            node.log_tail(4)
        ))),
    }
}

/// It does all that it does, late: heartbeats as well, unless they come first.
pub(super) fn throttle(stage: &mut Stage<'_>, victim: usize) -> Result<(), Failure> {
    let node = &stage.network.nodes[victim];
    let Some(group) = ProcessorGroup::new(&node.name, SHARE_PERCENT) else {
        println!("  no control group can be made here: {} is not throttled", node.name);
        return Ok(());
    };
    let pid = node.pid().ok_or_else(|| Failure::harness(format!("{} does not run", node.name)))?;
    group.add(pid)?;
    stage.last(3000, 10_000);
    match group.times_throttled()? {
        0 => Err(Failure::harness(format!("{} did not want more than its share", node.name))),
        _ => Ok(()),
    }
}
