//! A disk of its own for one server whose power can be cut: every write and every flush that reaches it is recorded, so that
//! it can be put into any state that a real one may be found in afterwards.
//!
//! ```text
//! ext4 ─▶ loop device ─▶ FUSE export of qemu-storage-daemon ─▶ blklogwrites ─┬─▶ blkdebug: sectors that cannot be read ─▶ disk.raw
//!                                                                            └─▶ log.raw: writes and flushes in order
//! ```
//!
//! After a cut, what was flushed is there. Of each write after the last flush, nothing, all, or only the first sectors are:
//! the disk's cache may write back in any order. The file system is then mounted as it was found, journal and all.
//! Apart from that, sectors of a file can be made unreadable: who asks for them gets an I/O error.
//!
//! The record has the format of Linux's dm-log-writes (Documentation/admin-guide/device-mapper/log-writes.rst): a sector with
//! the number of entries, then of each entry a sector that describes it, and its data.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use rustix::fs::{FallocateFlags, fallocate};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::command::{must, output_of};
use crate::dice::Dice;

const SECTOR: u64 = 512;
const MAGIC: u64 = 0x006a_7366_7773_6872;
const FLAG_FLUSH: u64 = 1;
const FLAG_FUA: u64 = 2;
const FLAG_DISCARD: u64 = 4;
const EXPORT_WITHIN: Duration = Duration::from_secs(20);

/// See the module.
#[derive(Debug)]
pub struct RecordedDisk {
    mounted: PathBuf,
    bytes: u64,
    /// Sectors that cannot be read.
    bad: Vec<u64>,
    /// Ended by a cut.
    daemon: Option<Child>,
    home: TempDir,
}

/// What a cut did.
#[derive(Clone, Copy, Debug, Default)]
pub struct Cut {
    /// Writes that were flushed, or went past the cache.
    pub durable: usize,
    /// Writes after the last flush: those that are gone, whole, and torn.
    pub lost: usize,
    pub kept: usize,
    pub torn: usize,
}

/// One entry of the record.
#[derive(Clone, Copy, Debug)]
struct Entry {
    sector: u64,
    sectors: u64,
    flags: u64,
    /// Where its data begin in the record.
    data: u64,
}

impl Entry {
    fn is_discard(&self) -> bool {
        self.flags & FLAG_DISCARD != 0
    }
}

impl RecordedDisk {
    /// Makes one, with an empty file system, and mounts it at an empty directory.
    pub fn new(at: &Path, bytes: u64) -> io::Result<RecordedDisk> {
        let mut disk = RecordedDisk {
            mounted: at.to_owned(),
            bytes,
            bad: Vec::new(),
            daemon: None,
            home: tempfile::tempdir()?,
        };
        File::create(disk.base())?.set_len(bytes)?;
        must(&["mkfs.ext4", "-q", "-m", "0", &disk.base().display().to_string()])?;
        disk.attach()?;
        Ok(disk)
    }

    /// What is on the disk before the record.
    fn base(&self) -> PathBuf {
        self.home.path().join("base.raw")
    }

    fn record(&self) -> PathBuf {
        self.home.path().join("log.raw")
    }

    fn export(&self) -> PathBuf {
        self.home.path().join("export.img")
    }

    /// Exports and mounts the disk; its record begins.
    fn attach(&mut self) -> io::Result<()> {
        let (base, record, export) = (self.base(), self.record(), self.export());
        let disk = self.home.path().join("disk.raw");
        must(&["cp", "--sparse=always", &base.display().to_string(), &disk.display().to_string()])?;
        File::create(&record)?;
        File::create(&export)?;
        let output = File::create(self.home.path().join("daemon.log"))?;
        let daemon = Command::new("qemu-storage-daemon")
            .arg("--blockdev")
            .arg(json!({"driver": "file", "node-name": "file", "filename": disk}).to_string())
            .arg("--blockdev")
            .arg(self.refusals().to_string())
            .arg("--blockdev")
            .arg(format!("driver=file,node-name=log,filename={}", record.display()))
            // What a flush covers must be in the record's count when the flush returns.
            .arg("--blockdev")
            .arg("driver=blklogwrites,node-name=recorded,file=disk,log=log,log-super-update-interval=1")
            .arg("--export")
            .arg(format!(
                "type=fuse,id=export,node-name=recorded,mountpoint={},writable=on",
                export.display()
            ))
            .stdin(Stdio::null())
            .stdout(output.try_clone()?)
            .stderr(output)
            .spawn()
            .map_err(|error| io::Error::new(error.kind(), format!("qemu-storage-daemon: {error}")))?;
        self.daemon = Some(daemon);
        let deadline = Instant::now() + EXPORT_WITHIN;
        while fs::metadata(&export)?.len() != self.bytes {
            if Instant::now() > deadline {
                let said = fs::read_to_string(self.home.path().join("daemon.log"))?;
                return Err(io::Error::other(format!("qemu-storage-daemon exports nothing: {said}")));
            }
            thread::sleep(Duration::from_millis(5));
        }
        let device = output_of(&["losetup", "--find", "--show", &export.display().to_string()])?;
        // Detached at once: the kernel keeps the device for as long as it is mounted.
        let mount = must(&["mount", &device, &self.mounted.display().to_string()]);
        must(&["losetup", "--detach", &device])?;
        mount
    }

