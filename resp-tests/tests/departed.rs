//! Clients that wait and go: whatever they sent before they closed, and wherever they were connected, nothing is taken for
//! them any more, and those behind them are served.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

use std::thread;
use std::time::Duration;

use resp_tests::cluster::{Cluster, field};
use resp_tests::connection::{Connection, Received};
use resp_tests::edge::support::{core, edge, upstream};
use resp_tests::server::{Program, Server};
use resp_tests::support::{call, eventually};
use resp_tests::value::{Value, encode};

/// More than a server reads ahead of a call that waits (1 MiB), and less than that and its socket's smallest buffer.
const MUCH: usize = (1 << 20) + (32 << 10);

/// How a client goes.
#[derive(Clone, Copy, Debug)]
enum Close {
    /// FIN.
    Orderly,
    /// FIN in its direction only: it would still read.
    Half,
    /// RST: there was something that it had not read.
    Reset,
}

fn blocked(server: &Server) -> String {
    field(server, "blocked_clients").unwrap()
}

/// A client that waits by this call, has sent this besides, and closes. What is returned keeps a half-closed one.
fn wait_and_leave(server: &Server, words: &[&str], unread: &[u8], close: Close) -> Option<Connection> {
    let before: u32 = blocked(server).parse().unwrap();
    let mut client = server.connect().unwrap();
    if matches!(close, Close::Reset) {
        client.send(&["PING"]).unwrap();
    }
    client.send(words).unwrap();
    eventually("it waits", || blocked(server) == (before + 1).to_string());
    client.send_raw(unread).unwrap();
    match close {
        Close::Orderly | Close::Reset => None,
        Close::Half => {
            client.stream().shutdown(std::net::Shutdown::Write).unwrap();
            Some(client)
        }
    }
}

/// What a client may have sent behind the call by which it waits.
fn behind() -> Vec<Vec<u8>> {
    let long = "x".repeat(MUCH);
    vec![
        vec![],
        b"*".to_vec(),
        b"\r\n".to_vec(),
        encode(&["RPUSH", "never", "x"]),
        encode(&["RPUSH", "never", &long]),
        encode(&["RPUSH", "never", "x"]).repeat(MUCH / 32),
    ]
}

#[test]
fn what_a_client_would_have_got_stays_when_it_has_gone() {
    let server = Server::start(&Program::product(), &[]).unwrap();
    let mut other = server.connect().unwrap();
    other.set_deadline(Duration::from_secs(30));
    for unread in behind() {
        for close in [Close::Orderly, Close::Half, Close::Reset] {
            let _half = wait_and_leave(&server, &["BLPOP", "queue", "0"], &unread, close);
            if unread.len() >= MUCH {
                // The close is behind what the server has yet to read: only then does its kernel know of it.
                eventually("a close behind much is noticed", || blocked(&server) == "0");
            }
            // At once: the close has come, whether or not the server has looked.
            assert_eq!(call(&mut other, &["RPUSH", "queue", "precious"]), Value::Integer(1));
            let what = format!("{close:?} behind {} bytes", unread.len());
            assert_eq!(call(&mut other, &["LLEN", "queue"]), Value::Integer(1), "{what}");
            call(&mut other, &["DEL", "queue"]);
            eventually(&format!("{what} is noticed"), || blocked(&server) == "0");
        }
    }
    assert_eq!(call(&mut other, &["EXISTS", "never"]), Value::Integer(0), "nobody heard the answer");
    eventually("all are gone", || field(&server, "connected_clients").as_deref() == Some("2"));
}

type Words = &'static [&'static str];

/// Calls that wait, the write that would end the wait, and how much there must be afterwards.
const WAITS: [(Words, Words, Words, i64); 9] = [
    (&["BLPOP", "l", "0"], &["RPUSH", "l", "x"], &["LLEN", "l"], 1),
    (&["BRPOP", "l1", "0"], &["RPUSH", "l1", "x"], &["LLEN", "l1"], 1),
    (&["BLMPOP", "0", "1", "l2", "LEFT"], &["RPUSH", "l2", "x"], &["LLEN", "l2"], 1),
    (&["BLMOVE", "l3", "to", "LEFT", "LEFT", "0"], &["RPUSH", "l3", "x"], &["LLEN", "l3"], 1),
    (&["BRPOPLPUSH", "l4", "to", "0"], &["RPUSH", "l4", "x"], &["LLEN", "l4"], 1),
    (&["BZPOPMIN", "z", "0"], &["ZADD", "z", "1", "x"], &["ZCARD", "z"], 1),
    (&["BZPOPMAX", "z2", "0"], &["ZADD", "z2", "1", "x"], &["ZCARD", "z2"], 1),
    (&["BZMPOP", "0", "1", "z3", "MIN"], &["ZADD", "z3", "1", "x"], &["ZCARD", "z3"], 1),
    (&["XREAD", "BLOCK", "0", "STREAMS", "s", "$"], &["XADD", "s", "*", "f", "v"], &["XLEN", "s"], 2),
];

