//! Log time behaves, whatever the wall clocks do and whichever node leads: no node's goes back, and it passes at real speed
//! within a twentieth: the latest time that any node knows is not faster, a leader's time is not slower. (A leader that
//! follows one that was ahead is late by a little; the one that was ahead may lead again.) Only when a majority has lost
//! its memory may it start anew.

use crate::{replication::tests::simulation::node::Node, tests::stage::Stage};

/// Between two moments that are compared.
const SPAN_MS: u64 = 1000;
/// A twentieth, and another half for clocks of different speeds.
const GAIN_PER_MILLE: u64 = 1080;
const LOSS_PER_MILLE: u64 = 920;
/// A word that was so long on its way is what a new leader goes on from; and readings are whole ms.
const LATE_MS: u64 = 1500;
const ROUNDED_MS: u64 = 3;

/// The checker of log time.
pub(super) struct LogTime {
    /// The last log time of each node, and the number of its restarts then.
    seen: Vec<Option<(u64, u64)>>,
    /// When, what it was where it was most.
    line: Option<(u64, u64)>,
    /// When the line began.
    began: u64,
    /// By how much a leader may be behind it: a majority lost its memory, and somebody else did not.
    behind: u64,
}

impl LogTime {
    pub(super) fn new(nodes: usize) -> Self {
        LogTime { seen: vec![None; nodes], line: None, began: 0, behind: 0 }
    }

    /// Looks at all nodes; says what is wrong.
    pub(super) fn look(&mut self, stage: &Stage, nodes: &[Node]) -> Option<String> {
        let now = stage.now();
        let (mut known, mut most, mut led) = (0, None, None);
        for node in nodes {
            stage.turn_to(node.slot);
            let Some((life, time, is_known)) = node.log_time() else {
                self.seen[node.slot] = None;
                continue;
            };
            let before = self.seen[node.slot].replace((life, time));
            if let Some((_, before)) = before.filter(|before| before.0 == life && time < before.1) {
                return Some(format!("n{}: log time goes back from {before} to {time}", node.slot));
            }
            if is_known {
                known += 1;
                most = most.max(Some(time));
                led = if node.is_leader() { led.max(Some(time)) } else { led };
            }
        }
        if known <= nodes.len() / 2 {
            self.line = None;
            return None;
        }
        let most = most?;
        if self.line.is_none() {
            (self.began, self.behind) = (now, 0);
        }
        let (since, was) = *self.line.get_or_insert((now, most));
        let passed = now - since;
        let (low, high) = (was + passed * LOSS_PER_MILLE / 1000, was + passed * GAIN_PER_MILLE / 1000);
        let is_new = now - self.began < 2 * LATE_MS;
        if most > high + ROUNDED_MS && is_new {
            // A majority had lost its memory. They begin where the store was flushed last, and find in the log, as they apply
            // it, how late that is.
            self.line = Some((now, most));
            return None;
        }
        let behind = led.map_or(0, |led| low.saturating_sub(led));
        if is_new && led.is_some() {
            // Likewise one that they have elected before it has applied what tells it the time, or before they heard of a node
            // that kept its memory. That node bends towards them, and takes its time.
            self.behind = behind;
        }
        if most > high + ROUNDED_MS || behind > self.behind + LATE_MS {
            return Some(format!("log time was {was}, and {most} (of a leader {led:?}) after {passed} ms"));
        }
        if passed >= SPAN_MS {
            self.line = Some((now, most.max(low)));
        }
        None
    }
}