    /// The layer that refuses reads.
    fn refusals(&self) -> Value {
        let refusal = |sector: &u64| json!({"event": "none", "iotype": "read", "errno": 5, "sector": sector});
        let refusals: Vec<Value> = self.bad.iter().map(refusal).collect();
        let mut layer = json!({"driver": "blkdebug", "node-name": "disk", "image": "file"});
        if let (false, Some(layer)) = (refusals.is_empty(), layer.as_object_mut()) {
            layer.insert("inject-error".into(), refusals.into());
        }
        layer
    }

    /// From now on no part of these files can be read, whatever is there later. Nobody may use the disk meanwhile.
    pub fn spoil(&mut self, files: &[PathBuf]) -> io::Result<()> {
        let sectors: Vec<u64> =
            files.iter().map(|file| sectors_of(file)).collect::<io::Result<Vec<_>>>()?.concat();
        self.attach_again(sectors)
    }

    /// All can be read again.
    pub fn mend(&mut self) -> io::Result<()> {
        self.attach_again(Vec::new())
    }

    fn attach_again(&mut self, bad: Vec<u64>) -> io::Result<()> {
        self.unmount();
        self.cut()?;
        replay(&File::open(self.record())?, &File::options().write(true).open(self.base())?, None)?;
        self.bad = bad;
        self.attach()
    }

    /// Cuts the power: nothing more reaches the disk, and everything that tries gets an I/O error.
    pub fn cut(&mut self) -> io::Result<()> {
        if let Some(mut daemon) = self.daemon.take() {
            daemon.kill()?;
            daemon.wait()?;
        }
        Ok(())
    }

    /// The power is back: mounts the disk in a state that it may be found in. Nobody may use it meanwhile.
    pub fn restore(&mut self, dice: &mut Dice) -> io::Result<Cut> {
        self.unmount();
        let cut =
            replay(&File::open(self.record())?, &File::options().write(true).open(self.base())?, Some(dice))?;
        self.attach()?;
        Ok(cut)
    }

    fn unmount(&self) {
        for place in [&self.mounted, &self.export()] {
            let place = place.display().to_string();
            // Lazily if something still looks at it; the kernel lets go when that ends.
            let _ = must(&["umount", &place]).or_else(|_| must(&["umount", "--lazy", &place]));
        }
    }
}

impl Drop for RecordedDisk {
    fn drop(&mut self) {
        // First: what is still dirty need not be written.
        drop(self.cut());
        self.unmount();
    }
}

fn number(bytes: &[u8; SECTOR as usize], at: usize) -> u64 {
    bytes.get(at..).and_then(<[u8]>::first_chunk).map_or(0, |bytes| u64::from_le_bytes(*bytes))
}

/// The first sector of each page of a file that has been written to the disk.
fn sectors_of(file: &Path) -> io::Result<Vec<u64>> {
    let found = output_of(&["filefrag", "-s", "-v", "-b512", &file.display().to_string()])?;
    // Of an extent: number, first and last sector in the file, first and last on the disk, length, flags.
    let extents = found.lines().filter_map(|line| {
        let [number, _, _, first, last, ..] =
            line.split([':', ' ', '.']).filter(|word| !word.is_empty()).collect::<Vec<_>>()[..]
        else {
            return None;
        };
        number.parse::<u64>().ok()?;
        Some(first.parse::<u64>().ok()?..=last.parse().ok()?)
    });
    let sectors: Vec<u64> = extents.flat_map(|extent| extent.step_by(4096 / SECTOR as usize)).collect();
    match sectors.is_empty() {
        true => Err(io::Error::other(format!("filefrag finds nothing of {}: {found}", file.display()))),
        false => Ok(sectors),
    }
}

