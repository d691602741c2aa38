//! Calls that come at a bad moment, or at a door that is not theirs.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, Shutdown, TcpStream};
use std::time::Duration;

use resp_tests::cluster::field;
use resp_tests::connection::{Connection, Received};
use resp_tests::dice::Dice;
use resp_tests::server::Server;
use resp_tests::support::{call, eventually, number, ok};
use resp_tests::value::{Value, encode};

use crate::support::{Context, Test, alive, is_blocked, resident_mib};

pub const TESTS: &[Test] = &[
    Test::everywhere("row_30_requests_do_not_nest", nesting),
    Test::everywhere("row_37_a_client_is_killed_in_any_state_and_leaves_nothing_behind", killed),
    Test::everywhere("row_37_a_client_kills_itself_and_hears_of_it", killed_by_itself),
    Test::product("row_38_a_time_to_wait_must_be_one", waiting_times),
    Test::product("row_40_bytes_at_the_peer_port_move_nothing", peer_port),
];

/// An array in an array, a million deep: refused at the second level.
fn nesting(on: &Context) {
    let deep = "*1\r\n".repeat(1_000_000);
    on.refused(deep.as_bytes(), "-ERR Protocol error: expected '$', got '*'\r\n");
    let before = resident_mib(on.server);
    for kind in ["%1\r\n", "~1\r\n", ">1\r\n"] {
        let mut connection = on.connect();
        let _closed_early = connection.send_raw(kind.repeat(100_000).as_bytes());
        let _half_closed = connection.stream().shutdown(Shutdown::Write);
        let got = connection.read_to_close().unwrap();
        assert!(got.starts_with(b"-ERR "), "for {kind:?}: {}", crate::support::text(&got));
        alive(on.server);
    }
    assert!(resident_mib(on.server) < before + 256);
}

fn id(connection: &mut Connection) -> String {
    number(&call(connection, &["CLIENT", "ID"])).to_string()
}

fn killed(on: &Context) {
    let server = on.start(&[]);
    let mut other = server.connect().unwrap();
    let states: [&[&[&str]]; 6] = [
        &[],
        &[&["MULTI"], &["RPUSH", "queue", "never"]],
        &[&["WATCH", "queue"], &["MULTI"], &["RPUSH", "queue", "never"]],
        &[&["SUBSCRIBE", "channel"]],
        &[&["CLIENT", "REPLY", "SKIP"]],
        &[&["SELECT", "3"]],
    ];
    for state in states {
        let mut client = server.connect().unwrap();
        let id = id(&mut client);
        for words in state {
            client.send(words).unwrap();
            if !words.contains(&"SKIP") {
                client.receive().unwrap();
            }
        }
        assert_eq!(call(&mut other, &["CLIENT", "KILL", "ID", &id]), Value::Integer(1), "{state:?}");
        assert_eq!(client.read_to_close().unwrap(), b"", "{state:?}");
    }
    // While they wait: nothing is taken for them, and those behind them are served.
    for words in [
        &["BLPOP", "queue", "0"][..],
        &["BLMOVE", "queue", "to", "LEFT", "LEFT", "0"],
        &["BRPOP", "queue", "0"],
    ] {
        let mut client = server.connect().unwrap();
        let id = id(&mut client);
        client.send(words).unwrap();
        eventually("it waits", || is_blocked(&mut other));
        // Both in one go: the kill comes when the element is being handed over, or just before.
        other
            .send_raw(&[encode(&["CLIENT", "KILL", "ID", &id]), encode(&["RPUSH", "queue", "x"])].concat())
            .unwrap();
        assert_eq!(other.receive().unwrap(), Received::Reply(Value::Integer(1)), "{words:?}");
        assert_eq!(other.receive().unwrap(), Received::Reply(Value::Integer(1)), "{words:?}");
        assert_eq!(client.read_to_close().unwrap(), b"", "{words:?}");
        assert_eq!(call(&mut other, &["LLEN", "queue"]), Value::Integer(1), "{words:?}");
        call(&mut other, &["DEL", "queue", "to"]);
        eventually("nobody waits", || !is_blocked(&mut other));
    }
    assert_eq!(call(&mut other, &["EXISTS", "queue"]), Value::Integer(0));
    // All others at once, waiting on one key.
    let mut clients: Vec<Connection> = (0..50).map(|_| server.connect().unwrap()).collect();
    for client in &mut clients {
        client.send(&["BLPOP", "queue", "0"]).unwrap();
    }
    eventually("all wait", || field(&server, "blocked_clients").as_deref() == Some("50"));
    assert!(matches!(call(&mut other, &["CLIENT", "KILL", "TYPE", "normal"]), Value::Integer(50..)));
    for client in &mut clients {
        assert_eq!(client.read_to_close().unwrap(), b"");
    }
    assert_eq!(call(&mut other, &["RPUSH", "queue", "x"]), Value::Integer(1));
    assert_eq!(call(&mut other, &["LLEN", "queue"]), Value::Integer(1));
    eventually("all are gone", || field(&server, "connected_clients").as_deref() == Some("2"));
}

