//! Wall clocks are set while keys live: log time goes on with the monotonic clock, and ten seconds last between nine and
//! eleven, whichever node's clock is set, whoever leads, however often processes start. The test's own clock is monotonic.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use resp_tests::cluster::{Cluster, field};
use resp_tests::connection::{Connection, Received};
use resp_tests::door::Door;
use resp_tests::server::{Program, Server, Stop};
use resp_tests::value::Value;

use super::{NODES, bulk, call, ok};

const WAIT: Duration = Duration::from_secs(30);
const STEPS_MS: [i64; 9] = [5_000, -5_000, 262_000, -262_000, 100, -100, 3_600_000, -3_600_000, 0];

fn program() -> Program {
    Program::product().with_own_clock()
}

fn connect(node: &Server) -> Connection {
    let mut connection = node.connect().unwrap();
    connection.set_deadline(WAIT);
    connection
}

/// What it says, or nothing if it cannot for the moment.
fn ask(connection: &mut Connection, words: &[&str]) -> Option<Value> {
    match connection.call(words).ok()? {
        Received::Reply(Value::Error(_)) | Received::Closed => None,
        Received::Reply(reply) => Some(reply),
    }
}

/// How far an edge says that it is behind; a core node does not say.
fn lag(connection: &mut Connection) -> Duration {
    let Some(Value::Bulk(info)) = ask(connection, &["INFO", "everything"]) else { return Duration::ZERO };
    let info = String::from_utf8_lossy(&info);
    let told = info.lines().find_map(|line| line.strip_prefix("flotilla_lag_ms:")?.trim().parse().ok());
    Duration::from_millis(told.unwrap_or(0))
}

fn transfer(cluster: &Cluster, to: usize) {
    let name = format!("core-{to}");
    let deadline = Instant::now() + WAIT;
    while cluster.leader() != Some(to) {
        for node in &cluster.nodes {
            if let Ok(mut connection) = node.connect() {
                connection.set_deadline(WAIT);
                // Refused while another change is under way.
                let _ = connection.call(&["CORE", "TRANSFER", &name]);
            }
        }
        assert!(Instant::now() < deadline, "{name} does not lead");
        thread::sleep(Duration::from_millis(50));
    }
}

fn edge(upstream: &str) -> Server {
    let args = ["--role", "edge", "--site", "fra", "--upstream", upstream].map(str::to_owned);
    let edge = Server::start(&program(), &args).unwrap();
    wait_for_data(&edge);
    edge
}

fn wait_for_data(edge: &Server) {
    let deadline = Instant::now() + WAIT;
    while field(edge, "loading").as_deref() != Some("0") {
        assert!(Instant::now() < deadline, "no data: {}", edge.log_tail());
        thread::sleep(Duration::from_millis(20));
    }
}

/// Sets a key that lives for ten seconds, and looks at it at this door until it is gone: after nine seconds at the earliest,
/// and never later than eleven; at an edge not later than eleven and what it says it is behind, as it is when it has just started.
fn ten_seconds(writer: &Door, reader: &Door, key: &str) {
    let open = |door: &Door| {
        let mut connection = door.connect().unwrap();
        connection.set_deadline(WAIT);
        connection
    };
    let deadline = Instant::now() + WAIT;
    let (began, set) = loop {
        let began = Instant::now();
        if ask(&mut open(writer), &["SET", key, "v", "PX", "10000"]) == Some(ok()) {
            break (began, Instant::now());
        }
        assert!(Instant::now() < deadline, "{key}: no write");
        thread::sleep(Duration::from_millis(20));
    };
    let (mut connection, mut was_seen) = (open(reader), false);
    loop {
        let behind = match set.elapsed() > Duration::from_secs(10) {
            true => lag(&mut connection),
            false => Duration::ZERO,
        };
        let asked = Instant::now();
        match connection.call(&["GET", key]) {
            Ok(Received::Reply(Value::NilBulk)) if was_seen => {
                let lived = began.elapsed();
                assert!(lived >= Duration::from_secs(9), "{key} is gone after {lived:?}");
                return;
            }
            Ok(Received::Reply(found)) if found == bulk("v") => {
                was_seen = true;
                let lives = asked.saturating_duration_since(set);
                let most = Duration::from_secs(11) + behind;
                assert!(lives <= most, "{key} is there after {lives:?}, {behind:?} behind");
            }
            // Not there yet (an edge), or not answered for the moment.
            Ok(Received::Reply(Value::NilBulk | Value::Error(_))) => {
                assert!(Instant::now() < deadline, "{key} is never there");
            }
            Ok(Received::Reply(other)) => panic!("{key}: {other:?}"),
            Ok(Received::Closed) | Err(_) => {
                assert!(Instant::now() < deadline, "{key}: no answer");
                if let Ok(again) = reader.connect() {
                    connection = again;
                    connection.set_deadline(WAIT);
                }
            }
        }
        thread::sleep(Duration::from_millis(15));
    }
}

