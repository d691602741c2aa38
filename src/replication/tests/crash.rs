//! The process dies at each named fail point, over and over in one data directory; whatever was acknowledged is there
//! exactly once, and what was not is there at most once.
//!
//! A fail point aborts the whole process, so the node runs in a child: this same test program, asked by the environment to
//! run `child` only.

use super::support::{TestNode, small_segments};
use crate::replication::queue::Outcome;
use std::{
    collections::BTreeSet,
    fs::{self, OpenOptions},
    io::Write,
    path::Path,
    process::Command,
    time::{Duration, Instant},
};

const DIRECTORY: &str = "FLOTILLA_TEST_CRASH_DIRECTORY";
const WRITES_AT_ONCE: u64 = 16;

fn key(id: u64) -> String {
    // Long enough that a few hundred fill segments.
    format!("{id:0>120}")
}

/// Writes until the fail point ends it. Does nothing unless a test of this module started it.
#[tokio::test(flavor = "current_thread")]
async fn child() {
    let Ok(directory) = std::env::var(DIRECTORY) else { return };
    let acknowledged = Path::new(&directory).join("acknowledged");
    let mut acknowledged = OpenOptions::new().create(true).append(true).open(acknowledged).unwrap();
    let node = TestNode::start_with(&Path::new(&directory).join("data"), small_segments(), 32 << 10).await;
    let mut next = tried(Path::new(&directory));
    let deadline = Instant::now() + Duration::from_secs(20);
    while Instant::now() < deadline {
        // Before they are sent: the next child must not use one of them again.
        note_tried(Path::new(&directory), next + WRITES_AT_ONCE);
        for id in next..next + WRITES_AT_ONCE {
            node.submit(id, &[b"ADD", key(id).as_bytes()]);
        }
        next += WRITES_AT_ONCE;
        for (id, outcome) in node.outcomes(WRITES_AT_ONCE as usize).await {
            assert!(matches!(outcome, Outcome::Applied(_)), "{outcome:?}");
            writeln!(acknowledged, "{id}").unwrap();
        }
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

/// Runs a child that must die; returns what it printed on stderr.
fn run_child(directory: &Path, fail: &str) -> String {
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "replication::tests::crash::child", "--nocapture", "--test-threads=1"])
        .env(DIRECTORY, directory)
        .env("FLOTILLA_FAIL", fail)
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success(), "{fail} was never reached: {text}");
    text
}

/// By rename: another thread may end the process at any moment.
fn note_tried(directory: &Path, next: u64) {
    let new = directory.join("tried.new");
    fs::write(&new, next.to_string()).unwrap();
    fs::rename(new, directory.join("tried")).unwrap();
}

/// All ids that were ever sent are below this.
fn tried(directory: &Path) -> u64 {
    fs::read_to_string(directory.join("tried")).map_or(0, |text| text.parse().unwrap())
}

/// Every acknowledged write is there once, every other one at most once; returns how many were acknowledged.
async fn check(directory: &Path, after: &str) -> usize {
    let text = fs::read_to_string(directory.join("acknowledged")).unwrap_or_default();
    let acknowledged: BTreeSet<u64> = text.lines().map(|line| line.parse().unwrap()).collect();
    let node = TestNode::start(&directory.join("data")).await;
    assert!(acknowledged.last().is_none_or(|&id| id < tried(directory)));
    for id in 0..tried(directory) {
        match node.count_of(key(id).as_bytes()) {
            Some(count) => assert_eq!(count, 1, "write {id} was applied {count} times, after {after}"),
            None => assert!(!acknowledged.contains(&id), "acknowledged write {id} is lost, after {after}"),
        }
    }
    node.stop().await;
    acknowledged.len()
}

#[tokio::test(flavor = "current_thread")]
async fn a_crash_at_any_fail_point_loses_and_repeats_nothing() {
    let home = tempfile::tempdir().unwrap();
    let mut acknowledged = 0;
    let points = [
        ("log.append", 40),
        ("log.torn", 30),
        ("log.sync", 45),
        ("log.synced", 50),
        ("apply.before", 40),
        ("apply.after", 45),
        ("log.roll", 3),
        ("log.prepare", 2),
        ("log.vote", 1),
        ("log.vote", 2),
        ("log.purge", 1),
        ("log.delete", 1),
        ("log.delete", 2),
        ("snapshot.build", 1),
        ("snapshot.built", 1),
        ("log.torn", 1),
        ("log.append", 1),
        ("apply.after", 1),
        ("log.torn", 7),
        ("apply.before", 2),
    ];
    for (name, at) in points {
        let fail = format!("{name}=abort-after:{at}");
        let text = run_child(home.path(), &fail);
        assert!(name == "log.torn" || text.contains(&format!("fail point {name}: abort")), "{fail}: {text}");
        let now = check(home.path(), &fail).await;
        assert!(now >= acknowledged);
        acknowledged = now;
    }
    println!("{} writes sent, {acknowledged} acknowledged", tried(home.path()));
    assert!(acknowledged > 1000, "only {acknowledged} writes were acknowledged: the test proves little");
}

#[tokio::test(flavor = "current_thread")]
async fn a_failed_write_or_sync_stops_the_process_and_is_never_tried_again() {
    let home = tempfile::tempdir().unwrap();
    for (name, at) in
        [("log.append", 20), ("log.sync", 20), ("log.sync", 1), ("log.vote", 1), ("log.prepare", 2)]
    {
        let fail = format!("{name}=error-after:{at}");
        let text = run_child(home.path(), &fail);
        assert!(text.contains("flotilla: stopping the process: cannot"), "{fail}: {text}");
        check(home.path(), &fail).await;
    }
}
