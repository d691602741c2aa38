//! Chooses faults and their times by the dice, one after the other.

use crate::{
    replication::tests::simulation::{node::Node, world::World},
    tests::stage::{
        Mutant,
        network::{CALM, Weather},
    },
};

/// Packets are late, overtake each other, get lost and come twice.
const ROUGH: Weather = Weather {
    delay_ms: (1, 20),
    late_ms: 400,
    late_per_mille: 30,
    lost_per_mille: 50,
    doubled_per_mille: 50,
    is_ordered: false,
};

/// Slow and jittery, but as TCP has it.
const FAR: Weather = Weather {
    delay_ms: (10, 40),
    late_ms: 150,
    late_per_mille: 50,
    lost_per_mille: 10,
    doubled_per_mille: 0,
    is_ordered: true,
};

#[derive(Debug, Clone, Copy)]
enum Fault {
    /// One node loses its power.
    Crash,
    /// All do, at once or nearly.
    CrashAll,
    /// All but one.
    CrashMajority,
    /// A node stands still.
    Freeze,
    /// Two groups that do not hear each other.
    Split,
    /// One node hears nobody, or nobody hears it.
    OneWay,
    /// Every node hears only some of the others.
    Ragged,
    /// The leader hears one node only; then that one loses its power, comes back at once, and hears the others only. Nobody
    /// writes meanwhile, so that any of those may lead.
    Turncoat,
    Mend,
    Weather,
    /// A disk that takes its time.
    SlowDisk,
    HandOver,
    /// One wall clock is set, or all of them.
    Clocks,
    /// A node is asked to stop, and starts again.
    Restart,
    /// A node gets an empty disk. Once in a run, and nothing else until it is a voter again: what Raft keeps, it keeps on
    /// a majority of the disks.
    Wipe,
}

const FAULTS: &[Fault] = &[
    Fault::Crash,
    Fault::Crash,
    Fault::CrashAll,
    Fault::CrashMajority,
    Fault::Freeze,
    Fault::Split,
    Fault::Split,
    Fault::OneWay,
    Fault::Ragged,
    Fault::Turncoat,
    Fault::Mend,
    Fault::Mend,
    Fault::Weather,
    Fault::SlowDisk,
    Fault::HandOver,
    Fault::Clocks,
    Fault::Restart,
    Fault::Wipe,
];

/// From within a lease to far beyond every timeout.
const SKEWS_MS: [i64; 9] = [-262_000, -5000, -500, -100, 0, 100, 500, 5000, 262_000];

/// The second step of a fault that takes time, for one node.
#[derive(Clone, Copy)]
enum Step {
    /// All has been well for a while: the leader hears this node only from here on.
    Listens(usize),
    TurnsItsCoat(usize),
    LosesItsDisk(usize),
}

/// The source of faults.
pub(super) struct Nemesis {
    faults: &'static [Fault],
    next_at: u64,
    has_wiped: bool,
    /// A wiped node is not a voter yet.
    is_wiping: bool,
    then: Option<(u64, Step)>,
}

