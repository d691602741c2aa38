//! A small disk for one node: an ext4 file system in a file, mounted through a loop device, which can be filled up.
//!
//! The file is sparse and the file system is made in milliseconds. Unmounted when dropped, also after a failed test.

use std::fs::{self, File};
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};

use rustix::fs::{FallocateFlags, fallocate};

use crate::command::{must, output_of};

const DISK_BYTES: u64 = 1 << 30;
/// Room is taken in pieces, large ones first.
const PIECES: [u64; 5] = [64 << 20, 4 << 20, 256 << 10, 16 << 10, 4 << 10];
/// The node frees room while the disk is being filled; so it is filled again, so many times.
const FILL_ATTEMPTS_MAX: u32 = 50;
const PROBE_BYTES: usize = 64 << 10;

/// See the module.
#[derive(Debug)]
pub struct Disk {
    image: PathBuf,
    mounted: PathBuf,
}

impl Disk {
    /// Makes and mounts one at `home/name`.
    pub fn new(home: &Path, name: &str) -> io::Result<Disk> {
        let image = home.join(format!("{name}.img"));
        let mounted = home.join(name);
        File::create(&image)?.set_len(DISK_BYTES)?;
        fs::create_dir(&mounted)?;
        let path = image.display().to_string();
        must(&["mkfs.ext4", "-q", "-m", "0", &path])?;
        // Direct: otherwise each sync of the node waits for the page cache of the machine.
        let device = output_of(&["losetup", "--direct-io=on", "--find", "--show", &path])
            .or_else(|_| output_of(&["losetup", "--find", "--show", &path]))?;
        // Detached at once: the kernel keeps the device for as long as it is mounted.
        let mount = must(&["mount", &device, &mounted.display().to_string()]);
        must(&["losetup", "--detach", &device])?;
        mount?;
        Ok(Disk { image, mounted })
    }

    /// Where a node may write.
    pub fn path(&self) -> &Path {
        &self.mounted
    }

    /// From now on whatever writes or syncs there waits, until what is returned is dropped.
    pub fn stall(&self) -> io::Result<Stall<'_>> {
        must(&["fsfreeze", "--freeze", &self.mounted.display().to_string()])?;
        Ok(Stall(self))
    }

    fn filler(&self) -> PathBuf {
        self.mounted.join("filler")
    }

    /// Takes all the room that is left; returns when a write has failed for want of it.
    pub fn fill(&self) -> io::Result<()> {
        let filler = File::options().create(true).append(true).open(self.filler())?;
        for _ in 0..FILL_ATTEMPTS_MAX {
            for piece in PIECES {
                loop {
                    let from = filler.metadata()?.len();
                    match fallocate(&filler, FallocateFlags::empty(), from, piece) {
                        Ok(()) => {}
                        Err(rustix::io::Errno::NOSPC) => break,
                        Err(error) => return Err(error.into()),
                    }
                }
            }
            if self.is_full()? {
                return Ok(());
            }
        }
        Err(io::Error::other(format!("{} cannot be filled up", self.mounted.display())))
    }

    /// Whether a write fails for want of room.
    fn is_full(&self) -> io::Result<bool> {
        let path = self.mounted.join("probe");
        let wrote = File::create(&path).and_then(|mut probe| {
            probe.write_all(&[1; PROBE_BYTES])?;
            probe.sync_all()
        });
        match fs::remove_file(&path) {
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        match wrote {
            Ok(()) => Ok(false),
            Err(error) if error.kind() == ErrorKind::StorageFull => Ok(true),
            Err(error) => Err(error),
        }
    }

    /// Gives back what `fill` took.
    pub fn free(&self) -> io::Result<()> {
        match fs::remove_file(self.filler()) {
            Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }
}

/// See [`Disk::stall`].
#[derive(Debug)]
pub struct Stall<'a>(&'a Disk);

impl Drop for Stall<'_> {
    fn drop(&mut self) {
        if let Err(error) = must(&["fsfreeze", "--unfreeze", &self.0.mounted.display().to_string()]) {
            // Everything that waits for it would wait for ever, the test included.
            eprintln!("the disk stands still for good: {error}");
        }
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let mounted = self.mounted.display().to_string();
        // Lazily if something still looks at it: the test is over, the kernel lets go when that ends.
        let _ = must(&["umount", &mounted]).or_else(|_| must(&["umount", "--lazy", &mounted]));
        let _ = fs::remove_file(&self.image);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stalled_disk_takes_nothing_until_it_goes_on() {
        let home = tempfile::tempdir().unwrap();
        let disk = Disk::new(home.path(), "disk").unwrap();
        let file = disk.path().join("file");
        let (send, written) = std::sync::mpsc::channel();
        std::thread::scope(|scope| {
            let stall = disk.stall().unwrap();
            scope.spawn(|| {
                fs::write(&file, [1; 4096]).unwrap();
                send.send(()).unwrap();
            });
            assert!(written.recv_timeout(std::time::Duration::from_millis(200)).is_err(), "it was written");
            drop(stall);
            written.recv().unwrap();
        });
        assert_eq!(fs::read(&file).unwrap(), [1; 4096]);
    }

    #[test]
    fn a_full_disk_takes_nothing_until_it_is_freed() {
        let home = tempfile::tempdir().unwrap();
        let mounted = {
            let disk = Disk::new(home.path(), "disk").unwrap();
            let file = disk.path().join("file");
            fs::write(&file, [1; 4096]).unwrap();
            disk.fill().unwrap();
            let error = fs::write(disk.path().join("more"), [1; PROBE_BYTES]).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::StorageFull);
            disk.free().unwrap();
            assert!(!disk.is_full().unwrap());
            assert_eq!(fs::read(&file).unwrap(), [1; 4096]);
            disk.path().to_owned()
        };
        assert_eq!(fs::read_dir(mounted).unwrap().count(), 0, "still mounted");
    }
}
