//! Redis and Valkey servers that follow a node by PSYNC: they have all data, each write once, whoever is killed meanwhile.
//!
//! `MOVING_SEED` is printed; `MOVING_ROUNDS` (3 if not set) is how often connections and nodes are killed.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

mod load;

use std::io::{Read, Write};
use std::process::Output;
use std::thread;
use std::time::{Duration, Instant};

use load::{Load, write};
use resp_tests::cluster::{Cluster, field};
use resp_tests::connection::Connection;
use resp_tests::dice::Dice;
use resp_tests::edge::support::edge;
use resp_tests::redis::{Product, Redis as Replica, account, fill};
use resp_tests::server::{Program, Server, Stop};
use resp_tests::support::{
    admin, bulk, call, error_code, eventually, eventually_within, number, ok, seed, variable,
};
use resp_tests::value::Value;

const LOADED_MAX: Duration = Duration::from_secs(60);

fn node(args: &[&str]) -> Server {
    let args: Vec<String> = args.iter().map(|word| (*word).to_owned()).collect();
    Server::start(&Program::product(), &args).unwrap()
}

fn text(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

fn count(node: &Server, name: &str) -> u64 {
    field(node, &format!("flotilla_psync_{name}")).and_then(|text| text.parse().ok()).unwrap_or(0)
}

/// A line of a replica's INFO.
fn info(replica: &Replica, name: &str) -> String {
    let Value::Bulk(text) = call(&mut replica.connect(), &["INFO", "everything"]) else {
        return String::new();
    };
    let text = String::from_utf8_lossy(&text).into_owned();
    let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    line.unwrap_or_default().trim().to_owned()
}

fn follow(replica: &Replica, node: &Server) {
    let port = node.door().address.port().to_string();
    assert_eq!(call(&mut replica.connect(), &["REPLICAOF", "127.0.0.1", &port]), ok());
    eventually_within("it follows", LOADED_MAX, || info(replica, "master_link_status") == "up");
}

/// Waits until a replica has what was written by now.
fn catch_up(replica: &Replica, writer: &mut Connection) {
    let marker = format!("marker {:?}", Instant::now());
    assert_eq!(call(writer, &["SET", "marker", &marker]), ok());
    let mut there = replica.connect();
    eventually_within("the replica has caught up", LOADED_MAX, || {
        call(&mut there, &["GET", "marker"]) == bulk(&marker)
    });
}

/// Compares all there is, once it is level.
fn must_be_equal(node: &Server, replica: &Replica) {
    let output = admin(node, &["compare", &replica.url(), "--tolerance-ms", "0"]);
    assert!(output.status.success(), "{}\n{}", text(&output), node.log_tail());
}

/// Everything of everything, under load, while connections and nodes are killed.
fn move_out_under_load(product: Product) {
    let seed = seed("MOVING_SEED");
    let rounds = variable("MOVING_ROUNDS").unwrap_or(3);
    let mut cluster = Cluster::start(&Program::product(), 3, &[]).unwrap();
    let leader = cluster.wait_until_agreed().unwrap();
    fill(&mut cluster.nodes[leader].connect().unwrap());
    let doors: Vec<_> = cluster.nodes.iter().map(Server::door).collect();
    let load = Load::start(&doors, seed);
    // Of a follower, which stays; whoever leads is killed.
    let fed = (leader + 1) % 3;
    let mut replica = Replica::start(product, &[]);
    follow(&replica, &cluster.nodes[fed]);
    let full = count(&cluster.nodes[fed], "full");
    for round in 0..rounds {
        let partial = count(&cluster.nodes[fed], "partial_ok");
        call(&mut cluster.nodes[fed].connect().unwrap(), &["CLIENT", "KILL", "TYPE", "replica"]);
        eventually_within("it goes on", LOADED_MAX, || count(&cluster.nodes[fed], "partial_ok") > partial);
        thread::sleep(Duration::from_millis(500));
        if let Some(leader) = cluster.leader().filter(|leader| *leader != fed) {
            cluster.nodes[leader].stop(if round % 2 == 0 { Stop::Kill } else { Stop::Terminate }).unwrap();
            thread::sleep(Duration::from_secs(1));
            cluster.nodes[leader].start_again().unwrap();
        }
    }
    assert_eq!(count(&cluster.nodes[fed], "full"), full, "nothing but the stream was needed");
    assert_eq!(count(&cluster.nodes[fed], "restarts"), 0);
    // One that has lost all, under load.
    replica.start_anew();
    follow(&replica, &cluster.nodes[fed]);
    thread::sleep(Duration::from_secs(1));
    let (increments, entries) = load.stop();
    cluster.wait_until_agreed().unwrap();
    let mut here = cluster.nodes[fed].connect().unwrap();
    catch_up(&replica, &mut here);
    // What expires soon goes on both sides.
    thread::sleep(Duration::from_secs(2));
    catch_up(&replica, &mut here);
    must_be_equal(&cluster.nodes[fed], &replica);
    let mut there = replica.connect();
    let counter = call(&mut there, &["GET", "counter"]);
    assert_eq!(counter, call(&mut here, &["GET", "counter"]));
    let Value::Bulk(counter) = counter else { panic!("{counter:?}") };
    assert!(String::from_utf8_lossy(&counter).parse::<u64>().unwrap() >= increments);
    let streamed = number(&call(&mut there, &["XLEN", "stream"]));
    assert!(u64::try_from(streamed).unwrap() >= entries);
    assert_eq!(call(&mut there, &["FCALL_RO", "f", "0"]), Value::Integer(7));
    let own = account(&mut there);
    assert_eq!(call(&mut there, &["SELECT", "3"]), ok());
    assert_eq!(own + account(&mut there), 0, "a transaction here is one there");
    let errors = info(&replica, "total_error_replies");
    println!(
        "{increments} increments, {entries} entries; {} values and {} commands sent, {} bytes; error replies there: {errors}",
        count(&cluster.nodes[fed], "values_sent"),
        count(&cluster.nodes[fed], "commands_sent"),
        count(&cluster.nodes[fed], "offset"),
    );
    // It is a server of its own when it is told so, and has all of it.
    assert_eq!(call(&mut there, &["REPLICAOF", "NO", "ONE"]), ok());
    assert_eq!(call(&mut there, &["SET", "own", "write"]), ok());
}

#[test]
fn a_redis_follows_under_load_while_nodes_and_connections_are_killed() {
    move_out_under_load(Product::Redis);
}

#[test]
fn a_valkey_follows_under_load_while_nodes_and_connections_are_killed() {
    move_out_under_load(Product::Valkey);
}

/// Each command by itself: between two of them the replica is equal, so whatever is wrong is seen where it is.
#[test]
fn every_kind_of_write_has_the_same_effect_there() {
    let (node, replica) = (node(&[]), Replica::start(Product::Redis, &[]));
    follow(&replica, &node);
    let mut here = node.connect().unwrap();
    let mut dice = Dice::new(seed("MOVING_SEED"));
    for round in 0..40 {
        for _ in 0..100 {
            write(&mut here, 0, &mut dice).unwrap();
        }
        if round % 10 == 9 {
            thread::sleep(Duration::from_secs(2));
            catch_up(&replica, &mut here);
            must_be_equal(&node, &replica);
        }
    }
    assert!(count(&node, "commands_sent") > 500, "calls are passed on as such");
    assert_eq!((count(&node, "full"), count(&node, "restarts")), (1, 0));
}

#[test]
fn whole_databases_and_libraries_follow() {
    let (node, replica) = (node(&[]), Replica::start(Product::Redis, &[]));
    let mut here = node.connect().unwrap();
    fill(&mut here);
    follow(&replica, &node);
    catch_up(&replica, &mut here);
    must_be_equal(&node, &replica);
    let other = "#!lua name=other\nredis.register_function{
        function_name = 'g', callback = function() return 8 end, flags = { 'no-writes' } }";
    call(&mut here, &["FUNCTION", "LOAD", other]);
    call(&mut here, &["FUNCTION", "DELETE", "lib"]);
    call(&mut here, &["EVAL", "redis.call('SWAPDB', 0, 9); redis.call('RPUSH', 'list', 'x')", "0"]);
    call(&mut here, &["SWAPDB", "0", "9"]);
    call(&mut here, &["RPUSH", "large list", "more"]);
    catch_up(&replica, &mut here);
    must_be_equal(&node, &replica);
    let mut there = replica.connect();
    assert_eq!(call(&mut there, &["FCALL", "g", "0"]), Value::Integer(8));
    assert_eq!(error_code(&call(&mut there, &["FCALL", "f", "0"])), "ERR");
    call(&mut here, &["FLUSHALL"]);
    call(&mut here, &["RPUSH", "list", "behind"]);
    catch_up(&replica, &mut here);
    must_be_equal(&node, &replica);
    assert_eq!(number(&call(&mut there, &["DBSIZE"])), 2);
}

