//! Messages queued for one connection: each is encoded once per protocol and waits in its receivers' queues until the
//! connection's task takes it. A subscriber whose queue grows beyond its limit is disconnected; other subscribers are not
//! affected.

use super::{Client, Publication, Subscribed, output_limit::SharedOutputLimit};
use crate::resp::{Protocol, Reply, encode};
use bytes::{Bytes, BytesMut};
use parking_lot::Mutex;
use std::{
    collections::VecDeque,
    sync::{Arc, OnceLock, atomic::Ordering},
    time::Instant,
};
use tokio::sync::Notify;

/// A message as it is sent, encoded once per protocol for any number of receivers.
#[derive(Debug)]
pub(super) struct Frame {
    pub(super) kind: Subscribed,
    /// The name that its listeners subscribed to: the channel or the pattern.
    pub(super) name: Bytes,
    reply: Reply,
    encoded: [OnceLock<Bytes>; 2],
    /// Among so many it is shared.
    receivers: usize,
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
        Arc::new(Frame { kind, name, reply, encoded: Default::default(), receivers })
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
            encode(&self.reply, protocol, &mut bytes);
            bytes.freeze()
        })
    }
}

/// A connection that listens.
#[derive(Debug)]
pub struct Subscriber {
    client: Arc<Client>,
    limit: Arc<SharedOutputLimit>,
    queue: Mutex<Queue>,
    bell: Notify,
}

#[derive(Debug, Default)]
struct Queue {
    frames: VecDeque<Arc<Frame>>,
    bytes: usize,
    share: usize,
    /// Since when it is longer than it should be.
    long_since: Option<Instant>,
}

impl Subscriber {
    pub(super) fn new(client: Arc<Client>, limit: Arc<SharedOutputLimit>) -> Self {
        Subscriber { client, limit, queue: Mutex::default(), bell: Notify::new() }
    }

    /// Queues a frame, or disconnects the subscriber; returns whether it was queued.
    pub(super) fn put(&self, frame: &Arc<Frame>) -> bool {
        let mut queue = self.queue.lock();
        queue.bytes = queue.bytes.saturating_add(frame.bytes(Protocol::Resp2).len());
        queue.share = queue.share.saturating_add(frame.share());
        let (bytes, limit) = (queue.bytes, self.limit.get());
        if limit.is_exceeded(bytes, &mut queue.long_since) {
            tracing::warn!(
                client = self.client.id,
                queued_bytes = queue.bytes,
                "a subscriber is too slow; closing it"
            );
            *queue = Queue::default();
            self.tell(&queue);
            drop(queue);
            self.client.kill();
            return false;
        }
        queue.frames.push_back(Arc::clone(frame));
        self.tell(&queue);
        let was_empty = queue.frames.len() == 1;
        drop(queue);
        // One wake for all frames that come before the connection looks.
        if was_empty {
            self.bell.notify_one();
        }
        true
    }

    /// Waits until there may be something to take.
    pub async fn wait(&self) {
        self.bell.notified().await;
    }

    /// The number of queued messages.
    pub fn waiting(&self) -> usize {
        self.queue.lock().frames.len()
    }

    /// Appends queued messages to `out`, up to a number and a size in bytes; returns how many.
    pub fn take(&self, protocol: Protocol, count_max: usize, bytes_max: usize, out: &mut BytesMut) -> usize {
        let (mut queue, mut taken) = (self.queue.lock(), 0_usize);
        while taken < count_max && out.len() < bytes_max {
            let Some(frame) = queue.frames.pop_front() else { break };
            queue.bytes = queue.bytes.saturating_sub(frame.bytes(Protocol::Resp2).len());
            queue.share = queue.share.saturating_sub(frame.share());
            out.extend_from_slice(frame.bytes(protocol));
            taken = taken.saturating_add(1);
        }
        if !self.limit.get().is_soft_exceeded(queue.bytes) {
            queue.long_since = None;
        }
        match queue.frames.is_empty() {
            true => *queue = Queue::default(),
            // The sender rings for the first frame only.
            false => self.bell.notify_one(),
        }
        self.tell(&queue);
        taken
    }

    /// Drops the waiting messages that `is_wanted` denies.
    pub(super) fn retain(&self, is_wanted: impl Fn(&Frame) -> bool) {
        let mut queue = self.queue.lock();
        queue.frames.retain(|frame| is_wanted(frame));
        queue.bytes = queue.frames.iter().map(|frame| frame.bytes(Protocol::Resp2).len()).sum();
        queue.share = queue.frames.iter().map(|frame| frame.share()).sum();
        self.tell(&queue);
    }

    fn tell(&self, queue: &Queue) {
        let memory = &self.client.memory;
        memory.messages.store(queue.frames.len() as u64, Ordering::Relaxed);
        memory.message.store(queue.bytes as u64, Ordering::Relaxed);
        memory.message_share.store(queue.share as u64, Ordering::Relaxed);
        memory.tell();
    }
}
