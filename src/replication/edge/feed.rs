//! The core's side of a feed: entries as they are applied here, heartbeats between them, messages of PUBLISH.
//!
//! A feed is a stream that makes its next item when the connection has room for it. It waits for the applied index to
//! advance, so an idle edge costs a heartbeat now and then, and a busy one gets all entries since its last item at once.
//!
//! **Invariant.** Each item's entries continue those of the last item, index and term, and are committed: see `frames.rs`.
//! An edge whose last entry is not in this log is told so as soon as this node can know.

use super::frames::{Frames, Next};
use crate::{
    feature_level,
    peer::{Answers, CallError, Caller},
    replication::wire::{self, write},
    session::{ClusterIdentity, MessagePosition, PubSub, Publication},
    state::{FeedSlot, ReplicationState},
    store::{LogId, Store},
};
use bytes::Bytes;
use futures::StreamExt;
use parking_lot::RwLock;
use std::{cmp::Ordering, collections::VecDeque, sync::Arc, time::Duration};
use tokio::{
    sync::broadcast,
    time::{Instant, Interval, MissedTickBehavior},
};

/// Between two heartbeats while nothing happens.
const HEARTBEAT_INTERVAL: Duration = Duration::from_millis(150);
/// Between two small items while much happens: each costs both sides a wake-up.
const PACE: Duration = Duration::from_millis(1);
/// Up to this many edges have that pace. More share it, so that all of them together cost this node no more wake-ups a
/// second,
const EDGES_AT_PACE: usize = 4;
/// down to a pace of this many times as long.
const PACES_MAX: u32 = 20;
/// An item from this size on needs no pace.
const PACED_BYTES: usize = 32 << 10;
/// Messages in one item.
const MESSAGES_MAX: usize = 256;
const MESSAGES_BYTES_MAX: usize = 1 << 20;

/// The feeds of this node.
pub struct Feed {
    pub(super) frames: Arc<Frames>,
    state: Arc<ReplicationState>,
    pub(super) store: Arc<Store>,
    cluster: Arc<RwLock<ClusterIdentity>>,
    pubsub: Arc<PubSub>,
    node_name: String,
    edges_max: usize,
}

impl Feed {
    pub fn new(
        log: Arc<crate::replication::wal::SegmentLog>,
        state: Arc<ReplicationState>,
        store: Arc<Store>,
        cluster: Arc<RwLock<ClusterIdentity>>,
        pubsub: Arc<PubSub>,
        node_name: String,
        edges_max: usize,
    ) -> Self {
        let frames = Arc::new(Frames::new(log));
        Feed { frames, state, store, cluster, pubsub, node_name, edges_max }
    }

    /// Begins to feed an edge.
    pub fn open(self: &Arc<Self>, caller: &Caller, wanted: wire::Follow) -> Result<Answers, CallError> {
        let refused = |why: &str| Err(CallError::Refused(why.into()));
        if wanted.level == 0 || wanted.level > wire::EDGE_LEVEL {
            return refused("the edge's program is newer than this node's: the core goes first");
        }
        if let Some(why) = behind(&self.store, wanted.feature_level) {
            return Err(CallError::Refused(why));
        }
        if crate::peer::site_of(&caller.name) != Some(wanted.site.as_str()) {
            return refused("the edge is of another site than its name says");
        }
        if self.state.is_removed.load(std::sync::atomic::Ordering::Relaxed) {
            return refused("this node was removed from the core");
        }
        let history = self.cluster.read().history_id.clone();
        if history.is_empty() {
            return refused("this node is of no core yet");
        }
        let fed = &self.state.fed;
        let Some(slot) = fed.take(caller.id, &caller.name, &wanted.site, self.edges_max) else {
            return refused("this node feeds as many edges as it may");
        };
        let heard = MessagePosition { term: wanted.heard_term, number: wanted.heard_number };
        let is_heard = wanted.history == history && heard.number != 0;
        let (missed, messages) = self.pubsub.tap(is_heard.then_some(heard));
        let position = LogId { term: wanted.term, index: wanted.index };
        let mut heartbeats = tokio::time::interval(HEARTBEAT_INTERVAL);
        heartbeats.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let hello = wire::Hello {
            history: history.clone(),
            node_name: self.node_name.clone(),
            level: wire::EDGE_LEVEL,
        };
        let feeding = Feeding {
            feed: Arc::clone(self),
            slot,
            is_other_history: wanted.has_position && wanted.history != history,
            behind: wanted.has_position.then_some(position),
            is_checked: false,
            hello: Some(hello),
            heartbeats,
            missed: missed.into(),
            messages,
            paced_until: Instant::now(),
            is_over: false,
        };
        tracing::info!(edge = %caller.name, from = wanted.index, "an edge follows");
        Ok(futures::stream::unfold(feeding, Feeding::step).boxed())
    }

