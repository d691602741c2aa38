//! A redis-server or valkey-server that data move from.

use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use resp_tests::connection::Connection;
use resp_tests::installed::installed;
use resp_tests::ports::free_port;
use resp_tests::process::Process;
use resp_tests::support::call;
use resp_tests::value::Value;
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
pub struct Source {
    process: Process,
    product: Product,
    pub port: u16,
    args: Vec<String>,
    home: TempDir,
}

pub const PASSWORD: &str = "a:b@c%";
/// As a URL spells it.
const PASSWORD_IN_URL: &str = "a%3Ab%40c%25";

impl Source {
    pub fn start(product: Product, args: &[&str]) -> Source {
        let home = tempfile::tempdir().unwrap();
        let process = Process::new(home.path().join("log"));
        let args = args.iter().map(|word| (*word).to_owned()).collect();
        let mut source = Source { process, product, port: free_port().unwrap(), args, home };
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
                && let Ok(resp_tests::connection::Received::Reply(Value::Simple(_))) =
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

impl Drop for Source {
    fn drop(&mut self) {
        self.process.kill();
    }
}
