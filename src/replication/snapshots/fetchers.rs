//! The nodes and edges that fetch a snapshot from this node now. Their part of the log is kept meanwhile, for a follower
//! until it has caught up from the log. A follower that cannot be reached does not count: the log would grow until the disk
//! is full.

use parking_lot::Mutex;
use std::{collections::BTreeMap, time::Duration};
use tokio::time::Instant;

/// A fetcher that asks for nothing and makes no progress for this long no longer counts.
const LEASE: Duration = Duration::from_secs(30);
/// A follower within this many entries of the end has caught up.
const CAUGHT_UP_ENTRIES: u64 = 256;

/// The fetchers, by node id.
#[derive(Default)]
pub struct Fetchers(Mutex<BTreeMap<u64, Fetcher>>);

struct Fetcher {
    /// Time of its last call.
    heard: Instant,
    /// A follower: how far its log was then.
    matched: u64,
    /// A follower that was not there when it was offered a snapshot.
    is_unreachable: bool,
    /// Of this node, when it led or leads. Others are edges.
    is_follower: bool,
}

impl Fetcher {
    fn is_there(&self) -> bool {
        !self.is_unreachable && self.heard.elapsed() < LEASE
    }
}

impl Fetchers {
    /// Records a request for a part; returns whether to grant it, if at most `at_most` may fetch at a time.
    pub fn admit(&self, id: u64, at_most: usize) -> bool {
        let mut fetching = self.0.lock();
        fetching.retain(|_, fetcher| fetcher.is_there() || fetcher.is_unreachable);
        let others = fetching.iter().filter(|(other, fetcher)| **other != id && fetcher.is_there()).count();
        if !fetching.get(&id).is_some_and(Fetcher::is_there) && others >= at_most {
            return false;
        }
        let heard = Instant::now();
        let new = Fetcher { heard, matched: 0, is_unreachable: false, is_follower: false };
        let fetcher = fetching.entry(id).or_insert(new);
        (fetcher.heard, fetcher.is_unreachable) = (heard, false);
        true
    }

    /// A follower is offered a snapshot. Unless it was not there the last time, it counts from now on.
    pub fn offer(&self, id: u64) {
        if !self.0.lock().get(&id).is_some_and(|fetcher| fetcher.is_unreachable) {
            self.fetches(id);
        }
    }

    /// A follower fetches a snapshot, or has just got it.
    pub fn fetches(&self, id: u64) {
        self.admit(id, usize::MAX);
        if let Some(fetcher) = self.0.lock().get_mut(&id) {
            fetcher.is_follower = true;
        }
    }

    /// Forgets followers that are no longer members; otherwise they would count while they are silent.
    pub fn retain_followers(&self, is_member: impl Fn(u64) -> bool) {
        self.0.lock().retain(|id, fetcher| !fetcher.is_follower || is_member(*id));
    }

    /// A follower that was offered a snapshot is not there.
    pub fn unreachable(&self, id: u64) {
        let fetcher = Fetcher { heard: Instant::now(), matched: 0, is_unreachable: true, is_follower: true };
        self.0.lock().insert(id, fetcher);
    }

    /// It no longer fetches.
    pub fn release(&self, id: u64) {
        self.0.lock().remove(&id);
    }

    /// Records a follower's progress; after fetching, it counts until it has caught up.
    pub fn progressed(&self, id: u64, matched: u64, last_index: u64) {
        let mut fetching = self.0.lock();
        let Some(fetcher) = fetching.get_mut(&id) else { return };
        if matched.saturating_add(CAUGHT_UP_ENTRIES) >= last_index {
            fetching.remove(&id);
        } else if !fetcher.is_unreachable && matched > fetcher.matched {
            (fetcher.heard, fetcher.matched) = (Instant::now(), matched);
        }
    }

    pub fn are_there(&self) -> bool {
        self.0.lock().values().any(Fetcher::is_there)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn few_fetch_at_a_time_and_the_silent_are_forgotten() {
        let fetchers = Fetchers::default();
        assert!(!fetchers.are_there());
        assert!(fetchers.admit(1, 2) && fetchers.admit(2, 2));
        assert!(!fetchers.admit(3, 2), "two are there");
        assert!(fetchers.admit(1, 2), "it is one of them");
        fetchers.release(1);
        assert!(fetchers.admit(3, 2) && fetchers.are_there());
        tokio::time::advance(LEASE).await;
        assert!(!fetchers.are_there());
        assert!(fetchers.admit(4, 1));
    }

    #[tokio::test(start_paused = true)]
    async fn a_follower_counts_until_it_has_caught_up_or_comes_no_further() {
        let fetchers = Fetchers::default();
        let half = LEASE / 2;
        assert!(fetchers.admit(1, usize::MAX));
        for matched in [1000, 2000, 3000, 4000] {
            tokio::time::advance(half).await;
            fetchers.progressed(1, matched, 10_000 + matched);
            assert!(fetchers.are_there(), "it has got to {matched}");
        }
        fetchers.progressed(1, 10_000, 10_000 + CAUGHT_UP_ENTRIES);
        assert!(!fetchers.are_there(), "caught up");
        assert!(fetchers.admit(1, usize::MAX));
        fetchers.progressed(1, 5000, 100_000);
        tokio::time::advance(half).await;
        fetchers.progressed(1, 5000, 100_000);
        tokio::time::advance(half).await;
        assert!(!fetchers.are_there(), "it came no further");
        fetchers.progressed(2, 5000, 100_000);
        assert!(!fetchers.are_there(), "it never fetched");
        fetchers.unreachable(1);
        fetchers.progressed(1, 5000, 100_000);
        assert!(!fetchers.are_there(), "what it had before it went is no state");
    }

    /// A node joined by a snapshot and was removed again: its leader kept the log for it until the disk was full.
    #[tokio::test(start_paused = true)]
    async fn a_follower_that_was_removed_counts_no_more() {
        let fetchers = Fetchers::default();
        fetchers.offer(1);
        assert!(fetchers.admit(2, 2), "an edge");
        fetchers.retain_followers(|id| id == 1);
        assert!(fetchers.are_there());
        fetchers.release(2);
        assert!(fetchers.are_there());
        fetchers.retain_followers(|_| false);
        assert!(!fetchers.are_there());
    }
}
