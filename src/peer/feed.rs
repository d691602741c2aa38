//! A feed: one call with answers for as long as both sides live. HTTP/2's flow control limits it: items that the caller
//! does not read are not made.

use super::{
    client::CallError,
    groups::Groups,
    message::{Envelope, FEED_PATH, MESSAGE_BYTES_MAX},
    server::{Caller, no_group},
};
use bytes::Bytes;
use futures::{StreamExt, future::BoxFuture, stream::BoxStream};
use std::sync::Arc;
use tokio::sync::watch;
use tonic::{
    Request, Response, Status, Streaming, client::Grpc, codegen::http::uri::PathAndQuery,
    metadata::MetadataMap, server::ServerStreamingService, transport::Channel,
};
use tonic_prost::ProstCodec;

/// The items that the answering side produces; the stream ends when the caller is gone.
pub type Answers = BoxStream<'static, Result<Bytes, CallError>>;

/// The caller's end.
pub struct Feed(Streaming<Envelope>);

impl Feed {
    pub(super) async fn open(
        channel: Channel,
        headers: MetadataMap,
        group: u64,
        kind: u32,
        body: Bytes,
    ) -> Result<Feed, Status> {
        let mut request = Request::new(Envelope { group, kind, body });
        *request.metadata_mut() = headers;
        let mut grpc = Grpc::new(channel)
            .max_decoding_message_size(MESSAGE_BYTES_MAX)
            .max_encoding_message_size(MESSAGE_BYTES_MAX);
        grpc.ready().await.map_err(|error| Status::unknown(error.to_string()))?;
        let codec = ProstCodec::<Envelope, Envelope>::default();
        let answers = grpc.server_streaming(request, PathAndQuery::from_static(FEED_PATH), codec).await?;
        Ok(Feed(answers.into_inner()))
    }

    /// The next answer; `None`: the other side ended the feed. Cancelling the wait loses nothing.
    pub async fn next(&mut self) -> Result<Option<Bytes>, CallError> {
        match self.0.message().await {
            Ok(answer) => Ok(answer.map(|answer| answer.body)),
            Err(status) => Err(CallError::Broken(status.message().to_owned())),
        }
    }
}

/// The answering end.
pub(super) struct FeedCall {
    pub(super) caller: Caller,
    pub(super) groups: Arc<Groups>,
    /// Ends the feed: the caller asks another node.
    pub(super) is_stopping: watch::Receiver<bool>,
}

impl ServerStreamingService<Envelope> for FeedCall {
    type Response = Envelope;
    type ResponseStream = BoxStream<'static, Result<Envelope, Status>>;
    type Future = BoxFuture<'static, Result<Response<Self::ResponseStream>, Status>>;

    fn call(&mut self, request: Request<Envelope>) -> Self::Future {
        let Envelope { group, kind, body } = request.into_inner();
        let mut is_stopping = self.is_stopping.clone();
        let answers = match self.groups.get(group) {
            Some(handler) if kind == self.caller.kind => handler.feed(self.caller.clone(), body),
            Some(_) => Box::pin(async { Err(CallError::Refused("no such kind".into())) }),
            None => Box::pin(async move { Err(no_group(group)) }),
        };
        Box::pin(async move {
            let answers = answers.await.map_err(status)?;
            let answers =
                answers.map(move |answer| answer.map(|body| Envelope { group, kind, body }).map_err(status));
            let stops = async move { drop(is_stopping.wait_for(|is_stopping| *is_stopping).await) };
            let answers: Self::ResponseStream = Box::pin(answers.take_until(stops));
            Ok(Response::new(answers))
        })
    }
}

fn status(error: CallError) -> Status {
    match error {
        CallError::Refused(why) | CallError::Unreachable(why) => Status::failed_precondition(why),
        CallError::Broken(why) => Status::unknown(why),
    }
}
