//! All machines together: time goes by, clients write and read, and the checker hears of it.

use crate::{
    replication::{
        consensus::tests::said::{self, Said},
        tests::simulation::{
            checker,
            edge::Edge,
            log_time::LogTime,
            node::{Node, NotUp, address},
        },
    },
    tests::stage::{Dice, Entered, Mutant, Stage},
};
use std::{collections::BTreeSet, path::PathBuf, rc::Rc};
use tempfile::TempDir;

/// The simulated cluster.
pub(super) struct World {
    pub(super) stage: Rc<Stage>,
    pub(super) nodes: Vec<Node>,
    /// One for each node.
    edges: Vec<Edge>,
    pub(super) dice: Dice,
    next_write: u64,
    /// Writes and reads of clients per second, all nodes together.
    pub(super) load: u64,
    /// How long a disk takes at most when nothing is wrong with it.
    pub(super) disk_ms: u64,
    /// Until when nobody writes.
    pub(super) quiet_until: u64,
    pub(super) crashes: u64,
    /// Whether anybody has voted in this millisecond.
    pub(super) has_heard_a_vote: bool,
    /// When anybody last asked whether he would be voted for.
    pub(super) asked_at: u64,
    /// When a node was last asked to lead instead of another one, and had answered.
    pub(super) handed_over_at: u64,
    log_time: LogTime,
    _directory: TempDir,
    _entered: Entered,
}

impl World {
    pub(super) fn new(seed: u64, mutant: Option<Mutant>) -> Self {
        let mut dice = Dice::new(seed);
        let count = dice.pick(&[3, 3, 3, 5]);
        let stage = Stage::new(dice.roll(), (0..count).map(address).collect(), mutant);
        {
            let mut network = stage.network.borrow_mut();
            network.is_doubled = said::is_doubled;
            network.describe = said::describe;
        }
        let entered = stage.enter();
        checker::with(|checker| *checker = checker::Checker::default());
        let directory = tempfile::tempdir_in(scratch()).unwrap();
        let (load, disk_ms) = (dice.pick(&[20, 60, 60, 120]), dice.pick(&[2, 2, 20, 60]));
        // Clocks differ in speed by up to a twentieth: what the lease is made to bear.
        let nodes = (0..count)
            .map(|slot| {
                let pace = dice.between(975, 1026);
                stage.set_pace(slot, pace);
                Node::new(slot, count, directory.path(), pace, disk_ms)
            })
            .collect();
        World {
            stage,
            nodes,
            edges: (0..count).map(|_| Edge::default()).collect(),
            dice,
            next_write: 1,
            load,
            disk_ms,
            quiet_until: 0,
            crashes: 0,
            has_heard_a_vote: false,
            asked_at: 0,
            handed_over_at: 0,
            log_time: LogTime::new(count),
            _directory: directory,
            _entered: entered,
        }
    }

    pub(super) fn start_all(&mut self) {
        (0..self.nodes.len()).for_each(|slot| self.start(slot));
    }

    pub(super) fn start(&mut self, slot: usize) {
        match self.nodes[slot].start(&self.stage) {
            Ok(()) => {}
            Err(NotUp::PowerCut) => self.crash(slot, 100),
            Err(NotUp::Refused(why)) => self.fail(format!("n{slot} does not start: {why}")),
        }
    }

    pub(super) fn fail(&self, text: String) {
        checker::with(|checker| checker.violated(text));
    }

    /// A node loses its power, and gets it back after a while.
    pub(super) fn crash(&mut self, slot: usize, away_ms: u64) {
        self.crashes += 1;
        self.nodes[slot].lose_power(&self.stage);
        self.nodes[slot].away_until = self.stage.now() + away_ms;
    }

    /// A node's disk is replaced by an empty one.
    pub(super) fn wipe(&mut self, slot: usize) {
        self.crashes += 1;
        self.nodes[slot].wipe(&self.stage);
        self.nodes[slot].away_until = self.stage.now() + 500;
    }

    /// Whether every node votes, and nobody else.
    pub(super) fn is_complete(&self) -> bool {
        let ids: BTreeSet<u64> = self.nodes.iter().map(|node| node.id).collect();
        self.nodes.iter().all(|node| node.voters() == ids)
    }

