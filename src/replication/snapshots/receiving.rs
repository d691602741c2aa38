//! The disk's side of a snapshot that is being fetched: the files left by earlier attempts, and the arriving parts.
//!
//! All disk work here runs on blocking threads, so that the raft thread can answer heartbeats. Only bytes that were there
//! before are read for the checksum; arriving bytes are summed on their way to the disk.

use super::{transfer::PART_BYTES, verified};
use crate::{
    environment::may_wait,
    replication::{wal::blocking, wire::FileMeta},
};
use bytes::Bytes;
use std::{
    fs::{self, File, OpenOptions},
    future::Future,
    io::{self, Read, Write},
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};
use tokio::{sync::mpsc, task::JoinHandle};

/// The receiver's text for a file that arrived damaged.
pub const HAS_NOT_ITS_CHECKSUM: &str = "does not have its checksum";

/// Bytes of a file left by an earlier attempt. `None`: all of it, with the right checksum.
pub(super) async fn held(directory: &Path, wanted: &FileMeta) -> io::Result<Option<u64>> {
    let (path, wanted) = (directory.join(&wanted.name), wanted.clone());
    off_thread(move || match fs::metadata(&path) {
        Ok(found) if found.len() == wanted.bytes => {
            let checksum = match verified::checksum(&found) {
                Some(checksum) => checksum,
                None => measure(&path)?.1,
            };
            let is_whole = checksum == wanted.checksum;
            match is_whole {
                true => verified::note(&found, checksum),
                false => fs::remove_file(&path)?,
            }
            Ok((!is_whole).then_some(0))
        }
        // Another file of this name, which an earlier snapshot brought and the store has linked to: writing into it would
        // change the store.
        Ok(found) if found.nlink() > 1 => {
            fs::remove_file(&path)?;
            Ok(Some(0))
        }
        Ok(found) if found.len() < wanted.bytes => Ok(Some(found.len())),
        Ok(_) => Ok(Some(0)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Some(0)),
        Err(error) => Err(error),
    })
    .await
}

/// Appends the arriving parts to the first `held` bytes of a file; at the end it syncs the file and verifies it. If too
/// little arrived, the bytes stay for the next attempt; a complete file with another checksum is removed.
pub(super) fn write(
    directory: &Path,
    wanted: &FileMeta,
    held: u64,
    received: mpsc::Receiver<Bytes>,
) -> impl Future<Output = io::Result<()>> + use<> {
    let (path, wanted) = (directory.join(&wanted.name), wanted.clone());
    let writing = spawn(path, wanted, held, received);
    async move { writing.await.map_err(io::Error::other)? }
}

fn spawn(
    path: PathBuf,
    wanted: FileMeta,
    held: u64,
    mut received: mpsc::Receiver<Bytes>,
) -> JoinHandle<io::Result<()>> {
    if !may_wait() {
        return tokio::spawn(async move {
            let mut writing = Writing::open(path, wanted, held)?;
            while let Some(part) = received.recv().await {
                writing.put(&part)?;
            }
            writing.finish()
        });
    }
    tokio::task::spawn_blocking(move || {
        let mut writing = Writing::open(path, wanted, held)?;
        while let Some(part) = received.blocking_recv() {
            writing.put(&part)?;
        }
        writing.finish()
    })
}

/// A file that is being written.
struct Writing {
    path: PathBuf,
    wanted: FileMeta,
    file: File,
    bytes: u64,
    checksum: u32,
}

impl Writing {
    fn open(path: PathBuf, wanted: FileMeta, held: u64) -> io::Result<Self> {
        let mut file = OpenOptions::new().create(true).read(true).write(true).truncate(false).open(&path)?;
        file.set_len(held)?;
        let (bytes, checksum) = checksum(&mut file)?;
        Ok(Writing { path, wanted, file, bytes, checksum })
    }

    fn put(&mut self, part: &[u8]) -> io::Result<()> {
        self.file.write_all(part)?;
        self.checksum = crc32c::crc32c_append(self.checksum, part);
        self.bytes = self.bytes.saturating_add(part.len() as u64);
        Ok(())
    }

    fn finish(self) -> io::Result<()> {
        self.file.sync_all()?;
        let found = (self.bytes, self.checksum);
        if self.bytes >= self.wanted.bytes && found != (self.wanted.bytes, self.wanted.checksum) {
            fs::remove_file(&self.path)?;
            let text = format!("{} {HAS_NOT_ITS_CHECKSUM}", self.wanted.name);
            return Err(io::Error::new(io::ErrorKind::InvalidData, text));
        }
        if self.bytes >= self.wanted.bytes {
            verified::note(&self.file.metadata()?, self.wanted.checksum);
        }
        Ok(())
    }
}

/// Makes the names in a directory durable.
pub(super) async fn sync(directory: &Path) -> io::Result<()> {
    let directory = directory.to_path_buf();
    off_thread(move || File::open(directory)?.sync_all()).await
}

/// Length and CRC-32C of a file.
pub(super) fn measure(path: &Path) -> io::Result<(u64, u32)> {
    checksum(&mut File::open(path)?)
}

fn checksum(file: &mut File) -> io::Result<(u64, u32)> {
    let (mut bytes, mut checksum) = (0_u64, 0);
    let mut chunk = vec![0; PART_BYTES as usize];
    loop {
        let read = file.read(&mut chunk)?;
        if read == 0 {
            return Ok((bytes, checksum));
        }
        bytes = bytes.saturating_add(read as u64);
        checksum = crc32c::crc32c_append(checksum, chunk.get(..read).unwrap_or_default());
    }
}

async fn off_thread<T: Send + 'static>(
    run: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> io::Result<T> {
    blocking(run).await.map_err(io::Error::other)?
}
