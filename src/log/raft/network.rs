//! openraft's calls to other nodes, over `peer`.
//!
//! A peer that cannot be reached answers a vote with an error, never with a grant.

use super::{
    Types,
    transfer::offer,
    types::{Peer, RaftSnapshot, RaftVote, SnapshotFiles},
    wire::{self, kind},
};
use crate::{
    log::blocking::blocking,
    peer::{CallError, Lane, LocalIdentity, PeerClient},
};
use bytes::Bytes;
use futures::{Stream, StreamExt, future::BoxFuture, stream::BoxStream};
use openraft::{
    OptionalSend,
    errors::{NetworkError, RPCError, ReplicationClosed, StreamingError, Unreachable},
    network::{RPCOption, RaftNetworkFactory, RaftNetworkV2},
    raft::{
        AppendEntriesRequest, AppendEntriesResponse, SnapshotResponse, StreamAppendResult,
        TransferLeaderRequest, TransferLeaderResponse, VoteRequest, VoteResponse,
    },
};
use parking_lot::Mutex;
use std::{collections::BTreeMap, future::Future, sync::Arc, time::Duration};

/// How long the other node may take to fetch and install a snapshot.
const SNAPSHOT_MAX: Duration = Duration::from_secs(6 * 3600);

/// One client per address and node, shared by all that call it.
pub(in crate::log) struct Peers {
    identity: Arc<LocalIdentity>,
    clients: Mutex<BTreeMap<(String, u64), Arc<PeerClient>>>,
}

impl Peers {
    pub(in crate::log) fn new(identity: Arc<LocalIdentity>) -> Self {
        Peers { identity, clients: Mutex::new(BTreeMap::new()) }
    }

    /// The client of a node; `node_id` 0 = whoever answers there.
    pub(in crate::log) fn client(&self, address: &str, node_id: u64) -> Arc<PeerClient> {
        let mut clients = self.clients.lock();
        let make = || Arc::new(PeerClient::new(address, node_id, Arc::clone(&self.identity)));
        Arc::clone(clients.entry((address.to_owned(), node_id)).or_insert_with(make))
    }
}

/// Append calls on their way to one follower.
const APPENDS_IN_FLIGHT_MAX: usize = 8;
/// How long one of them may take: the follower writes its entries to disk, after those before it.
const APPEND_MAX: Duration = Duration::from_millis(1500);

/// Answers to append calls, in the order of the calls.
type Appended<'s> = BoxStream<'s, Result<StreamAppendResult<Types>, RPCError<Types>>>;

/// Makes openraft's clients.
pub(super) struct Network(pub(super) Arc<Peers>);

impl RaftNetworkFactory<Types> for Network {
    type Network = Connection;

    async fn new_client(&mut self, target: u64, peer: &Peer) -> Connection {
        Connection { client: self.0.client(&peer.address, target), address: self.0.identity.address.clone() }
    }
}

/// openraft's client of one node.
pub(super) struct Connection {
    client: Arc<PeerClient>,
    /// This node's own.
    address: String,
}

impl Connection {
    async fn call<M: prost::Message + Default>(
        &self,
        kind: u32,
        body: Bytes,
        within: Duration,
    ) -> Result<M, RPCError<Types>> {
        let answer = self.client.send(Lane::Quick, kind, body, within).await.map_err(rpc_error)?;
        wire::read(answer).map_err(|error| RPCError::Network(NetworkError::new(&error)))
    }
}

fn rpc_error(error: CallError) -> RPCError<Types> {
    match error {
        CallError::Unreachable(_) | CallError::Refused(_) => RPCError::Unreachable(Unreachable::new(&error)),
        CallError::Broken(_) => RPCError::Network(NetworkError::new(&error)),
    }
}

impl RaftNetworkV2<Types> for Connection {
    type SnapshotData = SnapshotFiles;

    async fn append_entries(
        &mut self,
        request: AppendEntriesRequest<Types>,
        option: RPCOption,
    ) -> Result<AppendEntriesResponse<Types>, RPCError<Types>> {
        let body = wire::write(&wire::append(request));
        let answer = self.call(kind::APPEND, body, option.hard_ttl()).await?;
        wire::raft_append_answer(&answer).map_err(|error| RPCError::Network(NetworkError::new(&error)))
    }

