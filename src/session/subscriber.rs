//! Messages on their way to one connection: each is encoded once per protocol and waits in the queue of whoever gets it until the
//! connection's task takes it. A subscriber whose queue grows beyond its limit is cut off: it costs others nothing.

use super::{Client, Publication, Subscribed};
use crate::{
    limits::{PUBSUB_QUEUE_BYTES_MAX, PUBSUB_QUEUE_SOFT_BYTES, PUBSUB_QUEUE_SOFT_MS},
    resp::{Protocol, Reply, encode},
};
use bytes::{Bytes, BytesMut};
use parking_lot::Mutex;
use std::{
    collections::VecDeque,
    sync::{Arc, OnceLock, atomic::Ordering},
    time::Instant,
};
use tokio::sync::Notify;

/// A message as it is sent, encoded once per protocol however many get it.
#[derive(Debug)]
pub(super) struct Frame {
    pub(super) kind: Subscribed,
    /// What its listeners subscribed to: the channel or the pattern.
    pub(super) name: Bytes,
    reply: Reply,
    encoded: [OnceLock<Bytes>; 2],
}

impl Frame {
    pub(super) fn new(kind: Subscribed, name: &Bytes, message: &Publication) -> Arc<Frame> {
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
        Arc::new(Frame { kind, name: name.clone(), reply: Reply::Push(words), encoded: Default::default() })
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
    queue: Mutex<Queue>,
    bell: Notify,
}

#[derive(Debug, Default)]
struct Queue {
    frames: VecDeque<Arc<Frame>>,
    bytes: usize,
    /// Since when it is longer than it should be.
    long_since: Option<Instant>,
}

impl Subscriber {
    pub(super) fn new(client: Arc<Client>) -> Self {
        Subscriber { client, queue: Mutex::default(), bell: Notify::new() }
    }

    /// Hands a frame over, or cuts the subscriber off; says whether it was handed over.
    pub(super) fn put(&self, frame: &Arc<Frame>) -> bool {
        let mut queue = self.queue.lock();
        queue.bytes = queue.bytes.saturating_add(frame.bytes(Protocol::Resp2).len());
        let too_long_for = match queue.bytes > PUBSUB_QUEUE_SOFT_BYTES {
            true => queue.long_since.get_or_insert_with(Instant::now).elapsed().as_millis(),
            false => 0,
        };
        if queue.bytes > PUBSUB_QUEUE_BYTES_MAX || too_long_for > PUBSUB_QUEUE_SOFT_MS {
            tracing::warn!(
                client = self.client.id,
                queued_bytes = queue.bytes,
                "a subscriber is too slow, closing"
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
        // One wake for all that come before the connection looks.
        if was_empty {
            self.bell.notify_one();
        }
        true
    }

    /// Waits until there may be something to take.
    pub async fn wait(&self) {
        self.bell.notified().await;
    }

    /// How many messages wait.
    pub fn waiting(&self) -> usize {
        self.queue.lock().frames.len()
    }

    /// Appends waiting messages to `out`, at most so many, until it has so many bytes; says how many.
    pub fn take(&self, protocol: Protocol, count_max: usize, bytes_max: usize, out: &mut BytesMut) -> usize {
        let (mut queue, mut taken) = (self.queue.lock(), 0_usize);
        while taken < count_max && out.len() < bytes_max {
            let Some(frame) = queue.frames.pop_front() else { break };
            queue.bytes = queue.bytes.saturating_sub(frame.bytes(Protocol::Resp2).len());
            out.extend_from_slice(frame.bytes(protocol));
            taken = taken.saturating_add(1);
        }
        if queue.bytes <= PUBSUB_QUEUE_SOFT_BYTES {
            queue.long_since = None;
        }
        match queue.frames.is_empty() {
            true => *queue = Queue::default(),
            // Whoever puts rings for the first frame only.
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
        self.tell(&queue);
    }

    /// For CLIENT LIST.
    fn tell(&self, queue: &Queue) {
        self.client.messages.store(queue.frames.len() as u64, Ordering::Relaxed);
        self.client.message_bytes.store(queue.bytes as u64, Ordering::Relaxed);
    }
}
