//! A segment file: its name, its header, and its atomic creation.
//!
//! | bytes | header field |
//! |---|---|
//! | 8 | magic `FLOTLOG` + 0x1A |
//! | 4 | format version (1) |
//! | 4 | salt of the records' checksums, random |
//! | 8 | serial number, also the file's name |
//! | 16 | id of the log, as in `STATE` |
//! | 4 | CRC-32C of the fields above |
//! | 20 | zeros |
//!
//! In every version the header has 64 bytes, and its first 40 and their checksum are laid out like this: a version counts
//! only once the checksum has vouched for it, or one flipped bit would look like a segment of a newer program.

use super::error::LogError;
use crate::{
    environment::{Disk, Environment},
    fail,
};
use std::{
    fs::{self, File, OpenOptions},
    io,
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

/// The offset of the first record.
pub(super) const SEGMENT_HEADER_BYTES: u32 = 64;
const MAGIC: &[u8; 8] = b"FLOTLOG\x1a";
const FORMAT_VERSION: u32 = 1;
const ZERO_CHUNK_BYTES: usize = 1 << 20;
const SEGMENT_BYTES_MAX: u32 = 64 << 20;
pub(super) const SEGMENT_BYTES_MIN: u32 = 1 << 20;

/// Sizes of the log; the defaults are for production, tests use small ones.
#[derive(Debug, Clone, Copy)]
pub struct SegmentOptions {
    /// Bytes of a segment file.
    pub segment_bytes: u32,
    /// Bytes of the very first one: small, so that a new node starts at once.
    pub first_segment_bytes: u32,
    /// Bytes of recent entries kept in memory once they are durable.
    pub cache_bytes: usize,
    /// Whose disk and threads the log has.
    pub environment: Environment,
}

impl Default for SegmentOptions {
    fn default() -> Self {
        SegmentOptions {
            segment_bytes: SEGMENT_BYTES_MAX,
            first_segment_bytes: 8 << 20,
            cache_bytes: 16 << 20,
            environment: Environment::machine(),
        }
    }
}

impl SegmentOptions {
    /// For a log that keeps `bytes`: only whole segments can be removed, so none may be larger than that.
    pub fn retaining(bytes: u64) -> Self {
        let segment_bytes = u32::try_from(bytes).unwrap_or(SEGMENT_BYTES_MAX);
        let segment_bytes = segment_bytes.clamp(SEGMENT_BYTES_MIN, SEGMENT_BYTES_MAX);
        SegmentOptions { segment_bytes, ..SegmentOptions::default() }
    }
}

/// An open segment file.
#[derive(Debug)]
pub(super) struct SegmentFile {
    environment: Environment,
    pub(super) file: File,
    pub(super) path: PathBuf,
    pub(super) salt: u32,
    /// Preallocated length.
    pub(super) capacity: u64,
    /// Until when it may have been written to; monotonic ms.
    written_ms: AtomicU64,
}

impl SegmentFile {
    /// Time since its last write, at this monotonic time (ms). For files that existed at start it counts from the start:
    /// only the wall clock could tell their age.
    pub(super) fn age(&self, now_ms: u64) -> Duration {
        Duration::from_millis(now_ms.saturating_sub(self.written_ms.load(Ordering::Relaxed)))
    }

    /// No more writes follow.
    pub(super) fn close(&self) {
        self.written_ms.store(self.environment.monotonic_ms(), Ordering::Relaxed);
    }

    /// Not durable before `sync_data`.
    pub(super) fn write_all_at(&self, bytes: &[u8], at: u64) -> io::Result<()> {
        self.environment.disk().write_all_at(&self.file, &self.path, bytes, at)
    }

    /// What was written is durable when this returns.
    pub(super) fn sync_data(&self) -> io::Result<()> {
        self.environment.disk().sync_data(&self.file, &self.path)
    }

    /// Overwrites bytes `from..to` with zeros; not durable yet.
    pub(super) fn fill_with_zeros(&self, from: u64, to: u64) -> io::Result<()> {
        fill_with_zeros(self.environment.disk(), &self.file, &self.path, from, to)
    }

    fn new(environment: Environment, file: File, path: PathBuf, salt: u32, capacity: u64) -> Arc<Self> {
        let written_ms = AtomicU64::new(environment.monotonic_ms());
        Arc::new(SegmentFile { environment, file, path, salt, capacity, written_ms })
    }

    /// Creates a zero-filled segment; durable, under its final name, when this returns.
    pub(super) fn create(
        environment: Environment,
        directory: &Path,
        log_id: &[u8; 16],
        serial: u64,
        bytes: u32,
    ) -> Result<Arc<Self>, LogError> {
        let path = path_of(directory, serial);
        let temporary = path.with_extension("tmp");
        let (salt, disk) = (random_salt(environment), environment.disk());
        let filled = || -> io::Result<File> {
            let file = disk.create(&temporary)?;
            disk.write_all_at(&file, &temporary, &header(log_id, serial, salt), 0)?;
            fill_with_zeros(disk, &file, &temporary, u64::from(SEGMENT_HEADER_BYTES), u64::from(bytes))?;
            disk.sync_all(&file, &temporary)?;
            fail::io_point("log.prepare")?;
            disk.rename(&temporary, &path)?;
            disk.sync_directory(directory)?;
            Ok(file)
        };
        let file = filled().map_err(LogError::io("create log segment", &path))?;
        Ok(Self::new(environment, file, path, salt, u64::from(bytes)))
    }

    /// Opens an existing segment and checks its header.
    pub(super) fn open(
        environment: Environment,
        path: &Path,
        serial: u64,
        log_id: &[u8; 16],
    ) -> Result<Arc<Self>, LogError> {
        let io = |what| LogError::io(what, path);
        let file = OpenOptions::new().read(true).write(true).open(path).map_err(io("open log segment"))?;
        let capacity = file.metadata().map_err(io("stat log segment"))?.len();
        let mut bytes = [0; SEGMENT_HEADER_BYTES as usize];
        file.read_exact_at(&mut bytes, 0).map_err(io("read log segment header"))?;
        let salt = check_header(path, &bytes, log_id, serial)?;
        Ok(Self::new(environment, file, path.to_path_buf(), salt, capacity))
    }
}

/// Segment files of a directory in serial order.
pub(super) fn list(directory: &Path) -> Result<Vec<(u64, PathBuf)>, LogError> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory).map_err(LogError::io("read log directory", directory))? {
        let path = entry.map_err(LogError::io("read log directory", directory))?.path();
        if path.extension().is_some_and(|extension| extension == "seg") {
            let stem = path.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
            let serial =
                stem.parse().map_err(|_| LogError::damaged(&path, 0, "not the name of a segment"))?;
            found.push((serial, path));
        }
    }
    found.sort_unstable();
    Ok(found)
}

