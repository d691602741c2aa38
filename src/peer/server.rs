//! The side that answers.

use super::{
    accept, authorization,
    client::{CallError, KEEP_ALIVE_INTERVAL, KEEP_ALIVE_MAX},
    feed::{Answers, FeedCall},
    groups::Groups,
    identity::LocalIdentity,
    message::{
        CALL_PATH, CLUSTER_HEADER, CONNECTION_WINDOW_BYTES, Envelope, FEED_PATH, FIRST_MEMBER_KIND,
        FRAME_BYTES_MAX, FROM_HEADER, Frame, KIND_HEADER, MESSAGE_BYTES_MAX, NAME_HEADER, PROTOCOL_VERSION,
        SERVICE_NAME, STREAM_PATH, STREAM_WINDOW_BYTES, TO_HEADER, VERSION_HEADER,
    },
    multiplexed,
    receipt::{self, Receipt, Receipts},
    tls,
};
use bytes::Bytes;
use futures::{future::BoxFuture, stream::BoxStream};
use std::{
    convert::Infallible,
    future::Future,
    io,
    net::TcpListener,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};
use tokio::{sync::watch, time::timeout};
use tonic::{
    Request, Response, Status, Streaming,
    body::Body,
    codegen::{Service, http},
    server::{Grpc, NamedService, StreamingService, UnaryService},
    transport::Server,
};
use tonic_prost::ProstCodec;

/// Calls of one connection at a time.
const STREAMS_MAX: u32 = 256;
const HEADER_BYTES_MAX: u32 = 16 << 10;
/// Longest time, at the end, for multiplexed streams to be answered, and then for connections to be closed: the other side
/// may be gone.
const STREAMS_END_MAX: Duration = Duration::from_millis(1500);
const CONNECTIONS_END_MAX: Duration = Duration::from_secs(1);

/// A handler's answer; an error of kind `Refused` means that nothing was done.
pub type Answer = Result<Bytes, CallError>;

/// Answers the calls of other nodes. The caller's id is its own claim.
pub trait Handler: Send + Sync + 'static {
    fn call(&self, from: u64, kind: u32, body: Bytes) -> BoxFuture<'static, Answer>;

    /// Answers a call that wants many answers.
    fn feed(&self, _caller: Caller, _body: Bytes) -> BoxFuture<'static, Result<Answers, CallError>> {
        Box::pin(async { Err(CallError::Refused("this node does not feed edges".into())) })
    }
}

/// The caller, as far as its headers name it and its certificate allows.
#[derive(Debug, Clone)]
pub struct Caller {
    pub id: u64,
    pub name: String,
    /// The kind of the call or, for a multiplexed stream, of the first one admitted.
    pub kind: u32,
}

/// Answers calls on this listener until `end`, and then those which it has taken. Runs inside the current runtime.
pub async fn serve(
    listener: TcpListener,
    identity: Arc<LocalIdentity>,
    groups: Arc<Groups>,
    end: impl Future<Output = ()>,
) -> io::Result<()> {
    if let Some(network) = identity.network {
        network.listen(&identity, &groups);
        drop(listener);
        end.await;
        return Ok(());
    }
    listener.set_nonblocking(true)?;
    let listener = tokio::net::TcpListener::from_std(listener)?;
    let server = Server::builder()
        .initial_stream_window_size(STREAM_WINDOW_BYTES)
        .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
        .max_frame_size(FRAME_BYTES_MAX)
        .http2_keepalive_interval(Some(KEEP_ALIVE_INTERVAL))
        .http2_keepalive_timeout(Some(KEEP_ALIVE_MAX))
        .max_concurrent_streams(STREAMS_MAX)
        .http2_max_header_list_size(HEADER_BYTES_MAX);
    let (stop, is_stopping) = watch::channel(false);
    let (open, mut streams_open) = watch::channel(0);
    let streams = multiplexed::End { is_stopping: is_stopping.clone(), open };
    let service = PeerService { identity: Arc::clone(&identity), groups, receipts: Arc::default(), streams };
    let end = async {
        end.await;
        stop.send_replace(true);
    };
    let over = async {
        let mut is_stopping = is_stopping;
        let _ = is_stopping.wait_for(|is_stopping| *is_stopping).await;
        let _ = timeout(STREAMS_END_MAX, streams_open.wait_for(|open| *open == 0)).await;
        // What was answered must get onto the network.
        tokio::time::sleep(CONNECTIONS_END_MAX).await;
        Ok(())
    };
    let served = async {
        match identity.tls.clone() {
            None => server.serve_with_incoming_shutdown(service, accept::plain(listener), end).await,
            Some(tls) => {
                server.serve_with_incoming_shutdown(service, accept::encrypted(listener, tls), end).await
            }
        }
    };
    tokio::select! {
        served = served => served.map_err(io::Error::other),
        over = over => over,
    }
}

#[derive(Clone)]
struct PeerService {
    identity: Arc<LocalIdentity>,
    groups: Arc<Groups>,
    receipts: Arc<Receipts>,
    streams: multiplexed::End,
}

impl NamedService for PeerService {
    const NAME: &'static str = SERVICE_NAME;
}

