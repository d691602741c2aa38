//! Subscriptions of this node's clients.
//!
//! Messages are handed to subscribers (`subscriber.rs`) in the order of `publish` calls.

use super::{
    Client, MessagePosition, Monitors, Subscriber, message_order::MessageOrder,
    output_limit::SharedOutputLimit, subscriber::Frame,
};
use crate::{
    limits::{
        CLIENT_PATTERNS_MAX, CLIENT_SUBSCRIPTIONS_MAX, PUBSUB_TAP_BYTES_MAX, PUBSUB_TAP_MESSAGES_MAX,
        SUBSCRIPTIONS_MAX,
    },
    types::glob,
};
use bytes::Bytes;
use parking_lot::{Mutex, RwLock};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Instant,
};
use tokio::sync::broadcast;

/// A published message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Publication {
    pub channel: Bytes,
    pub payload: Bytes,
    /// SPUBLISH: to subscribers of shard channels only.
    pub is_sharded: bool,
    /// Its position in the order of the core; `None`: it has none, or not yet.
    pub at: Option<MessagePosition>,
}

/// Kinds of subscriptions; their names do not mix.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Subscribed {
    Channel,
    Pattern,
    Shard,
}

/// The subscriptions of one session.
#[derive(Default)]
pub struct Subscriptions {
    channels: BTreeSet<Bytes>,
    patterns: BTreeSet<Bytes>,
    shards: BTreeSet<Bytes>,
    /// Memory of all names, here and in the node's tables.
    bytes: usize,
    /// The queue of messages for the client, since it first listened to something.
    subscriber: Option<Arc<Subscriber>>,
    /// Notified when the session ends.
    registry: Option<Arc<PubSub>>,
    /// Of a client that monitors the node.
    monitors: Option<Arc<Monitors>>,
}

impl Subscriptions {
    fn names(&mut self, kind: Subscribed) -> &mut BTreeSet<Bytes> {
        match kind {
            Subscribed::Channel => &mut self.channels,
            Subscribed::Pattern => &mut self.patterns,
            Subscribed::Shard => &mut self.shards,
        }
    }

    /// The count of a kind in replies to the client: channels and patterns count together.
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
        if self.has_its_share(kind) {
            return false;
        }
        if registry.subscriptions.fetch_add(1, Ordering::Relaxed) >= SUBSCRIPTIONS_MAX {
            registry.subscriptions.fetch_sub(1, Ordering::Relaxed);
            return false;
        }
        self.registry = Some(Arc::clone(registry));
        let inbox = client.inbox(&registry.output_limit);
        let subscriber = self.subscriber.get_or_insert_with(|| Arc::clone(inbox));
        self.bytes = self.bytes.saturating_add(memory_of(&name));
        registry.table(kind).write().entry(name.clone()).or_default().push(Arc::clone(subscriber));
        self.names(kind).insert(name);
        self.tell(client);
        true
    }

    /// The client is shown the calls of this node from now on; false: it was before.
    pub fn monitor(
        &mut self,
        client: &Arc<Client>,
        monitors: &Arc<Monitors>,
        limit: &Arc<SharedOutputLimit>,
    ) -> bool {
        if self.is_monitor() {
            return false;
        }
        let subscriber = self.subscriber.get_or_insert_with(|| Arc::clone(client.inbox(limit)));
        monitors.add(Arc::clone(subscriber));
        self.monitors = Some(Arc::clone(monitors));
        true
    }

    /// Whether the client monitors the node.
    pub fn is_monitor(&self) -> bool {
        self.monitors.is_some()
    }

    /// Whether the client has as many subscriptions of this kind as one may have.
    fn has_its_share(&self, kind: Subscribed) -> bool {
        let all =
            [&self.channels, &self.patterns, &self.shards].map(BTreeSet::len).into_iter().sum::<usize>();
        all >= CLIENT_SUBSCRIPTIONS_MAX
            || kind == Subscribed::Pattern && self.patterns.len() >= CLIENT_PATTERNS_MAX
    }

    /// Drops messages that wait for this session under names that it no longer listens to.
    pub fn drop_unwanted(&self) {
        let Some(subscriber) = &self.subscriber else { return };
        subscriber.retain(|frame| match frame.subscribed() {
            Some((Subscribed::Channel, name)) => self.channels.contains(name),
            Some((Subscribed::Pattern, name)) => self.patterns.contains(name),
            Some((Subscribed::Shard, name)) => self.shards.contains(name),
            None => true,
        });
    }

    /// Ends a subscription.
    pub fn remove(&mut self, kind: Subscribed, name: &Bytes, client: &Client) {
        if self.names(kind).remove(name) {
            self.bytes = self.bytes.saturating_sub(memory_of(name));
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
        client.memory.subscriptions.store(self.bytes as u64, Ordering::Relaxed);
    }
}

