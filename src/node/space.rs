//! Asks the file system, ten times a second, how much room there is, and keeps some in reserve: the file RESERVE takes up
//! space that nobody else can have. When others have filled the disk it is given up piece by piece, so that data can be deleted;
//! half of it is kept for the next start. It is made again when there is room. What follows from it is in
//! `environment/space.rs`.

use crate::{
    config::Settings,
    environment::{DiskSpace, DiskState, Environment, low_bytes},
};
use rustix::fs::{FallocateFlags, fallocate};
use std::{
    fs::{self, File, OpenOptions},
    io,
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    sync::{Arc, Weak},
    time::Duration,
};

const LOOK_INTERVAL: Duration = Duration::from_millis(100);
const RESERVE: &str = "RESERVE";
/// The reserve is given up in so many pieces.
const PIECES: u64 = 4;
/// There is no use in a smaller one.
const PIECE_MIN: u64 = 64 << 10;

/// The space of a data directory.
pub(super) struct Watch {
    environment: Environment,
    directory: PathBuf,
    low_bytes: u64,
    reserve_bytes: u64,
    /// The state that the log told of last.
    told: DiskState,
    /// The file system cannot set space aside.
    is_unable: bool,
}

impl Watch {
    /// Of a data directory that need not exist yet.
    pub(super) fn new(settings: &Settings) -> Self {
        Watch {
            environment: Environment::machine(),
            directory: settings.data_dir.clone(),
            low_bytes: settings.disk_low_bytes,
            reserve_bytes: settings.disk_reserve_bytes,
            told: DiskState::Ok,
            is_unable: false,
        }
    }

    /// Before anything is opened: opening takes some room.
    pub(super) fn begin(&mut self, disk: &DiskSpace) {
        if let Err(error) = self.look(disk, 0) {
            let directory = self.directory.display();
            tracing::warn!(%error, %directory, "cannot tell how much disk space there is; a full disk will stop the node");
        }
    }

    /// Goes on in a thread of its own, for as long as somebody has `disk`.
    pub(super) fn watch(mut self, disk: &Arc<DiskSpace>) -> io::Result<()> {
        let disk: Weak<DiskSpace> = Arc::downgrade(disk);
        let run = move || {
            while let Some(disk) = disk.upgrade() {
                // An error was told of at the start, if it is one that stays.
                let kept = self.wanted(&disk) / 2;
                let _ = self.look(&disk, kept).and_then(|()| self.fill(&disk));
                drop(disk);
                std::thread::sleep(LOOK_INTERVAL);
            }
        };
        std::thread::Builder::new().name("disk-space".into()).spawn(run).map(drop)
    }

