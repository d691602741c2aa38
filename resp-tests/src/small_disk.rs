//! A disk of its own for one server: a file system in memory of a certain size, at the place of its data directory. A test can
//! take room away from it and give that back.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use rustix::fs::{FallocateFlags, fallocate, statvfs};

use crate::command::must;

/// What the server may take between two looks.
const PRECISION: u64 = 64 << 10;

/// See the module.
#[derive(Debug)]
pub struct SmallDisk {
    mounted: PathBuf,
}

impl SmallDisk {
    /// Mounts one at an empty directory.
    pub fn new(at: &Path, bytes: u64) -> io::Result<SmallDisk> {
        must(&[
            "mount",
            "-t",
            "tmpfs",
            "-o",
            &format!("size={bytes},mode=700"),
            "tmpfs",
            &at.display().to_string(),
        ])?;
        Ok(SmallDisk { mounted: at.to_owned() })
    }

    /// Bytes that are left.
    pub fn left(&self) -> io::Result<u64> {
        let found = statvfs(&self.mounted)?;
        Ok(found.f_bavail * found.f_frsize)
    }

    fn filler(&self) -> PathBuf {
        self.mounted.join("filler")
    }

    /// Takes all room but so many bytes, once: what the server gives back after that is its own.
    pub fn fill_to(&self, left: u64) -> io::Result<()> {
        let filler = File::options().create(true).append(true).open(self.filler())?;
        let excess = self.left()?.saturating_sub(left + PRECISION);
        if excess == 0 {
            return Ok(());
        }
        match fallocate(&filler, FallocateFlags::empty(), filler.metadata()?.len(), excess) {
            Ok(()) | Err(rustix::io::Errno::NOSPC) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// Gives back what `fill_to` took.
    pub fn free(&self) -> io::Result<()> {
        match fs::remove_file(self.filler()) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let mounted = self.mounted.display().to_string();
        // Lazily if something still looks at it: the test is over, the kernel lets go when that ends.
        let _ = must(&["umount", &mounted]).or_else(|_| must(&["umount", "--lazy", &mounted]));
    }
}
