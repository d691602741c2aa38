//! Snapshots that two leaders offer at once: one is received at a time, since both are put together in one place.

use std::thread;
use std::time::{Duration, Instant};

use resp_tests::cluster::Cluster;
use resp_tests::server::{Program, Stop};

use super::stage::{NODES, SETTINGS, WHOLE_MAX, dice, fill, wait_until_whole};

#[test]
fn a_second_offer_waits_for_the_end_of_the_first() {
    let args: Vec<&str> = SETTINGS.iter().copied().chain(["--snapshot-bytes-per-second", "400kb"]).collect();
    let mut cluster = Cluster::start(&Program::product(), NODES, &args).unwrap();
    fill(&cluster);
    let leader = cluster.wait_until_agreed().unwrap();
    let emptied = (leader + 1) % NODES;
    cluster.nodes[emptied].stop(Stop::Kill).unwrap();
    cluster.nodes[emptied].wipe().unwrap();
    cluster.nodes[emptied].spawn_again().unwrap();
    let wait_for = |said: &str| {
        let deadline = Instant::now() + WHOLE_MAX;
        while !cluster.nodes[emptied].has_said(said) {
            assert!(
                Instant::now() < deadline,
                "it never said: {said}\n{}",
                cluster.nodes[emptied].log_tail()
            );
            thread::sleep(Duration::from_millis(10));
        }
    };
    wait_for("fetching a snapshot");
    // The next leader has a snapshot of its own to offer, while the first one's is on its way.
    let next = (leader + 2) % NODES;
    let deadline = Instant::now() + WHOLE_MAX;
    while cluster.leader() != Some(next) {
        let mut connection = cluster.nodes[leader].connect().unwrap();
        connection.set_deadline(Duration::from_secs(30));
        let _ = connection.call(&["CORE", "TRANSFER", &format!("core-{next}")]);
        assert!(Instant::now() < deadline, "core-{next} does not lead");
    }
    wait_for("because another one is being received");
    wait_until_whole(&mut cluster, emptied, &mut dice(), "two offers");
}
