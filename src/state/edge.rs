//! An edge's knowledge of the core it follows: its position, and since when nothing has been missing.
//!
//! Each heartbeat of the core says: at this time the log was committed up to this entry. It counts only once that entry is
//! applied here: then the data here are exactly what the core's were at that time. TTLs count from log time, as everywhere
//! (`log_clock.rs`); the core's log decides what has expired.
//!
//! **Invariant.** The index does not go back while the history is the same.

use super::SumAt;
use parking_lot::{Mutex, RwLock};
use std::{
    collections::VecDeque,
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
    time::{Duration, Instant},
};
use tokio::sync::Notify;

/// Heartbeats that wait for their entry; the oldest goes when there are more.
const HEARTBEATS_MAX: usize = 256;

/// The state of following.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Following {
    /// This is not an edge, or another node of the site follows.
    #[default]
    No,
    /// No core node is reached; why.
    Cut(String),
    /// Following the log of the core.
    Log,
    /// The node that leads the site follows it.
    Site,
    /// Fetching a bootstrap snapshot.
    Bootstrap { bytes: u64, of_bytes: u64 },
}

impl Following {
    /// One word for INFO.
    pub fn name(&self) -> &'static str {
        match self {
            Following::No => "none",
            Following::Cut(_) => "cut",
            Following::Log => "following",
            Following::Site => "site",
            Following::Bootstrap { .. } => "bootstrapping",
        }
    }
}

/// A core node's report.
#[derive(Debug, Clone, Copy)]
pub struct CommitHeartbeat {
    /// The last committed entry of its log.
    pub committed: u64,
    /// When that was, by this node's clock.
    pub at: Instant,
}

/// Sent by the site's leader to the other nodes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SiteHeartbeat {
    /// The position of its data when nothing was missing there, `age` ago.
    pub core_index: u64,
    pub age: Duration,
    /// The last entry that the core is known to have committed.
    pub committed: u64,
    pub has_data: bool,
    pub is_following: bool,
    /// The sum of the state that the core and the site's leader agree on.
    pub agreed: Option<SumAt>,
}

/// The state.
#[derive(Debug)]
pub struct EdgeState {
    pub is_edge: AtomicBool,
    pub site: RwLock<String>,
    pub upstream: RwLock<String>,
    /// The core's history, as reported by the followed node.
    pub core_history: RwLock<String>,
    pub following: RwLock<Following>,
    /// The last entry of the core applied here; on a core node its own applied entry.
    pub core_index: AtomicU64,
    /// The last entry that the core is known to have committed.
    pub committed: AtomicU64,
    /// Whether there are data to answer from.
    pub has_data: AtomicBool,
    /// Whether this node had all that the core had at some time before its start, and has kept it.
    pub was_whole: AtomicBool,
    /// Whether it must first be recorded that this node has had all that the core had.
    is_unnoted: AtomicBool,
    reached: Notify,
    /// An edge that never had all data has them once it reaches this entry.
    goal: AtomicU64,
    /// Bytes of received entries that are not applied yet.
    pub waiting_bytes: AtomicU64,
    /// Bytes received over the network, compressed.
    pub received_bytes: AtomicU64,
    /// Entries received, and their bytes.
    received_entries: AtomicU64,
    entry_bytes: AtomicU64,
    /// Bootstrap snapshots taken since the start.
    pub bootstraps: AtomicU64,
    /// How often the core contradicted the data here, since the start.
    pub contradictions: AtomicU64,
    /// An administrator asked for a bootstrap snapshot.
    wants_bootstrap: AtomicBool,
    heartbeats: Mutex<Heartbeats>,
}

#[derive(Debug)]
struct Heartbeats {
    waiting: VecDeque<CommitHeartbeat>,
    /// The last time at which nothing was missing.
    whole_at: Option<Instant>,
    began: Instant,
}

