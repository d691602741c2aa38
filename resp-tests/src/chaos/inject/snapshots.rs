//! Snapshots without end: the log is kept so short, and written so fast, that who falls behind always needs a snapshot,
//! and by the time it has one perhaps the next (the retention is the least that can be configured, see `Options`).

use std::thread;
use std::time::{Duration, Instant};

use super::Stage;
use crate::chaos::bulk::{Bulk, Load};
use crate::chaos::failure::Failure;
use crate::chaos::watch::number;

/// The logs of all others must have gone past the follower in this time.
const PURGE_MAX: Duration = Duration::from_secs(30);
/// A snapshot must have arrived in this time, and the load goes on.
const FETCH_MAX: Duration = Duration::from_secs(60);
const POLL: Duration = Duration::from_millis(50);
/// What a node prints when it has received one.
pub(super) const FETCHED: &str = "fetched the snapshot";

pub(super) fn isolate(stage: &mut Stage<'_>) -> Result<(), Failure> {
    let follower = stage.follower;
    behind(
        stage,
        |stage| stage.others(follower).try_for_each(|other| stage.part(follower, other)),
        |stage| Ok(stage.network.heal()?),
    )
}

pub(super) fn kill(stage: &mut Stage<'_>) -> Result<(), Failure> {
    let node = &stage.network.nodes[stage.follower];
    let killed = |_: &Stage<'_>| {
        node.kill();
        Ok(())
    };
    behind(stage, killed, |_| Ok(node.start()?))
}

pub(super) fn wipe(stage: &mut Stage<'_>) -> Result<(), Failure> {
    let node = &stage.network.nodes[stage.follower];
    let wiped = |_: &Stage<'_>| {
        node.kill();
        Ok(node.wipe()?)
    };
    behind(stage, wiped, |_| Ok(node.start()?))
}

/// Under load: a follower is lost until the log has gone past it, and comes back; perhaps the leader changes meanwhile.
fn behind(
    stage: &mut Stage<'_>,
    lose: impl FnOnce(&Stage<'_>) -> Result<(), Failure>,
    recover: impl FnOnce(&Stage<'_>) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let (network, leader) = (stage.network, stage.leader);
    let node = &network.nodes[stage.follower];
    let mut dice = stage.dice.clone();
    Bulk::under(Load::WritesAndSaves, network, &mut dice, |bulk| {
        lose(stage)?;
        // What the others have now, the follower has at most; what it had just before grew until it was lost.
        let last = |node| number(network, node, "flotilla_log_last_index");
        let had = stage
            .others(stage.follower)
            .filter_map(last)
            .max()
            .ok_or_else(|| Failure::server("no node answers but the one that was lost"))?;
        let gone =
            |node| number(network, node, "flotilla_log_purged_index").is_some_and(|purged| purged > had);
        let purged = wait(PURGE_MAX, || stage.others(stage.follower).all(gone));
        let fetched = node.said(FETCHED);
        recover(stage)?;
        if !purged {
            let text = format!(
                "after {} writes of the load and {PURGE_MAX:?} the log was not purged past {had}",
                bulk.acknowledged()
            );
            return Err(Failure::server(text));
        }
        if stage.dice.below(2) == 0 {
            // The one that sends the snapshot is leader no more when it arrives, or is gone and back.
            stage.last(100, 1000);
            network.nodes[leader].kill();
            network.nodes[leader].start()?;
        }
        match wait(FETCH_MAX, || node.said(FETCHED) > fetched) {
            true => {
                stage.last(500, 3000);
                Ok(())
            }
            false => Err(Failure::server(format!(
                "{} is behind the log and has got no snapshot in {FETCH_MAX:?}:\n{}",
                node.name,
                node.log_tail(5)
            ))),
        }
    })
}

fn wait(within: Duration, is_so: impl Fn() -> bool) -> bool {
    let deadline = Instant::now() + within;
    while !is_so() {
        if Instant::now() > deadline {
            return false;
        }
        thread::sleep(POLL);
    }
    true
}
