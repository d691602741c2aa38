//! The disks: real files, and beside them what no sync has covered yet. A power cut takes some or all of that back.
//!
//! | operation | is durable after |
//! |---|---|
//! | bytes written to a file | a sync of that file |
//! | a name made, changed or removed | a sync of its directory |
//!
//! What a power cut leaves of a file's unsynced bytes is any subset of the sectors written; of a directory's unsynced
//! changes it is the first so many of them, as file systems with a journal leave it.

use super::{Dice, Mutant, ON_STAGE, current};
use std::{
    collections::BTreeMap,
    fs::{self, File},
    io::{self, Write as _},
    os::unix::fs::FileExt,
    panic::resume_unwind,
    path::{Path, PathBuf},
};

const SECTOR_BYTES: u64 = 512;

/// Bytes on their way to a file.
struct Write {
    at: u64,
    old: Vec<u8>,
    new: Vec<u8>,
    old_len: u64,
}

/// A change of a directory. Contents are those that would be lost.
enum Change {
    Created { path: PathBuf, replaced: Option<Vec<u8>> },
    CreatedDirectory { path: PathBuf },
    Renamed { from: PathBuf, to: PathBuf, replaced: Option<Vec<u8>> },
    Removed { path: PathBuf, content: Vec<u8> },
}

/// What a power cut took.
#[derive(Debug, Default)]
pub(crate) struct Lost {
    /// Writes and changes of names that no sync covered.
    pub(crate) unsynced: usize,
    /// Of those, what is not there any more.
    pub(crate) sectors: usize,
    pub(crate) names: usize,
}

/// See the module.
pub(crate) struct Disk {
    dice: Dice,
    files: BTreeMap<PathBuf, Vec<Write>>,
    directories: BTreeMap<PathBuf, Vec<Change>>,
    /// For nodes whose power is about to go, how many operations they have left.
    fuses: BTreeMap<usize, u64>,
}

/// The power went in the middle of an operation: whoever asked for it never hears of it again.
pub(crate) struct PowerCut;

impl Disk {
    pub(super) fn new(dice: Dice) -> Self {
        Disk { dice, files: BTreeMap::new(), directories: BTreeMap::new(), fuses: BTreeMap::new() }
    }

    /// After so many more operations the node's disk does nothing any more.
    pub(crate) fn light_fuse(&mut self, node: usize, operations: u64) {
        self.fuses.insert(node, operations);
    }

    fn note(&mut self, path: &Path, change: Change) {
        let directory = path.parent().unwrap_or(path).to_path_buf();
        self.directories.entry(directory).or_default().push(change);
    }

    /// The node's power goes: takes back what was not durable below `home`.
    pub(crate) fn cut_power(&mut self, node: usize, home: &Path) -> Lost {
        self.fuses.remove(&node);
        let mut total = Lost::default();
        // How many sectors of a thousand survive.
        let survival = self.dice.pick(&[0, 500, 500, 900, 1000]);
        let paths: Vec<PathBuf> = self.files.keys().filter(|path| path.starts_with(home)).cloned().collect();
        for path in paths {
            let pending = self.files.remove(&path).unwrap_or_default();
            total.unsynced += pending.len();
            total.sectors += tear(&path, &pending, || self.dice.chance(survival)).unwrap();
        }
        let paths: Vec<PathBuf> =
            self.directories.keys().filter(|path| path.starts_with(home)).cloned().collect();
        // Children first: a directory may itself go.
        for path in paths.into_iter().rev() {
            let mut pending = self.directories.remove(&path).unwrap_or_default();
            total.unsynced += pending.len();
            let kept = match survival {
                0 => 0,
                1000 => pending.len() as u64,
                _ => self.dice.below(pending.len() as u64 + 1),
            };
            for change in pending.drain(kept as usize..).rev() {
                total.names += 1;
                undo(change).unwrap();
            }
        }
        total
    }
}

/// Leaves of the writes the sectors that `survives` says; returns how many were lost.
fn tear(path: &Path, pending: &[Write], mut survives: impl FnMut() -> bool) -> io::Result<usize> {
    let Ok(file) = File::options().write(true).open(path) else {
        return Ok(0);
    };
    for write in pending.iter().rev() {
        file.set_len(write.old_len)?;
        file.write_all_at(&write.old, write.at)?;
    }
    let mut lost = 0;
    for write in pending {
        let end = write.at + write.new.len() as u64;
        let mut at = write.at;
        while at < end {
            let next = ((at / SECTOR_BYTES + 1) * SECTOR_BYTES).min(end);
            if survives() {
                let (from, to) = ((at - write.at) as usize, (next - write.at) as usize);
                file.write_all_at(&write.new[from..to], at)?;
            } else {
                lost += 1;
            }
            at = next;
        }
    }
    Ok(lost)
}

