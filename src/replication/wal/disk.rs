//! The file operations whose order decides what a power cut leaves, in one place, so that a simulation can stand in for
//! the disk: there every one of them may be the last, and what no sync covered may be lost.
//!
//! **Invariant:** nothing in `wal/` changes a file or a directory but through here. Reading needs no such care.

#[cfg(test)]
use crate::tests::stage::disk as simulated;
use std::{
    fs::{self, File, OpenOptions},
    io,
    os::unix::fs::{DirBuilderExt, FileExt, OpenOptionsExt},
    path::Path,
};

/// A new file, or an emptied old one.
pub(super) fn create(path: &Path) -> io::Result<File> {
    #[cfg(test)]
    simulated::before_create(path)?;
    OpenOptions::new().read(true).write(true).create(true).truncate(true).mode(0o600).open(path)
}

/// A directory that only this user can enter, and those above it. An existing one is left as it is.
pub(super) fn create_directory(path: &Path) -> io::Result<()> {
    #[cfg(test)]
    simulated::before_create_directory(path)?;
    fs::DirBuilder::new().recursive(true).mode(0o700).create(path)
}

/// Not durable before `sync_data`.
pub(super) fn write_all_at(file: &File, path: &Path, bytes: &[u8], at: u64) -> io::Result<()> {
    #[cfg(test)]
    simulated::before_write(file, path, bytes, at)?;
    #[cfg(not(test))]
    let _ = path;
    file.write_all_at(bytes, at)
}

/// The file's bytes are durable when this returns; its name is not.
pub(super) fn sync_data(file: &File, path: &Path) -> io::Result<()> {
    #[cfg(test)]
    if let Some(done) = simulated::sync_file(path) {
        return done;
    }
    #[cfg(not(test))]
    let _ = path;
    file.sync_data()
}

/// As `sync_data`, with all that is known of the file: for new ones.
pub(super) fn sync_all(file: &File, path: &Path) -> io::Result<()> {
    #[cfg(test)]
    if let Some(done) = simulated::sync_file(path) {
        return done;
    }
    #[cfg(not(test))]
    let _ = path;
    file.sync_all()
}

/// Not durable before `sync_directory`.
pub(super) fn rename(from: &Path, to: &Path) -> io::Result<()> {
    #[cfg(test)]
    simulated::before_rename(from, to)?;
    fs::rename(from, to)
}

/// Not durable before `sync_directory`.
pub(super) fn remove(path: &Path) -> io::Result<()> {
    #[cfg(test)]
    simulated::before_remove(path)?;
    fs::remove_file(path)
}

/// The names in a directory are durable when this returns.
pub(super) fn sync_directory(directory: &Path) -> io::Result<()> {
    #[cfg(test)]
    if let Some(done) = simulated::sync_directory(directory) {
        return done;
    }
    File::open(directory)?.sync_all()
}
