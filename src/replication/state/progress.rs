//! How far this node has come: what the batcher, the apply thread and readers need to know of each other.

use super::{forwarding::Forwards, lease::Lease, log_time, sums::Sums};
use crate::{limits::ENTRIES_IN_FLIGHT_MAX, session::LogStatus, store::Position};
use parking_lot::RwLock;
use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
    },
    time::Duration,
};
use tokio::{
    sync::{Notify, watch},
    time::Instant,
};

/// Shared by all threads of the log.
#[derive(Debug)]
pub struct Progress {
    pub status: Arc<LogStatus>,
    /// The term in which this node leads; 0 = it does not.
    leader_term: AtomicU64,
    /// The term of the last applied entry.
    applied_term: AtomicU64,
    in_flight: AtomicUsize,
    pub forwards: Forwards,
    /// Whether the batcher waits for an entry to land, and what wakes it.
    awaited: AtomicBool,
    capacity: Notify,
    ready: watch::Sender<bool>,
    lease: Lease,
    /// The term in which this leader last asked another node to lead: that one waits for no lease to run out.
    offered_term: AtomicU64,
    refuses_leadership: AtomicBool,
    leader: RwLock<Option<(u64, String)>>,
    /// Its id; 0 = none is known.
    leads: watch::Sender<u64>,
    /// How far the leader had applied the log when it answered writes that this node sent it.
    forwarded_index: AtomicU64,
    /// When the leader was last heard, by the lease's clock; 0 = never.
    heard_ms: AtomicU64,
    /// Readers that wait for an entry to be applied, and what wakes them.
    readers: AtomicUsize,
    applied_bell: Notify,
    pub sums: Sums,
}

impl Progress {
    pub fn new(status: Arc<LogStatus>) -> Self {
        Progress {
            status,
            leader_term: AtomicU64::new(0),
            applied_term: AtomicU64::new(0),
            in_flight: AtomicUsize::new(0),
            forwards: Forwards::default(),
            awaited: AtomicBool::new(false),
            capacity: Notify::new(),
            ready: watch::Sender::new(false),
            lease: Lease::new(),
            offered_term: AtomicU64::new(0),
            refuses_leadership: AtomicBool::new(false),
            leader: RwLock::new(None),
            leads: watch::Sender::new(0),
            forwarded_index: AtomicU64::new(0),
            heard_ms: AtomicU64::new(0),
            readers: AtomicUsize::new(0),
            applied_bell: Notify::new(),
            sums: Sums::default(),
        }
    }

    /// Whether a read now sees every acknowledged write, and all that another node may have shown.
    pub fn can_read(&self) -> bool {
        // The lease before the index: what is announced after the read began need not be seen.
        self.knows_all() && self.status.applied_index.load(Ordering::SeqCst) >= self.announced()
    }

    /// How far other nodes may have applied the log because this one, leading, told them that it is committed.
    pub fn announced(&self) -> u64 {
        self.status.announced_index.load(Ordering::SeqCst)
    }

    /// Whether nobody can have acknowledged a write that this node does not know to be committed, by its lease. Without
    /// `lease-reads` only one that is alone knows that without asking.
    pub fn knows_all(&self) -> bool {
        let asks = self.status.asks_to_read.load(Ordering::Relaxed);
        self.leads_surely() && (!asks || self.lease.is_for_ever())
    }

    /// Whether no other node can lead at the moment. A new leader first proposes an entry of its own term, so once an entry
    /// of that term is applied, everything committed before is, too. With one voter there is no lease to lose; with more, no
    /// other node can lead before the lease runs out, but one that this one asks to.
    pub fn leads_surely(&self) -> bool {
        // The feature breaks the rule on purpose: see Cargo.toml.
        if cfg!(feature = "broken-lease") && self.is_leader() {
            return true;
        }
        #[cfg(test)]
        if crate::tests::stage::is_broken_by(crate::tests::stage::Mutant::LeaseIgnored) && self.is_leader() {
            return true;
        }
        // An edge that never had any data has nothing to answer from.
        let edge = &self.status.edge;
        if !self.has_applied_own_term() || edge.is_edge() && !edge.has_data() {
            return false;
        }
        self.has_lease() && !self.has_offered()
    }

    /// This leader is about to ask another node to lead. It may do so at any time from here on, without this one hearing of
    /// it, so the lease is worth nothing any more in this term; a majority must be asked.
    pub fn offers_leadership(&self) {
        #[cfg(test)]
        if crate::tests::stage::is_broken_by(crate::tests::stage::Mutant::LeaseKept) {
            return;
        }
        self.offered_term.store(self.leader_term(), Ordering::SeqCst);
    }

    /// This node is asked to stop, or for another reason is to lead no more.
    pub fn refuse_leadership(&self) {
        self.refuses_leadership.store(true, Ordering::Release);
    }

    pub fn refuses_leadership(&self) -> bool {
        self.refuses_leadership.load(Ordering::Acquire)
    }

