//! Processes whose wall clock is not the machine's: libfaketime, told by a file how far off it is to be.

use std::fs;
use std::io;
use std::path::Path;
use std::process::Command;

const LIBRARIES: [&str; 2] = [
    "/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1",
    "/usr/lib/aarch64-linux-gnu/faketime/libfaketimeMT.so.1",
];

/// Lets `file` say what time it is for a process. Its monotonic clock stays the machine's.
pub fn govern(command: &mut Command, file: &Path) -> io::Result<()> {
    let library = LIBRARIES.into_iter().find(|place| fs::exists(place).unwrap_or(false));
    let library =
        library.ok_or_else(|| io::Error::new(io::ErrorKind::NotFound, "libfaketime is not installed"))?;
    if !file.exists() {
        set(file, 0)?;
    }
    command
        .env("LD_PRELOAD", library)
        .env("FAKETIME_TIMESTAMP_FILE", file)
        .env("FAKETIME_NO_CACHE", "1")
        .env("DONT_FAKE_MONOTONIC", "1")
        .env("FAKETIME_DONT_FAKE_MONOTONIC", "1");
    Ok(())
}

/// From now on the clock that `file` governs is off by so many milliseconds.
pub fn set(file: &Path, millis: i64) -> io::Result<()> {
    let sign = if millis < 0 { '-' } else { '+' };
    let millis = millis.unsigned_abs();
    // Replaced as a whole: it is read at any moment.
    let new = file.with_extension("new");
    fs::write(&new, format!("{sign}{}.{:03}\n", millis / 1000, millis % 1000))?;
    fs::rename(new, file)
}
