//! Writes through an edge, and what reads there may and may not say.

use resp_tests::server::Stop;
use resp_tests::value::Value;

use super::support::*;

#[test]
fn a_connection_reads_what_it_wrote_through_the_edge() {
    let core = core(3, &[]);
    for node in &core.nodes {
        // Whichever node it follows, leader or not.
        let edge = edge("fra", &node.peer_address(), &[]);
        let mut client = edge.connect().unwrap();
        for round in 0..100 {
            let text = round.to_string();
            assert_eq!(call(&mut client, &["SET", "own", &text]), ok());
            assert_eq!(call(&mut client, &["GET", "own"]), bulk(&text));
            assert_eq!(call(&mut client, &["STRLEN", "own"]), Value::Integer(text.len() as i64));
        }
        // Errors come through as they are.
        assert_eq!(call(&mut client, &["SET", "text", "abc"]), ok());
        assert_eq!(error_code(&call(&mut client, &["INCR", "text"])), "ERR");
    }
}

#[test]
fn transactions_and_watches_work_through_an_edge() {
    let core = core(1, &[]);
    let edge = edge("fra", &upstream(&core), &[]);
    let (mut client, mut other) = (edge.connect().unwrap(), core.nodes[0].connect().unwrap());
    assert_eq!(call(&mut client, &["SET", "watched", "1"]), ok());
    assert_eq!(call(&mut client, &["WATCH", "watched"]), ok());
    call(&mut client, &["MULTI"]);
    call(&mut client, &["INCR", "watched"]);
    call(&mut client, &["GET", "watched"]);
    assert_eq!(call(&mut client, &["EXEC"]), Value::Array(vec![Value::Integer(2), bulk("2")]));
    // Changed at the core meanwhile, seen here or not: nothing is done.
    assert_eq!(call(&mut client, &["WATCH", "watched"]), ok());
    assert_eq!(call(&mut other, &["SET", "watched", "9"]), ok());
    call(&mut client, &["MULTI"]);
    call(&mut client, &["INCR", "watched"]);
    assert_eq!(call(&mut client, &["EXEC"]), Value::NilArray);
    assert_eq!(call(&mut other, &["GET", "watched"]), bulk("9"));
}

#[test]
fn an_edge_that_rejects_writes_says_so() {
    let core = core(1, &[]);
    let edge = edge("fra", &upstream(&core), &["--edge-writes", "reject"]);
    assert_eq!(resp_tests::cluster::field(&edge, "slave_read_only").as_deref(), Some("1"));
    let mut client = edge.connect().unwrap();
    assert_eq!(error_code(&call(&mut client, &["SET", "a", "1"])), "READONLY");
    call(&mut client, &["MULTI"]);
    assert_eq!(error_code(&call(&mut client, &["INCR", "a"])), "READONLY");
    assert_eq!(error_code(&call(&mut client, &["EXEC"])), "EXECABORT");
    assert_eq!(call(&mut client, &["GET", "a"]), Value::NilBulk);
}

#[test]
fn revisions_and_the_core_itself_make_reads_current() {
    let core = core(3, &[]);
    let edges = [edge("fra", &upstream(&core), &[]), edge("sin", &upstream(&core), &[])];
    let mut writer = edges[0].connect().unwrap();
    let mut reader = edges[1].connect().unwrap();
    let mut current = edges[1].connect().unwrap();
    assert_eq!(call(&mut current, &["CLIENT", "CONSISTENCY", "core"]), ok());
    let mut client = core.nodes[2].connect().unwrap();
    for round in 0..50 {
        let text = round.to_string();
        // From one site to another by token.
        assert_eq!(call(&mut writer, &["SET", "token", &text]), ok());
        let revision = number(&call(&mut writer, &["LASTREV"])).to_string();
        let come = call(&mut reader, &["WAITREV", &revision, "20000"]);
        assert!(matches!(come, Value::Integer(_)), "{come:?}");
        assert_eq!(call(&mut reader, &["GET", "token"]), bulk(&text));
        // From the core without one.
        assert_eq!(call(&mut client, &["SET", "core", &text]), ok());
        assert_eq!(call(&mut current, &["GET", "core"]), bulk(&text));
    }
}

/// The core is gone: the edge serves what it has, says how old that is, and neither pretends nor blocks.
#[test]
fn a_site_that_is_cut_off_serves_and_says_what_it_cannot_promise() {
    let mut core = core(1, &[]);
    let edge = edge("fra", &upstream(&core), &["--edge-write-wait-ms", "100"]);
    let mut client = edge.connect().unwrap();
    client.set_deadline(SOON);
    assert_eq!(call(&mut client, &["SET", "a", "1"]), ok());
    assert_eq!(call(&mut client, &["GET", "a"]), bulk("1"));
    core.nodes[0].stop(Stop::Kill).unwrap();
    eventually("the edge notices", || {
        resp_tests::cluster::field(&edge, "flotilla_edge_state").as_deref() == Some("cut")
    });
    assert_eq!(call(&mut client, &["GET", "a"]), bulk("1"));
    assert_eq!(call(&mut client, &["CLIENT", "CONSISTENCY", "bounded", "50"]), ok());
    eventually("it is too old", || error_code(&call(&mut client, &["GET", "a"])) == "STALE");
    assert_eq!(call(&mut client, &["CLIENT", "CONSISTENCY", "bounded", "3600000"]), ok());
    assert_eq!(call(&mut client, &["GET", "a"]), bulk("1"));
    assert_eq!(call(&mut client, &["CLIENT", "CONSISTENCY", "core"]), ok());
    assert_eq!(error_code(&call(&mut client, &["GET", "a"])), "CLUSTERDOWN");
    assert_eq!(call(&mut client, &["CLIENT", "CONSISTENCY", "local"]), ok());
    assert_eq!(error_code(&call(&mut client, &["SET", "a", "2"])), "CLUSTERDOWN");
    assert_eq!(error_code(&call(&mut client, &["PUBLISH", "c", "m"])), "CLUSTERDOWN");
    assert_eq!(call(&mut client, &["GET", "a"]), bulk("1"));
    core.nodes[0].start_again().unwrap();
    eventually("it is followed again", || call(&mut client, &["SET", "a", "3"]) == ok());
    assert_eq!(call(&mut client, &["CLIENT", "CONSISTENCY", "linearizable"]), ok());
    eventually("it is seen", || call(&mut client, &["GET", "a"]) == bulk("3"));
    assert_same_state(&core.nodes[0], &[&edge]);
}

/// What the connection wrote is committed, the way back is held up: neither an old answer nor a failure.
#[test]
fn a_write_that_has_not_come_back_is_told_from_one_that_failed() {
    let core = core(1, &[]);
    let edge = edge("fra", &upstream(&core), &["--edge-write-wait-ms", "50"]);
    let mut client = edge.connect().unwrap();
    assert_eq!(call(&mut client, &["SET", "a", "1"]), ok());
    // A revision that no core has yet stands for one that has not come.
    let far = number(&call(&mut client, &["LASTREV"])) + 1_000_000;
    let waited = call(&mut client, &["WAITREV", &far.to_string(), "50"]);
    assert_eq!(error_code(&waited), "STALE");
    // Nobody else is held up by one that waits.
    assert_eq!(call(&mut client, &["SET", "a", "2"]), ok());
    assert_eq!(call(&mut client, &["GET", "a"]), bulk("2"));
}
