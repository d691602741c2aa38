//! The types openraft is instantiated with, and their persisted forms.

use crate::{
    replication::wal::{EntryKind, LogEntry},
    resp::Reply,
    state::Work,
    store::LogId,
};
use bytes::Bytes;
use openraft::{
    EntryPayload,
    raft::responder::Responder,
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
    type R = Replies;
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

/// What the replica answers to an entry: for each proposal one reply per call (a transaction: one in all).
pub type Replies = Vec<Vec<Reply>>;

/// How openraft hands a result back: calls its closure once, on whatever thread completes the proposal. Dropped without a
/// result, it drops the closure, which must then see to its waiters.
pub struct CallbackResponder<T>(Box<dyn FnOnce(T) + Send>);

impl<T> CallbackResponder<T> {
    pub(super) fn new(then: impl FnOnce(T) + Send + 'static) -> Self {
        CallbackResponder(Box::new(then))
    }
}

impl<T: Send + 'static> Responder<Types, T> for CallbackResponder<T> {
    fn on_complete(self, result: T) {
        (self.0)(result);
    }
}

/// A batch of proposals, as `replica::BatchBuilder` made it. Its proposer may say what it amounts to; nobody else knows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Payload(pub Bytes, pub Option<Work>);

impl fmt::Display for Payload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "batch of {} bytes", self.0.len())
    }
}

/// The membership's data of a node besides its id.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Peer {
    /// Its peer address; empty on a node that has always been alone.
    pub address: String,
    /// Its node name.
    pub name: String,
    /// A learner that stays one.
    pub standby: bool,
    /// The voter that this learner replaces once it has caught up; 0 = none.
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
        EntryKind::Normal => EntryPayload::Normal(Payload(entry.payload, None)),
        EntryKind::Membership => EntryPayload::Membership(super::membership::decode(&entry.payload)?.1),
    };
    Ok(RaftEntry { log_id, payload })
}
