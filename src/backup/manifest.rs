//! What a backup consists of: JSON, and below it a checksum (`checked.rs`). The last object that is written of it, under
//! `backups/`.

use super::{BackupError, Result, damaged, objects::Objects};
use crate::{checked, replication::FileMeta, store::LogId};
use serde::{Deserialize, Serialize};

pub const FORMAT_VERSION: u32 = 1;
const DIRECTORY: &str = "backups";
const SUFFIX: &str = ".manifest";

/// See the module.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    pub format_version: u32,
    /// Of the program that wrote it.
    pub version: String,
    /// What a program must understand to open the data.
    pub feature_level: u32,
    pub cluster_id: String,
    pub history_id: String,
    pub node: String,
    /// The last entry in the data: its term and its index, which is the revision.
    pub term: u64,
    pub index: u64,
    /// Log time of that entry, and the node's wall clock, milliseconds.
    pub log_time_ms: u64,
    pub taken_at_ms: u64,
    /// Of the state, kept by apply: equal on all nodes at this entry.
    pub change_sum: u64,
    pub files: Vec<BackupFile>,
}

/// A file of the checkpoint.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BackupFile {
    pub name: String,
    pub bytes: u64,
    /// CRC-32C, by which nodes know their files.
    pub checksum: u32,
    pub sha256: String,
    /// Below `files/`. Other backups may have the same.
    pub object: String,
}

impl Manifest {
    pub fn log_id(&self) -> LogId {
        LogId { term: self.term, index: self.index }
    }

    /// Its name sorts by time.
    pub fn name(&self) -> String {
        let seconds = std::time::UNIX_EPOCH + std::time::Duration::from_secs(self.taken_at_ms / 1000);
        let time: String = humantime::format_rfc3339_seconds(seconds)
            .to_string()
            .chars()
            .filter(|c| !"-:".contains(*c))
            .collect();
        format!("{time}-{}", self.index)
    }

    pub fn bytes(&self) -> u64 {
        self.files.iter().map(|file| file.bytes).sum()
    }

    /// The object of a file that is the same as one of this backup.
    pub fn has(&self, file: &FileMeta) -> Option<&BackupFile> {
        let is_same = |own: &&BackupFile| {
            (own.name.as_str(), own.bytes, own.checksum) == (file.name.as_str(), file.bytes, file.checksum)
        };
        self.files.iter().find(is_same)
    }

    pub async fn write(&self, objects: &Objects) -> Result<()> {
        let text = serde_json::to_string_pretty(self).map_err(|e| BackupError::Refused(e.to_string()))?;
        let object = format!("{DIRECTORY}/{}{SUFFIX}", self.name());
        objects.put(&object, checked::seal(&text).into_bytes()).await.map(drop)
    }

    pub async fn read(objects: &Objects, name: &str) -> Result<Manifest> {
        #[derive(Deserialize)]
        struct Version {
            format_version: u32,
            version: String,
        }
        let object = format!("{DIRECTORY}/{name}{SUFFIX}");
        let sealed = String::from_utf8(objects.get(&object).await?).unwrap_or_default();
        let text = match checked::unseal(&sealed) {
            Ok(read) if read.is_checked => read.text,
            _ => return damaged(&objects.name(&object), "its checksum is wrong"),
        };
        let bad = |error: serde_json::Error| BackupError::Damaged {
            object: objects.name(&object),
            detail: error.to_string(),
        };
        let Version { format_version, version } = serde_json::from_str(text).map_err(bad)?;
        if format_version > FORMAT_VERSION {
            return Err(BackupError::Refused(format!(
                "backup {name} is of flotilla {version}, in format {format_version}; this program reads up to {FORMAT_VERSION}"
            )));
        }
        let manifest: Manifest = serde_json::from_str(text).map_err(bad)?;
        let is_plain = |name: &str| !name.is_empty() && !name.contains(['/', '\\']) && name != "..";
        if !manifest.files.iter().all(|file| is_plain(&file.name) && is_plain(&file.object)) {
            return damaged(&objects.name(&object), "a file in it has a bad name");
        }
        Ok(manifest)
    }

    /// The names of all backups, the oldest first.
    pub async fn names(objects: &Objects) -> Result<Vec<String>> {
        let found = objects.list(DIRECTORY).await?;
        Ok(found.keys().filter_map(|name| name.strip_suffix(SUFFIX)).map(str::to_owned).collect())
    }

    /// The newest of this history, or of any. One that cannot be read is an error: what it shares would be sent again, or
    /// deleted.
    pub async fn newest(objects: &Objects, history: Option<&str>) -> Result<Option<Manifest>> {
        for name in Manifest::names(objects).await?.iter().rev() {
            let manifest = Manifest::read(objects, name).await?;
            if history.is_none_or(|history| manifest.history_id == history) {
                return Ok(Some(manifest));
            }
        }
        Ok(None)
    }

    /// Removes a backup; its files only `collect` does.
    pub async fn delete(objects: &Objects, name: &str) -> Result<()> {
        objects.delete(&[format!("{DIRECTORY}/{name}{SUFFIX}")]).await
    }
}
