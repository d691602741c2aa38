//! A node that was started without others, as in the quick start, feeds edges all the same.

use resp_tests::cluster::field;
use resp_tests::connection::Received;
use resp_tests::server::{Program, Server, Stop};
use resp_tests::value::Value;
use std::net::TcpListener;

use super::support::*;

/// It had not listened on its peer port, and the edge said LOADING for ever.
#[test]
fn a_lone_node_feeds_an_edge() {
    let mut core = Server::start(&Program::product(), &[]).unwrap();
    let mut client = core.connect().unwrap();
    for key in 0..50 {
        assert_eq!(call(&mut client, &["SET", &format!("key:{key}"), "before"]), ok());
    }
    let edge = edge("fra", &core.peer_address(), &[]);
    let mut reader = edge.connect().unwrap();
    assert_eq!(call(&mut reader, &["GET", "key:49"]), bulk("before"));
    // What comes, what an edge's clients write, messages of both.
    assert_eq!(call(&mut client, &["SET", "key:0", "after"]), ok());
    eventually("a write comes", || call(&mut reader, &["GET", "key:0"]) == bulk("after"));
    assert_eq!(call(&mut reader, &["SET", "key:1", "of the edge"]), ok());
    assert_eq!(call(&mut client, &["GET", "key:1"]), bulk("of the edge"));
    let mut listener = edge.connect().unwrap();
    call(&mut listener, &["SUBSCRIBE", "news"]);
    assert_eq!(call(&mut client, &["PUBLISH", "news", "hello"]), Value::Integer(0));
    let Received::Reply(Value::Array(message)) = listener.receive().unwrap() else { panic!("no message") };
    assert_eq!(message[2], bulk("hello"));
    assert_same_state(&core, &[&edge]);
    // It says that it is a master and alone, as before, and comes back with what it had.
    assert_eq!(field(&core, "role").as_deref(), Some("master"));
    core.stop(Stop::Kill).unwrap();
    core.start_again().unwrap();
    let mut client = core.connect().unwrap();
    assert_eq!(call(&mut client, &["SET", "key:2", "again"]), ok());
    eventually("it is followed again", || call(&mut reader, &["GET", "key:2"]) == bulk("again"));
}

/// It is a core of one: who wants to join is told what to do, and changes nothing.
#[test]
fn nobody_joins_a_lone_node() {
    let core = Server::start(&Program::product(), &[]).unwrap();
    let newcomer = ["--node-name", "core-1", "--join", &core.peer_address()].map(str::to_owned);
    let newcomer = Server::spawn(&Program::product(), &newcomer).unwrap();
    eventually("the newcomer says why", || {
        newcomer.http("/readyz").is_ok_and(|(status, why)| status == 503 && why.contains("was started alone"))
    });
    let mut client = core.connect().unwrap();
    assert_eq!(call(&mut client, &["SET", "a", "b"]), ok());
    assert_eq!(error_code(&call(&mut client, &["CORE", "STATUS"])), "ERR");
}

/// As that of a second node on one machine: it says what to do for edges.
#[test]
fn a_lone_node_whose_peer_port_is_taken_serves_all_the_same() {
    let mut node = Server::start(&Program::product(), &[]).unwrap();
    node.stop(Stop::Terminate).unwrap();
    let taken = TcpListener::bind(("127.0.0.1", node.peer_port())).unwrap();
    node.start_again().unwrap();
    assert_eq!(call(&mut node.connect().unwrap(), &["SET", "a", "b"]), ok());
    assert!(node.has_said("edges cannot follow this node; choose another port with --peer-port"));
    drop(taken);
}
