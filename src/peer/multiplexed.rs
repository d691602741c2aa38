//! A multiplexed stream to another node: one HTTP/2 stream on which calls go out and answers come back, without headers for each.
//!
//! Calls are handled in the order in which they were made; answers come as they are ready. A frame costs a tenth of a call
//! with its own headers, and calls need not wait for each other.

use super::{
    authorization,
    client::CallError,
    groups::Groups,
    message::{FRAMES_MAX, Frame, MESSAGE_BYTES_MAX, STREAM_BYTES_MAX, STREAM_PATH},
    server::{Caller, no_group},
};
use bytes::Bytes;
use futures::{Stream, StreamExt, stream::BoxStream};
use parking_lot::Mutex;
use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};
use tokio::{
    sync::{Semaphore, mpsc, oneshot, watch},
    time::{Duration, Instant, timeout_at},
};
use tonic::{
    Request, Status, Streaming, client::Grpc, codegen::http::uri::PathAndQuery, metadata::MetadataMap,
    transport::Channel,
};
use tonic_prost::ProstCodec;

type Answer = Result<Bytes, CallError>;

/// The result of a call in a frame of the other side.
const DONE: u32 = 0;
const REFUSED: u32 = 1;
const BROKEN: u32 = 2;
/// Of the last frame of a side that stops: calls without an answer were not read, and never will be.
const CLOSED: u32 = 3;
const CLOSED_ID: u64 = u64::MAX;

/// Longest wait, at the end, for the answers of what was read.
const LAST_ANSWERS_MAX: Duration = Duration::from_secs(1);

/// Calls without an answer; `None`: the stream is broken, there will be none.
type Waiting = Mutex<Option<BTreeMap<u64, oneshot::Sender<Answer>>>>;

/// The caller's end.
pub(super) struct MultiplexedStream {
    frames: mpsc::Sender<Frame>,
    waiting: Arc<Waiting>,
    next: AtomicU64,
}

impl MultiplexedStream {
    /// Opens a multiplexed stream on this connection; `headers` are read before the first frame.
    pub(super) async fn open(channel: Channel, headers: MetadataMap) -> Result<MultiplexedStream, Status> {
        let (frames, outgoing) = mpsc::channel(FRAMES_MAX);
        let mut request = Request::new(stream_of(outgoing));
        *request.metadata_mut() = headers;
        let mut grpc = Grpc::new(channel)
            .max_decoding_message_size(MESSAGE_BYTES_MAX)
            .max_encoding_message_size(MESSAGE_BYTES_MAX);
        grpc.ready().await.map_err(|error| Status::unknown(error.to_string()))?;
        let codec = ProstCodec::<Frame, Frame>::default();
        let answers =
            grpc.streaming(request, PathAndQuery::from_static(STREAM_PATH), codec).await?.into_inner();
        let waiting = Arc::new(Waiting::new(Some(BTreeMap::new())));
        tokio::spawn(hand_out(answers, Arc::clone(&waiting)));
        Ok(MultiplexedStream { frames, waiting, next: AtomicU64::new(0) })
    }

    /// Whether calls may still get answers.
    pub(super) fn is_up(&self) -> bool {
        self.waiting.lock().is_some()
    }

    /// Calls and waits for the answer. Calls are sent in the order in which their futures are first polled.
    pub(super) async fn call(&self, group: u64, kind: u32, body: Bytes, deadline: Instant) -> Answer {
        let unreachable = |why: &str| CallError::Unreachable(why.into());
        let id = self.next.fetch_add(1, Ordering::Relaxed);
        let (sender, answer) = oneshot::channel();
        match &mut *self.waiting.lock() {
            Some(waiting) => drop(waiting.insert(id, sender)),
            None => return Err(unreachable("the stream is broken")),
        }
        let _forget = Forget { waiting: &self.waiting, id };
        let frame = Frame { id, kind, status: DONE, body, group };
        match timeout_at(deadline, self.frames.send(frame)).await {
            Ok(Ok(())) => {}
            Ok(Err(_)) => return Err(unreachable("the stream is broken")),
            Err(_) => return Err(unreachable("no room on the stream in time")),
        }
        match timeout_at(deadline, answer).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(_)) => Err(CallError::Broken("the stream broke".into())),
            Err(_) => Err(CallError::Broken("no answer in time".into())),
        }
    }
}

/// Removes a call from the list, also when its caller is cancelled.
struct Forget<'a> {
    waiting: &'a Waiting,
    id: u64,
}

impl Drop for Forget<'_> {
    fn drop(&mut self) {
        if let Some(waiting) = &mut *self.waiting.lock() {
            waiting.remove(&self.id);
        }
    }
}