impl Default for EdgeState {
    fn default() -> Self {
        EdgeState {
            is_edge: AtomicBool::new(false),
            site: RwLock::default(),
            upstream: RwLock::default(),
            core_history: RwLock::default(),
            following: RwLock::default(),
            core_index: AtomicU64::new(0),
            committed: AtomicU64::new(0),
            has_data: AtomicBool::new(false),
            was_whole: AtomicBool::new(false),
            is_unnoted: AtomicBool::new(false),
            reached: Notify::new(),
            goal: AtomicU64::new(u64::MAX),
            waiting_bytes: AtomicU64::new(0),
            received_bytes: AtomicU64::new(0),
            received_entries: AtomicU64::new(0),
            entry_bytes: AtomicU64::new(0),
            bootstraps: AtomicU64::new(0),
            contradictions: AtomicU64::new(0),
            wants_bootstrap: AtomicBool::new(false),
            heartbeats: Mutex::new(Heartbeats {
                waiting: VecDeque::new(),
                whole_at: None,
                began: Instant::now(),
            }),
        }
    }
}

impl EdgeState {
    pub fn is_edge(&self) -> bool {
        self.is_edge.load(Ordering::Relaxed)
    }

    /// A core node has spoken.
    pub fn observe(&self, heartbeat: CommitHeartbeat) {
        self.committed.fetch_max(heartbeat.committed, Ordering::Relaxed);
        let mut heartbeats = self.heartbeats.lock();
        if heartbeats.waiting.len() >= HEARTBEATS_MAX {
            heartbeats.waiting.pop_front();
        }
        heartbeats.waiting.push_back(heartbeat);
        self.apply_heartbeats(&mut heartbeats);
    }

    /// What this knows for the other nodes of the site.
    pub(super) fn site_heartbeat(&self) -> SiteHeartbeat {
        SiteHeartbeat {
            core_index: self.core_index.load(Ordering::SeqCst),
            age: self.lag(),
            committed: self.committed.load(Ordering::Relaxed),
            has_data: self.has_data(),
            is_following: *self.following.read() == Following::Log,
            agreed: None,
        }
    }

    /// The node that leads the site has spoken.
    pub fn observe_site(&self, heartbeat: &SiteHeartbeat) {
        let now = Instant::now();
        let at = now.checked_sub(heartbeat.age).unwrap_or(now);
        self.observe(CommitHeartbeat { committed: heartbeat.core_index, at });
        self.committed.fetch_max(heartbeat.committed, Ordering::Relaxed);
        if heartbeat.has_data {
            self.set_goal(heartbeat.core_index);
        }
        let following = match heartbeat.is_following {
            true => Following::Site,
            false => Following::Cut("the site's leader is cut off from the core".into()),
        };
        if *self.following.read() != following {
            *self.following.write() = following;
        }
    }

    /// This entry of the core is applied here.
    pub fn stand_at(&self, core_index: u64) {
        self.core_index.store(core_index, Ordering::SeqCst);
        self.committed.fetch_max(core_index, Ordering::Relaxed);
        self.apply_heartbeats(&mut self.heartbeats.lock());
        self.look_at_goal();
    }

    /// Sets the entry that an edge that never had all data must reach before it answers: all that the core had when it was
    /// first reached, since the edge may have shown as much before it lost its disk. The lowest goal counts.
    pub fn set_goal(&self, core_index: u64) {
        self.goal.fetch_min(core_index, Ordering::Relaxed);
        self.look_at_goal();
    }

    fn look_at_goal(&self) {
        if self.has_data() || self.core_index.load(Ordering::SeqCst) < self.goal.load(Ordering::Relaxed) {
            return;
        }
        match self.is_unnoted.load(Ordering::Relaxed) {
            true => self.reached.notify_one(),
            false => self.has_data.store(true, Ordering::Release),
        }
    }

    /// Nothing is answered before `noted`.
    pub fn answer_once_noted(&self) {
        self.is_unnoted.store(true, Ordering::Relaxed);
    }

    /// Until this node has come as far as it must.
    pub async fn reached(&self) {
        self.reached.notified().await;
    }

    /// That is written down: it would be answered from after a restart, so it may be now.
    pub fn noted(&self) {
        self.is_unnoted.store(false, Ordering::Relaxed);
        self.has_data.store(true, Ordering::Release);
    }

    /// Whether there are data to answer from.
    pub fn has_data(&self) -> bool {
        self.has_data.load(Ordering::Acquire)
    }

