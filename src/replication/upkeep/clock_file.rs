//! `CLOCK`: the last log time, so that a process that restarts in the same boot of the machine continues it as if it had
//! not stopped, and one that starts after a reboot does not start before it.
//!
//! | bytes | field |
//! |---|---|
//! | 8 | magic `FLOTCLK` + 0x1A |
//! | 4 | format version (1) |
//! | 8 | which boot, as a hash of its name (`time::boot`); 0 = unknown |
//! | 8 | log time less the monotonic clock, µs |
//! | 8 | log time, ms |
//! | 4 | CRC-32C of all of it |
//!
//! Written in place and never synced: a crash of the process loses nothing, and a crash of the machine changes the boot. A
//! missing, damaged or newer file is ignored; log time then starts from the last entry, and advances once this node hears
//! another node or, if there is none, from the wall clock.

use std::{
    fs::{self, File, OpenOptions},
    hash::Hasher,
    io,
    os::unix::fs::{FileExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

const MAGIC: &[u8; 8] = b"FLOTCLK\x1a";
const FORMAT_VERSION: u32 = 1;
const LEN: usize = 8 + 4 + 8 + 8 + 8 + 4;

/// The content of the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClockRecord {
    pub boot: u64,
    pub offset_us: i64,
    pub log_ms: u64,
}

pub fn path_in(directory: &Path) -> PathBuf {
    directory.join("CLOCK")
}

/// A boot's name as stored in the file.
pub fn boot_hash(name: Option<&str>) -> u64 {
    name.map_or(0, |name| {
        let mut hasher = xxhash_rust::xxh3::Xxh3::new();
        hasher.write(name.as_bytes());
        hasher.finish().max(1)
    })
}

impl ClockRecord {
    /// Loads the file; one that cannot be used is ignored, and the reason is logged.
    pub fn load(directory: &Path) -> Option<Self> {
        let path = path_in(directory);
        let why = match fs::read(&path) {
            Ok(bytes) => match Self::decode(&bytes) {
                Ok(record) => return Some(record),
                Err(why) => why.to_owned(),
            },
            Err(error) if error.kind() == io::ErrorKind::NotFound => return None,
            Err(error) => error.to_string(),
        };
        tracing::warn!(path = %path.display(), %why, "cannot read the log time of the last stop; starting without it");
        None
    }

    fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(LEN);
        out.extend_from_slice(MAGIC);
        out.extend_from_slice(&FORMAT_VERSION.to_le_bytes());
        out.extend_from_slice(&self.boot.to_le_bytes());
        out.extend_from_slice(&self.offset_us.to_le_bytes());
        out.extend_from_slice(&self.log_ms.to_le_bytes());
        let crc = crc32c::crc32c(&out);
        out.extend_from_slice(&crc.to_le_bytes());
        out
    }

    fn decode(bytes: &[u8]) -> Result<Self, &'static str> {
        let (fields, crc) = bytes.split_last_chunk::<4>().ok_or("too short")?;
        let mut rest = fields.strip_prefix(MAGIC).ok_or("not a clock file")?;
        let version = u32::from_le_bytes(take(&mut rest).ok_or("too short")?);
        if version > FORMAT_VERSION {
            return Err("written by a newer program");
        }
        if bytes.len() != LEN || crc32c::crc32c(fields) != u32::from_le_bytes(*crc) {
            return Err("checksum");
        }
        Ok(ClockRecord {
            boot: u64::from_le_bytes(take(&mut rest).ok_or("too short")?),
            offset_us: i64::from_le_bytes(take(&mut rest).ok_or("too short")?),
            log_ms: u64::from_le_bytes(take(&mut rest).ok_or("too short")?),
        })
    }
}

/// The file, open for writing.
pub struct ClockFile(File);

impl ClockFile {
    pub fn open(directory: &Path) -> io::Result<Self> {
        let path = path_in(directory);
        OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(path).map(ClockFile)
    }

    /// One page: a reader sees all of this or all of the former content.
    pub fn write(&self, record: &ClockRecord) -> io::Result<()> {
        self.0.write_all_at(&record.encode(), 0)
    }
}

fn take<const N: usize>(bytes: &mut &[u8]) -> Option<[u8; N]> {
    let (head, rest) = bytes.split_first_chunk::<N>()?;
    *bytes = rest;
    Some(*head)
}

#[cfg(test)]
mod tests {
    use super::*;

    const RECORD: ClockRecord = ClockRecord { boot: 7, offset_us: -2, log_ms: 9 };

    #[test]
    fn version_1_golden_bytes() {
        let golden =
            b"FLOTCLK\x1a\x01\0\0\0\x07\0\0\0\0\0\0\0\xfe\xff\xff\xff\xff\xff\xff\xff\x09\0\0\0\0\0\0\0";
        assert_eq!(&RECORD.encode()[..36], golden);
        assert_eq!(ClockRecord::decode(&RECORD.encode()), Ok(RECORD));
    }

    #[test]
    fn what_is_damaged_newer_or_missing_counts_for_nothing() {
        let home = tempfile::tempdir().unwrap();
        assert_eq!(ClockRecord::load(home.path()), None);
        let file = ClockFile::open(home.path()).unwrap();
        file.write(&ClockRecord { boot: 1, ..RECORD }).unwrap();
        file.write(&RECORD).unwrap();
        assert_eq!(ClockRecord::load(home.path()), Some(RECORD));
        for at in 0..LEN {
            let mut bytes = RECORD.encode();
            bytes[at] ^= 1;
            assert!(ClockRecord::decode(&bytes).is_err(), "{at}");
            assert!(ClockRecord::decode(&RECORD.encode()[..at]).is_err(), "{at}");
        }
        fs::write(path_in(home.path()), b"").unwrap();
        assert_eq!(ClockRecord::load(home.path()), None);
    }

    #[test]
    fn boots_have_names_of_their_own() {
        assert_eq!(boot_hash(None), 0);
        assert_ne!(boot_hash(Some("a")), boot_hash(Some("b")));
    }
}
