//! `maxmemory`: what the data take at rest, what they may take, and whether they may grow.
//!
//! The leader decides, by its own parameters. It refuses growth for good (`-OOM`) if it may not evict keys or finds none, and
//! tells the others so in its heartbeats. If it evicts, it makes writers wait while the data and the writes on their way
//! take 2 % more than they may: else eviction, which goes through the log as well, would fall behind without bound.

use super::ReplicationState;
use crate::{config::DataLimit, resp::ErrorReply};
use arc_swap::ArcSwap;
use parking_lot::Mutex;
use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};
use tokio::{sync::Notify, time::Instant};

/// The share of the limit by which it may be exceeded before writers wait.
const SLACK_SHARE: u64 = 50;

/// Whether the data may grow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Room {
    Enough,
    /// Once keys have been evicted.
    Soon,
    DiskLow,
    MemoryFull,
}

impl Room {
    /// What a client is told whose write may make the data grow.
    pub fn refusal(self) -> Option<ErrorReply> {
        match self {
            Room::Enough => None,
            Room::DiskLow => Some(ErrorReply::disk_is_almost_full()),
            Room::Soon | Room::MemoryFull => Some(ErrorReply::out_of_memory()),
        }
    }

    /// Whether growth is refused, however long one waits.
    pub fn is_none(self) -> bool {
        matches!(self, Room::DiskLow | Room::MemoryFull)
    }
}

/// See the module.
#[derive(Debug, Default)]
pub struct DataMemory {
    limit: ArcSwap<DataLimit>,
    /// What the data take, as of the last entry applied.
    bytes: AtomicU64,
    /// Of entries that this leader has proposed and not yet seen applied.
    in_flight: AtomicU64,
    /// The leader found no key that it may evict.
    is_stuck: AtomicBool,
    /// On any other node: its leader refuses growth.
    is_refused: AtomicBool,
    exceeded: Mutex<Exceeded>,
    /// Rung when there is something to evict, or when the parameters change.
    bell: Notify,
}

/// For how long the data have taken more than they may.
#[derive(Debug, Default)]
struct Exceeded {
    before: Duration,
    since: Option<Instant>,
}

impl DataMemory {
    /// The parameters in force.
    pub fn limit(&self) -> arc_swap::Guard<Arc<DataLimit>> {
        self.limit.load()
    }

    /// Puts parameters in force.
    pub fn set_limit(&self, limit: DataLimit) {
        if **self.limit.load() != limit {
            self.limit.store(Arc::new(limit));
            self.is_stuck.store(false, Ordering::Release);
            self.bell.notify_one();
        }
    }

    pub fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Acquire)
    }

    pub(super) fn set_bytes(&self, bytes: u64) {
        let before = self.bytes.swap(bytes, Ordering::AcqRel);
        let limit = self.limit.load().bytes;
        if limit != 0 && bytes > limit {
            self.bell.notify_one();
        } else if bytes < before {
            self.is_stuck.store(false, Ordering::Release);
        }
    }

    /// An entry of so many bytes is proposed.
    pub fn proposed(&self, bytes: u64) {
        self.in_flight.fetch_add(bytes, Ordering::AcqRel);
    }

    /// And has come to its end.
    pub fn ended(&self, bytes: u64) {
        self.in_flight.fetch_sub(bytes, Ordering::AcqRel);
    }

    /// Waits until there may be something to evict.
    pub async fn news(&self) {
        self.bell.notified().await;
    }

    /// No key may be evicted, until something changes; or there are some again.
    pub fn set_stuck(&self, is_stuck: bool) {
        self.is_stuck.store(is_stuck, Ordering::Release);
    }

    /// Notes whether the data take more than they may, for INFO.
    pub fn note_exceeded(&self, is_exceeded: bool) {
        let mut exceeded = self.exceeded.lock();
        match (is_exceeded, exceeded.since) {
            (true, None) => exceeded.since = Some(Instant::now()),
            (false, Some(since)) => {
                *exceeded = Exceeded { before: exceeded.before.saturating_add(since.elapsed()), since: None };
            }
            (true, Some(_)) | (false, None) => {}
        }
    }

    /// For how long they did so in all, and do now.
    pub fn exceeded(&self) -> (Duration, Duration) {
        let exceeded = self.exceeded.lock();
        let now = exceeded.since.map_or(Duration::ZERO, |since| since.elapsed());
        (exceeded.before.saturating_add(now), now)
    }

    /// What this leader does about growth while writes of so many bytes wait for the log. A write's own size does not count, as in
    /// Redis: else one that is larger than the slack would wait for ever.
    fn room(&self, queued: u64) -> Room {
        let limit = self.limit.load();
        if limit.bytes == 0 {
            return Room::Enough;
        }
        let used = self.bytes();
        let evicts = limit.eviction.is_some() && !self.is_stuck.load(Ordering::Acquire);
        let coming = used.saturating_add(queued).saturating_add(self.in_flight.load(Ordering::Acquire));
        let is_beyond = coming > limit.bytes.saturating_add(limit.bytes / SLACK_SHARE);
        match evicts {
            true if is_beyond => Room::Soon,
            true => Room::Enough,
            false if used > limit.bytes || is_beyond => Room::MemoryFull,
            false => Room::Enough,
        }
    }
}