fn undo(change: Change) -> io::Result<()> {
    match change {
        Change::Created { path, replaced } => restore(&path, replaced),
        Change::CreatedDirectory { path } => fs::remove_dir_all(path),
        // Under a mutant a later removal may be durable although the name was not.
        Change::Renamed { to, .. } if !to.exists() => Ok(()),
        Change::Renamed { from, to, replaced } => {
            fs::rename(&to, from)?;
            restore(&to, replaced)
        }
        Change::Removed { path, content } => restore(&path, Some(content)),
    }
}

fn restore(path: &Path, content: Option<Vec<u8>>) -> io::Result<()> {
    match content {
        Some(content) => File::create(path)?.write_all(&content),
        None => match fs::remove_file(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        },
    }
}

/// Runs `then` on the disk of this thread's stage, if its power is on.
fn operate(then: impl FnOnce(&mut Disk) -> io::Result<()>) -> io::Result<()> {
    let stage = current().expect(ON_STAGE);
    let mut disk = stage.disk.borrow_mut();
    match disk.fuses.get_mut(&stage.node()) {
        None => {}
        Some(0) => {
            drop(disk);
            resume_unwind(Box::new(PowerCut));
        }
        Some(left) => *left -= 1,
    }
    then(&mut disk)
}

pub(super) fn before_create(path: &Path) -> io::Result<()> {
    operate(|disk| {
        let replaced = fs::read(path).ok();
        disk.note(path, Change::Created { path: path.to_path_buf(), replaced });
        Ok(())
    })
}

pub(super) fn before_create_directory(path: &Path) -> io::Result<()> {
    operate(|disk| {
        if !path.exists() {
            disk.note(path, Change::CreatedDirectory { path: path.to_path_buf() });
        }
        Ok(())
    })
}

pub(super) fn before_write(file: &File, path: &Path, bytes: &[u8], at: u64) -> io::Result<()> {
    operate(|disk| {
        let old_len = file.metadata()?.len();
        let mut old = vec![0; bytes.len()];
        let read = file.read_at(&mut old, at)?;
        old.truncate(read);
        let write = Write { at, old, new: bytes.to_vec(), old_len };
        disk.files.entry(path.to_path_buf()).or_default().push(write);
        Ok(())
    })
}

pub(super) fn before_rename(from: &Path, to: &Path) -> io::Result<()> {
    operate(|disk| {
        let replaced = fs::read(to).ok();
        disk.files.remove(to);
        if let Some(pending) = disk.files.remove(from) {
            disk.files.insert(to.to_path_buf(), pending);
        }
        disk.note(to, Change::Renamed { from: from.to_path_buf(), to: to.to_path_buf(), replaced });
        Ok(())
    })
}

pub(super) fn before_remove(path: &Path) -> io::Result<()> {
    operate(|disk| {
        disk.files.remove(path);
        disk.note(path, Change::Removed { path: path.to_path_buf(), content: fs::read(path)? });
        Ok(())
    })
}

pub(super) fn sync_file(path: &Path) -> io::Result<()> {
    let mutant = current().and_then(|stage| stage.mutant);
    let is_state = path.file_stem().is_some_and(|stem| stem == "STATE");
    let is_new = path.extension().is_some_and(|extension| extension == "tmp");
    let lies = (is_state && mutant == Some(Mutant::VoteNotSynced))
        || (!is_new && mutant == Some(Mutant::AppendNotSynced));
    operate(|disk| {
        if !lies {
            disk.files.remove(path);
        }
        Ok(())
    })
}

pub(super) fn sync_directory(directory: &Path) -> io::Result<()> {
    let mutant = current().and_then(|stage| stage.mutant);
    operate(|disk| {
        let pending = disk.directories.entry(directory.to_path_buf()).or_default();
        // What a mutant leaves out stays undurable.
        pending.retain(|change| match (mutant, change) {
            (Some(Mutant::VoteNotSynced), Change::Renamed { to, .. }) => to.ends_with("STATE"),
            (Some(Mutant::NamesNotSynced), Change::Renamed { to, .. }) => !to.ends_with("STATE"),
            _ => false,
        });
        Ok(())
    })
}
