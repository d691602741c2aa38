//! Calls to one other node, over one connection that is made when it is needed.

use super::{
    feed::Feed,
    groups::FIRST_GROUP,
    identity::LocalIdentity,
    message::{
        CALL_PATH, CLUSTER_HEADER, CONNECTION_WINDOW_BYTES, Envelope, FIRST_EDGE_KIND, FIRST_MEMBER_KIND,
        FRAME_BYTES_MAX, FROM_HEADER, KIND_HEADER, MESSAGE_BYTES_MAX, NAME_HEADER, PROTOCOL_VERSION,
        STREAM_WINDOW_BYTES, TO_HEADER, VERSION_HEADER,
    },
    multiplexed::MultiplexedStream,
    network::Outgoing,
};
use bytes::Bytes;
use std::{sync::Arc, time::Duration};
use tokio::sync::Mutex;
use tonic::{
    Code, Request, Status,
    client::Grpc,
    codegen::http::uri::PathAndQuery,
    metadata::MetadataMap,
    transport::{Channel, Endpoint},
};
use tonic_prost::ProstCodec;

const CONNECT_MAX: Duration = Duration::from_millis(1000);
/// A connection without any traffic for this long is closed: a peer behind a cut cable sends no reset.
pub(super) const KEEP_ALIVE_INTERVAL: Duration = Duration::from_secs(2);
pub(super) const KEEP_ALIVE_MAX: Duration = Duration::from_secs(3);

/// Why a call has no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CallError {
    /// Nothing was sent.
    #[error("unreachable: {0}")]
    Unreachable(String),
    /// The other node refused and has done nothing.
    #[error("refused: {0}")]
    Refused(String),
    /// It may have been done, or may yet be.
    #[error("no answer: {0}")]
    Broken(String),
}

/// Streams of one client: calls on different ones do not wait for each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lane {
    /// Small calls with a waiting caller.
    Quick,
    /// Calls whose order matters.
    Ordered,
}

/// Calls of one group to one node. Clients of several groups share a connection.
pub struct PeerClient {
    group: u64,
    connection: Arc<Connection>,
}

impl PeerClient {
    /// A client of the only group, over a connection of its own.
    pub fn new(address: &str, node_id: u64, identity: Arc<LocalIdentity>) -> Self {
        PeerClient::of_group(FIRST_GROUP, Arc::new(Connection::new(address, node_id, identity)))
    }

    pub(super) fn of_group(group: u64, connection: Arc<Connection>) -> Self {
        PeerClient { group, connection }
    }

    pub fn address(&self) -> &str {
        &self.connection.address
    }

    /// The id of the node it calls; 0 = any node at the address.
    pub fn node_id(&self) -> u64 {
        self.connection.node_id
    }

    /// Calls the other node and waits for its answer, `within` this time.
    pub async fn call(&self, kind: u32, body: Bytes, within: Duration) -> Result<Bytes, CallError> {
        self.connection.call(self.group, kind, body, within).await
    }

    /// As `call`, with many answers; `within` is how long the first of them may take.
    pub async fn feed(&self, kind: u32, body: Bytes, within: Duration) -> Result<Feed, CallError> {
        self.connection.feed(self.group, kind, body, within).await
    }

    /// As `call`, on a multiplexed stream: only for calls of members (`FIRST_MEMBER_KIND`), or all of an edge.
    pub async fn send(
        &self,
        lane: Lane,
        kind: u32,
        body: Bytes,
        within: Duration,
    ) -> Result<Bytes, CallError> {
        self.connection.send(self.group, lane, kind, body, within).await
    }
}

/// One connection to a node.
pub(super) struct Connection {
    address: String,
    /// 0 = unknown: any node at the address.
    node_id: u64,
    identity: Arc<LocalIdentity>,
    channel: Mutex<Option<Channel>>,
    streams: [Mutex<Option<Arc<MultiplexedStream>>>; 2],
}

impl Connection {
    pub(super) fn new(address: &str, node_id: u64, identity: Arc<LocalIdentity>) -> Self {
        Connection {
            address: address.to_owned(),
            node_id,
            identity,
            channel: Mutex::new(None),
            streams: Default::default(),
        }
    }

