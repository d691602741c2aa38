//! Errors of a running command, sorted by who must learn of them.
//!
//! Invariant: an error is either told to one client (`Client`) or stops the node (`Fatal`). `WouldBlock` and `NotLogged`
//! ask the server to run the same read again: where waiting for the disk is allowed, or once the log has reached the
//! present; `Writes` asks it to log the call. Replicas agree because only `Client` errors can follow from a log entry.

use crate::{
    fail::{self, Damage},
    feature_level,
    resp::ErrorReply,
};

/// The result of a command handler.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why a handler did not produce a reply.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Told to the client; nothing was changed.
    #[error("{0}")]
    Client(#[from] ErrorReply),
    /// The data is not in memory and this thread must not wait for the disk.
    #[error("the read needs the disk")]
    WouldBlock,
    /// The key has expired by now, but not at the time of the last entry: only an entry of now makes that so on every node.
    #[error("the log does not confirm yet that the key has expired")]
    NotLogged,
    /// A script that ran on a view, because it may only read, is about to write: it belongs into the log.
    #[error("the script writes")]
    Writes,
    /// The store failed. The node must stop, because its further answers could not be trusted.
    #[error(transparent)]
    Fatal(#[from] StoreError),
}

/// A failure of the storage engine or of the bytes found in it.
#[derive(Debug, Clone, thiserror::Error)]
pub enum StoreError {
    #[error("storage engine: {0}")]
    Engine(#[from] rocksdb_error::EngineError),
    /// A file of the engine differs from what it wrote.
    #[error("{0}")]
    Damaged(Damage),
    #[error("corrupt {what}: {detail}")]
    Corrupt { what: &'static str, detail: String },
    /// The engine has no room to write; it goes on by itself when there is.
    #[error("the disk is full: {0}")]
    DiskFull(String),
    #[error("{what}: {detail}")]
    Io { what: &'static str, detail: String },
    /// Sound, but of a feature level or version that this program does not understand. Nothing was changed.
    #[error("{0}")]
    NotUnderstood(String),
}

/// Keeps the engine's error type out of every other module's signature.
pub mod rocksdb_error {
    /// The storage engine's own message.
    #[derive(Debug, Clone, thiserror::Error)]
    #[error("{0}")]
    pub struct EngineError(pub String);
}

impl StoreError {
    /// Bytes that no version of this program wrote.
    pub fn corrupt(what: &'static str, detail: impl Into<String>) -> Self {
        StoreError::Corrupt { what, detail: detail.into() }
    }

    /// Something of a feature level that this program does not understand.
    pub fn of_level(what: &str, level: u32) -> Self {
        StoreError::NotUnderstood(format!(
            "{what} is of feature level {level}, {}: nothing was changed; start a build that understands level {level}",
            feature_level::understood()
        ))
    }

    /// The damage, if another node's data can replace what this error is about.
    pub fn damage(&self) -> Option<Damage> {
        match self {
            StoreError::Damaged(damage) => Some(damage.clone()),
            // An entry that cannot be applied is the same on every node.
            StoreError::Corrupt { what: "log entry" | "apply", .. }
            | StoreError::Engine(_)
            | StoreError::DiskFull(_)
            | StoreError::Io { .. }
            | StoreError::NotUnderstood(_) => None,
            StoreError::Corrupt { what, detail } => {
                Some(Damage::of_store(format!("the store's {what}"), detail))
            }
        }
    }

    /// Whether there was no room to write.
    pub fn is_disk_full(&self) -> bool {
        matches!(self, StoreError::DiskFull(_))
    }

    /// For a failure of the store with no client to tell: stops the node, or repairs the damage.
    pub fn stop_the_process(&self, doing: &str) -> ! {
        match self.damage() {
            Some(damage) => fail::damaged(&damage),
            None => fail::stop_the_process(&format!("{doing}: {self}")),
        }
    }

    /// A file of the engine differs from what it wrote.
    pub fn damaged(file: &std::path::Path, detail: impl Into<String>) -> Self {
        StoreError::Damaged(Damage::of_store(file.display().to_string(), detail))
    }

    /// A file-system operation that failed.
    pub fn io(what: &'static str, error: &std::io::Error) -> Self {
        if error.kind() == std::io::ErrorKind::StorageFull {
            return StoreError::DiskFull(format!("{what}: {error}"));
        }
        StoreError::Io { what, detail: error.to_string() }
    }
}
