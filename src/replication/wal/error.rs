//! Errors of opening the log. Once it is open, a failed write stops the process instead.

use crate::{
    error::StoreError,
    fail::{self, Damage, Part},
};
use std::{
    io,
    path::{Path, PathBuf},
};

/// Why the log, or the node on it, cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// The operating system refused.
    #[error("{what} {}: {source}", path.display())]
    Io { what: &'static str, path: PathBuf, source: io::Error },
    /// The bytes on disk differ from those written. Never repaired by guessing: they may contain acknowledged writes.
    #[error("{} is damaged at byte {offset} ({detail}); restore the file or replace this node", path.display())]
    Damaged { path: PathBuf, offset: u64, detail: String },
    /// Written by a newer program.
    #[error("{} has format version {found}; this program reads up to {known}", path.display())]
    Newer { path: PathBuf, found: u32, known: u32 },
    /// Another process has the data directory.
    #[error("{} is in use by another process (its lock file is held)", path.display())]
    Locked { path: PathBuf },
    /// Damage was found, and a human must act.
    #[error("{} is quarantined: {text}. Start the node with --repair-damaged yes, or with an empty data directory: it then copies all data from another node", path.display())]
    Quarantined { path: PathBuf, text: String },
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The consensus layer refused to start or has stopped.
    #[error("raft: {0}")]
    Raft(String),
}

impl LogError {
    /// For `map_err` after a file operation.
    pub fn io(what: &'static str, path: &Path) -> impl FnOnce(io::Error) -> LogError {
        let path = path.to_path_buf();
        move |source| LogError::Io { what, path, source }
    }

    /// Whether there was no room to write.
    pub fn is_disk_full(&self) -> bool {
        match self {
            LogError::Io { source, .. } => source.kind() == io::ErrorKind::StorageFull,
            LogError::Store(error) => error.is_disk_full(),
            LogError::Damaged { .. }
            | LogError::Newer { .. }
            | LogError::Locked { .. }
            | LogError::Quarantined { .. }
            | LogError::Raft(_) => false,
        }
    }

    /// The damage, if damage is the cause.
    pub fn damage(&self) -> Option<Damage> {
        match self {
            LogError::Damaged { path, detail, .. } => {
                let part = if path.ends_with("store") { Part::Store } else { Part::Log };
                Some(Damage { part, file: path.display().to_string(), detail: detail.clone() })
            }
            LogError::Store(error) => error.damage(),
            LogError::Io { .. }
            | LogError::Newer { .. }
            | LogError::Locked { .. }
            | LogError::Quarantined { .. }
            | LogError::Raft(_) => None,
        }
    }

    /// Damage to a file ends this process, which then repairs it (`fail::damaged`); any other error is returned. For
    /// callers that pass errors to code that cannot tell the two apart, such as openraft.
    pub fn or_repair(self) -> LogError {
        if let Some(damage) = self.damage() {
            fail::damaged(&damage);
        }
        self
    }

    pub fn damaged(path: &Path, offset: u64, detail: impl Into<String>) -> LogError {
        LogError::Damaged { path: path.to_path_buf(), offset, detail: detail.into() }
    }
}

impl From<LogError> for io::Error {
    fn from(error: LogError) -> io::Error {
        io::Error::other(error)
    }
}
