//! Links between nodes that are cut, one way or both, for good or now and then. Those to clients stay.

use std::thread;
use std::time::Duration;

use super::{Pace, Stage};
use crate::chaos::failure::Failure;
use crate::chaos::net::Cut;
use crate::chaos::watch::number;

/// Two elections that are split are possible; more are not likely.
const TERMS_PER_FLAP: u64 = 2;

impl Stage<'_> {
    /// Neither hears the other.
    pub(super) fn part(&self, one: usize, other: usize) -> Result<(), Failure> {
        self.network.cut(one, other, Cut::Drop)?;
        Ok(self.network.cut(other, one, Cut::Drop)?)
    }

    /// Lets cuts last, then heals them; they must have caught something.
    fn last_and_heal(&mut self) -> Result<(), Failure> {
        // An election and some time after it, at the least.
        self.last(2500, 6000);
        let caught = self.network.caught()?;
        self.network.heal()?;
        // Next to another fault there may be nobody left who sends.
        match caught == 0 && !self.in_company {
            true => Err(Failure::harness("the cut caught no packet")),
            false => Ok(()),
        }
    }
}

pub(super) fn isolate(stage: &mut Stage<'_>, victim: usize) -> Result<(), Failure> {
    for other in stage.others(victim) {
        stage.part(victim, other)?;
    }
    stage.last_and_heal()
}

pub(super) fn mute(stage: &mut Stage<'_>, victim: usize) -> Result<(), Failure> {
    for other in stage.others(victim) {
        stage.network.cut(victim, other, Cut::Drop)?;
    }
    stage.last_and_heal()
}

pub(super) fn deafen(stage: &mut Stage<'_>, victim: usize) -> Result<(), Failure> {
    for other in stage.others(victim) {
        stage.network.cut(other, victim, Cut::Drop)?;
    }
    stage.last_and_heal()
}

pub(super) fn bridge(stage: &mut Stage<'_>) -> Result<(), Failure> {
    stage.part(stage.leader, stage.follower)?;
    stage.last_and_heal()
}

/// In an order of chance, every node keeps the one before it and the one after it.
pub(super) fn ring(stage: &mut Stage<'_>) -> Result<(), Failure> {
    let mut order: Vec<usize> = stage.network.core().collect();
    stage.dice.shuffle(&mut order);
    let count = order.len();
    for (at, one) in order.iter().enumerate() {
        for (distance, other) in
            order.iter().enumerate().map(|(to, other)| ((count + to - at) % count, other))
        {
            if (2..=count - 2).contains(&distance) {
                stage.network.cut(*one, *other, Cut::Drop)?;
            }
        }
    }
    // Several elections.
    stage.last(2000, 6000);
    stage.last_and_heal()
}

/// A cut-off leader costs a term, perhaps two; nodes that meet again cost none (pre-vote), however often they do.
pub(super) fn flap(stage: &mut Stage<'_>) -> Result<(), Failure> {
    let term = |stage: &Stage<'_>| {
        let terms = stage.network.core().filter_map(|node| number(stage.network, node, "flotilla_raft_term"));
        terms.max().ok_or_else(|| Failure::server("no node tells its term"))
    };
    let (before, flaps) = (term(stage)?, if stage.pace == Pace::Brisk { 6 } else { 30 });
    for _ in 0..flaps {
        for other in stage.others(stage.leader) {
            stage.part(stage.leader, other)?;
        }
        thread::sleep(Duration::from_millis(stage.dice.between(100, 700)));
        stage.network.heal()?;
        thread::sleep(Duration::from_millis(stage.dice.between(100, 500)));
    }
    let after = term(stage)?;
    match after - before > TERMS_PER_FLAP * flaps {
        true => Err(Failure::server(format!("terms went from {before} to {after} in {flaps} cuts"))),
        false => Ok(()),
    }
}

/// Whatever the leader sends or is sent is answered with a reset.
pub(super) fn reset(stage: &mut Stage<'_>) -> Result<(), Failure> {
    for other in stage.others(stage.leader) {
        stage.network.cut(stage.leader, other, Cut::Reset)?;
        stage.network.cut(other, stage.leader, Cut::Reset)?;
    }
    stage.last_and_heal()
}

/// Three packets of ten are lost, everywhere.
pub(super) fn lose(stage: &mut Stage<'_>) -> Result<(), Failure> {
    for one in stage.network.core() {
        for other in stage.others(one) {
            stage.network.cut(one, other, Cut::Lossy)?;
        }
    }
    stage.last_and_heal()
}
