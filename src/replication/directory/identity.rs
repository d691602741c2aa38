//! The data directory: the node's identity, and the lock that admits one process.
//!
//! `IDENTITY` is JSON, written at the first start (temporary file, fsync, rename, fsync of the directory). It changes only
//! when a node learns something permanent: a core node its cluster, from the founder, and that it is a member; an edge node
//! that it has had all that its core had. `LOCK` is held with an OS file lock for the life of the process, so it needs no
//! cleanup after a crash. A node id is random and never given to another directory: a node whose directory was wiped is a
//! new node, which cannot vote with the memory of the old one.
//!
//! Its last field is a checksum of everything before it. It names its log, because otherwise another node's log beside it
//! would go unnoticed.

use super::{
    identity_file::{FORMAT_VERSION, load, save},
    quarantine::Quarantine,
    repair::{Helpers, begin_anew},
};
use crate::{
    environment::Environment,
    fail::Part,
    replication::wal::{self, LogError},
};
use fs4::fs_std::FileExt;
use serde::{Deserialize, Serialize};
use std::{
    fs::{File, OpenOptions},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    sync::Arc,
};

/// The content of `IDENTITY`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    pub format_version: u32,
    /// Raft's id of this node; below 2^53, so that every JSON reader gets it right.
    pub node_id: u64,
    pub node_uuid: String,
    pub cluster_id: String,
    /// Changes with a restore from backup: a follower of this history must start again.
    pub history_id: String,
    pub node_name: String,
    /// The edge site that the node is of; absent: it is of a core.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub site: Option<String>,
    /// Whether the node knows that it was a member of its core: then a core without it has removed it. Directories without
    /// this field were written before it existed.
    #[serde(default = "yes")]
    pub was_member: bool,
    /// Of an edge site, and has never had all that its core had: its clients may have seen more before its disk was lost.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_partial: bool,
    /// The id of the log in this directory; absent: it has not been opened since nodes write it down.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub log_id: Option<String>,
}

fn yes() -> bool {
    true
}

/// A data directory that belongs to this process.
#[derive(Debug)]
pub struct DataDirectory {
    pub path: PathBuf,
    pub identity: Identity,
    /// Holds the lock until it is dropped.
    pub(super) _lock: File,
}

impl DataDirectory {
    /// Locks `path`, which is created if missing; `node_name` is only used then. A new directory has a cluster of its own;
    /// with `is_one_of_many` it waits for its cluster instead, see `adopt`.
    pub fn open(path: &Path, node_name: &str, is_one_of_many: bool) -> Result<Self, LogError> {
        let (directory, quarantine) = Self::open_damaged(path, node_name, is_one_of_many, None)?;
        match quarantine {
            None => Ok(directory),
            Some(Quarantine { text, .. }) => Err(LogError::Quarantined { path: path.to_path_buf(), text }),
        }
    }

    /// As `open`, for a node that may repair itself from others. Damaged data are left to the caller; with a damaged log or
    /// identity the node has become a new node when this returns.
    pub fn open_damaged(
        path: &Path,
        node_name: &str,
        is_one_of_many: bool,
        helpers: Option<&Helpers>,
    ) -> Result<(Self, Option<Quarantine>), LogError> {
        wal::create_private_directory(Environment::machine(), path)?;
        let lock = lock(&path.join("LOCK"))?;
        let mut quarantine = Quarantine::read(path)?;
        if let (Some(found), Some(helpers)) = (&quarantine, helpers)
            && (found.part == Some(Part::Log) || found.part.is_some() && helpers.are_all_upstream())
        {
            begin_anew(path, found, helpers)?;
            quarantine = None;
        }
        if let Some(Quarantine { part: None, text, .. }) = quarantine {
            return Err(LogError::Quarantined { path: path.to_path_buf(), text });
        }
        wal::remove_temporary(Environment::machine(), path)?;
        let identity = match load(&path.join("IDENTITY"))? {
            Some(identity) => identity,
            None => create(path, node_name, is_one_of_many)?,
        };
        Ok((DataDirectory { path: path.to_path_buf(), identity, _lock: lock }, quarantine))
    }

    /// As this, of an edge site, or (`None`) of a core; one of something else is refused.
    pub fn of(mut self, site: Option<&str>) -> Result<Self, LogError> {
        if self.identity.site.as_deref() == site {
            return Ok(self);
        }
        // It becomes one of a site before anything is in it.
        if self.identity.site.is_none() && !self.path.join("log").exists() {
            self.identity.site = site.map(str::to_owned);
            self.identity.is_partial = site.is_some();
            save(&self.path, &self.identity)?;
            return Ok(self);
        }
        let name =
            |site: Option<&str>| site.map_or("a core".to_owned(), |site| format!("the edge site {site}"));
        Err(LogError::Raft(format!(
            "{} holds a node of {}, which cannot become one of {}",
            self.path.display(),
            name(self.identity.site.as_deref()),
            name(site)
        )))
    }
}

