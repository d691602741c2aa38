//! Damage does not spread: a node with a bad table leads, another one is emptied and wants all data, and all states are
//! compared. (Once that took the majority down: the follower got the damage with a checksum made of it.)

use std::thread;
use std::time::{Duration, Instant};

use resp_tests::cluster::Cluster;
use resp_tests::damage::{flip, tables};
use resp_tests::server::Stop;

use super::stage::{NODES, WHOLE_MAX, dice, rounds, start, verify, wait_until_whole, write};

fn make_lead(cluster: &Cluster, node: usize) {
    let deadline = Instant::now() + WHOLE_MAX;
    while cluster.leader() != Some(node) {
        let mut connection = cluster.nodes[node].connect().unwrap();
        connection.set_deadline(Duration::from_secs(30));
        let _ = connection.call(&["CORE", "TRANSFER", &format!("core-{node}")]);
        assert!(Instant::now() < deadline, "core-{node} does not lead");
        thread::sleep(Duration::from_millis(100));
    }
}

#[test]
fn a_leader_with_a_damaged_table_gives_it_to_nobody() {
    let mut dice = dice();
    for round in 0..rounds() {
        let mut cluster = start(&[]);
        let bad = dice.below(NODES as u64) as usize;
        let emptied = (bad + 1) % NODES;
        cluster.wait_until_agreed().unwrap();
        cluster.nodes[bad].stop(Stop::Kill).unwrap();
        let found = tables(&cluster.nodes[bad].data());
        let table = &found[dice.below(found.len() as u64) as usize];
        let bytes = std::fs::metadata(table).unwrap().len();
        // Data come first in a table.
        flip(table, dice.below(bytes / 2)).unwrap();
        cluster.nodes[bad].start_again().unwrap();
        make_lead(&cluster, bad);
        cluster.nodes[emptied].stop(Stop::Kill).unwrap();
        cluster.nodes[emptied].wipe().unwrap();
        cluster.nodes[emptied].spawn_again().unwrap();
        let began = Instant::now();
        // Never two at once: what the third node takes needs another one beside it.
        let third = (bad + 2) % NODES;
        let mut writes = 0_u64;
        let deadline = Instant::now() + WHOLE_MAX;
        loop {
            let mut connection = cluster.nodes[third].connect().unwrap();
            write(&mut connection, &["SET", "beat", &writes.to_string()]);
            writes += 1;
            for node in [bad, third] {
                assert!(cluster.nodes[node].is_running().unwrap(), "{}", cluster.nodes[node].log_tail());
            }
            if let Some(leader) = cluster.leader()
                && verify(&cluster.nodes[leader]).is_some()
                && cluster.nodes[bad].has_said("is damaged")
            {
                break;
            }
            assert!(Instant::now() < deadline, "nobody noticed\n{}", cluster.nodes[bad].log_tail());
        }
        wait_until_whole(&mut cluster, bad, &mut dice, &format!("spread, round {round}"));
        assert!(cluster.nodes[emptied].is_running().unwrap());
        println!(
            "round {round}: {} of core-{bad}, whole after {:.1} s, {writes} writes meanwhile",
            table.file_name().unwrap().display(),
            began.elapsed().as_secs_f64()
        );
    }
}
