//! Messages queued for one connection: each is encoded once per protocol and waits in its receivers' queues until the
//! connection's task takes it. A subscriber whose queue grows beyond its limit is disconnected; other subscribers are not
//! affected.

use super::{Client, Publication, Subscribed, output_limit::SharedOutputLimit};
use crate::resp::{Protocol, Reply, encode};
use bytes::{Bytes, BytesMut};
use parking_lot::Mutex;
use std::{
    collections::VecDeque,
    sync::{Arc, OnceLock, Weak, atomic::Ordering},
    time::Instant,
};

/// The channel in which RESP2 clients hear of changed keys.
const INVALIDATIONS: &[u8] = b"__redis__:invalidate";

/// A message as it is sent, encoded once per protocol for any number of receivers.
#[derive(Debug)]
pub(super) struct Frame {
    content: Content,
    encoded: [OnceLock<Bytes>; 2],
    /// Among so many it is shared.
    receivers: usize,
}

#[derive(Debug)]
enum Content {
    /// A publication, by the name that its listeners subscribed to: the channel or the pattern.
    Published { kind: Subscribed, name: Bytes, reply: Reply },
    /// A line for those who monitor.
    Line(Reply),
    /// Tracked keys have changed: these, or all.
    Invalidation(Reply),
    /// The client that was to be told of changes has gone.
    RedirectionBroken(u64),
}

impl Frame {
    pub(super) fn new(kind: Subscribed, name: &Bytes, message: &Publication, receivers: usize) -> Arc<Frame> {
        let (word, pattern) = match kind {
            Subscribed::Channel => ("message", None),
            Subscribed::Pattern => ("pmessage", Some(name)),
            Subscribed::Shard => ("smessage", None),
        };
        let words = [
            Some(&Bytes::from_static(word.as_bytes())),
            pattern,
            Some(&message.channel),
            Some(&message.payload),
        ]
        .into_iter()
        .flatten()
        .map(Reply::bulk)
        .collect();
        let (name, reply) = (name.clone(), Reply::Push(words));
        Self::of(Content::Published { kind, name, reply }, receivers)
    }

    fn of(content: Content, receivers: usize) -> Arc<Frame> {
        Arc::new(Frame { content, encoded: Default::default(), receivers })
    }

    /// A line for those who monitor the node.
    pub(super) fn line(line: String, receivers: usize) -> Arc<Frame> {
        Self::of(Content::Line(Reply::simple(line)), receivers)
    }

    /// Tells clients that track them of changed keys; `None`: any may have changed.
    pub(super) fn invalidation(keys: Option<&[Bytes]>, receivers: usize) -> Arc<Frame> {
        let keys = keys.map_or(Reply::Nil, |keys| Reply::Array(keys.iter().map(Reply::bulk).collect()));
        Self::of(Content::Invalidation(keys), receivers)
    }

    /// Tells a client that the one it redirects to has gone.
    pub(super) fn redirection_broken(to: u64) -> Arc<Frame> {
        Self::of(Content::RedirectionBroken(to), 1)
    }

    /// What it was subscribed to.
    pub(super) fn subscribed(&self) -> Option<(Subscribed, &Bytes)> {
        match &self.content {
            Content::Published { kind, name, .. } => Some((*kind, name)),
            Content::Line(_) | Content::Invalidation(_) | Content::RedirectionBroken(_) => None,
        }
    }

    fn reply(&self, protocol: Protocol) -> Reply {
        match (&self.content, protocol) {
            (Content::Published { reply, .. } | Content::Line(reply), _) => reply.clone(),
            (Content::Invalidation(keys), Protocol::Resp3) => {
                Reply::Push(vec![Reply::bulk("invalidate"), keys.clone()])
            }
            (Content::Invalidation(keys), Protocol::Resp2) => {
                Reply::Array(vec![Reply::bulk("message"), Reply::bulk(INVALIDATIONS), keys.clone()])
            }
            (Content::RedirectionBroken(to), Protocol::Resp3) => {
                Reply::Push(vec![Reply::bulk("tracking-redir-broken"), Reply::count(*to)])
            }
            (Content::RedirectionBroken(_), Protocol::Resp2) => Reply::None,
        }
    }

    /// Whether it can be told to a client that speaks this protocol: what is no reply, in RESP2 to subscribers only.
    fn is_for(&self, protocol: Protocol, client: &Client) -> bool {
        let is_reply = matches!(self.content, Content::Published { .. } | Content::Line(_));
        protocol == Protocol::Resp3 || is_reply || client.is_subscribed()
    }

    /// A receiver's share of the memory: of the words as they came and of their encoding.
    fn share(&self) -> usize {
        let bytes = self.bytes(Protocol::Resp2).len().saturating_mul(2).saturating_add(size_of::<Frame>());
        bytes.div_ceil(self.receivers.max(1)).saturating_add(size_of::<Arc<Frame>>())
    }

