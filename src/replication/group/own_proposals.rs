//! What a node proposes for itself by its handle, as no client's.

use super::GroupHandle;
use crate::replication::queue::Outcome;
use bytes::Bytes;

impl GroupHandle {
    /// Proposes it here or at the leader, and waits for its outcome.
    pub async fn propose(&self, proposal: Bytes) -> Outcome {
        self.queue.propose(proposal, false).await.unwrap_or_else(Outcome::NotDone)
    }
}
