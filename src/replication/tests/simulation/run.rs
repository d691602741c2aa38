//! A run from its seed to its end: found, trouble, heal, come to rest.

use crate::{
    feature_level::NEWEST,
    replication::tests::simulation::{checker, command, nemesis::Nemesis, node::Node, world::World},
    tests::stage::Mutant,
};
use std::collections::BTreeMap;

/// How long a core may take to be founded.
const FOUND_MS_MAX: u64 = 15_000;
/// How long there is trouble.
const TROUBLE_MS: u64 = 12_000;
/// How long it may take until everything is as it should be, once nothing is wrong any more.
const REST_MS_MAX: u64 = 30_000;

/// The result of a run.
pub(super) struct Outcome {
    pub(super) hash: u64,
    pub(super) summary: String,
    /// How often things of a kind happened.
    pub(super) tally: BTreeMap<String, u64>,
    /// The violated property, and the last lines of the history.
    pub(super) violation: Option<(String, String)>,
}

/// Runs a seed.
pub(super) fn run(seed: u64, mutant: Option<Mutant>) -> Outcome {
    let mut world = World::new(seed, mutant);
    play(&mut world);
    let reads = checker::with(|checker| checker.reads);
    world.stage.count("reads", reads);
    world.stage.count("packets lost", world.stage.network.borrow().lost);
    world.stage.count("calls doubled", world.stage.network.borrow().doubled);
    let trace = world.stage.trace.borrow();
    let violation = world.violation().map(|text| (text, trace.last()));
    let summary = format!(
        "{} nodes, {:.1} s, {} crashes, {}, {} lines",
        world.nodes.len(),
        world.stage.now() as f64 / 1000.0,
        world.crashes,
        checker::with(|checker| checker.summary()),
        trace.lines()
    );
    Outcome { hash: trace.hash(), summary, tally: trace.tally().clone(), violation }
}

fn play(world: &mut World) {
    world.start_all();
    if !until(world, FOUND_MS_MAX, |world| world.nodes.iter().any(|node| node.is_leader())) {
        return world.fail("no core was founded".into());
    }
    let end = world.stage.now() + TROUBLE_MS;
    let mut nemesis = Nemesis::new(world.stage.now(), world.stage.mutant);
    while world.stage.now() < end && world.violation().is_none() {
        nemesis.act(world);
        world.step();
        if world.stage.now().is_multiple_of(500) {
            world.compare_logs();
        }
    }
    if world.violation().is_some() {
        return;
    }
    Nemesis::heal(world);
    world.load = 0;
    if !until(world, REST_MS_MAX, has_settled) {
        return world.fail("nodes do not come to agree although nothing is wrong any more".into());
    }
    // Any node takes a write now.
    let writes: Vec<u64> = (0..world.nodes.len()).map(|slot| world.write(slot)).collect();
    let all_done = |_: &World| writes.iter().all(|write| checker::with(|c| c.is_acknowledged(*write)));
    if !until(world, REST_MS_MAX, |world| all_done(world) && has_settled(world)) {
        return world.fail("writes are not done although nothing is wrong any more".into());
    }
    conclude(world);
}

/// Time goes by until it is so; false if it takes too long.
fn until(world: &mut World, ms_max: u64, is_so: impl Fn(&World) -> bool) -> bool {
    let end = world.stage.now() + ms_max;
    while world.stage.now() < end && world.violation().is_none() {
        world.step();
        if is_so(world) {
            return true;
        }
    }
    world.violation().is_some()
}

/// Whether all nodes have applied the same log to its end, and every client has its answer.
fn has_settled(world: &World) -> bool {
    if !world.is_complete() || world.nodes.iter().any(Node::is_asked_to_stop) {
        return false;
    }
    let stands = |node: &Node| {
        // A new core is at the newest feature level by now.
        let applied =
            node.store().filter(|store| store.latest().state().feature_level == NEWEST)?.applied()?;
        (node.log()?.state().1 == Some(applied)).then_some(applied)
    };
    let first = stands(&world.nodes[0]);
    first.is_some()
        && world.nodes.iter().all(|node| stands(node) == first)
        && checker::with(|c| c.is_all_answered())
}

fn conclude(world: &World) {
    if world.violation().is_some() {
        return;
    }
    world.compare_logs();
    let writes = checker::with(|checker| checker.concludes());
    let expected = command::chain_of(&writes);
    let mut sums = Vec::new();
    for node in &world.nodes {
        let Some(store) = node.store() else { continue };
        let chain = command::chain_in(store);
        if chain != expected {
            world.fail(format!("the state of n{} is {chain}, and what was applied is {expected}", node.slot));
        }
        sums.push(store.checksum().unwrap());
    }
    if sums.iter().any(|sum| *sum != sums[0]) {
        world.fail(format!("the states of the nodes have the checksums {sums:x?}"));
    }
}