/// Hands each answer to its caller, until the stream ends.
async fn hand_out(mut answers: Streaming<Frame>, waiting: Arc<Waiting>) {
    while let Ok(Some(Frame { id, status, body, .. })) = answers.message().await {
        let text = || String::from_utf8_lossy(&body).into_owned();
        let answer = match status {
            DONE => Ok(body),
            REFUSED => Err(CallError::Refused(text())),
            _ => Err(CallError::Broken(text())),
        };
        if (id, status) == (CLOSED_ID, CLOSED) {
            for one in waiting.lock().take().unwrap_or_default().into_values() {
                let _ = one.send(Err(CallError::Unreachable("the node stops".into())));
            }
            return;
        }
        let one = waiting.lock().as_mut().and_then(|waiting| waiting.remove(&id));
        if let Some(one) = one {
            // The caller may have given up.
            let _ = one.send(answer);
        }
    }
    // Dropping the senders tells all that wait.
    *waiting.lock() = None;
}

/// The other end: has each call handled, and answers. At the end it reads no more, answers what it has read, and says so.
pub(super) fn answer(
    mut calls: Streaming<Frame>,
    caller: Caller,
    groups: Arc<Groups>,
    mut end: End,
) -> BoxStream<'static, Result<Frame, Status>> {
    let (answers, outgoing) = mpsc::channel(FRAMES_MAX);
    let open = Open::new(&end.open);
    tokio::spawn(async move {
        let room = Arc::new(Semaphore::new(STREAM_BYTES_MAX / 1024));
        let (mut taken, answered) = (0_u64, Arc::new(AtomicU64::new(0)));
        loop {
            let call = tokio::select! {
                biased;
                _ = end.is_stopping.wait_for(|is_stopping| *is_stopping) => break,
                call = calls.message() => call,
            };
            let Ok(Some(Frame { id, kind, body, group, .. })) = call else { return };
            // A call takes room by its size until it is answered; with no other call, one of any size is admitted.
            let size =
                (body.len() / 1024 + STREAM_BYTES_MAX / 1024 / FRAMES_MAX).min(STREAM_BYTES_MAX / 1024);
            let size = u32::try_from(size).unwrap_or(u32::MAX);
            let Ok(permit) = Arc::clone(&room).acquire_many_owned(size).await else { return };
            let is_covered = authorization::is_covered(caller.kind, kind, true);
            let call = match groups.get(group) {
                Some(handler) if is_covered => handler.call(caller.id, kind, body),
                Some(_) => Box::pin(async {
                    Err(CallError::Refused("calls of this kind are not allowed on this stream".into()))
                }),
                None => Box::pin(async move { Err(no_group(group)) }),
            };
            taken = taken.saturating_add(1);
            let (answers, answered) = (answers.clone(), Arc::clone(&answered));
            // Tasks of one thread are first polled in the order of their spawning.
            tokio::spawn(async move {
                let (status, body) = match call.await {
                    Ok(body) => (DONE, body),
                    Err(CallError::Refused(why) | CallError::Unreachable(why)) => (REFUSED, Bytes::from(why)),
                    Err(CallError::Broken(why)) => (BROKEN, Bytes::from(why)),
                };
                // The caller may have gone.
                let _ = answers.send(Ok(Frame { id, kind, status, body, group })).await;
                answered.fetch_add(1, Ordering::Release);
                drop(permit);
            });
        }
        // All that were read are done once they have given back their room; one that panicked has no answer.
        let all = u32::try_from(STREAM_BYTES_MAX / 1024).unwrap_or(u32::MAX);
        let done = timeout_at(Instant::now() + LAST_ANSWERS_MAX, room.acquire_many(all)).await;
        let last = match done {
            Ok(Ok(_)) if answered.load(Ordering::Acquire) == taken => {
                Ok(Frame { id: CLOSED_ID, status: CLOSED, ..Frame::default() })
            }
            Ok(_) | Err(_) => Err(Status::unavailable("the node stops")),
        };
        let _ = answers.send(last).await;
    });
    Box::pin(stream_of(outgoing).chain(nothing_more(open)))
}

/// Counts the stream as open until its last frame has been taken.
fn nothing_more(open: Open) -> impl Stream<Item = Result<Frame, Status>> + Send {
    futures::stream::once(async move { drop(open) }).filter_map(|()| std::future::ready(None))
}

/// The end of the streams that a node answers.
#[derive(Clone)]
pub(super) struct End {
    pub(super) is_stopping: watch::Receiver<bool>,
    /// How many are open.
    pub(super) open: watch::Sender<usize>,
}

/// One of them.
struct Open(watch::Sender<usize>);

impl Open {
    fn new(open: &watch::Sender<usize>) -> Self {
        open.send_modify(|count| *count = count.saturating_add(1));
        Open(open.clone())
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.send_modify(|count| *count = count.saturating_sub(1));
    }
}

fn stream_of<T: Send + 'static>(receiver: mpsc::Receiver<T>) -> impl Stream<Item = T> + Send + 'static {
    futures::stream::unfold(receiver, |mut receiver| async {
        receiver.recv().await.map(|item| (item, receiver))
    })
}
