//! Changes the replication state: the only code that sets the leader and the positions of the log.

use super::{Beginning, Leader, ReplicationState, Work};
use crate::{
    environment::{Environment, Rule},
    store::LogId,
};
use std::{
    ops::Deref,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};
use tokio::time::Instant;

/// The writer. Each state has exactly one, made with it.
#[derive(Debug, Default)]
pub struct StateWriter(Arc<ReplicationState>);

/// It reads as the state does.
impl Deref for StateWriter {
    type Target = ReplicationState;

    fn deref(&self) -> &ReplicationState {
        &self.0
    }
}

impl StateWriter {
    /// Of a node in this environment.
    pub fn new(environment: Environment) -> Self {
        StateWriter(Arc::new(ReplicationState::new(environment)))
    }

    /// The state, for readers.
    pub fn state(&self) -> &Arc<ReplicationState> {
        &self.0
    }

    /// Sets the leader; `last_id` is kept.
    pub fn set_leader(&self, term: u64, is_self: bool, node: Option<(u64, String)>) {
        let state = &self.0;
        if is_self && !state.edge.is_edge() {
            // Before it stamps anything.
            self.lead_log_time();
        }
        let before = state.leader.load_full();
        let last_id = node.as_ref().map_or(before.last_id, |(id, _)| *id);
        let now = Leader { term, is_self, node, last_id };
        if is_self && !(before.is_self && before.term == term) {
            state.contact.elected();
        }
        if *before != now {
            state.latency.leader(now.node.is_some(), state.environment().monotonic_us());
            state.leader.store(Arc::new(now));
            state.leader_bell.notify_waiters();
        }
    }

    /// Log time continues with this node as leader.
    fn lead_log_time(&self) {
        let state = &self.0;
        let ahead_ms = state.walls.agreed_ahead_of(state.clock.now_ms(), state.environment().wall_ms());
        match state.clock.lead(ahead_ms) {
            Beginning::Known => {}
            Beginning::Wall => {
                tracing::info!(log_ms = state.clock.now_ms(), "log time begins with what wall clocks say");
            }
            Beginning::NotBelieved(ahead_ms) => tracing::error!(
                days = ahead_ms / 86_400_000,
                remedy = "set them if they are wrong; if they are right, 'flotilla admin clock --step' steps log time to them",
                "the wall clocks are implausibly far ahead of the last write; log time continues from the last write"
            ),
        }
    }

    /// This leader is about to ask another node to lead. That node may do so at any time from now on, without this one
    /// knowing, so the lease is void for the rest of this term; reads must ask a majority.
    pub fn offers_leadership(&self) {
        if self.0.environment().keeps(Rule::LeaseEndsWithOffer) {
            self.0.offered_term.store(self.0.leader_term(), Ordering::SeqCst);
        }
    }

    /// What the data here take.
    pub fn set_data_bytes(&self, bytes: u64) {
        self.0.memory.set_bytes(bytes);
    }

    /// The data here are at this feature level.
    pub fn set_feature_level(&self, level: u32) {
        if self.0.feature_level.load(Ordering::Relaxed) != level {
            self.0.feature_level.store(level, Ordering::Release);
            tracing::info!(level, "activated the feature level");
        }
    }

    /// A majority acknowledged this leader at `heard`; for `lease` after that, none of it helps another node to lead.
    /// `None`: it is the only voter.
    pub fn heard_by_quorum(&self, heard: Option<Instant>, lease: Duration) {
        self.0.contact.heard_by_quorum(heard);
        self.0.lease.set(heard, lease);
    }

    /// The leader was heard just now; `is_cut_off`: it reports that it has lost contact to a majority.
    pub fn heard_leader(&self, is_cut_off: bool) {
        self.0.contact.heard_leader(is_cut_off);
    }

    /// From now on the leader, this node or another, refuses growth, or does not; whether that is news.
    pub fn set_refuses_growth(&self, refuses: bool) -> bool {
        self.0.refuses_growth.swap(refuses, Ordering::AcqRel) != refuses
    }

    /// What it had committed then; the first word since this node's start says when the node can serve.
    pub fn heard_commit(&self, committed: u64) {
        let goal = &self.0.start_goal;
        if goal.load(Ordering::Relaxed) == 0 {
            goal.store(committed.saturating_add(1), Ordering::Release);
        }
    }

    /// And everything that it had committed then is applied here.
    pub fn caught_up_with_leader(&self) {
        self.0.heard_ms.store(self.0.lease.clock.now_ms().max(1), Ordering::Release);
    }

    /// The first and last index of the log, and its size on disk.
    pub fn logged(&self, purged: u64, last: u64, bytes: u64) {
        self.0.purged_index.store(purged, Ordering::Relaxed);
        self.0.last_index.store(last, Ordering::Release);
        self.log_size(bytes);
    }

    /// Bytes of log on disk.
    pub fn log_size(&self, bytes: u64) {
        self.0.log_bytes.store(bytes, Ordering::Relaxed);
    }

