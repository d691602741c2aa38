//! The memory that clients pin: counted by each connection, summed up over all of them for `maxmemory-clients`.
//!
//! A connection counts what it holds and tells the sum when it has changed, at the end of a chunk at the latest and whenever
//! it waits with something large in its hands. Publishers do so for messages that they queue. So the total is behind by a
//! chunk per connection at most, and costs nothing while nothing changes.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};
use tokio::sync::Notify;

/// What a connection takes that does nothing: its task, its session, its entries in tables.
const IDLE_BYTES: u64 = 4096;

/// What one client pins, in bytes unless the name says otherwise.
#[derive(Debug, Default)]
pub struct ClientMemory {
    /// Unread request bytes, and the room behind them in the same buffer.
    pub query: AtomicU64,
    pub query_free: AtomicU64,
    /// The lists of words of a request that is being received or run. The words themselves lie in the query buffer.
    pub argv: AtomicU64,
    /// Calls queued in MULTI.
    pub multi: AtomicU64,
    /// Keys under WATCH.
    pub watches: AtomicU64,
    /// Channels and patterns that it listens to.
    pub subscriptions: AtomicU64,
    /// Keys that it waits for.
    pub parked: AtomicU64,
    /// Keys, and prefixes of keys, that it tracks.
    pub tracked: AtomicU64,
    pub prefixes: AtomicU64,
    /// Reply bytes that the socket has not taken.
    pub unsent: AtomicU64,
    /// The room of the reply buffer, and the most that was in it of late.
    pub reply_buffer: AtomicU64,
    pub reply_peak: AtomicU64,
    /// The number of messages (pub/sub) that wait for the client, their bytes, and its share of their bytes: a message is
    /// in memory once, however many receivers it has.
    pub messages: AtomicU64,
    pub message: AtomicU64,
    pub message_share: AtomicU64,
    /// What the total has of it.
    counted: AtomicU64,
    total: Arc<ClientMemoryTotal>,
}

impl ClientMemory {
    /// Nothing yet, counted in this total.
    pub(super) fn counted_in(total: &Arc<ClientMemoryTotal>) -> Self {
        let mut memory = ClientMemory::default();
        memory.total = Arc::clone(total);
        memory.tell();
        memory
    }

    /// All of it.
    pub fn sum(&self) -> u64 {
        let parts = [
            &self.query,
            &self.query_free,
            &self.argv,
            &self.multi,
            &self.watches,
            &self.subscriptions,
            &self.parked,
            &self.tracked,
            &self.prefixes,
            &self.reply_buffer,
            &self.message_share,
        ];
        parts.into_iter().fold(IDLE_BYTES, |sum, part| sum.saturating_add(part.load(Ordering::Relaxed)))
    }

    /// Brings the total up to date.
    pub fn tell(&self) {
        let sum = self.sum();
        if sum != self.counted.load(Ordering::Relaxed) {
            let before = self.counted.swap(sum, Ordering::Relaxed);
            self.total.change(before, sum);
        }
    }
}

impl Drop for ClientMemory {
    fn drop(&mut self) {
        self.total.change(self.counted.load(Ordering::Relaxed), 0);
    }
}

/// The memory of all clients, and its bound.
#[derive(Debug)]
pub struct ClientMemoryTotal {
    bytes: AtomicU64,
    bytes_max: AtomicU64,
    exceeded: Notify,
}

impl Default for ClientMemoryTotal {
    fn default() -> Self {
        ClientMemoryTotal {
            bytes: AtomicU64::new(0),
            bytes_max: AtomicU64::new(u64::MAX),
            exceeded: Notify::new(),
        }
    }
}

impl ClientMemoryTotal {
    fn change(&self, before: u64, now: u64) {
        let change = now.wrapping_sub(before);
        let total = self.bytes.fetch_add(change, Ordering::Relaxed).wrapping_add(change);
        if now > before && total > self.bytes_max() {
            self.exceeded.notify_one();
        }
    }

    /// What all clients pin.
    pub fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }

    /// What they may pin.
    pub fn bytes_max(&self) -> u64 {
        self.bytes_max.load(Ordering::Relaxed)
    }

    /// Sets the bound.
    pub fn limit(&self, bytes_max: u64) {
        self.bytes_max.store(bytes_max, Ordering::Relaxed);
        if self.bytes() > bytes_max {
            self.exceeded.notify_one();
        }
    }

    /// Resolves when clients pin more than they may.
    pub async fn exceeded(&self) {
        self.exceeded.notified().await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_total_follows_what_each_tells_and_forgets_those_that_went() {
        let total = Arc::new(ClientMemoryTotal::default());
        let one = ClientMemory::counted_in(&total);
        let other = ClientMemory::counted_in(&total);
        assert_eq!(total.bytes(), 2 * IDLE_BYTES);
        one.query.store(1000, Ordering::Relaxed);
        assert_eq!(total.bytes(), 2 * IDLE_BYTES, "not yet told");
        one.tell();
        other.multi.store(500, Ordering::Relaxed);
        other.tell();
        assert_eq!(total.bytes(), 2 * IDLE_BYTES + 1500);
        one.query.store(10, Ordering::Relaxed);
        one.tell();
        drop(other);
        assert_eq!(total.bytes(), IDLE_BYTES + 10);
        total.limit(IDLE_BYTES + 10);
        let asked = tokio::time::timeout(std::time::Duration::from_millis(1), total.exceeded());
        assert!(asked.await.is_err(), "just what it may be");
        one.query.store(11, Ordering::Relaxed);
        one.tell();
        total.exceeded().await;
    }
}
