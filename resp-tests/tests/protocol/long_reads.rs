//! Reads of large collections: what their replies may take in memory, and their end when nobody waits for them.

use std::fs;
use std::time::{Duration, Instant};

use resp_tests::connection::{Connection, Received};
use resp_tests::server::Server;
use resp_tests::support::{call, eventually, ok};
use resp_tests::value::Value;

use crate::support::{Context, Test, alive, resident_mib};

pub const TESTS: &[Test] = &[
    Test::product("large_replies_that_nobody_takes_are_few_and_make_way", untaken_replies),
    Test::product("large_strings_that_nobody_takes_are_not_held_many_times", untaken_strings),
    Test::product("large_reads_in_one_pipeline_do_not_wait_for_each_other", in_one_pipeline),
    Test::product("long_reads_end_with_their_clients", ends_with_its_client),
    Test::product("a_long_read_leaves_its_thread_when_nobody_waits_for_it", leaves_its_thread),
    Test::product("a_stopping_server_does_not_wait_for_long_reads", stops_beside_a_long_read),
    Test::product("names_of_commands_asked_for_have_a_bound", command_names),
];

fn connect(server: &Server) -> Connection {
    let mut connection = server.connect().unwrap();
    connection.set_deadline(Duration::from_secs(60));
    connection
}

/// Adds elements that differ, in parts.
fn fill(connection: &mut Connection, command: &str, key: &str, count: usize, length: usize) {
    for part in (0..count).collect::<Vec<_>>().chunks(5000) {
        let elements = part.iter().map(|index| format!("{index:08}{}", "e".repeat(length - 8)));
        let words: Vec<String> = [command.to_owned(), key.to_owned()].into_iter().chain(elements).collect();
        assert!(matches!(call(connection, &words), Value::Integer(_)));
    }
}

fn untaken_replies(on: &Context) {
    const CLIENTS: usize = 30;
    const ELEMENTS: usize = 100_000;
    let server = on.start(&[]);
    let mut admin = connect(&server);
    fill(&mut admin, "RPUSH", "list", ELEMENTS, 200);
    let range = |connection: &mut Connection| match call(connection, &["LRANGE", "list", "0", "-1"]) {
        Value::Array(elements) => elements.len(),
        other => panic!("{other:?}"),
    };
    assert_eq!(range(&mut admin), ELEMENTS);
    let before = resident_mib(&server);
    let lazy: Vec<Connection> = (0..CLIENTS)
        .map(|_| {
            let mut connection = connect(&server);
            (0..3).for_each(|_| connection.send(&["LRANGE", "list", "0", "-1"]).unwrap());
            connection
        })
        .collect();
    // Beside them small reads are answered, and in the end also a large one whose client takes it.
    assert_eq!(call(&mut admin, &["SET", "small", "value"]), ok());
    assert_eq!(call(&mut admin, &["GET", "small"]), Value::Bulk(b"value".to_vec()));
    let mut most = 0;
    for _ in 0..20 {
        most = most.max(resident_mib(&server).saturating_sub(before));
        std::thread::sleep(Duration::from_millis(100));
    }
    assert_eq!(range(&mut admin), ELEMENTS, "its turn comes");
    most = most.max(resident_mib(&server).saturating_sub(before));
    // All replies are 630 MiB.
    assert!(most < 400, "replies of 21 MiB for {CLIENTS} clients took {most} MiB");
    drop(lazy);
    alive(&server);
}

fn untaken_strings(on: &Context) {
    const MIB: usize = 1 << 20;
    let server = on.start(&[]);
    let mut admin = connect(&server);
    for at in 0..100 {
        let at = (at * MIB).to_string();
        call(&mut admin, &["SETRANGE", "string", &at, &"x".repeat(MIB)]);
    }
    assert_eq!(call(&mut admin, &["SETRANGE", "holes", "536870910", "xy"]), Value::Integer(536_870_912));
    let before = resident_mib(&server);
    let lazy: Vec<Connection> = (0..12)
        .map(|number| {
            let mut connection = connect(&server);
            connection.send(&["GET", ["string", "holes"][number % 2]]).unwrap();
            connection
        })
        .collect();
    let mut most = 0;
    for _ in 0..20 {
        most = most.max(resident_mib(&server).saturating_sub(before));
        std::thread::sleep(Duration::from_millis(100));
    }
    // One of 512 MiB, and what the block cache takes; all of them would be 3.6 GiB.
    assert!(most < 700, "strings of 100 and 512 MiB for twelve clients took {most} MiB");
    drop(lazy);
    match call(&mut admin, &["GET", "string"]) {
        Value::Bulk(bytes) => assert!(bytes.len() == 100 * MIB && bytes.iter().all(|byte| *byte == b'x')),
        other => panic!("{other:?}"),
    }
    match call(&mut admin, &["GET", "holes"]) {
        Value::Bulk(bytes) => assert!(bytes.len() == 512 * MIB && bytes.ends_with(b"\0\0xy")),
        other => panic!("{other:?}"),
    }
    let refused = "ERR the reply would take more than 640 MiB of memory; read in parts";
    assert_eq!(call(&mut admin, &["MGET", "holes", "holes"]), Value::Error(refused.into()));
    alive(&server);
}

