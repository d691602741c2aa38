//! What can go wrong while the log is opened. Once it is open, a failed write stops the process instead.

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
    /// What is on disk is not what was written. Never repaired by guessing: acknowledged writes may be in it.
    #[error("{} is damaged at byte {offset} ({detail}); restore the file or replace this node", path.display())]
    Damaged { path: PathBuf, offset: u64, detail: String },
    /// Written by a newer program.
    #[error("{} has format version {found}; this program reads up to {known}", path.display())]
    Newer { path: PathBuf, found: u32, known: u32 },
    /// Another process has the data directory.
    #[error("{} is in use by another process (its lock file is held)", path.display())]
    Locked { path: PathBuf },
    /// Damage was found, and a human is to see to it.
    #[error("{} is quarantined: {text}. Start the node with --repair-damaged yes, or with an empty data directory: it gets all data back", path.display())]
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

    /// What is damaged, if that is why.
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

    /// Damage to a file ends this process, which then repairs it (`fail::damaged`); any other error is given back. For whoever
    /// would pass it to somebody that cannot tell the two apart, such as openraft.
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
