//! Writes of one connection that wait to be proposed: consecutive ones travel as one proposal.

use super::connection::Connection;
use crate::{
    limits,
    replica::ProposalBuilder,
    replication::Outcome,
    resp::{ErrorReply, Reply},
    store::LogPosition,
};

/// The proposal being filled.
#[derive(Default)]
pub(super) struct Pending {
    builder: Option<ProposalBuilder>,
    /// `Resolved::index` of each call.
    indexes: Vec<usize>,
}

impl Pending {
    pub(super) fn is_empty(&self) -> bool {
        self.builder.is_none()
    }

    /// Adds a call.
    pub(super) fn push(&mut self, index: usize, db: u32, argv: &[&[u8]]) {
        self.indexes.push(index);
        self.builder.get_or_insert_with(ProposalBuilder::commands).push(db, argv);
    }

    /// Whether the call would make the proposal larger than one entry should be.
    fn overflows(&self, argv: &[&[u8]]) -> bool {
        self.builder.as_ref().is_some_and(|builder| {
            builder.len().saturating_add(encoded_len(argv)) > limits::ENTRY_BYTES_TARGET
                || builder.calls() >= limits::PROPOSAL_COMMANDS_MAX
        })
    }
}

/// Bytes that a call takes in an entry, at most.
pub(super) fn encoded_len(argv: &[&[u8]]) -> usize {
    argv.iter().fold(LogPosition::LEN, |sum, word| sum.saturating_add(word.len()).saturating_add(4))
}

/// Whether a call does not fit into one entry.
pub(super) fn is_too_large(argv: &[&[u8]]) -> bool {
    encoded_len(argv).saturating_add(1024) > limits::ENTRY_BYTES_MAX
}

/// A call too large for one entry: definitely not done.
pub(super) fn too_large() -> ErrorReply {
    ErrorReply::err("command is larger than one log entry may be; nothing was changed")
}

impl Connection {
    /// Queues a write behind those of this chunk.
    pub(super) async fn write(&mut self, index: usize, argv: &[&[u8]]) {
        if is_too_large(argv) {
            self.flush_writes().await;
            self.count_rejected(Some(index));
            self.reply_error(too_large());
            return;
        }
        if self.pending.overflows(argv) {
            self.flush_writes().await;
        }
        self.pending.push(index, self.session.db, argv);
    }

    /// Proposes the writes queued so far and appends their replies, in order.
    pub(super) async fn flush_writes(&mut self) {
        let Some(builder) = self.pending.builder.take() else { return };
        let mut indexes = std::mem::take(&mut self.pending.indexes);
        self.clock.lap();
        let outcome = self.thread.propose(builder.finish()).await;
        // Each call's share of the way through the log.
        let share = self.clock.lap() / u32::try_from(indexes.len()).unwrap_or(u32::MAX).max(1);
        match outcome {
            Outcome::Applied(replies) => {
                debug_assert_eq!(replies.len(), indexes.len());
                self.note_writes();
                for (reply, index) in replies.iter().zip(&indexes) {
                    self.count_call(*index, share, matches!(reply, Reply::Error(_)));
                    self.reply(reply);
                }
            }
            Outcome::NotDone(error) | Outcome::Unknown(error) => {
                let reply = Reply::Error(error);
                for index in &indexes {
                    self.count_call(*index, share, true);
                    self.reply(&reply);
                }
            }
        }
        indexes.clear();
        self.pending.indexes = indexes;
    }
}
