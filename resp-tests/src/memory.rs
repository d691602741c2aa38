//! Memory of processes under test: a control group that bounds it, where this machine lets us make one, and what /proc says.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process;

/// A control group; removed when this is dropped, by when its processes must be gone.
#[derive(Debug)]
pub struct MemoryGroup {
    directory: PathBuf,
    limit: &'static str,
}

impl MemoryGroup {
    /// With at most this many bytes, and no swap. `None`: this machine has no control groups that we may make.
    pub fn new(name: &str, bytes: u64) -> Option<MemoryGroup> {
        let name = format!("flotilla-test-{}-{name}", process::id());
        // Version 1, then version 2.
        let kinds = [("/sys/fs/cgroup/memory", "memory.limit_in_bytes"), ("/sys/fs/cgroup", "memory.max")];
        kinds.into_iter().find_map(|(root, limit)| {
            let group = MemoryGroup { directory: Path::new(root).join(&name), limit };
            fs::create_dir(&group.directory).ok()?;
            fs::write(group.directory.join(limit), bytes.to_string()).ok()?;
            Some(group)
        })
    }

    /// Another limit from now on.
    pub fn set_limit(&self, bytes: u64) -> io::Result<()> {
        fs::write(self.directory.join(self.limit), bytes.to_string())
    }

    /// What it allocates from now on counts.
    pub fn add(&self, pid: u32) -> io::Result<()> {
        fs::write(self.directory.join("cgroup.procs"), pid.to_string())
    }
}

impl Drop for MemoryGroup {
    fn drop(&mut self) {
        // A group with processes stays; the machine's owner sees its name.
        drop(fs::remove_dir(&self.directory));
    }
}

/// Bytes of memory that a process has resident, and the most that it ever had.
pub fn resident(pid: u32) -> io::Result<(u64, u64)> {
    let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
    let field = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name));
        let kib = line.and_then(|rest| rest.trim().trim_end_matches(" kB").parse::<u64>().ok());
        kib.map(|kib| kib << 10).ok_or_else(|| io::Error::other(format!("no {name} in {status}")))
    };
    Ok((field("VmRSS:")?, field("VmHWM:")?))
}
