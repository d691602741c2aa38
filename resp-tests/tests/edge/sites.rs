//! Sites of three nodes: consistent inside, no service lost with one of them.

use resp_tests::cluster::field;
use resp_tests::connection::Received;
use resp_tests::server::{Server, Stop};
use resp_tests::value::Value;

use super::oracle::{Reader, Writer, let_write};
use super::support::*;

#[test]
fn the_nodes_of_a_site_are_one_and_the_same() {
    let core = core(3, &[]);
    let site = site("fra", &upstream(&core), 3, &[]);
    let mut clients: Vec<_> = site.iter().map(|node| node.connect().unwrap()).collect();
    for round in 0..60 {
        let text = round.to_string();
        let (writer, reader) = (round % 3, (round + 1) % 3);
        assert_eq!(call(&mut clients[writer], &["SET", "register", &text]), ok());
        // The connection that wrote, and any other node of the site once one of them has shown it.
        assert_eq!(call(&mut clients[writer], &["GET", "register"]), bulk(&text));
        assert_eq!(call(&mut clients[reader], &["GET", "register"]), bulk(&text), "round {round}");
    }
    let all: Vec<&Server> = site.iter().collect();
    assert_same_state(&core.nodes[0], &all);
    // Followers know how far behind they are, also when nothing happens.
    for node in &site {
        eventually("a node of the site knows that nothing is missing", || {
            (0..2000).contains(&info(node, "flotilla_lag_ms")) && info(node, "flotilla_lag_entries") == 0
        });
        assert_eq!(field(node, "master_link_status").as_deref(), Some("up"));
    }
    // Messages reach every node.
    let mut listeners: Vec<_> = site.iter().map(|node| node.connect().unwrap()).collect();
    for listener in &mut listeners {
        call(listener, &["SUBSCRIBE", "news"]);
    }
    for message in 0..10 {
        let text = message.to_string();
        assert!(matches!(call(&mut clients[message % 3], &["PUBLISH", "news", &text]), Value::Integer(_)));
    }
    for listener in &mut listeners {
        for message in 0..10 {
            let wanted = Value::Array(vec![bulk("message"), bulk("news"), bulk(&message.to_string())]);
            assert_eq!(listener.receive().unwrap(), Received::Reply(wanted));
        }
    }
}

/// As redis-server 7.0.15 whose master is gone.
fn refuses_stale_data_when_told_to(node: &Server) {
    let mut client = node.connect().unwrap();
    let down = "MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'.";
    let queued = Value::Simple(b"QUEUED".to_vec());
    let mut other = node.connect().unwrap();
    // What was queued before counts when EXEC comes.
    assert_eq!(call(&mut client, &["MULTI"]), ok());
    assert_eq!(call(&mut client, &["PING"]), queued);
    assert_eq!(call(&mut other, &["CONFIG", "SET", "slave-serve-stale-data", "no"]), ok());
    let discarded = format!("EXECABORT Transaction discarded because of: {down}");
    assert_eq!(call(&mut client, &["EXEC"]), Value::Error(discarded.into()));
    for words in [&["GET", "k"][..], &["SET", "k", "v"], &["PING"]] {
        assert_eq!(call(&mut client, words), Value::Error(down.into()), "{words:?}");
    }
    assert_eq!(call(&mut client, &["MULTI"]), ok());
    assert_eq!(call(&mut client, &["PING"]), Value::Error(down.into()));
    let aborted = "EXECABORT Transaction discarded because of previous errors.";
    assert_eq!(call(&mut client, &["EXEC"]), Value::Error(aborted.into()));
    assert_eq!(call(&mut client, &["MULTI"]), ok());
    assert_eq!(call(&mut client, &["ECHO", "x"]), queued);
    assert_eq!(call(&mut client, &["EXEC"]), Value::Array(vec![bulk("x")]));
    assert_eq!(call(&mut other, &["CONFIG", "SET", "replica-serve-stale-data", "yes"]), ok());
    assert_eq!(call(&mut client, &["PING"]), Value::Simple(b"PONG".to_vec()));
}