impl Nemesis {
    pub(super) fn new(now: u64, mutant: Option<Mutant>) -> Self {
        let faults: &'static [Fault] = match mutant {
            // Only one thing shows it, and that is rare among all others.
            Some(Mutant::VotesAtOnce) => &[Fault::Turncoat],
            Some(Mutant::WallClockFollowed) => &[Fault::Clocks, Fault::HandOver],
            _ => FAULTS,
        };
        Nemesis { faults, next_at: now + 200, has_wiped: false, is_wiping: false, then: None }
    }

    pub(super) fn act(&mut self, world: &mut World) {
        let now = world.stage.now();
        if self.is_wiping {
            self.is_wiping = !world.is_complete();
            return;
        }
        // The moment at which most can go wrong.
        if world.has_heard_a_vote && world.dice.chance(250) {
            world.stage.turn_to(0);
            world.stage.note(format_args!("-- crash of those who vote"));
            (0..world.nodes.len()).for_each(|slot| doom(world, slot));
        }
        if let Some((_, step)) = self.then.filter(|(at, _)| *at <= now) {
            self.then = self.go_on(world, step);
        }
        if now < self.next_at {
            return;
        }
        self.next_at = now + world.dice.pick(&[50, 150, 400, 400, 800, 1500]);
        let fault = world.dice.pick(self.faults);
        world.stage.turn_to(0);
        world.stage.note(format_args!("-- {fault:?}"));
        world.stage.count(&format!("{fault:?}"), 1);
        let nodes = world.nodes.len() as u64;
        let leader = world.nodes.iter().find(|node| node.is_leader()).map(|node| node.slot);
        let one = match leader {
            Some(leader) if world.dice.chance(400) => leader,
            _ => world.dice.below(nodes) as usize,
        };
        match fault {
            Fault::Crash => doom(world, one),
            Fault::CrashAll => (0..world.nodes.len()).for_each(|slot| doom(world, slot)),
            Fault::CrashMajority => {
                (0..world.nodes.len()).filter(|slot| *slot != one).for_each(|slot| doom(world, slot));
            }
            Fault::Freeze => {
                if world.nodes[one].is_up() {
                    world.nodes[one].away_until = now + world.dice.pick(&[100, 350, 700, 3000]);
                }
            }
            Fault::Split => split(world),
            Fault::OneWay => {
                let hears = world.dice.chance(500);
                let mut network = world.stage.network.borrow_mut();
                for other in (0..world.nodes.len()).filter(|other| *other != one) {
                    if hears { network.cut(one, other) } else { network.cut(other, one) }
                }
            }
            Fault::Ragged => {
                for from in 0..world.nodes.len() {
                    for to in (0..world.nodes.len()).filter(|to| *to != from) {
                        if world.dice.chance(300) {
                            world.stage.network.borrow_mut().cut(from, to);
                        }
                    }
                }
            }
            Fault::Turncoat => {
                Nemesis::heal(world);
                world.quiet_until = now + 2600;
                self.then = Some((now + 1200, Step::Listens(world.dice.below(nodes) as usize)));
                self.next_at = now + 3000;
            }
            Fault::Mend => world.stage.network.borrow_mut().mend(),
            Fault::Weather => {
                let weather = world.dice.pick(&[ROUGH, CALM, ROUGH, FAR]);
                world.stage.network.borrow_mut().weather = weather;
            }
            Fault::SlowDisk => {
                let ms = world.dice.pick(&[0, 2, 20, 100, 600]);
                let all = world.dice.chance(500);
                world
                    .nodes
                    .iter_mut()
                    .filter(|node| all || node.slot == one)
                    .for_each(|node| node.disk_ms = ms);
            }
            Fault::HandOver => world.nodes[one].hand_over(&world.stage),
            Fault::Clocks => {
                let (all, skew) = (world.dice.chance(500), world.dice.pick(&SKEWS_MS));
                for node in world.nodes.iter().filter(|node| all || node.slot == one) {
                    world.stage.set_skew(node.slot, skew);
                }
            }
            Fault::Restart => world.nodes[one].ask_to_stop(&world.stage),
            Fault::Wipe if self.has_wiped => {}
            Fault::Wipe => {
                Nemesis::heal(world);
                self.then = Some((now + 1500, Step::LosesItsDisk(one)));
                self.next_at = now + 1600;
            }
        }
    }

    fn go_on(&mut self, world: &mut World, step: Step) -> Option<(u64, Step)> {
        let now = world.stage.now();
        let leader = world.nodes.iter().find(|node| node.is_leader()).map(|node| node.slot);
        match step {
            Step::Listens(slot) => {
                let leader = leader.filter(|leader| *leader != slot)?;
                isolate(world, leader, |node| node != slot);
                Some((now + 400, Step::TurnsItsCoat(slot)))
            }
            // Just before somebody who had asked for votes in vain asks again.
            Step::TurnsItsCoat(_) if now > world.quiet_until => None,
            Step::TurnsItsCoat(_) if world.asked_at + 280 != now => Some((now + 1, step)),
            Step::TurnsItsCoat(slot) => {
                let leader = leader.filter(|leader| *leader != slot && world.nodes[slot].is_up())?;
                isolate(world, leader, |_| true);
                let away_ms = world.dice.between(1, 21);
                world.crash(slot, away_ms);
                world.quiet_until = now;
                None
            }
            Step::LosesItsDisk(slot) => {
                let is_quiet = |node: &Node| node.is_up() && node.doomed_at.is_none();
                if world.nodes.iter().all(is_quiet) && world.is_complete() {
                    world.stage.count("disks lost", 1);
                    world.wipe(slot);
                    (self.has_wiped, self.is_wiping) = (true, true);
                }
                None
            }
        }
    }

    /// Everything is well from here on.
    pub(super) fn heal(world: &mut World) {
        world.stage.turn_to(0);
        world.stage.note(format_args!("-- all is well"));
        let now = world.stage.now();
        let mut network = world.stage.network.borrow_mut();
        network.mend();
        network.weather = CALM;
        drop(network);
        for node in &mut world.nodes {
            node.disk_ms = world.disk_ms;
            if node.is_up() && node.away_until > now {
                node.away_until = now;
            }
        }
    }
}

/// The node will lose its power soon.
fn doom(world: &mut World, slot: usize) {
    if !world.nodes[slot].is_up() || world.nodes[slot].doomed_at.is_some() {
        return;
    }
    // Either at once, or amid one of its next writes.
    let at = match world.dice.chance(500) {
        true => world.dice.pick(&[0, 1, 3, 10, 40]),
        false => {
            let operations = world.dice.below(6);
            world.stage.disk.borrow_mut().light_fuse(slot, operations);
            400
        }
    };
    world.nodes[slot].doomed_at = Some(world.stage.now() + at);
}

/// Neither hears the leader nor is heard by it: those nodes.
fn isolate(world: &mut World, leader: usize, whom: impl Fn(usize) -> bool) {
    let mut network = world.stage.network.borrow_mut();
    for node in (0..world.nodes.len()).filter(|node| *node != leader && whom(*node)) {
        network.cut(leader, node);
        network.cut(node, leader);
    }
}

fn split(world: &mut World) {
    let sides: Vec<bool> = world.nodes.iter().map(|_| world.dice.chance(500)).collect();
    let mut network = world.stage.network.borrow_mut();
    for (from, side) in sides.iter().enumerate() {
        for (to, other) in sides.iter().enumerate() {
            if side != other {
                network.cut(from, to);
            }
        }
    }
}
