//! `flotilla admin replace`: whatever came first, the new node votes afterwards, the old one is gone, and the answer says so.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use resp_tests::cluster::Cluster;
use resp_tests::connection::Received;
use resp_tests::server::{Program, Server, Stop};

use super::membership::{CHANGE_MAX, admin, admin_ok, assert_has, fill, wait_for_roles};
use super::{NODES, bulk, call, ok};

/// Runs while `work` does: writes through every node, and counts what is acknowledged.
fn under_load(nodes: &[&Server], work: impl FnOnce()) -> u64 {
    let (stop, written) = (AtomicBool::new(false), AtomicU64::new(0));
    thread::scope(|scope| {
        for (writer, node) in nodes.iter().enumerate() {
            let (stop, written) = (&stop, &written);
            scope.spawn(move || {
                let mut connection = node.connect().unwrap();
                connection.set_deadline(Duration::from_secs(30));
                let mut number = 0_u64;
                while !stop.load(Ordering::Relaxed) {
                    let words = ["SET".to_owned(), format!("load:{writer}"), number.to_string()];
                    match connection.call(&words) {
                        Ok(Received::Reply(reply)) if reply == ok() => {
                            written.fetch_add(1, Ordering::Relaxed);
                            let key = format!("load:{writer}");
                            assert_eq!(call(&mut connection, &["GET", &key]), bulk(&number.to_string()));
                            number += 1;
                        }
                        // Its leader was changed under it.
                        Ok(Received::Reply(_)) => {}
                        other => panic!("{other:?}"),
                    }
                }
            });
        }
        let worked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(work));
        stop.store(true, Ordering::Relaxed);
        if let Err(panic) = worked {
            std::panic::resume_unwind(panic);
        }
    });
    written.into_inner()
}

/// As `admin`, until it is done: a request may come before the new node answers. No answer may show the insides of Raft.
fn admin_until_ok(node: &Server, words: &[&str]) -> String {
    let deadline = Instant::now() + CHANGE_MAX;
    loop {
        let output = admin(node, words);
        let (told, error) =
            (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr).into_owned());
        assert!(!error.contains("Some(") && !error.contains("LogId"), "{error}");
        if output.status.success() {
            return told.into_owned();
        }
        assert!(Instant::now() < deadline, "{words:?}: {error}\n{}", node.log_tail());
        thread::sleep(Duration::from_millis(50));
    }
}

fn newcomer(name: &str, contacts: &str) -> Server {
    Server::spawn(&Program::product(), &["--node-name", name, "--join", contacts].map(str::to_owned)).unwrap()
}

const NOWHERE: &str = "127.0.0.1:1";

#[test]
fn a_replacement_ends_as_asked_whatever_came_first() {
    let mut cluster = Cluster::start(&Program::product(), NODES, &[]).unwrap();
    fill(&cluster.nodes[0], 100);
    let contact = cluster.nodes[0].peer_address();
    let [_, first, second] = &cluster.nodes[..] else { panic!("three nodes") };
    let mut newcomers = Vec::new();
    let written = under_load(&[&cluster.nodes[0]], || {
        // The old one lives, and the new one has joined and votes before anybody asks.
        let three = newcomer("core-3", &contact);
        wait_for_roles(&cluster.nodes[0], &["core-0 voter", "core-1 voter", "core-2 voter", "core-3 voter"]);
        let words = ["replace", "core-1", &format!("core-3={}", three.peer_address())];
        for asked in [first, second] {
            let told = admin_until_ok(asked, &words);
            assert!(told.contains("core-3 votes, and core-1 is gone"), "{told}");
            wait_for_roles(&cluster.nodes[0], &["core-0 voter", "core-2 voter", "core-3 voter"]);
        }
        // It joins while it is asked for.
        let four = newcomer("core-4", &contact);
        let words = ["replace", "core-2", &format!("core-4={}", four.peer_address())];
        let told = admin_until_ok(&cluster.nodes[0], &words);
        assert!(told.contains("core-4 votes, and core-2 is gone"), "{told}");
        wait_for_roles(&cluster.nodes[0], &["core-0 voter", "core-3 voter", "core-4 voter"]);
        newcomers.extend([three, four]);
    });
    assert!(written > 0);
    // The old one is dead, and the new one knows nobody: it is let in because it is asked for.
    newcomers[0].stop(Stop::Kill).unwrap();
    let five = newcomer("core-5", NOWHERE);
    let words = ["replace", "core-3", &format!("core-5={}", five.peer_address())];
    let told = admin_until_ok(&cluster.nodes[0], &words);
    assert!(told.contains("core-5 votes, and core-3 is gone"), "{told}");
    wait_for_roles(&cluster.nodes[0], &["core-0 voter", "core-4 voter", "core-5 voter"]);
    // The same name on another machine.
    newcomers[1].stop(Stop::Kill).unwrap();
    let four = newcomer("core-4", NOWHERE);
    let words = ["replace", "core-4", &format!("core-4={}", four.peer_address())];
    for _ in 0..2 {
        assert!(admin_until_ok(&cluster.nodes[0], &words).contains("core-4 votes"));
    }
    wait_for_roles(&cluster.nodes[0], &["core-0 voter", "core-4 voter", "core-5 voter"]);
    assert_has(&four, 100);
    assert_has(&five, 100);
    cluster.nodes.truncate(1);
}

