//! Calls to one other node, over one connection that is made when it is needed.

use super::{
    identity::LocalIdentity,
    message::{
        CALL_PATH, CLUSTER_HEADER, Envelope, FROM_HEADER, KIND_HEADER, MESSAGE_BYTES_MAX, PROTOCOL_VERSION,
        TO_HEADER, VERSION_HEADER,
    },
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
/// A connection on which nothing is heard for so long is given up: a peer behind a cut line sends no reset.
const KEEP_ALIVE_INTERVAL: Duration = Duration::from_secs(2);
const KEEP_ALIVE_MAX: Duration = Duration::from_secs(3);

/// Why a call has no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CallError {
    /// Nothing was sent.
    #[error("unreachable: {0}")]
    Unreachable(String),
    /// The other node said no, and has done nothing.
    #[error("refused: {0}")]
    Refused(String),
    /// It may have been done, or may yet be.
    #[error("no answer: {0}")]
    Broken(String),
}

/// See the module.
pub struct PeerClient {
    address: String,
    /// 0 = not known: whoever answers there is meant.
    node_id: u64,
    identity: Arc<LocalIdentity>,
    channel: Mutex<Option<Channel>>,
}

impl PeerClient {
    pub fn new(address: &str, node_id: u64, identity: Arc<LocalIdentity>) -> Self {
        PeerClient { address: address.to_owned(), node_id, identity, channel: Mutex::new(None) }
    }

    pub fn address(&self) -> &str {
        &self.address
    }

    /// Calls the other node and waits for its answer, `within` this time.
    pub async fn call(&self, kind: u32, body: Bytes, within: Duration) -> Result<Bytes, CallError> {
        let deadline = tokio::time::Instant::now() + within;
        let channel = tokio::time::timeout_at(deadline, self.channel())
            .await
            .map_err(|_| CallError::Unreachable(format!("{}: no connection in time", self.address)))??;
        let mut request = Request::new(Envelope { group: 0, kind, body });
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

    async fn channel(&self) -> Result<Channel, CallError> {
        let mut channel = self.channel.lock().await;
        if let Some(channel) = &*channel {
            return Ok(channel.clone());
        }
        let unreachable =
            |error: tonic::transport::Error| CallError::Unreachable(format!("{}: {error}", self.address));
        let made = Endpoint::from_shared(format!("http://{}", self.address))
            .map_err(unreachable)?
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
            (TO_HEADER, to),
            (KIND_HEADER, kind.to_string()),
        ] {
            headers.insert(name, value.parse().map_err(|_| format!("{name} cannot be sent"))?);
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

/// Whether there was no connection to send it on: one that broke earlier could not be made again.
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

/// What our server answers on purpose; everything else may have happened on the way.
fn is_refusal(status: &Status) -> bool {
    matches!(status.code(), Code::FailedPrecondition | Code::PermissionDenied | Code::Unimplemented)
}
