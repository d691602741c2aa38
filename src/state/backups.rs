//! This node's backups: what runs, what was done last, how far the log is archived. CORE BACKUP STATUS, INFO and the metrics read
//! it; the keeper of backups writes it.

use parking_lot::Mutex;
use tokio::sync::Notify;

/// A backup under way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct RunningBackup {
    pub began_at_ms: u64,
    /// Of all files; 0 until they are known.
    pub bytes: u64,
    /// Sent, or there already.
    pub bytes_done: u64,
}

/// A backup that is in the object store.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct DoneBackup {
    pub name: String,
    /// The last entry in it.
    pub index: u64,
    pub log_time_ms: u64,
    pub taken_at_ms: u64,
    pub bytes: u64,
    /// The rest was there already.
    pub bytes_sent: u64,
    pub millis: u64,
}

/// How far the log is archived, by this node as the leader.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Archived {
    pub index: u64,
    /// A restore can stop at any moment of log time up to this one.
    pub restorable_ms: u64,
}

/// All of it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct BackupStatus {
    /// Empty: this node makes none.
    pub to: String,
    pub running: Option<RunningBackup>,
    pub last: Option<DoneBackup>,
    /// Since the last success.
    pub error: Option<String>,
    pub archived: Option<Archived>,
    pub archive_error: Option<String>,
    /// Backups and errors since the start.
    pub taken: u64,
    pub failed: u64,
}

/// See the module.
#[derive(Debug, Default)]
pub struct BackupState {
    status: Mutex<BackupStatus>,
    wanted: Notify,
}

impl BackupState {
    pub fn status(&self) -> BackupStatus {
        self.status.lock().clone()
    }

    pub fn change(&self, make: impl FnOnce(&mut BackupStatus)) {
        make(&mut self.status.lock());
    }

    /// Asks for a backup; `Err`: why there will be none.
    pub fn ask(&self) -> Result<(), &'static str> {
        let mut status = self.status.lock();
        if status.to.is_empty() {
            return Err("this node makes no backups: start it with --backup-to, and ask a node of the core");
        }
        if status.running.is_some() {
            return Err("a backup is running");
        }
        status.running = Some(RunningBackup::default());
        self.wanted.notify_one();
        Ok(())
    }

    /// Returns when a backup was asked for.
    pub async fn asked(&self) {
        self.wanted.notified().await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn one_backup_at_a_time_is_asked_for() {
        let state = BackupState::default();
        assert!(state.ask().unwrap_err().contains("--backup-to"));
        state.change(|status| status.to = "file:///x".into());
        state.ask().unwrap();
        assert_eq!(state.ask(), Err("a backup is running"));
        state.asked().await;
        state.change(|status| status.running = None);
        state.ask().unwrap();
    }
}
