//! Nodes that are asked to stop: in time whatever is under way, with an answer for everybody, and without taking the lead
//! from each other.
//!
//! `STOP_ROUNDS` times all at once (3 if not set).

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use resp_tests::cluster::Cluster;
use resp_tests::connection::{Connection, Received};
use resp_tests::dice::Dice;
use resp_tests::recorder::{Client, Shared, Style};
use resp_tests::server::{Program, Server};
use resp_tests::value::{Value, encode};

use super::{CLIENTS, NODES, bulk, call, error_code, seed, small, variable};

/// `shutdown-timeout` as it is unless set, and what the process may take beyond that.
const GRACE: Duration = Duration::from_secs(15);

/// Waits until the process is gone, for no longer than it has.
fn is_gone_within(node: &mut Server, grace: Duration) {
    let status = node.wait_until_gone(grace).unwrap();
    assert!(status.success(), "{status}:\n{}", node.log_tail());
}

#[test]
fn all_nodes_asked_to_stop_at_once_are_gone_in_time_and_lose_nothing() {
    let rounds = variable("STOP_ROUNDS").unwrap_or(3);
    let mut dice = Dice::new(seed("CLUSTER_SEED"));
    let mut cluster = Cluster::start(&Program::product(), NODES, &small()).unwrap();
    let mut clients: Vec<Client> =
        (0..CLIENTS).map(|id| Client::new(id, Style::OneByOne, 0, Dice::new(dice.roll()))).collect();
    let mut shared = Shared::default();
    let mut longest = Duration::ZERO;
    for round in 1..=rounds {
        cluster.wait_until_agreed().unwrap();
        let ports: Vec<u16> = cluster.nodes.iter().map(|node| node.port).collect();
        let before: u64 = clients.iter().map(|client| client.acknowledged).sum();
        let (stop, asked) = (AtomicBool::new(false), AtomicBool::new(false));
        let load = Duration::from_millis(dice.between(200, 800));
        thread::scope(|scope| {
            for (index, client) in clients.iter_mut().enumerate() {
                let (port, stop, asked) = (ports[index % NODES], &stop, &asked);
                scope.spawn(move || client.write(port, stop, asked));
            }
            thread::sleep(load);
            asked.store(true, Ordering::SeqCst);
            let began = Instant::now();
            cluster.nodes.iter().for_each(|node| node.ask_to_stop().unwrap());
            cluster.nodes.iter_mut().for_each(|node| is_gone_within(node, GRACE));
            longest = longest.max(began.elapsed());
            stop.store(true, Ordering::SeqCst);
        });
        let after: u64 = clients.iter().map(|client| client.acknowledged).sum();
        assert!(after > before, "nothing was written in round {round}");
        cluster.nodes.iter_mut().for_each(|node| node.spawn_again().unwrap());
        cluster.nodes.iter_mut().for_each(|node| node.wait_until_ready().unwrap());
        cluster.wait_until_agreed().unwrap();
        let mut complaints = Vec::new();
        for client in &mut clients {
            complaints.extend(client.verify(&cluster.nodes[dice.below(3) as usize]));
            shared.take(client);
        }
        complaints.extend(cluster.nodes.iter().flat_map(|node| shared.verify(node)));
        assert!(complaints.is_empty(), "round {round}:\n{}", complaints.join("\n"));
    }
    let acknowledged: u64 = clients.iter().map(|client| client.acknowledged).sum();
    println!("{rounds} rounds, {acknowledged} writes acknowledged, all gone after {longest:?} at the latest");
}

/// A client that has a write on its way which no majority will ever take, on a leader whose followers stand still.
fn with_a_write_that_does_not_land(args: &[&str]) -> (Cluster, usize, thread::JoinHandle<Value>) {
    let cluster = Cluster::start(&Program::product(), NODES, args).unwrap();
    let leader = cluster.wait_until_agreed().unwrap();
    let mut connection = cluster.nodes[leader].connect().unwrap();
    connection.set_deadline(Duration::from_secs(60));
    let written = Arc::new(AtomicU64::new(0));
    let counter = Arc::clone(&written);
    let writing = thread::spawn(move || {
        loop {
            match connection.call(&["INCR", "counter"]).unwrap() {
                Received::Reply(Value::Integer(_)) => drop(counter.fetch_add(1, Ordering::SeqCst)),
                Received::Reply(other) => return other,
                Received::Closed => panic!("closed without an answer"),
            }
        }
    });
    let deadline = Instant::now() + Duration::from_secs(30);
    while written.load(Ordering::SeqCst) == 0 {
        assert!(Instant::now() < deadline, "nothing is written");
        thread::sleep(Duration::from_millis(1));
    }
    (0..NODES).filter(|node| *node != leader).for_each(|node| cluster.nodes[node].pause().unwrap());
    // Until no more answers come: the next write is on its way.
    let (mut before, mut since) = (0, Instant::now());
    while since.elapsed() < Duration::from_millis(500) {
        let now = written.load(Ordering::SeqCst);
        if now != std::mem::replace(&mut before, now) {
            since = Instant::now();
        }
        thread::sleep(Duration::from_millis(5));
    }
    (cluster, leader, writing)
}

