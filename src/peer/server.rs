//! The side that answers.

use super::{
    client::CallError,
    identity::LocalIdentity,
    message::{
        CALL_PATH, CLUSTER_HEADER, Envelope, FIRST_MEMBER_KIND, FROM_HEADER, KIND_HEADER, MESSAGE_BYTES_MAX,
        PROTOCOL_VERSION, SERVICE_NAME, TO_HEADER, VERSION_HEADER,
    },
};
use bytes::Bytes;
use futures::future::BoxFuture;
use std::{
    convert::Infallible,
    future::Future,
    io,
    net::TcpListener,
    sync::Arc,
    task::{Context, Poll},
};
use tonic::{
    Request, Response, Status,
    body::Body,
    codegen::{Service, http},
    server::{Grpc, NamedService, UnaryService},
    transport::{Server, server::TcpIncoming},
};
use tonic_prost::ProstCodec;

/// What a handler answers; an error of kind `Refused` says that nothing was done.
pub type Answer = Result<Bytes, CallError>;

/// Answers the calls of other nodes. The caller's id is what it says of itself.
pub trait Handler: Send + Sync + 'static {
    fn call(&self, from: u64, kind: u32, body: Bytes) -> BoxFuture<'static, Answer>;
}

/// Answers calls on this listener until `end`. Runs inside the current runtime.
pub async fn serve(
    listener: TcpListener,
    identity: Arc<LocalIdentity>,
    handler: Arc<dyn Handler>,
    end: impl Future<Output = ()>,
) -> io::Result<()> {
    listener.set_nonblocking(true)?;
    let incoming = TcpIncoming::from(tokio::net::TcpListener::from_std(listener)?).with_nodelay(Some(true));
    Server::builder()
        .serve_with_incoming_shutdown(PeerService { identity, handler }, incoming, end)
        .await
        .map_err(io::Error::other)
}

#[derive(Clone)]
struct PeerService {
    identity: Arc<LocalIdentity>,
    handler: Arc<dyn Handler>,
}

impl NamedService for PeerService {
    const NAME: &'static str = SERVICE_NAME;
}

impl PeerService {
    /// Looks at the headers: nothing else is read of a call that is not for this node.
    fn admit(&self, headers: &http::HeaderMap) -> Result<u64, Status> {
        let header = |name| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let number = |name| header(name).parse::<u64>().ok();
        if number(VERSION_HEADER) != Some(u64::from(PROTOCOL_VERSION)) {
            let text = format!(
                "peer protocol version {:?}; this node speaks {PROTOCOL_VERSION}",
                header(VERSION_HEADER)
            );
            return Err(Status::failed_precondition(text));
        }
        let (Some(from), Some(kind)) = (number(FROM_HEADER), number(KIND_HEADER)) else {
            return Err(Status::permission_denied("the call does not say whose it is"));
        };
        if !header(TO_HEADER).is_empty() && number(TO_HEADER) != Some(self.identity.node_id) {
            return Err(Status::failed_precondition(format!(
                "the call is for node {}, this is node {}",
                header(TO_HEADER),
                self.identity.node_id
            )));
        }
        let own = self.identity.cluster_id();
        if kind >= u64::from(FIRST_MEMBER_KIND) && own.as_deref() != Some(header(CLUSTER_HEADER)) {
            let text = format!("the call is of cluster {}, this node is not", header(CLUSTER_HEADER));
            return Err(Status::permission_denied(text));
        }
        Ok(from)
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
        let admitted = match request.uri().path() == CALL_PATH {
            true => self.admit(request.headers()),
            false => Err(Status::unimplemented("no such call")),
        };
        let handler = Arc::clone(&self.handler);
        Box::pin(async move {
            let from = match admitted {
                Ok(from) => from,
                Err(status) => return Ok(status.into_http()),
            };
            let mut grpc = Grpc::new(ProstCodec::<Envelope, Envelope>::default())
                .max_decoding_message_size(MESSAGE_BYTES_MAX)
                .max_encoding_message_size(MESSAGE_BYTES_MAX);
            Ok(grpc.unary(Call { from, handler }, request).await)
        })
    }
}

/// One call, after its headers were found good.
struct Call {
    from: u64,
    handler: Arc<dyn Handler>,
}

impl UnaryService<Envelope> for Call {
    type Response = Envelope;
    type Future = BoxFuture<'static, Result<Response<Envelope>, Status>>;

    fn call(&mut self, request: Request<Envelope>) -> Self::Future {
        let Envelope { group, kind, body } = request.into_inner();
        let answer = match group {
            0 => self.handler.call(self.from, kind, body),
            _ => Box::pin(async { Err(CallError::Refused("no such group".into())) }),
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
