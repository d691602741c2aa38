//! Entries of the site's log that were proposed and have not completed yet: bounded in number, and the outcome of each is
//! awaited.

use crate::{
    replication::{
        consensus::{RaftNode, Replies},
        queue::Outcome,
    },
    resp::Reply,
};
use bytes::Bytes;
use tokio::sync::mpsc;

const COUNT_MAX: usize = 8;
const BYTES_MAX: usize = 16 << 20;

/// Why an entry did not bring the data forward.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum ProposalError {
    /// This node no longer leads its site, or the log has stopped.
    NotLeading,
    /// The replica refused it.
    Refused(String),
}

type Completed = (usize, Result<(), ProposalError>);

/// Proposals in flight into the site's group, in order.
pub(super) struct InFlightProposals {
    sender: mpsc::Sender<Completed>,
    completed: mpsc::Receiver<Completed>,
    count: usize,
    bytes: usize,
}

impl InFlightProposals {
    pub(super) fn new() -> Self {
        let (sender, completed) = mpsc::channel(COUNT_MAX + 1);
        InFlightProposals { sender, completed, count: 0, bytes: 0 }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.count == 0
    }

    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Whether one more may be proposed; one of any size if there is no other.
    pub(super) fn has_room(&self) -> bool {
        self.count == 0 || self.count < COUNT_MAX && self.bytes < BYTES_MAX
    }

    /// Proposes an entry of the site's log.
    pub(super) async fn propose(&mut self, raft: &RaftNode, payload: Bytes) {
        let completion = Completion { sender: self.sender.clone(), bytes: payload.len(), is_told: false };
        self.count = self.count.saturating_add(1);
        self.bytes = self.bytes.saturating_add(payload.len());
        raft.propose(payload, None, move |outcome| completion.complete(outcome)).await;
    }

    /// Waits for one to complete.
    pub(super) async fn next(&mut self) -> Result<(), ProposalError> {
        // The sender is in `self`, so the channel cannot close.
        let Some((bytes, result)) = self.completed.recv().await else {
            return Err(ProposalError::NotLeading);
        };
        self.count = self.count.saturating_sub(1);
        self.bytes = self.bytes.saturating_sub(bytes);
        result
    }

    /// Waits until all have completed, however.
    pub(super) async fn drain(&mut self) {
        while !self.is_empty() {
            let _ = self.next().await;
        }
    }
}

/// Reports the outcome of one entry, also if it is dropped without one.
struct Completion {
    sender: mpsc::Sender<Completed>,
    bytes: usize,
    is_told: bool,
}

impl Completion {
    fn complete(mut self, outcome: Outcome<Replies>) {
        let result = match outcome {
            Outcome::Applied(replies) => match replies.first().and_then(|replies| replies.first()) {
                Some(Reply::Error(error)) => Err(ProposalError::Refused(error.to_string())),
                _ => Ok(()),
            },
            Outcome::NotDone(_) | Outcome::Unknown(_) => Err(ProposalError::NotLeading),
        };
        self.tell(result);
    }

    fn tell(&mut self, result: Result<(), ProposalError>) {
        self.is_told = true;
        // There is room for every entry in flight; the receiver may be gone.
        let _ = self.sender.try_send((self.bytes, result));
    }
}

impl Drop for Completion {
    fn drop(&mut self) {
        if !self.is_told {
            self.tell(Err(ProposalError::NotLeading));
        }
    }
}
