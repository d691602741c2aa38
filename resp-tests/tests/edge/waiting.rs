//! Waiting for keys and keyspace events at an edge: what is taken there is taken at the core, and what happens to keys is
//! told there in the core's order.

use super::*;
use resp_tests::value::Value;
use std::{thread, time::Duration};

#[test]
fn a_client_that_waits_at_an_edge_takes_from_the_core() {
    let core = core(1, &[]);
    let mut client = core.nodes[0].connect().unwrap();
    call(&mut client, &["SET", "here", "x"]);
    let edge = edge("fra", &upstream(&core), &[]);
    let mut here = edge.connect().unwrap();
    here.set_deadline(Duration::from_secs(20));
    eventually("the edge has data", || call(&mut here, &["GET", "here"]) == bulk("x"));
    let pair = |key: &str, element: &str| Value::Array(vec![bulk(key), bulk(element)]);
    call(&mut client, &["RPUSH", "there", "at once"]);
    eventually("the list is there", || call(&mut here, &["LLEN", "there"]) == Value::Integer(1));
    assert_eq!(call(&mut here, &["BLPOP", "there", "5"]), pair("there", "at once"));
    assert_eq!(call(&mut here, &["EXISTS", "there"]), Value::Integer(0), "reads its own writes");
    here.send(&["BLMOVE", "queue", "done", "LEFT", "RIGHT", "0"]).unwrap();
    eventually("it waits", || info(&edge, "blocked_clients") == 1);
    call(&mut client, &["RPUSH", "queue", "later"]);
    assert_eq!(next(&mut here), bulk("later"));
    assert_eq!(call(&mut client, &["LRANGE", "done", "0", "-1"]), Value::Array(vec![bulk("later")]));
    assert_eq!(call(&mut client, &["EXISTS", "queue"]), Value::Integer(0));
    here.send(&["XREAD", "BLOCK", "0", "STREAMS", "stream", "$"]).unwrap();
    eventually("it waits", || info(&edge, "blocked_clients") == 1);
    call(&mut client, &["XADD", "stream", "1-0", "f", "v"]);
    assert!(matches!(next(&mut here), Value::Array(streams) if streams.len() == 1));
    assert_same_state(&core.nodes[0], &[&edge]);
}

#[test]
fn an_edge_that_refuses_writes_refuses_to_wait_for_what_it_may_not_take() {
    let core = core(1, &[]);
    let mut client = core.nodes[0].connect().unwrap();
    call(&mut client, &["SET", "here", "x"]);
    let edge = edge("fra", &upstream(&core), &["--edge-writes", "reject"]);
    let mut here = edge.connect().unwrap();
    eventually("the edge has data", || call(&mut here, &["GET", "here"]) == bulk("x"));
    assert_eq!(error_code(&call(&mut here, &["BLPOP", "queue", "0"])), "READONLY");
    here.send(&["XREAD", "BLOCK", "0", "STREAMS", "stream", "0"]).unwrap();
    eventually("it waits", || info(&edge, "blocked_clients") == 1);
    call(&mut client, &["XADD", "stream", "1-0", "f", "v"]);
    assert!(matches!(next(&mut here), Value::Array(streams) if streams.len() == 1));
}

#[test]
fn keyspace_events_reach_subscribers_of_an_edge_in_the_order_of_the_core() {
    let core = core(1, &[]);
    let mut client = core.nodes[0].connect().unwrap();
    call(&mut client, &["SET", "here", "x"]);
    let edge = edge("fra", &upstream(&core), &["--notify-keyspace-events", "EA"]);
    let mut here = edge.connect().unwrap();
    here.set_deadline(Duration::from_secs(20));
    eventually("the edge has data", || call(&mut here, &["GET", "here"]) == bulk("x"));
    call(&mut here, &["PSUBSCRIBE", "__keyevent@*"]);
    // Subscriptions are noted by the batches that begin behind them.
    thread::sleep(Duration::from_millis(50));
    for number in 0..50 {
        call(&mut client, &["RPUSH", "list", &number.to_string()]);
        call(&mut client, &["SET", "gone", "x", "PX", "1"]);
        call(&mut client, &["HSET", "hash", "f", &number.to_string()]);
        // Or it is written again before it has expired, which is no event.
        thread::sleep(Duration::from_millis(3));
    }
    call(&mut client, &["DEL", "list"]);
    let mut seen = Vec::new();
    loop {
        let Value::Array(message) = next(&mut here) else { panic!("no message") };
        let text = |at: usize| match &message[at] {
            Value::Bulk(bytes) => String::from_utf8_lossy(bytes).into_owned(),
            other => panic!("{other:?}"),
        };
        let (event, key) = (text(2).rsplit(':').next().unwrap().to_owned(), text(3));
        let is_last = event == "del" && key == "list";
        seen.push((event, key));
        if is_last {
            break;
        }
    }
    let of = |wanted: &str| seen.iter().filter(|(event, _)| event == wanted).count();
    assert_eq!((of("rpush"), of("hset"), of("set"), of("expire")), (50, 50, 50, 50), "{seen:?}");
    // All but perhaps the last of the short lives have been told to be over.
    assert!((49..=50).contains(&of("expired")), "{seen:?}");
    let order: Vec<&str> = seen
        .iter()
        .map(|(event, _)| event.as_str())
        .filter(|event| ["rpush", "set", "hset"].contains(event))
        .collect();
    assert!(order.chunks(3).all(|three| three == ["rpush", "set", "hset"]), "{order:?}");
}