    fn has_offered(&self) -> bool {
        self.offered_term.load(Ordering::SeqCst) == self.leader_term()
    }

    /// Whether a majority has heard this leader lately, or it is alone. It takes no writes otherwise.
    pub fn has_lease(&self) -> bool {
        self.lease.is_held()
    }

    /// Whether this node leads and has applied what came before.
    pub fn has_applied_own_term(&self) -> bool {
        let term = self.leader_term.load(Ordering::Acquire);
        term != 0 && self.applied_term.load(Ordering::Acquire) == term
    }

    /// See `Lease::set`.
    pub fn set_lease(&self, heard: Option<Instant>, lease: Duration) {
        self.lease.set(heard, lease);
    }

    /// The leader and its peer address, as far as this node knows.
    pub fn leader(&self) -> Option<(u64, String)> {
        self.leader.read().clone()
    }

    pub fn set_leader(&self, leader: Option<(u64, String)>) {
        self.status.leader_id.store(leader.as_ref().map_or(0, |(id, _)| *id), Ordering::Relaxed);
        if let Some((id, _)) = &leader {
            self.status.last_leader_id.store(*id, Ordering::Relaxed);
        }
        let id = leader.as_ref().map_or(0, |(id, _)| *id);
        *self.leader.write() = leader;
        self.leads.send_if_modified(|leads| std::mem::replace(leads, id) != id);
        self.announce();
    }

    /// Waits until it is known that another node leads (which may be this one).
    pub async fn led_by_another_than(&self, id: u64) {
        // The sender is in `self`, so the channel cannot close.
        let _ = self.leads.subscribe().wait_for(|leads| *leads != id && *leads != 0).await;
    }

    /// The leader has applied writes that this node sent it, up to this entry.
    pub fn forwarded(&self, index: u64) {
        self.forwarded_index.fetch_max(index, Ordering::AcqRel);
    }

    /// The last entry with a write that this node may have acknowledged.
    pub fn acknowledged(&self) -> u64 {
        let applied = self.status.applied_index.load(Ordering::Acquire);
        applied.max(self.forwarded_index.load(Ordering::Acquire))
    }

    /// Whether this node has applied every write that it has acknowledged.
    pub fn has_applied_own_writes(&self) -> bool {
        self.status.applied_index.load(Ordering::Acquire) >= self.forwarded_index.load(Ordering::Acquire)
    }

    /// The leader has been heard just now, and everything it had committed then is applied.
    pub fn heard_leader(&self) {
        self.heard_ms.store(self.lease.clock.now_ms().max(1), Ordering::Release);
    }

    /// Whether the leader was heard so recently.
    pub fn heard_within(&self, ms: u64) -> bool {
        let heard = self.heard_ms.load(Ordering::Acquire);
        heard > 0 && self.lease.clock.now_ms().saturating_sub(heard) <= ms
    }

    /// Waits until the entry is applied.
    pub async fn wait_applied(&self, index: u64) {
        let _counted = Counted::new(&self.readers);
        loop {
            let bell = self.applied_bell.notified();
            if self.status.applied_index.load(Ordering::SeqCst) >= index {
                return;
            }
            bell.await;
        }
    }

    /// Waits until the data stand at this entry of the core.
    pub async fn wait_core(&self, index: u64) {
        let _counted = Counted::new(&self.readers);
        loop {
            let bell = self.applied_bell.notified();
            if self.status.edge.core_index.load(Ordering::SeqCst) >= index {
                return;
            }
            bell.await;
        }
    }

    /// How old what this node knows of the core's log is: for a leader under its lease it is of now.
    pub fn knowledge_age(&self) -> Duration {
        if self.can_read() {
            return Duration::ZERO;
        }
        if self.is_leader() {
            return self.lease.lost_for();
        }
        let heard = self.heard_ms.load(Ordering::Acquire);
        Duration::from_millis(self.lease.clock.now_ms().saturating_sub(heard))
    }

    /// On an edge, before `applied`: the data stand at this entry of the core.
    pub fn followed(&self, core_index: u64) {
        self.status.edge.stand_at(core_index);
    }

    /// Waits until this node can serve: it leads and has applied what came before, or it knows who leads.
    pub async fn wait_ready(&self) {
        // The sender is in `self`, so the channel cannot close.
        let _ = self.ready.subscribe().wait_for(|ready| *ready).await;
    }

    /// The term in which this node leads; 0 = it does not.
    pub fn leader_term(&self) -> u64 {
        self.leader_term.load(Ordering::Acquire)
    }

    pub fn is_leader(&self) -> bool {
        self.leader_term.load(Ordering::Acquire) != 0
    }

    /// This node leads in `term`, or (0) it does not.
    pub fn set_leader_term(&self, term: u64) {
        if term != 0 && !self.status.edge.is_edge() {
            // Before it stamps anything.
            log_time::lead(&self.status);
        }
        if self.leader_term.swap(term, Ordering::AcqRel) != term && term != 0 {
            self.status.contact.elected();
        }
        self.status.is_leader.store(term != 0, Ordering::Relaxed);
        self.announce();
    }

