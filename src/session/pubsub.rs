//! Who listens to which channel on this node, and messages on their way to connections.
//!
//! Messages are handed to subscribers in the order of `publish` calls; each waits in its subscriber's queue until the
//! connection's task takes it. A subscriber whose queue grows beyond its limit is cut off: it costs others nothing.

use super::{Client, MessagePosition, message_order::MessageOrder};
use crate::{
    limits::{
        PUBSUB_QUEUE_BYTES_MAX, PUBSUB_QUEUE_SOFT_BYTES, PUBSUB_QUEUE_SOFT_MS, PUBSUB_TAP_BYTES_MAX,
        PUBSUB_TAP_MESSAGES_MAX, SUBSCRIPTIONS_MAX,
    },
    resp::{Protocol, Reply, encode},
    types::glob,
};
use bytes::{Bytes, BytesMut};
use parking_lot::{Mutex, RwLock};
use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    sync::{
        Arc, OnceLock,
        atomic::{AtomicU64, Ordering},
    },
    time::Instant,
};
use tokio::sync::{Notify, broadcast};

/// A message that somebody publishes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Publication {
    pub channel: Bytes,
    pub payload: Bytes,
    /// SPUBLISH: to subscribers of shard channels only.
    pub is_sharded: bool,
    /// Its place in the order of the core; `None`: it has none, or not yet.
    pub at: Option<MessagePosition>,
}

/// What is subscribed to; they are told apart in everything.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Subscribed {
    Channel,
    Pattern,
    Shard,
}

/// A message as it is sent, encoded once per protocol however many get it.
#[derive(Debug)]
struct Frame {
    kind: Subscribed,
    /// What its listeners subscribed to: the channel or the pattern.
    name: Bytes,
    reply: Reply,
    encoded: [OnceLock<Bytes>; 2],
}

impl Frame {
    fn new(kind: Subscribed, name: &Bytes, message: &Publication) -> Arc<Frame> {
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
    /// Hands a frame over, or cuts the subscriber off; says whether it was handed over.
    fn put(&self, frame: &Arc<Frame>) -> bool {
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
            drop(queue);
            self.client.kill();
            return false;
        }
        queue.frames.push_back(Arc::clone(frame));
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
        taken
    }

    /// Drops the waiting messages that `is_wanted` denies.
    fn retain(&self, is_wanted: impl Fn(&Frame) -> bool) {
        let mut queue = self.queue.lock();
        queue.frames.retain(|frame| is_wanted(frame));
        queue.bytes = queue.frames.iter().map(|frame| frame.bytes(Protocol::Resp2).len()).sum();
    }
}

/// What one session listens to.
#[derive(Default)]
pub struct Subscriptions {
    channels: BTreeSet<Bytes>,
    patterns: BTreeSet<Bytes>,
    shards: BTreeSet<Bytes>,
    subscriber: Option<Arc<Subscriber>>,
    /// To be told when the session ends.
    registry: Option<Arc<PubSub>>,
}

impl Subscriptions {
    fn names(&mut self, kind: Subscribed) -> &mut BTreeSet<Bytes> {
        match kind {
            Subscribed::Channel => &mut self.channels,
            Subscribed::Pattern => &mut self.patterns,
            Subscribed::Shard => &mut self.shards,
        }
    }

    /// How many of a kind the client is told of: channels and patterns count together.
    pub fn count(&self, kind: Subscribed) -> usize {
        match kind {
            Subscribed::Channel | Subscribed::Pattern => {
                self.channels.len().saturating_add(self.patterns.len())
            }
            Subscribed::Shard => self.shards.len(),
        }
    }

    pub fn is_empty(&self) -> bool {
        self.channels.is_empty() && self.patterns.is_empty() && self.shards.is_empty()
    }

    /// The names of a kind, in order.
    pub fn all(&mut self, kind: Subscribed) -> Vec<Bytes> {
        self.names(kind).iter().cloned().collect()
    }