/// Connects as a replica does, and asks for all data; what comes is not read.
fn ask(node: &Server, capabilities: &[&str]) -> Connection {
    let mut connection = node.connect().unwrap();
    for words in capabilities {
        let words: Vec<&str> = words.split(' ').collect();
        assert_eq!(call(&mut connection, &words), ok());
    }
    connection.send(&["PSYNC", "?", "-1"]).unwrap();
    connection
}

fn read_line(connection: &Connection) -> String {
    let mut line = Vec::new();
    let mut stream = connection.stream();
    loop {
        let mut byte = [0];
        stream.read_exact(&mut byte).unwrap();
        match byte[0] {
            b'\n' if line.is_empty() => {}
            b'\n' => return String::from_utf8_lossy(&line).trim().to_owned(),
            byte => line.push(byte),
        }
    }
}

#[test]
fn one_that_cannot_find_an_end_is_told_the_length() {
    let node = node(&[]);
    let mut here = node.connect().unwrap();
    fill(&mut here);
    let connection = ask(&node, &["REPLCONF listening-port 7000"]);
    assert!(read_line(&connection).starts_with("+FULLRESYNC "));
    let length: usize = read_line(&connection).strip_prefix('$').unwrap().parse().unwrap();
    let mut rdb = vec![0; length];
    connection.stream().read_exact(&mut rdb).unwrap();
    assert!(rdb.starts_with(b"REDIS0010"));
    assert_eq!(rdb[length - 9], 0xff, "its end is the end");
    // The stream follows once it says that it has it.
    call(&mut here, &["SET", "k", "v"]);
    let mut stream = connection.stream();
    stream.write_all(b"*3\r\n$8\r\nREPLCONF\r\n$3\r\nACK\r\n$1\r\n0\r\n").unwrap();
    let mut first = [0; 4];
    stream.read_exact(&mut first).unwrap();
    assert_eq!(&first, b"*1\r\n", "MULTI");
}