    /// Everything up to `at` is applied and published.
    pub fn applied(&self, at: Position) {
        if !self.status.edge.is_edge() {
            self.status.edge.core_index.store(at.index, Ordering::SeqCst);
        }
        self.status.applied_index.store(at.index, Ordering::SeqCst);
        if self.readers.load(Ordering::SeqCst) > 0 {
            self.applied_bell.notify_waiters();
        }
        self.status.committed_index.fetch_max(at.index, Ordering::Relaxed);
        if self.applied_term.swap(at.term, Ordering::AcqRel) != at.term {
            self.announce();
        }
    }

    fn announce(&self) {
        // A follower can serve as soon as it knows whom to ask.
        let follows = !self.is_leader() && self.leader.read().is_some();
        let now = self.has_applied_own_term() || follows;
        self.ready.send_if_modified(|ready| std::mem::replace(ready, now) != now);
    }

    /// Whether one more entry may be proposed; if so it counts.
    pub fn take_off(&self) -> bool {
        self.in_flight
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, |n| {
                (n < ENTRIES_IN_FLIGHT_MAX).then_some(n + 1)
            })
            .is_ok()
    }

    /// An entry has got its outcome. Rings nobody, so that the entries of a chunk ring once: see `ring_if_awaited`.
    pub fn land(&self) {
        self.in_flight.fetch_sub(1, Ordering::SeqCst);
    }

    /// Whether nothing is on its way any more.
    pub fn all_landed(&self) -> bool {
        self.in_flight() == 0
    }

    /// Entries and forwarded batches on their way.
    pub fn in_flight(&self) -> usize {
        self.in_flight.load(Ordering::SeqCst).saturating_add(self.forwards.under_way())
    }

    /// Whether one more batch may be on its way, to wherever batches go.
    pub fn has_room(&self) -> bool {
        match self.is_leader() {
            true => self.in_flight.load(Ordering::SeqCst) < ENTRIES_IN_FLIGHT_MAX,
            false => self.forwards.has_room(),
        }
    }

    /// Lets the batcher look again, if it waits for an entry to land. From another thread that is a system call.
    pub fn ring_if_awaited(&self) {
        if self.awaited.swap(false, Ordering::SeqCst) {
            self.capacity.notify_one();
        }
    }

    /// For the batcher: waits for something to land, unless it is so already. May return early.
    pub async fn wait_for_landing(&self, is_so: impl FnOnce() -> bool) {
        self.awaited.store(true, Ordering::SeqCst);
        if !is_so() {
            self.capacity.notified().await;
        }
        self.awaited.store(false, Ordering::SeqCst);
    }
}

/// Counts while it lives, also when the one who waits is cancelled.
struct Counted<'a>(&'a AtomicUsize);

impl<'a> Counted<'a> {
    fn new(count: &'a AtomicUsize) -> Self {
        count.fetch_add(1, Ordering::SeqCst);
        Counted(count)
    }
}

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A chaos run found it: a follower had applied an entry, and shown it, a millisecond before its leader did.
    #[test]
    fn a_leader_reads_nothing_older_than_what_it_has_told_others() {
        let progress = Progress::new(Arc::default());
        progress.set_leader_term(2);
        assert!(!progress.can_read(), "nothing of its own term is applied");
        progress.applied(Position { term: 2, index: 5 });
        assert!(progress.can_read());
        progress.status.announced_index.store(6, Ordering::SeqCst);
        assert!(progress.knows_all() && !progress.can_read());
        progress.applied(Position { term: 2, index: 6 });
        assert!(progress.can_read());
    }

    /// `lease-reads no`: clocks are not trusted, so it asks; expired keys go and messages are ordered all the same.
    #[tokio::test(start_paused = true)]
    async fn a_leader_that_is_to_ask_others_reads_nothing_by_its_lease() {
        let progress = Progress::new(Arc::default());
        progress.set_leader_term(2);
        progress.applied(Position { term: 2, index: 5 });
        progress.set_lease(Some(Instant::now()), Duration::from_millis(280));
        assert!(progress.can_read());
        progress.status.asks_to_read.store(true, Ordering::Relaxed);
        assert!(!progress.can_read() && progress.leads_surely());
        progress.set_lease(None, Duration::from_millis(280));
        assert!(progress.can_read(), "it is alone: there is nobody to ask");
    }

    /// The simulation found it: who is asked to lead is helped at once, whatever the lease of who asks.
    #[test]
    fn a_leader_that_asked_another_to_lead_has_no_lease_in_that_term() {
        let progress = Progress::new(Arc::default());
        progress.set_leader_term(2);
        progress.applied(Position { term: 2, index: 5 });
        assert!(progress.can_read());
        progress.offers_leadership();
        assert!(!progress.can_read());
        progress.set_leader_term(4);
        progress.applied(Position { term: 4, index: 6 });
        assert!(progress.can_read(), "it leads again, by another election");
    }
}
