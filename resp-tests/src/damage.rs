//! What a bad disk does to the files of a data directory: bits that flip, files that are cut, zeroed or gone.

use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use crate::dice::Dice;

/// The kinds of file of a core node that can be damaged.
#[derive(Clone, Copy, Debug)]
pub enum Kind {
    Table,
    Manifest,
    Current,
    Options,
    FileSums,
    CurrentDb,
    SnapshotManifest,
    OldSegment,
    LastSegment,
    HardState,
    Identity,
}

pub const KINDS: [Kind; 11] = [
    Kind::Table,
    Kind::Manifest,
    Kind::Current,
    Kind::Options,
    Kind::FileSums,
    Kind::CurrentDb,
    Kind::SnapshotManifest,
    Kind::OldSegment,
    Kind::LastSegment,
    Kind::HardState,
    Kind::Identity,
];

/// What becomes of a file.
#[derive(Clone, Copy, Debug)]
pub enum Harm {
    Flip,
    Cut,
    Zero,
    Remove,
}

pub const HARMS: [Harm; 4] = [Harm::Flip, Harm::Cut, Harm::Zero, Harm::Remove];

/// A segment that is prepared for later has a header of so many bytes and nothing else.
const SEGMENT_HEADER: usize = 64;

/// A file of this kind in a data directory; `None`: there is none.
pub fn find(kind: Kind, data: &Path) -> Option<PathBuf> {
    let database = database(data);
    let found = match kind {
        Kind::Table => tables(data).into_iter().next(),
        Kind::Manifest => begins_with(&database, "MANIFEST-"),
        Kind::Current => Some(database.join("CURRENT")),
        Kind::Options => begins_with(&database, "OPTIONS-"),
        Kind::FileSums => Some(database.join("FILE_SUMS")),
        Kind::CurrentDb => Some(data.join("store/CURRENT_DB")),
        Kind::SnapshotManifest => begins_with(&begins_with(&data.join("snapshot"), "")?, "MANIFEST-"),
        Kind::OldSegment => segments(data).into_iter().next(),
        Kind::LastSegment => segments(data).into_iter().rev().find(|path| is_used(path)),
        Kind::HardState => Some(data.join("log/STATE")),
        Kind::Identity => Some(data.join("IDENTITY")),
    };
    found.filter(|path| path.exists())
}

/// The directory of the node's database.
pub fn database(data: &Path) -> PathBuf {
    let store = data.join("store");
    let named = fs::read_to_string(store.join("CURRENT_DB")).unwrap_or_default();
    store.join(named.lines().next().unwrap_or("db"))
}

/// Tables, the largest first.
pub fn tables(data: &Path) -> Vec<PathBuf> {
    let mut found: Vec<(u64, PathBuf)> = with_extension(&database(data), "sst")
        .into_iter()
        .map(|path| (path.metadata().map_or(0, |metadata| metadata.len()), path))
        .collect();
    found.sort();
    found.into_iter().rev().map(|(_, path)| path).collect()
}

/// Segments of the log, the oldest first.
pub fn segments(data: &Path) -> Vec<PathBuf> {
    let mut found = with_extension(&data.join("log"), "seg");
    found.sort();
    found
}

fn is_used(segment: &Path) -> bool {
    fs::read(segment).is_ok_and(|bytes| bytes.iter().skip(SEGMENT_HEADER).any(|byte| *byte != 0))
}

fn entries(directory: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(directory).into_iter().flatten();
    entries.filter_map(|entry| Some(entry.ok()?.path())).collect()
}

fn with_extension(directory: &Path, extension: &str) -> Vec<PathBuf> {
    let is_one = |path: &PathBuf| path.extension().is_some_and(|found| found == extension);
    entries(directory).into_iter().filter(is_one).collect()
}

fn begins_with(directory: &Path, start: &str) -> Option<PathBuf> {
    let is_one =
        |path: &PathBuf| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(start));
    entries(directory).into_iter().filter(is_one).max()
}

/// Does it, somewhere where the file has something: segments end with zeros.
pub fn harm(path: &Path, harm: Harm, dice: &mut Dice) -> io::Result<()> {
    let mut bytes = fs::read(path)?;
    let used = bytes.iter().rposition(|byte| *byte != 0).map_or(1, |last| last + 1);
    let at = used / 8 + dice.below((used / 2) as u64 + 1) as usize;
    match harm {
        Harm::Flip => flip(path, at.min(used - 1) as u64),
        Harm::Cut => {
            bytes.truncate(at);
            write_in_place(path, &bytes)
        }
        Harm::Zero => {
            bytes.iter_mut().skip(at).take(4096).for_each(|byte| *byte = 0);
            write_in_place(path, &bytes)
        }
        Harm::Remove => fs::remove_file(path),
    }
}

/// One bit of a file is another one; all other bytes stay, also those that its owner writes meanwhile.
pub fn flip(path: &Path, at: u64) -> io::Result<()> {
    let file = File::options().read(true).write(true).open(path)?;
    let mut byte = [0];
    file.read_exact_at(&mut byte, at)?;
    file.write_all_at(&[byte[0] ^ (1 << (at % 8))], at)
}

/// As a disk changes a file: all that link to it see it.
fn write_in_place(path: &Path, bytes: &[u8]) -> io::Result<()> {
    File::options().write(true).truncate(true).open(path)?.write_all(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_harm_changes_the_file_and_is_seen_through_a_link() {
        let home = tempfile::tempdir().unwrap();
        let (path, link) = (home.path().join("000001.sst"), home.path().join("link"));
        let before: Vec<u8> = (1..=200).chain([0; 100]).collect();
        let mut dice = Dice::new(1);
        for one in HARMS {
            fs::write(&path, &before).unwrap();
            let _ = fs::remove_file(&link);
            fs::hard_link(&path, &link).unwrap();
            harm(&path, one, &mut dice).unwrap();
            match one {
                Harm::Remove => assert!(!path.exists()),
                Harm::Flip => {
                    let after = fs::read(&link).unwrap();
                    let bits: u32 =
                        before.iter().zip(&after).map(|(old, new)| (old ^ new).count_ones()).sum();
                    assert_eq!((after.len(), bits), (before.len(), 1));
                }
                Harm::Cut | Harm::Zero => assert_ne!(fs::read(&link).unwrap(), before, "{one:?}"),
            }
        }
        fs::write(&path, "ab").unwrap();
        assert!(flip(&path, 2).is_err());
    }

    #[test]
    fn a_segment_that_is_only_prepared_is_not_taken_for_a_used_one() {
        let home = tempfile::tempdir().unwrap();
        let log = home.path().join("log");
        fs::create_dir(&log).unwrap();
        fs::write(log.join("1.seg"), [1; 100]).unwrap();
        fs::write(log.join("2.seg"), [[1; SEGMENT_HEADER], [0; SEGMENT_HEADER]].concat()).unwrap();
        assert_eq!(find(Kind::LastSegment, home.path()), Some(log.join("1.seg")));
        assert_eq!(find(Kind::Table, home.path()), None);
    }
}