    /// Requests go out as they come, several at a time, and answers come back in their order. The line must keep the order
    /// on the way: one that is overtaken makes the follower answer the other with a conflict, and behind a success openraft
    /// takes that for a log that went back.
    fn stream_append<'s, S>(
        &'s mut self,
        input: S,
        _option: RPCOption,
    ) -> BoxFuture<'s, Result<Appended<'s>, RPCError<Types>>>
    where
        S: Stream<Item = AppendEntriesRequest<Types>> + OptionalSend + Unpin + 'static,
    {
        let client = Arc::clone(&self.client);
        let answers = input.map(move |request| {
            let client = Arc::clone(&client);
            let previous = request.prev_log_id;
            let last = request.entries.last().map_or(previous, |entry| Some(entry.log_id));
            async move {
                let body = wire::write(&wire::append(request));
                let answer =
                    client.send(Lane::Ordered, kind::APPEND, body, APPEND_MAX).await.map_err(rpc_error)?;
                let network = |error: &dyn std::fmt::Display| {
                    RPCError::Network(NetworkError::new(&std::io::Error::other(error.to_string())))
                };
                let answer: wire::AppendAnswer = wire::read(answer).map_err(|error| network(&error))?;
                let answer = wire::raft_append_answer(&answer).map_err(|error| network(&error))?;
                let is_whole = match &answer {
                    AppendEntriesResponse::PartialSuccess(matching) => *matching == last,
                    _ => true,
                };
                Ok((answer.into_stream_result(previous, last), is_whole))
            }
        });
        let answers = answers.buffered(APPENDS_IN_FLIGHT_MAX);
        // After an answer that is not a whole success nothing more is sent.
        let until_failure = answers.scan(false, |ended, answer| {
            let next = (!*ended).then_some(answer);
            if let Some(answer) = &next {
                *ended = !matches!(answer, Ok((Ok(_), true)));
            }
            std::future::ready(next.map(|answer| answer.map(|(result, _)| result)))
        });
        let until_failure: Appended<'s> = Box::pin(until_failure);
        Box::pin(std::future::ready(Ok(until_failure)))
    }

    async fn vote(
        &mut self,
        request: VoteRequest<Types>,
        option: RPCOption,
    ) -> Result<VoteResponse<Types>, RPCError<Types>> {
        let body = wire::write(&wire::ballot(&request));
        let answer = self.call(kind::VOTE, body, option.hard_ttl()).await?;
        Ok(wire::raft_ballot_answer(&answer))
    }

    async fn pre_vote(
        &mut self,
        request: VoteRequest<Types>,
        option: RPCOption,
    ) -> Result<VoteResponse<Types>, RPCError<Types>> {
        let body = wire::write(&wire::ballot(&request));
        let answer = self.call(kind::PRE_VOTE, body, option.hard_ttl()).await?;
        Ok(wire::raft_ballot_answer(&answer))
    }

    async fn full_snapshot(
        &mut self,
        vote: RaftVote,
        snapshot: RaftSnapshot,
        cancel: impl Future<Output = ReplicationClosed> + OptionalSend + 'static,
        _option: RPCOption,
    ) -> Result<SnapshotResponse<Types>, StreamingError<Types>> {
        let address = self.address.clone();
        let offered = blocking(move || offer(&address, &vote, &snapshot))
            .await
            .map_err(|error| StreamingError::Network(NetworkError::new(&error)))?
            .map_err(|error| StreamingError::Network(NetworkError::new(&error)))?;
        let answer = tokio::select! {
            biased;
            answer = self.client.call(kind::SNAPSHOT, wire::write(&offered), SNAPSHOT_MAX) => answer,
            closed = cancel => return Err(StreamingError::Closed(closed)),
        };
        let answer: wire::SnapshotAnswer = wire::read(answer.map_err(rpc_error)?)
            .map_err(|error| StreamingError::Network(NetworkError::new(&error)))?;
        Ok(SnapshotResponse::new((&answer.vote).into()))
    }

    async fn transfer_leader(
        &mut self,
        request: TransferLeaderRequest<Types>,
        option: RPCOption,
    ) -> Result<TransferLeaderResponse<Types>, RPCError<Types>> {
        let message = wire::Transfer {
            from: request.from_leader().into(),
            to: *request.to_node_id(),
            last: request.last_log_id().map(wire::LogId::from),
        };
        self.client
            .call(kind::TRANSFER, wire::write(&message), option.hard_ttl())
            .await
            .map_err(rpc_error)?;
        Ok(Ok(()))
    }
}
