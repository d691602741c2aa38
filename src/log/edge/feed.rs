//! The core's side of a feed: entries as they are applied here, words in between, messages of PUBLISH.
//!
//! A feed is a stream that makes its next item when the connection has room for it. It waits for the applied index to move,
//! so an idle edge costs a word now and then and a busy one gets what has gathered since its last item.

use super::{frames::Frames, wire};
use crate::{
    log::blocking::blocking,
    log::{progress::Progress, raft::wire::write},
    peer::{Answers, CallError, Caller},
    session::{ClusterIdentity, PubSub, Publication, Seat},
    store::{Position, Store},
};
use bytes::Bytes;
use futures::StreamExt;
use parking_lot::RwLock;
use std::{sync::Arc, time::Duration};
use tokio::{
    sync::broadcast,
    time::{Instant, Interval, MissedTickBehavior},
};

/// Between two words while nothing happens.
const WORD_INTERVAL: Duration = Duration::from_millis(150);
/// Between two small items while much happens: each costs both sides a wake-up.
const PACE: Duration = Duration::from_millis(1);
/// So many edges have that pace. More share it, so that all of them together cost this node no more wake-ups a second,
const EDGES_AT_PACE: usize = 4;
/// down to a pace of this many times as long.
const PACES_MAX: u32 = 20;
/// An item from this size on needs no pace.
const PACED_BYTES: usize = 32 << 10;
/// Messages in one item.
const MESSAGES_MAX: usize = 256;
const MESSAGES_BYTES_MAX: usize = 1 << 20;

/// See the module.
pub(in crate::log) struct Feed {
    pub(super) frames: Arc<Frames>,
    progress: Arc<Progress>,
    store: Arc<Store>,
    cluster: Arc<RwLock<ClusterIdentity>>,
    pubsub: Arc<PubSub>,
    node_name: String,
    edges_max: usize,
}

impl Feed {
    pub(in crate::log) fn new(
        log: Arc<crate::log::segment::SegmentLog>,
        progress: Arc<Progress>,
        store: Arc<Store>,
        cluster: Arc<RwLock<ClusterIdentity>>,
        pubsub: Arc<PubSub>,
        node_name: String,
        edges_max: usize,
    ) -> Self {
        let frames = Arc::new(Frames::new(log));
        Feed { frames, progress, store, cluster, pubsub, node_name, edges_max }
    }

    /// Begins to feed an edge.
    pub(in crate::log) fn open(
        self: &Arc<Self>,
        caller: &Caller,
        wanted: wire::Follow,
    ) -> Result<Answers, CallError> {
        let refused = |why: &str| Err(CallError::Refused(why.into()));
        if wanted.level == 0 || wanted.level > wire::EDGE_LEVEL {
            return refused("the edge's program is newer than this node's: the core goes first");
        }
        if crate::peer::site_of(&caller.name) != Some(wanted.site.as_str()) {
            return refused("the edge is of another site than its name says");
        }
        if self.progress.status.is_removed.load(std::sync::atomic::Ordering::Relaxed) {
            return refused("this node was removed from the core");
        }
        let history = self.cluster.read().history_id.clone();
        if history.is_empty() {
            return refused("this node is of no core yet");
        }
        let fed = &self.progress.status.fed;
        let Some(seat) = fed.take(caller.id, &caller.name, &wanted.site, self.edges_max) else {
            return refused("this node feeds as many edges as it may");
        };
        let position = Position { term: wanted.term, index: wanted.index };
        let mut words = tokio::time::interval(WORD_INTERVAL);
        words.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let hello = wire::Hello {
            history: history.clone(),
            node_name: self.node_name.clone(),
            level: wire::EDGE_LEVEL,
        };
        let feeding = Feeding {
            feed: Arc::clone(self),
            seat,
            is_other_history: wanted.has_position && wanted.history != history,
            behind: wanted.has_position.then_some(position),
            is_checked: false,
            hello: Some(hello),
            words,
            messages: self.pubsub.tap(),
            paced_until: Instant::now(),
            is_over: false,
        };
        tracing::info!(edge = %caller.name, from = wanted.index, "an edge follows");
        Ok(futures::stream::unfold(feeding, Feeding::step).boxed())
    }