/// All entries of a record.
fn entries(record: &File) -> io::Result<Vec<Entry>> {
    let mut sector = [0; SECTOR as usize];
    record.read_exact_at(&mut sector, 0)?;
    if number(&sector, 0) != MAGIC || number(&sector, 24) & 0xffff_ffff != SECTOR {
        return Err(io::Error::other("not a record of writes"));
    }
    let count = number(&sector, 16);
    let mut at = SECTOR;
    (0..count)
        .map(|_| {
            record.read_exact_at(&mut sector, at)?;
            let (sectors, flags) = (number(&sector, 8), number(&sector, 16));
            let entry = Entry { sector: number(&sector, 0), sectors, flags, data: at + SECTOR };
            // What is discarded brings no data.
            let stored = if entry.is_discard() { 0 } else { entry.sectors };
            at = entry.data + stored * SECTOR;
            Ok(entry)
        })
        .collect()
}

/// Brings the disk to a state that a cut at the end of the record may leave; without `dice`, to the one with all writes.
fn replay(record: &File, disk: &File, mut dice: Option<&mut Dice>) -> io::Result<Cut> {
    let entries = entries(record)?;
    let flushed = entries.iter().rposition(|entry| entry.flags & FLAG_FLUSH != 0).map_or(0, |at| at + 1);
    let mut cut = Cut::default();
    for (at, entry) in entries.iter().enumerate().filter(|(_, entry)| entry.sectors > 0) {
        let sectors = if at < flushed || entry.flags & FLAG_FUA != 0 {
            cut.durable += 1;
            entry.sectors
        } else {
            match dice.as_deref_mut().map(|dice| (dice.below(3), dice)) {
                Some((0, _)) => {
                    cut.lost += 1;
                    continue;
                }
                Some((1, dice)) if entry.sectors > 1 => {
                    cut.torn += 1;
                    dice.between(1, entry.sectors)
                }
                _ => {
                    cut.kept += 1;
                    entry.sectors
                }
            }
        };
        let (from, bytes) = (entry.sector * SECTOR, sectors * SECTOR);
        if entry.is_discard() {
            let hole = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
            fallocate(disk, hole, from, bytes)?;
            continue;
        }
        let mut data = vec![0; bytes as usize];
        record.read_exact_at(&mut data, entry.data)?;
        disk.write_all_at(&data, from)?;
    }
    Ok(cut)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    fn synced(path: &Path, bytes: &[u8]) {
        let mut file = File::create(path).unwrap();
        file.write_all(bytes).unwrap();
        file.sync_all().unwrap();
        File::open(path.parent().unwrap()).unwrap().sync_all().unwrap();
    }

    #[test]
    fn what_was_synced_outlives_a_cut_and_what_was_not_may_be_lost() {
        let at = tempfile::tempdir().unwrap();
        let mut disk = RecordedDisk::new(at.path(), 64 << 20).unwrap();
        let mut dice = Dice::new(1);
        let mut lost = false;
        for round in 0..5_u8 {
            synced(&at.path().join(format!("synced-{round}")), &[round; 100_000]);
            let unsynced = at.path().join(format!("unsynced-{round}"));
            fs::write(&unsynced, [round; 100_000]).unwrap();
            disk.cut().unwrap();
            assert!(File::create(at.path().join("late")).and_then(|file| file.sync_all()).is_err());
            let cut = disk.restore(&mut dice).unwrap();
            assert!(cut.durable > 0, "{cut:?}");
            for earlier in 0..=round {
                let path = at.path().join(format!("synced-{earlier}"));
                assert_eq!(fs::read(path).unwrap(), [earlier; 100_000], "in round {round}");
            }
            lost |= fs::read(&unsynced).map_or(true, |found| found != [round; 100_000]);
        }
        assert!(lost, "everything was durable at once");
    }

    #[test]
    fn what_was_spoilt_cannot_be_read_until_it_is_mended() {
        let at = tempfile::tempdir().unwrap();
        let mut disk = RecordedDisk::new(at.path(), 64 << 20).unwrap();
        let (good, bad) = (at.path().join("good"), at.path().join("bad"));
        synced(&good, &[1; 100_000]);
        synced(&bad, &[2; 100_000]);
        disk.spoil(std::slice::from_ref(&bad)).unwrap();
        assert_eq!(fs::read(&good).unwrap(), [1; 100_000]);
        assert_eq!(fs::read(&bad).unwrap_err().raw_os_error(), Some(5));
        disk.mend().unwrap();
        assert_eq!(fs::read(&bad).unwrap(), [2; 100_000]);
    }
}
