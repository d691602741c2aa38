//! A server process in a network namespace, with a disk and a clock of its own.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use rustix::process::{Pid, Signal, kill_process};

use super::disk::Disk;
use crate::clock;

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
    log: PathBuf,
    child: Mutex<Option<Child>>,
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
            log: home.join(format!("{name}.log")),
            child: Mutex::new(None),
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
        let output = File::options().create(true).append(true).open(&self.log)?;
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &self.namespace]);
        clock::govern(&mut command, &self.clock)?;
        let child = command
            .arg(&self.program)
            .args(&self.args)
            .stdin(Stdio::null())
            .stdout(output.try_clone()?)
            .stderr(output)
            .spawn()?;
        *self.child.lock() = Some(child);
        Ok(())
    }

    /// The last lines that it printed, in all its lives.
    pub fn log_tail(&self, lines: usize) -> String {
        let log = fs::read(&self.log).unwrap_or_default();
        let log = String::from_utf8_lossy(&log);
        let mut tail: Vec<&str> = log.lines().rev().take(lines).collect();
        tail.reverse();
        tail.join("\n")
    }

    /// How often it printed something.
    pub fn said(&self, text: &str) -> usize {
        let log = fs::read(&self.log).unwrap_or_default();
        String::from_utf8_lossy(&log).matches(text).count()
    }

    /// SIGKILL; waits until it is gone.
    pub fn kill(&self) {
        if let Some(mut child) = self.child.lock().take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    /// SIGTERM; whether it was gone in time.
    pub fn terminate(&self, within: Duration) -> io::Result<bool> {
        self.signal(Signal::TERM)?;
        Ok(self.has_ended_within(within))
    }

    pub fn signal(&self, signal: Signal) -> io::Result<()> {
        match &*self.child.lock() {
            Some(child) => Ok(kill_process(Pid::from_child(child), signal)?),
            None => Err(io::Error::other(format!("{} does not run", self.name))),
        }
    }

    pub fn is_running(&self) -> bool {
        match &mut *self.child.lock() {
            Some(child) => matches!(child.try_wait(), Ok(None)),
            None => false,
        }
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
