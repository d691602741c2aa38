//! A server process of its own for a test: free ports, a temporary directory, killed when dropped.
//!
//! A server can be stopped and started again: same ports, same data.

use std::env;
use std::fs::{self, File};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use crate::clock;
use crate::connection::{Connection, Received};
use crate::ports::free_port;
use crate::value::Value;

const START_SECONDS_MAX: u64 = 30;
const STOP_SECONDS_MAX: u64 = 30;
/// Somebody else may listen on a port between the moment it was found free and the moment the server binds it.
const START_ATTEMPTS_MAX: u32 = 4;

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
    /// Whether the wall clock of its servers can be set, see `Server::set_clock`.
    pub has_own_clock: bool,
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
        Program {
            kind: if is_reference { Kind::Reference } else { Kind::Product },
            path,
            has_own_clock: false,
        }
    }

    pub fn with_own_clock(self) -> Program {
        Program { has_own_clock: true, ..self }
    }

    /// redis-server, of the version the corpus is recorded from.
    pub fn reference() -> io::Result<Program> {
        let path = PathBuf::from(env::var_os("REDIS_SERVER_BIN").unwrap_or("redis-server".into()));
        let missing = |what: String| {
            let text = format!(
                "{}: {what}. `make test` installs redis-server 7.0; .build/test-deps.sh does that alone",
                path.display()
            );
            io::Error::new(ErrorKind::NotFound, text)
        };
        let version =
            Command::new(&path).arg("--version").output().map_err(|error| missing(error.to_string()))?;
        let version = String::from_utf8_lossy(&version.stdout);
        if !version.contains("v=7.0.") {
            return Err(missing(format!("not version 7.0 but {}", version.trim())));
        }
        Ok(Program { kind: Kind::Reference, path, has_own_clock: false })
    }

    fn command(&self, ports: Ports, directory: &Path) -> Command {
        let mut command = Command::new(&self.path);
        command.args(["--port", &ports.clients.to_string()]);
        match self.kind {
            Kind::Product => {
                command.arg("--data-dir").arg(directory);
                command.args(["--http-port", &ports.http.to_string()]);
                command.args(["--peer-port", &ports.peers.to_string()]);
            }
            Kind::Reference => {
                command.arg("--dir").arg(directory);
                command.args(["--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]);
                command.args(["--enable-debug-command", "yes", "--loglevel", "warning"]);
            }
        }
        command
    }
}

#[derive(Clone, Copy, Debug)]
struct Ports {
    clients: u16,
    http: u16,
    peers: u16,
}

impl Ports {
    fn free() -> io::Result<Ports> {
        Ok(Ports { clients: free_port()?, http: free_port()?, peers: free_port()? })
    }
}

/// How a server is made to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop {
    /// SIGKILL: the process gets no chance to finish anything.
    Kill,
    /// SIGTERM: the process is asked to finish.
    Terminate,
}

/// A running server.
#[derive(Debug)]
pub struct Server {
    pub kind: Kind,
    pub port: u16,
    program: Program,
    args: Vec<String>,
    ports: Ports,
    child: Child,
    log: PathBuf,
    // Removed after the process is gone: fields drop after `Drop::drop` has killed it.
    directory: TempDir,
}

impl Server {
    /// Starts the program and waits until it answers PING (or asks for a password).
    pub fn start(program: &Program, args: &[String]) -> io::Result<Server> {
        let mut attempt = 1;
        loop {
            match Server::start_on(Ports::free()?, program, args) {
                Err(error) if error.kind() == ErrorKind::AddrInUse && attempt < START_ATTEMPTS_MAX => {
                    attempt += 1
                }
                started => return started,
            }
        }
    }

    /// Starts the program and waits no longer than this until it answers.
    pub fn start_for(program: &Program, args: &[String], within: Duration) -> io::Result<Server> {
        let mut server = Server::spawn(program, args)?;
        server.wait_until_ready_for(within)?;
        Ok(server)
    }

    /// Starts the program, which need not answer soon.
    pub fn spawn(program: &Program, args: &[String]) -> io::Result<Server> {
        Server::spawn_on(Ports::free()?, program, args)
    }

    /// Starts servers that need each other to be ready. `args` gets the peer ports of all and the number of one.
    pub fn start_together(
        program: &Program,
        count: usize,
        args: impl Fn(&[u16], usize) -> Vec<String>,
    ) -> io::Result<Vec<Server>> {
        let mut servers = Server::spawn_together(program, count, args)?;
        for server in &mut servers {
            server.wait_until_ready()?;
        }
        Ok(servers)
    }

    /// As `start_together`, without waiting until they answer.
    pub fn spawn_together(
        program: &Program,
        count: usize,
        args: impl Fn(&[u16], usize) -> Vec<String>,
    ) -> io::Result<Vec<Server>> {
        let ports: Vec<Ports> = (0..count).map(|_| Ports::free()).collect::<io::Result<_>>()?;
        let peers: Vec<u16> = ports.iter().map(|ports| ports.peers).collect();
        let mut servers = Vec::new();
        for (index, ports) in ports.into_iter().enumerate() {
            servers.push(Server::spawn_on(ports, program, &args(&peers, index))?);
        }
        Ok(servers)
    }

    fn start_on(ports: Ports, program: &Program, args: &[String]) -> io::Result<Server> {
        let mut server = Server::spawn_on(ports, program, args)?;
        server.wait_until_ready()?;
        Ok(server)
    }

