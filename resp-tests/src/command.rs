//! Programs of the machine that build the place where nodes live.

use std::io;
use std::process::Command;

/// Runs a program and is angry if it fails.
pub fn must(words: &[&str]) -> io::Result<()> {
    output_of(words).map(|_| ())
}

/// As `must`; what it printed, trimmed.
pub fn output_of(words: &[&str]) -> io::Result<String> {
    let (program, args) = words.split_first().ok_or_else(|| io::Error::other("no program named"))?;
    let output = Command::new(program)
        .args(args)
        .output()
        .map_err(|error| io::Error::new(error.kind(), format!("{program}: {error}")))?;
    match output.status.success() {
        true => Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned()),
        false => {
            let why = String::from_utf8_lossy(&output.stderr).trim().to_owned();
            Err(io::Error::other(format!("{}: {why}", words.join(" "))))
        }
    }
}