    /// `kept`: so much of the reserve stays.
    fn look(&mut self, disk: &DiskSpace, kept: u64) -> io::Result<()> {
        let existing = self.directory.ancestors().find(|path| path.exists());
        let at = existing.filter(|path| !path.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let ask = || disk.look(self.low_bytes, || self.environment.disk().space(at));
        let mut state = ask()?;
        while disk.left() < disk.low() / 4 && self.release(disk, kept)? {
            state = ask()?;
        }
        self.tell(state, disk);
        Ok(())
    }

    fn wanted(&self, disk: &DiskSpace) -> u64 {
        match self.reserve_bytes {
            0 => low_bytes(self.low_bytes, disk.total()) / PIECES,
            bytes => bytes,
        }
    }

    /// Gives up a piece of the reserve; whether there was one beyond `kept`.
    fn release(&self, disk: &DiskSpace, kept: u64) -> io::Result<bool> {
        let path = self.directory.join(RESERVE);
        let Ok(found) = fs::metadata(&path) else { return Ok(false) };
        let piece = (self.wanted(disk) / PIECES).max(PIECE_MIN);
        match found.len().checked_sub(piece).filter(|left| *left >= PIECE_MIN) {
            left if left.unwrap_or(0) < kept => return Ok(false),
            Some(left) => OpenOptions::new().write(true).open(&path)?.set_len(left)?,
            None => fs::remove_file(&path)?,
        }
        tracing::info!(bytes = piece.min(found.len()), "released the reserved disk space");
        Ok(true)
    }

    /// Makes the reserve, if there is room for it.
    fn fill(&mut self, disk: &DiskSpace) -> io::Result<()> {
        let (path, wanted) = (self.directory.join(RESERVE), self.wanted(disk));
        let has = fs::metadata(&path).map_or(0, |found| found.len());
        let is_ample = disk.state() < DiskState::Low && disk.left() >= disk.low().saturating_add(wanted);
        if self.is_unable || has == wanted || wanted < PIECE_MIN || has < wanted && !is_ample {
            return Ok(());
        }
        let file: File =
            OpenOptions::new().create(true).truncate(false).write(true).mode(0o600).open(&path)?;
        if has > wanted {
            return file.set_len(wanted);
        }
        match fallocate(&file, FallocateFlags::empty(), 0, wanted) {
            Ok(()) => Ok(()),
            Err(error) => {
                self.is_unable = error != rustix::io::Errno::NOSPC;
                fs::remove_file(&path)?;
                Err(error.into())
            }
        }
    }

    fn tell(&mut self, state: DiskState, disk: &DiskSpace) {
        if state == self.told {
            return;
        }
        let (before, left, low) = (std::mem::replace(&mut self.told, state), disk.left(), disk.low());
        let remedy = "delete data, or make room on the disk";
        match (before, state) {
            (_, DiskState::Full) => {
                tracing::error!(left, low, remedy, "the disk is full: this node writes nothing more")
            }
            (_, DiskState::Low) => tracing::warn!(left, low, remedy, "the disk is almost full"),
            (DiskState::Low | DiskState::Full, _) => {
                tracing::info!(left, low, "the disk has free space again")
            }
            (_, DiskState::Tight) => {
                tracing::info!(left, low, "the disk is getting full: keeping less of the log")
            }
            (_, DiskState::Ok) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::environment::Space;

    const MIB: u64 = 1 << 20;

    fn watch(directory: &Path) -> Watch {
        Watch {
            environment: Environment::machine(),
            directory: directory.to_path_buf(),
            low_bytes: 16 * MIB,
            reserve_bytes: 4 * MIB,
            told: DiskState::Ok,
            is_unable: false,
        }
    }

    fn set(disk: &DiskSpace, available: u64) {
        disk.look(16 * MIB, || Ok(Space { available, total: 1 << 30 })).unwrap();
    }

    #[test]
    fn the_reserve_is_made_when_there_is_room_and_given_up_in_pieces() {
        let directory = tempfile::tempdir().unwrap();
        let (mut watch, disk) = (watch(directory.path()), DiskSpace::default());
        let size = || fs::metadata(directory.path().join(RESERVE)).map_or(0, |found| found.len());
        set(&disk, 19 * MIB);
        watch.fill(&disk).unwrap();
        assert_eq!(size(), 0, "it would take what is needed");
        set(&disk, 40 * MIB);
        watch.fill(&disk).unwrap();
        assert_eq!(size(), 4 * MIB);
        for (kept, left) in [(2, 3), (2, 2), (0, 1), (0, 0)] {
            assert!(watch.release(&disk, kept * MIB).unwrap());
            assert_eq!(size(), left * MIB);
            assert!(left > 2 || !watch.release(&disk, 2 * MIB).unwrap());
        }
        assert!(!watch.release(&disk, 0).unwrap());
        watch.fill(&disk).unwrap();
        assert_eq!(size(), 4 * MIB);
        watch.reserve_bytes = 2 * MIB;
        watch.fill(&disk).unwrap();
        assert_eq!(size(), 2 * MIB, "another start, with a smaller one");
    }

    #[test]
    fn a_directory_that_does_not_exist_yet_has_the_space_of_those_above_it() {
        let directory = tempfile::tempdir().unwrap();
        let disk = DiskSpace::default();
        watch(&directory.path().join("not/yet")).begin(&disk);
        assert!(disk.total() > 0 && disk.total() < u64::MAX);
    }
}