fn every_wait_ends_with_its_client(at: &Server, writer: &mut Connection) {
    for (wait, write, ask, left) in WAITS {
        wait_and_leave(at, wait, b"*1\r\n$4\r\nPI", Close::Orderly);
        eventually(&format!("{wait:?} ends"), || blocked(at) == "0");
        call(writer, write);
        assert_eq!(call(writer, ask), Value::Integer(left), "{wait:?}");
    }
    // An entry that was given to a consumer is pending with it: nothing may be.
    assert_eq!(call(writer, &["XGROUP", "CREATE", "s", "g", "$"]), Value::Simple(b"OK".to_vec()));
    let mut here = at.connect().unwrap();
    eventually(
        "the group is there",
        || matches!(call(&mut here, &["XINFO", "GROUPS", "s"]), Value::Array(groups) if groups.len() == 1),
    );
    let wait = ["XREADGROUP", "GROUP", "g", "c", "BLOCK", "0", "STREAMS", "s", ">"];
    wait_and_leave(at, &wait, b"x", Close::Orderly);
    eventually("XREADGROUP ends", || blocked(at) == "0");
    call(writer, &["XADD", "s", "*", "f", "v"]);
    let Value::Array(pending) = call(writer, &["XPENDING", "s", "g"]) else { panic!() };
    assert_eq!(pending[0], Value::Integer(0));
}

#[test]
fn every_wait_ends_with_its_client_on_a_lone_node() {
    let server = Server::start(&Program::product(), &[]).unwrap();
    let mut writer = server.connect().unwrap();
    call(&mut writer, &["XADD", "s", "*", "f", "v"]);
    every_wait_ends_with_its_client(&server, &mut writer);
}

#[test]
fn every_wait_ends_with_its_client_on_a_follower() {
    let cluster = Cluster::start(&Program::product(), 3, &[]).unwrap();
    let leader = cluster.wait_until_agreed().unwrap();
    let mut writer = cluster.nodes[leader].connect().unwrap();
    call(&mut writer, &["XADD", "s", "*", "f", "v"]);
    let follower = &cluster.nodes[(leader + 1) % 3];
    every_wait_ends_with_its_client(follower, &mut writer);
    wait_and_leave(follower, &["WAIT", "9", "0"], b"x", Close::Orderly);
    eventually("WAIT ends", || blocked(follower) == "0");
}

#[test]
fn every_wait_ends_with_its_client_at_an_edge() {
    let core = core(1, &[]);
    let mut writer = core.nodes[0].connect().unwrap();
    call(&mut writer, &["XADD", "s", "*", "f", "v"]);
    let edge = edge("fra", &upstream(&core), &[]);
    let mut here = edge.connect().unwrap();
    eventually("the edge has data", || matches!(call(&mut here, &["XLEN", "s"]), Value::Integer(1)));
    every_wait_ends_with_its_client(&edge, &mut writer);
    // Its own kind of wait.
    wait_and_leave(&edge, &["WAITREV", "999999999", "600000"], b"x", Close::Orderly);
    eventually("WAITREV ends", || blocked(&edge) == "0");
}

/// A pause holds a call back: whoever has gone by its end wants nothing any more.
#[test]
fn a_call_held_back_by_a_pause_goes_with_its_client() {
    let server = Server::start(&Program::product(), &[]).unwrap();
    let mut other = server.connect().unwrap();
    call(&mut other, &["RPUSH", "queue", "precious"]);
    // One that waited before the pause is not served after it, either.
    let mut parked = server.connect().unwrap();
    parked.send(&["BLPOP", "other", "0"]).unwrap();
    eventually("it waits", || blocked(&server) == "1");
    call(&mut other, &["CLIENT", "PAUSE", "600000", "WRITE"]);
    wait_and_leave(&server, &["LPOP", "queue"], b"*1\r\n", Close::Orderly);
    eventually("it is noticed", || blocked(&server) == "1");
    drop(parked);
    eventually("so is the other", || blocked(&server) == "0");
    call(&mut other, &["CLIENT", "UNPAUSE"]);
    call(&mut other, &["RPUSH", "other", "precious"]);
    assert_eq!(call(&mut other, &["LLEN", "queue"]), Value::Integer(1));
    assert_eq!(call(&mut other, &["LLEN", "other"]), Value::Integer(1));
}

/// What was read ahead is served when the wait ends, in order, also where it is more than what is read ahead.
#[test]
fn what_was_sent_behind_a_waiting_call_is_served_afterwards() {
    let server = Server::start(&Program::product(), &[]).unwrap();
    let (mut other, mut client) = (server.connect().unwrap(), server.connect().unwrap());
    client.set_deadline(Duration::from_secs(30));
    for count in [1, 100, 100_000] {
        client.send(&["BLPOP", "queue", "0"]).unwrap();
        eventually("it waits", || blocked(&server) == "1");
        let raw = encode(&["APPEND", "text", "x"]).repeat(count);
        let (first, second) = raw.split_at(7);
        client.send_raw(first).unwrap();
        // The rest may fill all buffers: somebody else writes it, while the wait ends.
        thread::scope(|scope| {
            scope.spawn(|| {
                use std::io::Write;
                let mut stream = client.stream();
                stream.write_all(second).unwrap();
            });
            call(&mut other, &["RPUSH", "queue", "on"]);
        });
        assert!(matches!(client.receive().unwrap(), Received::Reply(Value::Array(pair)) if pair.len() == 2));
        for length in 1..=count {
            let length = i64::try_from(length).unwrap();
            assert_eq!(client.receive().unwrap(), Received::Reply(Value::Integer(length)));
        }
        call(&mut other, &["DEL", "text"]);
    }
}