/// Keys are set one after the other while clocks are set, one at a time and all at once, and while the lead goes to the node
/// whose clock was set last.
#[test]
fn ten_seconds_last_between_nine_and_eleven_whatever_clock_is_set() {
    let cluster = Cluster::start(&program(), NODES, &[]).unwrap();
    let leader = cluster.wait_until_agreed().unwrap();
    let mut edge_server = edge(&cluster.nodes[(leader + 1) % NODES].peer_address());
    let doors: Vec<Door> = cluster.nodes.iter().chain([&edge_server]).map(Server::door).collect();
    thread::scope(|scope| {
        for (round, step) in STEPS_MS.into_iter().enumerate() {
            for (at, door) in doors.iter().enumerate().skip(round % 2).step_by(2) {
                let (writer, key) = (&doors[round % NODES], format!("key:{round}:{at}"));
                scope.spawn(move || ten_seconds(writer, door, &key));
            }
            thread::sleep(Duration::from_millis(300));
            let current = cluster.leader().unwrap_or(leader);
            match round % 4 {
                0 => cluster.nodes[current].set_clock(step).unwrap(),
                1 => {
                    let next = (current + 1) % NODES;
                    cluster.nodes[next].set_clock(step).unwrap();
                    transfer(&cluster, next);
                }
                2 => cluster.nodes.iter().for_each(|node| node.set_clock(step).unwrap()),
                _ => {
                    edge_server.set_clock(step).unwrap();
                    edge_server.stop(Stop::Kill).unwrap();
                    edge_server.start_again().unwrap();
                }
            }
            thread::sleep(Duration::from_millis(700));
        }
    });
    for text in ["log time and wall clocks are far apart", "this node's wall clock and log time disagree"] {
        assert!(cluster.nodes.iter().any(|node| node.has_said(text)), "nobody says: {text}");
    }
}

const LIFE_MS: i64 = 100_000;

/// When a key was asked for, and when that was answered; it lived for `LIFE_MS` then.
#[derive(Clone, Copy)]
struct Born {
    asked: Instant,
    done: Instant,
}