pub(super) fn lock(path: &Path) -> Result<File, LogError> {
    let file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(path)
        .map_err(LogError::io("open", path))?;
    match FileExt::try_lock_exclusive(&file) {
        Ok(true) => Ok(file),
        Ok(false) => Err(LogError::Locked { path: path.to_path_buf() }),
        Err(error) => Err(LogError::io("lock", path)(error)),
    }
}

/// The cluster that the directory's node is of, as far as it can be read.
pub fn cluster_of(directory: &Path) -> Option<String> {
    let identity = load(&directory.join("IDENTITY")).ok()??;
    (!identity.cluster_id.is_empty()).then_some(identity.cluster_id)
}

/// The log in this directory must be the one that IDENTITY names. If IDENTITY names none, it names this one from now on.
pub fn bind_log(directory: &Path, log_id: &str) -> Result<(), LogError> {
    let path = directory.join("IDENTITY");
    let Some(mut identity) = load(&path)? else { return Ok(()) };
    match &identity.log_id {
        Some(known) if known == log_id => Ok(()),
        Some(known) => {
            let detail = format!(
                "it belongs to the log {known}, but the directory 'log' holds the log {log_id}: one of them is another node's, \
                 or the log directory was lost"
            );
            Err(LogError::damaged(&path, 0, detail))
        }
        None => {
            identity.log_id = Some(log_id.to_owned());
            save(directory, &identity)
        }
    }
}

pub(super) fn create(directory: &Path, node_name: &str, is_one_of_many: bool) -> Result<Identity, LogError> {
    if let Some(found) =
        ["log", "store", "snapshot"].map(|name| directory.join(name)).iter().find(|path| path.exists())
    {
        return Err(LogError::damaged(found, 0, "there is data here, but the file IDENTITY is missing"));
    }
    let uuid = || uuid::Uuid::new_v4();
    let identity = Identity {
        format_version: FORMAT_VERSION,
        node_id: (uuid().as_u64_pair().0 >> 11).max(1),
        node_uuid: uuid().to_string(),
        cluster_id: if is_one_of_many { String::new() } else { uuid().to_string() },
        history_id: if is_one_of_many { String::new() } else { uuid().to_string() },
        node_name: node_name.to_owned(),
        site: None,
        was_member: false,
        is_partial: false,
        log_id: None,
    };
    save(directory, &identity)?;
    Ok(identity)
}

/// Records the node's cluster (and history); refuses a different one than recorded before.
pub type Adopt = Arc<dyn Fn(&str, &str) -> Result<(), LogError> + Send + Sync>;

/// Records the cluster of this directory's node. Repeating it changes nothing; another cluster is refused.
pub fn adopt(directory: &Path, cluster_id: &str, history_id: &str) -> Result<(), LogError> {
    let path = directory.join("IDENTITY");
    let missing = || LogError::damaged(&path, 0, "the file is gone");
    let mut identity = load(&path)?.ok_or_else(missing)?;
    if identity.cluster_id == cluster_id && identity.history_id == history_id {
        return Ok(());
    }
    if !identity.cluster_id.is_empty() {
        return Err(LogError::Raft(format!(
            "this node is of cluster {}, not of {cluster_id}",
            identity.cluster_id
        )));
    }
    cluster_id.clone_into(&mut identity.cluster_id);
    history_id.clone_into(&mut identity.history_id);
    save(directory, &identity)
}

/// Writes down that the node of this directory is a member of its core.
pub fn become_member(directory: &Path) -> Result<(), LogError> {
    change(directory, |identity| identity.was_member = true)
}

/// Writes down that the node of this directory, one of an edge site, has had all that its core had.
pub fn become_whole(directory: &Path) -> Result<(), LogError> {
    change(directory, |identity| identity.is_partial = false)
}

/// Makes the node of this directory one of a new cluster with a new history.
pub fn begin_again(directory: &Path) -> Result<(), LogError> {
    change(directory, |identity| {
        identity.cluster_id = uuid::Uuid::new_v4().to_string();
        identity.history_id = uuid::Uuid::new_v4().to_string();
    })
}