/// Removes unfinished files that a crash left in a directory.
pub fn remove_temporary(environment: Environment, directory: &Path) -> Result<(), LogError> {
    for entry in fs::read_dir(directory).map_err(LogError::io("read directory", directory))? {
        let path = entry.map_err(LogError::io("read directory", directory))?.path();
        if path.extension().is_some_and(|extension| extension == "tmp") {
            environment.disk().remove(&path).map_err(LogError::io("remove unfinished file", &path))?;
        }
    }
    Ok(())
}

fn fill_with_zeros(disk: Disk, file: &File, path: &Path, from: u64, to: u64) -> io::Result<()> {
    let zeros = vec![0_u8; ZERO_CHUNK_BYTES];
    let mut at = from;
    while at < to {
        let len = usize::try_from(to - at).unwrap_or(usize::MAX).min(zeros.len());
        disk.write_all_at(file, path, zeros.get(..len).unwrap_or_default(), at)?;
        at = at.saturating_add(len as u64);
        // Little dirty data at a time, so that the writer's fdatasync never queues behind 64 MiB of ours.
        disk.sync_data(file, path)?;
    }
    Ok(())
}

fn path_of(directory: &Path, serial: u64) -> PathBuf {
    directory.join(format!("{serial:016}.seg"))
}

fn random_salt(environment: Environment) -> u32 {
    let [a, b, c, d, ..] = environment.random_id();
    u32::from_le_bytes([a, b, c, d])
}

