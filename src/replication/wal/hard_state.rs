//! `STATE`: the few facts that must never go back in time. Replaced atomically: temporary file, fsync, rename, fsync of the
//! directory.
//!
//! | bytes | field |
//! |---|---|
//! | 8 | magic `FLOTSTA` + 0x1A |
//! | 4 | format version (1) |
//! | 16 | id of the log, random at creation |
//! | 1 + 8 + 8 + 1 | vote: present, term, node, committed |
//! | 1 + 8 + 8 | purge marker: present, term, index of the last entry purged |
//! | 4 | CRC-32C of all of it |
//!
//! Magic, version and, at the very end, the checksum are where they are in every version: a version counts only once the
//! checksum has vouched for it, or one flipped bit would look like the file of a newer program.

use super::error::LogError;
use crate::{environment::Environment, fail, store::LogId};
use std::{
    fs, io,
    path::{Path, PathBuf},
};

const MAGIC: &[u8; 8] = b"FLOTSTA\x1a";
const FORMAT_VERSION: u32 = 1;
const LEN: usize = 8 + 4 + 16 + 18 + 17 + 4;

/// This node's vote, and whether a majority voted the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct VoteRecord {
    pub term: u64,
    pub node_id: u64,
    pub committed: bool,
}

/// The content of `STATE`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct HardState {
    pub(super) log_id: [u8; 16],
    pub(super) vote: Option<VoteRecord>,
    pub(super) purged: Option<LogId>,
}

pub(super) fn path_in(directory: &Path) -> PathBuf {
    directory.join("STATE")
}

impl HardState {
    /// That of a log without a past.
    pub(super) fn new(environment: Environment) -> Self {
        HardState { log_id: environment.random_id(), vote: None, purged: None }
    }

    /// Reads it; `None` if it does not exist.
    pub(super) fn load(directory: &Path) -> Result<Option<Self>, LogError> {
        let path = path_in(directory);
        match fs::read(&path) {
            Ok(bytes) => Self::decode(&path, &bytes).map(Some),
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(e) => Err(LogError::io("read", &path)(e)),
        }
    }

    /// Replaces it durably.
    pub(super) fn store(&self, environment: Environment, directory: &Path) -> io::Result<()> {
        let (path, disk) = (path_in(directory), environment.disk());
        let temporary = path.with_extension("tmp");
        let file = disk.create(&temporary)?;
        disk.write_all_at(&file, &temporary, &self.encode(), 0)?;
        disk.sync_all(&file, &temporary)?;
        fail::io_point("log.vote")?;
        disk.rename(&temporary, &path)?;
        disk.sync_directory(directory)
    }

    fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(LEN);
        out.extend_from_slice(MAGIC);
        out.extend_from_slice(&FORMAT_VERSION.to_le_bytes());
        out.extend_from_slice(&self.log_id);
        let vote = self.vote.unwrap_or(VoteRecord { term: 0, node_id: 0, committed: false });
        out.push(u8::from(self.vote.is_some()));
        out.extend_from_slice(&vote.term.to_le_bytes());
        out.extend_from_slice(&vote.node_id.to_le_bytes());
        out.push(u8::from(vote.committed));
        let purged = self.purged.unwrap_or_default();
        out.push(u8::from(self.purged.is_some()));
        out.extend_from_slice(&purged.term.to_le_bytes());
        out.extend_from_slice(&purged.index.to_le_bytes());
        let crc = crc32c::crc32c(&out);
        out.extend_from_slice(&crc.to_le_bytes());
        out
    }

    fn decode(path: &Path, bytes: &[u8]) -> Result<Self, LogError> {
        let damaged = |detail: &str| LogError::damaged(path, 0, detail);
        let mut rest = bytes.strip_prefix(MAGIC).ok_or_else(|| damaged("not a log state file"))?;
        let short = || damaged("too short");
        let (fields, crc) = bytes.split_last_chunk::<4>().ok_or_else(short)?;
        if crc32c::crc32c(fields) != u32::from_le_bytes(*crc) {
            return Err(damaged("checksum"));
        }
        let version = u32::from_le_bytes(take(&mut rest).ok_or_else(short)?);
        if version > FORMAT_VERSION {
            return Err(LogError::Newer { path: path.to_path_buf(), found: version, known: FORMAT_VERSION });
        }
        if bytes.len() != LEN {
            return Err(damaged("its length is not that of its version"));
        }
        let log_id = take(&mut rest).ok_or_else(short)?;
        let [voted] = take(&mut rest).ok_or_else(short)?;
        let term = u64::from_le_bytes(take(&mut rest).ok_or_else(short)?);
        let node_id = u64::from_le_bytes(take(&mut rest).ok_or_else(short)?);
        let [committed] = take(&mut rest).ok_or_else(short)?;
        let [purged] = take(&mut rest).ok_or_else(short)?;
        let purged_term = u64::from_le_bytes(take(&mut rest).ok_or_else(short)?);
        let purged_index = u64::from_le_bytes(take(&mut rest).ok_or_else(short)?);
        Ok(HardState {
            log_id,
            vote: (voted == 1).then_some(VoteRecord { term, node_id, committed: committed == 1 }),
            purged: (purged == 1).then_some(LogId { term: purged_term, index: purged_index }),
        })
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

    fn sample() -> HardState {
        HardState {
            log_id: [3; 16],
            vote: Some(VoteRecord { term: 7, node_id: 2, committed: true }),
            purged: Some(LogId { term: 5, index: 99 }),
        }
    }

    #[test]
    fn version_1_golden_bytes() {
        let bytes = sample().encode();
        let golden = b"FLOTSTA\x1a\x01\0\0\0\x03\x03\x03\x03\x03\x03\x03\x03\x03\x03\x03\x03\x03\x03\x03\x03\
            \x01\x07\0\0\0\0\0\0\0\x02\0\0\0\0\0\0\0\x01\x01\x05\0\0\0\0\0\0\0\x63\0\0\0\0\0\0\0";
        assert_eq!(&bytes[..63], &golden[..]);
        assert_eq!(bytes.len(), LEN);
    }

    #[test]
    fn round_trips_and_refuses_cuts_flips_and_newer_versions() {
        let path = Path::new("STATE");
        for state in [sample(), HardState { vote: None, purged: None, ..sample() }] {
            let bytes = state.encode();
            assert_eq!(HardState::decode(path, &bytes).unwrap(), state);
            for cut in 0..bytes.len() {
                assert!(HardState::decode(path, &bytes[..cut]).is_err(), "cut at {cut}");
            }
            for bit in 0..bytes.len() * 8 {
                let mut flipped = bytes.clone();
                flipped[bit / 8] ^= 1 << (bit % 8);
                let error = HardState::decode(path, &flipped).unwrap_err();
                assert!(error.damage().is_some(), "bit {bit}: {error}");
            }
        }
        // With more fields than this version has.
        let mut newer = sample().encode();
        newer[8] = 2;
        newer.truncate(LEN - 4);
        newer.extend_from_slice(b"a further field");
        newer.extend_from_slice(&crc32c::crc32c(&newer).to_le_bytes());
        assert!(matches!(HardState::decode(path, &newer), Err(LogError::Newer { found: 2, known: 1, .. })));
    }
}
