//! Scripts and functions on three nodes and an edge: each knows what another was told, across leaders and restarts, and all
//! come to the same state. A script without end hurts nobody but its client.

use super::support::*;
use resp_tests::cluster::{Cluster, field};
use resp_tests::connection::{Connection, Received};
use resp_tests::server::{Server, Stop};
use resp_tests::value::Value;
use std::time::{Duration, Instant};

/// A busy machine, and a build that is not optimised.
const ENDED_WITHIN: Duration = Duration::from_secs(60);
/// Adds to a counter, a list and a set, by members that are drawn by lot.
const BODY: &str = "local n = redis.call('incr', KEYS[1]) \
    redis.call('rpush', KEYS[2], n) redis.call('sadd', KEYS[3], n, math.random(1000000)) \
    redis.call('set', 'drawn', redis.call('srandmember', KEYS[3])) \
    redis.call('set', 'at', table.concat(redis.call('time'), '.')) return n";
const LIBRARY: &str = "#!lua name=counters\n\
    redis.register_function('bump', function(keys, args) return redis.call('incrby', keys[1], args[1]) end)\n\
    redis.register_function{function_name='peek', callback=function(keys) return redis.call('get', keys[1]) end, flags={'no-writes'}}";

fn add(node: &Server, sha1: &str) -> Value {
    call(&mut node.connect().unwrap(), &["EVALSHA", sha1, "3", "n", "l", "s"])
}

fn loaded(node: &Server, body: &str) -> String {
    let sha1 = call(&mut node.connect().unwrap(), &["SCRIPT", "LOAD", body]).as_text().unwrap();
    String::from_utf8(sha1).unwrap()
}

/// Without this a node that lags says NOSCRIPT, and its client sends the text.
fn knows(node: &Server, sha1: &str) -> bool {
    let exists = call(&mut node.connect().unwrap(), &["SCRIPT", "EXISTS", sha1]);
    exists == Value::Array(vec![Value::Integer(1)])
}

#[test]
fn scripts_and_functions_are_known_on_every_node_and_edge_across_leaders_and_restarts() {
    let mut core = core(3, &[]);
    let mut edge = edge("fra", &upstream(&core), &[]);
    let leader = core.wait_until_agreed().unwrap();
    let follower = (leader + 1) % 3;
    let sha1 = loaded(&core.nodes[follower], BODY);
    assert_eq!(call(&mut edge.connect().unwrap(), &["FUNCTION", "LOAD", LIBRARY]), bulk("counters"));
    let mut expected = 0;
    for round in 0..10 {
        for node in &core.nodes {
            expected += 1;
            assert_eq!(add(node, &sha1), Value::Integer(expected), "round {round}");
        }
        eventually("the edge knows it", || knows(&edge, &sha1));
        expected += 1;
        assert_eq!(add(&edge, &sha1), Value::Integer(expected), "round {round}, through the edge");
    }
    let mut at_edge = edge.connect().unwrap();
    assert_eq!(call(&mut at_edge, &["FCALL", "bump", "1", "f", "5"]), Value::Integer(5));
    assert_eq!(call(&mut at_edge, &["FCALL_RO", "peek", "1", "f"]), bulk("5"), "its own write");
    assert_eq!(call(&mut at_edge, &["EVAL", "return redis.call('get', KEYS[1])", "1", "f"]), bulk("5"));
    assert_same_state(&core.nodes[leader], &[&edge]);

    // Another leader, and one that was away and reads it from its log.
    core.nodes[leader].stop(Stop::Kill).unwrap();
    eventually("another leads", || core.leader().is_some_and(|now| now != leader));
    let now = core.leader().unwrap();
    expected += 1;
    assert_eq!(add(&core.nodes[now], &sha1), Value::Integer(expected));
    assert_eq!(
        call(&mut core.nodes[now].connect().unwrap(), &["FCALL", "bump", "1", "f", "1"]),
        Value::Integer(6)
    );
    core.nodes[leader].start_again().unwrap();
    core.wait_until_agreed().unwrap();

    // All of them anew.
    for node in &mut core.nodes {
        node.stop(Stop::Terminate).unwrap();
    }
    edge.stop(Stop::Kill).unwrap();
    for node in &mut core.nodes {
        node.start_again().unwrap();
    }
    edge.start_again().unwrap();
    core.wait_until_agreed().unwrap();
    wait_for_data(&edge);
    for node in &core.nodes {
        expected += 1;
        assert_eq!(add(node, &sha1), Value::Integer(expected));
        assert_eq!(call(&mut node.connect().unwrap(), &["FCALL_RO", "peek", "1", "f"]), bulk("6"));
    }
    expected += 1;
    assert_eq!(add(&edge, &sha1), Value::Integer(expected));
    let leader = core.wait_until_agreed().unwrap();
    assert_same_state(&core.nodes[leader], &[&edge]);
    let lists = |node: &Server| call(&mut node.connect().unwrap(), &["LLEN", "l"]);
    assert_eq!(lists(&core.nodes[leader]), Value::Integer(expected));
}