impl PeerService {
    /// Looks at the headers: nothing else is read of a call that is not for this node.
    fn admit(&self, headers: &http::HeaderMap) -> Result<Caller, Status> {
        let header = |name| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let number = |name| header(name).parse::<u64>().ok();
        if number(VERSION_HEADER) != Some(u64::from(PROTOCOL_VERSION)) {
            let text = format!(
                "peer protocol version {:?}; this node speaks {PROTOCOL_VERSION}",
                header(VERSION_HEADER)
            );
            return Err(Status::failed_precondition(text));
        }
        let kind = number(KIND_HEADER).and_then(|kind| u32::try_from(kind).ok());
        let (Some(from), Some(kind)) = (number(FROM_HEADER), kind) else {
            return Err(Status::permission_denied("the call does not name its sender"));
        };
        let name = header(NAME_HEADER);
        if !authorization::may_ask(&self.identity.node_name, name, kind) {
            return Err(Status::permission_denied(format!("a node named {name:?} may not ask for this")));
        }
        if !header(TO_HEADER).is_empty() && number(TO_HEADER) != Some(self.identity.node_id) {
            return Err(Status::failed_precondition(format!(
                "the call is for node {}, this is node {}",
                header(TO_HEADER),
                self.identity.node_id
            )));
        }
        if !self.identity.knows_as(from, name) {
            let text = format!("node {from} is not named {name:?}");
            return Err(Status::permission_denied(text));
        }
        let own = self.identity.cluster_id();
        if kind >= FIRST_MEMBER_KIND && own.as_deref() != Some(header(CLUSTER_HEADER)) {
            let text = format!("the call is of cluster {}, this node is of another", header(CLUSTER_HEADER));
            return Err(Status::permission_denied(text));
        }
        Ok(Caller { id: from, name: name.to_owned(), kind })
    }
}

impl Service<http::Request<Body>> for PeerService {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        let path = request.uri().path();
        let (is_multiplexed, is_feed) = (path == STREAM_PATH, path == FEED_PATH);
        let admitted = match is_multiplexed || is_feed || path == CALL_PATH {
            true => tls::is_who_it_says(&request).and_then(|()| self.admit(request.headers())),
            false => Err(Status::unimplemented("no such call")),
        };
        let (groups, receipts) = (Arc::clone(&self.groups), Arc::clone(&self.receipts));
        let streams = self.streams.clone();
        Box::pin(async move {
            let caller = match admitted {
                Ok(caller) => caller,
                Err(status) => return Ok(status.into_http()),
            };
            let bytes_max = receipt::bytes_max(&caller, is_multiplexed);
            if is_multiplexed {
                let mut grpc = Grpc::new(ProstCodec::<Frame, Frame>::default())
                    .max_decoding_message_size(bytes_max)
                    .max_encoding_message_size(MESSAGE_BYTES_MAX);
                return Ok(grpc.streaming(Streams { caller, groups, end: streams }, request).await);
            }
            if is_feed {
                let mut grpc = Grpc::new(ProstCodec::<Envelope, Envelope>::default())
                    .max_decoding_message_size(receipt::SMALL_BYTES_MAX)
                    .max_encoding_message_size(MESSAGE_BYTES_MAX);
                return Ok(grpc
                    .server_streaming(FeedCall { caller, groups, is_stopping: streams.is_stopping }, request)
                    .await);
            }
            let receipt = match receipts.turn_of(&caller).await {
                Ok(receipt) => receipt,
                Err(why) => return Ok(Status::failed_precondition(why).into_http()),
            };
            let mut grpc = Grpc::new(ProstCodec::<Envelope, Envelope>::default())
                .max_decoding_message_size(bytes_max)
                .max_encoding_message_size(MESSAGE_BYTES_MAX);
            Ok(grpc.unary(Call { caller, groups, receipt }, request).await)
        })
    }
}

/// The error for a group that this node does not have.
pub(super) fn no_group(group: u64) -> CallError {
    CallError::Refused(format!("this node has no group {group}"))
}

/// One call, after its headers were accepted.
struct Call {
    caller: Caller,
    groups: Arc<Groups>,
    receipt: Option<Receipt>,
}

impl UnaryService<Envelope> for Call {
    type Response = Envelope;
    type Future = BoxFuture<'static, Result<Response<Envelope>, Status>>;

    fn call(&mut self, request: Request<Envelope>) -> Self::Future {
        // The body is complete.
        self.receipt = None;
        let Envelope { group, kind, body } = request.into_inner();
        // The call must be of the kind that the headers announced.
        let is_covered = authorization::is_covered(self.caller.kind, kind, false);
        let answer = match self.groups.get(group) {
            Some(handler) if is_covered => handler.call(self.caller.id, kind, body),
            Some(_) => Box::pin(async { Err(CallError::Refused("no such kind".into())) }),
            None => Box::pin(async move { Err(no_group(group)) }),
        };
        Box::pin(async move {
            match answer.await {
                Ok(body) => Ok(Response::new(Envelope { group, kind, body })),
                Err(CallError::Refused(why) | CallError::Unreachable(why)) => {
                    Err(Status::failed_precondition(why))
                }
                Err(CallError::Broken(why)) => Err(Status::unknown(why)),
            }
        })
    }
}

/// A stream of calls, after its headers were accepted.
struct Streams {
    caller: Caller,
    groups: Arc<Groups>,
    end: multiplexed::End,
}

impl StreamingService<Frame> for Streams {
    type Response = Frame;
    type ResponseStream = BoxStream<'static, Result<Frame, Status>>;
    type Future = BoxFuture<'static, Result<Response<Self::ResponseStream>, Status>>;

    fn call(&mut self, request: Request<Streaming<Frame>>) -> Self::Future {
        let answers = multiplexed::answer(
            request.into_inner(),
            self.caller.clone(),
            Arc::clone(&self.groups),
            self.end.clone(),
        );
        Box::pin(async move { Ok(Response::new(answers)) })
    }
}
