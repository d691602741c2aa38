//! Runs with a plot instead of a nemesis: what was found once, and must not come back.

use super::{checker, world::World};

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

/// openraft refuses the writes of a leader that no majority hears. They went back into the queue at once, to be refused
/// again: the raft thread did nothing else, and whoever had sent them waited for ever.
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