    fn spawn_on(ports: Ports, program: &Program, args: &[String]) -> io::Result<Server> {
        let directory = tempfile::tempdir()?;
        let log = directory.path().join("server-output.log");
        fs::create_dir(directory.path().join("data"))?;
        let child = spawn(program, args, ports, directory.path(), &log)?;
        Ok(Server {
            kind: program.kind,
            port: ports.clients,
            program: program.clone(),
            args: args.to_vec(),
            ports,
            child,
            log,
            directory,
        })
    }

    /// Ends the process and waits until it is gone. Its data stay. A server asked to finish that does not is killed,
    /// and that is an error.
    pub fn stop(&mut self, how: Stop) -> io::Result<ExitStatus> {
        match how {
            Stop::Kill => self.child.kill()?,
            Stop::Terminate => kill_process(Pid::from_child(&self.child), Signal::TERM)?,
        }
        let deadline = Instant::now() + Duration::from_secs(STOP_SECONDS_MAX);
        while Instant::now() < deadline {
            if let Some(status) = self.child.try_wait()? {
                return Ok(status);
            }
            thread::sleep(Duration::from_millis(5));
        }
        self.child.kill()?;
        self.child.wait()?;
        Err(io::Error::new(
            ErrorKind::TimedOut,
            format!("{how:?} did not end the server:\n{}", self.log_tail()),
        ))
    }

    /// Starts a stopped server again: same arguments, same ports, same data.
    pub fn start_again(&mut self) -> io::Result<()> {
        self.spawn_again()?;
        self.wait_until_ready()
    }

    /// As `start_again`, without waiting until it answers.
    pub fn spawn_again(&mut self) -> io::Result<()> {
        self.child = spawn(&self.program, &self.args, self.ports, self.directory.path(), &self.log)?;
        Ok(())
    }

    /// Whether the process is still there.
    pub fn is_running(&mut self) -> io::Result<bool> {
        Ok(self.child.try_wait()?.is_none())
    }

    /// Sets its wall clock off by so many milliseconds; its program must have been started `with_own_clock`.
    pub fn set_clock(&self, millis: i64) -> io::Result<()> {
        clock::set(&self.directory.path().join("clock"), millis)
    }

    /// SIGSTOP: the process does nothing more, but its connections stay.
    pub fn pause(&self) -> io::Result<()> {
        Ok(kill_process(Pid::from_child(&self.child), Signal::STOP)?)
    }

    /// SIGCONT.
    pub fn resume(&self) -> io::Result<()> {
        Ok(kill_process(Pid::from_child(&self.child), Signal::CONT)?)
    }

    pub fn peer_port(&self) -> u16 {
        self.ports.peers
    }

    /// Where other nodes reach it.
    pub fn peer_address(&self) -> String {
        format!("127.0.0.1:{}", self.ports.peers)
    }

    /// Starts with these arguments from the next start on.
    pub fn set_args(&mut self, args: &[String]) {
        self.args = args.to_vec();
    }

    /// Starts with these arguments as well from the next start on.
    pub fn add_args(&mut self, args: &[String]) {
        self.args.extend_from_slice(args);
    }

    /// Empties the data directory of a stopped server.
    pub fn wipe(&self) -> io::Result<()> {
        fs::remove_dir_all(self.data())?;
        fs::create_dir(self.data())
    }

    /// Where its data are.
    pub fn data(&self) -> PathBuf {
        self.directory.path().join("data")
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
        self.wait_until_ready_for(Duration::from_secs(START_SECONDS_MAX))
    }

    fn wait_until_ready_for(&mut self, within: Duration) -> io::Result<()> {
        let deadline = Instant::now() + within;
        while Instant::now() < deadline {
            if let Some(status) = self.child.try_wait()? {
                let log = self.log_tail();
                let kind = if says_port_is_taken(&log) { ErrorKind::AddrInUse } else { ErrorKind::Other };
                return Err(io::Error::new(kind, format!("the server ended with {status}:\n{log}")));
            }
            let answer = self.connect().and_then(|mut connection| connection.call(&["PING"]));
            match answer {
                Ok(Received::Reply(Value::Simple(text))) if text == b"PONG" => return Ok(()),
                Ok(Received::Reply(Value::Error(text))) if text.starts_with(b"NOAUTH") => return Ok(()),
                _ => thread::sleep(Duration::from_millis(10)),
            }
        }
        Err(io::Error::new(
            ErrorKind::TimedOut,
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

/// The output of a server that is started again follows that of its earlier life.
fn spawn(
    program: &Program,
    args: &[String],
    ports: Ports,
    directory: &Path,
    log: &Path,
) -> io::Result<Child> {
    let output = File::options().create(true).append(true).open(log)?;
    let mut command = program.command(ports, &directory.join("data"));
    if program.has_own_clock {
        clock::govern(&mut command, &directory.join("clock"))?;
    }
    command
        .args(args)
        .stdin(Stdio::null())
        .stdout(output.try_clone()?)
        .stderr(output)
        .spawn()
        .map_err(|error| io::Error::new(error.kind(), format!("{}: {error}", program.path.display())))
}

/// The words of the operating system, and those redis-server adds.
fn says_port_is_taken(log: &str) -> bool {
    log.contains("Address already in use") || log.contains("Failed listening on port")
}
