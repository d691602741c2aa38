//! A core grows from three nodes to seven, replaces one and shrinks again while its leaders die and stand still
//! (faults.md (a) 35): no configuration stays joint, and no acknowledged write is lost or done twice.

use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use resp_tests::cluster::Cluster;
use resp_tests::connection::{Connection, Received};
use resp_tests::server::{Program, Server, Stop};
use resp_tests::value::Value;

use resp_tests::support::number;

use super::membership::roles;
use super::{NODES, call, error_code};

/// A change must be over this long after the fault that met it has ended.
const CHANGE_MAX: Duration = Duration::from_secs(60);
const FAULT: Duration = Duration::from_millis(1200);

/// What one writer appended to its list, by outcome.
#[derive(Default)]
struct Written {
    acknowledged: Vec<u64>,
    /// Definitely not done.
    refused: BTreeSet<u64>,
}

impl Written {
    /// Appends numbers to a list of its own until `stop`, over a new connection whenever the old one is cut.
    fn write(mut self, key: &str, port: u16, stop: &AtomicBool) -> Written {
        let mut connection: Option<Connection> = None;
        for number in 0_u64.. {
            if stop.load(Ordering::SeqCst) {
                break;
            }
            let Some(open) = connection.take().or_else(|| Connection::open(port).ok()) else {
                thread::sleep(Duration::from_millis(20));
                continue;
            };
            let open = connection.insert(open);
            open.set_deadline(Duration::from_secs(20));
            match open.call(&["RPUSH", key, &number.to_string()]) {
                Ok(Received::Reply(Value::Integer(_))) => self.acknowledged.push(number),
                Ok(Received::Reply(reply)) => match error_code(&reply).as_str() {
                    "UNKNOWN" => {}
                    "CLUSTERDOWN" | "LOADING" => {
                        self.refused.insert(number);
                    }
                    other => panic!("{other}: {reply:?}"),
                },
                // The node was killed: the outcome is unknown.
                Ok(Received::Closed) | Err(_) => connection = None,
            }
        }
        self
    }

    fn check(&self, key: &str, node: &Server) {
        let Value::Array(found) = call(&mut node.connect().unwrap(), &["LRANGE", key, "0", "-1"]) else {
            panic!("LRANGE")
        };
        let found: Vec<u64> = found.iter().map(|item| number(item) as u64).collect();
        assert!(found.windows(2).all(|pair| pair[0] < pair[1]), "{key}: out of order or twice");
        let found: BTreeSet<u64> = found.into_iter().collect();
        let lost: Vec<&u64> = self.acknowledged.iter().filter(|number| !found.contains(number)).collect();
        assert!(lost.is_empty(), "{key}: lost {lost:?}");
        let done: Vec<&u64> = self.refused.intersection(&found).collect();
        assert!(done.is_empty(), "{key}: refused, but done: {done:?}");
    }
}

/// What meets a change of members.
#[derive(Clone, Copy)]
enum Fault {
    KillLeader,
    PauseLeader,
    KillFollower,
}

/// Lets the fault happen to the nodes that are there, and ends it.
fn suffer(cluster: &mut Cluster, fault: Fault, after: Duration) {
    thread::sleep(after);
    let Some(leader) = cluster.leader() else { return };
    let victim = match fault {
        Fault::KillFollower => (leader + 1) % cluster.nodes.len(),
        Fault::KillLeader | Fault::PauseLeader => leader,
    };
    let node = &mut cluster.nodes[victim];
    if matches!(fault, Fault::PauseLeader) {
        node.pause().unwrap();
        thread::sleep(FAULT);
        node.resume().unwrap();
    } else {
        node.stop(Stop::Kill).unwrap();
        thread::sleep(FAULT);
        node.spawn_again().unwrap();
    }
}

fn wait_for(cluster: &Cluster, names: &[&str]) {
    let wanted: Vec<String> = names.iter().map(|name| format!("{name} voter")).collect();
    let (deadline, mut agreed) = (Instant::now() + CHANGE_MAX, 0);
    while agreed < cluster.nodes.len() {
        agreed = cluster.nodes.iter().filter(|node| roles(node) == wanted).count();
        assert!(
            Instant::now() < deadline,
            "{agreed} nodes see {wanted:?}; the first sees {:?}\n{}",
            roles(&cluster.nodes[0]),
            cluster.nodes[0].log_tail()
        );
        thread::sleep(Duration::from_millis(50));
    }
}

