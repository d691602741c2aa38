//! What followers answer instead of sending calls on, and that all nodes tell the same story.

use std::thread;
use std::time::{Duration, Instant};

use resp_tests::cluster::Cluster;
use resp_tests::connection::Connection;
use resp_tests::server::{Program, Stop};
use resp_tests::value::Value;

use super::{NODES, bulk, call, ok};

fn error(connection: &mut Connection, words: &[&str]) -> String {
    match call(connection, words) {
        Value::Error(text) => String::from_utf8_lossy(&text).into_owned(),
        other => panic!("{words:?} answered {other:?}"),
    }
}

/// Waits until a node knows where the leader's clients connect.
fn wait_until_told(connection: &mut Connection, words: &[&str], wanted: &str) {
    let deadline = Instant::now() + Duration::from_secs(10);
    loop {
        let found = error(connection, words);
        if found == wanted {
            return;
        }
        assert!(Instant::now() < deadline, "{found}, not {wanted}");
        thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn in_cluster_mode_followers_send_clients_to_the_leader() {
    let mut cluster = Cluster::start(&Program::product(), NODES, &["--cluster-enabled", "yes"]).unwrap();
    let leader = cluster.wait_until_agreed().unwrap();
    let (port, follower) = (cluster.nodes[leader].port, (leader + 1) % NODES);
    let mut connection = cluster.nodes[follower].connect().unwrap();
    let moved = format!("MOVED 12182 127.0.0.1:{port}");
    wait_until_told(&mut connection, &["SET", "foo", "v"], &moved);
    assert_eq!(error(&mut connection, &["GET", "foo"]), moved);
    assert!(error(&mut connection, &["FLUSHALL"]).starts_with("READONLY "));
    assert_eq!(call(&mut connection, &["MULTI"]), ok());
    assert_eq!(error(&mut connection, &["SET", "foo", "v"]), moved);
    assert!(error(&mut connection, &["EXEC"]).starts_with("EXECABORT "));
    assert_eq!(call(&mut cluster.nodes[leader].connect().unwrap(), &["SET", "foo", "v"]), ok());
    assert_eq!(call(&mut connection, &["READONLY"]), ok());
    let deadline = Instant::now() + Duration::from_secs(5);
    while call(&mut connection, &["GET", "foo"]) != bulk("v") {
        assert!(Instant::now() < deadline);
    }
    assert_eq!(error(&mut connection, &["SET", "foo", "w"]), moved);
    // Every node tells the same of all.
    let slots = |node: usize| call(&mut cluster.nodes[node].connect().unwrap(), &["CLUSTER", "SLOTS"]);
    let deadline = Instant::now() + Duration::from_secs(10);
    while !(slots(0) == slots(1)
        && slots(1) == slots(2)
        && format!("{:?}", slots(0)).matches("Bulk").count() == 6)
    {
        assert!(Instant::now() < deadline, "{:?}\n{:?}", slots(0), slots(1));
        thread::sleep(Duration::from_millis(50));
    }
    // When the leader dies, the new one is known at once where its own clients ask.
    cluster.nodes[leader].stop(Stop::Kill).unwrap();
    let deadline = Instant::now() + Duration::from_secs(10);
    let other = (leader + 2) % NODES;
    loop {
        let ports = [follower, other].map(|node| {
            let Value::Array(ranges) =
                call(&mut cluster.nodes[node].connect().unwrap(), &["CLUSTER", "SLOTS"])
            else {
                panic!()
            };
            match ranges.first() {
                Some(Value::Array(range)) => match &range[2] {
                    Value::Array(node) => node[1].clone(),
                    other => panic!("{other:?}"),
                },
                _ => Value::Null,
            }
        });
        let living = [follower, other].map(|node| Value::Integer(cluster.nodes[node].port.into()));
        if ports[0] == ports[1] && living.contains(&ports[0]) {
            break;
        }
        assert!(Instant::now() < deadline, "{ports:?}");
        thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn followers_refuse_or_redirect_as_they_are_told() {
    for (mode, plain) in [("readonly", "READONLY "), ("redirect", "READONLY ")] {
        let cluster = Cluster::start(&Program::product(), NODES, &["--on-follower", mode]).unwrap();
        let leader = cluster.wait_until_agreed().unwrap();
        let mut connection = cluster.nodes[(leader + 1) % NODES].connect().unwrap();
        assert!(error(&mut connection, &["SET", "k", "v"]).starts_with(plain), "{mode}");
        // Reads are answered here in either mode.
        assert_eq!(call(&mut connection, &["GET", "k"]), Value::NilBulk);
        if mode == "redirect" {
            assert_eq!(call(&mut connection, &["CLIENT", "CAPA", "redirect"]), ok());
            let wanted = format!("REDIRECT 127.0.0.1:{}", cluster.nodes[leader].port);
            wait_until_told(&mut connection, &["SET", "k", "v"], &wanted);
            assert_eq!(error(&mut connection, &["GET", "k"]), wanted);
            assert_eq!(call(&mut connection, &["READONLY"]), ok());
            assert_eq!(call(&mut connection, &["GET", "k"]), Value::NilBulk);
        }
    }
}

#[test]
fn sentinels_name_the_leader_and_tell_of_another_one() {
    let mut cluster = Cluster::start(&Program::product(), NODES, &[]).unwrap();
    let leader = cluster.wait_until_agreed().unwrap();
    let asked = (leader + 1) % NODES;
    // One of them has a port for it besides.
    let extra = resp_tests::ports::free_port().unwrap();
    cluster.nodes[asked].stop(Stop::Terminate).unwrap();
    cluster.nodes[asked].add_args(&["--sentinel-port".to_owned(), extra.to_string()]);
    cluster.nodes[asked].start_again().unwrap();
    let leader = cluster.wait_until_agreed().unwrap();
    let asked = (leader + 1) % NODES;
    let mut at_extra = Connection::open(extra).unwrap();
    let deadline = Instant::now() + Duration::from_secs(10);
    // It hears within a second where clients of the leader connect.
    while !matches!(call(&mut at_extra, &["SENTINEL", "MASTERS"]), Value::Array(masters) if masters.len() == 1)
    {
        assert!(Instant::now() < deadline);
        thread::sleep(Duration::from_millis(20));
    }
    let role = Value::Array(vec![bulk("sentinel"), Value::Array(vec![bulk("flotilla")])]);
    assert_eq!(call(&mut at_extra, &["ROLE"]), role);
    let mut listener = cluster.nodes[asked].connect().unwrap();
    listener.set_deadline(Duration::from_secs(20));
    call(&mut listener, &["SUBSCRIBE", "+switch-master"]);
    let mut connection = cluster.nodes[asked].connect().unwrap();
    let address = |port: u16| Value::Array(vec![bulk("127.0.0.1"), bulk(&port.to_string())]);
    let ask = ["SENTINEL", "GET-MASTER-ADDR-BY-NAME", "flotilla"];
    let deadline = Instant::now() + Duration::from_secs(10);
    while call(&mut connection, &ask) != address(cluster.nodes[leader].port) {
        assert!(Instant::now() < deadline);
        thread::sleep(Duration::from_millis(20));
    }
    let Value::Array(others) = call(&mut connection, &["SENTINEL", "SENTINELS", "flotilla"]) else {
        panic!()
    };
    assert_eq!(others.len(), NODES - 1);
    let old = cluster.nodes[leader].port;
    cluster.nodes[leader].stop(Stop::Kill).unwrap();
    let resp_tests::connection::Received::Reply(Value::Array(message)) = listener.receive().unwrap() else {
        panic!()
    };
    let Value::Bulk(text) = &message[2] else { panic!() };
    let text = String::from_utf8_lossy(text).into_owned();
    let words: Vec<&str> = text.split(' ').collect();
    assert_eq!(words[..3], ["flotilla", "127.0.0.1", &old.to_string()]);
    assert_eq!(call(&mut connection, &ask), address(words[4].parse().unwrap()));
}
