//! A snapshot on its way to another node: the sender offers a list of files, the receiver fetches them, file by file.
//!
//! Files of RocksDB tables never change, so one with the right length and checksum that an earlier, broken transfer (or
//! the receiver's own snapshot) has left is not fetched again; a file that broke off is resumed where it stopped.

use super::receiving::{self, measure};
use crate::{
    peer::PeerClient,
    replication::wire::{self, FileMeta, GetFile},
};
use bytes::Bytes;
use futures::{
    StreamExt,
    stream::{self, FuturesUnordered},
};
use std::{
    collections::{BTreeMap, BTreeSet},
    fs::{self, File},
    io::{self, Read, Seek, SeekFrom},
    os::unix::fs::MetadataExt,
    path::{Component, Path},
    time::Duration,
};
use tokio::{
    sync::{Mutex, mpsc},
    time::Instant,
};

/// Bytes per call.
pub(super) const PART_BYTES: u32 = 1 << 20;
/// Parts of one file requested before earlier ones are on disk; twice as many may be in memory.
const PARTS_AHEAD: usize = 4;
const PART_MAX: Duration = Duration::from_secs(30);
/// Attempts for one part before the transfer fails; the next transfer resumes it.
const ATTEMPTS_MAX: u32 = 5;

/// Files fetched at a time: while one is synced the next arrives.
const FILES_AT_ONCE: usize = 2;

/// A file by name, length, inode and time: the same ones mean the same content.
pub type SnapshotFile = (String, u64, u64, i64);

/// The files of a snapshot. Reads those that are not `known`, for their checksums.
pub fn snapshot_files(
    directory: &Path,
    known: &BTreeMap<SnapshotFile, FileMeta>,
) -> io::Result<BTreeMap<SnapshotFile, FileMeta>> {
    let mut files = BTreeMap::new();
    for name in names(directory)? {
        let path = directory.join(&name);
        let found = fs::metadata(&path)?;
        let file = (name.clone(), found.len(), found.ino(), found.mtime_nsec());
        let meta = match known.get(&file) {
            Some(meta) => meta.clone(),
            None => {
                let (bytes, checksum) = measure(&path)?;
                FileMeta { name, bytes, checksum }
            }
        };
        files.insert(file, meta);
    }
    Ok(files)
}

/// A part of a file of one of this node's snapshots.
pub fn read_part(snapshots: &Path, wanted: &GetFile) -> io::Result<Bytes> {
    let refused = || io::Error::new(io::ErrorKind::InvalidInput, "no such file of a snapshot");
    // Names come from the network: they may lead nowhere but into the snapshot's own directory.
    if !is_plain(&wanted.snapshot) || !is_plain(&wanted.name) {
        return Err(refused());
    }
    let mut file = File::open(snapshots.join(&wanted.snapshot).join(&wanted.name))?;
    file.seek(SeekFrom::Start(wanted.offset))?;
    let mut part = Vec::with_capacity(wanted.bytes_max.min(PART_BYTES) as usize);
    file.take(u64::from(wanted.bytes_max.min(PART_BYTES))).read_to_end(&mut part)?;
    Ok(part.into())
}

/// Limits a transfer to a number of bytes per second; 0 = no limit.
pub struct Throttle {
    bytes_per_second: u64,
    began: Instant,
    bytes: u64,
}

impl Throttle {
    pub fn new(bytes_per_second: u64) -> Self {
        Throttle { bytes_per_second, began: Instant::now(), bytes: 0 }
    }

    async fn pass(&mut self, bytes: usize) {
        self.bytes = self.bytes.saturating_add(bytes as u64);
        if self.bytes_per_second > 0 {
            let due = Duration::from_secs_f64(self.bytes as f64 / self.bytes_per_second as f64);
            tokio::time::sleep_until(self.began + due).await;
        }
    }
}

/// The source of files: the kind of call, the snapshot, the node.
pub struct Source<'a> {
    pub kind: u32,
    pub snapshot: &'a str,
    pub from: &'a PeerClient,
}