    /// An entry is about to be appended; `None`: another leader's, or one without proposals.
    pub fn appends(&self, index: u64, work: Option<Work>) {
        self.0.unapplied.appends(index, work);
    }

    /// As leader, what it may tell another node is committed: from then on that node may have applied more than this one.
    pub fn announces(&self, committed: LogId) -> Option<LogId> {
        let announced = &self.0.announced_index;
        self.0.unapplied.may_tell(committed, |index| {
            announced.fetch_max(index, Ordering::SeqCst);
        })
    }

    /// On an edge, before `applied`: this entry of the core is applied.
    pub fn followed(&self, core_index: u64) {
        self.0.edge.stand_at(core_index);
    }

    /// Everything up to `at` is applied and published.
    pub fn applied(&self, at: LogId) {
        let state = &self.0;
        if !state.edge.is_edge() {
            state.edge.core_index.store(at.index, Ordering::SeqCst);
        }
        state.applied_index.store(at.index, Ordering::SeqCst);
        state.unapplied.applied(at);
        if state.readers.load(Ordering::SeqCst) > 0 {
            state.applied_bell.notify_waiters();
        }
        state.committed_index.fetch_max(at.index, Ordering::Relaxed);
        if state.applied_term.swap(at.term, Ordering::AcqRel) != at.term {
            state.leader_bell.notify_waiters();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn leads(writer: &StateWriter, term: u64) {
        writer.set_leader(term, true, Some((1, String::new())));
    }

    /// A chaos run found it: a follower had applied an entry, and shown it, a millisecond before its leader did.
    #[test]
    fn a_leader_reads_nothing_older_than_what_it_has_told_others() {
        let writer = StateWriter::default();
        leads(&writer, 2);
        assert!(!writer.state().can_read(), "nothing of its own term is applied");
        writer.applied(LogId { term: 2, index: 5 });
        assert!(writer.state().can_read());
        writer.announces(LogId { term: 2, index: 6 });
        assert!(writer.state().knows_all() && !writer.state().can_read());
        writer.applied(LogId { term: 2, index: 6 });
        assert!(writer.state().can_read());
    }

    /// `lease-reads no`: clocks are not trusted, so it asks; expired keys go and messages are ordered all the same.
    #[tokio::test(start_paused = true)]
    async fn a_leader_that_is_to_ask_others_reads_nothing_by_its_lease() {
        let writer = StateWriter::default();
        let state = writer.state();
        leads(&writer, 2);
        writer.applied(LogId { term: 2, index: 5 });
        writer.heard_by_quorum(Some(Instant::now()), Duration::from_millis(280));
        assert!(state.can_read());
        state.asks_to_read.store(true, Ordering::Relaxed);
        assert!(!state.can_read() && state.leads_surely());
        writer.heard_by_quorum(None, Duration::from_millis(280));
        assert!(state.can_read(), "it is alone: there is nobody to ask");
    }

    /// Found by the simulation: a node that is asked to lead gets votes at once, whatever the asking node's lease is.
    #[test]
    fn a_leader_that_asked_another_to_lead_has_no_lease_in_that_term() {
        let writer = StateWriter::default();
        leads(&writer, 2);
        writer.applied(LogId { term: 2, index: 5 });
        assert!(writer.state().can_read());
        writer.offers_leadership();
        assert!(!writer.state().can_read());
        leads(&writer, 4);
        writer.applied(LogId { term: 4, index: 6 });
        assert!(writer.state().can_read(), "it leads again, by another election");
    }

    #[tokio::test(start_paused = true)]
    async fn a_node_is_ready_when_it_has_what_was_committed_when_it_heard_its_leader() {
        let ready_within = async |writer: &StateWriter, millis: u64| {
            let waits = tokio::time::timeout(Duration::from_millis(millis), writer.state().wait_ready());
            waits.await.is_ok()
        };
        let writer = StateWriter::default();
        let ready = async || ready_within(&writer, 10).await;
        assert!(!ready().await);
        writer.set_leader(3, true, Some((1, String::new())));
        assert!(!ready().await, "it has yet to apply what came before");
        writer.applied(LogId { term: 3, index: 1 });
        assert!(ready().await);
        writer.set_leader(3, false, None);
        assert!(!ready().await);
        assert_eq!(writer.state().known_leader().last_id, 1, "the last one is remembered");

        for begins_anew in [true, false] {
            let writer = StateWriter::default();
            writer.state().begins_anew.store(begins_anew, Ordering::Relaxed);
            writer.set_leader(2, false, Some((7, "h:1".into())));
            assert!(!ready_within(&writer, 1900).await, "it knows who leads, and has heard nothing");
            // With data of its own it serves those after a while.
            assert_eq!(ready_within(&writer, 10_000).await, !begins_anew);
            writer.heard_commit(5);
            writer.heard_commit(9);
            writer.applied(LogId { term: 1, index: 5 });
            assert!(!ready_within(&writer, 10).await, "there may be more of earlier terms");
            writer.applied(LogId { term: 2, index: 6 });
            assert!(ready_within(&writer, 10).await);
        }
    }
}
