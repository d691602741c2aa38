//! Reads that may wait for the disk, on the pool of the network thread.

use super::connection::Connection;
use crate::resp::ErrorReply;
use std::time::Duration;

/// How long a node that is asked to stop waits for a read that is under way.
const READ_GRACE: Duration = Duration::from_secs(1);

impl Connection {
    /// Runs a read where waiting is allowed. A node that stops does not wait for a long one: its client hears so, and the
    /// read ends with the process.
    pub(super) async fn on_pool<T: Send + 'static>(
        &self,
        run: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, ErrorReply> {
        tokio::select! {
            biased;
            done = tokio::task::spawn_blocking(run) => done.map_err(|_panic| ErrorReply::err("internal error")),
            () = self.thread.stop.wait_overdue(READ_GRACE) => {
                Err(ErrorReply::try_again("the server is stopping; nothing was read"))
            }
        }
    }
}
