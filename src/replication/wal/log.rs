//! The log as its users see it.

use super::{
    error::LogError,
    file::SegmentOptions,
    files::Files,
    gathered::Gathered,
    hard_state::VoteRecord,
    index::Candidate,
    open,
    record::{LogEntry, read_entry},
    shared::{Shared, Source},
    writer::{Task, Writer},
};
use crate::{environment::Environment, state::LatencyMonitor, store::LogId};
use crossbeam::channel::{Receiver, Sender, bounded};
use parking_lot::Mutex;
use std::{
    io,
    path::Path,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicU64, Ordering},
    },
    thread::JoinHandle,
    time::Duration,
};

/// Runs on the writer thread once its task is durable. Never runs if that fails: the process stops.
pub type Done = Box<dyn FnOnce() + Send>;

/// The part of the log that is kept although the store has flushed it: for nodes and sites that were away for a while.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retention {
    /// Always at least this much.
    pub bytes: u64,
    /// Also entries written this recently,
    pub age: Duration,
    /// or while a bootstrap snapshot is being fetched, but then no more than this, or `bytes` if that is more.
    pub bytes_max: u64,
}

impl Retention {
    /// By size alone.
    pub fn of_bytes(bytes: u64) -> Self {
        Retention { bytes, age: Duration::ZERO, bytes_max: bytes }
    }

    /// The most that may be kept, of any age: for a node that will continue from a snapshot that it is fetching.
    pub fn at_most(self) -> Self {
        Retention { bytes: self.bytes_max.max(self.bytes), ..self }
    }
}

/// Tasks that may wait for the writer; one more waits for room.
const TASKS_MAX: usize = 256;

/// The log. Shared by the raft thread and its readers.
pub struct SegmentLog {
    shared: Arc<Mutex<Shared>>,
    tasks: Sender<Task>,
    bytes: Arc<AtomicU64>,
    id: [u8; 16],
    environment: Environment,
    latency: Arc<OnceLock<Arc<LatencyMonitor>>>,
    thread: Option<JoinHandle<()>>,
}

impl SegmentLog {
    /// Opens or creates the log in `directory` and starts its threads.
    pub fn open(directory: &Path, options: &SegmentOptions) -> Result<Self, LogError> {
        let opened = open::open(directory, options)?;
        let bytes = Arc::new(AtomicU64::new(opened.index.bytes()));
        let shared = Arc::new(Mutex::new(Shared::new(
            options.cache_bytes,
            opened.last,
            opened.state.purged,
            opened.state.vote,
            opened.index,
        )));
        let files = Files::start(
            options.environment,
            directory,
            opened.state.log_id,
            options.segment_bytes,
            opened.ready,
            opened.next_serial,
        )?;
        // Segments left by a crash between purge marker and deletion.
        if let Some(purged) = opened.state.purged {
            files.delete(shared.lock().index.purge(purged.index));
        }
        let id = opened.state.log_id;
        let latency = Arc::<OnceLock<_>>::default();
        let writer = Writer {
            environment: options.environment,
            latency: Arc::clone(&latency),
            directory: directory.to_path_buf(),
            state: opened.state,
            shared: Arc::clone(&shared),
            bytes: Arc::clone(&bytes),
            files,
            file: opened.file,
            offset: opened.offset,
            buffer: Gathered::default(),
            group: Default::default(),
        };
        let (tasks, queue) = bounded(TASKS_MAX);
        let thread =
            start(options.environment, writer, queue).map_err(LogError::io("start thread for", directory))?;
        Ok(SegmentLog { shared, tasks, bytes, id, environment: options.environment, latency, thread })
    }

    /// From now on long writes and syncs are told of. The first call counts.
    pub fn watch_latency(&self, latency: &Arc<LatencyMonitor>) {
        let _ = self.latency.set(Arc::clone(latency));
    }

    /// Whose disk and threads it has.
    pub fn environment(&self) -> Environment {
        self.environment
    }