    pub(super) fn violation(&self) -> Option<String> {
        checker::with(|checker| checker.violation())
    }

    /// A millisecond goes by.
    pub(super) fn step(&mut self) {
        self.stage.pass(1);
        let now = self.stage.now();
        for slot in 0..self.nodes.len() {
            let is_due = |at| at <= now || (self.nodes[slot].is_stuck() && self.dice.chance(100));
            if self.nodes[slot].doomed_at.is_some_and(is_due) {
                let away_ms = self.dice.pick(&[50, 500, 500, 2000, 4000]);
                self.crash(slot, away_ms);
            }
            if !self.nodes[slot].is_up() && self.nodes[slot].away_until <= now {
                self.start(slot);
            }
            self.nodes[slot].step(&self.stage, &mut self.dice);
            if self.nodes[slot].has_stopped(&self.stage) {
                self.nodes[slot].away_until = now + 20;
            }
        }
        for (node, edge) in self.nodes.iter().zip(&mut self.edges) {
            if let Some(running) = &node.running {
                self.stage.turn_to(node.slot);
                edge.follow(node.slot, &running.frames, running.handle.store(), &self.stage);
            }
        }
        self.listen();
        for (slot, reason) in self.stage.stopped() {
            self.fail(format!("n{slot} stopped itself: {reason}"));
        }
        for node in &self.nodes {
            node.outcomes(&self.stage);
        }
        if let Some(wrong) = self.log_time.look(&self.stage, &self.nodes) {
            self.fail(wrong);
        }
        self.clients();
    }

    /// Hears what nodes said to each other.
    fn listen(&mut self) {
        self.has_heard_a_vote = false;
        let seen = std::mem::take(&mut self.stage.network.borrow_mut().seen);
        for seen in seen {
            let by = if seen.answer.is_some() { seen.to_id } else { seen.from_id };
            if let Some(what) = said::kind_of_success(seen.kind, seen.answer.as_ref()) {
                self.stage.count(what, 1);
            }
            if said::asks(seen.kind) && seen.answer.is_none() {
                self.asked_at = self.stage.now();
            }
            if said::hands_over(seen.kind) && seen.answer.is_some() {
                self.handed_over_at = self.stage.now();
            }
            let Some(said) = said::read(seen.kind, &seen.body, seen.answer.as_ref()) else { continue };
            self.has_heard_a_vote |= !matches!(said, Said::Leads { .. });
            let leads = checker::with(|checker| checker.hears(by, said));
            if let Some(node) = self.nodes.iter().find(|node| leads && node.id == by)
                && let Some(log) = node.log()
            {
                checker::with(|checker| checker.comes_to_lead(node.slot, log));
            }
        }
    }

    /// A client asks this node to write; says what.
    pub(super) fn write(&mut self, slot: usize) -> u64 {
        let write = self.next_write;
        self.next_write += 1;
        self.nodes[slot].submit(&self.stage, write);
        write
    }

    fn clients(&mut self) {
        if !self.dice.chance(self.load) {
            return;
        }
        let slot = self.dice.below(self.nodes.len() as u64) as usize;
        let writes = self.dice.pick(&[1, 1, 2, 5]);
        if self.quiet_until <= self.stage.now() {
            (0..writes).for_each(|_| {
                self.write(slot);
            });
        }
        let slot = self.dice.below(self.nodes.len() as u64) as usize;
        self.nodes[slot].read(&self.stage);
        for node in &self.nodes {
            if node.away_until <= self.stage.now() {
                node.read_at_once("under the lease");
            }
        }
    }

    /// Compares the logs of all nodes that are up.
    pub(super) fn compare_logs(&self) {
        for (at, one) in self.nodes.iter().enumerate() {
            for other in &self.nodes[at + 1..] {
                if let (Some(a), Some(b)) = (one.log(), other.log()) {
                    checker::with(|checker| checker.compares((one.slot, a), (other.slot, b)));
                }
            }
        }
    }
}

impl Drop for World {
    fn drop(&mut self) {
        for node in &mut self.nodes {
            node.stop_for_good(&self.stage);
        }
    }
}

/// The directory where files cost least.
fn scratch() -> PathBuf {
    let memory = PathBuf::from("/dev/shm");
    if memory.is_dir() { memory } else { std::env::temp_dir() }
}
