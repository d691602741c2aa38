//! Who fetches a whole copy from this node at the moment: what they will need of the log is kept for them meanwhile.

use parking_lot::Mutex;
use std::{collections::BTreeMap, time::Duration};
use tokio::time::Instant;

/// One that has asked for nothing for so long fetches no more.
const LEASE: Duration = Duration::from_secs(30);

/// See the module.
#[derive(Default)]
pub(in crate::log) struct Fetchers(Mutex<BTreeMap<u64, Instant>>);

impl Fetchers {
    /// Somebody asks for a part; whether it may have it, if no more than so many may fetch at a time.
    pub(in crate::log) fn admit(&self, id: u64, at_most: usize) -> bool {
        let mut fetching = self.0.lock();
        fetching.retain(|_, since| since.elapsed() < LEASE);
        if !fetching.contains_key(&id) && fetching.len() >= at_most {
            return false;
        }
        fetching.insert(id, Instant::now());
        true
    }

    /// It fetches no more.
    pub(in crate::log) fn release(&self, id: u64) {
        self.0.lock().remove(&id);
    }

    pub(super) fn are_there(&self) -> bool {
        self.0.lock().values().any(|since| since.elapsed() < LEASE)
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
}
