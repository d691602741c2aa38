//! What most tests say: a call that must be answered, a condition that must come to hold, a number of the environment.

#![allow(clippy::unwrap_used, clippy::panic)]

use std::env;
use std::fmt::Debug;
use std::process::Output;
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crate::connection::{Connection, Received};
use crate::server::Server;
use crate::value::Value;

/// How long a condition may take to hold on a machine that has other things to do.
pub const SOON: Duration = Duration::from_secs(40);

/// Between two looks at a condition.
const LOOK_MIN: Duration = Duration::from_millis(5);
const LOOK_MAX: Duration = Duration::from_millis(50);

/// So small that segments roll, the log is purged and memtables are flushed while a test runs.
pub const SMALL: [&str; 6] =
    ["--log-retain-bytes", "1mb", "--log-retain-seconds", "0", "--memtable-bytes", "1mb"];

/// Sends a command and waits for its reply.
pub fn call<A: AsRef<[u8]> + Debug>(connection: &mut Connection, words: &[A]) -> Value {
    match connection.call(words).unwrap() {
        Received::Reply(reply) => reply,
        Received::Closed => panic!("{words:?}: closed"),
    }
}

/// The next reply or message.
pub fn next(connection: &mut Connection) -> Value {
    match connection.receive().unwrap() {
        Received::Reply(value) => value,
        Received::Closed => panic!("closed"),
    }
}

pub fn ok() -> Value {
    Value::Simple(b"OK".to_vec())
}

pub fn bulk(text: &str) -> Value {
    Value::Bulk(text.as_bytes().to_vec())
}

pub fn number(value: &Value) -> i64 {
    match value {
        Value::Integer(number) => *number,
        Value::Bulk(text) => std::str::from_utf8(text).unwrap().parse().unwrap(),
        Value::NilBulk => 0,
        other => panic!("{other:?} is no number"),
    }
}

/// The first word of an error; what else was answered, in its notation.
pub fn error_code(reply: &Value) -> String {
    match reply {
        Value::Error(text) => String::from_utf8_lossy(text).split(' ').next().unwrap_or_default().to_owned(),
        other => format!("{other:?}"),
    }
}

/// Waits for a condition.
pub fn eventually(what: &str, condition: impl FnMut() -> bool) {
    eventually_within(what, SOON, condition);
}

/// Waits for a condition that may take longer, or must not take so long.
pub fn eventually_within(what: &str, within: Duration, mut condition: impl FnMut() -> bool) {
    let began = Instant::now();
    while !condition() {
        let waited = began.elapsed();
        assert!(waited < within, "never happened: {what}");
        // What is asked often takes the processor from those who are to bring it about.
        thread::sleep((waited / 10).clamp(LOOK_MIN, LOOK_MAX));
    }
}

/// `flotilla admin` asks this node.
pub fn admin(node: &Server, words: &[&str]) -> Output {
    let server = format!("127.0.0.1:{}", node.port);
    node.admin(&[words, &["--server", &server]].concat()).unwrap()
}

/// A number that the environment gives.
pub fn variable(name: &str) -> Option<u64> {
    env::var(name).ok().map(|text| text.parse().unwrap_or_else(|error| panic!("{name}={text}: {error}")))
}

/// The seed that the environment gives, or another one each time; printed, so that a failure can be repeated.
pub fn seed(name: &str) -> u64 {
    let seed = variable(name)
        .unwrap_or_else(|| SystemTime::now().duration_since(UNIX_EPOCH).unwrap().subsec_nanos().into());
    println!("{name}={seed}");
    seed
}