fn in_one_pipeline(on: &Context) {
    const MIB: usize = 1 << 20;
    let server = on.start(&[]);
    let mut client = connect(&server);
    for at in 0..100 {
        let at = (at * MIB).to_string();
        call(&mut client, &["SETRANGE", "string", &at, &"x".repeat(MIB)]);
    }
    // Each looks at more than all clients together may hold; what is sent of it is a number, or nothing.
    (0..3).for_each(|_| client.send(&["BITCOUNT", "string"]).unwrap());
    for _ in 0..3 {
        assert_eq!(client.receive().unwrap(), Received::Reply(Value::Integer(4 * 100 * MIB as i64)));
    }
    let silent = ["CLIENT", "REPLY", "OFF"];
    let requests: [&[&str]; 5] = [
        &silent,
        &["GET", "string"],
        &["GET", "string"],
        &["CLIENT", "REPLY", "ON"],
        &["BITCOUNT", "string"],
    ];
    requests.iter().for_each(|words| client.send(words).unwrap());
    assert_eq!(client.receive().unwrap(), Received::Reply(ok()));
    assert_eq!(client.receive().unwrap(), Received::Reply(Value::Integer(4 * 100 * MIB as i64)));
    alive(&server);
}

fn ends_with_its_client(on: &Context) {
    let server = on.start(&[]);
    let mut admin = connect(&server);
    fill(&mut admin, "SADD", "set", 50_000, 8);
    // Minutes of work each, and no turn is left for others.
    let sets = vec!["set"; 20_000];
    let words: Vec<&str> = ["SINTERCARD", "20000"].into_iter().chain(sets).collect();
    let mut busy: Vec<Connection> = (0..40).map(|_| connect(&server)).collect();
    for (number, connection) in busy.iter_mut().enumerate() {
        assert_eq!(call(connection, &["CLIENT", "SETNAME", &format!("busy-{number}")]), ok());
        connection.send(&words).unwrap();
    }
    let running = || match call(&mut connect(&server), &["CLIENT", "LIST"]) {
        Value::Bulk(text) => String::from_utf8(text).unwrap().matches("cmd=sintercard").count(),
        other => panic!("{other:?}"),
    };
    eventually("all are at it", || running() == 40);
    // Half of them go by themselves, the others are closed.
    busy.truncate(20);
    assert_eq!(call(&mut admin, &["CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"]), Value::Integer(20));
    match call(&mut admin, &["SMEMBERS", "set"]) {
        Value::Array(members) => assert_eq!(members.len(), 50_000),
        other => panic!("{other:?}"),
    }
    for connection in &mut busy {
        assert_eq!(connection.receive().unwrap(), Received::Closed);
    }
    alive(&server);
}

/// A read that takes minutes, and is at it.
fn read_for_minutes(server: &Server) -> Connection {
    let mut admin = connect(server);
    fill(&mut admin, "SADD", "set", 50_000, 8);
    let sets = vec!["set"; 20_000];
    let words: Vec<&str> = ["SINTERCARD", "20000"].into_iter().chain(sets).collect();
    let mut reader = connect(server);
    assert_eq!(call(&mut reader, &["CLIENT", "SETNAME", "reader"]), ok());
    reader.send(&words).unwrap();
    eventually("a thread is at it", || is_at_work(server));
    reader
}

/// Processor time that the threads for reads have taken so far, in ticks.
fn pool_ticks(server: &Server) -> u64 {
    let threads = fs::read_dir(format!("/proc/{}/task", server.pid())).unwrap();
    let stats = threads.filter_map(|thread| fs::read_to_string(thread.unwrap().path().join("stat")).ok());
    let ticks = stats.filter(|stat| stat.contains("(tokio")).map(|stat| {
        let fields = stat.rsplit(')').next().unwrap().split_whitespace();
        fields.skip(11).take(2).map(|ticks| ticks.parse::<u64>().unwrap()).sum::<u64>()
    });
    ticks.sum()
}

/// Whether one of them has work. A thread that runs all the time takes a tick in 10 ms.
fn is_at_work(server: &Server) -> bool {
    let before = pool_ticks(server);
    (0..20).any(|_| {
        std::thread::sleep(Duration::from_millis(20));
        pool_ticks(server) > before
    })
}

fn leaves_its_thread(on: &Context) {
    let server = on.start(&[]);
    let mut admin = connect(&server);
    let free = |what: &str, began: Instant| {
        eventually("the thread is free", || !is_at_work(&server));
        // The last look alone takes 400 ms.
        println!("{what}: free within {} ms", began.elapsed().as_millis());
    };
    let reader = read_for_minutes(&server);
    let began = Instant::now();
    drop(reader);
    free("close", began);
    let mut reader = read_for_minutes(&server);
    let began = Instant::now();
    assert_eq!(call(&mut admin, &["CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"]), Value::Integer(1));
    free("CLIENT KILL", began);
    assert_eq!(reader.receive().unwrap(), Received::Closed);
    alive(&server);
}

fn stops_beside_a_long_read(on: &Context) {
    let mut server = on.start(&[]);
    let _reader = read_for_minutes(&server);
    let mut admin = connect(&server);
    let began = Instant::now();
    admin.send(&["SHUTDOWN"]).unwrap();
    let status = server.wait_until_gone(Duration::from_secs(20)).unwrap();
    assert!(status.success(), "{status}");
    println!("SHUTDOWN: gone within {} ms", began.elapsed().as_millis());
}

fn command_names(on: &Context) {
    let mut connection = on.connect();
    for subcommand in ["DOCS", "INFO"] {
        let ask = |count: usize| [vec!["COMMAND", subcommand], vec!["get"; count]].concat();
        assert!(matches!(call(&mut connection, &ask(1024)), Value::Array(_)));
        let refused = Value::Error(b"ERR more than 1024 names of commands".to_vec());
        assert_eq!(call(&mut connection, &ask(1025)), refused);
    }
}