    async fn call(&self, group: u64, kind: u32, body: Bytes, within: Duration) -> Result<Bytes, CallError> {
        if let Some(network) = self.identity.network {
            return network.call(&self.identity, self.outgoing(group, None, kind, &body, within)).await;
        }
        let deadline = tokio::time::Instant::now() + within;
        let channel = tokio::time::timeout_at(deadline, self.channel())
            .await
            .map_err(|_| CallError::Unreachable(format!("{}: no connection in time", self.address)))??;
        let mut request = Request::new(Envelope { group, kind, body });
        self.sign(kind, request.metadata_mut()).map_err(CallError::Unreachable)?;
        match tokio::time::timeout_at(deadline, exchange(channel, request)).await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(status)) if is_refusal(&status) => Err(CallError::Refused(status.message().to_owned())),
            Ok(Err(status)) if never_left(&status) => {
                Err(CallError::Unreachable(format!("{}: {}", self.address, status.message())))
            }
            Ok(Err(status)) => {
                *self.channel.lock().await = None;
                Err(CallError::Broken(format!("{}: {}", self.address, status.message())))
            }
            Err(_) => Err(CallError::Broken(format!("{}: no answer in time", self.address))),
        }
    }

    async fn feed(&self, group: u64, kind: u32, body: Bytes, within: Duration) -> Result<Feed, CallError> {
        let deadline = tokio::time::Instant::now() + within;
        let late = |_| CallError::Unreachable(format!("{}: no answer in time", self.address));
        let channel = tokio::time::timeout_at(deadline, self.channel()).await.map_err(late)??;
        let mut headers = MetadataMap::new();
        self.sign(kind, &mut headers).map_err(CallError::Unreachable)?;
        match tokio::time::timeout_at(deadline, Feed::open(channel, headers, group, kind, body)).await {
            Ok(Ok(feed)) => Ok(feed),
            Ok(Err(status)) if is_refusal(&status) => Err(CallError::Refused(status.message().to_owned())),
            Ok(Err(status)) => {
                *self.channel.lock().await = None;
                Err(CallError::Unreachable(format!("{}: {}", self.address, status.message())))
            }
            Err(late_error) => {
                *self.channel.lock().await = None;
                Err(late(late_error))
            }
        }
    }

    async fn send(
        &self,
        group: u64,
        lane: Lane,
        kind: u32,
        body: Bytes,
        within: Duration,
    ) -> Result<Bytes, CallError> {
        if let Some(network) = self.identity.network {
            return network.call(&self.identity, self.outgoing(group, Some(lane), kind, &body, within)).await;
        }
        let deadline = tokio::time::Instant::now() + within;
        let late = |_| CallError::Unreachable(format!("{}: no connection in time", self.address));
        let stream = tokio::time::timeout_at(deadline, self.stream(lane, kind)).await.map_err(late)??;
        let at = |why: String| format!("{}: {why}", self.address);
        stream.call(group, kind, body, deadline).await.map_err(|error| match error {
            CallError::Unreachable(why) => CallError::Unreachable(at(why)),
            CallError::Broken(why) => CallError::Broken(at(why)),
            refused @ CallError::Refused(_) => refused,
        })
    }

    fn outgoing<'a>(
        &'a self,
        group: u64,
        lane: Option<Lane>,
        kind: u32,
        body: &'a Bytes,
        within: Duration,
    ) -> Outgoing<'a> {
        Outgoing { address: &self.address, node_id: self.node_id, group, lane, kind, body, within }
    }

    async fn stream(&self, lane: Lane, kind: u32) -> Result<Arc<MultiplexedStream>, CallError> {
        let [quick, ordered] = &self.streams;
        let slot = match lane {
            Lane::Quick => quick,
            Lane::Ordered => ordered,
        };
        let mut slot = slot.lock().await;
        if let Some(stream) = slot.as_ref().filter(|stream| stream.is_up()) {
            return Ok(Arc::clone(stream));
        }
        *slot = None;
        let channel = self.channel().await?;
        let mut headers = MetadataMap::new();
        let announced = if kind < FIRST_MEMBER_KIND { FIRST_EDGE_KIND } else { FIRST_MEMBER_KIND };
        self.sign(announced, &mut headers).map_err(CallError::Unreachable)?;
        match MultiplexedStream::open(channel, headers).await {
            Ok(stream) => {
                let stream = Arc::new(stream);
                *slot = Some(Arc::clone(&stream));
                Ok(stream)
            }
            Err(status) if is_refusal(&status) => Err(CallError::Refused(status.message().to_owned())),
            Err(status) => {
                *self.channel.lock().await = None;
                Err(CallError::Unreachable(format!("{}: {}", self.address, status.message())))
            }
        }
    }

    async fn channel(&self) -> Result<Channel, CallError> {
        let mut channel = self.channel.lock().await;
        if let Some(channel) = &*channel {
            return Ok(channel.clone());
        }
        let unreachable =
            |error: tonic::transport::Error| CallError::Unreachable(format!("{}: {error}", self.address));
        let scheme = if self.identity.tls.is_some() { "https" } else { "http" };
        let mut endpoint =
            Endpoint::from_shared(format!("{scheme}://{}", self.address)).map_err(unreachable)?;
        if let Some(tls) = &self.identity.tls {
            let tls = tls.client().map_err(|error| CallError::Unreachable(error.to_string()))?;
            endpoint = endpoint.tls_config(tls).map_err(unreachable)?;
        }
        let made = endpoint
            .initial_stream_window_size(STREAM_WINDOW_BYTES)
            .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
            .max_frame_size(FRAME_BYTES_MAX)
            .connect_timeout(CONNECT_MAX)
            .tcp_nodelay(true)
            .http2_keep_alive_interval(KEEP_ALIVE_INTERVAL)
            .keep_alive_timeout(KEEP_ALIVE_MAX)
            .keep_alive_while_idle(true)
            .connect()
            .await
            .map_err(unreachable)?;
        *channel = Some(made.clone());
        Ok(made)
    }

    fn sign(&self, kind: u32, headers: &mut MetadataMap) -> Result<(), String> {
        let cluster = self.identity.cluster_id().unwrap_or_default();
        let to = if self.node_id == 0 { String::new() } else { self.node_id.to_string() };
        for (name, value) in [
            (VERSION_HEADER, PROTOCOL_VERSION.to_string()),
            (CLUSTER_HEADER, cluster),
            (FROM_HEADER, self.identity.node_id.to_string()),
            (NAME_HEADER, self.identity.node_name.clone()),
            (TO_HEADER, to),
            (KIND_HEADER, kind.to_string()),
        ] {
            headers.insert(name, value.parse().map_err(|_| format!("{name} cannot be sent as a header"))?);
        }
        Ok(())
    }
}

async fn exchange(channel: Channel, request: Request<Envelope>) -> Result<Bytes, Status> {
    let mut grpc = Grpc::new(channel)
        .max_decoding_message_size(MESSAGE_BYTES_MAX)
        .max_encoding_message_size(MESSAGE_BYTES_MAX);
    grpc.ready().await.map_err(|error| Status::unknown(error.to_string()))?;
    let codec = ProstCodec::<Envelope, Envelope>::default();
    let answer = grpc.unary(request, PathAndQuery::from_static(CALL_PATH), codec).await?;
    Ok(answer.into_inner().body)
}

/// Whether the call was never sent, because a broken connection could not be re-established.
fn never_left(status: &Status) -> bool {
    let mut cause = std::error::Error::source(status);
    while let Some(error) = cause {
        if error.is::<tonic::ConnectError>() {
            return true;
        }
        cause = error.source();
    }
    false
}

/// Errors that our server returns on purpose; after any other, the call may have been executed.
fn is_refusal(status: &Status) -> bool {
    matches!(status.code(), Code::FailedPrecondition | Code::PermissionDenied | Code::Unimplemented)
}
