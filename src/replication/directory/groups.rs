//! Where each group of a node has its files.
//!
//! The first group's are in the data directory itself, as they were when a node had one: directories of before open as they
//! are. Those of another group are in `groups/ID`. `IDENTITY`, `LOCK` and `QUARANTINED` are the node's and there once.

use crate::{
    peer::FIRST_GROUP,
    replication::wal::{LogError, create_private_directory},
};
use std::path::{Path, PathBuf};

/// The directory of a group's log, store and snapshots; made if need be.
pub fn open_group(data_directory: &Path, group: u64) -> Result<PathBuf, LogError> {
    let directory = group_directory(data_directory, group);
    create_private_directory(&directory)?;
    Ok(directory)
}

fn group_directory(data_directory: &Path, group: u64) -> PathBuf {
    match group {
        FIRST_GROUP => data_directory.to_path_buf(),
        other => data_directory.join("groups").join(other.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_group_is_where_data_always_were() {
        let home = tempfile::tempdir().unwrap();
        assert_eq!(open_group(home.path(), FIRST_GROUP).unwrap(), home.path());
        let other = open_group(home.path(), 7).unwrap();
        assert_eq!(other, home.path().join("groups/7"));
        assert!(other.is_dir());
    }
}
