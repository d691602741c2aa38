//! Processor time of processes under test: a control group that bounds it, where this machine lets us make one.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process;

const PERIOD_US: u64 = 50_000;

/// A control group; its processes go back to where there is no bound when this is dropped.
#[derive(Debug)]
pub struct ProcessorGroup {
    root: &'static str,
    directory: PathBuf,
}

impl ProcessorGroup {
    /// With so many hundredths of one processor. `None`: this machine has no control groups that we may make.
    pub fn new(name: &str, percent: u64) -> Option<ProcessorGroup> {
        let name = format!("flotilla-test-{}-{name}", process::id());
        let quota = PERIOD_US * percent / 100;
        // Version 1, then version 2.
        let kinds = [
            (
                "/sys/fs/cgroup/cpu",
                vec![("cpu.cfs_period_us", PERIOD_US.to_string()), ("cpu.cfs_quota_us", quota.to_string())],
            ),
            ("/sys/fs/cgroup", vec![("cpu.max", format!("{quota} {PERIOD_US}"))]),
        ];
        kinds.into_iter().find_map(|(root, limits)| {
            let group = ProcessorGroup { root, directory: Path::new(root).join(&name) };
            fs::create_dir(&group.directory).ok()?;
            let mut limits = limits.into_iter();
            limits.try_for_each(|(file, text)| fs::write(group.directory.join(file), text)).ok()?;
            Some(group)
        })
    }

    pub fn add(&self, pid: u32) -> io::Result<()> {
        fs::write(self.directory.join("cgroup.procs"), pid.to_string())
    }

    /// How often it had used up its share.
    pub fn times_throttled(&self) -> io::Result<u64> {
        let text = fs::read_to_string(self.directory.join("cpu.stat"))?;
        let count = text.lines().find_map(|line| line.strip_prefix("nr_throttled ")?.parse().ok());
        count.ok_or_else(|| io::Error::other(format!("no nr_throttled in {text}")))
    }
}

impl Drop for ProcessorGroup {
    fn drop(&mut self) {
        let pids = fs::read_to_string(self.directory.join("cgroup.procs")).unwrap_or_default();
        for pid in pids.lines() {
            // It may have ended.
            drop(fs::write(Path::new(self.root).join("cgroup.procs"), pid));
        }
        drop(fs::remove_dir(&self.directory));
    }
}
