//! Opening a log: reads every record, decides what counts, drops a torn tail, refuses anything else.

use super::{
    error::LogError,
    file::{self, SEGMENT_HEADER_BYTES, SegmentFile, SegmentOptions},
    hard_state::{self, HardState},
    index::{Index, Location, SegmentIndex},
    record::RecordKind,
    scan::{self, Found, Tail},
};
use crate::{environment::Environment, store::LogId};
use std::{
    collections::VecDeque,
    fs,
    os::unix::fs::{FileExt, PermissionsExt},
    path::{Path, PathBuf},
    sync::Arc,
};

/// A log as found.
pub(super) struct Opened {
    pub(super) state: HardState,
    pub(super) index: Index,
    pub(super) last: Option<LogId>,
    /// The file of the next record.
    pub(super) file: Arc<SegmentFile>,
    pub(super) offset: u64,
    /// Empty segments after it.
    pub(super) ready: VecDeque<Arc<SegmentFile>>,
    pub(super) next_serial: u64,
}

/// Opens the log in `directory`, or creates it.
pub(super) fn open(directory: &Path, options: &SegmentOptions) -> Result<Opened, LogError> {
    create_private_directory(options.environment, directory)?;
    file::remove_temporary(options.environment, directory)?;
    let segments = file::list(directory)?;
    let state = match HardState::load(directory)? {
        Some(state) => state,
        None if segments.is_empty() => create_state(options.environment, directory)?,
        None => {
            let detail = "it is missing, but there are log segments: the vote and the purge marker are lost";
            return Err(LogError::damaged(&hard_state::path_in(directory), 0, detail));
        }
    };
    if segments.is_empty() {
        return create_first(directory, state, options);
    }
    Replay::new(options.environment, state).read(&segments)
}

/// A directory that only this user can enter, whose name is durable: else all that is ever written into it might go
/// with it when the power does.
pub fn create_private_directory(environment: Environment, directory: &Path) -> Result<(), LogError> {
    let disk = environment.disk();
    let is_new = |path: &&Path| !path.as_os_str().is_empty() && !path.exists();
    let new = directory.ancestors().skip(1).take_while(is_new).count();
    disk.create_directory(directory).map_err(LogError::io("create directory", directory))?;
    for parent in directory.ancestors().skip(1).take(new.saturating_add(1)) {
        let parent = if parent.as_os_str().is_empty() { Path::new(".") } else { parent };
        disk.sync_directory(parent).map_err(LogError::io("sync directory", parent))?;
    }
    fs::set_permissions(directory, fs::Permissions::from_mode(0o700))
        .map_err(LogError::io("set permissions of", directory))
}

fn create_state(environment: Environment, directory: &Path) -> Result<HardState, LogError> {
    let state = HardState::new(environment);
    state.store(environment, directory).map_err(LogError::io("create log state in", directory))?;
    Ok(state)
}

fn create_first(directory: &Path, state: HardState, options: &SegmentOptions) -> Result<Opened, LogError> {
    if state.purged.is_some() {
        return Err(LogError::damaged(directory, 0, "the log had entries, but all its segments are missing"));
    }
    let bytes = options.first_segment_bytes.min(options.segment_bytes);
    let file = SegmentFile::create(options.environment, directory, &state.log_id, 1, bytes)?;
    let offset = u64::from(SEGMENT_HEADER_BYTES);
    let mut index = Index::default();
    index.segments.push_back(SegmentIndex::new(Arc::clone(&file), offset));
    Ok(Opened { state, index, last: state.purged, file, offset, ready: VecDeque::new(), next_serial: 2 })
}

/// Replays the records of all segments.
struct Replay {
    environment: Environment,
    state: HardState,
    index: Index,
    last: Option<LogId>,
    /// The first segment that does not end cleanly: its path, where, until where, why.
    torn: Option<Torn>,
    ready: VecDeque<Arc<SegmentFile>>,
}

struct Torn {
    file: Arc<SegmentFile>,
    from: u64,
    to: u64,
    detail: &'static str,
}

impl Replay {
    fn new(environment: Environment, state: HardState) -> Self {
        Replay { environment, state, index: Index::default(), last: None, torn: None, ready: VecDeque::new() }
    }

    fn read(mut self, segments: &[(u64, PathBuf)]) -> Result<Opened, LogError> {
        let mut previous = None;
        for (serial, path) in segments {
            match previous {
                None if *serial != 1 && self.state.purged.is_none() => {
                    return Err(LogError::damaged(
                        path,
                        0,
                        "earlier segments are missing, but nothing was purged",
                    ));
                }
                Some(previous) if *serial != previous + 1 => {
                    return Err(LogError::damaged(path, 0, format!("segment {} is missing", previous + 1)));
                }
                _ => previous = Some(*serial),
            }
            self.segment(*serial, path)?;
        }
        self.finish(previous.unwrap_or_default().saturating_add(1))
    }

