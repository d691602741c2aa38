//! Queries about this node's subscriptions: names and numbers.

use super::{PubSub, Publication, Subscribed};
use crate::types::glob;
use bytes::Bytes;

impl PubSub {
    /// To how many here a message would be handed.
    pub fn audience(&self, message: &Publication) -> u64 {
        if message.is_sharded {
            return self.listeners(Subscribed::Shard, &message.channel) as u64;
        }
        let patterns = self.table(Subscribed::Pattern).read();
        let matching = patterns.iter().filter(|(pattern, _)| glob::matches(pattern, &message.channel, false));
        let by_pattern: usize = matching.map(|(_, listeners)| listeners.len()).sum();
        self.listeners(Subscribed::Channel, &message.channel).saturating_add(by_pattern) as u64
    }

    /// Names of a kind that have subscribers here.
    pub fn names(&self, kind: Subscribed) -> Vec<Bytes> {
        self.table(kind).read().keys().cloned().collect()
    }

    /// The number of a kind's names.
    pub fn len(&self, kind: Subscribed) -> usize {
        self.table(kind).read().len()
    }

    /// The number of connections here that listen to a name.
    pub fn listeners(&self, kind: Subscribed, name: &[u8]) -> usize {
        self.table(kind).read().get(name).map_or(0, Vec::len)
    }
}
