//! A server process in a network namespace, with a disk and a clock of its own.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use rustix::process::Signal;

use super::disk::Disk;
use crate::clock;
use crate::process::Process;

const POLL: Duration = Duration::from_millis(10);

/// See the module. Faults work on it from several threads.
#[derive(Debug)]
pub struct Node {
    pub name: String,
    pub namespace: String,
    pub disk: Disk,
    args: Vec<String>,
    program: PathBuf,
    clock: PathBuf,
    process: Mutex<Process>,
}

impl Node {
    /// Makes its disk and its clock below `home`; starts nothing.
    pub fn new(name: String, namespace: String, home: &Path, program: PathBuf) -> io::Result<Node> {
        let clock = home.join(format!("{name}.clock"));
        fs::write(&clock, "+0\n")?;
        let node = Node {
            namespace,
            disk: Disk::new(home, &name)?,
            args: Vec::new(),
            program,
            clock,
            process: Mutex::new(Process::new(home.join(format!("{name}.log")))),
            name,
        };
        fs::create_dir(node.directory())?;
        Ok(node)
    }

    /// Where its data are.
    pub fn directory(&self) -> PathBuf {
        self.disk.path().join("data")
    }

    /// What it is started with.
    pub fn set_args(&mut self, args: Vec<String>) {
        self.args = args;
    }

    pub fn start(&self) -> io::Result<()> {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &self.namespace]);
        clock::govern(&mut command, &self.clock)?;
        self.process.lock().start(command.arg(&self.program).args(&self.args))
    }

    /// The last lines that it printed, in all its lives.
    pub fn log_tail(&self, lines: usize) -> String {
        self.process.lock().log_tail(lines)
    }

    /// How often it printed something.
    pub fn said(&self, text: &str) -> usize {
        self.process.lock().times_said(text)
    }

    /// SIGKILL; waits until it is gone.
    pub fn kill(&self) {
        self.process.lock().kill();
    }

    /// SIGTERM; whether it was gone in time.
    pub fn terminate(&self, within: Duration) -> io::Result<bool> {
        self.signal(Signal::TERM)?;
        Ok(self.has_ended_within(within))
    }

    pub fn signal(&self, signal: Signal) -> io::Result<()> {
        let sent = self.process.lock().signal(signal);
        sent.map_err(|error| io::Error::new(error.kind(), format!("{}: {error}", self.name)))
    }

    /// Of its newest life.
    pub fn pid(&self) -> Option<u32> {
        self.process.lock().pid()
    }

    pub fn is_running(&self) -> bool {
        self.process.lock().is_running()
    }

    /// Waits for its end.
    pub fn has_ended_within(&self, within: Duration) -> bool {
        let deadline = Instant::now() + within;
        while self.is_running() {
            if Instant::now() > deadline {
                return false;
            }
            thread::sleep(POLL);
        }
        true
    }

    /// Sets its wall clock off by so many milliseconds.
    pub fn skew(&self, millis: i64) -> io::Result<()> {
        clock::set(&self.clock, millis)
    }

    /// Empties its data directory.
    pub fn wipe(&self) -> io::Result<()> {
        fs::remove_dir_all(self.directory())?;
        fs::create_dir(self.directory())
    }
}
