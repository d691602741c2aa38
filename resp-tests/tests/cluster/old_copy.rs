//! A data directory restored from an old copy: its node has forgotten what it acknowledged, and must not vote.

use std::fs;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use resp_tests::cluster::{Cluster, field};
use resp_tests::server::{Program, Stop};

use super::{NODES, call, ok};

const STOPS_MAX: Duration = Duration::from_secs(20);

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        match entry.file_type().unwrap().is_dir() {
            true => copy(&entry.path(), &to.join(entry.file_name())),
            false => drop(fs::copy(entry.path(), to.join(entry.file_name())).unwrap()),
        }
    }
}

/// faults.md (a) 32.
#[test]
fn a_node_whose_log_went_back_is_stopped_and_stays_stopped_until_it_is_emptied() {
    let mut cluster = Cluster::start(&Program::product(), NODES, &["--repair-damaged", "no"]).unwrap();
    let leader = cluster.wait_until_agreed().unwrap();
    let victim = (leader + 1) % NODES;
    let write = |cluster: &Cluster, from: u32| {
        let mut connection = cluster.nodes[leader].connect().unwrap();
        for key in from..from + 100 {
            assert_eq!(call(&mut connection, &["SET", &format!("key:{key}"), "v"]), ok());
        }
    };
    write(&cluster, 0);
    let old = field(&cluster.nodes[victim], "flotilla_node_id");
    cluster.nodes[victim].stop(Stop::Terminate).unwrap();
    let backup = tempfile::tempdir().unwrap();
    copy(&cluster.nodes[victim].data(), backup.path());
    cluster.nodes[victim].start_again().unwrap();
    write(&cluster, 100);
    assert_eq!(cluster.wait_until_agreed().unwrap(), leader);
    cluster.nodes[victim].stop(Stop::Kill).unwrap();
    cluster.nodes[victim].wipe().unwrap();
    copy(backup.path(), &cluster.nodes[victim].data());
    // Twice: it does not get better by starting again.
    for _ in 0..2 {
        cluster.nodes[victim].spawn_again().unwrap();
        let deadline = Instant::now() + STOPS_MAX;
        while cluster.nodes[victim].is_running().unwrap() {
            assert!(Instant::now() < deadline, "it runs\n{}", cluster.nodes[victim].log_tail());
            thread::sleep(Duration::from_millis(20));
        }
        let said = cluster.nodes[victim].log_tail();
        assert!(said.contains("its data directory is an old copy"), "{said}");
    }
    // The others took no harm, and it comes back as a new node when it may, or when it is emptied.
    assert_eq!(cluster.leader(), Some(leader));
    write(&cluster, 200);
    cluster.nodes[victim].change_arg("--repair-damaged", "yes");
    cluster.nodes[victim].start_again().unwrap();
    cluster.wait_until_agreed().unwrap();
    assert_ne!(field(&cluster.nodes[victim], "flotilla_node_id"), old);
    cluster.nodes[victim].stop(Stop::Kill).unwrap();
    cluster.nodes[victim].wipe().unwrap();
    cluster.nodes[victim].start_again().unwrap();
    cluster.wait_until_agreed().unwrap();
}