    fn segment(&mut self, serial: u64, path: &Path) -> Result<(), LogError> {
        let file = SegmentFile::open(self.environment, path, serial, &self.state.log_id)?;
        let bytes = fs::read(path).map_err(LogError::io("read log segment", path))?;
        if !scan::is_begun(&bytes) && !self.index.segments.is_empty() {
            self.ready.push_back(file);
            return Ok(());
        }
        if let Some(empty) = self.ready.front() {
            return Err(LogError::damaged(&empty.path, 0, "an empty segment before one with records"));
        }
        if let Some(torn) = &self.torn {
            let detail = format!(
                "{}, but a later segment was started, which happens only after this one is synced",
                torn.detail
            );
            return Err(self.damaged(&torn.file.path, torn.from, &detail));
        }
        let (records, end, tail) = scan::scan(&bytes, file.salt);
        self.index.segments.push_back(SegmentIndex::new(Arc::clone(&file), u64::from(end)));
        for record in &records {
            self.record(path, record)?;
        }
        match tail {
            Tail::Clean => Ok(()),
            Tail::Torn { end: to, detail } => {
                self.torn = Some(Torn { file, from: u64::from(end), to, detail });
                Ok(())
            }
            Tail::Damaged { detail } => Err(self.damaged(path, u64::from(end), &detail)),
            Tail::Newer { version } => {
                let known = u32::from(super::record::RECORD_VERSION);
                Err(LogError::Newer { path: path.to_path_buf(), found: u32::from(version), known })
            }
        }
    }

    fn record(&mut self, path: &Path, found: &Found) -> Result<(), LogError> {
        let header = &found.header;
        let index = header.index;
        match header.kind {
            RecordKind::Truncation => {
                self.index.truncate(index);
                self.last = index.checked_sub(1).and_then(|last| {
                    let (_, location) = self.index.find(last)?;
                    Some(LogId { term: location.term, index: last })
                });
            }
            RecordKind::Entry(_) if self.state.purged.is_some_and(|purged| index <= purged.index) => {}
            RecordKind::Entry(_) => {
                let before = self.last.or(self.state.purged);
                if before.is_some_and(|before| index != before.index.saturating_add(1)) {
                    let detail = format!("entry {index} follows {}", before.unwrap_or_default().index);
                    return Err(self.damaged(path, u64::from(found.offset), &detail));
                }
                let bytes = u32::try_from(header.record_bytes()).unwrap_or(u32::MAX);
                self.index.push(index, Location { offset: found.offset, bytes, term: header.term });
                self.last = Some(LogId { term: header.term, index });
            }
        }
        Ok(())
    }

    fn finish(self, next_serial: u64) -> Result<Opened, LogError> {
        let last = self.last.or(self.state.purged);
        if let Some(torn) = &self.torn {
            tracing::warn!(
                file = %torn.file.path.display(), offset = torn.from, bytes = torn.to - torn.from,
                last_index = last.map(|last| last.index), reason = torn.detail,
                "dropping the unfinished tail of the log; none of it was acknowledged"
            );
            // Else a later, shorter batch would leave some of it behind.
            torn.file
                .fill_with_zeros(torn.from, torn.to)
                .map_err(LogError::io("clear the torn tail of", &torn.file.path))?;
        }
        let Some(current) = self.index.segments.back() else {
            return Err(LogError::Raft("the log has no segment".into()));
        };
        let (file, offset) = (Arc::clone(&current.file), current.used_bytes);
        let end = file.file.metadata().map_err(LogError::io("stat", &file.path))?.len();
        if end < offset {
            return Err(LogError::damaged(&file.path, end, "it is shorter than its records"));
        }
        tracing::info!(
            segments = self.index.segments.len(),
            last_index = last.map(|last| last.index),
            purged_index = self.state.purged.map(|purged| purged.index),
            "log opened"
        );
        Ok(Opened {
            state: self.state,
            last,
            file,
            offset,
            ready: self.ready,
            next_serial,
            index: self.index,
        })
    }

    fn damaged(&self, path: &Path, offset: u64, detail: &str) -> LogError {
        let after = match self.last.or(self.state.purged) {
            Some(last) => format!("after entry {}", last.index),
            None => "at the first entry".into(),
        };
        LogError::damaged(path, offset, format!("{detail}, {after}"))
    }
}

/// Reads a record's bytes.
pub(super) fn read_at(file: &SegmentFile, location: Location) -> std::io::Result<Vec<u8>> {
    let mut bytes = vec![0; location.bytes as usize];
    file.file.read_exact_at(&mut bytes, u64::from(location.offset))?;
    Ok(bytes)
}