fn header(log_id: &[u8; 16], serial: u64, salt: u32) -> Vec<u8> {
    let mut out = Vec::with_capacity(SEGMENT_HEADER_BYTES as usize);
    out.extend_from_slice(MAGIC);
    out.extend_from_slice(&FORMAT_VERSION.to_le_bytes());
    out.extend_from_slice(&salt.to_le_bytes());
    out.extend_from_slice(&serial.to_le_bytes());
    out.extend_from_slice(log_id);
    let crc = crc32c::crc32c(&out);
    out.extend_from_slice(&crc.to_le_bytes());
    out.resize(SEGMENT_HEADER_BYTES as usize, 0);
    out
}

/// The salt, if the header is that of segment `serial` of this log.
fn check_header(
    path: &Path,
    bytes: &[u8; SEGMENT_HEADER_BYTES as usize],
    log_id: &[u8; 16],
    serial: u64,
) -> Result<u32, LogError> {
    let number = |at: usize| bytes.get(at..).and_then(<[u8]>::first_chunk).copied().map(u32::from_le_bytes);
    if !bytes.starts_with(MAGIC) {
        return Err(LogError::damaged(path, 0, "not a log segment"));
    }
    let checked = bytes.get(..40).map(crc32c::crc32c) == number(40);
    let version = number(8).unwrap_or_default();
    if checked && version > FORMAT_VERSION {
        return Err(LogError::Newer { path: path.to_path_buf(), found: version, known: FORMAT_VERSION });
    }
    let salt = number(12).unwrap_or_default();
    if bytes.get(..44) == header(log_id, serial, salt).get(..44) {
        return Ok(salt);
    }
    let detail = if checked { "the header is that of another log or segment" } else { "header checksum" };
    Err(LogError::damaged(path, 0, detail))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn segments_are_no_larger_than_the_log_that_is_to_be_kept() {
        for (retained, bytes) in
            [(0, 1 << 20), (1 << 20, 1 << 20), (9 << 20, 9 << 20), (64 << 20, 64 << 20), (1 << 50, 64 << 20)]
        {
            assert_eq!(SegmentOptions::retaining(retained).segment_bytes, bytes);
        }
    }

    #[test]
    fn version_1_golden_header() {
        let bytes = header(&[9; 16], 3, 5);
        assert_eq!(&bytes[..24], b"FLOTLOG\x1a\x01\0\0\0\x05\0\0\0\x03\0\0\0\0\0\0\0");
        assert_eq!(&bytes[24..40], &[9; 16]);
        assert_eq!(bytes.len(), 64);
    }

    #[test]
    fn a_foreign_damaged_or_newer_header_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        let made = SegmentFile::create(Environment::machine(), directory.path(), &[1; 16], 1, 4096).unwrap();
        assert_eq!(
            SegmentFile::open(Environment::machine(), &made.path, 1, &[1; 16]).unwrap().salt,
            made.salt
        );
        let text = |log_id: &[u8; 16], serial| {
            SegmentFile::open(Environment::machine(), &made.path, serial, log_id).err().unwrap().to_string()
        };
        assert!(text(&[2; 16], 1).contains("another log"));
        assert!(text(&[1; 16], 2).contains("another log or segment"));
        let whole = fs::read(&made.path).unwrap();
        for bit in 0..44 * 8 {
            let mut bytes = whole.clone();
            bytes[bit / 8] ^= 1 << (bit % 8);
            fs::write(&made.path, &bytes).unwrap();
            let error = text(&[1; 16], 1);
            assert!(error.contains("is damaged"), "bit {bit}: {error}");
        }
        let mut newer = whole;
        newer[8] = 9;
        let crc = crc32c::crc32c(&newer[..40]);
        newer[40..44].copy_from_slice(&crc.to_le_bytes());
        fs::write(&made.path, &newer).unwrap();
        assert!(text(&[1; 16], 1).contains("format version 9; this program reads up to 1"));
    }
}