#[test]
fn a_script_publishes_to_subscribers_of_every_node_and_edge() {
    let core = core(3, &[]);
    let edge = edge("fra", &upstream(&core), &[]);
    let mut listeners: Vec<_> =
        core.nodes.iter().chain([&edge]).map(|node| node.connect().unwrap()).collect();
    for listener in &mut listeners {
        call(listener, &["SUBSCRIBE", "news"]);
    }
    let mut client = core.nodes[1].connect().unwrap();
    let body = "redis.call('set', 'k', 'v') return redis.call('publish', 'news', ARGV[1])";
    assert_eq!(call(&mut client, &["EVAL", body, "0", "hello"]), Value::Integer(0));
    // Not the message of a call that was undone.
    call(&mut client, &["EVAL", "redis.call('publish', 'news', 'never') while true do end", "0"]);
    call(&mut client, &["EVAL", body, "0", "again"]);
    for listener in &mut listeners {
        for text in ["hello", "again"] {
            let message = Value::Array(vec![bulk("message"), bulk("news"), bulk(text)]);
            assert_eq!(next(listener), message);
        }
    }
}

fn terms(core: &Cluster) -> Vec<Option<String>> {
    core.nodes.iter().map(|node| field(node, "flotilla_raft_term")).collect()
}

/// Sent to a follower: it is tried out there, and never comes to the log.
#[test]
fn a_script_without_end_is_ended_and_no_other_client_waits_for_it() {
    let core = core(3, &[]);
    let leader = core.wait_until_agreed().unwrap();
    let before = terms(&core);
    for body in [
        "redis.call('set', 'k', 'v') while true do end",
        "redis.call('set', 'k', 'v') while true do pcall(function() while true do end end) end",
        "redis.call('set', 'k', 'v') local t = {} while true do t[#t + 1] = string.rep('x', 1000) .. #t end",
        "while true do redis.call('get', 'k') end",
    ] {
        for node in [leader, (leader + 1) % 3] {
            let mut runs = core.nodes[node].connect().unwrap();
            runs.set_deadline(ENDED_WITHIN);
            runs.send(&["EVAL", body, "0"]).unwrap();
            let mut other = core.nodes[node].connect().unwrap();
            let mut longest = Duration::ZERO;
            let until = Instant::now() + Duration::from_millis(300);
            while Instant::now() < until {
                let began = Instant::now();
                assert_eq!(call(&mut other, &["SET", "other", "value"]), ok());
                longest = longest.max(began.elapsed());
            }
            println!("{body}: another client's longest write took {longest:?}");
            let Received::Reply(Value::Error(text)) = runs.receive().unwrap() else { panic!("no error") };
            println!("  {}", String::from_utf8_lossy(&text));
            assert_eq!(call(&mut other, &["EXISTS", "k"]), Value::Integer(0), "nothing of it stands");
        }
    }
    assert_eq!(terms(&core), before, "nobody was elected");
}

/// SCRIPT KILL ends what has not come to the log.
#[test]
fn script_kill_ends_a_script_from_another_connection() {
    let core = core(1, &[]);
    let mut other = core.nodes[0].connect().unwrap();
    assert_eq!(error_code(&call(&mut other, &["SCRIPT", "KILL"])), "NOTBUSY");
    let mut runs = core.nodes[0].connect().unwrap();
    runs.set_deadline(ENDED_WITHIN);
    runs.send(&["EVAL", "redis.call('set', 'k', 'v') while true do end", "0"]).unwrap();
    let mut was_killed = false;
    eventually("it was killed, or had ended by itself", || {
        was_killed |= call(&mut other, &["SCRIPT", "KILL"]) == ok();
        was_killed
    });
    let Received::Reply(Value::Error(text)) = runs.receive().unwrap() else { panic!("no error") };
    assert!(String::from_utf8_lossy(&text).contains("killed by user"), "{}", String::from_utf8_lossy(&text));
    assert_eq!(call(&mut other, &["EXISTS", "k"]), Value::Integer(0));
}

