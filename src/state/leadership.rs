//! Leadership as this node knows it: the only answer for INFO, ROLE, CLUSTER, SENTINEL, CORE STATUS, the metrics and
//! `/readyz`.
//!
//! A leader sends a heartbeat every 75 ms and says in each whether it is in contact with a majority. A leader without
//! contact to a majority can neither commit a write nor serve a linearizable read: it counts for nobody as a leader.
//! Silence counts before two election timeouts are over.

use std::{
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
    time::Duration,
};
use tokio::time::Instant;

/// Silence that is taken for a loss; election timeouts are 300 to 450 ms.
const SILENCE_MAX: Duration = Duration::from_millis(750);

/// A node's relation to the leader of its group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Leadership {
    /// This node leads and is in contact with a majority; or it runs alone.
    Leads,
    /// Another node leads and is in contact with a majority and with this node.
    Follows,
    /// The leader, this node or another, has lost contact to a majority.
    NoQuorum,
    /// No leader is known.
    NoLeader,
    /// This node was taken out of the core.
    Removed,
}

impl Leadership {
    /// Whether writes and linearizable reads can be served by way of this node.
    pub fn is_sound(self) -> bool {
        matches!(self, Leadership::Leads | Leadership::Follows)
    }

    /// One word for INFO.
    pub fn name(self) -> &'static str {
        match self {
            Leadership::Leads => "leads",
            Leadership::Follows => "follows",
            Leadership::NoQuorum => "no-quorum",
            Leadership::NoLeader => "no-leader",
            Leadership::Removed => "removed",
        }
    }

    /// The problem and its remedy; `None`: there is none.
    pub fn problem(self) -> Option<&'static str> {
        match self {
            Leadership::Leads | Leadership::Follows => None,
            Leadership::NoQuorum => Some(
                "the leader has lost contact to a majority of the voters: writes and linearizable reads wait until enough nodes are back",
            ),
            Leadership::NoLeader => Some(
                "there is no leader: writes and linearizable reads wait until a majority of the voters elects one",
            ),
            Leadership::Removed => Some(
                "this node was removed from the core and no longer serves clients; empty its data directory to let it join again",
            ),
        }
    }
}

/// The times of last contact to leader and majority.
#[derive(Debug)]
pub struct Contact {
    began: Instant,
    /// ms since `began`; 0 = never.
    leader_ms: AtomicU64,
    /// As leader; `FOR_EVER`: it is the only voter.
    quorum_ms: AtomicU64,
    /// Whether the leader reports that it has lost contact to a majority.
    leader_is_cut_off: AtomicBool,
}

const FOR_EVER: u64 = u64::MAX;

impl Default for Contact {
    fn default() -> Self {
        Contact {
            began: Instant::now(),
            leader_ms: AtomicU64::new(0),
            quorum_ms: AtomicU64::new(FOR_EVER),
            leader_is_cut_off: AtomicBool::new(false),
        }
    }
}

impl Contact {
    fn ms(&self, at: Instant) -> u64 {
        let since = at.saturating_duration_since(self.began);
        u64::try_from(since.as_millis()).unwrap_or(FOR_EVER - 1).max(1)
    }

    /// The leader was heard just now.
    pub fn heard_leader(&self, is_cut_off: bool) {
        self.leader_is_cut_off.store(is_cut_off, Ordering::Relaxed);
        self.leader_ms.store(self.ms(Instant::now()), Ordering::Release);
    }

    /// A majority acknowledged this leader at that moment; `None`: it is the only voter.
    pub fn heard_by_quorum(&self, at: Option<Instant>) {
        let Some(at) = at else { return self.quorum_ms.store(FOR_EVER, Ordering::Release) };
        // A node that was elected, or was the only voter until now, had contact then, whatever it had before.
        match self.quorum_ms.load(Ordering::Acquire) {
            FOR_EVER => self.quorum_ms.store(self.ms(Instant::now()), Ordering::Release),
            before => self.quorum_ms.store(before.max(self.ms(at)), Ordering::Release),
        }
    }