#[test]
fn one_that_is_slow_is_disconnected_and_costs_no_more_than_its_bound() {
    let node = node(&["--psync-buffer-bytes", "8mb", "--psync-backlog-bytes", "1mb"]);
    let mut here = node.connect().unwrap();
    let slow = ask(&node, &["REPLCONF capa eof"]);
    let replica = Replica::start(Product::Redis, &[]);
    follow(&replica, &node);
    let value = "x".repeat(100_000);
    let mut kept_max = 0;
    let began = Instant::now();
    for number in 0..600 {
        call(&mut here, &["SET", &format!("key {}", number % 200), &value]);
        kept_max = kept_max.max(count(&node, "kept_bytes"));
    }
    println!("600 writes beside a slow follower: {:?}; kept at most {kept_max} bytes", began.elapsed());
    eventually("it is disconnected", || count(&node, "slow_disconnections") >= 1);
    assert!(kept_max <= (8 << 20) + (2 << 20), "{kept_max}");
    drop(slow);
    catch_up(&replica, &mut here);
    must_be_equal(&node, &replica);
}

#[test]
fn who_missed_more_than_is_kept_gets_all_again() {
    let node = node(&["--psync-backlog-bytes", "1mb", "--psync-buffer-bytes", "64mb"]);
    let mut here = node.connect().unwrap();
    let replica = Replica::start(Product::Redis, &[]);
    follow(&replica, &node);
    // It had asked to go on with a stream of its own.
    let refused = count(&node, "partial_err");
    // It keeps what it knows of the stream while it follows somebody who is not there.
    let mut there = replica.connect();
    call(&mut there, &["CONFIG", "SET", "masteruser", "nobody"]);
    call(&mut there, &["CONFIG", "SET", "masterauth", "wrong"]);
    call(&mut here, &["CLIENT", "KILL", "TYPE", "replica"]);
    eventually("it is gone", || count(&node, "replicas") == 0);
    let value = "x".repeat(100_000);
    for number in 0..60 {
        call(&mut here, &["SET", &format!("key {number}"), &value]);
    }
    eventually("the stream has them", || count(&node, "offset") > 6_000_000);
    call(&mut there, &["CONFIG", "SET", "masteruser", ""]);
    call(&mut there, &["CONFIG", "SET", "masterauth", ""]);
    eventually_within("it has all again", LOADED_MAX, || {
        info(&replica, "master_link_status") == "up" && count(&node, "full") == 2
    });
    assert_eq!(count(&node, "partial_err"), refused + 1);
    catch_up(&replica, &mut here);
    must_be_equal(&node, &replica);
}

