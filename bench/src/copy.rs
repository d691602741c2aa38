//! The yardstick for a snapshot: copying the same files with `cp` and summing them with `cksum`.

use crate::numbers::{median, ratios, spread};
use std::{
    path::{Path, PathBuf},
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

const PROCESS_MAX: Duration = Duration::from_secs(900);
/// Files per `cksum`, so that a command line is long enough for them.
const FILES: usize = 5_000;

/// What that took.
#[derive(Debug, Clone, Copy)]
pub struct Copied {
    pub files: usize,
    pub cp_seconds: f64,
    pub cksum_seconds: f64,
    /// Until the copy was on disk, after both.
    pub sync_seconds: f64,
}

/// Copies beside something else that took `seconds` in as many rounds, in the words of a table.
pub struct Beside {
    pub copy: String,
    /// Of the copy's time to the other's: the median.
    pub ratio: f64,
    pub rounds: String,
    pub files: String,
}

impl Beside {
    pub fn new(copies: &[Copied], seconds: &[f64]) -> Beside {
        let column = |read: fn(&Copied) -> f64| copies.iter().map(read).collect::<Vec<_>>();
        let both = column(|copied| copied.cp_seconds + copied.cksum_seconds);
        let synced = column(|copied| copied.cp_seconds + copied.cksum_seconds + copied.sync_seconds);
        let ratio = ratios(&both, seconds);
        Beside {
            copy: format!(
                "`cp -r` {:.2} + `cksum` {:.2} = {:.2}",
                median(column(|copied| copied.cp_seconds)),
                median(column(|copied| copied.cksum_seconds)),
                median(both)
            ),
            ratio: median(ratio.clone()),
            rounds: format!("{} rounds, ratio {}", seconds.len(), spread(ratio)),
            files: format!(
                "{} files; with a `sync` the copy takes {:.2}, ratio {:.2}",
                copies.last().map_or(0, |copied| copied.files),
                median(synced.clone()),
                median(ratios(&synced, seconds))
            ),
        }
    }
}

/// Copies directory `from` to `to`, which must not be there, sums all files there, and removes them.
pub fn copy(from: &Path, to: &Path) -> Result<Copied, String> {
    let copied = timed(from, to);
    let _ = std::fs::remove_dir_all(to);
    copied
}

fn timed(from: &Path, to: &Path) -> Result<Copied, String> {
    let start = Instant::now();
    run(Command::new("cp").arg("-r").arg(from).arg(to))?;
    let cp_seconds = start.elapsed().as_secs_f64();
    let files = files(to)?;
    let start = Instant::now();
    for some in files.chunks(FILES) {
        run(Command::new("cksum").args(some))?;
    }
    let cksum_seconds = start.elapsed().as_secs_f64();
    let start = Instant::now();
    sync()?;
    Ok(Copied { files: files.len(), cp_seconds, cksum_seconds, sync_seconds: start.elapsed().as_secs_f64() })
}

/// Waits until everything written so far is on disk, so that it does not slow down what is timed next.
pub fn sync() -> Result<(), String> {
    run(&mut Command::new("sync"))
}

/// Runs a program to its end, which must come in time and be good.
fn run(command: &mut Command) -> Result<(), String> {
    let name = command.get_program().to_string_lossy().into_owned();
    let child = command.stdin(Stdio::null()).stdout(Stdio::null()).spawn();
    let mut child = child.map_err(|e| format!("{name}: {e}"))?;
    let deadline = Instant::now() + PROCESS_MAX;
    loop {
        match child.try_wait() {
            Ok(Some(status)) if status.success() => return Ok(()),
            Ok(Some(status)) => return Err(format!("{name}: {status}")),
            Ok(None) if Instant::now() < deadline => thread::sleep(Duration::from_millis(1)),
            outcome => {
                let _ = child.kill();
                let _ = child.wait();
                return Err(format!("{name} was ended after {} s ({outcome:?})", PROCESS_MAX.as_secs()));
            }
        }
    }
}

/// All files in a directory and those below it.
fn files(directory: &Path) -> Result<Vec<PathBuf>, String> {
    let failed = |e: std::io::Error| format!("{}: {e}", directory.display());
    let mut out = Vec::new();
    for entry in std::fs::read_dir(directory).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        match entry.file_type().map_err(failed)?.is_dir() {
            true => out.extend(files(&entry.path())?),
            false => out.push(entry.path()),
        }
    }
    Ok(out)
}

/// Bytes free on the file system of `path`.
pub fn free_bytes(path: &Path) -> Result<u64, String> {
    let about = rustix::fs::statvfs(path).map_err(|e| format!("{}: {e}", path.display()))?;
    Ok(about.f_bavail.saturating_mul(about.f_frsize))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_copied_summed_and_removed() {
        let home = std::env::temp_dir().join(format!("flotilla-bench-copy-{}", std::process::id()));
        std::fs::create_dir_all(home.join("from/below")).unwrap();
        std::fs::write(home.join("from/a"), "a").unwrap();
        std::fs::write(home.join("from/below/b"), "b").unwrap();
        let copied = copy(&home.join("from"), &home.join("to"));
        let missing = copy(&home.join("nowhere"), &home.join("to"));
        let is_left = home.join("to").exists();
        let free = free_bytes(&home);
        std::fs::remove_dir_all(&home).unwrap();
        assert_eq!(copied.unwrap().files, 2);
        assert!(missing.is_err());
        assert!(!is_left);
        assert!(free.unwrap() > 0);
    }
}
