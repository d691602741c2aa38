//! A process under test: what it prints goes to a file, in all its lives, and it is killed when this is dropped.

use std::fs::{self, File};
use std::io::{self, ErrorKind};
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

const POLL: Duration = Duration::from_millis(5);

/// See the module. It may have several lives, one after the other.
#[derive(Debug)]
pub struct Process {
    log: PathBuf,
    /// The newest life; `None`: it was not started yet, or `kill` ended it.
    child: Option<Child>,
}

impl Process {
    /// Starts nothing yet.
    pub fn new(log: PathBuf) -> Process {
        Process { log, child: None }
    }

    pub fn start(&mut self, command: &mut Command) -> io::Result<()> {
        self.start_with(command, Command::spawn)
    }

    /// `spawn` starts the command wherever it belongs.
    pub fn start_with(
        &mut self,
        command: &mut Command,
        spawn: impl FnOnce(&mut Command) -> io::Result<Child>,
    ) -> io::Result<()> {
        let output = File::options().create(true).append(true).open(&self.log)?;
        command.stdin(Stdio::null()).stdout(output.try_clone()?).stderr(output);
        self.child = Some(spawn(command)?);
        Ok(())
    }

    /// SIGKILL; it is gone when this returns.
    pub fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            // Nothing can be done about an error here: the process is gone then.
            drop(child.kill());
            drop(child.wait());
        }
    }

    pub fn signal(&self, signal: Signal) -> io::Result<()> {
        let child = self.child.as_ref().ok_or_else(|| io::Error::other("the process was not started"))?;
        Ok(kill_process(Pid::from_child(child), signal)?)
    }

    /// Sends a signal, unless it has ended, and waits no longer than this until it has. One that has not is killed, and that
    /// is an error.
    pub fn stop(&mut self, signal: Signal, within: Duration) -> io::Result<ExitStatus> {
        if self.ended()?.is_none() {
            self.signal(signal)?;
        }
        self.wait_until_ended(within)
    }

    /// How it ended by itself or by a signal; `None`: it has not, or `kill` ended it.
    pub fn ended(&mut self) -> io::Result<Option<ExitStatus>> {
        self.child.as_mut().map_or(Ok(None), Child::try_wait)
    }

    pub fn is_running(&mut self) -> bool {
        self.child.as_mut().is_some_and(|child| matches!(child.try_wait(), Ok(None)))
    }

    /// Waits no longer than this until it has ended. One that has not is killed, and that is an error.
    pub fn wait_until_ended(&mut self, within: Duration) -> io::Result<ExitStatus> {
        let deadline = Instant::now() + within;
        while Instant::now() < deadline {
            if let Some(status) = self.ended()? {
                return Ok(status);
            }
            thread::sleep(POLL);
        }
        self.kill();
        let text = format!("the process did not end in {within:?}:\n{}", self.log_tail(15));
        Err(io::Error::new(ErrorKind::TimedOut, text))
    }

    /// Of the newest life.
    pub fn pid(&self) -> Option<u32> {
        self.child.as_ref().map(Child::id)
    }

    /// CPU seconds that it has used.
    pub fn cpu_seconds(&self) -> Option<f64> {
        cpu_seconds(self.pid()?)
    }

    /// The last lines that it printed.
    pub fn log_tail(&self, lines: usize) -> String {
        let log = self.log();
        let mut tail: Vec<&str> = log.lines().rev().take(lines).collect();
        tail.reverse();
        tail.join("\n")
    }

    /// How often it printed this.
    pub fn times_said(&self, text: &str) -> usize {
        self.log().matches(text).count()
    }

    fn log(&self) -> String {
        String::from_utf8_lossy(&fs::read(&self.log).unwrap_or_default()).into_owned()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}

/// CPU seconds that a process has used, see proc_pid_stat(5); USER_HZ is 100.
pub fn cpu_seconds(pid: u32) -> Option<f64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let fields: Vec<&str> = stat.rsplit(") ").next()?.split_whitespace().collect();
    let ticks = |at: usize| fields.get(at).and_then(|word| word.parse::<f64>().ok());
    Some((ticks(11)? + ticks(12)?) / 100.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_it_prints_in_all_its_lives_is_kept() {
        let home = tempfile::tempdir().unwrap();
        let mut process = Process::new(home.path().join("log"));
        for _ in 0..2 {
            process.start(Command::new("sh").args(["-c", "echo one; echo two >&2; exit 3"])).unwrap();
            assert_eq!(process.wait_until_ended(Duration::from_secs(20)).unwrap().code(), Some(3));
        }
        assert!(!process.is_running());
        assert_eq!((process.times_said("one"), process.log_tail(1).as_str()), (2, "two"));
    }

    #[test]
    fn one_that_does_not_end_is_killed() {
        let home = tempfile::tempdir().unwrap();
        let mut process = Process::new(home.path().join("log"));
        process.start(Command::new("sleep").arg("1000")).unwrap();
        assert!(process.is_running() && process.cpu_seconds().is_some());
        let error = process.wait_until_ended(Duration::from_millis(20)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::TimedOut);
        assert!(!process.is_running() && process.pid().is_none());
    }
}
