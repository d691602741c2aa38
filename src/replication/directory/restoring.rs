//! A directory that is being filled from a backup. Until all is there it is quarantined, so that no node starts with a part of the data;
//! what a restore has left that did not end makes room for the next one.

use super::{
    identity::{DataDirectory, create, lock},
    quarantine::Quarantine,
};
use crate::{
    environment::Environment,
    replication::wal::{self, LogError},
};
use std::{fs, path::Path};

/// The first words of the quarantine.
const UNFINISHED: &str = "a restore into this directory did not end";
/// Held by whoever works on the directory, so it stays.
const LOCK: &str = "LOCK";

impl DataDirectory {
    /// An empty one of a new node, quarantined, or `None` if the directory holds anything else than an unfinished restore. It is for
    /// the caller to lift the quarantine.
    pub fn for_restore(path: &Path, node_name: &str) -> Result<Option<Self>, LogError> {
        wal::create_private_directory(Environment::machine(), path)?;
        // A node that runs on it holds the lock; what is wrong is not that.
        if is_taken(path)? {
            return Ok(None);
        }
        // Another restore may be at work, or have ended meanwhile.
        let lock = lock(&path.join(LOCK))?;
        if is_taken(path)? {
            return Ok(None);
        }
        // Before there is anything else.
        Quarantine::begin(path, &format!("{UNFINISHED}; restore again, or empty it"))?;
        for found in others(path)? {
            let removed = if found.is_dir() { fs::remove_dir_all(&found) } else { fs::remove_file(&found) };
            removed.map_err(LogError::io("remove", &found))?;
        }
        let identity = create(path, node_name, false)?;
        Ok(Some(DataDirectory { path: path.to_path_buf(), identity, _lock: lock }))
    }
}

/// Whether it holds anything else than an unfinished restore.
fn is_taken(directory: &Path) -> Result<bool, LogError> {
    let quarantine = Quarantine::read(directory)?;
    let is_unfinished = quarantine.is_some_and(|found| found.text.starts_with(UNFINISHED));
    Ok(!is_unfinished && others(directory)?.next().is_some())
}

/// All that is in it but the lock and the quarantine.
fn others(directory: &Path) -> Result<impl Iterator<Item = std::path::PathBuf>, LogError> {
    let found: Result<Vec<_>, _> = fs::read_dir(directory)
        .map_err(LogError::io("read", directory))?
        .map(|entry| entry.map(|entry| entry.path()))
        .collect();
    let found = found.map_err(LogError::io("read", directory))?;
    Ok(found
        .into_iter()
        .filter(|path| path.file_name().is_none_or(|name| name != LOCK && name != Quarantine::NAME)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unfinished_restore_makes_room_for_the_next_and_nothing_else_does() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("data");
        let begun = DataDirectory::for_restore(&path, "core-0").unwrap().unwrap();
        assert!(matches!(DataDirectory::for_restore(&path, "core-0"), Err(LogError::Locked { .. })));
        let id = begun.identity.node_id;
        fs::create_dir(path.join("received")).unwrap();
        fs::write(path.join("received/part"), "x").unwrap();
        drop(begun);
        assert!(matches!(DataDirectory::open(&path, "core-0", false), Err(LogError::Quarantined { .. })));
        // It broke off; once more.
        let again = DataDirectory::for_restore(&path, "core-0").unwrap().unwrap();
        assert!(!path.join("received").exists() && again.identity.node_id != id);
        drop(again);
        // It is done.
        Quarantine::lift(&path).unwrap();
        assert!(DataDirectory::for_restore(&path, "core-0").unwrap().is_none());
        assert!(DataDirectory::open(&path, "core-0", false).is_ok());
        // Damage is no unfinished restore.
        Quarantine::begin(&path, "the state of this node differs").unwrap();
        assert!(DataDirectory::for_restore(&path, "core-0").unwrap().is_none());
    }
}
