//! Clients that wait for keys, on any node: an element goes to one of them, also when the leader is killed meanwhile, and
//! waiting writes nothing to the log.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use resp_tests::cluster::{Cluster, field};
use resp_tests::connection::{Connection, Received};
use resp_tests::server::{Program, Server, Stop};
use resp_tests::value::Value;

use super::{NODES, call};

/// Elements that waiting clients of a node got, and how often one could not tell.
#[derive(Default)]
struct Taken {
    elements: Vec<String>,
    unknown: usize,
}

/// Takes elements until told to stop and there is nothing more.
fn taker(port: u16, stop: Arc<AtomicBool>) -> JoinHandle<Taken> {
    thread::spawn(move || {
        let mut connection = Connection::open(port).unwrap();
        connection.set_deadline(Duration::from_secs(20));
        let mut taken = Taken::default();
        loop {
            match connection.call(&["BLPOP", "other", "queue", "0.5"]).unwrap() {
                Received::Reply(Value::Array(pair)) => match &pair[..] {
                    [_, Value::Bulk(element)] => {
                        taken.elements.push(String::from_utf8(element.clone()).unwrap());
                    }
                    other => panic!("{other:?}"),
                },
                Received::Reply(Value::Error(text)) if text.starts_with(b"UNKNOWN") => taken.unknown += 1,
                // No leader for now.
                Received::Reply(Value::Error(text)) => {
                    assert!(text.starts_with(b"CLUSTERDOWN"), "{}", String::from_utf8_lossy(&text));
                    thread::sleep(Duration::from_millis(20));
                }
                Received::Reply(_) if stop.load(Ordering::Relaxed) => return taken,
                Received::Reply(_) => {}
                Received::Closed => panic!("closed"),
            }
        }
    })
}

#[test]
fn an_element_goes_to_one_client_whatever_happens_to_the_leader() {
    let mut cluster = Cluster::start(&Program::product(), NODES, &[]).unwrap();
    let leader = cluster.wait_until_agreed().unwrap();
    let others: Vec<u16> =
        (0..NODES).filter(|node| *node != leader).map(|node| cluster.nodes[node].port).collect();
    let stop = Arc::new(AtomicBool::new(false));
    let takers: Vec<_> =
        (0..8).map(|number| taker(others[number % others.len()], Arc::clone(&stop))).collect();
    let mut pushers: Vec<Connection> = others.iter().map(|port| Connection::open(*port).unwrap()).collect();
    // Element → whether its push was acknowledged.
    let mut pushed = BTreeMap::new();
    let mut push = |pushers: &mut Vec<Connection>, number: usize| {
        let element = format!("element {number}");
        let at = number % pushers.len();
        let reply = call(&mut pushers[at], &["RPUSH", "queue", &element]);
        pushed.insert(element, matches!(reply, Value::Integer(_)));
    };
    (0..150).for_each(|number| push(&mut pushers, number));
    cluster.nodes[leader].stop(Stop::Kill).unwrap();
    (150..400).for_each(|number| push(&mut pushers, number));
    let acknowledged = pushed.values().filter(|acknowledged| **acknowledged).count();
    assert!(acknowledged > 250, "{acknowledged} of 400 pushes were acknowledged");
    thread::sleep(Duration::from_secs(1));
    stop.store(true, Ordering::Relaxed);
    let taken: Vec<Taken> = takers.into_iter().map(|taker| taker.join().unwrap()).collect();
    let unknown: usize = taken.iter().map(|taken| taken.unknown).sum();
    let mut times: BTreeMap<&str, usize> = BTreeMap::new();
    for element in taken.iter().flat_map(|taken| &taken.elements) {
        *times.entry(element).or_default() += 1;
    }
    let twice: Vec<_> = times.iter().filter(|(_, times)| **times > 1).collect();
    assert!(twice.is_empty(), "given to two: {twice:?}");
    let lost: Vec<_> = pushed
        .iter()
        .filter(|(element, acknowledged)| **acknowledged && !times.contains_key(element.as_str()))
        .collect();
    assert!(lost.len() <= unknown, "{} lost, {unknown} of unknown outcome: {lost:?}", lost.len());
    assert_eq!(call(&mut pushers[0], &["LLEN", "queue"]), Value::Integer(0));
    let at_work = taken.iter().filter(|taken| !taken.elements.is_empty()).count();
    assert!(at_work > 1, "all elements went to one client");
}

fn number(node: &Server, name: &str) -> u64 {
    field(node, name).and_then(|text| text.parse().ok()).unwrap_or_else(|| panic!("no {name}"))
}

#[test]
fn a_thousand_clients_wait_without_the_log_and_are_served_in_turn() {
    const WAITING: usize = 1000;
    /// Of these each is parked before the next one comes: there are several network threads.
    const IN_TURN: usize = 50;
    let mut server = Server::start(&Program::product(), &[]).unwrap();
    let mut client = server.connect().unwrap();
    let wait_until_parked = |count: usize| {
        let deadline = Instant::now() + Duration::from_secs(30);
        while number(&server, "blocked_clients") < count as u64 {
            assert!(Instant::now() < deadline, "{} wait", number(&server, "blocked_clients"));
            thread::sleep(Duration::from_millis(2));
        }
    };
    let mut waiting = Vec::new();
    for count in 1..=WAITING {
        let mut connection = Connection::open(server.port).unwrap();
        connection.set_deadline(Duration::from_secs(60));
        connection.send(&["BRPOP", "queue", "0"]).unwrap();
        waiting.push(connection);
        if count <= IN_TURN || count == WAITING {
            wait_until_parked(count);
        }
    }
    let before = call(&mut client, &["LASTREV"]);
    thread::sleep(Duration::from_millis(300));
    assert_eq!(call(&mut client, &["LASTREV"]), before, "waiting must not write to the log");
    for number in 0..WAITING {
        call(&mut client, &["LPUSH", "queue", &number.to_string()]);
    }
    let mut got: Vec<usize> = Vec::new();
    for connection in &mut waiting {
        match connection.receive().unwrap() {
            Received::Reply(Value::Array(pair)) => match &pair[..] {
                [_, Value::Bulk(element)] => {
                    got.push(String::from_utf8_lossy(element).parse().unwrap());
                }
                other => panic!("{other:?}"),
            },
            other => panic!("{other:?}"),
        }
    }
    assert!(got.iter().copied().take(IN_TURN).eq(0..IN_TURN), "not in turn: {:?}", &got[..IN_TURN]);
    got.sort_unstable();
    assert!(got.into_iter().eq(0..WAITING), "not each once");
    assert_eq!(number(&server, "blocked_clients"), 0);
    server.stop(Stop::Kill).unwrap();
}
