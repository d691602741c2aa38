//! Edge sites: one node each here, following cores of one and of three nodes, on loopback.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

mod away;
mod consistency;
mod eviction;
mod faults;
mod first;
mod learning;
mod lone;
mod script_flags;
mod scripts;
mod seeds;
mod sites;
mod users;
mod waiting;

use resp_tests::edge::{oracle, support, valve};
use support::*;

/// The whole way: data that were there, data that come, what expires, what a transaction does; then the states are the same.
#[test]
fn an_edge_becomes_a_copy_of_the_core_and_stays_one() {
    let core = core(1, &[]);
    let mut client = core.nodes[0].connect().unwrap();
    for key in 0..300 {
        assert_eq!(call(&mut client, &["SET", &format!("key:{key}"), &format!("before {key}")]), ok());
    }
    let edge = edge("fra", &upstream(&core), &[]);
    let mut reader = edge.connect().unwrap();
    assert_eq!(call(&mut reader, &["GET", "key:299"]), bulk("before 299"));
    assert_same_state(&core.nodes[0], &[&edge]);
    for key in 0..300 {
        call(&mut client, &["SET", &format!("key:{key}"), &format!("after {key}")]);
        call(&mut client, &["SET", &format!("short:{key}"), "x", "PX", "30"]);
    }
    call(&mut client, &["SELECT", "3"]);
    call(&mut client, &["SET", "elsewhere", "y"]);
    call(&mut client, &["SWAPDB", "3", "4"]);
    // The core's sweep deletes them, here as there.
    eventually("expired keys are deleted", || call(&mut reader, &["DBSIZE"]) == Value::Integer(300));
    assert_same_state(&core.nodes[0], &[&edge]);
    assert_eq!(call(&mut reader, &["GET", "key:7"]), bulk("after 7"));
    assert_eq!(call(&mut reader, &["SELECT", "4"]), ok());
    assert_eq!(call(&mut reader, &["GET", "elsewhere"]), bulk("y"));
}

use resp_tests::value::Value;

/// Regatta's fault: the last write before silence was only sent with the next one.
#[test]
fn a_lone_last_write_reaches_an_idle_edge() {
    let core = core(1, &[]);
    let edge = edge("fra", &upstream(&core), &[]);
    let (mut client, mut reader) = (core.nodes[0].connect().unwrap(), edge.connect().unwrap());
    for round in 0..20 {
        let text = round.to_string();
        assert_eq!(call(&mut client, &["SET", "lone", &text]), ok());
        let revision = number(&call(&mut client, &["LASTREV"])).to_string();
        let come = call(&mut reader, &["WAITREV", &revision, "20000"]);
        assert!(matches!(come, Value::Integer(_)), "{come:?}");
        assert_eq!(call(&mut reader, &["GET", "lone"]), bulk(&text));
    }
}

#[test]
fn what_is_published_anywhere_is_heard_at_every_edge_in_order() {
    let core = core(3, &[]);
    let edges = [edge("fra", &upstream(&core), &[]), edge("sin", &upstream(&core), &[])];
    let mut listeners: Vec<_> = edges.iter().map(|edge| edge.connect().unwrap()).collect();
    for listener in &mut listeners {
        call(listener, &["SUBSCRIBE", "news"]);
    }
    let mut publishers: Vec<_> =
        core.nodes.iter().chain(&edges).map(|node| node.connect().unwrap()).collect();
    let count = publishers.len();
    for message in 0..50 {
        let told = call(&mut publishers[message % count], &["PUBLISH", "news", &message.to_string()]);
        // The core counts its own listeners, of whom there are none; an edge adds its own one.
        let is_edge = message % count >= core.nodes.len();
        assert_eq!(told, Value::Integer(is_edge.into()), "message {message}");
    }
    for listener in &mut listeners {
        for message in 0..50 {
            let got = match listener.receive().unwrap() {
                resp_tests::connection::Received::Reply(got) => got,
                other => panic!("{other:?}"),
            };
            let wanted = Value::Array(vec![bulk("message"), bulk("news"), bulk(&message.to_string())]);
            assert_eq!(got, wanted);
        }
    }
}

#[test]
fn everybody_tells_the_truth_about_who_follows_whom() {
    let core = core(3, &[]);
    let edge = edge("fra", &core.nodes[1].peer_address(), &[]);
    let role = call(&mut edge.connect().unwrap(), &["ROLE"]);
    let Value::Array(role) = role else { panic!("{role:?}") };
    assert_eq!((&role[0], &role[3]), (&bulk("slave"), &bulk("connected")));
    assert_eq!(info(&edge, "flotilla_lag_entries"), 0);
    assert_eq!(resp_tests::cluster::field(&edge, "flotilla_edge_state").as_deref(), Some("following"));
    // Writes that come to it are sent on; so it is a replica that takes them.
    assert_eq!(resp_tests::cluster::field(&edge, "slave_read_only").as_deref(), Some("0"));
    let peer = core.nodes[1].peer_address().replace(':', " ");
    let followed = Value::Array(vec![bulk("slaveof"), bulk(&peer)]);
    assert_eq!(call(&mut edge.connect().unwrap(), &["CONFIG", "GET", "slaveof"]), followed);
    let history = resp_tests::cluster::field(&core.nodes[0], "flotilla_history_id");
    assert_eq!(resp_tests::cluster::field(&edge, "flotilla_history_id"), history);
    // Any node of the core tells of edges that any other one feeds.
    eventually("the core tells of the edge", || {
        let output = admin(&core.nodes[0], &["sites"]);
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        text.lines().any(|line| line.starts_with("fra   edge-fra  following"))
    });
    eventually("the node that feeds it tells of it", || {
        resp_tests::cluster::field(&core.nodes[1], "flotilla_edge0")
            .is_some_and(|text| text.starts_with("name=edge-fra,site=fra,state=following,"))
    });
    assert_eq!(info(&core.nodes[0], "flotilla_edges"), 0);
    let refused = admin(&edge, &["sites"]);
    assert!(!refused.status.success());
}