    fn bytes(&self, protocol: Protocol) -> &Bytes {
        let [resp2, resp3] = &self.encoded;
        let slot = match protocol {
            Protocol::Resp2 => resp2,
            Protocol::Resp3 => resp3,
        };
        slot.get_or_init(|| {
            let mut bytes = BytesMut::new();
            encode(&self.reply(protocol), protocol, &mut bytes);
            bytes.freeze()
        })
    }
}

/// A connection that listens.
#[derive(Debug)]
pub struct Subscriber {
    client: Weak<Client>,
    limit: Arc<SharedOutputLimit>,
    queue: Mutex<Queue>,
}

#[derive(Debug, Default)]
struct Queue {
    frames: VecDeque<Arc<Frame>>,
    bytes: usize,
    share: usize,
    /// Since when it is longer than it should be.
    long_since: Option<Instant>,
}

impl Client {
    /// Where messages for it are queued.
    pub(super) fn inbox(self: &Arc<Self>, limit: &Arc<SharedOutputLimit>) -> &Arc<Subscriber> {
        self.inbox.get_or_init(|| Arc::new(Subscriber::new(self, Arc::clone(limit))))
    }

    /// The queue of messages for it; `None`: there never were any.
    pub fn messages(&self) -> Option<&Arc<Subscriber>> {
        self.inbox.get()
    }

    /// Resolves when a message may wait for it.
    pub async fn wait_message(&self) {
        self.bell.notified().await;
    }
}

impl Subscriber {
    /// Of this client, which has it.
    pub(super) fn new(client: &Arc<Client>, limit: Arc<SharedOutputLimit>) -> Self {
        Subscriber { client: Arc::downgrade(client), limit, queue: Mutex::default() }
    }

    /// Queues a frame, or disconnects the subscriber; returns whether it was queued.
    pub(super) fn put(&self, frame: &Arc<Frame>) -> bool {
        let Some(client) = self.client.upgrade() else { return false };
        let mut queue = self.queue.lock();
        queue.bytes = queue.bytes.saturating_add(frame.bytes(Protocol::Resp2).len());
        queue.share = queue.share.saturating_add(frame.share());
        let (bytes, limit) = (queue.bytes, self.limit.get());
        if limit.is_exceeded(bytes, &mut queue.long_since) {
            tracing::warn!(
                client = client.id,
                queued_bytes = queue.bytes,
                "a subscriber is too slow; closing it"
            );
            *queue = Queue::default();
            tell(&client, &queue);
            drop(queue);
            client.kill();
            return false;
        }
        queue.frames.push_back(Arc::clone(frame));
        tell(&client, &queue);
        let was_empty = queue.frames.len() == 1;
        drop(queue);
        // One wake for all frames that come before the connection looks.
        if was_empty {
            client.bell.notify_one();
        }
        true
    }

    /// The number of queued messages.
    pub fn waiting(&self) -> usize {
        self.queue.lock().frames.len()
    }

    /// Appends queued messages to `out`, up to a number and a size in bytes; returns how many.
    pub fn take(&self, protocol: Protocol, count_max: usize, bytes_max: usize, out: &mut BytesMut) -> usize {
        let Some(client) = self.client.upgrade() else { return 0 };
        let (mut queue, mut taken) = (self.queue.lock(), 0_usize);
        while taken < count_max && out.len() < bytes_max {
            let Some(frame) = queue.frames.pop_front() else { break };
            queue.bytes = queue.bytes.saturating_sub(frame.bytes(Protocol::Resp2).len());
            queue.share = queue.share.saturating_sub(frame.share());
            if frame.is_for(protocol, &client) {
                out.extend_from_slice(frame.bytes(protocol));
            }
            taken = taken.saturating_add(1);
        }
        if !self.limit.get().is_soft_exceeded(queue.bytes) {
            queue.long_since = None;
        }
        match queue.frames.is_empty() {
            true => *queue = Queue::default(),
            // The sender rings for the first frame only.
            false => client.bell.notify_one(),
        }
        tell(&client, &queue);
        taken
    }

    /// Drops the waiting messages that `is_wanted` denies.
    pub(super) fn retain(&self, is_wanted: impl Fn(&Frame) -> bool) {
        let mut queue = self.queue.lock();
        queue.frames.retain(|frame| is_wanted(frame));
        queue.bytes = queue.frames.iter().map(|frame| frame.bytes(Protocol::Resp2).len()).sum();
        queue.share = queue.frames.iter().map(|frame| frame.share()).sum();
        if let Some(client) = self.client.upgrade() {
            tell(&client, &queue);
        }
    }
}

fn tell(Client { memory, .. }: &Client, queue: &Queue) {
    memory.messages.store(queue.frames.len() as u64, Ordering::Relaxed);
    memory.message.store(queue.bytes as u64, Ordering::Relaxed);
    memory.message_share.store(queue.share as u64, Ordering::Relaxed);
    memory.tell();
}
