//! The types openraft is instantiated with, and their persisted forms.

use super::responder::CallbackResponder;
use crate::{
    replication::{
        queue::Verdict,
        wal::{EntryKind, LogEntry},
    },
    store::LogId,
};
use bytes::Bytes;
use openraft::{
    EntryPayload,
    type_config::alias::{
        CommittedLeaderIdOf, DefaultEntryOf, EntryOf, LogIdOf, SnapshotMetaOf, SnapshotOf,
        StoredMembershipOf, VoteOf,
    },
};
use std::{fmt, path::PathBuf};

/// Marker type that names all of openraft's parameters.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Types;

/// Terms, one leader per term, entries of bytes, replies from the replica.
impl openraft::RaftTypeConfig for Types {
    type D = Payload;
    type R = Verdict;
    type NodeId = u64;
    type Node = Peer;
    type Term = u64;
    type LeaderId = openraft::impls::leader_id_std::LeaderId<u64, u64>;
    type Vote = openraft::impls::Vote<Self::LeaderId>;
    type Payload = EntryPayload<Payload, u64, Peer>;
    type Entry = DefaultEntryOf<Self>;
    type Responder<T>
        = CallbackResponder<T>
    where
        T: Send + 'static;
    type Batch<T>
        = openraft::impls::InlineBatch<T>
    where
        T: Send + 'static;
    #[cfg(not(test))]
    type AsyncRuntime = openraft_rt_tokio::TokioRuntime;
    /// The same, with dice and channels that a simulation can repeat.
    #[cfg(test)]
    type AsyncRuntime = super::tests::runtime::Repeatable;
    type ErrorSource = openraft::impls::BoxedErrorSource;
}

pub(super) type RaftEntry = EntryOf<Types>;
pub(super) type RaftLogId = LogIdOf<Types>;
pub(super) type RaftVote = VoteOf<Types>;
pub(super) type RaftMembership = openraft::Membership<u64, Peer>;
pub(super) type RaftStoredMembership = StoredMembershipOf<Types>;
pub(super) type RaftSnapshotMeta = SnapshotMetaOf<Types>;
pub(super) type RaftSnapshot = SnapshotOf<Types, SnapshotFiles>;

/// A batch of proposals, as `replica::BatchBuilder` made it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Payload(pub Bytes);

impl fmt::Display for Payload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "batch of {} bytes", self.0.len())
    }
}

/// What the membership says of a node beside its id.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Peer {
    /// Where other nodes reach it; empty on a node that has never had company.
    pub address: String,
    /// Its node name.
    pub name: String,
    /// A learner that is to stay one.
    pub standby: bool,
    /// The voter whose place this learner takes when it has caught up; 0 = nobody's.
    pub replaces: u64,
}

/// A snapshot: a directory of files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SnapshotFiles {
    pub directory: PathBuf,
}

pub(super) fn log_id(position: LogId) -> RaftLogId {
    RaftLogId { leader_id: CommittedLeaderIdOf::<Types>::new(position.term), index: position.index }
}

pub(super) fn position(log_id: &RaftLogId) -> LogId {
    LogId { term: log_id.leader_id.term, index: log_id.index }
}

/// An entry in the segment log's terms.
pub(super) fn to_log_entry(entry: RaftEntry) -> LogEntry {
    let LogId { term, index } = position(&entry.log_id);
    let (kind, payload) = match entry.payload {
        EntryPayload::Blank => (EntryKind::Blank, Bytes::new()),
        EntryPayload::Normal(payload) => (EntryKind::Normal, payload.0),
        EntryPayload::Membership(membership) => {
            (EntryKind::Membership, Bytes::from(super::membership::encode(None, &membership)))
        }
    };
    LogEntry { index, term, kind, payload }
}

/// An entry in openraft's terms.
pub(super) fn to_raft_entry(entry: LogEntry) -> Result<RaftEntry, crate::error::StoreError> {
    let log_id = log_id(LogId { term: entry.term, index: entry.index });
    let payload = match entry.kind {
        EntryKind::Blank => EntryPayload::Blank,
        EntryKind::Normal => EntryPayload::Normal(Payload(entry.payload)),
        EntryKind::Membership => EntryPayload::Membership(super::membership::decode(&entry.payload)?.1),
    };
    Ok(RaftEntry { log_id, payload })
}
