//! openraft's calls to other nodes, over `peer`.
//!
//! A peer that cannot be reached answers a vote with an error, never with a grant.

use super::{
    rpc,
    snapshot::offer,
    types::{Peer, RaftLogId, RaftSnapshot, RaftVote, SnapshotFiles, Types, log_id, position},
};
use crate::{
    peer::{CallError, Lane, PeerClient, Peers},
    replication::{
        snapshots::{Fetchers, HAS_NOT_ITS_CHECKSUM, Snapshots},
        wal::blocking,
        wire::{self, kind},
    },
    state::StateWriter,
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
use std::{
    collections::BTreeMap, convert::Infallible, ffi::OsStr, future::Future, sync::Arc, time::Duration,
};

/// Longest time for the other node to fetch and install a snapshot.
const SNAPSHOT_MAX: Duration = Duration::from_secs(6 * 3600);
/// Interval at which the snapshot is held again meanwhile.
const HOLD_INTERVAL: Duration = Duration::from_secs(5);

/// The last entry that this node, as leader, knows to be on a follower's disk.
type Acknowledged = Arc<Mutex<Option<(RaftVote, u64)>>>;

/// Append calls on their way to one follower.
const APPENDS_IN_FLIGHT_MAX: usize = 8;
/// Longest time for one call: the follower writes its entries to disk, after those before it.
const APPEND_MAX: Duration = Duration::from_millis(1500);
/// The slowest way, network and disk, on which a large one is given the time that it takes: bytes a millisecond.
const APPEND_BYTES_PER_MS: u64 = 4 << 10;

/// Answers to append calls, in the order of the calls.
type Appended<'s> = BoxStream<'s, Result<StreamAppendResult<Types>, RPCError<Types>>>;

/// Makes openraft's clients.
pub(super) struct Network {
    peers: Arc<Peers>,
    snapshots: Arc<Snapshots>,
    fetchers: Arc<Fetchers>,
    state: Arc<StateWriter>,
    acknowledged: BTreeMap<u64, Acknowledged>,
}

impl Network {
    pub(super) fn new(
        peers: Arc<Peers>,
        snapshots: Arc<Snapshots>,
        fetchers: Arc<Fetchers>,
        state: Arc<StateWriter>,
    ) -> Self {
        Network { peers, snapshots, fetchers, state, acknowledged: BTreeMap::new() }
    }
}

impl RaftNetworkFactory<Types> for Network {
    type Network = Connection;

    async fn new_client(&mut self, target: u64, peer: &Peer) -> Connection {
        self.connection(target, peer, Lane::Ordered)
    }

    /// Heartbeats go beside the entries: behind a value of a hundred megabytes they would come too late. They may overtake
    /// them, for they begin at what the follower has acknowledged.
    async fn new_heartbeat_client(&mut self, target: u64, peer: &Peer) -> Connection {
        self.connection(target, peer, Lane::Quick)
    }
}

impl Network {
    fn connection(&mut self, target: u64, peer: &Peer, append_lane: Lane) -> Connection {
        Connection {
            append_lane,
            client: self.peers.client(&peer.address, target),
            address: self.peers.identity().address.clone(),
            snapshots: Arc::clone(&self.snapshots),
            fetchers: Arc::clone(&self.fetchers),
            state: Arc::clone(&self.state),
            acknowledged: Arc::clone(self.acknowledged.entry(target).or_default()),
        }
    }
}

/// openraft's client of one node.
pub(super) struct Connection {
    client: Arc<PeerClient>,
    /// Where its stream of append calls goes.
    append_lane: Lane,
    /// This node's own.
    address: String,
    snapshots: Arc<Snapshots>,
    fetchers: Arc<Fetchers>,
    state: Arc<StateWriter>,
    acknowledged: Acknowledged,
}

/// Append calls to one follower. A follower whose log ends before an entry that it acknowledged under the same leader has
/// lost entries that may be committed because of it. It is told to stop before it votes, and openraft never learns of it
/// (openraft considers such a follower impossible).
#[derive(Clone)]
struct Appending {
    client: Arc<PeerClient>,
    state: Arc<StateWriter>,
    acknowledged: Acknowledged,
}

impl Appending {
    /// The answer, and the last entry that was sent (or the one before all of them).
    async fn send(
        self,
        lane: Lane,
        mut request: AppendEntriesRequest<Types>,
        within: Duration,
    ) -> Result<(AppendEntriesResponse<Types>, Option<RaftLogId>), RPCError<Types>> {
        let (vote, previous) = (request.vote, request.prev_log_id);
        let last = request.entries.last().map_or(previous, |entry| Some(entry.log_id));
        // Before it leaves.
        request.leader_commit =
            request.leader_commit.and_then(|at| self.state.announces(position(&at))).map(log_id);
        let known = self.acknowledged.lock().filter(|(by, _)| *by == vote).map(|(_, index)| index);
        let mut append = rpc::append(request, self.state.clock.known_ms());
        append.of_core = self.state.edge.is_edge().then(|| self.state.site_heartbeat().into());
        append.cut_off = !self.state.has_quorum();
        append.refuses_growth = self.state.refuses_growth();
        append.is_out_of_memory = self.state.is_out_of_memory();
        let body = wire::write(&append);
        let within = within.saturating_add(Duration::from_millis(body.len() as u64 / APPEND_BYTES_PER_MS));
        let answer = self.client.send(lane, kind::APPEND, body, within).await.map_err(rpc_error)?;
        let unreadable = |error: wire::Unreadable| RPCError::Network(NetworkError::new(&error));
        let answer: rpc::AppendAnswer = wire::read(answer).map_err(unreadable)?;
        self.state.walls.observe(self.client.node_id(), answer.wall_ms);
        self.state.disks.observe(self.client.node_id(), answer.is_disk_low);
        if let (Some(end), Some(known)) = (answer.last_index, known)
            && end < known
        {
            return Err(self.went_back(end, known));
        }
        let answer = rpc::raft_append_answer(&answer).map_err(unreadable)?;
        let matching = match &answer {
            AppendEntriesResponse::Success => last,
            AppendEntriesResponse::PartialSuccess(matching) => *matching,
            AppendEntriesResponse::Conflict | AppendEntriesResponse::HigherVote(_) => None,
        };
        if let Some(matching) = matching {
            let mut acknowledged = self.acknowledged.lock();
            let before = acknowledged.filter(|(by, _)| *by == vote).map_or(0, |(_, index)| index);
            *acknowledged = Some((vote, before.max(matching.index)));
        }
        Ok((answer, last))
    }

    fn went_back(self, end: u64, known: u64) -> RPCError<Types> {
        tracing::error!(
            node_id = self.client.node_id(),
            end,
            acknowledged = known,
            remedy = "empty that node's data directory and start it again",
            "a node has lost log entries that it had acknowledged; telling it to stop"
        );
        let told = wire::write(&wire::Quarantine { index: known, went_back: true });
        tokio::spawn(async move {
            // It stops before it answers; if this call is lost, its next answer triggers another.
            let _ = self.client.call(kind::QUARANTINE, told, APPEND_MAX).await;
        });
        let text = format!("its log ends at entry {end}, but it had acknowledged entry {known}");
        RPCError::Unreachable(Unreachable::new(&std::io::Error::other(text)))
    }
}

impl Connection {
    fn appending(&self) -> Appending {
        Appending {
            client: Arc::clone(&self.client),
            state: Arc::clone(&self.state),
            acknowledged: Arc::clone(&self.acknowledged),
        }
    }

    /// While this is polled, and for a while after, the snapshot is held although newer ones are made, and so is the log
    /// behind it.
    fn hold(&self, name: Option<&OsStr>) -> impl Future<Output = Infallible> + use<> {
        let name = name.unwrap_or_default().to_string_lossy().into_owned();
        let (snapshots, fetchers) = (Arc::clone(&self.snapshots), Arc::clone(&self.fetchers));
        let id = self.client.node_id();
        snapshots.hold(&name);
        fetchers.offer(id);
        async move {
            loop {
                tokio::time::sleep(HOLD_INTERVAL).await;
                // By now it would be known if the follower were not there.
                snapshots.hold(&name);
                fetchers.fetches(id);
            }
        }
    }

    /// A new leader continues the log time of those that vote for it.
    fn voted(&self, answer: &rpc::BallotAnswer) -> VoteResponse<Types> {
        self.state.clock.told(answer.log_ms);
        self.state.walls.observe(self.client.node_id(), answer.wall_ms);
        rpc::raft_ballot_answer(answer)
    }

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
        let (answer, _) = self.appending().send(Lane::Quick, request, option.hard_ttl()).await?;
        Ok(answer)
    }

    /// Requests are sent as they come, several at a time, and answers come back in order. The multiplexed stream must keep
    /// the order of requests: a request that is overtaken makes the follower answer the other with a conflict, which
    /// openraft, after a success, takes for a log that went back.
    fn stream_append<'s, S>(
        &'s mut self,
        input: S,
        _option: RPCOption,
    ) -> BoxFuture<'s, Result<Appended<'s>, RPCError<Types>>>
    where
        S: Stream<Item = AppendEntriesRequest<Types>> + OptionalSend + Unpin + 'static,
    {
        let (appending, lane) = (self.appending(), self.append_lane);
        let answers = input.map(move |request| {
            let appending = appending.clone();
            let previous = request.prev_log_id;
            async move {
                let (answer, last) = appending.send(lane, request, APPEND_MAX).await?;
                let is_whole = match &answer {
                    AppendEntriesResponse::PartialSuccess(matching) => *matching == last,
                    _ => true,
                };
                Ok((answer.into_stream_result(previous, last), is_whole))
            }
        });
        let answers = answers.buffered(APPENDS_IN_FLIGHT_MAX);
        // After an answer that is not a complete success nothing more is sent.
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
        let body = wire::write(&rpc::ballot(&request));
        let answer = self.call(kind::VOTE, body, option.hard_ttl()).await?;
        Ok(self.voted(&answer))
    }

    async fn pre_vote(
        &mut self,
        request: VoteRequest<Types>,
        option: RPCOption,
    ) -> Result<VoteResponse<Types>, RPCError<Types>> {
        let body = wire::write(&rpc::ballot(&request));
        let answer = self.call(kind::PRE_VOTE, body, option.hard_ttl()).await?;
        Ok(self.voted(&answer))
    }

    async fn full_snapshot(
        &mut self,
        vote: RaftVote,
        snapshot: RaftSnapshot,
        cancel: impl Future<Output = ReplicationClosed> + OptionalSend + 'static,
        _option: RPCOption,
    ) -> Result<SnapshotResponse<Types>, StreamingError<Types>> {
        // Hold first: the snapshot exists now, and so does the log behind it.
        let held = self.hold(snapshot.snapshot.directory.file_name());
        let (snapshots, directory) = (Arc::clone(&self.snapshots), snapshot.snapshot.directory.clone());
        let files = blocking(move || snapshots.files(&directory))
            .await
            .map_err(|error| StreamingError::Network(NetworkError::new(&error)))?
            .map_err(|error| {
                self.state.note_damage(&error);
                StreamingError::Network(NetworkError::new(&error))
            })?;
        let offered = offer(&self.address, &vote, &snapshot, files);
        let answer = tokio::select! {
            biased;
            answer = self.client.call(kind::SNAPSHOT, wire::write(&offered), SNAPSHOT_MAX) => answer,
            closed = cancel => return Err(StreamingError::Closed(closed)),
            never = held => match never {},
        };
        let answer = answer.inspect_err(|error| {
            // The file was sound when it was first read, and no longer is: the next offer reads it again.
            if error.to_string().contains(HAS_NOT_ITS_CHECKSUM) {
                self.snapshots.forget_files();
            }
            if matches!(error, CallError::Unreachable(_)) {
                self.fetchers.unreachable(self.client.node_id());
            }
        });
        let answer = answer.map_err(rpc_error)?;
        // It has the snapshot, and continues from the log.
        self.fetchers.fetches(self.client.node_id());
        let answer: rpc::SnapshotAnswer =
            wire::read(answer).map_err(|error| StreamingError::Network(NetworkError::new(&error)))?;
        Ok(SnapshotResponse::new((&answer.vote).into()))
    }

    async fn transfer_leader(
        &mut self,
        request: TransferLeaderRequest<Types>,
        option: RPCOption,
    ) -> Result<TransferLeaderResponse<Types>, RPCError<Types>> {
        let message = rpc::Transfer {
            from: request.from_leader().into(),
            to: *request.to_node_id(),
            last: request.last_log_id().map(rpc::LogId::from),
        };
        self.client
            .call(kind::TRANSFER, wire::write(&message), option.hard_ttl())
            .await
            .map_err(rpc_error)?;
        Ok(Ok(()))
    }
}
