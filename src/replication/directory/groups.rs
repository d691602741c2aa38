//! The directories of a node's groups.
//!
//! The first group's are in the data directory itself, as before there were groups: old directories open unchanged. Those
//! of another group are in `groups/ID`. `IDENTITY`, `LOCK` and `QUARANTINED` belong to the node and exist once.

use crate::{
    environment::Environment,
    peer::FIRST_GROUP,
    replication::wal::{LogError, create_private_directory},
};
use std::path::{Path, PathBuf};

/// The directory of a group's log, store and snapshots; made if need be.
pub fn open_group(environment: Environment, data_directory: &Path, group: u64) -> Result<PathBuf, LogError> {
    let directory = group_directory(data_directory, group);
    create_private_directory(environment, &directory)?;
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
        assert_eq!(open_group(Environment::machine(), home.path(), FIRST_GROUP).unwrap(), home.path());
        let other = open_group(Environment::machine(), home.path(), 7).unwrap();
        assert_eq!(other, home.path().join("groups/7"));
        assert!(other.is_dir());
    }
}