/// Kills until it was heard of; false: the script had ended before.
fn kill_from(other: &mut Connection, what: &str, runs: &mut Connection) -> bool {
    let began = Instant::now();
    loop {
        let reply = call(other, &[what, "KILL"]);
        if reply == ok() {
            let Value::Error(text) = next(runs) else { panic!("no error") };
            let text = String::from_utf8_lossy(&text).into_owned();
            assert!(text.contains("killed by user"), "{text}");
            return true;
        }
        assert_eq!(error_code(&reply), "NOTBUSY");
        if began.elapsed() > Duration::from_secs(3) {
            println!("it ended by itself: {:?}", next(runs));
            return false;
        }
    }
}

/// A node that is asked passes it on to all that share its log.
#[test]
fn script_kill_ends_a_script_on_whichever_node_of_the_core_or_the_site_it_runs() {
    let core = core(3, &[]);
    let site = site("fra", &upstream(&core), 3, &[]);
    let mut loads = core.nodes[0].connect().unwrap();
    let library = "#!lua name=long\n\
        redis.register_function{function_name='endless', callback=function() while true do end end, flags={'no-writes'}}";
    call(&mut loads, &["FUNCTION", "LOAD", library]);
    let of_core: Vec<&Server> = core.nodes.iter().collect();
    let of_site: Vec<&Server> = site.iter().collect();
    for nodes in [of_core, of_site] {
        for (at, node) in nodes.iter().take(2).enumerate() {
            let mut runs = node.connect().unwrap();
            runs.set_deadline(ENDED_WITHIN);
            let mut other = nodes[(at + 1) % nodes.len()].connect().unwrap();
            for (what, words) in [
                ("SCRIPT", ["EVAL", "redis.call('set', 'k', 'v') while true do end", "0"]),
                ("SCRIPT", ["EVAL_RO", "while true do redis.call('get', 'k') end", "0"]),
                ("FUNCTION", ["FCALL_RO", "endless", "0"]),
            ] {
                eventually(&format!("{words:?} at {at} is killed from another node"), || {
                    runs.send(&words).unwrap();
                    kill_from(&mut other, what, &mut runs)
                });
            }
            assert_eq!(call(&mut other, &["EXISTS", "k"]), Value::Integer(0));
        }
    }
}

/// A transaction is not tried out: its scripts begin where the log is applied, on every node.
#[test]
fn script_kill_leaves_alone_what_the_log_has_and_says_so() {
    let core = core(3, &[]);
    let (mut runs, mut other) = (core.nodes[0].connect().unwrap(), core.nodes[1].connect().unwrap());
    runs.set_deadline(ENDED_WITHIN);
    let body = "redis.call('incr', 'n') for i = 1, 20000000 do end return 1";
    let mut count = 0;
    eventually("a kill meets it", || {
        count += 1;
        call(&mut runs, &["MULTI"]);
        call(&mut runs, &["EVAL", body, "0"]);
        runs.send(&["EXEC"]).unwrap();
        let until = Instant::now() + Duration::from_secs(1);
        let mut was_met = false;
        while Instant::now() < until && !was_met {
            let reply = call(&mut other, &["SCRIPT", "KILL"]);
            was_met = error_code(&reply) == "UNKILLABLE";
            assert!(was_met || error_code(&reply) == "NOTBUSY", "{reply:?}");
        }
        assert_eq!(next(&mut runs), Value::Array(vec![Value::Integer(1)]), "it came to its end");
        was_met
    });
    // The other node applies it, too, and may be slow to.
    eventually("each ran once", || call(&mut other, &["GET", "n"]) == bulk(&count.to_string()));
}

/// What runs is of the other kind: as redis-server says.
#[test]
fn function_kill_does_not_end_scripts() {
    let core = core(1, &[]);
    let (mut runs, mut other) = (core.nodes[0].connect().unwrap(), core.nodes[0].connect().unwrap());
    runs.set_deadline(ENDED_WITHIN);
    eventually("it is busy with a script", || {
        runs.send(&["EVAL_RO", "while true do end", "0"]).unwrap();
        let until = Instant::now() + Duration::from_secs(3);
        let mut busy = String::new();
        while Instant::now() < until && !busy.starts_with("BUSY") {
            let Value::Error(text) = call(&mut other, &["FUNCTION", "KILL"]) else { panic!("killed") };
            busy = String::from_utf8_lossy(&text).into_owned();
        }
        // It ends by its budget, if it has not yet.
        assert!(matches!(next(&mut runs), Value::Error(_)));
        busy == "BUSY Redis is busy running a script. You can only call SCRIPT KILL or SHUTDOWN NOSAVE."
    });
}