    /// The data belong to another history from now on: reports about the old one are void.
    pub(super) fn begin_again(&self, core_index: u64) {
        let mut heartbeats = self.heartbeats.lock();
        heartbeats.waiting.clear();
        heartbeats.whole_at = None;
        self.committed.store(core_index, Ordering::Relaxed);
        self.core_index.store(core_index, Ordering::SeqCst);
        self.goal.store(u64::MAX, Ordering::Relaxed);
    }

    fn apply_heartbeats(&self, heartbeats: &mut Heartbeats) {
        let stands_at = self.core_index.load(Ordering::SeqCst);
        while let Some(heartbeat) =
            heartbeats.waiting.front().copied().filter(|heartbeat| heartbeat.committed <= stands_at)
        {
            heartbeats.waiting.pop_front();
            heartbeats.whole_at = heartbeats.whole_at.max(Some(heartbeat.at));
        }
    }

    /// Asks for a new bootstrap snapshot, although nothing seems to be missing.
    pub fn ask_bootstrap(&self) {
        self.wants_bootstrap.store(true, Ordering::Relaxed);
    }

    /// Whether one was asked for since the last call.
    pub fn take_bootstrap_request(&self) -> bool {
        self.wants_bootstrap.swap(false, Ordering::Relaxed)
    }

    /// Time since the data here were last all that the core had; since the start, if they never were.
    pub fn lag(&self) -> Duration {
        let heartbeats = self.heartbeats.lock();
        heartbeats.whole_at.unwrap_or(heartbeats.began).elapsed()
    }

    /// Estimated bytes that are missing: received entries that are not applied yet, and the others by the average of those
    /// received so far.
    pub fn lag_bytes(&self) -> u64 {
        let waiting = self.waiting_bytes.load(Ordering::Relaxed);
        let (entries, bytes) =
            (self.received_entries.load(Ordering::Relaxed), self.entry_bytes.load(Ordering::Relaxed));
        let missing = self.lag_entries();
        match entries {
            0 => 0,
            entries => waiting.max(missing.saturating_mul(bytes / entries)),
        }
    }

    /// Counts received entries and their bytes.
    pub fn count_received(&self, entries: u64, bytes: u64) {
        self.received_entries.fetch_add(entries, Ordering::Relaxed);
        self.entry_bytes.fetch_add(bytes, Ordering::Relaxed);
    }

    /// Entries that the core is known to have and this node has not.
    pub fn lag_entries(&self) -> u64 {
        let committed = self.committed.load(Ordering::Relaxed);
        committed.saturating_sub(self.core_index.load(Ordering::Relaxed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn heartbeat(committed: u64) -> CommitHeartbeat {
        CommitHeartbeat { committed, at: Instant::now() }
    }

    #[test]
    fn a_heartbeat_counts_once_its_entry_is_applied() {
        let edge = EdgeState::default();
        let is_whole = |edge: &EdgeState| edge.heartbeats.lock().whole_at.is_some();
        edge.observe(heartbeat(5));
        assert_eq!((is_whole(&edge), edge.lag_entries()), (false, 5));
        edge.stand_at(4);
        assert!(!is_whole(&edge));
        edge.stand_at(5);
        assert_eq!((is_whole(&edge), edge.lag_entries()), (true, 0));
        edge.begin_again(2);
        assert_eq!((is_whole(&edge), edge.lag_entries()), (false, 0));
    }

    #[tokio::test]
    async fn reads_wait_for_the_record_that_all_data_were_here() {
        let edge = EdgeState::default();
        edge.answer_once_noted();
        edge.set_goal(7);
        edge.stand_at(7);
        edge.reached().await;
        assert!(!edge.has_data());
        edge.noted();
        assert!(edge.has_data());
    }

    #[test]
    fn there_are_data_once_the_goal_is_reached_and_from_then_on() {
        let edge = EdgeState::default();
        edge.stand_at(900);
        assert!(!edge.has_data(), "the goal is not known yet");
        edge.set_goal(1000);
        edge.stand_at(999);
        assert!(!edge.has_data());
        // The goal of one history says nothing about another.
        edge.begin_again(2000);
        assert!(!edge.has_data());
        edge.set_goal(2100);
        edge.stand_at(2100);
        assert!(edge.has_data());
        edge.begin_again(5);
        assert!(edge.has_data(), "the old data serve until the others are there");
    }
}
