//! What an edge knows of the core it follows: how far that is, and since when nothing is missing.
//!
//! Each heartbeat of the core says: at this time the log was committed up to this entry. It counts once that entry is applied
//! here, and not before: then the data here are exactly what the core's were at that time. How long a key has left is counted
//! from log time, as everywhere (`log_clock.rs`); whether it has expired is for the core's log to say.
//!
//! **Invariant.** The index does not go back while the history is the same.

use parking_lot::{Mutex, RwLock};
use std::{
    collections::VecDeque,
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
    time::{Duration, Instant},
};
use tokio::sync::Notify;

/// Heartbeats that wait for their entry; the oldest goes when there are more.
const HEARTBEATS_MAX: usize = 256;

/// How the following goes.
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
    /// One heartbeat for INFO.
    pub fn name(&self) -> &'static str {
        match self {
            Following::No => "none",
            Following::Cut(_) => "cut",
            Following::Log => "following",
            Following::Site => "site",
            Following::Bootstrap { .. } => "seeding",
        }
    }
}

/// What a core node said.
#[derive(Debug, Clone, Copy)]
pub struct CommitHeartbeat {
    /// How far its log was committed.
    pub committed: u64,
    /// When that was, by this node's clock.
    pub at: Instant,
}

/// What the node that leads a site tells the others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SiteHeartbeat {
    /// Where its data stood when nothing was missing there, `age` ago.
    pub core_index: u64,
    pub age: Duration,
    /// The last entry that the core is known to have committed.
    pub committed: u64,
    pub has_data: bool,
    pub is_following: bool,
}

/// See the module.
#[derive(Debug)]
pub struct EdgeState {
    pub is_edge: AtomicBool,
    pub site: RwLock<String>,
    pub upstream: RwLock<String>,
    /// The history of the core, as the node said that is followed.
    pub core_history: RwLock<String>,
    pub following: RwLock<Following>,
    /// The entry of the core that the data here stand at; on a core node its own applied entry.
    pub core_index: AtomicU64,
    /// The last entry that the core is known to have committed.
    pub committed: AtomicU64,
    /// Whether there are data to answer from.
    pub has_data: AtomicBool,
    /// Whether this node had all that the core had at some time before its start, and has kept it.
    pub was_whole: AtomicBool,
    /// Whether it is to be written down first that this node has all that the core had.
    is_unnoted: AtomicBool,
    reached: Notify,
    /// An edge that never was whole is when it stands at this entry.
    goal: AtomicU64,
    /// Bytes of entries that came and are not applied yet.
    pub waiting_bytes: AtomicU64,
    /// Bytes that came over the network, as they came.
    pub received_bytes: AtomicU64,
    /// Entries that came, and their bytes.
    received_entries: AtomicU64,
    entry_bytes: AtomicU64,
    /// Bootstrap snapshots taken since the start.
    pub seeds: AtomicU64,
    /// How often the core said something that contradicts the data here, since the start.
    pub contradictions: AtomicU64,
    /// An administrator wants a bootstrap snapshot to be taken.
    reseed: AtomicBool,
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
            seeds: AtomicU64::new(0),
            contradictions: AtomicU64::new(0),
            reseed: AtomicBool::new(false),
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

    /// For the other nodes of the site.
    pub fn site_heartbeat(&self) -> SiteHeartbeat {
        SiteHeartbeat {
            core_index: self.core_index.load(Ordering::SeqCst),
            age: self.lag(),
            committed: self.committed.load(Ordering::Relaxed),
            has_data: self.has_data(),
            is_following: *self.following.read() == Following::Log,
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
            false => Following::Cut("the node that leads the site does not follow the core".into()),
        };
        if *self.following.read() != following {
            *self.following.write() = following;
        }
    }

    /// The data stand at this entry of the core.
    pub fn stand_at(&self, core_index: u64) {
        self.core_index.store(core_index, Ordering::SeqCst);
        self.committed.fetch_max(core_index, Ordering::Relaxed);
        self.apply_heartbeats(&mut self.heartbeats.lock());
        self.look_at_goal();
    }

    /// What an edge that never was whole is to have before it answers: all that the core had when it was first reached, since
    /// this may be an edge that showed as much before it lost its disk. The lowest that is said counts.
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

    /// The data are of another history from here on: what the old one said counts no more.
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

    /// A bootstrap snapshot of the core's data shall be taken, although nothing seems to be missing.
    pub fn ask_reseed(&self) {
        self.reseed.store(true, Ordering::Relaxed);
    }

    /// Whether one shall be taken. Asked once, it forgets.
    pub fn take_reseed(&self) -> bool {
        self.reseed.swap(false, Ordering::Relaxed)
    }

    /// How long ago the data here were all that the core had; since the start, if they never were.
    pub fn lag(&self) -> Duration {
        let heartbeats = self.heartbeats.lock();
        heartbeats.whole_at.unwrap_or(heartbeats.began).elapsed()
    }

    /// Bytes that are missing: those that came and are not applied yet, and what the others will have if they are like those
    /// that came so far.
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

    /// Entries came, of so many bytes.
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
    fn a_word_counts_when_its_entry_is_there() {
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
    async fn what_must_be_written_down_first_is() {
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
        assert!(!edge.has_data(), "nobody has said how far it must come");
        edge.set_goal(1000);
        edge.stand_at(999);
        assert!(!edge.has_data());
        // What is enough of one history says nothing about another one.
        edge.begin_again(2000);
        assert!(!edge.has_data());
        edge.set_goal(2100);
        edge.stand_at(2100);
        assert!(edge.has_data());
        edge.begin_again(5);
        assert!(edge.has_data(), "the old data serve until the others are there");
    }
}
