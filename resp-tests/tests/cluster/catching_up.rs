//! A follower that has lost everything comes back while clients write faster than its link is.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use resp_tests::cluster::{Cluster, field};
use resp_tests::connection::{Connection, Received};
use resp_tests::server::{Program, Stop};
use resp_tests::value::{Value, encode};

use super::{NODES, call};

const VALUE_BYTES: usize = 16 * 1024;
/// Data at rest: what the snapshot has.
const KEYS: usize = 800;

fn set(key: usize, round: u64) -> Vec<u8> {
    // Nothing that a compressor would make small.
    let mut state = (key as u64 + 1) ^ (round << 32);
    let value: Vec<u8> = (0..VALUE_BYTES)
        .map(|_| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 56) as u8
        })
        .collect();
    encode(&[b"SET".to_vec(), format!("key:{key}").into_bytes(), value])
}

/// Snapshots were made, and older ones removed, while the follower fetched one: it began again and again. When it had one
/// after all, the log behind it was gone.
#[test]
fn a_follower_catches_up_by_snapshot_although_new_ones_are_made_meanwhile() {
    let settings = [
        "--log-retain-bytes",
        "1mb",
        "--log-retain-seconds",
        "0",
        "--log-retain-bytes-max",
        "512mb",
        "--memtable-bytes",
        "1mb",
        "--snapshot-bytes-per-second",
        "1mb",
    ];
    let mut cluster = Cluster::start(&Program::product(), NODES, &settings).unwrap();
    let leader = cluster.wait_until_agreed().unwrap();
    let lost = (leader + 1) % NODES;
    let mut connection = cluster.nodes[leader].connect().unwrap();
    connection.set_deadline(Duration::from_secs(60));
    let write = |connection: &mut Connection, key: usize, round: u64| {
        connection.send_raw(&set(key, round)).unwrap();
        assert_eq!(connection.receive().unwrap(), Received::Reply(Value::Simple(b"OK".to_vec())));
    };
    (0..KEYS).for_each(|key| write(&mut connection, key, 0));
    cluster.nodes[lost].stop(Stop::Kill).unwrap();
    cluster.nodes[lost].wipe().unwrap();
    let snapshots = |cluster: &Cluster| -> u64 {
        let path = cluster.nodes[leader].data().join("snapshot");
        let names = std::fs::read_dir(path).unwrap().map(|entry| entry.unwrap().file_name());
        names.filter_map(|name| name.to_string_lossy().parse().ok()).max().unwrap_or(0)
    };
    let (stop, rounds) = (AtomicBool::new(false), AtomicU64::new(0));
    let port = cluster.nodes[leader].port;
    thread::scope(|scope| {
        scope.spawn(|| {
            let mut connection = Connection::open(port).unwrap();
            connection.set_deadline(Duration::from_secs(60));
            while !stop.load(Ordering::Relaxed) {
                let round = rounds.fetch_add(1, Ordering::Relaxed) + 1;
                write(&mut connection, (round % KEYS as u64) as usize, round);
                // Some MiB of log while the snapshot is fetched, so that several more are made.
                thread::sleep(Duration::from_millis(20));
            }
        });
        // The log that a newcomer would need is gone.
        let before = snapshots(&cluster);
        let deadline = Instant::now() + Duration::from_secs(120);
        while snapshots(&cluster) == before || snapshots(&cluster) == 0 {
            assert!(Instant::now() < deadline, "no snapshot was made");
            thread::sleep(Duration::from_millis(50));
        }
        let first = snapshots(&cluster);
        cluster.nodes[lost].spawn_again().unwrap();
        let deadline = Instant::now() + Duration::from_secs(180);
        let applied = |node: usize| -> u64 {
            let text = field(&cluster.nodes[node], "flotilla_raft_applied_index");
            text.and_then(|text| text.parse().ok()).unwrap_or(0)
        };
        // It stands where the leader stood a moment before, while all goes on.
        loop {
            let goal = applied(leader);
            thread::sleep(Duration::from_millis(200));
            if goal > 0 && applied(lost) >= goal {
                break;
            }
            assert!(
                Instant::now() < deadline,
                "it is at {}, the leader at {}:\n{}",
                applied(lost),
                applied(leader),
                cluster.nodes[lost].log_tail()
            );
        }
        assert!(snapshots(&cluster) > first, "no other snapshot was made meanwhile: this shows nothing");
        stop.store(true, Ordering::Relaxed);
    });
    cluster.nodes[lost].wait_until_ready().unwrap();
    cluster.wait_until_agreed().unwrap();
    let mut connection = cluster.nodes[lost].connect().unwrap();
    assert_eq!(call(&mut connection, &["DBSIZE"]), Value::Integer(KEYS as i64));
    println!("{} writes of {VALUE_BYTES} bytes meanwhile", rounds.load(Ordering::Relaxed));
}
