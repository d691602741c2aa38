//! What the rows share: a raw socket, and the two things that must hold after every row.

use std::fs;
use std::io;
use std::time::Duration;

use resp_tests::connection::{Connection, Received};
use resp_tests::server::{Program, Server};
use resp_tests::value::Value;

#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Only {
    Everywhere,
    /// redis-server 7.0 does less here.
    Product,
}

#[derive(Clone, Copy)]
pub struct Test {
    pub name: &'static str,
    pub only: Only,
    pub run: fn(&Context),
}

impl Test {
    pub const fn everywhere(name: &'static str, run: fn(&Context)) -> Test {
        Test { name, only: Only::Everywhere, run }
    }

    pub const fn product(name: &'static str, run: fn(&Context)) -> Test {
        Test { name, only: Only::Product, run }
    }
}

pub struct Context<'a> {
    /// Shared by tests that run at the same time: none may change its configuration.
    pub server: &'a Server,
    pub program: &'a Program,
}

impl Context<'_> {
    pub fn connect(&self) -> Connection {
        self.server.connect().unwrap()
    }

    /// A server of the test's own.
    pub fn start(&self, args: &[&str]) -> Server {
        let args: Vec<String> = args.iter().map(|arg| (*arg).to_owned()).collect();
        Server::start(self.program, &args).unwrap()
    }

    /// Sends `bytes` on a fresh connection: it must be closed after exactly `expected`, and others must not notice.
    pub fn refused(&self, bytes: &[u8], expected: &str) {
        refused_by(self.server, bytes, expected);
    }

    /// Sends `bytes` on a fresh connection: the replies must be `expected`, and the connection must go on.
    pub fn answered(&self, bytes: &[u8], expected: &str) {
        let mut connection = self.connect();
        connection.send_raw(bytes).unwrap();
        connection.send_raw(b"*2\r\n$4\r\nECHO\r\n$7\r\nthe end\r\n*1\r\n$4\r\nQUIT\r\n").unwrap();
        let got = connection.read_to_close().unwrap();
        let expected = format!("{expected}$7\r\nthe end\r\n+OK\r\n");
        assert_eq!(text(&got), text(expected.as_bytes()), "for {}", text(bytes));
    }
}

pub fn refused_by(server: &Server, bytes: &[u8], expected: &str) {
    let mut connection = server.connect().unwrap();
    // The server may close while we still write: what it said before is what counts.
    let _closed_early = connection.send_raw(bytes);
    let got = connection.read_to_close().unwrap();
    assert_eq!(text(&got), text(expected.as_bytes()), "for {}", text(bytes));
    alive(server);
}

pub fn alive(server: &Server) {
    let pong = server.connect().unwrap().call(&["PING"]).unwrap();
    let is_fine = match &pong {
        Received::Reply(Value::Simple(text)) => text == b"PONG",
        Received::Reply(Value::Error(text)) => text.starts_with(b"NOAUTH"),
        _ => false,
    };
    assert!(is_fine, "PING answered {pong:?}\n{}", server.log_tail());
}

/// Whether a client of the server waits for keys.
pub fn is_blocked(by: &mut Connection) -> bool {
    match by.call(&["INFO", "clients"]).unwrap() {
        Received::Reply(Value::Bulk(info)) => !String::from_utf8_lossy(&info).contains("blocked_clients:0"),
        other => panic!("{other:?}"),
    }
}

/// Readable, and not a megabyte of it.
pub fn text(bytes: &[u8]) -> String {
    bytes.escape_ascii().to_string().chars().take(300).collect()
}

pub fn resident_mib(server: &Server) -> u64 {
    process_status(server, "VmRSS:") / 1024
}

/// A number of `/proc/PID/status`, see proc(5).
pub fn process_status(server: &Server, name: &str) -> u64 {
    let status = fs::read_to_string(format!("/proc/{}/status", server.pid())).unwrap();
    let line = status.lines().find(|line| line.starts_with(name)).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

/// Writes `chunk` again and again without ever reading, until the server closes. Panics when it took `bytes_max`.
pub fn write_until_closed(connection: &mut Connection, chunk: &[u8], bytes_max: usize) {
    connection.set_deadline(Duration::from_secs(30));
    for _ in 0..bytes_max / chunk.len() {
        match connection.send_raw(chunk) {
            Ok(()) => {}
            Err(error)
                if matches!(error.kind(), io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe) =>
            {
                return;
            }
            Err(error) => panic!("not closed but {error}"),
        }
    }
    panic!("the server took {bytes_max} bytes from a client that reads nothing");
}