fn change(directory: &Path, make: impl FnOnce(&mut Identity)) -> Result<(), LogError> {
    let path = directory.join("IDENTITY");
    let mut identity = load(&path)?.ok_or_else(|| LogError::damaged(&path, 0, "the file is gone"))?;
    make(&mut identity);
    save(directory, &identity)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::replication::directory::identity_file::tests::without_checksum;
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn an_identity_is_made_once_and_kept() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("data");
        let first = DataDirectory::open(&path, "first", false).unwrap().identity;
        let again = DataDirectory::open(&path, "other name", false).unwrap().identity;
        assert_eq!(first, again);
        assert_eq!(first.node_name, "first");
        assert!(first.node_id > 0 && first.node_id < 1 << 53);
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o700);
    }

    #[test]
    fn a_directory_is_of_one_site_or_of_a_core_for_ever() {
        let home = tempfile::tempdir().unwrap();
        let open = || DataDirectory::open(home.path(), "a", false).unwrap();
        drop(open().of(Some("fra")).unwrap());
        std::fs::create_dir(home.path().join("log")).unwrap();
        assert_eq!(open().of(Some("fra")).unwrap().identity.site.as_deref(), Some("fra"));
        for other in [None, Some("sin")] {
            let refused = open().of(other).err().unwrap().to_string();
            assert!(refused.contains("edge site fra"), "{refused}");
        }
        let core = tempfile::tempdir().unwrap();
        std::fs::create_dir(core.path().join("other")).unwrap();
        let held = DataDirectory::open(core.path(), "a", false).unwrap().of(None).unwrap();
        std::fs::create_dir(core.path().join("log")).unwrap();
        assert!(held.of(Some("fra")).is_err());
    }

    #[test]
    fn membership_is_written_down_and_assumed_where_nothing_is_said() {
        let home = tempfile::tempdir().unwrap();
        let open = || DataDirectory::open(home.path(), "a", true).unwrap().identity;
        assert!(!open().was_member);
        become_member(home.path()).unwrap();
        assert!(open().was_member);
        let file = home.path().join("IDENTITY");
        let text = without_checksum(&fs::read_to_string(&file).unwrap());
        let old = text.replace(",\n  \"was_member\": true", "");
        assert_ne!(old, text);
        fs::write(&file, old).unwrap();
        assert!(open().was_member);
    }

    #[test]
    fn a_node_of_a_site_is_partial_until_it_is_said_to_be_whole() {
        let home = tempfile::tempdir().unwrap();
        let open = || DataDirectory::open(home.path(), "a", false).unwrap().of(Some("fra")).unwrap().identity;
        assert!(open().is_partial && open().is_partial);
        become_whole(home.path()).unwrap();
        assert!(!open().is_partial);
        // As it was written before there was a difference.
        assert!(!fs::read_to_string(home.path().join("IDENTITY")).unwrap().contains("is_partial"));
        let core = tempfile::tempdir().unwrap();
        assert!(!DataDirectory::open(core.path(), "a", false).unwrap().of(None).unwrap().identity.is_partial);
    }

    #[test]
    fn a_second_user_of_the_directory_is_refused() {
        let home = tempfile::tempdir().unwrap();
        let held = DataDirectory::open(home.path(), "a", false).unwrap();
        let refused = DataDirectory::open(home.path(), "b", false).err().unwrap();
        assert!(matches!(refused, LogError::Locked { .. }), "{refused}");
        drop(held);
        DataDirectory::open(home.path(), "b", false).unwrap();
    }

    #[test]
    fn newer_damaged_and_missing_identities_are_refused() {
        let home = tempfile::tempdir().unwrap();
        let file = home.path().join("IDENTITY");
        drop(DataDirectory::open(home.path(), "a", false).unwrap());
        let text = fs::read_to_string(&file).unwrap();
        let newer = without_checksum(&text).replace("\"format_version\": 1", "\"format_version\": 2");
        fs::write(&file, newer).unwrap();
        let newer = DataDirectory::open(home.path(), "a", false).err().unwrap();
        assert!(newer.to_string().contains("format version 2; this program reads up to 1"), "{newer}");
        fs::write(&file, &text[..text.len() / 2]).unwrap();
        assert!(matches!(DataDirectory::open(home.path(), "a", false).err(), Some(LogError::Damaged { .. })));
        fs::remove_file(&file).unwrap();
        fs::create_dir(home.path().join("log")).unwrap();
        assert!(matches!(DataDirectory::open(home.path(), "a", false).err(), Some(LogError::Damaged { .. })));
    }
    #[test]
    fn an_identity_belongs_to_one_log() {
        let home = tempfile::tempdir().unwrap();
        drop(DataDirectory::open(home.path(), "a", false).unwrap());
        for _ in 0..2 {
            bind_log(home.path(), "0123").unwrap();
        }
        let refused = bind_log(home.path(), "4567").err().unwrap().to_string();
        assert!(refused.contains("belongs to the log 0123"), "{refused}");
    }
}