    /// Where messages for this session wait.
    pub fn subscriber(&self) -> Option<Arc<Subscriber>> {
        self.subscriber.clone()
    }

    /// Listens; false if the client or the node has as many subscriptions as it may have.
    pub fn add(
        &mut self,
        kind: Subscribed,
        name: Bytes,
        client: &Arc<Client>,
        registry: &Arc<PubSub>,
    ) -> bool {
        if self.names(kind).contains(&name) {
            return true;
        }
        if registry.subscriptions.fetch_add(1, Ordering::Relaxed) >= SUBSCRIPTIONS_MAX {
            registry.subscriptions.fetch_sub(1, Ordering::Relaxed);
            return false;
        }
        self.registry = Some(Arc::clone(registry));
        let subscriber = self.subscriber.get_or_insert_with(|| {
            Arc::new(Subscriber { client: Arc::clone(client), queue: Mutex::default(), bell: Notify::new() })
        });
        registry.table(kind).write().entry(name.clone()).or_default().push(Arc::clone(subscriber));
        self.names(kind).insert(name);
        self.tell(client);
        true
    }

    /// Drops messages that wait for this session under names that it no longer listens to.
    pub fn drop_unwanted(&self) {
        let Some(subscriber) = &self.subscriber else { return };
        subscriber.retain(|frame| match frame.kind {
            Subscribed::Channel => self.channels.contains(&frame.name),
            Subscribed::Pattern => self.patterns.contains(&frame.name),
            Subscribed::Shard => self.shards.contains(&frame.name),
        });
    }

    /// Listens no more.
    pub fn remove(&mut self, kind: Subscribed, name: &Bytes, client: &Client) {
        if self.names(kind).remove(name) {
            self.forget(kind, name);
            self.tell(client);
        }
    }

    fn forget(&self, kind: Subscribed, name: &Bytes) {
        let (Some(registry), Some(subscriber)) = (&self.registry, &self.subscriber) else { return };
        registry.subscriptions.fetch_sub(1, Ordering::Relaxed);
        let mut table = registry.table(kind).write();
        if let Some(listeners) = table.get_mut(name) {
            listeners.retain(|other| !Arc::ptr_eq(other, subscriber));
            if listeners.is_empty() {
                table.remove(name);
            }
        }
    }

    fn tell(&self, client: &Client) {
        let count = |names: &BTreeSet<Bytes>| u32::try_from(names.len()).unwrap_or(u32::MAX);
        client.subscribed.store(count(&self.channels), Ordering::Relaxed);
        client.psubscribed.store(count(&self.patterns), Ordering::Relaxed);
        client.ssubscribed.store(count(&self.shards), Ordering::Relaxed);
    }
}

impl Drop for Subscriptions {
    fn drop(&mut self) {
        let kinds = [
            (Subscribed::Channel, &self.channels),
            (Subscribed::Pattern, &self.patterns),
            (Subscribed::Shard, &self.shards),
        ];
        for (kind, names) in kinds {
            names.iter().for_each(|name| self.forget(kind, name));
        }
    }
}

type Table = RwLock<BTreeMap<Bytes, Vec<Arc<Subscriber>>>>;

/// All subscriptions on this node.
#[derive(Debug, Default)]
pub struct PubSub {
    channels: Table,
    patterns: Table,
    shards: Table,
    subscriptions: AtomicU64,
    /// Messages that could not be handed to some other node.
    pub dropped: AtomicU64,
    /// The latest term whose messages were delivered here.
    term: AtomicU64,
    /// Held while a message with a place is handed out.
    order: Mutex<MessageOrder>,
    /// Messages that were not handed out because they had been before, or a later one.
    pub repeated: AtomicU64,
    taps: Taps,
}

/// Where edges that this node feeds get messages from.
#[derive(Debug)]
struct Taps(broadcast::Sender<Publication>);