/// Fetches files into `directory`; when this returns they are complete and synced, and other files are removed. `tell` is
/// called with the bytes as they arrive, including those from before.
pub async fn fetch_files(
    source: &Source<'_>,
    files: &[FileMeta],
    directory: &Path,
    throttle: &mut Throttle,
    tell: &(dyn Fn(u64) + Sync),
) -> io::Result<()> {
    fs::create_dir_all(directory)?;
    let wanted: BTreeSet<&str> = files.iter().map(|file| file.name.as_str()).collect();
    for stale in names(directory)?.iter().filter(|name| !wanted.contains(name.as_str())) {
        fs::remove_file(directory.join(stale))?;
    }
    if files.iter().any(|file| !is_plain(&file.name)) {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "a file of the snapshot has a bad name"));
    }
    let throttle = Mutex::new(throttle);
    let (mut to_come, mut under_way, mut outcome) = (files.iter(), FuturesUnordered::new(), Ok(()));
    loop {
        while under_way.len() < FILES_AT_ONCE
            && outcome.is_ok()
            && let Some(file) = to_come.next()
        {
            under_way.push(fetch_file(source, file, directory, &throttle, tell));
        }
        // Also after an error those under way are waited for: nothing writes to the directory when this has returned.
        match under_way.next().await {
            Some(fetched) => outcome = outcome.and(fetched),
            None => break,
        }
    }
    outcome?;
    receiving::sync(directory).await
}

async fn fetch_file(
    source: &Source<'_>,
    wanted: &FileMeta,
    directory: &Path,
    throttle: &Mutex<&mut Throttle>,
    tell: &(dyn Fn(u64) + Sync),
) -> io::Result<()> {
    let Some(held) = receiving::held(directory, wanted).await? else {
        tell(wanted.bytes);
        return Ok(());
    };
    tell(held);
    let starts = (held..wanted.bytes).step_by(PART_BYTES as usize);
    let mut parts = stream::iter(starts).map(|offset| part(source, wanted, offset)).buffered(PARTS_AHEAD);
    let (to_disk, received) = mpsc::channel(PARTS_AHEAD);
    let writer = receiving::write(directory, wanted, held, received);
    let mut broke = None;
    while let Some(part) = parts.next().await {
        let part = match part {
            Ok(part) => part,
            Err(error) => {
                broke = Some(error);
                break;
            }
        };
        throttle.lock().await.pass(part.len()).await;
        tell(part.len() as u64);
        if to_disk.send(part).await.is_err() {
            // The writer has an error to tell.
            break;
        }
    }
    drop((parts, to_disk));
    let written = writer.await;
    match broke {
        // The received bytes stay for the next attempt.
        Some(error) => Err(error),
        None => written,
    }
}

/// The part of a file at `offset`, complete.
async fn part(source: &Source<'_>, wanted: &FileMeta, offset: u64) -> io::Result<Bytes> {
    let bytes = u64::from(PART_BYTES).min(wanted.bytes.saturating_sub(offset));
    let request = GetFile {
        snapshot: source.snapshot.to_owned(),
        name: wanted.name.clone(),
        offset,
        bytes_max: u32::try_from(bytes).unwrap_or(PART_BYTES),
    };
    let mut attempt = 1;
    loop {
        match source.from.call(source.kind, wire::write(&request), PART_MAX).await {
            Ok(part) if part.len() as u64 == bytes => return Ok(part),
            Ok(_) => {
                let text = format!("{} is too short", wanted.name);
                return Err(io::Error::new(io::ErrorKind::UnexpectedEof, text));
            }
            Err(error) if attempt >= ATTEMPTS_MAX => return Err(io::Error::other(error)),
            Err(_) => tokio::time::sleep(Duration::from_millis(100) * attempt).await,
        }
        attempt = attempt.saturating_add(1);
    }
}

fn is_plain(name: &str) -> bool {
    let mut parts = Path::new(name).components();
    matches!((parts.next(), parts.next()), (Some(Component::Normal(_)), None))
}

fn names(directory: &Path) -> io::Result<BTreeSet<String>> {
    fs::read_dir(directory)?.map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned())).collect()
}