impl ReplicationState {
    /// Whether a write of so many bytes that may make the data grow is taken. On an edge that is the core's to say.
    pub fn room(&self, bytes: u64) -> Room {
        if self.edge.is_edge() {
            return Room::Enough;
        }
        let queued = self.queued_bytes.load(Ordering::Relaxed);
        match self.is_leader() {
            _ if self.refuses_growth() => Room::DiskLow,
            true if !self.disk.may_grow(queued.saturating_add(bytes)) => Room::DiskLow,
            true => self.memory.room(queued),
            false if self.memory.is_refused.load(Ordering::Acquire) => Room::MemoryFull,
            false => Room::Enough,
        }
    }

    /// As leader: whether growth is refused because the data take too much. For heartbeats.
    pub fn is_out_of_memory(&self) -> bool {
        self.memory.room(0) == Room::MemoryFull
    }

    /// Whether the leader says so.
    pub fn set_out_of_memory(&self, is_out: bool) {
        self.memory.is_refused.store(is_out, Ordering::Release);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        config::{Eviction, EvictionOrder},
        state::StateWriter,
    };

    fn limit(bytes: u64, evicts: bool) -> DataLimit {
        let eviction =
            evicts.then_some(Eviction { order: EvictionOrder::Random, is_of_expiring_keys: false });
        DataLimit { bytes, eviction, ..DataLimit::default() }
    }

    #[test]
    fn a_leader_refuses_what_it_cannot_make_room_for() {
        let writer = StateWriter::default();
        let state = writer.state();
        writer.set_leader(1, true, Some((1, String::new())));
        state.memory.set_bytes(1000);
        assert_eq!(state.room(u64::MAX / 8), Room::Enough, "no limit");
        state.memory.set_limit(limit(1000, false));
        assert_eq!((state.room(0), state.is_out_of_memory()), (Room::Enough, false));
        state.memory.set_bytes(1001);
        assert_eq!((state.room(0), state.is_out_of_memory()), (Room::MemoryFull, true));
        state.memory.set_limit(limit(1000, true));
        assert_eq!(state.room(0), Room::Enough, "within the slack");
        assert_eq!(state.room(5000), Room::Enough, "one by itself, whatever its size");
        state.memory.proposed(20);
        assert_eq!((state.room(0), state.is_out_of_memory()), (Room::Soon, false));
        state.memory.set_stuck(true);
        assert_eq!(state.room(0), Room::MemoryFull);
        // Less data: there may be others to evict.
        state.memory.set_bytes(999);
        state.memory.ended(20);
        assert_eq!(state.room(0), Room::Enough);
    }

    #[test]
    fn others_go_by_what_their_leader_says() {
        let writer = StateWriter::default();
        let state = writer.state();
        writer.set_leader(1, false, Some((2, String::new())));
        state.memory.set_limit(limit(1000, false));
        state.memory.set_bytes(5000);
        assert_eq!(state.room(0), Room::Enough);
        state.set_out_of_memory(true);
        assert_eq!(state.room(0), Room::MemoryFull);
        assert!(state.room(0).is_none() && state.room(0).refusal().is_some());
    }
}