/// Looks at PTTL on one node until it is told to stop: it never grows, and is right within a twentieth (and what a word is on
/// its way). The connection may be cut and the node may be away.
fn watch(what: &str, door: &Door, setup: Option<&[&str]>, born: Born, stop: &AtomicBool) -> i64 {
    let (mut least, mut connection, mut looks) = (LIFE_MS, None, 0);
    while !stop.load(Ordering::Relaxed) {
        thread::sleep(Duration::from_millis(10));
        if connection.is_none() {
            connection = door.connect().ok().and_then(|mut connection: Connection| {
                connection.set_deadline(WAIT);
                match setup {
                    None => Some(connection),
                    Some(words) => (ask(&mut connection, words) == Some(ok())).then_some(connection),
                }
            });
        }
        let Some(open) = &mut connection else { continue };
        let asked = Instant::now();
        let left = match open.call(&["PTTL", "long"]) {
            // Killed, and not yet told how much of its log is committed, a node has less, and says so to those who ask for that.
            Ok(Received::Reply(Value::Integer(-2))) if setup.is_some() => continue,
            Ok(Received::Reply(Value::Integer(left))) => left,
            // It is loading, or nobody leads.
            Ok(Received::Reply(Value::Error(_))) => continue,
            Ok(Received::Reply(other)) => panic!("{what}: {other:?}"),
            Ok(Received::Closed) | Err(_) => {
                connection = None;
                continue;
            }
        };
        assert!(left <= least, "{what}: {least} ms were left, then {left}");
        least = left;
        looks += 1;
        let at_most =
            LIFE_MS - asked.saturating_duration_since(born.done).as_millis() as i64 * 94 / 100 + 400;
        let at_least = LIFE_MS - born.asked.elapsed().as_millis() as i64 * 106 / 100 - 400;
        assert!((at_least..=at_most).contains(&left), "{what}: {left} ms left, not {at_least} to {at_most}");
    }
    looks
}

/// An ex-leader that stood still, a node that starts with a wrong clock and leads, an edge that is killed, one whose upstream
/// stands still: at none of them time left grows or is wrong.
#[test]
fn time_left_never_grows_and_is_right_at_nodes_that_stood_still_or_started_again() {
    let mut cluster = Cluster::start(&program(), NODES, &[]).unwrap();
    let leader = cluster.wait_until_agreed().unwrap();
    let upstream = [leader, (leader + 1) % NODES].map(|node| cluster.nodes[node].peer_address()).join(",");
    let mut edge_server = edge(&upstream);
    let asked = Instant::now();
    assert_eq!(call(&mut connect(&cluster.nodes[leader]), &["SET", "long", "v", "PX", "100000"]), ok());
    let born = Born { asked, done: Instant::now() };
    let deadline = Instant::now() + WAIT;
    while call(&mut connect(&edge_server), &["GET", "long"]) != bulk("v") {
        assert!(Instant::now() < deadline);
    }
    let doors: Vec<Door> = cluster.nodes.iter().chain([&edge_server]).map(Server::door).collect();
    let stop = AtomicBool::new(false);
    thread::scope(|scope| {
        let stops = Stops(&stop);
        let mut watches = Vec::new();
        for (node, door) in doors.iter().enumerate() {
            let local: &[&str] = &["CLIENT", "CONSISTENCY", "local"];
            for (setup, kind) in [(None, "linearizable"), (Some(local), "local")] {
                let (what, stop) = (format!("node {node}, {kind}"), &stop);
                watches.push(scope.spawn(move || watch(&what, door, setup, born, stop)));
            }
        }
        // The leader stands still for longer than it takes to depose it; the edge follows it.
        cluster.nodes[leader].pause().unwrap();
        thread::sleep(Duration::from_millis(4000));
        cluster.nodes[leader].resume().unwrap();
        cluster.wait_until_agreed().unwrap();
        // The edge starts again, with a clock that is an hour behind.
        edge_server.set_clock(-3_600_000).unwrap();
        edge_server.stop(Stop::Kill).unwrap();
        edge_server.start_again().unwrap();
        wait_for_data(&edge_server);
        // A follower starts again with a clock that is an hour ahead, and leads. It has lost what it knew of time.
        let follower = (cluster.wait_until_agreed().unwrap() + 1) % NODES;
        cluster.nodes[follower].set_clock(3_600_000).unwrap();
        cluster.nodes[follower].stop(Stop::Kill).unwrap();
        std::fs::remove_file(cluster.nodes[follower].data().join("CLOCK")).unwrap();
        cluster.nodes[follower].start_again().unwrap();
        cluster.wait_until_agreed().unwrap();
        transfer(&cluster, follower);
        // The core is away; the edge starts again and has nobody to ask.
        for node in &mut cluster.nodes {
            node.stop(Stop::Kill).unwrap();
        }
        edge_server.stop(Stop::Kill).unwrap();
        edge_server.start_again().unwrap();
        wait_for_data(&edge_server);
        thread::sleep(Duration::from_millis(1000));
        for node in &mut cluster.nodes {
            node.spawn_again().unwrap();
        }
        cluster.wait_until_agreed().unwrap();
        thread::sleep(Duration::from_millis(500));
        drop(stops);
        let looks: Vec<i64> = watches.into_iter().map(|watch| watch.join().unwrap()).collect();
        println!("looks: {looks:?}");
        assert!(looks.iter().all(|looks| *looks > 20), "{looks:?}");
    });
}

