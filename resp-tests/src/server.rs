//! A server process of its own for a test: free ports, a temporary directory, killed when dropped.

use std::env;
use std::fs::{self, File};
use std::io;
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::connection::{Connection, Received};
use crate::value::Value;

const START_SECONDS_MAX: u64 = 30;

/// Which program is under test; they differ in their arguments only.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Product,
    /// redis-server, which records the expectations.
    Reference,
}

/// A program to start servers from.
#[derive(Clone, Debug)]
pub struct Program {
    pub kind: Kind,
    pub path: PathBuf,
}

impl Program {
    /// `FLOTILLA_BIN`, or the debug build of this workspace. A path that ends in `redis-server` is the reference,
    /// which is how the test code itself is tried.
    pub fn product() -> Program {
        // Test binaries lie in <target>/<profile>/deps, wherever CARGO_TARGET_DIR has put that.
        let built = || {
            let beside =
                env::current_exe().ok().and_then(|test| Some(test.parent()?.parent()?.join("flotilla")));
            let default = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/debug/flotilla");
            beside.filter(|path| path.exists()).unwrap_or_else(default)
        };
        let path = env::var_os("FLOTILLA_BIN").map_or_else(built, PathBuf::from);
        let is_reference = path.file_name().is_some_and(|name| name == "redis-server");
        Program { kind: if is_reference { Kind::Reference } else { Kind::Product }, path }
    }

    /// redis-server, when it is installed and of the version the corpus is recorded from.
    pub fn reference() -> Option<Program> {
        let path = PathBuf::from(env::var_os("REDIS_SERVER_BIN").unwrap_or("redis-server".into()));
        let version = Command::new(&path).arg("--version").output().ok()?;
        let is_recorded_one = String::from_utf8_lossy(&version.stdout).contains("v=7.0.");
        is_recorded_one.then_some(Program { kind: Kind::Reference, path })
    }

    fn command(&self, port: u16, directory: &Path) -> io::Result<Command> {
        let mut command = Command::new(&self.path);
        command.args(["--port", &port.to_string()]);
        match self.kind {
            Kind::Product => {
                command.arg("--data-dir").arg(directory);
                command.args(["--http-port", &free_port()?.to_string()]);
                command.args(["--peer-port", &free_port()?.to_string()]);
            }
            Kind::Reference => {
                command.arg("--dir").arg(directory);
                command.args(["--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]);
                command.args(["--enable-debug-command", "yes", "--loglevel", "warning"]);
            }
        }
        Ok(command)
    }
}

/// A running server.
#[derive(Debug)]
pub struct Server {
    pub kind: Kind,
    pub port: u16,
    child: Child,
    log: PathBuf,
    // Removed after the process is gone: fields drop after `Drop::drop` has killed it.
    _directory: TempDir,
}

impl Server {
    /// Starts the program and waits until it answers PING (or asks for a password).
    pub fn start(program: &Program, args: &[String]) -> io::Result<Server> {
        let directory = tempfile::tempdir()?;
        let log = directory.path().join("server-output.log");
        let data = directory.path().join("data");
        fs::create_dir(&data)?;
        let port = free_port()?;
        let output = File::create(&log)?;
        let child = program
            .command(port, &data)?
            .args(args)
            .stdin(Stdio::null())
            .stdout(output.try_clone()?)
            .stderr(output)
            .spawn()
            .map_err(|error| io::Error::new(error.kind(), format!("{}: {error}", program.path.display())))?;
        let mut server = Server { kind: program.kind, port, child, log, _directory: directory };
        server.wait_until_ready()?;
        Ok(server)
    }

    pub fn connect(&self) -> io::Result<Connection> {
        Connection::open(self.port)
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// What the server printed last, for the message of a failed test.
    pub fn log_tail(&self) -> String {
        let text = fs::read(&self.log).unwrap_or_default();
        let lines: Vec<_> = text.rsplit(|byte| *byte == b'\n').take(15).collect();
        lines.iter().rev().map(|line| String::from_utf8_lossy(line) + "\n").collect()
    }

    fn wait_until_ready(&mut self) -> io::Result<()> {
        let deadline = Instant::now() + Duration::from_secs(START_SECONDS_MAX);
        while Instant::now() < deadline {
            if let Some(status) = self.child.try_wait()? {
                return Err(io::Error::other(format!(
                    "the server ended with {status}:\n{}",
                    self.log_tail()
                )));
            }
            let answer = self.connect().and_then(|mut connection| connection.call(&["PING"]));
            match answer {
                Ok(Received::Reply(Value::Simple(text))) if text == b"PONG" => return Ok(()),
                Ok(Received::Reply(Value::Error(text))) if text.starts_with(b"NOAUTH") => return Ok(()),
                _ => thread::sleep(Duration::from_millis(10)),
            }
        }
        Err(io::Error::new(
            io::ErrorKind::TimedOut,
            format!("the server never answered PING:\n{}", self.log_tail()),
        ))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Nothing can be done about an error here: the process is gone then.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// A port nobody listens on at this moment.
pub fn free_port() -> io::Result<u16> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port())
}