    /// A random id made at its creation.
    pub fn id(&self) -> String {
        self.id.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// Appends entries that follow the last one. They can be read at once; `done` runs when they are durable.
    pub fn append(&self, entries: Vec<LogEntry>, done: Done) -> Result<(), LogError> {
        let Some(batch) = self.shared.lock().append(&entries) else {
            return Err(LogError::Raft("appended entries do not follow the last one".into()));
        };
        self.send(Task::Append { entries, batch, done })
    }

    /// Removes what follows `last` (`None`: everything).
    pub fn truncate_after(&self, last: Option<LogId>, done: Done) -> Result<(), LogError> {
        self.shared.lock().truncate_after(last);
        let first = last.map_or(0, |last| last.index.saturating_add(1));
        self.send(Task::Truncate { first, done })
    }

    /// Forgets entries up to `upto`; deletes segments that contain no others.
    pub fn purge(&self, upto: LogId, done: Done) -> Result<(), LogError> {
        self.send(Task::Purge { upto, done })
    }

    /// Announces that a snapshot will take the store to `upto`, not this log, which may have other entries up to there:
    /// from now on `has` and `term` know none of them. A purge follows.
    pub fn cover(&self, upto: LogId) {
        self.shared.lock().cover(upto);
    }

    /// Replaces the vote.
    pub fn save_vote(&self, vote: VoteRecord, done: Done) -> Result<(), LogError> {
        self.send(Task::Vote { vote, done })
    }

    /// The durable vote.
    pub fn vote(&self) -> Option<VoteRecord> {
        self.shared.lock().vote
    }

    /// The last entry purged and the last entry there is (the former if all are purged).
    pub fn state(&self) -> (Option<LogId>, Option<LogId>) {
        let shared = self.shared.lock();
        (shared.purged, shared.last)
    }

    /// Whether the entry at this index, present or future, is neither purged nor covered.
    pub fn has(&self, index: u64) -> bool {
        self.shared.lock().gone().is_none_or(|gone| gone.index < index)
    }

    /// The term of an entry, or of the last purged or covered one; `None`: there is no such entry.
    pub fn term(&self, index: u64) -> Option<u64> {
        self.shared.lock().term(index)
    }

    /// The number of truncations and covers: entries read before the last one may be gone.
    pub fn cuts(&self) -> u64 {
        self.shared.lock().cuts
    }

    /// Entries from `start` to before `end`, as far as there are any; stops after `bytes_max` bytes, but not before
    /// the first entry.
    pub fn read(&self, start: u64, end: u64, bytes_max: usize) -> Result<Vec<LogEntry>, LogError> {
        let (first, past) = self.shared.lock().range();
        let mut entries = Vec::new();
        let mut bytes = 0_usize;
        for index in start.max(first)..end.min(past) {
            let source = self.shared.lock().source(index);
            let entry = match source {
                Some(Source::Memory(entry)) => entry,
                Some(Source::Disk(file, location)) => {
                    let record = open::read_at(&file, location)
                        .map_err(LogError::io("read log segment", &file.path))?;
                    match read_entry(&record, file.salt) {
                        Some((entry, _)) if entry.index == index => entry,
                        _ => {
                            let offset = u64::from(location.offset);
                            let detail = format!("entry {index} does not read back as written");
                            return Err(LogError::damaged(&file.path, offset, detail));
                        }
                    }
                }
                // Purged or truncated since the range was taken.
                None => break,
            };
            bytes = bytes.saturating_add(entry.payload.len());
            if bytes > bytes_max && !entries.is_empty() {
                break;
            }
            entries.push(entry);
        }
        Ok(entries)
    }

    /// As `read`, from memory only; `None`: the first entry is not in memory.
    pub fn read_memory(&self, start: u64, end: u64, bytes_max: usize) -> Option<Vec<LogEntry>> {
        let shared = self.shared.lock();
        let (first, past) = shared.range();
        let mut entries = Vec::new();
        let mut bytes = 0_usize;
        if start < first {
            return None;
        }
        for index in start..end.min(past) {
            let Some(Source::Memory(entry)) = shared.source(index) else { break };
            bytes = bytes.saturating_add(entry.payload.len());
            if bytes > bytes_max && !entries.is_empty() {
                break;
            }
            entries.push(entry);
        }
        (!entries.is_empty()).then_some(entries)
    }

    /// Bytes written into the segments that exist.
    pub fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }

    /// The highest index whose purge frees whole segments and keeps what `keep` demands.
    pub fn purge_point(&self, keep: &Retention) -> Option<u64> {
        self.purge_point_at(keep, self.environment.monotonic_ms())
    }

    pub(super) fn purge_point_at(&self, keep: &Retention, now_ms: u64) -> Option<u64> {
        let candidates = self.shared.lock().index.candidates();
        let may_go = |segment: &Candidate| {
            segment.bytes_left >= keep.bytes
                && (segment.bytes_left >= keep.bytes_max.max(keep.bytes)
                    || segment.file.age(now_ms) >= keep.age)
        };
        candidates.iter().take_while(|segment| may_go(segment)).last().map(|segment| segment.last)
    }

    fn send(&self, task: Task) -> Result<(), LogError> {
        self.tasks.send(task).map_err(|_| LogError::Raft("the log is closed".into()))
    }
}

fn start(
    environment: Environment,
    writer: Writer,
    queue: Receiver<Task>,
) -> io::Result<Option<JoinHandle<()>>> {
    if let Some(simulation) = environment.simulation() {
        simulation.host(Box::new((writer, queue)));
        return Ok(None);
    }
    std::thread::Builder::new().name("log-writer".into()).spawn(move || writer.run(&queue)).map(Some)
}

impl Drop for SegmentLog {
    /// Writes queued entries and ends the threads.
    fn drop(&mut self) {
        let _ = self.tasks.send(Task::Stop);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