    fn heartbeat(&self) -> wire::CommitHeartbeat {
        let published = self.store.latest();
        let state = published.state();
        let agreed = self.state.sums.agreed().unwrap_or_default();
        wire::CommitHeartbeat {
            committed: state.applied.map_or(0, |applied| applied.index),
            clock_ms: self.state.clock.known_ms(),
            age_ms: u64::try_from(self.state.knowledge_age().as_millis()).unwrap_or(u64::MAX),
            agreed_index: agreed.index,
            agreed_sum: agreed.sum,
        }
    }
}

/// One edge that is fed.
struct Feeding {
    feed: Arc<Feed>,
    slot: FeedSlot,
    is_other_history: bool,
    /// The last entry that the edge has, or was sent.
    behind: Option<LogId>,
    /// Whether the edge's entry is known to be the core's entry there.
    is_checked: bool,
    hello: Option<wire::Hello>,
    heartbeats: Interval,
    /// Messages that the edge missed on its way here; before those of `messages`.
    missed: VecDeque<Publication>,
    messages: broadcast::Receiver<Publication>,
    paced_until: Instant,
    is_over: bool,
}

impl Feeding {
    async fn step(mut self) -> Option<(Result<Bytes, CallError>, Feeding)> {
        if self.is_over {
            return None;
        }
        let item = match self.next_item().await {
            Ok(item) => item,
            Err(error) => {
                self.is_over = true;
                return Some((Err(CallError::Broken(error)), self));
            }
        };
        self.is_over |= item.lost != 0;
        let bytes = write(&item);
        let sent = self.behind.map_or(0, |at| at.index);
        self.slot.sent(sent, bytes.len() as u64);
        Some((Ok(bytes), self))
    }