#[test]
fn an_edge_is_followed_as_well() {
    let core = node(&[]);
    let far = edge("far", &core.peer_address(), &[]);
    let mut here = core.connect().unwrap();
    fill(&mut here);
    let replica = Replica::start(Product::Redis, &[]);
    follow(&replica, &far);
    let mut dice = Dice::new(7);
    for _ in 0..300 {
        write(&mut here, 0, &mut dice).unwrap();
    }
    thread::sleep(Duration::from_secs(2));
    catch_up(&replica, &mut here);
    must_be_equal(&core, &replica);
}

#[test]
fn who_may_not_follow_is_told_so_and_rubbish_ends_a_connection() {
    let node = node(&["--psync-replicas-max", "1"]);
    let mut here = node.connect().unwrap();
    assert_eq!(call(&mut here, &["ACL", "SETUSER", "alice", "on", ">p", "~*", "+@all", "-@admin"]), ok());
    assert_eq!(
        call(&mut here, &["ACL", "SETUSER", "mover", "on", ">p", "+psync", "+replconf", "+ping"]),
        ok()
    );
    let mut alice = node.connect().unwrap();
    assert_eq!(call(&mut alice, &["AUTH", "alice", "p"]), ok());
    for words in [&["PSYNC", "?", "-1"][..], &["REPLCONF", "listening-port", "1"]] {
        assert_eq!(error_code(&call(&mut alice, words)), "NOPERM", "{words:?}");
    }
    for words in [
        &["PSYNC", "?", "x"][..],
        &["PSYNC", "?", "-1", "FAILOVER"],
        &["SYNC"],
        &["REPLCONF", "listening-port", "70000"],
        &["REPLCONF", "rdb-only", "1"],
        &["REPLCONF", "nonsense", "1"],
        &["REPLCONF", "capa"],
    ] {
        assert_eq!(error_code(&call(&mut here, words)), "ERR", "{words:?}");
    }
    assert_eq!(call(&mut here, &["MULTI"]), ok());
    assert_eq!(error_code(&call(&mut here, &["PSYNC", "?", "-1"])), "ERR");
    assert_eq!(call(&mut here, &["DISCARD"]), ok());
    // A replica with a user that may do no more.
    let replica = Replica::start(Product::Redis, &["--masteruser", "mover", "--masterauth", "p"]);
    follow(&replica, &node);
    let mut second = node.connect().unwrap();
    let Value::Error(refused) = call(&mut second, &["PSYNC", "?", "-1"]) else { panic!() };
    assert!(String::from_utf8_lossy(&refused).contains("psync-replicas-max"));
    assert_eq!(call(&mut second, &["PING"]), Value::Simple(b"PONG".to_vec()), "and its connection goes on");
    // A user that is deleted follows no more.
    assert_eq!(call(&mut here, &["ACL", "DELUSER", "mover"]), Value::Integer(1));
    eventually("it is disconnected", || count(&node, "replicas") == 0);
    call(&mut replica.connect(), &["REPLICAOF", "NO", "ONE"]);
    let rubbish = ask(&node, &["REPLCONF capa eof"]);
    read_line(&rubbish);
    rubbish.stream().write_all(b"*999999\r\n").unwrap();
    eventually("it is disconnected", || count(&node, "replicas") == 0);
    let clients = call(&mut here, &["CLIENT", "LIST", "TYPE", "replica"]);
    assert_eq!(clients, bulk(""));
}
