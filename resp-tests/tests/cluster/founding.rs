//! Exactly one cluster comes of one list, whatever happens while it is founded (faults.md (a) 33 and 34).

use std::thread;
use std::time::{Duration, Instant};

use resp_tests::cluster::{Cluster, field};
use resp_tests::dice::Dice;
use resp_tests::server::{Program, Server, Stop};

use super::{NODES, bulk, call, ok, seed};

const FOUNDED_MAX: Duration = Duration::from_secs(30);

fn list(peers: &[u16], order: &[usize]) -> String {
    let entry = |index: &usize| format!("core-{index}=127.0.0.1:{}", peers[*index]);
    order.iter().map(entry).collect::<Vec<_>>().join(",")
}

fn args(name: usize, list: String) -> Vec<String> {
    vec!["--node-name".to_owned(), format!("core-{name}"), "--cluster".to_owned(), list]
}

fn cluster_ids(cluster: &Cluster) -> Vec<Option<String>> {
    cluster.nodes.iter().map(|node| field(node, "flotilla_cluster_id")).collect()
}

#[test]
fn nodes_that_die_and_lose_their_disks_while_they_found_come_out_as_one_cluster() {
    let seed = seed("CLUSTER_SEED");
    let mut dice = Dice::new(seed);
    for round in 0..5 {
        let nodes = Server::spawn_together(&Program::product(), NODES, |peers, index| {
            args(index, list(peers, &[0, 1, 2]))
        });
        let mut cluster = Cluster { nodes: nodes.unwrap() };
        // Founding takes some 200 ms: kills fall before, into and after it.
        for _ in 0..dice.between(2, 6) {
            thread::sleep(Duration::from_millis(dice.below(150)));
            let victim = dice.below(NODES as u64) as usize;
            cluster.nodes[victim].stop(Stop::Kill).unwrap();
            thread::sleep(Duration::from_millis(dice.below(100)));
            // Never two disks of three: that is a lost majority.
            if victim == 2 && dice.below(2) == 0 {
                cluster.nodes[victim].wipe().unwrap();
            }
            cluster.nodes[victim].spawn_again().unwrap();
        }
        let context = format!("round {round}, CLUSTER_SEED={seed}");
        cluster.wait_until_agreed().unwrap_or_else(|error| panic!("{context}: {error}"));
        let ids = cluster_ids(&cluster);
        assert!(ids[0].is_some() && ids.iter().all(|id| *id == ids[0]), "{context}: {ids:?}");
        let mut connection = cluster.nodes[0].connect().unwrap();
        assert_eq!(call(&mut connection, &["SET", "founded", "yes"]), ok(), "{context}");
        for node in &cluster.nodes {
            assert_eq!(call(&mut node.connect().unwrap(), &["GET", "founded"]), bulk("yes"), "{context}");
        }
    }
}

/// The founder, started again with an empty disk, finds that there is a cluster and founds no other.
#[test]
fn a_founder_without_its_disk_founds_nothing_new() {
    let mut cluster = Cluster::start(&Program::product(), NODES, &[]).unwrap();
    cluster.wait_until_agreed().unwrap();
    let id = field(&cluster.nodes[1], "flotilla_cluster_id");
    // Only one of the others is there to tell it so.
    cluster.nodes[0].stop(Stop::Kill).unwrap();
    cluster.nodes[0].wipe().unwrap();
    cluster.nodes[2].stop(Stop::Kill).unwrap();
    cluster.nodes[0].spawn_again().unwrap();
    thread::sleep(Duration::from_secs(2));
    cluster.nodes[2].start_again().unwrap();
    cluster.wait_until_agreed().unwrap();
    assert!(
        cluster_ids(&cluster).iter().all(|found| *found == id),
        "{:?}, not {id:?}",
        cluster_ids(&cluster)
    );
}

/// Lists in different orders name different founders: at most one of them founds, and no node is of another cluster.
#[test]
fn lists_that_differ_never_make_two_clusters() {
    for _ in 0..3 {
        let orders = [[0, 1, 2], [1, 2, 0], [2, 0, 1]];
        let nodes = Server::spawn_together(&Program::product(), NODES, |peers, index| {
            args(index, list(peers, &orders[index]))
        });
        let mut cluster = Cluster { nodes: nodes.unwrap() };
        let deadline = Instant::now() + Duration::from_secs(3);
        let mut serves = false;
        while !serves && Instant::now() < deadline {
            serves = cluster.nodes.iter().all(|node| field(node, "loading").as_deref() == Some("0"));
            thread::sleep(Duration::from_millis(50));
        }
        match serves {
            true => {
                let ids = cluster_ids(&cluster);
                assert!(ids.iter().all(|id| *id == ids[0]), "{ids:?}");
            }
            // Each waits for the others, and says so: that is put right by one list and empty directories.
            false => {
                let said: String = cluster.nodes.iter().map(Server::log_tail).collect();
                assert!(said.contains("it is of cluster"), "{said}");
                for index in 0..NODES {
                    cluster.nodes[index].stop(Stop::Kill).unwrap();
                    cluster.nodes[index].wipe().unwrap();
                }
                let peers: Vec<u16> = cluster.nodes.iter().map(Server::peer_port).collect();
                for (index, node) in cluster.nodes.iter_mut().enumerate() {
                    node.set_args(&args(index, list(&peers, &orders[0])));
                    node.spawn_again().unwrap();
                }
                let deadline = Instant::now() + FOUNDED_MAX;
                while cluster.wait_until_agreed().is_err() {
                    assert!(Instant::now() < deadline);
                }
            }
        }
    }
}