#[test]
fn a_leader_that_is_left_alone_stops_in_time_and_says_what_it_does_not_know() {
    for how in ["SIGTERM", "SHUTDOWN", "SHUTDOWN NOW"] {
        let (mut cluster, leader, writing) = with_a_write_that_does_not_land(&["--shutdown-timeout", "2"]);
        // One that waits for a key is not waited for.
        let mut waiting = cluster.nodes[leader].connect().unwrap();
        waiting.send(&["BLPOP", "nothing", "0"]).unwrap();
        match how {
            "SIGTERM" => cluster.nodes[leader].ask_to_stop().unwrap(),
            words => {
                let words: Vec<&str> = words.split(' ').collect();
                let mut other = cluster.nodes[leader].connect().unwrap();
                assert_eq!(other.call(&words).unwrap(), Received::Closed, "{how}");
            }
        }
        let reply = writing.join().unwrap();
        assert_eq!(error_code(&reply), "UNKNOWN", "{how}: {reply:?}");
        is_gone_within(&mut cluster.nodes[leader], Duration::from_secs(2 + 5));
        assert_eq!(waiting.receive().unwrap(), Received::Closed, "{how}");
        assert!(cluster.nodes[leader].has_said("unknown=1"), "{how}: {}", cluster.nodes[leader].log_tail());
    }
}

/// Reads that would take minutes: on the network thread itself, and (with nothing in memory) on its pool.
#[test]
fn a_node_stops_in_time_although_a_read_does_not_end() {
    const MEMBERS: usize = 50_000;
    let args =
        ["--shutdown-timeout".to_owned(), "1".to_owned(), "--network-threads".to_owned(), "1".to_owned()];
    let mut node = Server::start(&Program::product(), &args).unwrap();
    let mut connection = node.connect().unwrap();
    connection.set_deadline(Duration::from_secs(60));
    let members: Vec<String> = (0..MEMBERS).map(|member| member.to_string()).collect();
    let words: Vec<&str> = ["SADD", "set"].into_iter().chain(members.iter().map(String::as_str)).collect();
    assert_eq!(call(&mut connection, &words), Value::Integer(MEMBERS as i64));
    let keys = 20_000;
    let long: Vec<String> = ["SINTERCARD".to_owned(), keys.to_string()]
        .into_iter()
        .chain((0..keys).map(|_| "set".to_owned()))
        .collect();
    for life in ["warm", "cold"] {
        let mut reading = node.connect().unwrap();
        reading.set_deadline(Duration::from_secs(60));
        reading.send_raw(&encode(&long)).unwrap();
        // It has come to it: what was sent before has its answer, and it is at work.
        thread::sleep(Duration::from_millis(500));
        node.ask_to_stop().unwrap();
        is_gone_within(&mut node, Duration::from_secs(1 + 5));
        match reading.receive().unwrap() {
            Received::Closed => {}
            Received::Reply(reply) => assert_eq!(error_code(&reply), "TRYAGAIN", "{life}: {reply:?}"),
        }
        node.start_again().unwrap();
        let mut connection = node.connect().unwrap();
        assert_eq!(call(&mut connection, &["SCARD", "set"]), Value::Integer(MEMBERS as i64), "{life}");
    }
}

/// `lease-reads no`: nothing is answered that a majority was not asked for, however fresh the lease.
#[test]
fn a_leader_without_lease_reads_answers_nothing_while_it_hears_nobody() {
    let cluster = Cluster::start(&Program::product(), NODES, &["--lease-reads", "no"]).unwrap();
    let leader = cluster.wait_until_agreed().unwrap();
    let mut connection: Connection = cluster.nodes[leader].connect().unwrap();
    connection.set_deadline(Duration::from_secs(30));
    assert_eq!(call(&mut connection, &["SET", "key", "value"]), Value::Simple(b"OK".to_vec()));
    assert_eq!(call(&mut connection, &["GET", "key"]), bulk("value"));
    let others: Vec<usize> = (0..NODES).filter(|node| *node != leader).collect();
    for round in 0..3 {
        others.iter().for_each(|node| cluster.nodes[*node].pause().unwrap());
        let reply = call(&mut connection, &["GET", "key"]);
        assert_eq!(error_code(&reply), "CLUSTERDOWN", "round {round}: {reply:?}");
        others.iter().for_each(|node| cluster.nodes[*node].resume().unwrap());
        let deadline = Instant::now() + Duration::from_secs(20);
        let leads = |reply: &Value| *reply == bulk("value");
        while !leads(&call(&mut connection, &["GET", "key"])) {
            assert!(Instant::now() < deadline, "round {round}: nobody leads again");
        }
        if cluster.wait_until_agreed().unwrap() != leader {
            return;
        }
    }
}