    /// This node has just been elected: a majority voted for it.
    pub fn elected(&self) {
        self.quorum_ms.fetch_max(self.ms(Instant::now()), Ordering::AcqRel);
    }

    /// Whether this node, as leader, is in contact with a majority.
    pub fn has_quorum(&self) -> bool {
        let heard = self.quorum_ms.load(Ordering::Acquire);
        heard == FOR_EVER || self.is_recent(heard)
    }

    /// Whether this node is in contact with the leader.
    pub(super) fn hears_leader(&self) -> bool {
        self.is_recent(self.leader_ms.load(Ordering::Acquire))
    }

    pub(super) fn leader_is_cut_off(&self) -> bool {
        self.leader_is_cut_off.load(Ordering::Relaxed)
    }

    /// Whole seconds since the last contact to the leader (on the leader: to a majority).
    pub fn silent_seconds(&self) -> u64 {
        let quorum = Some(self.quorum_ms.load(Ordering::Acquire)).filter(|heard| *heard != FOR_EVER);
        let heard = self.leader_ms.load(Ordering::Acquire).max(quorum.unwrap_or(0));
        self.ms(Instant::now()).saturating_sub(heard) / 1000
    }

    fn is_recent(&self, heard_ms: u64) -> bool {
        let ago = self.ms(Instant::now()).saturating_sub(heard_ms);
        heard_ms > 0 && u128::from(ago) <= SILENCE_MAX.as_millis()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state::StateWriter;

    const LATE: Duration = Duration::from_millis(800);

    fn one_of_many() -> StateWriter {
        let writer = StateWriter::default();
        writer.state().is_one_of_many.store(true, Ordering::Relaxed);
        writer
    }

    fn lease() -> Duration {
        Duration::from_millis(280)
    }

    #[tokio::test(start_paused = true)]
    async fn a_leader_counts_as_long_as_a_majority_hears_it() {
        let writer = one_of_many();
        let state = writer.state();
        let elected = |term| writer.set_leader(term, true, Some((1, String::new())));
        elected(1);
        writer.heard_by_quorum(Some(Instant::now()), lease());
        assert_eq!(state.leadership(), Leadership::Leads);
        tokio::time::advance(LATE).await;
        assert_eq!(state.leadership(), Leadership::NoQuorum);
        elected(2);
        assert_eq!(state.leadership(), Leadership::Leads);
        let before = Instant::now();
        tokio::time::advance(LATE).await;
        assert_eq!(state.leadership(), Leadership::NoQuorum);
        // Contact in an earlier term does not undo an election.
        elected(3);
        writer.heard_by_quorum(Some(before), lease());
        assert_eq!(state.leadership(), Leadership::Leads);
        tokio::time::advance(LATE).await;
        writer.heard_by_quorum(None, lease());
        assert_eq!(state.leadership(), Leadership::Leads, "the only voter");
    }

    #[tokio::test(start_paused = true)]
    async fn a_follower_follows_whom_it_hears_and_a_majority_does() {
        let writer = one_of_many();
        let state = writer.state();
        writer.set_leader(1, false, Some((2, String::new())));
        assert_eq!(state.leadership(), Leadership::NoLeader, "it knows of one, and never heard it");
        writer.heard_leader(false);
        assert_eq!(state.leadership(), Leadership::Follows);
        writer.heard_leader(true);
        assert_eq!(state.leadership(), Leadership::NoQuorum);
        writer.heard_leader(false);
        tokio::time::advance(LATE).await;
        assert_eq!(state.leadership(), Leadership::NoLeader);
        state.is_removed.store(true, Ordering::Relaxed);
        assert_eq!(state.leadership(), Leadership::Removed);
    }

    #[test]
    fn what_is_not_sound_says_why() {
        for leadership in [Leadership::NoQuorum, Leadership::NoLeader, Leadership::Removed] {
            assert!(!leadership.is_sound() && leadership.problem().is_some());
        }
        assert!(Leadership::Leads.is_sound() && Leadership::Leads.problem().is_none());
    }
}