    fn word(&self) -> wire::Word {
        let published = self.store.latest();
        let state = published.state();
        wire::Word {
            committed: state.applied.map_or(0, |applied| applied.index),
            clock_ms: self.progress.status.clock.now_ms().max(state.last_at),
            age_ms: u64::try_from(self.progress.knowledge_age().as_millis()).unwrap_or(u64::MAX),
        }
    }
}

/// One edge that is fed.
struct Feeding {
    feed: Arc<Feed>,
    seat: Seat,
    is_other_history: bool,
    /// The last entry that the edge has, or was sent.
    behind: Option<Position>,
    /// Whether that entry is the one that this log has there.
    is_checked: bool,
    hello: Option<wire::Hello>,
    words: Interval,
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
        self.seat.sent(sent, bytes.len() as u64);
        Some((Ok(bytes), self))
    }

    async fn next_item(&mut self) -> Result<wire::Item, String> {
        if let Some(hello) = self.hello.take() {
            let word = Some(self.feed.word());
            return Ok(wire::Item { hello: Some(hello), word, ..Default::default() });
        }
        if self.is_other_history {
            return Ok(lost(wire::lost::HISTORY));
        }
        loop {
            if !self.seat.is_taken() {
                return Ok(lost(wire::lost::REPLACED));
            }
            let applied = self.feed.store.applied();
            let next = self.behind.map_or(0, |behind| behind.index.saturating_add(1));
            if let Some(applied) = applied.filter(|applied| applied.index >= next) {
                tokio::time::sleep_until(self.paced_until).await;
                return self.entries(next, applied.index).await;
            }
            // Before the very first entry there is nothing to wait for but time.
            let moved = async {
                match applied {
                    Some(_) => self.feed.progress.wait_core(next).await,
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
                _ = self.words.tick() => {
                    // Entries that were applied after the word was written are after it in the feed, too.
                    return Ok(wire::Item { word: Some(self.feed.word()), ..Default::default() });
                }
            }
        }
    }

    /// What follows the edge's last entry, or why nothing can.
    async fn entries(&mut self, next: u64, applied: u64) -> Result<wire::Item, String> {
        if !self.feed.frames.has(next) {
            return Ok(lost(wire::lost::PURGED));
        }
        if !std::mem::replace(&mut self.is_checked, true)
            && let Some(behind) = self.behind
        {
            let frames = Arc::clone(&self.feed.frames);
            let term = blocking(move || frames.term(behind.index)).await;
            let term = term.map_err(|error| error.to_string())?.map_err(|error| error.to_string())?;
            if term.is_some_and(|term| term != behind.term) {
                return Ok(lost(wire::lost::HISTORY));
            }
        }
        let frame = self.feed.frames.frame(next, applied).await.map_err(|error| error.to_string())?;
        let Some(entries) = frame else { return Ok(lost(wire::lost::PURGED)) };
        self.behind = Some(Position { term: 0, index: entries.last });
        if entries.records.len() < PACED_BYTES {
            self.paced_until = Instant::now() + pace(self.feed.progress.status.fed.len());
        }
        let messages = match self.messages.try_recv() {
            Ok(message) => self.gather(Ok(message)),
            Err(_) => Vec::new(),
        };
        let word = Some(self.feed.word());
        Ok(wire::Item { entries: Some(entries), word, messages, ..Default::default() })
    }

    /// Messages that wait, up to what one item carries.
    fn gather(
        &mut self,
        first: Result<Publication, broadcast::error::RecvError>,
    ) -> Vec<crate::log::raft::wire::Publication> {
        let dropped = |count: u64| {
            self.feed.pubsub.dropped.fetch_add(count, std::sync::atomic::Ordering::Relaxed);
        };
        let mut messages = Vec::new();
        let mut bytes = 0_usize;
        let mut push = |message: Publication| {
            bytes = bytes.saturating_add(message.payload.len());
            messages.push(crate::log::broadcast::to_wire(&message));
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

/// Between two small items to each of so many edges.
fn pace(edges: usize) -> Duration {
    PACE * u32::try_from(edges.div_ceil(EDGES_AT_PACE)).unwrap_or(u32::MAX).clamp(1, PACES_MAX)
}

fn lost(why: u32) -> wire::Item {
    wire::Item { lost: why, ..Default::default() }
}

#[cfg(test)]
mod tests {
    use super::*;

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
