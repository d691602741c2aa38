//! One unit of the stream after the other, as it is written.

use super::{
    pending::Pending,
    source::Psync,
    totals::count,
    values::{self, Sink, Stopped, command},
};
use crate::{
    limits::DATABASES,
    store::{Published, ReadTime, Store, View},
};
use bytes::Bytes;
use std::{
    sync::Arc,
    time::{Duration, Instant},
};

/// Bytes that are put together before followers are told of them.
const BLOCK_BYTES: usize = 64 << 10;
/// A large value goes into the stream in parts, so that followers take the first while the last are waiting.
const PART_BYTES: usize = 1 << 20;
/// While the stream is full, a follower that takes less than this a second is disconnected.
const SLOW_BYTES_PER_SECOND: u64 = 1 << 20;
const SLOW_LOOK: Duration = Duration::from_secs(1);

impl Psync {
    pub(super) fn produce(
        &self,
        pending: &Pending,
        store: &Store,
        view: &Arc<Published>,
    ) -> Result<(), Stopped> {
        let mut unit = Unit::new(self);
        let views: Vec<View<'_>> =
            (0..DATABASES).map(|db| store.blocking_view(view, db, ReadTime::LastEntry).quiet()).collect();
        unit.put(command(&[b"MULTI"]))?;
        let commands = pending.commands.iter().filter(|queued| pending.is_wanted(queued));
        for queued in commands {
            unit.select(queued.db)?;
            let words: Vec<&[u8]> = queued.words.iter().map(Vec::as_slice).collect();
            unit.put(command(&words))?;
            count(&self.totals.commands, 1);
        }
        for ((contents, key), dirty) in &pending.dirty {
            let Some(db) = pending.database_of(*contents) else { continue };
            let Some(view) = usize::try_from(db).ok().and_then(|db| views.get(db)) else { continue };
            unit.select(db)?;
            values::put(view, key, dirty, &mut unit)?;
            count(&self.totals.values, 1);
        }
        unit.put(command(&[b"EXEC"]))?;
        unit.flush()
    }

    /// Appends to the stream; waits for slow followers while it is full, and disconnects those that are too slow.
    fn append(&self, bytes: Bytes) -> Result<(), Stopped> {
        let mut stream = self.stream.lock();
        let len = bytes.len();
        count(&self.totals.bytes, len as u64);
        let mut at = 0_usize;
        while at < len {
            let to = at.saturating_add(PART_BYTES).min(len);
            stream.append(bytes.slice(at..to));
            at = to;
            self.grown.send_replace(stream.end());
            stream.trim(self.options.backlog_bytes);
            let mut since = (Instant::now(), stream.slowest().map_or(0, |(_, at)| at));
            while stream.kept() > self.options.buffer_bytes.max(self.options.backlog_bytes) {
                if self.copies.is_ended() {
                    return Err(Stopped::Unwanted);
                }
                self.taken.wait_for(&mut stream, SLOW_LOOK);
                let Some((slowest, at)) = stream.slowest() else {
                    stream.trim(self.options.backlog_bytes);
                    break;
                };
                if since.0.elapsed() >= SLOW_LOOK {
                    if at.saturating_sub(since.1) < SLOW_BYTES_PER_SECOND {
                        count(&self.totals.dropped, 1);
                        tracing::warn!(follower = %slowest.address, behind_bytes = stream.end().saturating_sub(at),
                            "a server that follows by PSYNC is too slow; closing its connection");
                        stream.drop_follower(&slowest);
                    }
                    since = (Instant::now(), stream.slowest().map_or(0, |(_, at)| at));
                }
                stream.trim(self.options.backlog_bytes);
            }
        }
        Ok(())
    }
}

/// A unit of the stream as it is written.
pub(super) struct Unit<'a> {
    psync: &'a Psync,
    buffer: Vec<u8>,
    db: Option<u32>,
}

impl<'a> Unit<'a> {
    pub(super) fn new(psync: &'a Psync) -> Self {
        Unit { psync, buffer: Vec::new(), db: None }
    }

    fn select(&mut self, db: u32) -> Result<(), Stopped> {
        if self.db == Some(db) {
            return Ok(());
        }
        self.db = Some(db);
        self.put(command(&[b"SELECT", db.to_string().as_bytes()]))
    }

    pub(super) fn flush(&mut self) -> Result<(), Stopped> {
        self.psync.append(Bytes::from(std::mem::take(&mut self.buffer)))
    }
}

impl Sink for Unit<'_> {
    fn put(&mut self, bytes: Vec<u8>) -> Result<(), Stopped> {
        if bytes.len() >= BLOCK_BYTES {
            self.flush()?;
            return self.psync.append(Bytes::from(bytes));
        }
        self.buffer.extend_from_slice(&bytes);
        if self.buffer.len() >= BLOCK_BYTES { self.flush() } else { Ok(()) }
    }

    fn lost_expiries(&mut self) {
        count(&self.psync.totals.lost_expiries, 1);
    }
}