/// Ends the watches, also when the test fails.
struct Stops<'a>(&'a AtomicBool);

impl Drop for Stops<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Nobody knows the time any more: after a reboot wall clocks are all there is, and years ahead they are not believed.
#[test]
fn a_core_that_was_away_expires_by_the_wall_clock_unless_it_is_years_ahead() {
    let mut node = Server::start(&program(), &[]).unwrap();
    let set = |node: &Server, key: &str| {
        assert_eq!(call(&mut connect(node), &["SET", key, "v", "EX", "1800"]), ok());
    };
    let again = |node: &mut Server, ahead_ms: i64, is_reboot: bool| {
        node.stop(Stop::Terminate).unwrap();
        if is_reboot {
            std::fs::remove_file(node.data().join("CLOCK")).unwrap();
        }
        node.set_clock(ahead_ms).unwrap();
        node.start_again().unwrap();
    };
    let hour = 3_600_000;
    set(&node, "a");
    noted(&node);
    // The process only: log time goes on as if nothing had been.
    again(&mut node, hour, false);
    assert_eq!(call(&mut connect(&node), &["GET", "a"]), bulk("v"));
    again(&mut node, hour, true);
    assert_eq!(call(&mut connect(&node), &["GET", "a"]), Value::NilBulk);
    set(&node, "b");
    noted(&node);
    again(&mut node, 3 * 366 * 24 * hour, true);
    assert_eq!(call(&mut connect(&node), &["GET", "b"]), bulk("v"));
    assert!(node.has_said("wall clocks are implausibly far ahead"), "{}", node.log_tail());
    let server = format!("127.0.0.1:{}", node.port);
    let admin = |words: &[&str]| {
        let output = node.admin(&[words, &["--server", &server]].concat()).unwrap();
        (output.status.success(), String::from_utf8_lossy(&output.stdout).into_owned())
    };
    let (done, told) = admin(&["clock"]);
    assert!(done && told.contains(" ms behind wall time"), "{told}");
    assert_eq!(call(&mut connect(&node), &["GET", "b"]), bulk("v"));
    let (done, told) = admin(&["clock", "--step"]);
    assert!(done && told.starts_with("stepped forward by "), "{told}");
    assert_eq!(call(&mut connect(&node), &["GET", "b"]), Value::NilBulk);
    // Never back.
    node.set_clock(0).unwrap();
    let deadline = Instant::now() + WAIT;
    while field(&node, "flotilla_log_time_ahead_ms").and_then(|ms| ms.parse::<i64>().ok()).unwrap_or(0) < hour
    {
        assert!(Instant::now() < deadline, "nobody says that log time is ahead");
    }
    assert!(!admin(&["clock", "--step"]).0);
    set(&node, "c");
    assert_eq!(call(&mut connect(&node), &["GET", "c"]), bulk("v"));
}

/// Waits until log time is written down.
fn noted(node: &Server) {
    let deadline = Instant::now() + WAIT;
    while !node.data().join("CLOCK").exists() {
        assert!(Instant::now() < deadline, "no CLOCK in {}", node.data().display());
        thread::sleep(Duration::from_millis(20));
    }
}