/// Asks all in turn until one says that it is done: refused while another change is under way or nobody leads.
fn ask(cluster: &Cluster, words: &[&str]) -> JoinHandle<()> {
    let ports: Vec<u16> = cluster.nodes.iter().map(|node| node.port).collect();
    let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
    thread::spawn(move || {
        let deadline = Instant::now() + CHANGE_MAX + FAULT;
        for port in ports.iter().cycle() {
            let server = ["--server".to_owned(), format!("127.0.0.1:{port}")];
            let mut command = Command::new(Program::product().path);
            let output = command.arg("admin").args(&words).args(server).output().unwrap();
            if output.status.success() {
                return;
            }
            let error = String::from_utf8_lossy(&output.stderr);
            assert!(Instant::now() < deadline, "{words:?}: {error}");
            thread::sleep(Duration::from_millis(100));
        }
    })
}

fn newcomer(cluster: &Cluster, name: &str) -> Server {
    let contacts: Vec<String> = cluster.nodes.iter().map(Server::peer_address).collect();
    let args = ["--node-name", name, "--join", &contacts.join(",")].map(str::to_owned);
    Server::spawn(&Program::product(), &args).unwrap()
}

/// Three, five, seven, one of them replaced, and three again; a fault meets each change.
fn grow_and_shrink(cluster: &mut Cluster) {
    let mut names = vec!["core-0", "core-1", "core-2"];
    let growing =
        [(["core-3", "core-4"], Fault::KillLeader, 150), (["core-5", "core-6"], Fault::PauseLeader, 400)];
    for (pair, fault, after) in growing {
        for name in pair {
            let node = newcomer(cluster, name);
            cluster.nodes.push(node);
            names.push(name);
        }
        suffer(cluster, fault, Duration::from_millis(after));
        wait_for(cluster, &names);
    }
    let nine = newcomer(cluster, "core-9");
    let asked = ask(cluster, &["replace", "core-3", &format!("core-9={}", nine.peer_address())]);
    suffer(cluster, Fault::KillFollower, Duration::from_millis(100));
    asked.join().unwrap();
    cluster.nodes.remove(3);
    cluster.nodes.push(nine);
    names = vec!["core-0", "core-1", "core-2", "core-4", "core-5", "core-6", "core-9"];
    wait_for(cluster, &names);
    for fault in [Fault::KillLeader, Fault::PauseLeader, Fault::KillFollower, Fault::KillLeader] {
        let leaves = names.pop().unwrap();
        let asked = ask(cluster, &["remove", leaves]);
        suffer(cluster, fault, Duration::from_millis(50));
        asked.join().unwrap();
        cluster.nodes.pop();
        wait_for(cluster, &names);
    }
}

#[test]
fn a_core_grows_to_seven_and_shrinks_while_its_leaders_fail() {
    let mut cluster = Cluster::start(&Program::product(), NODES, &[]).unwrap();
    cluster.wait_until_agreed().unwrap();
    let ports: Vec<u16> = cluster.nodes.iter().map(|node| node.port).collect();
    let keys: Vec<String> = ports.iter().map(|port| format!("list:{port}")).collect();
    let stop = AtomicBool::new(false);
    let written: Vec<Written> = thread::scope(|scope| {
        let write = |(key, port): (&String, &u16)| {
            let (key, port, stop) = (key.clone(), *port, &stop);
            scope.spawn(move || Written::default().write(&key, port, stop))
        };
        let writers: Vec<_> = keys.iter().zip(&ports).map(write).collect();
        let worked = catch_unwind(AssertUnwindSafe(|| grow_and_shrink(&mut cluster)));
        stop.store(true, Ordering::SeqCst);
        let written = writers.into_iter().map(|writer| writer.join().unwrap()).collect();
        worked.unwrap_or_else(|panic| resume_unwind(panic));
        written
    });
    cluster.wait_until_agreed().unwrap();
    for (written, key) in written.iter().zip(&keys) {
        assert!(written.acknowledged.len() > 100, "{key}: {} written", written.acknowledged.len());
        for node in &cluster.nodes {
            written.check(key, node);
        }
    }
}
