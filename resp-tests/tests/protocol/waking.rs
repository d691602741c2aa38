//! Sessions that wait for a key: what waking them costs, and that a head start changes nothing else.

use resp_tests::connection::{Connection, Received};
use resp_tests::support::{bulk, call, eventually, ok};
use resp_tests::value::Value;

use crate::support::{Context, Test};

pub const TESTS: &[Test] = &[
    Test::product("a_pop_that_was_waited_for_shares_the_entry_of_its_push", one_entry_for_two),
    Test::everywhere("what_a_waiting_pop_cannot_take_does_not_end_its_wait", guesses_that_fail),
    Test::everywhere("those_who_wait_are_served_in_turn_one_element_each", in_turn),
];

/// A number that INFO tells.
fn number(connection: &mut Connection, name: &str) -> i64 {
    let Value::Bulk(text) = call(connection, &["INFO"]) else { panic!("INFO is no text") };
    let text = String::from_utf8(text).unwrap();
    let value = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    value.unwrap_or_else(|| panic!("INFO has no {name}")).trim().parse().unwrap()
}

fn pair(key: &str, element: &str) -> Received {
    Received::Reply(Value::Array(vec![bulk(key), bulk(element)]))
}

/// Waits until so many clients wait for keys.
fn blocked(admin: &mut Connection, clients: i64) {
    eventually("the clients wait", || number(admin, "blocked_clients") == clients);
}

fn one_entry_for_two(on: &Context) {
    const ROUNDS: i64 = 100;
    let server = on.start(&[]);
    let (mut waiting, mut admin) = (server.connect().unwrap(), server.connect().unwrap());
    let entries = |admin: &mut Connection| number(admin, "flotilla_log_applied_index");
    let before = entries(&mut admin);
    for round in 0..ROUNDS {
        let element = round.to_string();
        waiting.send(&["BLPOP", "queue", "0"]).unwrap();
        blocked(&mut admin, 1);
        assert_eq!(call(&mut admin, &["RPUSH", "queue", &element]), Value::Integer(1));
        assert_eq!(waiting.receive().unwrap(), pair("queue", &element));
    }
    // Without a head start each pop is an entry of its own: two a round. A thread that is woken late may still make it so.
    let entries = entries(&mut admin) - before;
    assert!(entries <= 2 * ROUNDS - ROUNDS / 4, "{entries} entries for {ROUNDS} rounds");
}

fn guesses_that_fail(on: &Context) {
    let server = on.start(&[]);
    let (mut waiting, mut admin) = (server.connect().unwrap(), server.connect().unwrap());
    waiting.send(&["BLPOP", "first", "second", "0"]).unwrap();
    blocked(&mut admin, 1);
    // Writes that may add to the keys, and add nothing that BLPOP takes.
    assert_eq!(call(&mut admin, &["SET", "first", "string"]), ok());
    assert!(matches!(call(&mut admin, &["LPUSH", "first", "x"]), Value::Error(_)));
    assert_eq!(call(&mut admin, &["LPUSHX", "second", "x"]), Value::Integer(0));
    assert_eq!(call(&mut admin, &["ZADD", "second", "1", "x"]), Value::Integer(1));
    assert_eq!(number(&mut admin, "blocked_clients"), 1);
    assert_eq!(call(&mut admin, &["DEL", "second"]), Value::Integer(1));
    assert_eq!(call(&mut admin, &["RPUSH", "second", "taken", "left"]), Value::Integer(2));
    assert_eq!(waiting.receive().unwrap(), pair("second", "taken"));
    assert_eq!(call(&mut admin, &["LRANGE", "second", "0", "-1"]), Value::Array(vec![bulk("left")]));
    // Where the element goes to holds something else: that is an error once there is an element, and it stays.
    waiting.send(&["BLMOVE", "third", "first", "LEFT", "RIGHT", "0"]).unwrap();
    blocked(&mut admin, 1);
    assert_eq!(call(&mut admin, &["RPUSH", "third", "stays"]), Value::Integer(1));
    assert!(matches!(waiting.receive().unwrap(), Received::Reply(Value::Error(_))));
    assert_eq!(call(&mut admin, &["LLEN", "third"]), Value::Integer(1));
}

fn in_turn(on: &Context) {
    let server = on.start(&[]);
    let mut admin = server.connect().unwrap();
    let mut waiting: Vec<Connection> = Vec::new();
    for number in 1..=4 {
        let mut connection = server.connect().unwrap();
        connection.send(&["BZPOPMIN", "set", "0"]).unwrap();
        blocked(&mut admin, number);
        waiting.push(connection);
    }
    // Several writes in one pipeline, then one that has something for two.
    admin.send(&["ZADD", "set", "1", "a"]).unwrap();
    admin.send(&["ZADD", "set", "2", "b"]).unwrap();
    let popped = |member: &str, score: &str| {
        Received::Reply(Value::Array(vec![bulk("set"), bulk(member), bulk(score)]))
    };
    assert!((0..2).all(|_| matches!(admin.receive().unwrap(), Received::Reply(Value::Integer(1)))));
    let got: Vec<Received> = waiting.drain(..2).map(|mut first| first.receive().unwrap()).collect();
    assert_eq!(got, [popped("a", "1"), popped("b", "2")]);
    assert_eq!(call(&mut admin, &["ZADD", "set", "4", "d", "3", "c"]), Value::Integer(2));
    let got: Vec<Received> = waiting.drain(..).map(|mut next| next.receive().unwrap()).collect();
    assert_eq!(got, [popped("c", "3"), popped("d", "4")]);
    blocked(&mut admin, 0);
}
