//! A server process of its own for a test: free ports, a temporary directory, killed when dropped.
//!
//! A server can be stopped and started again: same ports, same data.

use std::fs;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Output, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::Signal;
use tempfile::TempDir;

use crate::clock;
use crate::connection::{Connection, Received};
use crate::dice::Dice;
use crate::door::Door;
use crate::process::Process;
use crate::program::Ports;
pub use crate::program::{Kind, Place, Program};
use crate::recorded_disk::{Cut, RecordedDisk};
use crate::small_disk::SmallDisk;
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
    process: Process,
    disk: Option<SmallDisk>,
    recorded_disk: Option<RecordedDisk>,
    // Removed after the process is gone: fields drop in this order.
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
        let data = directory.path().join("data");
        fs::create_dir(&data)?;
        let disk = program.disk_bytes.map(|bytes| SmallDisk::new(&data, bytes)).transpose()?;
        let recorded =
            program.recorded_disk_bytes.map(|bytes| RecordedDisk::new(&data, bytes)).transpose()?;
        let mut server = Server {
            kind: program.kind,
            port: ports.clients,
            program: program.clone(),
            args: args.to_vec(),
            ports,
            process: Process::new(directory.path().join("server-output.log")),
            disk,
            recorded_disk: recorded,
            directory,
        };
        server.spawn_again()?;
        Ok(server)
    }

    /// Ends the process and waits until it is gone. Its data stay. A server asked to finish that does not is killed,
    /// and that is an error.
    pub fn stop(&mut self, how: Stop) -> io::Result<ExitStatus> {
        let signal = match how {
            Stop::Kill => Signal::KILL,
            Stop::Terminate => Signal::TERM,
        };
        self.process.stop(signal, Duration::from_secs(STOP_SECONDS_MAX))
    }

    /// Waits no longer than this until the process has ended. One that has not is killed, and that is an error.
    pub fn wait_until_gone(&mut self, within: Duration) -> io::Result<ExitStatus> {
        self.process.wait_until_ended(within)
    }

    /// SIGTERM, without waiting for what comes of it.
    pub fn ask_to_stop(&self) -> io::Result<()> {
        self.process.signal(Signal::TERM)
    }

    /// Starts a stopped server again: same arguments, same ports, same data.
    pub fn start_again(&mut self) -> io::Result<()> {
        self.spawn_again()?;
        self.wait_until_ready()
    }

    /// As `start_again`, without waiting until it answers.
    pub fn spawn_again(&mut self) -> io::Result<()> {
        let program = &self.program;
        let mut command = program.command(self.ports, &self.data());
        if program.has_own_clock {
            clock::govern(&mut command, &self.directory.path().join("clock"))?;
        }
        command.args(&self.args);
        self.process.start_with(&mut command, |command| program.spawn(command))
    }

    /// Whether the process is still there.
    pub fn is_running(&mut self) -> io::Result<bool> {
        Ok(self.process.is_running())
    }

    /// Sets its wall clock off by so many milliseconds; its program must have been started `with_own_clock`.
    pub fn set_clock(&self, millis: i64) -> io::Result<()> {
        clock::set(&self.directory.path().join("clock"), millis)
    }

    /// SIGSTOP: the process does nothing more when this returns, but its connections stay.
    pub fn pause(&self) -> io::Result<()> {
        self.process.signal(Signal::STOP)?;
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
        self.process.signal(Signal::CONT)
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

    /// Is another build of the program from the next start on.
    pub fn change_program(&mut self, program: &Program) {
        self.program = program.clone();
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

    /// Its disk; its program must have been started `with_disk`.
    pub fn disk(&self) -> &SmallDisk {
        self.disk.as_ref().unwrap_or_else(|| panic!("the server has no disk of its own"))
    }

    fn recorded_disk(&mut self) -> &mut RecordedDisk {
        self.recorded_disk.as_mut().unwrap_or_else(|| panic!("the server has no recorded disk"))
    }

    /// From now on its disk refuses everything; its program must have been started `with_recorded_disk`.
    pub fn cut_disk(&mut self) -> io::Result<()> {
        self.recorded_disk().cut()
    }

    /// The power of its machine goes: first nothing more gets to the disk, then the process is gone.
    pub fn cut_power(&mut self) -> io::Result<()> {
        self.cut_disk()?;
        // It may have noticed by itself.
        drop(self.stop(Stop::Kill));
        Ok(())
    }

    /// The power is back: the disk of a server that is gone is in a state that a cut may have left.
    pub fn restore_disk(&mut self, dice: &mut Dice) -> io::Result<Cut> {
        self.recorded_disk().restore(dice)
    }

    /// Of a stopped server: its disk gives nothing of these files back.
    pub fn spoil(&mut self, files: &[PathBuf]) -> io::Result<()> {
        self.recorded_disk().spoil(files)
    }

    /// Of a stopped server: its disk is as good as new.
    pub fn mend_disk(&mut self) -> io::Result<()> {
        self.recorded_disk().mend()
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

    pub fn http_port(&self) -> u16 {
        self.ports.http
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
        self.process.pid().unwrap_or_default()
    }

    /// What the server printed last, for the message of a failed test.
    pub fn log_tail(&self) -> String {
        self.process.log_tail(15) + "\n"
    }

    /// Whether it has ever said this.
    pub fn has_said(&self, text: &str) -> bool {
        self.process.times_said(text) > 0
    }

    /// Waits until it answers PING, or asks for a password.
    pub fn wait_until_ready(&mut self) -> io::Result<()> {
        self.wait_until_ready_for(Duration::from_secs(START_SECONDS_MAX))
    }

    fn wait_until_ready_for(&mut self, within: Duration) -> io::Result<()> {
        let deadline = Instant::now() + within;
        while Instant::now() < deadline {
            if let Some(status) = self.process.ended()? {
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

/// The words of the operating system, and those redis-server adds.
fn says_port_is_taken(log: &str) -> bool {
    log.contains("Address already in use") || log.contains("Failed listening on port")
}