    async fn next_item(&mut self) -> Result<wire::Item, String> {
        if let Some(hello) = self.hello.take() {
            let heartbeat = Some(self.feed.heartbeat());
            return Ok(wire::Item { hello: Some(hello), heartbeat, ..Default::default() });
        }
        if self.is_other_history {
            return Ok(lost(wire::lost::HISTORY));
        }
        if let Some(first) = self.missed.pop_front() {
            let messages = self.gather(Ok(first));
            return Ok(wire::Item { messages, ..Default::default() });
        }
        loop {
            if !self.slot.is_taken() {
                return Ok(lost(wire::lost::REPLACED));
            }
            let applied = self.feed.store.applied();
            let next = self.behind.map_or(0, |behind| behind.index.saturating_add(1));
            if let (Some(behind), Some(applied), false) = (self.behind, applied, self.is_checked) {
                match stands_with(behind, applied, self.feed.frames.term(behind.index, applied)) {
                    Some(true) => self.is_checked = true,
                    Some(false) => return Ok(self.conflict(behind)),
                    None => {}
                }
            }
            if let Some(applied) = applied.filter(|applied| applied.index >= next) {
                tokio::time::sleep_until(self.paced_until).await;
                return self.entries(applied).await;
            }
            // Before the very first entry there is nothing to wait for but time.
            let moved = async {
                match applied {
                    Some(_) => self.feed.state.wait_core(next).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                biased;
                () = moved => {}
                message = self.messages.recv() => {
                    let messages = self.gather(message);
                    return Ok(wire::Item { messages, ..Default::default() });
                }
                _ = self.heartbeats.tick() => {
                    // Entries applied after the heartbeat was written come after it in the feed, too.
                    return Ok(wire::Item { heartbeat: Some(self.feed.heartbeat()), ..Default::default() });
                }
            }
        }
    }

    /// The entries behind the edge's last one, or the reason why there are none.
    async fn entries(&mut self, applied: LogId) -> Result<wire::Item, String> {
        let next = self.feed.frames.next(self.behind, applied).await.map_err(|error| error.to_string())?;
        let frame = match next {
            Next::Entries(frame) => frame,
            Next::Gone => return Ok(lost(wire::lost::PURGED)),
            Next::Conflict => return Ok(self.conflict(self.behind.unwrap_or_default())),
        };
        self.behind = Some(frame.last);
        self.is_checked = true;
        if frame.entries.records.len() < PACED_BYTES {
            self.paced_until = Instant::now() + pace(self.feed.state.fed.len());
        }
        let messages = match self.messages.try_recv() {
            Ok(message) => self.gather(Ok(message)),
            Err(_) => Vec::new(),
        };
        let heartbeat = Some(self.feed.heartbeat());
        Ok(wire::Item { entries: Some(frame.entries), heartbeat, messages, ..Default::default() })
    }

    fn conflict(&self, behind: LogId) -> wire::Item {
        let LogId { term, index } = behind;
        tracing::warn!(
            index,
            term,
            "an edge has an entry that this core has not; it will take a bootstrap snapshot"
        );
        lost(wire::lost::HISTORY)
    }

    /// Messages that wait, up to what one item carries.
    fn gather(
        &mut self,
        first: Result<Publication, broadcast::error::RecvError>,
    ) -> Vec<crate::replication::wire::Publication> {
        let dropped = |count: u64| {
            self.feed.pubsub.dropped.fetch_add(count, std::sync::atomic::Ordering::Relaxed);
        };
        let mut messages = Vec::new();
        let mut bytes = 0_usize;
        let mut push = |message: Publication| {
            bytes = bytes.saturating_add(message.payload.len());
            messages.push(crate::replication::wire::publication_to_wire(&message));
            bytes < MESSAGES_BYTES_MAX && messages.len() < MESSAGES_MAX
        };
        let mut more = match first {
            Ok(message) => push(message),
            Err(broadcast::error::RecvError::Lagged(count)) => {
                dropped(count);
                true
            }
            Err(broadcast::error::RecvError::Closed) => false,
        };
        while more {
            if let Some(missed) = self.missed.pop_front() {
                more = push(missed);
                continue;
            }
            more = match self.messages.try_recv() {
                Ok(message) => push(message),
                Err(broadcast::error::TryRecvError::Lagged(count)) => {
                    dropped(count);
                    true
                }
                Err(_) => false,
            };
        }
        messages
    }
}

/// Why an edge of a site that understands feature levels up to this one cannot have the data; `None`: it can.
pub(super) fn behind(store: &Store, understood: u32) -> Option<String> {
    let (understood, active) = (feature_level::said(understood), store.latest().state().feature_level);
    (active > understood).then(|| {
        format!(
            "the core is at feature level {active}, and the nodes of this site understand levels up to {understood}: \
             start all of them with a build that understands level {active}"
        )
    })
}

/// Time between two small items to each of so many edges.
fn pace(edges: usize) -> Duration {
    PACE * u32::try_from(edges.div_ceil(EDGES_AT_PACE)).unwrap_or(u32::MAX).clamp(1, PACES_MAX)
}

/// Whether the core has committed an edge's last entry, as far as this node's applied log id and the term in its log there
/// can tell.
fn stands_with(edge: LogId, applied: LogId, term: Option<u64>) -> Option<bool> {
    match edge.index.cmp(&applied.index) {
        Ordering::Less => term.map(|term| term == edge.term),
        Ordering::Equal => Some(edge.term == applied.term),
        // Terms never decrease along a log: no entry of an earlier term is behind one of a later term.
        Ordering::Greater => (edge.term < applied.term).then_some(false),
    }
}

fn lost(why: u32) -> wire::Item {
    wire::Item { lost: why, ..Default::default() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_edge_stands_with_the_core_or_against_it_or_nobody_can_tell_yet() {
        let at = |term, index| LogId { term, index };
        assert_eq!(stands_with(at(1, 5), at(2, 9), Some(1)), Some(true));
        assert_eq!(stands_with(at(1, 5), at(2, 9), Some(2)), Some(false));
        assert_eq!(stands_with(at(1, 5), at(2, 9), None), None, "purged");
        assert_eq!(stands_with(at(2, 9), at(2, 9), None), Some(true));
        assert_eq!(stands_with(at(1, 9), at(2, 9), Some(1)), Some(false), "the store is right, not the log");
        assert_eq!(stands_with(at(2, 10), at(2, 9), None), None, "this node is behind");
        assert_eq!(
            stands_with(at(1, 10), at(2, 9), Some(1)),
            Some(false),
            "nothing of term 1 is behind term 2"
        );
    }

    #[test]
    fn many_edges_together_cost_no_more_wake_ups_than_a_few() {
        assert_eq!(pace(1), PACE);
        assert_eq!(pace(4), PACE);
        assert_eq!(pace(10), PACE * 3);
        assert_eq!(pace(1000), PACE * PACES_MAX);
        for edges in 0..=80 {
            assert!(edges as u128 * 1000 <= 4000 * pace(edges).as_millis(), "{edges}");
        }
    }
}
