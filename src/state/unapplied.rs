//! Entries that this node has appended as leader and not applied yet: what their calls may amount to, and what may be said of
//! them to other nodes.
//!
//! A follower applies an entry as soon as it hears that it is committed, and may show it. From then on reads at the leader
//! must show it, too, so they wait until it is applied here: while one command takes seconds, so would they. So a leader tells
//! nobody of an entry that may take long before it has applied it; meanwhile reads go on, on the state before.

use crate::store::LogId;
use parking_lot::Mutex;
use std::collections::BTreeMap;
use tokio::sync::Notify;

/// What the calls of a proposal, or of an entry, may amount to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Work {
    pub calls: u32,
    /// The words of each call bound what it reads and writes.
    pub is_bounded: bool,
    /// A write is among them that may touch a million rows.
    pub may_take_long: bool,
}

impl Work {
    pub const NONE: Work = Work { calls: 0, is_bounded: true, may_take_long: false };
    /// Of what does not run commands and ends by itself: a sweep, a mark.
    pub const HOUSEKEEPING: Work = Work { calls: 1, is_bounded: false, may_take_long: false };

    /// This, and that.
    #[must_use]
    pub fn and(self, other: Work) -> Work {
        Work {
            calls: self.calls.saturating_add(other.calls),
            is_bounded: self.is_bounded && other.is_bounded,
            may_take_long: self.may_take_long || other.may_take_long,
        }
    }
}

/// The entries, by index. Bounded by what may be in flight.
#[derive(Debug, Default)]
pub struct Unapplied {
    inner: Mutex<Inner>,
    /// Rung when an entry of which nobody was told has been applied.
    bell: Notify,
}

#[derive(Debug, Default)]
struct Inner {
    entries: BTreeMap<u64, Work>,
    /// How many of them may take long.
    long: usize,
    applied: Option<LogId>,
    /// Somebody was told less than is committed.
    was_cut: bool,
}

impl Inner {
    fn remove(&mut self, index: u64) {
        if let Some(work) = self.entries.remove(&index) {
            self.long = self.long.saturating_sub(usize::from(work.may_take_long));
        }
    }
}

impl Unapplied {
    /// An entry is about to be appended, so before it can be committed. `None`: it is not this leader's own, or it carries no
    /// proposals; an earlier one of the same index is gone.
    pub(super) fn appends(&self, index: u64, work: Option<Work>) {
        let mut inner = self.inner.lock();
        if inner.entries.is_empty() && work.is_none() {
            return;
        }
        inner.remove(index);
        if let Some(work) = work {
            inner.long = inner.long.saturating_add(usize::from(work.may_take_long));
            inner.entries.insert(index, work);
        }
    }

    /// What this entry amounts to, if it is known here.
    pub fn work(&self, index: u64) -> Option<Work> {
        self.inner.lock().entries.get(&index).copied()
    }

    /// What others may be told is committed; `None`: nothing. `announces` is called with its index before anybody can be
    /// told.
    pub(super) fn may_tell(&self, committed: LogId, announces: impl FnOnce(u64)) -> Option<LogId> {
        let mut inner = self.inner.lock();
        let is_long = |(_, work): (&u64, &Work)| work.may_take_long;
        let told = match inner.long > 0 && inner.entries.range(..=committed.index).any(is_long) {
            false => Some(committed),
            true => {
                inner.was_cut = true;
                inner.applied
            }
        };
        if let Some(told) = told {
            announces(told.index);
        }
        told
    }

    /// Everything up to here is applied.
    pub(super) fn applied(&self, at: LogId) {
        let mut inner = self.inner.lock();
        inner.applied = Some(at);
        let left = inner.entries.split_off(&at.index.saturating_add(1));
        let gone = std::mem::replace(&mut inner.entries, left);
        let long = gone.values().filter(|work| work.may_take_long).count();
        inner.long = inner.long.saturating_sub(long);
        if long > 0 && std::mem::take(&mut inner.was_cut) {
            self.bell.notify_one();
        }
    }

    /// Waits until there is something to tell that was not told before.
    pub async fn news(&self) {
        self.bell.notified().await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHORT: Work = Work { calls: 1, is_bounded: true, may_take_long: false };
    const LONG: Work = Work { calls: 1, is_bounded: false, may_take_long: true };

    fn at(index: u64) -> LogId {
        LogId { term: 3, index }
    }

    fn told(unapplied: &Unapplied, committed: u64) -> Option<u64> {
        let mut announced = None;
        let told = unapplied.may_tell(at(committed), |index| announced = Some(index)).map(|at| at.index);
        assert_eq!(told, announced);
        told
    }

    #[tokio::test(start_paused = true)]
    async fn nobody_is_told_of_what_may_take_long_before_it_is_applied_here() {
        let unapplied = Unapplied::default();
        unapplied.applied(at(4));
        unapplied.appends(5, Some(SHORT));
        unapplied.appends(6, Some(LONG));
        unapplied.appends(7, Some(SHORT));
        assert_eq!(told(&unapplied, 5), Some(5));
        assert_eq!(told(&unapplied, 6), Some(4));
        unapplied.applied(at(5));
        assert_eq!(told(&unapplied, 7), Some(5));
        let later = |ms| tokio::time::timeout(std::time::Duration::from_millis(ms), unapplied.news());
        assert!(later(10).await.is_err(), "there is no news yet");
        unapplied.applied(at(6));
        assert_eq!(told(&unapplied, 7), Some(7));
        assert!(later(10).await.is_ok());
        assert_eq!(unapplied.work(7), Some(SHORT));
        unapplied.applied(at(7));
        assert_eq!(unapplied.work(7), None);
        assert!(later(10).await.is_err(), "nothing was held back since");
    }

    #[test]
    fn an_entry_of_another_leader_replaces_what_was_known_of_its_index() {
        let unapplied = Unapplied::default();
        unapplied.appends(5, Some(LONG));
        assert_eq!(told(&unapplied, 5), None, "nothing is applied, so there is nothing to tell");
        unapplied.appends(5, None);
        assert_eq!(unapplied.work(5), None);
        assert_eq!(told(&unapplied, 5), Some(5));
    }
}