fn killed_by_itself(on: &Context) {
    let server = on.start(&[]);
    let mut client = server.connect().unwrap();
    let own = id(&mut client);
    client
        .send_raw(
            &[encode(&["CLIENT", "KILL", "ID", &own, "SKIPME", "no"]), encode(&["SET", "k", "v"])].concat(),
        )
        .unwrap();
    assert_eq!(client.receive().unwrap(), Received::Reply(Value::Integer(1)));
    assert_eq!(client.read_to_close().unwrap(), b"");
    assert_eq!(call(&mut server.connect().unwrap(), &["EXISTS", "k"]), Value::Integer(0), "it went on");
    alive(&server);
}

fn waiting_times(on: &Context) {
    let mut connection = on.connect();
    let refusals = [
        ("nan", "ERR timeout is not a float or out of range"),
        ("-1", "ERR timeout is negative"),
        ("-0.001", "ERR timeout is negative"),
        ("1e300", "ERR timeout is out of range"),
        ("inf", "ERR timeout is out of range"),
        ("x", "ERR timeout is not a float or out of range"),
        ("", "ERR timeout is not a float or out of range"),
        ("9223372036854775807", "ERR timeout is out of range"),
    ];
    for (time, text) in refusals {
        let calls: [&[&str]; 6] = [
            &["BLPOP", "row38", time],
            &["BRPOP", "row38", time],
            &["BLMOVE", "row38", "row38", "LEFT", "LEFT", time],
            &["BLMPOP", time, "1", "row38", "LEFT"],
            &["BZPOPMIN", "row38", time],
            &["BZMPOP", time, "1", "row38", "MIN"],
        ];
        for words in calls {
            assert_eq!(call(&mut connection, words), Value::Error(text.as_bytes().to_vec()), "{words:?}");
        }
    }
    // The shortest there is ends by itself.
    assert_eq!(call(&mut connection, &["BLPOP", "row38", "0.001"]), Value::NilArray);
    // The longest that is taken waits, and is served.
    connection.send(&["BLPOP", "row38", "9000000000"]).unwrap();
    let mut other = on.connect();
    assert_eq!(call(&mut other, &["RPUSH", "row38", "x"]), Value::Integer(1));
    assert!(matches!(connection.receive().unwrap(), Received::Reply(Value::Array(_))));
}

/// Frames of other protocols, of none, and the start of the right one: the port stays open for peers, and the node stands where it
/// stood.
fn peer_port(on: &Context) {
    let args = ["--cluster", "alone=127.0.0.1:PEER", "--node-name", "alone"];
    let server = Server::start_together(on.program, 1, |peers, _| {
        args.iter().map(|word| word.replace("PEER", &peers[0].to_string())).collect()
    });
    let server = server.unwrap().remove(0);
    assert_eq!(call(&mut server.connect().unwrap(), &["SET", "k", "v"]), ok());
    // The index moves by itself: a new core raises its feature level.
    let term = || field(&server, "flotilla_raft_term");
    let (before, resident) = (term(), resident_mib(&server));
    let mut dice = Dice::new(40);
    let preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
    let settings = [0, 0, 0, 4, 0, 0, 0, 0, 0];
    // A header of 4 MiB that never comes, a window of nothing, data for no stream.
    let frames: [&[u8]; 5] = [
        &[0x40, 0, 0, 1, 4, 0, 0, 0, 1],
        &[0, 0, 4, 8, 0, 0, 0, 0, 0, 0, 0, 0, 0],
        &[0, 0, 1, 0, 0, 0, 0, 0, 9, 7],
        &[0xff; 64],
        &[0, 0, 0, 9, 4, 0, 0, 0, 1],
    ];
    let mut attempts: Vec<Vec<u8>> =
        frames.iter().map(|frame| [&preface[..], &settings, frame].concat()).collect();
    attempts.extend((0..preface.len()).map(|end| preface[..end].to_vec()));
    attempts.push(encode(&["SET", "k", "other"]));
    attempts.push(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n".to_vec());
    attempts.push(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03".to_vec());
    attempts.extend((0..60).map(|length| (0..length * 50).map(|_| dice.below(256) as u8).collect()));
    attempts.extend((0..60).map(|length| {
        let noise = (0..length * 50).map(|_| dice.below(256) as u8);
        [&preface[..], &settings].concat().into_iter().chain(noise).collect()
    }));
    for bytes in attempts {
        let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, server.peer_port())).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
        let _closed_early = stream.write_all(&bytes).and_then(|()| stream.shutdown(Shutdown::Write));
        // It ends: with whatever the protocol says, or a reset.
        let mut got = Vec::new();
        match stream.read_to_end(&mut got) {
            Ok(_) => {}
            Err(error) => assert_eq!(
                error.kind(),
                std::io::ErrorKind::ConnectionReset,
                "{}",
                crate::support::text(&bytes)
            ),
        }
    }
    assert_eq!(term(), before);
    assert_eq!(call(&mut server.connect().unwrap(), &["DBSIZE"]), Value::Integer(1));
    assert_eq!(call(&mut server.connect().unwrap(), &["GET", "k"]), Value::Bulk(b"v".to_vec()));
    assert!(resident_mib(&server) < resident + 128);
}
