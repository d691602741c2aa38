//! A redis-server or valkey-server with a password, that data move from or to, and what is moved.

#![allow(clippy::unwrap_used)]

use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use crate::connection::Connection;
use crate::installed::installed;
use crate::ports::free_port;
use crate::process::Process;
use crate::support::call;
use crate::value::Value;
use tempfile::TempDir;

const START_MAX: Duration = Duration::from_secs(20);

/// Which program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Product {
    /// 7.0, as Debian has it.
    Redis,
    /// 8, from PyPI.
    Valkey,
}

/// A running one, with a password.
pub struct Redis {
    process: Process,
    product: Product,
    pub port: u16,
    args: Vec<String>,
    home: TempDir,
}

pub const PASSWORD: &str = "a:b@c%";
/// As a URL spells it.
const PASSWORD_IN_URL: &str = "a%3Ab%40c%25";

impl Redis {
    pub fn start(product: Product, args: &[&str]) -> Redis {
        let home = tempfile::tempdir().unwrap();
        let process = Process::new(home.path().join("log"));
        let args = args.iter().map(|word| (*word).to_owned()).collect();
        let mut source = Redis { process, product, port: free_port().unwrap(), args, home };
        source.spawn();
        source
    }

    fn spawn(&mut self) {
        let program = match self.product {
            Product::Redis => "redis-server".into(),
            Product::Valkey => installed("valkey/valkey-server"),
        };
        let mut command = Command::new(program);
        let port = self.port.to_string();
        // An RDB begins at once.
        let own =
            ["--port", &port, "--save", "", "--repl-diskless-sync-delay", "0", "--requirepass", PASSWORD];
        command.args(own).args(&self.args).current_dir(self.home.path()).stdin(Stdio::null());
        self.process.start(&mut command).unwrap();
        let deadline = Instant::now() + START_MAX;
        loop {
            if let Ok(mut connection) = Connection::open(self.port)
                && let Ok(crate::connection::Received::Reply(Value::Simple(_))) =
                    connection.call(&["AUTH", PASSWORD])
            {
                return;
            }
            assert!(Instant::now() < deadline, "{}", self.process.log_tail(20));
            thread::sleep(Duration::from_millis(20));
        }
    }

    /// Killed, and started again: it has lost all its data, and begins another history.
    pub fn start_anew(&mut self) {
        self.process.kill();
        self.spawn();
    }

    pub fn connect(&self) -> Connection {
        let mut connection = Connection::open(self.port).unwrap();
        assert_eq!(call(&mut connection, &["AUTH", PASSWORD]), Value::Simple(b"OK".to_vec()));
        connection
    }

    pub fn url(&self) -> String {
        format!("redis://:{PASSWORD_IN_URL}@127.0.0.1:{}", self.port)
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        self.process.kill();
    }
}

/// Clients of the tests move between it and the account of another database, in transactions.
pub fn account(connection: &mut Connection) -> i64 {
    match call(connection, &["GET", "account"]) {
        Value::Bulk(text) => String::from_utf8_lossy(&text).parse().unwrap(),
        _ => 0,
    }
}

/// Values of each type that are larger than one step of anything.
pub fn fill(connection: &mut Connection) {
    let huge = "x".repeat(3_000_000);
    call(connection, &["SET", "huge", &huge]);
    call(connection, &["PEXPIREAT", "huge", "33333333333333"]);
    for (name, key) in
        [("RPUSH", "large list"), ("SADD", "large set"), ("ZADD", "large zset"), ("HSET", "large hash")]
    {
        for chunk in 0..30 {
            let mut words = vec![name.to_owned(), key.to_owned()];
            for element in chunk * 500..chunk * 500 + 500 {
                match name {
                    "ZADD" => words.extend([format!("{}.5", element % 77), format!("m{element}")]),
                    "HSET" => words.extend([format!("f{element}"), format!("{element}")]),
                    _ => words.push(format!("{element}")),
                }
            }
            assert!(matches!(call(connection, &words), Value::Integer(_)));
        }
    }
    call(connection, &["PEXPIREAT", "large hash", "33333333333333"]);
    for number in 0..50 {
        call(connection, &["XADD", "stream of groups", &format!("{}-1", number + 1), "f", "v"]);
    }
    call(connection, &["XGROUP", "CREATE", "stream of groups", "g", "0"]);
    call(connection, &["XREADGROUP", "GROUP", "g", "c", "COUNT", "7", "STREAMS", "stream of groups", ">"]);
    call(connection, &["XDEL", "stream of groups", "50-1"]);
    let library = "#!lua name=lib\nredis.register_function{
        function_name = 'f', callback = function() return 7 end, flags = { 'no-writes' } }";
    call(connection, &["FUNCTION", "LOAD", library]);
    call(connection, &["SELECT", "9"]);
    call(connection, &["SET", "elsewhere", "yes"]);
    call(connection, &["SELECT", "0"]);
}
