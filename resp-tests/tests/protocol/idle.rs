//! Who is closed for being silent, or for not saying who he is, and who is not.

use std::io::Read;
use std::thread;
use std::time::{Duration, Instant};

use resp_tests::connection::{Connection, Received};
use resp_tests::value::Value;

use crate::support::{Context, Test};

pub const TESTS: &[Test] = &[
    Test::everywhere("timeout_spares_who_waits_and_who_takes_its_reply_slowly", timeout_spares),
    Test::product("reset_begins_the_time_to_authenticate_again", reset_and_authenticate),
    Test::product("wrong_passwords_are_told_of_and_cost_time", wrong_passwords),
];

fn ok() -> Received {
    Received::Reply(Value::Simple(b"OK".to_vec()))
}

fn timeout_spares(on: &Context) {
    const BYTES: usize = 48 << 20;
    let server = on.start(&["--timeout", "1"]);
    let connect = || -> Connection {
        let mut connection = server.connect().unwrap();
        connection.set_deadline(Duration::from_secs(30));
        connection
    };
    let mut first = connect();
    assert_eq!(first.call(&[b"SET".to_vec(), b"large".to_vec(), vec![b'x'; BYTES]]).unwrap(), ok());
    let (mut idle, mut waiting, mut paused, mut slow) = (connect(), connect(), connect(), connect());
    idle.call(&["PING"]).unwrap();
    waiting.send(&["BLPOP", "queue", "0"]).unwrap();
    slow.send(&["GET", "large"]).unwrap();
    assert_eq!(first.call(&["CLIENT", "PAUSE", "3500", "WRITE"]).unwrap(), ok());
    paused.send(&["SET", "paused", "value"]).unwrap();
    // Longer than the timeout in all, but something every quarter of a second.
    let (mut taken, mut chunk, began) = (0, vec![0; 1 << 20], Instant::now());
    let whole = BYTES + format!("${BYTES}\r\n\r\n").len();
    while taken < whole {
        let read = slow.stream().read(&mut chunk).unwrap();
        assert!(read > 0, "closed after {taken} bytes of a reply");
        taken += read;
        if began.elapsed() < Duration::from_secs(4) && taken % (2 << 20) < read {
            thread::sleep(Duration::from_millis(250));
        }
    }
    assert_eq!(taken, whole);
    while began.elapsed() < Duration::from_secs(4) {
        thread::sleep(Duration::from_millis(50));
    }
    assert_eq!(idle.read_to_close().unwrap(), b"", "the silent one is closed");
    assert_eq!(paused.receive().unwrap(), ok(), "its write was held back, it was not silent");
    connect().call(&["RPUSH", "queue", "element"]).unwrap();
    let element = Value::Array(vec![Value::Bulk(b"queue".to_vec()), Value::Bulk(b"element".to_vec())]);
    assert_eq!(waiting.receive().unwrap(), Received::Reply(element));
}

fn reset_and_authenticate(on: &Context) {
    let server = on.start(&["--requirepass", "secret", "--preauth-timeout-ms", "3000"]);
    let mut connection = server.connect().unwrap();
    connection.set_deadline(Duration::from_secs(30));
    assert_eq!(connection.call(&["AUTH", "secret"]).unwrap(), ok());
    thread::sleep(Duration::from_millis(3500));
    let reset = Received::Reply(Value::Simple(b"RESET".to_vec()));
    assert_eq!(connection.call(&["RESET"]).unwrap(), reset);
    // Clients are looked at twice a second.
    thread::sleep(Duration::from_millis(1200));
    assert_eq!(connection.call(&["AUTH", "secret"]).unwrap(), ok());
    assert_eq!(connection.call(&["RESET"]).unwrap(), reset);
    assert_eq!(connection.receive().unwrap(), Received::Closed, "it has the same time, and no more");
}

fn wrong_passwords(on: &Context) {
    let server = on.start(&["--requirepass", "secret"]);
    let mut connection = server.connect().unwrap();
    connection.set_deadline(Duration::from_secs(30));
    for attempt in 1..=13 {
        let words: &[&str] = match attempt % 2 {
            0 => &["AUTH", "wrong"],
            _ => &["HELLO", "3", "AUTH", "default", "wrong"],
        };
        let reply = connection.call(words).unwrap();
        let is_refusal =
            matches!(&reply, Received::Reply(Value::Error(text)) if text.starts_with(b"WRONGPASS"));
        assert!(is_refusal, "attempt {attempt}: {reply:?}");
    }
    assert_eq!(connection.call(&["AUTH", "secret"]).unwrap(), ok());
    let said: Vec<bool> = [1, 2, 10, 11].map(|count| server.has_said(&format!("failures={count}\n"))).into();
    assert_eq!(said, [true, false, true, false], "{}", server.log_tail());
    assert!(!server.has_said("wrong\n"), "a password is in the log");
}