/// What a subscription takes: its name, the handles to it here and in the node's table, the entry there.
fn memory_of(name: &Bytes) -> usize {
    const HANDLES: usize = 2 * size_of::<Bytes>() + size_of::<Vec<Arc<Subscriber>>>();
    const ENTRY: usize = 4 * size_of::<Arc<Subscriber>>() + 4 * size_of::<usize>();
    name.len().saturating_add(HANDLES + ENTRY)
}

impl Drop for Subscriptions {
    fn drop(&mut self) {
        if let (Some(monitors), Some(subscriber)) = (&self.monitors, &self.subscriber) {
            monitors.remove(subscriber);
        }
        let kinds = [
            (Subscribed::Channel, &self.channels),
            (Subscribed::Pattern, &self.patterns),
            (Subscribed::Shard, &self.shards),
        ];
        for (kind, names) in kinds {
            names.iter().for_each(|name| self.forget(kind, name));
        }
        // The client may go on with another session (RESET), and its queue with it.
        if let Some(subscriber) = &self.subscriber {
            subscriber.retain(|frame| frame.subscribed().is_none());
        }
    }
}

pub(super) type Table = RwLock<BTreeMap<Bytes, Vec<Arc<Subscriber>>>>;

/// All subscriptions on this node.
#[derive(Debug, Default)]
pub struct PubSub {
    channels: Table,
    patterns: Table,
    shards: Table,
    subscriptions: AtomicU64,
    /// `client-output-buffer-limit` of those who listen.
    pub output_limit: Arc<SharedOutputLimit>,
    /// Messages that could not be handed to some other node.
    pub dropped: AtomicU64,
    /// The latest term whose messages were delivered here.
    term: AtomicU64,
    /// Held while a message with a position is delivered.
    order: Mutex<MessageOrder>,
    /// Messages that were not handed out because they had been before, or a later one.
    pub repeated: AtomicU64,
    taps: Taps,
}

/// The source of messages for edges that this node feeds.
#[derive(Debug)]
struct Taps(broadcast::Sender<Publication>);

impl Default for Taps {
    fn default() -> Self {
        Taps(broadcast::Sender::new(PUBSUB_TAP_MESSAGES_MAX))
    }
}

impl PubSub {
    pub(super) fn table(&self, kind: Subscribed) -> &Table {
        match kind {
            Subscribed::Channel => &self.channels,
            Subscribed::Pattern => &self.patterns,
            Subscribed::Shard => &self.shards,
        }
    }

    /// Delivers a message to all subscribers of this node, and to edges that it feeds; returns the number of subscribers
    /// here. 0 if it, or a later one, was delivered before.
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

    /// Whether this node has subscribers.
    pub fn has_listeners(&self) -> bool {
        self.subscriptions.load(Ordering::Relaxed) > 0
    }

    /// Delivers a message to all subscribers of this node only; returns their number.
    pub fn deliver(&self, message: &Publication) -> u64 {
        let hand_out = |listeners: &[Arc<Subscriber>], frame: &Arc<Frame>| {
            listeners.iter().filter(|listener| listener.put(frame)).count() as u64
        };
        let kind = if message.is_sharded { Subscribed::Shard } else { Subscribed::Channel };
        let mut count = 0;
        if let Some(listeners) = self.table(kind).read().get(&message.channel) {
            count += hand_out(listeners, &Frame::new(kind, &message.channel, message, listeners.len()));
        }
        if !message.is_sharded {
            for (pattern, listeners) in self.patterns.read().iter() {
                if glob::matches(pattern, &message.channel, false) {
                    count += hand_out(
                        listeners,
                        &Frame::new(Subscribed::Pattern, pattern, message, listeners.len()),
                    );
                }
            }
        }
        count
    }

    /// All messages delivered on this node from now on, in order; a slow receiver misses some. Before them, for a receiver
    /// that has heard a message of this order: recent messages behind that one.
    pub fn tap(
        &self,
        heard: Option<MessagePosition>,
    ) -> (Vec<Publication>, broadcast::Receiver<Publication>) {
        let order = self.order.lock();
        let missed = heard.map_or_else(Vec::new, |heard| order.since(heard, Instant::now()));
        (missed, self.taps.0.subscribe())
    }

    /// On an edge: messages of this history of the core follow; returns the last one of it that was delivered here.
    pub fn follow(&self, history: &str) -> Option<MessagePosition> {
        let mut order = self.order.lock();
        order.begin(history);
        order.last()
    }

    /// Whether messages that a leader of this term ordered may still be delivered: never after those of a later one.
    pub fn admit(&self, term: u64) -> bool {
        self.term.fetch_max(term, Ordering::AcqRel) <= term
    }
}
