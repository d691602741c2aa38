//! A disk that is full for a while. The node goes on with what room it has kept, and refuses what it has no room for; it may
//! stop where nothing at all can be written for long. It may not acknowledge what it could not write (the checkers see to
//! that), nor keep the others from working.

use std::thread;
use std::time::{Duration, Instant};

use super::{Pace, Stage};
use crate::chaos::bulk::{Bulk, Load};
use crate::chaos::failure::Failure;
use crate::chaos::watch::leader_of;

/// Load of some MB a second uses up what a node has set aside within this time, or the disk was not full.
const SUFFER_MAX: Duration = Duration::from_secs(15);
/// Who is left must lead, and take writes, again in this time.
const LEAD_MAX: Duration = Duration::from_secs(5);
const POLL: Duration = Duration::from_millis(20);

pub(super) fn fill(stage: &mut Stage<'_>, victim: usize) -> Result<(), Failure> {
    let network = stage.network;
    let node = &network.nodes[victim];
    let mut dice = stage.dice.clone();
    // What stops first differs: a checkpoint, the next log segment, a flush, the vote.
    let load = if stage.dice.below(3) == 0 { Load::WritesAndSaves } else { Load::Writes };
    let played: Result<(), Failure> = Bulk::under(load, network, &mut dice, |bulk| {
        let ended = suffer(stage, victim, bulk)?;
        go_on(stage, victim, bulk)?;
        match ended {
            true => println!("  {} stopped: {}", node.name, node.log_tail(1)),
            false => println!("  {} went on with a full disk", node.name),
        }
        // A supervisor starts it again and again; that may not make things worse.
        if ended && stage.dice.below(2) == 0 {
            node.start()?;
            stage.last(500, 2000);
        }
        Ok(())
    });
    // Whatever came of it, it gets its room back; it may be at its last gasp, or not.
    node.disk.free()?;
    if node.has_ended_within(Duration::from_millis(500)) {
        node.start()?;
    }
    played?;
    stage.last(500, 1500);
    Ok(())
}

/// Fills the disk and keeps it full until the node has ended, or shown that it can do without.
fn suffer(stage: &Stage<'_>, victim: usize, bulk: &Bulk) -> Result<bool, Failure> {
    let node = &stage.network.nodes[victim];
    let (began, mut progress) = (Instant::now(), Progress::new(bulk));
    let lasts = match stage.pace {
        Pace::Brisk => SUFFER_MAX / 2,
        Pace::Drawn => SUFFER_MAX,
    };
    while node.is_running() {
        node.disk.fill()?;
        progress.check(bulk, &format!("the disk of {} is full", node.name))?;
        if began.elapsed() > lasts {
            return Ok(false);
        }
        thread::sleep(POLL);
    }
    Ok(true)
}

/// The others lead and take writes.
fn go_on(stage: &Stage<'_>, victim: usize, bulk: &Bulk) -> Result<(), Failure> {
    let (network, began) = (stage.network, Instant::now());
    let name = &network.nodes[victim].name;
    while network.nodes[victim].is_running() || leader_of(network, stage.others(victim)).is_none() {
        if network.nodes[victim].is_running() {
            return Ok(());
        }
        if began.elapsed() > LEAD_MAX {
            let text = format!("{name} ended with a full disk, and nobody leads {LEAD_MAX:?} later");
            return Err(Failure::server(text));
        }
        thread::sleep(POLL);
    }
    let (before, mut progress) = (bulk.acknowledged(), Progress::new(bulk));
    while bulk.acknowledged() < before + 20 {
        progress.check(bulk, &format!("{name} has ended with a full disk"))?;
        thread::sleep(POLL);
    }
    Ok(())
}

/// That somebody's writes are acknowledged all the time.
struct Progress {
    seen: u64,
    at: Instant,
}

impl Progress {
    fn new(bulk: &Bulk) -> Progress {
        Progress { seen: bulk.acknowledged(), at: Instant::now() }
    }

    fn check(&mut self, bulk: &Bulk, why: &str) -> Result<(), Failure> {
        let acknowledged = bulk.acknowledged();
        if acknowledged > self.seen {
            *self = Progress { seen: acknowledged, at: Instant::now() };
        }
        // The load's own clients may wait for a node that is gone until they give up.
        match self.at.elapsed() > LEAD_MAX + Duration::from_secs(5) {
            true => Err(Failure::server(format!("{why}, and no write is taken for {:?}", self.at.elapsed()))),
            false => Ok(()),
        }
    }
}
