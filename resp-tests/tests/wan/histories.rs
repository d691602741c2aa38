//! A core whose history is another one: restored from a backup, or made anew. A site of three nodes, far away, notices.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use resp_tests::cluster::{Cluster, field};
use resp_tests::connection::Received;
use resp_tests::door::Door;
use resp_tests::server::{Program, Server, Stop};

use super::setup::*;

const KEYS: usize = 100;

fn keys() -> Vec<String> {
    (0..KEYS).map(|key| format!("key:{key}")).collect()
}

/// Writes the same text under all keys, at once.
fn write_all(core: &Cluster, text: &str) {
    let keys = keys();
    let words: Vec<&str> =
        std::iter::once("MSET").chain(keys.iter().flat_map(|key| [key.as_str(), text])).collect();
    let mut client = core.nodes[0].connect().unwrap();
    client.set_deadline(SOON);
    eventually("the core takes writes", || call(&mut client, &words) == ok());
}

/// Reads all keys at one node, over and over: always all of the same text, and texts in this order, at all nodes together.
struct Watcher {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<(usize, BTreeSet<usize>)>,
}

impl Watcher {
    fn start(door: Door, order: &'static [Option<&'static str>], come_to: Arc<AtomicUsize>) -> Watcher {
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let thread = thread::spawn(move || {
            let words: Vec<String> = std::iter::once("MGET".to_owned()).chain(keys()).collect();
            let (mut failures, mut seen) = (0, BTreeSet::new());
            while !stopped.load(Ordering::Relaxed) {
                let Ok(mut client) = door.connect() else { continue };
                while !stopped.load(Ordering::Relaxed) {
                    let before = come_to.load(Ordering::Acquire);
                    let Ok(Received::Reply(Value::Array(values))) = client.call(&words) else {
                        failures += 1;
                        thread::sleep(Duration::from_millis(5));
                        break;
                    };
                    assert!(values.windows(2).all(|pair| pair[0] == pair[1]), "half of a copy: {values:?}");
                    let is = |text: &Option<&str>| values[0] == text.map_or(Value::NilBulk, bulk);
                    let place = order.iter().position(is);
                    let place = place.unwrap_or_else(|| panic!("{:?} was never written", values[0]));
                    assert!(place >= before, "{:?} after {:?}", order[place], order[before]);
                    come_to.fetch_max(place, Ordering::AcqRel);
                    seen.insert(place);
                    thread::sleep(Duration::from_millis(1));
                }
            }
            (failures, seen)
        });
        Watcher { stop, thread }
    }

    /// How often there was no answer, and which of the texts there were.
    fn stop(self) -> (usize, BTreeSet<usize>) {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().unwrap()
    }
}

fn copy(from: &Path, to: &Path) {
    let copied = Command::new("cp").arg("-a").arg(from).arg(to).status().unwrap();
    assert!(copied.success());
}

/// What an operator does with a backup of a node's directory.
fn restore(wan: &Wan, node: &mut Server, backup: &Path) {
    node.stop(Stop::Kill).unwrap();
    std::fs::remove_dir_all(node.data()).unwrap();
    copy(backup, &node.data());
    let recovered = Command::new(Program::product().path)
        .args(["admin", "recover", "--data-dir", node.data().to_str().unwrap()])
        .args(["--peer-address", &wan.peer_address(0)])
        .arg("--i-accept-that-acknowledged-writes-may-be-lost")
        .output()
        .unwrap();
    assert!(recovered.status.success(), "{}", String::from_utf8_lossy(&recovered.stderr));
    node.start_again().unwrap();
}

#[test]
fn a_site_far_away_starts_again_when_the_core_has_another_history() {
    /// What the core holds, one after the other, from when the watchers begin.
    const ORDER: &[Option<&str>] = &[Some("lost"), Some("backed up"), Some("restored"), None, Some("anew")];
    let wan = wan("histories", 4, 1);
    let mut core = core(&wan, &[0], &[]);
    let site = site_at(&wan, &[1, 2, 3], &core, &[]);
    let all: Vec<&Server> = site.iter().collect();
    let wait_for = |text: &str| {
        for node in &all {
            let mut client = node.connect().unwrap();
            client.set_deadline(SOON);
            eventually(text, || call(&mut client, &["GET", "key:7"]) == bulk(text));
        }
    };
    write_all(&core, "backed up");
    let home = tempfile::tempdir().unwrap();
    let backup = home.path().join("backup");
    core.nodes[0].stop(Stop::Terminate).unwrap();
    copy(&core.nodes[0].data(), &backup);
    core.nodes[0].start_again().unwrap();
    write_all(&core, "lost");
    wait_for("lost");
    let history = field(&site[0], "flotilla_history_id").unwrap();
    let come_to = Arc::new(AtomicUsize::new(0));
    let watchers: Vec<Watcher> =
        site.iter().map(|node| Watcher::start(node.door(), ORDER, Arc::clone(&come_to))).collect();

    restore(&wan, &mut core.nodes[0], &backup);
    eventually("the site is where the backup was", || come_to.load(Ordering::Relaxed) >= 1);
    write_all(&core, "restored");
    wait_for("restored");
    assert_same_state(&core.nodes[0], &all);
    let restored = field(&site[0], "flotilla_history_id").unwrap();
    assert_ne!(restored, history);

    // Its log begins again, at numbers that the site has long passed.
    core.nodes[0].stop(Stop::Kill).unwrap();
    core.nodes[0].wipe().unwrap();
    core.nodes[0].start_again().unwrap();
    eventually("the site is empty, like the new core", || come_to.load(Ordering::Relaxed) >= 3);
    write_all(&core, "anew");
    wait_for("anew");
    assert_same_state(&core.nodes[0], &all);
    for node in &site {
        let now = field(node, "flotilla_history_id").unwrap();
        assert!(now != restored && now == field(&core.nodes[0], "flotilla_history_id").unwrap());
        assert_eq!(info(node, "flotilla_bootstraps"), 2, "{}", node.log_tail());
    }
    for watcher in watchers {
        let (failures, seen) = watcher.stop();
        println!("histories: without an answer {failures} times, saw {seen:?}");
        assert!(seen.contains(&0) && seen.contains(&4));
    }
}
