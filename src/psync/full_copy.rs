//! A view as an RDB for one follower.
//!
//! It is made as it is sent, a part at a time; no more than one value is held. One copy is under way at a time. A follower that cannot
//! find the end of an RDB is told its length, for which the RDB is made twice: a view stays what it is.

use super::{
    Libraries,
    values::{self, Carried, Stopped},
};
use crate::{
    error::Result as HandlerResult,
    limits::{DATABASES, REPORTED_REDIS_VERSION},
    rdb::{self, Writer},
    store::{Published, ReadTime, Store, View},
};
use bytes::Bytes;
use parking_lot::Mutex;
use std::{
    io::{self, Write},
    ops::ControlFlow,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
};
use tokio::sync::mpsc;

const CHUNK_BYTES: usize = 256 << 10;
/// Chunks that wait for the connection.
const CHUNKS_WAITING: usize = 4;
/// Keys that are read at a time.
const KEYS: usize = 512;

/// Whose turn it is to get a copy.
#[derive(Debug, Default)]
pub struct Turn {
    is_taken: AtomicBool,
    has_ended: AtomicBool,
    waiting: Mutex<()>,
}

impl Turn {
    /// Nobody's, any more.
    pub fn end(&self) {
        self.has_ended.store(true, Ordering::Release);
    }

    pub fn is_ended(&self) -> bool {
        self.has_ended.load(Ordering::Acquire)
    }

    pub fn is_free(&self) -> bool {
        !self.is_taken.load(Ordering::Acquire)
    }
}

/// A copy that can be taken.
pub struct FullCopy {
    pub replid: String,
    /// Where the stream goes on behind it.
    pub offset: u64,
    pub(super) store: Arc<Store>,
    pub(super) view: Arc<Published>,
    pub(super) libraries: Libraries,
    pub(super) turn: Arc<Turn>,
}

/// A part of it.
pub enum CopyChunk {
    /// It will have so many bytes.
    Length(u64),
    Bytes(Bytes),
    /// That was all.
    End,
}

impl FullCopy {
    /// Begins to make it, once it is its turn. `counts`: the first part is its length. What ends without `End` has failed.
    pub fn start(self, counts: bool) -> io::Result<mpsc::Receiver<CopyChunk>> {
        let (to, chunks) = mpsc::channel(CHUNKS_WAITING);
        thread::Builder::new().name("psync-copy".into()).spawn(move || {
            let turn = Arc::clone(&self.turn);
            let _first = turn.waiting.lock();
            if turn.is_ended() || to.is_closed() {
                return;
            }
            turn.is_taken.store(true, Ordering::Release);
            if let Err(stopped) = self.make(&to, counts) {
                match stopped {
                    Stopped::Unwanted => {}
                    Stopped::TooLarge(key) => {
                        let key = String::from_utf8_lossy(key.get(..key.len().min(100)).unwrap_or(&key)).into_owned();
                        tracing::warn!(key, "the value of a key is too large to be sent to a follower by PSYNC; it gets no copy");
                    }
                    Stopped::Failed(why) => tracing::warn!(why, "a copy for a follower by PSYNC failed"),
                }
            }
            // What holds the store goes before the turn.
            drop(self);
            turn.is_taken.store(false, Ordering::Release);
        })?;
        Ok(chunks)
    }

    fn make(&self, to: &mpsc::Sender<CopyChunk>, counts: bool) -> Result<(), Stopped> {
        let send = |chunk| to.blocking_send(chunk).map_err(|_| Stopped::Unwanted);
        if counts {
            let length = self.write(Length(&self.turn, to))?;
            send(CopyChunk::Length(length))?;
        }
        self.write(Chunks { to, buffer: Vec::new() })?;
        send(CopyChunk::End)
    }

    fn write(&self, target: impl Write) -> Result<u64, Stopped> {
        let created = (self.view.state().last_at / 1000).to_string();
        let about = [("redis-ver", REPORTED_REDIS_VERSION), ("redis-bits", "64"), ("ctime", &created)];
        let mut writer = Writer::new(target, rdb::VERSION, &about).map_err(unwanted)?;
        let view = |db| self.store.blocking_view(&self.view, db, ReadTime::LastEntry).quiet();
        for text in (self.libraries)(&view(0))? {
            writer.function(&text).map_err(unwanted)?;
        }
        for db in 0..DATABASES {
            let counts = *self.view.state().database(db);
            if counts.keys > 0 {
                writer.select(db, counts.keys, counts.expires).map_err(unwanted)?;
                database(&view(db), &mut writer)?;
            }
        }
        // Its checksum, and what the target still has.
        let written = writer.written().saturating_add(1).saturating_add(8);
        writer.finish().map_err(unwanted)?;
        Ok(written)
    }
}

fn database<W: Write>(view: &View<'_>, writer: &mut Writer<W>) -> Result<(), Stopped> {
    let mut next = Some(Vec::new());
    while let Some(start) = next.take() {
        let keys = page(view, &start)?;
        if keys.len() == KEYS {
            next = keys.last().map(|last| [&last[..], &[0]].concat());
        }
        for key in keys {
            // It is there: it was seen in the same view.
            let Some(Carried { object, expires_at, .. }) = values::read(view, &key)? else { continue };
            writer.record(&key, &object, (expires_at != 0).then_some(expires_at)).map_err(unwanted)?;
        }
    }
    Ok(())
}

fn page(view: &View<'_>, start: &[u8]) -> HandlerResult<Vec<Vec<u8>>> {
    let mut keys = Vec::with_capacity(KEYS);
    view.scan(b"", start, |key, _| {
        keys.push(key.to_vec());
        Ok(if keys.len() < KEYS { ControlFlow::Continue(()) } else { ControlFlow::Break(()) })
    })?;
    Ok(keys)
}

/// The only reason for which a target refuses bytes.
fn unwanted(_error: io::Error) -> Stopped {
    Stopped::Unwanted
}

/// Hands on what it is given in parts of some size.
struct Chunks<'a> {
    to: &'a mpsc::Sender<CopyChunk>,
    buffer: Vec<u8>,
}

impl Write for Chunks<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let room = CHUNK_BYTES.saturating_sub(self.buffer.len());
        let (now, _) = bytes.split_at_checked(room).unwrap_or((bytes, &[]));
        self.buffer.extend_from_slice(now);
        if self.buffer.len() >= CHUNK_BYTES {
            self.flush()?;
        }
        Ok(now.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        let chunk = CopyChunk::Bytes(std::mem::take(&mut self.buffer).into());
        // A connection that takes nothing is closed, and all are when the node stops.
        self.to.blocking_send(chunk).map_err(|_| io::ErrorKind::BrokenPipe.into())
    }
}

/// Counts by the writer alone.
struct Length<'a>(&'a Turn, &'a mpsc::Sender<CopyChunk>);

impl Write for Length<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self.0.is_ended() || self.1.is_closed() {
            true => Err(io::ErrorKind::BrokenPipe.into()),
            false => Ok(bytes.len()),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
