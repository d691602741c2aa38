//! The wall clocks of a cluster's nodes, as its leader hears them.
//!
//! Log time is steered by the median, so that a wrong wall clock, of whichever node, moves nothing while most are right.
//! Reports are delayed in transit: other nodes' clocks seem late by that.

use crate::{environment::Environment, time::difference};
use parking_lot::Mutex;
use std::collections::BTreeMap;

/// Reports older than this do not count.
const FRESH_MS: u64 = 10_000;

/// The clocks.
#[derive(Debug, Default)]
pub struct WallClocks {
    environment: Environment,
    others: Mutex<BTreeMap<u64, Said>>,
}

#[derive(Debug, Clone, Copy)]
struct Said {
    wall_ms: u64,
    /// By this node's monotonic clock.
    at_ms: u64,
}

impl WallClocks {
    pub(super) fn new(environment: Environment) -> Self {
        WallClocks { environment, ..WallClocks::default() }
    }

    /// Records a node's wall clock, ms since the epoch; 0: not given.
    pub fn observe(&self, node_id: u64, wall_ms: u64) {
        self.observe_at(self.environment.monotonic_ms(), node_id, wall_ms);
    }

    fn observe_at(&self, now: u64, node_id: u64, wall_ms: u64) {
        if wall_ms > 0 {
            self.others.lock().insert(node_id, Said { wall_ms, at_ms: now });
        }
    }

    /// Milliseconds by which recently heard clocks of other nodes are ahead of this time.
    pub fn ahead_of(&self, time_ms: u64) -> Vec<(u64, i64)> {
        self.ahead_of_at(self.environment.monotonic_ms(), time_ms)
    }

    fn ahead_of_at(&self, now: u64, time_ms: u64) -> Vec<(u64, i64)> {
        let mut others = self.others.lock();
        others.retain(|_, said| now.saturating_sub(said.at_ms) <= FRESH_MS);
        let ahead = |said: &Said| {
            let wall_ms = said.wall_ms.saturating_add(now.saturating_sub(said.at_ms));
            difference(wall_ms, time_ms)
        };
        others.iter().map(|(node_id, said)| (*node_id, ahead(said))).collect()
    }

    /// Milliseconds by which agreed wall time is ahead of this time, if this node's own clock is `own_ms`.
    pub fn agreed_ahead_of(&self, time_ms: u64, own_ms: u64) -> i64 {
        let others = self.ahead_of(time_ms).into_iter().map(|(_, ahead_ms)| ahead_ms);
        middle(others.chain([difference(own_ms, time_ms)]).collect())
    }
}

/// The middle one. Of two in the middle the nearer to nothing; nothing if they are on both sides of it.
fn middle(mut values: Vec<i64>) -> i64 {
    values.sort_unstable();
    let at = |index: usize| values.get(index).copied().unwrap_or(0);
    let half = values.len() / 2;
    if !values.len().is_multiple_of(2) {
        return at(half);
    }
    let (low, high) = (at(half.saturating_sub(1)), at(half));
    if low > 0 { low } else { high.min(0) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_middle_one_counts_and_of_two_the_nearer_one() {
        for (values, expected) in [
            (vec![7], 7),
            (vec![], 0),
            (vec![3_600_000, 2, -4], 2),
            (vec![-3_600_000, 2, 3_600_000], 2),
            (vec![5000, 40], 40),
            (vec![-5000, -40], -40),
            (vec![-5000, 40], 0),
            (vec![0, 262_000], 0),
            (vec![1, 2, 3, 900_000], 2),
        ] {
            assert_eq!(middle(values.clone()), expected, "{values:?}");
        }
    }

    #[test]
    fn clocks_go_on_after_they_were_heard_and_count_no_more_after_a_while() {
        let clocks = WallClocks::default();
        clocks.observe_at(0, 2, 1_000_500);
        clocks.observe_at(9000, 3, 1_009_700);
        clocks.observe_at(9500, 3, 1_010_100);
        clocks.observe_at(9500, 4, 0);
        assert_eq!(clocks.ahead_of_at(10_000, 1_010_000), [(2, 500), (3, 600)]);
        assert_eq!(clocks.ahead_of_at(10_001, 1_010_001), [(3, 600)]);
    }
}
