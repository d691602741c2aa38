//! Replies that are lost on their way to the client, after the write was committed: the client knows nothing, and each attempt has
//! changed the value once, never again.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::thread;

use resp_tests::cluster::Cluster;
use resp_tests::connection::Connection;
use resp_tests::server::Program;
use resp_tests::value::{Value, encode};

use super::{NODES, call};

/// A way to a port for one client, which lets all of the client's bytes through, waits for the reply, and closes after so many bytes
/// of it.
fn cut_after(port: u16, bytes: usize) -> SocketAddr {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        let (mut client, _) = listener.accept().unwrap();
        let mut server = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).unwrap();
        let (mut from, mut to) = (client.try_clone().unwrap(), server.try_clone().unwrap());
        let there = thread::spawn(move || std::io::copy(&mut from, &mut to));
        let mut passed = 0;
        let mut part = [0; 64];
        // What comes first is held until there is more of it than may pass: the server has done what it was asked.
        while let Ok(count @ 1..) = server.read(&mut part) {
            let may = count.min(bytes - passed);
            if client.write_all(&part[..may]).is_err() {
                break;
            }
            passed += may;
            if passed == bytes {
                break;
            }
        }
        let _ = (client.shutdown(Shutdown::Both), server.shutdown(Shutdown::Both));
        let _ = there.join();
    });
    address
}

#[test]
fn a_reply_lost_after_the_commit_means_done_once() {
    let cluster = Cluster::start(&Program::product(), NODES, &[]).unwrap();
    let leader = cluster.wait_until_agreed().unwrap();
    let transaction: Vec<u8> = [&["MULTI"][..], &["INCR", "both"], &["RPUSH", "both:log", "x"], &["EXEC"]]
        .iter()
        .flat_map(|words| encode(words))
        .collect();
    // The whole reply, what is asked, and how it is counted afterwards.
    let calls: [(&str, Vec<u8>, &[&str]); 4] = [
        (":1\r\n", encode(&["INCR", "counter"]), &["GET", "counter"]),
        (":1\r\n", encode(&["RPUSH", "list", "x"]), &["LLEN", "list"]),
        (":1\r\n", encode(&["APPEND", "string", "x"]), &["STRLEN", "string"]),
        ("+OK\r\n+QUEUED\r\n+QUEUED\r\n*2\r\n:1\r\n:1\r\n", transaction, &["GET", "both"]),
    ];
    let mut done = vec![0; calls.len()];
    for node in [leader, (leader + 1) % NODES] {
        for (at, (reply, bytes, _)) in calls.iter().enumerate() {
            // Of a transaction, only what follows QUEUED comes after the commit.
            let first = reply.rfind('*').unwrap_or(0);
            for passes in first..reply.len() {
                let mut client = Connection::open_at(cut_after(cluster.nodes[node].port, passes)).unwrap();
                client.send_raw(bytes).unwrap();
                let got = client.read_to_close().unwrap();
                assert!(got.len() <= passes && got.len() < reply.len(), "{}", got.escape_ascii());
                done[at] += 1;
            }
        }
    }
    let seen = |node: usize| -> Vec<i64> {
        let mut connection = cluster.nodes[node].connect().unwrap();
        let number = |reply: &Value| resp_tests::support::number(reply);
        calls.iter().map(|(_, _, look)| number(&call(&mut connection, look))).collect()
    };
    // The client's way has closed when the reply had been sent: all attempts are done. Nothing comes later either.
    cluster.wait_until_agreed().unwrap();
    for node in 0..NODES {
        assert_eq!(seen(node), done, "node {node}, the leader is {leader}");
    }
    let log = call(&mut cluster.nodes[leader].connect().unwrap(), &["LLEN", "both:log"]);
    assert_eq!(log, Value::Integer(done[3]), "half of a transaction");
}
