//! Whether the core may let the data grow: the leader refuses that while the disks of too many voters are almost full.

use super::ReplicationState;
use crate::environment::DiskState;
use parking_lot::Mutex;
use std::{collections::BTreeMap, sync::atomic::Ordering, time::Duration};
use tokio::time::Instant;

/// A node that was silent for longer counts for nothing. Heartbeats are answered many times in that.
const SILENCE_MAX: Duration = Duration::from_secs(2);

/// What the other nodes last said of their disks, as they answer this leader's heartbeats.
#[derive(Debug, Default)]
pub struct Disks(Mutex<BTreeMap<u64, Seen>>);

#[derive(Debug, Clone, Copy)]
struct Seen {
    is_low: bool,
    at: Instant,
}

/// What a leader does about growth.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Growth {
    Allowed,
    Refused,
    /// Only this leader's disk is in the way: a node that has room should lead.
    ElsewhereOnly,
}

impl Disks {
    /// A node answered.
    pub fn observe(&self, node_id: u64, is_low: bool) {
        self.0.lock().insert(node_id, Seen { is_low, at: Instant::now() });
    }

    /// Whether it was heard of late, and has room.
    pub fn has_room(&self, node_id: u64) -> bool {
        self.0.lock().get(&node_id).is_some_and(|seen| !seen.is_low && seen.at.elapsed() <= SILENCE_MAX)
    }

    /// What the leader `own` of these voters does. While no disk is low, silence does not matter: whoever is silent is missing
    /// for other reasons.
    pub fn growth(&self, own: u64, own_is_low: bool, voters: &[u64]) -> Growth {
        let majority = voters.len() / 2 + 1;
        let others = || voters.iter().filter(|voter| **voter != own);
        let is_any_low = {
            let seen = self.0.lock();
            own_is_low || others().any(|id| seen.get(id).is_some_and(|seen| seen.is_low))
        };
        let with_room = others().filter(|id| self.has_room(**id)).count();
        match (is_any_low, own_is_low) {
            (false, _) => Growth::Allowed,
            (true, true) if with_room >= majority => Growth::ElsewhereOnly,
            (true, true) => Growth::Refused,
            (true, false) if with_room.saturating_add(1) >= majority => Growth::Allowed,
            (true, false) => Growth::Refused,
        }
    }
}

/// The disk, and who may write.
impl ReplicationState {
    /// Whether the leader refuses writes that may make the data grow, as far as this node knows.
    pub fn refuses_growth(&self) -> bool {
        self.refuses_growth.load(Ordering::Acquire)
    }

    /// Whether the leader's own disk has room for any write of so many bytes.
    pub fn has_room(&self, bytes: u64) -> bool {
        !self.is_leader() || self.edge.is_edge() || self.disk.fits(bytes)
    }

    /// The disk's problem, for `/readyz`; `None`: there is none.
    pub fn disk_problem(&self) -> Option<&'static str> {
        match self.disk.state() {
            DiskState::Full => Some("the disk is full: no write is possible, reads go on"),
            _ if self.refuses_growth() => {
                Some("the disk is almost full: writes that may make the data grow are refused")
            }
            DiskState::Low => Some("the disk of this node is almost full; the other nodes have room"),
            DiskState::Ok | DiskState::Tight => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        environment::Space,
        state::{Room, StateWriter},
    };

    #[tokio::test(start_paused = true)]
    async fn growth_needs_room_at_a_majority_of_the_voters() {
        let disks = Disks::default();
        let three = [1, 2, 3];
        let growth = |own_is_low| disks.growth(1, own_is_low, &three);
        assert_eq!(growth(false), Growth::Allowed, "nobody was heard yet");
        assert_eq!(growth(true), Growth::Refused, "nor is anybody known to have room");
        for (second, third, own_is_low, expected) in [
            (false, false, false, Growth::Allowed),
            (true, false, false, Growth::Allowed),
            (true, true, false, Growth::Refused),
            (false, false, true, Growth::ElsewhereOnly),
            (true, false, true, Growth::Refused),
            (true, true, true, Growth::Refused),
        ] {
            disks.observe(2, second);
            disks.observe(3, third);
            assert_eq!(growth(own_is_low), expected, "{second} {third} {own_is_low}");
        }
        disks.observe(2, true);
        disks.observe(3, false);
        tokio::time::advance(SILENCE_MAX * 2).await;
        disks.observe(2, true);
        assert_eq!(
            growth(false),
            Growth::Refused,
            "the third is gone, and the second could not take it for long"
        );
        disks.observe(2, false);
        assert_eq!(growth(false), Growth::Allowed);
        assert_eq!(disks.growth(1, false, &[1]), Growth::Allowed);
        assert_eq!(disks.growth(1, true, &[1]), Growth::Refused);
    }

    #[test]
    fn a_leader_takes_what_leaves_room_to_delete() {
        let writer = StateWriter::default();
        let state = writer.state();
        writer.set_leader(1, true, Some((1, String::new())));
        let may_grow = |bytes| state.room(bytes) == Room::Enough;
        assert!(may_grow(u64::MAX / 8) && state.disk_problem().is_none());
        let look = |available| state.disk.look(64 << 20, || Ok(Space { available, total: 1 << 30 })).unwrap();
        look(100 << 20);
        assert!(may_grow(30 << 20) && !may_grow(40 << 20) && state.has_room(40 << 20));
        state.queued_bytes.store(30 << 20, Ordering::Relaxed);
        assert!(!may_grow(10 << 20), "behind what is queued");
        assert!(writer.set_refuses_growth(true) && !writer.set_refuses_growth(true));
        assert!(!may_grow(0) && state.disk_problem().is_some());
        look(1 << 20);
        assert!(!state.has_room(0));
        writer.set_leader(2, false, Some((2, String::new())));
        assert!(state.has_room(1 << 30), "it goes to the leader");
    }
}
