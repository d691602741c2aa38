//! The network of a node without peers: everything is unreachable. A sole voter never sends anything; with peers this
//! is replaced by a transport on `peer/`. Votes and pre-votes answer with an error, so they are never taken as granted.

use super::{
    Types,
    types::{Peer, RaftSnapshot, RaftVote, SnapshotFiles},
};
use openraft::{
    OptionalSend,
    errors::{RPCError, ReplicationClosed, StreamingError, Unreachable},
    network::{RPCOption, RaftNetworkFactory, RaftNetworkV2},
    raft::{AppendEntriesRequest, AppendEntriesResponse, SnapshotResponse, VoteRequest, VoteResponse},
};
use std::{future::Future, io};

/// Makes clients that reach nobody.
pub(super) struct NoNetwork;

impl RaftNetworkFactory<Types> for NoNetwork {
    type Network = NoPeer;

    async fn new_client(&mut self, target: u64, _peer: &Peer) -> NoPeer {
        NoPeer { target }
    }
}

/// A client of a peer that cannot be reached.
pub(super) struct NoPeer {
    target: u64,
}

impl NoPeer {
    fn unreachable(&self) -> Unreachable<Types> {
        let reason = format!("this node has no peer transport to reach node {}", self.target);
        Unreachable::new(&io::Error::new(io::ErrorKind::NotConnected, reason))
    }
}

impl RaftNetworkV2<Types> for NoPeer {
    type SnapshotData = SnapshotFiles;

    async fn append_entries(
        &mut self,
        _request: AppendEntriesRequest<Types>,
        _option: RPCOption,
    ) -> Result<AppendEntriesResponse<Types>, RPCError<Types>> {
        Err(self.unreachable().into())
    }

    async fn vote(
        &mut self,
        _request: VoteRequest<Types>,
        _option: RPCOption,
    ) -> Result<VoteResponse<Types>, RPCError<Types>> {
        Err(self.unreachable().into())
    }

    async fn pre_vote(
        &mut self,
        _request: VoteRequest<Types>,
        _option: RPCOption,
    ) -> Result<VoteResponse<Types>, RPCError<Types>> {
        Err(self.unreachable().into())
    }

    async fn full_snapshot(
        &mut self,
        _vote: RaftVote,
        _snapshot: RaftSnapshot,
        _cancel: impl Future<Output = ReplicationClosed> + OptionalSend + 'static,
        _option: RPCOption,
    ) -> Result<SnapshotResponse<Types>, StreamingError<Types>> {
        Err(self.unreachable().into())
    }
}
