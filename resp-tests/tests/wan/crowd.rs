//! Many edges on one core node.

use std::fs;
use std::thread;
use std::time::{Duration, Instant};

use resp_tests::server::Server;

use super::setup::*;

/// Of caches, so that what grows with edges is seen.
const SMALL_CACHES: [&str; 6] =
    ["--block-cache-bytes", "8mb", "--hot-cache-bytes", "4mb", "--memtable-bytes", "1mb"];
/// What the core may take for all edges together; an edge that reads nothing must not be kept for.
const MORE_BYTES_MAX: u64 = 192 << 20;

/// What a process has in memory.
fn resident_bytes(server: &Server) -> u64 {
    let status = fs::read_to_string(format!("/proc/{}/status", server.pid())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() * 1024
}

#[test]
fn many_edges_follow_one_core_node() {
    let count = edges();
    let wan = wan("crowd", count + 1, 1);
    let core = core(&wan, &[0], &SMALL_CACHES);
    let writer = Writer::start(vec![core.nodes[0].door()]);
    let load = Load::start(core.nodes[0].door(), Duration::from_millis(100));
    let_write(&writer, 50);
    let before = resident_bytes(&core.nodes[0]);
    let places: Vec<usize> = (1..=count).collect();
    let edges = edges_at(&wan, &places, &core, &SMALL_CACHES);
    let readers: Vec<Reader> = edges.iter().step_by(4).map(|edge| Reader::start(edge.door())).collect();
    // One that reads no more, and one that is cut off.
    let (asleep, away) = (&edges[0], count);
    asleep.pause().unwrap();
    wan.cut(&[0], &[away]);
    let (mut most, end) = (before, Instant::now() + weather_lasts());
    while Instant::now() < end {
        most = most.max(resident_bytes(&core.nodes[0]));
        thread::sleep(Duration::from_millis(50));
    }
    asleep.resume().unwrap();
    wan.heal(&[0], &[away]);
    let (last, loaded) = (writer.stop(), load.stop());
    let all: Vec<&Server> = edges.iter().collect();
    wait_for_last(&all, last);
    most = most.max(resident_bytes(&core.nodes[0]));
    assert_same_state(&core.nodes[0], &all);
    eventually("the core tells of all of them", || {
        info(&core.nodes[0], "flotilla_edges") == i64::try_from(count).unwrap()
    });
    let reads: u64 = readers.into_iter().map(Reader::stop).sum();
    println!(
        "crowd: {count} edges, {last} transactions, {loaded} writes beside, {reads} reads; the core took {} MiB before, {} MiB at most",
        before >> 20,
        most >> 20
    );
    assert!(most < before + MORE_BYTES_MAX, "from {before} to {most} bytes");
}
