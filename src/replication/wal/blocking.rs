//! Work that may wait for the disk, away from the raft thread.

use tokio::task::JoinError;

/// Runs it on a thread that may wait. An error means that it panicked or that the runtime ends.
pub async fn blocking<T: Send + 'static>(run: impl FnOnce() -> T + Send + 'static) -> Result<T, JoinError> {
    // A simulation has one thread, and its disk never waits.
    #[cfg(test)]
    if crate::tests::stage::is_set() {
        return Ok(run());
    }
    tokio::task::spawn_blocking(run).await
}
