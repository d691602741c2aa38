//! What can go wrong while a command runs, sorted by who must hear of it.
//!
//! Invariant: an error is either told to one client (`Client`) or stops the node (`Fatal`); `WouldBlock` and
//! `NotLogged` are neither: they ask the server to run the same read again, where waiting for the disk is allowed, or
//! when the log has come to the present. Replicas decide
//! alike because only `Client` errors can follow from a log entry.

use crate::{
    fail::{self, Damage},
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
    #[error("the log does not say yet that the key has expired")]
    NotLogged,
    /// The store failed: the node must stop, because what it would answer from here on cannot be trusted.
    #[error(transparent)]
    Fatal(#[from] StoreError),
}

/// A failure of the storage engine or of the bytes found in it.
#[derive(Debug, Clone, thiserror::Error)]
pub enum StoreError {
    #[error("storage engine: {0}")]
    Engine(#[from] rocksdb_error::EngineError),
    /// A file of the engine is not what it wrote.
    #[error("{0}")]
    Damaged(Damage),
    #[error("corrupt {what}: {detail}")]
    Corrupt { what: &'static str, detail: String },
    #[error("{what}: {detail}")]
    Io { what: &'static str, detail: String },
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

    /// What is damaged, if this is not merely a failure: then another node's data can take its place.
    pub fn damage(&self) -> Option<Damage> {
        match self {
            StoreError::Damaged(damage) => Some(damage.clone()),
            // An entry that cannot be applied is the same on every node.
            StoreError::Corrupt { what: "log entry" | "apply", .. }
            | StoreError::Engine(_)
            | StoreError::Io { .. } => None,
            StoreError::Corrupt { what, detail } => {
                Some(Damage::of_store(format!("the store's {what}"), detail))
            }
        }
    }

    /// The store failed where nobody can be told: the node stops, or repairs what is damaged.
    pub fn stop_the_process(&self, doing: &str) -> ! {
        match self.damage() {
            Some(damage) => fail::damaged(&damage),
            None => fail::stop_the_process(&format!("{doing}: {self}")),
        }
    }

    /// A file of the engine is not what it wrote.
    pub fn damaged(file: &std::path::Path, detail: impl Into<String>) -> Self {
        StoreError::Damaged(Damage::of_store(file.display().to_string(), detail))
    }

    /// A file-system operation that failed.
    pub fn io(what: &'static str, error: &std::io::Error) -> Self {
        StoreError::Io { what, detail: error.to_string() }
    }
}
