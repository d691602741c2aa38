//! What followers answer instead of sending calls on, and that all nodes tell the same story.

use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

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
    // Wherever its keys are, and whether it reads, writes, waits or watches.
    for words in [
        &["XREAD", "COUNT", "1", "STREAMS", "foo", "0"][..],
        &["XREAD", "BLOCK", "0", "STREAMS", "foo", "$"],
        &["XREADGROUP", "GROUP", "g", "c", "BLOCK", "0", "STREAMS", "foo", ">"],
        &["XREADGROUP", "COUNT", "1", "GROUP", "STREAMS", "c", "STREAMS", "foo", ">"],
        &["WATCH", "foo"],
        &["BLPOP", "foo", "0"],
        &["BLMPOP", "0", "1", "foo", "LEFT"],
        &["SINTERCARD", "1", "foo"],
        &["ZUNIONSTORE", "foo", "1", "{foo}"],
        &["SORT", "foo", "STORE", "{foo}d"],
        &["SORT_RO", "foo"],
        &["GEORADIUS", "foo", "0", "0", "1", "m", "STORE", "{foo}d"],
        &["OBJECT", "ENCODING", "foo"],
        &["XINFO", "STREAM", "foo"],
        &["BITOP", "NOT", "foo", "{foo}d"],
        &["MGET", "foo", "{foo}d"],
    ] {
        assert_eq!(error(&mut connection, words), moved, "{words:?}");
    }
    let cross = "CROSSSLOT Keys in request don't hash to the same slot";
    for node in 0..NODES {
        let mut anywhere = cluster.nodes[node].connect().unwrap();
        for words in [
            &["MGET", "foo", "bar"][..],
            &["XREAD", "STREAMS", "foo", "bar", "0", "0"],
            &["WATCH", "foo", "bar"],
        ] {
            assert_eq!(error(&mut anywhere, words), cross, "{words:?}");
        }
        // Channels have no node.
        assert_eq!(call(&mut anywhere, &["SPUBLISH", "foo", "x"]), Value::Integer(0));
    }
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
    assert_eq!(call(&mut connection, &["WATCH", "foo"]), ok());
    assert_eq!(error(&mut connection, &["XREADGROUP", "GROUP", "g", "c", "STREAMS", "foo", ">"]), moved);
    assert!(error(&mut connection, &["XREAD", "STREAMS", "foo", "0"]).starts_with("WRONGTYPE "));
    assert_eq!(call(&mut connection, &["MULTI"]), ok());
    assert_eq!(call(&mut connection, &["GET", "foo"]), Value::Simple(b"QUEUED".to_vec()));
    assert_eq!(call(&mut connection, &["EXEC"]), Value::Array(vec![bulk("v")]));
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
        // INFO and CONFIG say so, and whom they follow.
        let (follower, port) = (&cluster.nodes[(leader + 1) % NODES], cluster.nodes[leader].port);
        assert_eq!(resp_tests::cluster::field(follower, "slave_read_only").as_deref(), Some("1"));
        let followed = [bulk("replicaof"), bulk(&format!("127.0.0.1 {port}"))];
        let deadline = Instant::now() + Duration::from_secs(10);
        while call(&mut follower.connect().unwrap(), &["CONFIG", "GET", "replicaof"])
            != Value::Array(followed.to_vec())
        {
            assert!(Instant::now() < deadline, "the follower does not say whom it follows");
            thread::sleep(Duration::from_millis(20));
        }
        let of_leader = call(&mut cluster.nodes[leader].connect().unwrap(), &["CONFIG", "GET", "slaveof"]);
        assert_eq!(of_leader, Value::Array(vec![bulk("slaveof"), bulk("")]));
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

/// `CLUSTER NODES` of a node: id, address, flags, ping, pong by the words of the line.
fn lines_of_nodes(server: &resp_tests::server::Server) -> Vec<Vec<String>> {
    let Value::Bulk(text) = call(&mut server.connect().unwrap(), &["CLUSTER", "NODES"]) else { panic!() };
    let text = String::from_utf8(text).unwrap();
    text.lines().map(|line| line.split_whitespace().map(str::to_owned).collect()).collect()
}

#[test]
fn the_nodes_of_a_cluster_have_ids_that_differ_at_a_glance_and_ports_and_times_that_are_so() {
    let cluster = Cluster::start(&Program::product(), NODES, &["--cluster-enabled", "yes"]).unwrap();
    let leader = cluster.wait_until_agreed().unwrap();
    let ids: Vec<String> = cluster
        .nodes
        .iter()
        .map(|node| match call(&mut node.connect().unwrap(), &["CLUSTER", "MYID"]) {
            Value::Bulk(id) => String::from_utf8(id).unwrap(),
            other => panic!("{other:?}"),
        })
        .collect();
    let heads: std::collections::BTreeSet<&str> = ids.iter().map(|id| &id[..8]).collect();
    assert_eq!(heads.len(), NODES, "{ids:?}");
    assert!(ids.iter().all(|id| id.len() == 40 && id.bytes().all(|byte| byte.is_ascii_hexdigit())));
    for (asked, node) in cluster.nodes.iter().enumerate() {
        let deadline = Instant::now() + Duration::from_secs(10);
        while lines_of_nodes(node).len() < NODES {
            assert!(Instant::now() < deadline);
            thread::sleep(Duration::from_millis(20));
        }
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis();
        for line in lines_of_nodes(node) {
            let of = ids.iter().position(|id| *id == line[0]).expect("a node's own id");
            let server = &cluster.nodes[of];
            assert_eq!(line[1], format!("127.0.0.1:{}@{}", server.port, server.peer_port()));
            let pong: u128 = line[5].parse().unwrap();
            match of == asked {
                true => assert_eq!((&line[2].contains("myself"), pong), (&true, 0)),
                // Each is asked once a second.
                false => assert!(pong <= now + 1000 && pong + 60_000 > now, "{line:?} at {now}"),
            }
        }
        // SLOTS and SHARDS name the same ids; the metadata behind them are a map.
        let mut connection = node.connect().unwrap();
        call(&mut connection, &["HELLO", "3"]);
        let slots = call(&mut connection, &["CLUSTER", "SLOTS"]);
        let Value::Array(ranges) = &slots else { panic!("{slots:?}") };
        let Value::Array(range) = &ranges[0] else { panic!("{slots:?}") };
        assert_eq!(range.len(), 2 + NODES);
        for told in &range[2..] {
            let Value::Array(told) = told else { panic!("{told:?}") };
            assert!(ids.iter().any(|id| told[2] == Value::Bulk(id.clone().into())), "{told:?}");
            assert_eq!(told[3], Value::Map(vec![]));
        }
        let shards = format!("{:?}", call(&mut connection, &["CLUSTER", "SHARDS"]));
        assert!(ids.iter().all(|id| shards.contains(&format!("{:?}", id.as_bytes()))), "{shards}");
    }
    // What people run.
    let at = format!("127.0.0.1:{}", cluster.nodes[(leader + 1) % NODES].port);
    for (what, says) in [("info", "0 keys in 1 masters."), ("check", "[OK] All 16384 slots covered.")] {
        let output = std::process::Command::new("redis-cli").args(["--cluster", what, &at]).output().unwrap();
        let text = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success() && text.contains(says), "{what}: {text}");
        assert!(text.contains(&ids[leader][..8]), "{text}");
    }
}
