//! A server process of its own for a test: free ports, a temporary directory, killed when dropped.
//!
//! A server can be stopped and started again: same ports, same data.

use std::fs::{self, File};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use crate::clock;
use crate::connection::{Connection, Received};
use crate::door::Door;
use crate::program::Ports;
pub use crate::program::{Kind, Place, Program};
use crate::value::Value;

const START_SECONDS_MAX: u64 = 30;
const STOP_SECONDS_MAX: u64 = 30;
/// Somebody else may listen on a port between the moment it was found free and the moment the server binds it.
const START_ATTEMPTS_MAX: u32 = 4;

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
            match Server::start_on(program.ports()?, program, args) {
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
        Server::spawn_on(program.ports()?, program, args)
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
        let ports: Vec<Ports> = (0..count).map(|_| program.ports()).collect::<io::Result<_>>()?;
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
        self.wait_until_gone(Duration::from_secs(STOP_SECONDS_MAX))
    }

    /// Waits no longer than this until the process has ended. One that has not is killed, and that is an error.
    pub fn wait_until_gone(&mut self, within: Duration) -> io::Result<ExitStatus> {
        let deadline = Instant::now() + within;
        while Instant::now() < deadline {
            if let Some(status) = self.child.try_wait()? {
                return Ok(status);
            }
            thread::sleep(Duration::from_millis(5));
        }
        self.child.kill()?;
        self.child.wait()?;
        let text = format!("the server did not end in {within:?}:\n{}", self.log_tail());
        Err(io::Error::new(ErrorKind::TimedOut, text))
    }

    /// SIGTERM, without waiting for what comes of it.
    pub fn ask_to_stop(&self) -> io::Result<()> {
        Ok(kill_process(Pid::from_child(&self.child), Signal::TERM)?)
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

    /// SIGSTOP: the process does nothing more when this returns, but its connections stay.
    pub fn pause(&self) -> io::Result<()> {
        kill_process(Pid::from_child(&self.child), Signal::STOP)?;
        // The signal is there; each of its threads stops when it next looks.
        let tasks = PathBuf::from(format!("/proc/{}/task", self.pid()));
        let deadline = Instant::now() + Duration::from_secs(STOP_SECONDS_MAX);
        while !all_stopped(&tasks)? {
            if Instant::now() > deadline {
                return Err(io::Error::new(ErrorKind::TimedOut, "SIGSTOP did not stop the server"));
            }
            thread::sleep(Duration::from_millis(1));
        }
        Ok(())
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
        self.program.peer_address(self.ports.peers)
    }

    /// Starts with another value of an argument that it has from the next start on.
    pub fn change_arg(&mut self, name: &str, value: &str) {
        let at = self.args.iter().position(|word| word == name);
        let found = at.and_then(|at| self.args.get_mut(at + 1));
        found.unwrap_or_else(|| panic!("{name} was not given")).replace_range(.., value);
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
        self.door().connect()
    }

    /// Where clients beside it reach it, in whichever life.
    pub fn door(&self) -> Door {
        self.program.door(self.port)
    }

    /// What `flotilla admin` says, asked beside it.
    pub fn admin(&self, words: &[&str]) -> io::Result<Output> {
        let mut command = Command::new(&self.program.path);
        command.arg("admin").args(words).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        self.program.spawn(&mut command)?.wait_with_output()
    }

    /// Asks its HTTP port: the status and the body of the answer.
    pub fn http(&self, path: &str) -> io::Result<(u16, String)> {
        let mut connection = self.program.door(self.ports.http).connect()?;
        connection.send_raw(format!("GET {path} HTTP/1.0\r\nHost: node\r\n\r\n").as_bytes())?;
        let answer = String::from_utf8_lossy(&connection.read_to_close()?).into_owned();
        let status = answer.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0);
        let body = answer.split_once("\r\n\r\n").map_or("", |(_, body)| body);
        Ok((status, body.to_owned()))
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

    /// Whether it has ever said this.
    pub fn has_said(&self, text: &str) -> bool {
        String::from_utf8_lossy(&fs::read(&self.log).unwrap_or_default()).contains(text)
    }

    /// Waits until it answers PING, or asks for a password.
    pub fn wait_until_ready(&mut self) -> io::Result<()> {
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
                // It says so before it is ready, too.
                Ok(Received::Reply(Value::Error(text))) if text.starts_with(b"NOAUTH") => {
                    let is_ready = || self.http("/readyz").is_ok_and(|(status, _)| status == 200);
                    if self.kind == Kind::Reference || is_ready() {
                        return Ok(());
                    }
                    thread::sleep(Duration::from_millis(10));
                }
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

/// Whether every thread of a process is stopped, see proc_pid_stat(5).
fn all_stopped(tasks: &Path) -> io::Result<bool> {
    for task in fs::read_dir(tasks)? {
        // A thread may end meanwhile.
        let stat = fs::read_to_string(task?.path().join("stat")).unwrap_or_default();
        let state = stat.rsplit(") ").next().and_then(|fields| fields.chars().next());
        if state.is_some_and(|state| state != 'T') {
            return Ok(false);
        }
    }
    Ok(true)
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
    command.args(args).stdin(Stdio::null()).stdout(output.try_clone()?).stderr(output);
    program.spawn(&mut command)
}

/// The words of the operating system, and those redis-server adds.
fn says_port_is_taken(log: &str) -> bool {
    log.contains("Address already in use") || log.contains("Failed listening on port")
}
