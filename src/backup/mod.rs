//! Backups in an object store, an archive of the log beside them, and the way back.
//!
//! ```text
//!  node  ─ checkpoint ─▶ files that the store does not have yet ─▶ files/NAME-RANDOM ┐
//!        ─ then ───────▶ the manifest, which names all files ────▶ backups/TIME-INDEX.manifest ├─ restore ─▶ a new data directory
//!  leader ─ every few seconds ─▶ entries since the last ─────────▶ log/HISTORY/FIRST-LAST ┘
//! ```
//!
//! A backup is a checkpoint of the store (`replication/snapshots`): files that never change. One that the newest backup has
//! is not sent again. The archive has the log's entries behind a backup, so that a restore can stop at any entry, or at any
//! moment of log time: replaying them is what a node does after a restart. The restored node is the only one of a new cluster
//! with a new history, so edges of the old one start again by themselves, and nodes of the old one are refused.
//!
//! | file | content |
//! |---|---|
//! | `objects.rs` | the object store: names, retries, what is read and written, its checksum |
//! | `cipher.rs` | objects that only the holder of a key can read or make |
//! | `manifest.rs` | what a backup consists of |
//! | `archive.rs` | entries in objects |
//! | `keeper.rs`, `take.rs` | the node's side: backups when asked or due, the archive, what is deleted |
//! | `restore.rs` | a data directory from a backup and the archive |
//! | `cli.rs` | `flotilla backup`, `flotilla restore` |
//!
//! **Invariants.**
//! * A manifest is written when all its files are in the store; before that a backup does not exist.
//! * Nothing waits for the object store but the backup itself: it runs on a thread of its own, and the log is purged without it.
//! * Only committed entries are archived.
//! * What is read back has the checksum of what was written, or the restore ends with the name of the object.

mod archive;
mod cipher;
mod cli;
mod keeper;
mod manifest;
mod objects;
mod restore;
mod take;

pub use cli::{programs, run};
pub use keeper::{Keeper, KeeperOptions};

/// Why a backup or a restore ended.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    #[error("{what}: {source}")]
    Io { what: String, source: std::io::Error },
    #[error("{what}: {source}")]
    Objects { what: String, source: object_store::Error },
    #[error("{object}: {detail}")]
    Damaged { object: String, detail: String },
    #[error(transparent)]
    Store(#[from] crate::error::StoreError),
    #[error(transparent)]
    Log(#[from] crate::replication::LogError),
    #[error("{0}")]
    Refused(String),
}

type Result<T> = std::result::Result<T, BackupError>;

fn io(what: impl Into<String>) -> impl FnOnce(std::io::Error) -> BackupError {
    let what = what.into();
    move |source| BackupError::Io { what, source }
}

fn damaged<T>(object: &str, detail: impl Into<String>) -> Result<T> {
    Err(BackupError::Damaged { object: object.to_owned(), detail: detail.into() })
}
