//! Runs with a plot instead of a nemesis: what was found once, and must not come back.

use crate::{
    replication::tests::simulation::{checker, world::World},
    tests::stage::Mutant,
};

/// Until a node leads; says which.
fn founded(world: &mut World) -> usize {
    world.start_all();
    world.load = 0;
    for _ in 0..20_000 {
        world.step();
        if let Some(leader) = world.nodes.iter().find(|node| node.is_leader()) {
            return leader.slot;
        }
    }
    panic!("no core was founded");
}

/// openraft refuses the writes of a leader without contact to a majority. They went back into the queue at once, to be
/// refused again: the raft thread did nothing else, and their clients waited for ever.
#[test]
fn a_leader_that_nobody_hears_says_so_within_six_seconds() {
    let mut world = World::new(1, None);
    let leader = founded(&mut world);
    for other in (0..world.nodes.len()).filter(|other| *other != leader) {
        world.stage.network.borrow_mut().cut(leader, other);
        world.stage.network.borrow_mut().cut(other, leader);
    }
    (0..1000).for_each(|_| world.step());
    let write = world.write(leader);
    (0..6000).for_each(|_| world.step());
    assert_eq!(world.violation(), None);
    assert!(checker::with(|checker| checker.is_refused(write)), "no answer");
}

/// Until it is so.
fn until(world: &mut World, what: &str, ms_max: u64, is_so: impl Fn(&World) -> bool) {
    for _ in 0..ms_max {
        world.step();
        assert_eq!(world.violation(), None);
        if is_so(world) {
            return;
        }
    }
    panic!("never happened: {what}");
}

fn cut_off(world: &World, node: usize) {
    let mut network = world.stage.network.borrow_mut();
    for other in (0..world.nodes.len()).filter(|other| *other != node) {
        network.cut(node, other);
        network.cut(other, node);
    }
}

/// A leader that was taken out asks another node to lead, and hears nothing more: what it reads from here on by its lease,
/// although the other one has written.
fn removed_leader_reads(seed: u64, mutant: Option<Mutant>) -> Option<String> {
    let mut world = World::new(seed, mutant);
    let leader = founded(&mut world);
    world.nodes.iter_mut().for_each(|node| node.disk_ms = 1);
    (0..1000).for_each(|_| world.step());
    world.nodes[leader].remove_itself(&world.stage);
    until(&mut world, "another node is asked to lead", 5000, |world| world.handed_over_at > 0);
    cut_off(&world, leader);
    let mut write = None;
    for _ in 0..500 {
        world.step();
        world.nodes[leader].read_at_once("after it was removed");
        if let Some(violation) = world.violation() {
            return Some(violation);
        }
        let next =
            world.nodes.iter().find(|node| node.slot != leader && node.is_leader()).map(|node| node.slot);
        write = write.or_else(|| next.map(|slot| world.write(slot)));
    }
    let write = write.expect("nobody took over");
    assert!(checker::with(|checker| checker.is_acknowledged(write)), "seed {seed}: not written");
    None
}

/// openraft's own step-down asks another node to lead, who is elected at once, while this one reads under its lease.
#[test]
fn a_leader_that_was_removed_reads_nothing_by_its_lease_when_it_asks_another_to_lead() {
    for seed in 1..=5 {
        assert_eq!(removed_leader_reads(seed, None), None, "seed {seed}");
    }
    let found = (1..=5).find_map(|seed| removed_leader_reads(seed, Some(Mutant::LeaseKept)));
    assert!(found.is_some_and(|found| found.contains("after it was removed")), "this cannot fail");
}

/// All nodes are asked to stop: the last leader's word made one of them lead that stopped itself, and that waited for a
/// majority for ever.
#[test]
fn a_node_that_is_to_stop_takes_no_lead() {
    for seed in 1..=5 {
        let mut world = World::new(seed, None);
        let leader = founded(&mut world);
        (0..1000).for_each(|_| world.step());
        let (stopping, other) = match world.nodes.len() {
            3 => ((leader + 1) % 3, (leader + 2) % 3),
            _ => continue,
        };
        world.nodes[stopping].step_down(&world.stage);
        (0..100).for_each(|_| world.step());
        // The one that goes on takes over, however little of the log it may have.
        world.nodes[leader].hand_over(&world.stage);
        until(&mut world, "the other one leads", 5000, |world| world.nodes[other].is_leader());
        // Nobody takes it from there: it is asked to lead by name, the leader loses its power, it hears nobody.
        world.crash(other, 5000);
        let before = world.stage.now();
        until(&mut world, "the first one leads again", 10_000, |world| {
            assert!(!world.nodes[stopping].is_leader(), "seed {seed}");
            world.nodes[leader].is_leader() && world.stage.now() > before + 3000
        });
    }
}

/// Every node is asked to stop at once, while clients write.
#[test]
fn nodes_that_stop_all_at_once_do_stop() {
    for seed in 1..=3 {
        let mut world = World::new(seed, None);
        founded(&mut world);
        world.load = 120;
        (0..500).for_each(|_| world.step());
        for node in &world.nodes {
            node.ask_to_stop(&world.stage);
        }
        let mut stopped = vec![false; world.nodes.len()];
        // They start again 20 ms after they have stopped.
        let end = world.stage.now() + 15_000;
        while stopped.contains(&false) {
            world.step();
            assert_eq!(world.violation(), None, "seed {seed}");
            stopped.iter_mut().zip(&world.nodes).for_each(|(stopped, node)| *stopped |= !node.is_up());
            assert!(world.stage.now() < end, "seed {seed}: {stopped:?}");
        }
    }
}
