//! An edge that follows one node whatever becomes of it, or what there is to see of it: which entries the node would send.
//!
//! It takes what the node has for it in every millisecond, so also in the one between a snapshot and the purge of the log
//! that the snapshot went past.

use crate::{
    replica::Records,
    replication::{
        edge::{Frame, Frames, Next, decode},
        tests::simulation::checker,
    },
    store::{LogId, Store},
    tests::stage::Stage,
};
use futures::FutureExt;
use std::sync::Arc;

const RECORDS_BYTES_MAX: usize = 1 << 20;

/// The edge side of the simulation.
#[derive(Default)]
pub(super) struct Edge {
    behind: Option<LogId>,
}

impl Edge {
    /// Takes all that the node would send now.
    pub(super) fn follow(&mut self, node: usize, frames: &Arc<Frames>, store: &Store, stage: &Stage) {
        while let Some(committed) = store.applied()
            && self.behind.is_none_or(|behind| behind.index < committed.index)
        {
            // Nothing waits in a simulation.
            let next = frames.next(self.behind, committed).now_or_never();
            match next.map(|next| next.map_err(|error| error.to_string())) {
                Some(Ok(Next::Entries(frame))) => self.take(node, &frame),
                Some(Ok(Next::Gone)) => {
                    stage.count("bootstrap snapshots for edges", 1);
                    self.behind = Some(committed);
                }
                other => {
                    let text = format!("n{node} has {other:?} for an edge at {:?}", self.behind);
                    return checker::with(|checker| checker.violated(text));
                }
            }
        }
    }

    fn take(&mut self, node: usize, frame: &Frame) {
        let raw = decode(&frame.entries, RECORDS_BYTES_MAX).unwrap();
        let mut records = Records::new(&raw);
        while let Some(record) = records.next_record().unwrap() {
            checker::with(|checker| checker.feeds(node, record.position));
        }
        self.behind = Some(frame.last);
    }
}