/// What is left of a site answers no reads, and says so.
#[test]
fn a_site_without_a_majority_says_that_its_link_is_down() {
    let core = core(1, &[]);
    let mut site = site("fra", &upstream(&core), 3, &[]);
    let mut led = None;
    eventually("a node leads the site", || {
        led = site.iter().position(|node| info(node, "flotilla_raft_is_leader") == 1);
        led.is_some()
    });
    // One that followed is left.
    let left = (led.unwrap() + 1) % 3;
    for gone in (0..3).filter(|index| *index != left) {
        site[gone].stop(Stop::Kill).unwrap();
    }
    let role = |node: &Server| match call(&mut node.connect().unwrap(), &["ROLE"]) {
        Value::Array(role) => role[3].clone(),
        other => panic!("{other:?}"),
    };
    eventually("all say that the link is down", || {
        field(&site[left], "master_link_status").as_deref() == Some("down")
            && role(&site[left]) == bulk("connect")
            && site[left].http("/readyz").unwrap().0 == 503
    });
    refuses_stale_data_when_told_to(&site[left]);
    for gone in (0..3).filter(|index| *index != left) {
        site[gone].start_again().unwrap();
    }
    eventually("all say that it is up again", || {
        site.iter().all(|node| {
            field(node, "master_link_status").as_deref() == Some("up")
                && role(node) == bulk("connected")
                && node.http("/readyz").unwrap().0 == 200
        })
    });
}

#[test]
fn a_site_goes_on_without_the_node_that_led_it() {
    let core = core(1, &[]);
    let mut site = site("fra", &upstream(&core), 3, &[]);
    let writer = Writer::start(vec![core.nodes[0].port]);
    // Each goes to one node, through its restarts.
    let readers: Vec<Reader> = site.iter().map(|node| Reader::start(node.port)).collect();
    for _ in 0..3 {
        let_write(&writer, 150);
        let mut led = None;
        eventually("a node leads the site", || {
            led = leader(&site);
            led.is_some()
        });
        let led = led.unwrap();
        site[led].stop(Stop::Kill).unwrap();
        let others: Vec<usize> = (0..3).filter(|index| *index != led).collect();
        let before = others.iter().map(|index| info(&site[*index], "flotilla_core_index")).max().unwrap();
        eventually("the others follow", || {
            others.iter().all(|index| info(&site[*index], "flotilla_core_index") > before + 50)
        });
        site[led].start_again().unwrap();
    }
    let last = writer.stop();
    for node in &site {
        eventually("the last write is seen", || {
            let Ok(mut client) = node.connect() else { return false };
            matches!(call(&mut client, &["GET", "one"]), Value::Bulk(text)
                if String::from_utf8_lossy(&text).parse::<u64>().unwrap() >= last)
        });
    }
    let reads: Vec<u64> = readers.into_iter().map(Reader::stop).collect();
    println!("{last} writes, reads at the nodes: {reads:?}");
    let all: Vec<&Server> = site.iter().collect();
    assert_same_state(&core.nodes[0], &all);
}

#[test]
fn a_whole_copy_reaches_every_node_of_the_site() {
    let core = core(1, &SMALL);
    super::seeds::outgrow_the_log(&core, "first");
    let mut site = site("fra", &upstream(&core), 3, &SMALL);
    for node in &site {
        assert_eq!(info(node, "flotilla_bootstraps"), 1, "{}", node.log_tail());
    }
    let all: Vec<&Server> = site.iter().collect();
    assert_same_state(&core.nodes[0], &all);
    // One is away while the others take another copy; it gets there all the same.
    let mut led = None;
    eventually("a node leads the site", || {
        led = leader(&site);
        led.is_some()
    });
    let led = led.unwrap();
    let away = (led + 1) % 3;
    site[away].stop(Stop::Kill).unwrap();
    assert!(admin(&site[led], &["reseed"]).status.success());
    eventually("a copy was taken", || info(&site[led], "flotilla_bootstraps") == 2);
    site[away].start_again().unwrap();
    wait_for_data(&site[away]);
    let mut client = core.nodes[0].connect().unwrap();
    assert_eq!(call(&mut client, &["SET", "after", "1"]), ok());
    let all: Vec<&Server> = site.iter().collect();
    assert_same_state(&core.nodes[0], &all);
}
