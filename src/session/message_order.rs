//! The position of messages in their core's order, and the last position that this node has delivered.
//!
//! The leader of a core numbers messages of PUBLISH: its term, and a counter in it. A message from any source is delivered
//! only if its position is behind all that were delivered before. So an edge that moves from one core node to another, or a
//! site whose leader changes, shows no message twice or out of order, and only needs to remember one position. A core node
//! keeps the last messages for edges that come from another node and have missed some in between.
//!
//! Positions are of one history of a core. In memory only: a node that starts again has no listeners.

use super::Publication;
use crate::limits::{PUBSUB_RECENT_BYTES_MAX, PUBSUB_RECENT_MESSAGES_MAX};
use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

/// An edge that comes from another core node gets the messages that it missed, up to this age.
pub const RECENT_MAX: Duration = Duration::from_secs(15);

/// The term of the leader that ordered a message, and its number among those of that term, from 1 on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct MessagePosition {
    pub term: u64,
    pub number: u64,
}

/// The order on this node.
#[derive(Debug, Default)]
pub(super) struct MessageOrder {
    /// Empty on a core node.
    history: String,
    last: Option<MessagePosition>,
    recent: VecDeque<Recent>,
    recent_bytes: usize,
}

#[derive(Debug)]
struct Recent {
    message: Publication,
    bytes: usize,
    at: Instant,
}

impl MessageOrder {
    /// Messages of this history follow. Positions of another history cannot be compared with them.
    pub(super) fn begin(&mut self, history: &str) {
        if self.history != history {
            *self = MessageOrder { history: history.to_owned(), ..MessageOrder::default() };
        }
    }

    pub(super) fn last(&self) -> Option<MessagePosition> {
        self.last
    }

    /// Whether to deliver a message at this position now; if so, it counts as delivered.
    pub(super) fn admit(&mut self, at: MessagePosition) -> bool {
        let is_next = self.last.is_none_or(|last| last < at);
        self.last = self.last.max(Some(at));
        is_next
    }

    /// Keeps a message that was handed out, for edges.
    pub(super) fn keep(&mut self, message: &Publication, now: Instant) {
        let bytes = message.channel.len().saturating_add(message.payload.len());
        self.recent.push_back(Recent { message: message.clone(), bytes, at: now });
        self.recent_bytes = self.recent_bytes.saturating_add(bytes);
        while self.recent.len() > PUBSUB_RECENT_MESSAGES_MAX
            || self.recent_bytes > PUBSUB_RECENT_BYTES_MAX
            || self.recent.front().is_some_and(|oldest| now.duration_since(oldest.at) > RECENT_MAX)
        {
            let gone = self.recent.pop_front();
            self.recent_bytes = self.recent_bytes.saturating_sub(gone.map_or(0, |gone| gone.bytes));
        }
    }

    /// Messages delivered recently behind this one, in order.
    pub(super) fn since(&self, last: MessagePosition, now: Instant) -> Vec<Publication> {
        let is_new =
            |recent: &&Recent| recent.message.at > Some(last) && now.duration_since(recent.at) <= RECENT_MAX;
        self.recent.iter().filter(is_new).map(|recent| recent.message.clone()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;

    fn at(term: u64, number: u64) -> MessagePosition {
        MessagePosition { term, number }
    }

    fn message(term: u64, number: u64, bytes: usize) -> Publication {
        let payload = Bytes::from(vec![b'x'; bytes]);
        Publication { channel: Bytes::new(), payload, is_sharded: false, at: Some(at(term, number)) }
    }

    #[test]
    fn none_comes_twice_or_behind_a_later_one_until_another_history_begins() {
        let mut order = MessageOrder::default();
        order.begin("first");
        assert!(order.admit(at(2, 1)) && order.admit(at(2, 3)));
        assert!(!order.admit(at(2, 3)), "again");
        assert!(!order.admit(at(2, 2)), "late");
        assert!(order.admit(at(3, 1)) && !order.admit(at(2, 4)), "of a leader that is none any more");
        order.begin("first");
        assert!(!order.admit(at(3, 1)));
        order.begin("second");
        assert!(order.admit(at(1, 1)), "terms begin again");
    }

    #[test]
    fn what_an_edge_missed_is_kept_for_a_while_within_bounds() {
        let mut order = MessageOrder::default();
        let began = Instant::now();
        let numbers = |order: &MessageOrder, after, now| {
            let since = order.since(after, now);
            since.iter().map(|message| message.at.unwrap().number).collect::<Vec<_>>()
        };
        (1..=5).for_each(|number| order.keep(&message(1, number, 10), began));
        assert_eq!(numbers(&order, at(1, 3), began), [4, 5]);
        assert_eq!(numbers(&order, at(0, 9), began), [1, 2, 3, 4, 5]);
        assert_eq!(numbers(&order, at(2, 0), began), [0; 0]);
        let later = began + RECENT_MAX + Duration::from_millis(1);
        assert_eq!(numbers(&order, at(1, 3), later), [0; 0], "too old to be told");
        order.keep(&message(1, 6, 10), later);
        assert_eq!((order.recent.len(), order.recent_bytes), (1, 10), "too old to be kept");
        (0..3000).for_each(|number| order.keep(&message(2, number, 1), later));
        assert_eq!(order.recent.len(), PUBSUB_RECENT_MESSAGES_MAX);
        (0..9).for_each(|number| order.keep(&message(3, number, PUBSUB_RECENT_BYTES_MAX / 3), later));
        assert!(order.recent.len() <= 3 && order.recent_bytes <= PUBSUB_RECENT_BYTES_MAX);
    }
}
