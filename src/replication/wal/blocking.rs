//! Work that may wait for the disk, away from the raft thread.

use crate::environment::may_wait;
use tokio::task::JoinError;

/// Runs it on a thread that may wait, or here if there is none. An error means that it panicked or that the runtime ends.
pub async fn blocking<T: Send + 'static>(run: impl FnOnce() -> T + Send + 'static) -> Result<T, JoinError> {
    match may_wait() {
        true => tokio::task::spawn_blocking(run).await,
        false => Ok(run()),
    }
}
