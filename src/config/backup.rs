//! Backups and the archive of the log: parameters and what they mean.

use super::{
    Values,
    parameter::{Change, Kind, Parameter},
    table::{INT, SIZE, row},
};
use std::path::PathBuf;

pub(super) static PARAMETERS: &[Parameter] = &[
    row(
        "backup-to",
        Kind::Text,
        "",
        Change::Start,
        "Where this node's backups go: file:///DIR, s3://BUCKET/PATH, gs://BUCKET/PATH or az://CONTAINER/PATH, the same on all nodes of \
         the core; empty = none are taken. Credentials and endpoint come from the environment (AWS_…, GOOGLE_…, AZURE_…).",
    ),
    row(
        "backup-key-file",
        Kind::Text,
        "",
        Change::Start,
        "File with the key by which backups are encrypted, 64 hexadecimal digits; empty = they are not.",
    ),
    row(
        "backup-interval",
        INT,
        "0",
        Change::Start,
        "Seconds between two backups that the leader takes by itself; 0 = only `flotilla admin backup` takes one.",
    ),
    row(
        "backup-keep",
        INT,
        "0",
        Change::Start,
        "Backups to keep: older ones are deleted after the next one; 0 = all.",
    ),
    row(
        "backup-bytes-per-second",
        SIZE,
        "0",
        Change::Start,
        "Bytes per second at which a backup is sent; 0 = no limit.",
    ),
    row(
        "archive-interval",
        INT,
        "10",
        Change::Start,
        "With `backup-to`: seconds between two parts of the log that the leader archives there, so that a restore can stop at any \
         moment; 0 = the log is not archived.",
    ),
];

/// See the module.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BackupSettings {
    pub to: String,
    pub key_file: Option<PathBuf>,
    /// 0 = only when asked.
    pub interval_seconds: u64,
    /// 0 = all.
    pub keep: usize,
    /// 0 = no limit.
    pub bytes_per_second: u64,
    /// 0 = the log is not archived.
    pub archive_seconds: u64,
}

impl BackupSettings {
    /// `None`: no backups.
    pub(super) fn new(values: &Values) -> Result<Option<Self>, String> {
        let to = values.get("backup-to").to_owned();
        if to.is_empty() {
            return Ok(None);
        }
        if values.get("role") == "edge" {
            return Err("backup-to: an edge takes no backups; its core does".into());
        }
        Ok(Some(BackupSettings {
            to,
            key_file: Some(values.get("backup-key-file")).filter(|path| !path.is_empty()).map(PathBuf::from),
            interval_seconds: values.number("backup-interval")?,
            keep: values.number("backup-keep")?,
            bytes_per_second: values.number("backup-bytes-per-second")?,
            archive_seconds: values.number("archive-interval")?,
        }))
    }
}