impl Default for Taps {
    fn default() -> Self {
        Taps(broadcast::Sender::new(PUBSUB_TAP_MESSAGES_MAX))
    }
}

impl PubSub {
    fn table(&self, kind: Subscribed) -> &Table {
        match kind {
            Subscribed::Channel => &self.channels,
            Subscribed::Pattern => &self.patterns,
            Subscribed::Shard => &self.shards,
        }
    }

    /// Hands a message to everybody here who listens, and to edges that this node feeds; says to how many here. To nobody,
    /// if it was handed out before, or one behind it was.
    pub fn publish(&self, message: &Publication) -> u64 {
        let mut order = message.at.map(|at| (at, self.order.lock()));
        let is_for_edges = message.payload.len() <= PUBSUB_TAP_BYTES_MAX;
        if let Some((at, order)) = &mut order {
            if !order.admit(*at) {
                self.repeated.fetch_add(1, Ordering::Relaxed);
                return 0;
            }
            if is_for_edges {
                order.keep(message, Instant::now());
            }
        }
        if self.taps.0.receiver_count() > 0 {
            match is_for_edges {
                true => drop(self.taps.0.send(message.clone())),
                false => drop(self.dropped.fetch_add(1, Ordering::Relaxed)),
            }
        }
        self.deliver(message)
    }

    /// Whether anybody here listens to channels or patterns.
    pub fn has_listeners(&self) -> bool {
        self.subscriptions.load(Ordering::Relaxed) > 0
    }

    /// Hands a message to everybody here who listens, and to nobody else; says to how many.
    pub fn deliver(&self, message: &Publication) -> u64 {
        let hand_out = |listeners: &[Arc<Subscriber>], frame: &Arc<Frame>| {
            listeners.iter().filter(|listener| listener.put(frame)).count() as u64
        };
        let kind = if message.is_sharded { Subscribed::Shard } else { Subscribed::Channel };
        let mut count = 0;
        if let Some(listeners) = self.table(kind).read().get(&message.channel) {
            count += hand_out(listeners, &Frame::new(kind, &message.channel, message));
        }
        if !message.is_sharded {
            for (pattern, listeners) in self.patterns.read().iter() {
                if glob::matches(pattern, &message.channel, false) {
                    count += hand_out(listeners, &Frame::new(Subscribed::Pattern, pattern, message));
                }
            }
        }
        count
    }

    /// From here on all messages that are delivered on this node, in their order; who does not keep up misses some. Before
    /// them, for one who has heard a message of this order: what was delivered here lately behind it.
    pub fn tap(
        &self,
        heard: Option<MessagePosition>,
    ) -> (Vec<Publication>, broadcast::Receiver<Publication>) {
        let order = self.order.lock();
        let missed = heard.map_or_else(Vec::new, |heard| order.since(heard, Instant::now()));
        (missed, self.taps.0.subscribe())
    }

    /// On an edge: messages come of this history of the core from here on; the last of it that was handed out here.
    pub fn follow(&self, history: &str) -> Option<MessagePosition> {
        let mut order = self.order.lock();
        order.begin(history);
        order.last()
    }

    /// Whether messages that a leader of this term ordered may still be delivered: never after those of a later one.
    pub fn admit(&self, term: u64) -> bool {
        self.term.fetch_max(term, Ordering::AcqRel) <= term
    }

    /// Names of a kind that somebody here listens to.
    pub fn names(&self, kind: Subscribed) -> Vec<Bytes> {
        self.table(kind).read().keys().cloned().collect()
    }

    /// How many there are of a kind.
    pub fn len(&self, kind: Subscribed) -> usize {
        self.table(kind).read().len()
    }

    /// How many connections here listen to a name.
    pub fn listeners(&self, kind: Subscribed, name: &[u8]) -> usize {
        self.table(kind).read().get(name).map_or(0, Vec::len)
    }
}
