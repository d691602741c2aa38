//! The file operations whose order decides what a power cut leaves, in one place, so that a simulation can stand in for
//! the disk: there every one of them may be the last, and what no sync covered may be lost.
//!
//! **Invariant:** nothing in `replication/wal/` changes a file or a directory but through here. Reading needs no such care.

use super::{Environment, Space};
use std::{
    fs::{self, File, OpenOptions},
    io,
    os::unix::fs::{DirBuilderExt, FileExt, OpenOptionsExt},
    path::Path,
};

/// See the module.
#[derive(Debug, Clone, Copy)]
pub struct Disk(Environment);

impl Disk {
    pub(super) fn of(environment: Environment) -> Self {
        Disk(environment)
    }

    /// A new file, or an emptied old one.
    pub fn create(self, path: &Path) -> io::Result<File> {
        if let Some(simulation) = self.0.simulation() {
            simulation.before_create(path)?;
        }
        OpenOptions::new().read(true).write(true).create(true).truncate(true).mode(0o600).open(path)
    }

    /// A directory that only this user can enter, and those above it. An existing one is left as it is.
    pub fn create_directory(self, path: &Path) -> io::Result<()> {
        if let Some(simulation) = self.0.simulation() {
            simulation.before_create_directory(path)?;
        }
        fs::DirBuilder::new().recursive(true).mode(0o700).create(path)
    }

    /// Not durable before `sync_data`.
    pub fn write_all_at(self, file: &File, path: &Path, bytes: &[u8], at: u64) -> io::Result<()> {
        if let Some(simulation) = self.0.simulation() {
            simulation.before_write(file, path, bytes, at)?;
        }
        file.write_all_at(bytes, at)
    }

    /// The file's bytes are durable when this returns; its name is not.
    pub fn sync_data(self, file: &File, path: &Path) -> io::Result<()> {
        match self.0.simulation() {
            Some(simulation) => simulation.sync_file(path),
            None => file.sync_data(),
        }
    }

    /// As `sync_data`, with all that is known of the file: for new ones.
    pub fn sync_all(self, file: &File, path: &Path) -> io::Result<()> {
        match self.0.simulation() {
            Some(simulation) => simulation.sync_file(path),
            None => file.sync_all(),
        }
    }

    /// Not durable before `sync_directory`.
    pub fn rename(self, from: &Path, to: &Path) -> io::Result<()> {
        if let Some(simulation) = self.0.simulation() {
            simulation.before_rename(from, to)?;
        }
        fs::rename(from, to)
    }

    /// Not durable before `sync_directory`.
    pub fn remove(self, path: &Path) -> io::Result<()> {
        if let Some(simulation) = self.0.simulation() {
            simulation.before_remove(path)?;
        }
        fs::remove_file(path)
    }

    /// What the file system of a path that exists has. A simulated disk is endless.
    pub fn space(self, path: &Path) -> io::Result<Space> {
        if self.0.simulation().is_some() {
            return Ok(Space { available: u64::MAX, total: u64::MAX });
        }
        let found = rustix::fs::statvfs(path)?;
        let bytes = |blocks: u64| blocks.saturating_mul(found.f_frsize);
        Ok(Space { available: bytes(found.f_bavail), total: bytes(found.f_blocks) })
    }

    /// The names in a directory are durable when this returns.
    pub fn sync_directory(self, directory: &Path) -> io::Result<()> {
        match self.0.simulation() {
            Some(simulation) => simulation.sync_directory(directory),
            None => File::open(directory)?.sync_all(),
        }
    }
}
