//! Checksums of a database's files from when they were written.
//!
//! The engine's tables never change. Soon after a table appears its checksum is computed, while its bytes are still in the
//! page cache, and kept in `FILE_SUMS` beside it: one line per file, `name inode bytes crc32c`, sealed (`checked.rs`). A
//! copy of a file for another node must have that checksum, so later damage on this disk does not spread. MANIFEST only
//! grows: its line covers as many bytes as it had.
//!
//! A file without a line is not damaged, but unverified (it is older than checksums, or was made just before a crash): it
//! is read block by block first (`check.rs`).

use super::engine::{Engine, engine_error};
use crate::{checked, error::StoreError};
use parking_lot::Mutex;
use std::{
    collections::{BTreeMap, BTreeSet},
    fs::{self, File},
    io::{self, Read},
    os::unix::fs::MetadataExt,
    path::Path,
};

const NAME: &str = "FILE_SUMS";
const CHUNK_BYTES: usize = 1 << 20;

/// Length and checksum of a file when it was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FileSum {
    /// A hard link is the same file; another file of that name may belong to another database.
    pub inode: u64,
    pub bytes: u64,
    /// CRC-32C.
    pub checksum: u32,
}

/// The checksums of the database's files.
#[derive(Debug, Default)]
pub(super) struct FileSums(Mutex<Known>);

#[derive(Debug, Default)]
struct Known {
    sums: BTreeMap<String, FileSum>,
    /// They are on disk as well.
    are_written: bool,
}

impl FileSums {
    /// Loads the checksums kept in a database's directory; none if they cannot be read.
    pub(super) fn load(directory: &Path) -> Self {
        let path = directory.join(NAME);
        let text = match fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return FileSums::default(),
            Err(error) => {
                tracing::warn!(file = %path.display(), %error, "cannot read the files' checksums");
                return FileSums::default();
            }
        };
        match checked::unseal(&text).ok().filter(|read| read.is_checked) {
            Some(read) => {
                let sums = read.text.lines().filter_map(parse).collect();
                FileSums(Mutex::new(Known { sums, are_written: true }))
            }
            None => {
                tracing::warn!(file = %path.display(), "the files' checksums are damaged; computing them again");
                FileSums::default()
            }
        }
    }

    pub(super) fn get(&self, name: &str) -> Option<FileSum> {
        self.0.lock().sums.get(name).copied()
    }

    /// Before the database is opened: its MANIFEST must start with the bytes it had.
    pub(super) fn check_manifest(&self, directory: &Path) -> Result<(), StoreError> {
        let Some(name) = manifest(directory) else { return Ok(()) };
        let Some(sum) = self.get(&name) else { return Ok(()) };
        let path = directory.join(&name);
        let damaged = |detail: String| StoreError::damaged(&path, detail);
        let found = match File::open(&path) {
            Ok(file) => measure(file.take(sum.bytes)).map_err(|e| StoreError::io("read MANIFEST", &e))?,
            Err(error) => return Err(damaged(error.to_string())),
        };
        match found {
            _ if found == (sum.bytes, sum.checksum) => Ok(()),
            (bytes, _) if bytes < sum.bytes => {
                Err(damaged(format!("it has {bytes} bytes, but once had {}", sum.bytes)))
            }
            _ => Err(damaged("its checksum is wrong".into())),
        }
    }

    /// Computes the checksums of new files, forgets those of removed files, and saves changes.
    pub(super) fn note(&self, engine: &Engine) -> Result<(), StoreError> {
        let directory = &engine.directory;
        let live = engine.db.live_files().map_err(engine_error)?;
        let live: BTreeSet<String> =
            live.into_iter().map(|file| file.name.trim_start_matches('/').to_owned()).collect();
        let mut known = self.0.lock();
        let Known { sums, are_written } = &mut *known;
        let before = sums.clone();
        let manifest = manifest(directory);
        sums.retain(|name, _| live.contains(name) || manifest.as_ref() == Some(name));
        for name in live.into_iter().filter(|name| !before.contains_key(name)) {
            sums.extend(take(directory, &name)?.map(|sum| (name, sum)));
        }
        if let Some(name) = manifest {
            let bytes = fs::metadata(directory.join(&name)).map_or(0, |found| found.len());
            if sums.get(&name).is_none_or(|sum| sum.bytes != bytes) {
                sums.extend(take(directory, &name)?.map(|sum| (name, sum)));
            }
        }
        if *sums == before && *are_written {
            return Ok(());
        }
        let lines: Vec<String> = sums.iter().map(|(name, sum)| line(name, sum)).collect();
        let sealed = checked::seal(&lines.join("\n"));
        // Without them the next start knows less of its files; that is no reason to stop, for instance on a full disk.
        *are_written = match checked::replace_file(&directory.join(NAME), sealed.as_bytes()) {
            Ok(()) => true,
            Err(error) => {
                tracing::warn!(%error, "cannot save the checksums of the store's files; trying again");
                false
            }
        };
        Ok(())
    }
}

/// `None`: the file is gone, since nothing in it is live any more.
fn take(directory: &Path, name: &str) -> Result<Option<FileSum>, StoreError> {
    let read = || -> io::Result<FileSum> {
        let file = File::open(directory.join(name))?;
        let inode = file.metadata()?.ino();
        let (bytes, checksum) = measure(file)?;
        Ok(FileSum { inode, bytes, checksum })
    };
    match read() {
        Ok(sum) => Ok(Some(sum)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(StoreError::io("read a file of the store", &error)),
    }
}

/// Length and CRC-32C of the bytes read.
fn measure(mut from: impl Read) -> io::Result<(u64, u32)> {
    let (mut bytes, mut checksum) = (0_u64, 0);
    let mut chunk = vec![0; CHUNK_BYTES];
    loop {
        let read = from.read(&mut chunk)?;
        if read == 0 {
            return Ok((bytes, checksum));
        }
        bytes = bytes.saturating_add(read as u64);
        checksum = crc32c::crc32c_append(checksum, chunk.get(..read).unwrap_or_default());
    }
}

/// The name of the MANIFEST that CURRENT names.
fn manifest(directory: &Path) -> Option<String> {
    let text = fs::read_to_string(directory.join("CURRENT")).ok()?;
    let name = text.trim();
    name.starts_with("MANIFEST-").then(|| name.to_owned())
}

fn line(name: &str, sum: &FileSum) -> String {
    format!("{name} {} {} {:08x}", sum.inode, sum.bytes, sum.checksum)
}

fn parse(line: &str) -> Option<(String, FileSum)> {
    let mut words = line.split(' ');
    let name = words.next()?.to_owned();
    let (inode, bytes) = (words.next()?.parse().ok()?, words.next()?.parse().ok()?);
    let checksum = u32::from_str_radix(words.next()?, 16).ok()?;
    Some((name, FileSum { inode, bytes, checksum }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_read_as_it_was_written() {
        let sum = FileSum { inode: 77, bytes: 1 << 40, checksum: 0xab };
        assert_eq!(line("000012.sst", &sum), "000012.sst 77 1099511627776 000000ab");
        assert_eq!(parse(&line("000012.sst", &sum)), Some(("000012.sst".to_owned(), sum)));
        assert_eq!(parse("000012.sst 77"), None);
    }
}