/// Its own end is no reason for a leader to say no.
#[test]
fn a_leader_is_replaced_under_load() {
    let mut cluster = Cluster::start(&Program::product(), NODES, &[]).unwrap();
    fill(&cluster.nodes[0], 100);
    let leader = cluster.wait_until_agreed().unwrap();
    let name = format!("core-{leader}");
    let contact = cluster.nodes[(leader + 1) % NODES].peer_address();
    let others: Vec<&Server> = cluster
        .nodes
        .iter()
        .enumerate()
        .filter(|(index, _)| *index != leader)
        .map(|(_, node)| node)
        .collect();
    let nine = newcomer("core-9", &contact);
    let written = under_load(&others, || {
        let words = ["replace", &name, &format!("core-9={}", nine.peer_address())];
        let told = admin_until_ok(&cluster.nodes[leader], &words);
        assert!(told.contains(&format!("core-9 votes, and {name} is gone")), "{told}");
    });
    assert!(written > 0);
    let mut wanted: Vec<String> =
        (0..NODES).filter(|index| *index != leader).map(|index| format!("core-{index} voter")).collect();
    wanted.push("core-9 voter".to_owned());
    let wanted: Vec<&str> = wanted.iter().map(String::as_str).collect();
    wait_for_roles(&nine, &wanted);
    assert_has(&nine, 100);
    cluster.nodes[leader].stop(Stop::Kill).unwrap();
}

#[test]
fn asking_twice_is_asking_once_and_a_contradiction_is_refused_in_words() {
    let cluster = Cluster::start(&Program::product(), NODES, &[]).unwrap();
    let four = newcomer("core-4", NOWHERE);
    let at = format!("core-4={}", four.peer_address());
    for _ in 0..2 {
        assert!(
            admin_until_ok(&cluster.nodes[1], &["add", &at, "--standby"]).contains("core-4 is a standby")
        );
    }
    let refused = |words: &[&str]| {
        let output = admin(&cluster.nodes[2], words);
        assert!(!output.status.success(), "{words:?}: {output:?}");
        String::from_utf8_lossy(&output.stderr).into_owned()
    };
    assert!(refused(&["add", &at]).contains("promote gives it its vote"));
    assert!(refused(&["add", "core-1=127.0.0.1:1"]).contains("core-1 is a node of the core already, at "));
    assert!(refused(&["replace", "core-8", "core-9=127.0.0.1:1"]).contains("the core has no node core-8"));
    assert!(refused(&["replace", "core-1", "core-9=127.0.0.1:1"]).contains("does not answer at 127.0.0.1:1"));
    for _ in 0..2 {
        assert!(admin_ok(&cluster.nodes[0], &["promote", "core-4"]).contains("core-4 votes"));
    }
    for _ in 0..2 {
        let told = admin_until_ok(&cluster.nodes[0], &["remove", "core-4"]);
        let said = ["core-4 is no longer a node of the core", "core-4 is no node of the core"];
        assert!(said.iter().any(|said| told.contains(said)), "{told}");
    }
    wait_for_roles(&cluster.nodes[0], &super::membership::THREE);
}
