//! Processes that are killed, stopped in their tracks, asked to end, or lose their disks.

use std::time::Duration;

use rustix::process::Signal;

use super::Stage;
use crate::chaos::failure::Failure;

/// A server that is asked to end finishes what it owes its clients first.
const TERMINATE_MAX: Duration = Duration::from_secs(60);

pub(super) fn kill(stage: &mut Stage<'_>, victims: &[usize]) -> Result<(), Failure> {
    for victim in victims {
        let node = &stage.network.nodes[*victim];
        if !node.is_running() {
            let text = format!("{} has ended by itself:\n{}", node.name, node.log_tail(8));
            return Err(Failure::server(text));
        }
        node.kill();
    }
    stage.last(0, 3000);
    for victim in victims {
        stage.network.nodes[*victim].start()?;
    }
    stage.last(1000, 2000);
    Ok(())
}

pub(super) fn pause(stage: &mut Stage<'_>, victim: usize) -> Result<(), Failure> {
    stage.network.nodes[victim].signal(Signal::STOP)?;
    stage.last(2500, 5000);
    stage.network.nodes[victim].signal(Signal::CONT)?;
    Ok(())
}

pub(super) fn roll(stage: &mut Stage<'_>) -> Result<(), Failure> {
    for index in stage.network.core() {
        let node = &stage.network.nodes[index];
        if !node.terminate(TERMINATE_MAX)? {
            let text = format!(
                "{} did not end in {TERMINATE_MAX:?} when asked to:\n{}",
                node.name,
                node.log_tail(8)
            );
            return Err(Failure::server(text));
        }
        node.start()?;
        stage.last(1000, 2000);
    }
    Ok(())
}

/// The disk of any node is lost.
pub(super) fn wipe(stage: &mut Stage<'_>) -> Result<(), Failure> {
    let victim = stage.dice.below(stage.network.core().len() as u64) as usize;
    let node = &stage.network.nodes[victim];
    node.kill();
    node.wipe()?;
    stage.last(0, 2000);
    node.start()?;
    stage.last(2000, 4000);
    Ok(())
}
