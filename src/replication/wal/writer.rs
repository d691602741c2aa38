//! The log-writer thread: takes all that is queued, writes it (with one pwrite unless it is large) and syncs it once, then tells
//! everyone.

use super::{
    file::SEGMENT_HEADER_BYTES,
    files::Files,
    gathered::Gathered,
    hard_state::{HardState, VoteRecord},
    index::{Location, SegmentIndex},
    log::Done,
    record::{LogEntry, OVERHEAD_BYTES, RecordKind},
    shared::Shared,
};
use crate::{
    environment::Environment,
    fail,
    state::{LatencyEvent, LatencyMonitor},
    store::LogId,
};
use bytes::Bytes;
use crossbeam::channel::Receiver;
use parking_lot::Mutex;
use std::{
    io,
    path::PathBuf,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

/// Bytes after which a group is written although more is queued.
const GROUP_BYTES_MAX: usize = 8 << 20;

/// Attempts to write the log's state to a disk that is full, and the time between two of them.
const STATE_ATTEMPTS_MAX: u32 = 100;
const STATE_INTERVAL: Duration = Duration::from_millis(100);

/// A task of the writer; tasks run in order.
pub(super) enum Task {
    Append { entries: Vec<LogEntry>, batch: u64, done: Done },
    Truncate { first: u64, done: Done },
    Vote { vote: VoteRecord, done: Done },
    Purge { upto: LogId, done: Done },
    Stop,
}

/// State of the thread.
pub(super) struct Writer {
    pub(super) environment: Environment,
    pub(super) latency: Arc<OnceLock<Arc<LatencyMonitor>>>,
    pub(super) directory: PathBuf,
    pub(super) state: HardState,
    pub(super) shared: Arc<Mutex<Shared>>,
    /// Length of the whole log, for monitoring.
    pub(super) bytes: Arc<AtomicU64>,
    pub(super) files: Files,
    pub(super) file: Arc<super::file::SegmentFile>,
    /// All of the current file below is durable.
    pub(super) offset: u64,
    pub(super) buffer: Gathered,
    pub(super) group: Group,
}

/// The effects of the buffer's bytes once they are durable.
#[derive(Default)]
pub(super) struct Group {
    changes: Vec<Change>,
    done: Vec<Done>,
    batch: u64,
}

enum Change {
    Entry { index: u64, location: Location },
    Truncate { first: u64 },
}

impl Writer {
    /// Works until `Task::Stop` or until all senders are gone.
    pub(super) fn run(mut self, tasks: &Receiver<Task>) {
        let _guard = fail::StopOnPanic("the log-writer thread");
        while let Ok(task) = tasks.recv() {
            if !self.group(task, || tasks.try_recv().ok()) {
                return;
            }
        }
    }

    /// Executes a task and those that wait behind it, with one write and one sync if they allow it; false to stop.
    pub(super) fn group(&mut self, first: Task, mut waiting: impl FnMut() -> Option<Task>) -> bool {
        let mut next = Some(first);
        while let Some(task) = next.take() {
            if !self.take(task) {
                self.flush();
                return false;
            }
            if self.buffer.len() < GROUP_BYTES_MAX {
                next = waiting();
            }
        }
        self.flush();
        true
    }

    /// Adds a task to the group, or does it at once; false to stop.
    fn take(&mut self, task: Task) -> bool {
        match task {
            Task::Append { entries, batch, done } => {
                for entry in &entries {
                    self.put(RecordKind::Entry(entry.kind), entry.index, entry.term, &entry.payload);
                }
                self.group.batch = batch;
                self.group.done.push(done);
            }
            Task::Truncate { first, done } => {
                fail::point("log.truncate");
                self.put(RecordKind::Truncation, first, 0, &Bytes::new());
                self.group.done.push(done);
            }
            Task::Vote { vote, done } => {
                self.flush();
                self.state.vote = Some(vote);
                self.store_state();
                self.shared.lock().vote = Some(vote);
                done();
            }
            Task::Purge { upto, done } => {
                self.flush();
                self.purge(upto);
                done();
            }
            Task::Stop => return false,
        }
        true
    }

    /// Encodes a record into the buffer; moves to the next segment first if it does not fit.
    fn put(&mut self, kind: RecordKind, index: u64, term: u64, payload: &Bytes) {
        let bytes = payload.len().saturating_add(OVERHEAD_BYTES);
        let at = self.offset.saturating_add(self.buffer.len() as u64);
        let empty = at == u64::from(SEGMENT_HEADER_BYTES);
        if !empty && at.saturating_add(bytes as u64) > self.file.capacity {
            self.flush_records();
            self.roll();
        }
        let at = self.offset.saturating_add(self.buffer.len() as u64);
        // Offsets fit: a segment holds its capacity or one record, and both are below 4 GiB.
        let offset = u32::try_from(at).unwrap_or(u32::MAX);
        let durable_below = u32::try_from(self.offset).unwrap_or(u32::MAX);
        self.buffer.put((self.file.salt, durable_below), kind, (index, term), payload);
        self.group.changes.push(match kind {
            RecordKind::Entry(_) => {
                let bytes = u32::try_from(bytes).unwrap_or(u32::MAX);
                Change::Entry { index, location: Location { offset, bytes, term } }
            }
            RecordKind::Truncation => Change::Truncate { first: index },
        });
    }

    /// Makes the group durable and runs its callbacks.
    fn flush(&mut self) {
        self.flush_records();
        if self.group.done.is_empty() {
            return;
        }
        self.shared.lock().durable(self.group.batch);
        self.group.done.drain(..).for_each(|done| done());
    }

    /// Makes the buffer durable and publishes where its records are.
    fn flush_records(&mut self) {
        if self.buffer.is_empty() {
            return;
        }
        let began_us = self.environment.monotonic_us();
        if let Err(error) = self.write() {
            fail::stop_the_process(&format!("cannot write log {}: {error}", self.file.path.display()));
        }
        if let Some(latency) = self.latency.get() {
            let took_us = self.environment.monotonic_us().saturating_sub(began_us);
            latency.add_us(LatencyEvent::LogSync, took_us);
        }
        self.offset = self.offset.saturating_add(self.buffer.len() as u64);
        self.bytes.fetch_add(self.buffer.len() as u64, Ordering::Relaxed);
        self.buffer.clear(2 * GROUP_BYTES_MAX);
        let mut shared = self.shared.lock();
        for change in self.group.changes.drain(..) {
            match change {
                Change::Entry { index, location } => shared.index.push(index, location),
                Change::Truncate { first } => shared.index.truncate(first),
            }
        }
        if let Some(segment) = shared.index.segments.back_mut() {
            segment.used_bytes = self.offset;
        }
    }

    fn write(&mut self) -> io::Result<()> {
        fail::io_point("log.append")?;
        if fail::torn_write() {
            self.file.write_all_at(self.buffer.torn(), self.offset)?;
            self.file.sync_data()?;
            std::process::abort();
        }
        let mut at = self.offset;
        self.buffer.parts(|bytes| {
            self.file.write_all_at(bytes, at)?;
            at = at.saturating_add(bytes.len() as u64);
            Ok(())
        })?;
        fail::io_point("log.sync")?;
        self.file.sync_data()?;
        fail::point("log.synced");
        Ok(())
    }

    /// Moves to the next segment. Everything in the current one is durable.
    fn roll(&mut self) {
        fail::point("log.roll");
        self.file.close();
        self.file = self.files.next();
        self.offset = u64::from(SEGMENT_HEADER_BYTES);
        self.bytes.fetch_add(self.offset, Ordering::Relaxed);
        let segment = SegmentIndex::new(Arc::clone(&self.file), self.offset);
        self.shared.lock().index.segments.push_back(segment);
    }

    fn purge(&mut self, upto: LogId) {
        if self.state.purged.is_some_and(|purged| purged.index >= upto.index) {
            return;
        }
        self.state.purged = Some(upto);
        self.store_state();
        fail::point("log.purge");
        let (gone, bytes) = {
            let mut shared = self.shared.lock();
            shared.purge(upto);
            let gone = shared.index.purge(upto.index);
            (gone, shared.index.bytes())
        };
        self.bytes.store(bytes, Ordering::Relaxed);
        self.files.delete(gone);
    }

    /// The file is new each time, so that want of room is no reason to give up at once.
    fn store_state(&self) {
        let mut stored = self.state.store(self.environment, &self.directory);
        for _ in 0..STATE_ATTEMPTS_MAX {
            match &stored {
                Err(error)
                    if error.kind() == io::ErrorKind::StorageFull && self.environment.has_threads() => {}
                Ok(()) | Err(_) => break,
            }
            std::thread::sleep(STATE_INTERVAL);
            stored = self.state.store(self.environment, &self.directory);
        }
        if let Err(error) = stored {
            fail::stop_the_process(&format!(
                "cannot write log state in {}: {error}",
                self.directory.display()
            ));
        }
    }
}
