//! Handles damage in the node's files: records it, hands over leadership, and restarts the process.

use crate::{
    config::Settings,
    fail::{self, Damage},
    replication::{GroupHandle, Quarantine},
};
use std::{path::PathBuf, sync::OnceLock, thread, time::Duration};

/// Longest wait for another node to take over leadership.
const HAND_OVER_MAX: Duration = Duration::from_millis(1500);

type HandOver = Box<dyn Fn(Duration) + Send + Sync>;

/// Runs when damage is found.
pub(super) struct Damaged {
    data_dir: PathBuf,
    has_others: bool,
    repairs: bool,
    hand_over: OnceLock<HandOver>,
}

impl Damaged {
    pub(super) fn new(settings: &Settings) -> Self {
        let others = settings.cluster.iter().filter(|(name, _)| *name != settings.node_name).count();
        let has_others = others > 0 || !settings.join.is_empty() || settings.edge.is_some();
        Damaged {
            data_dir: settings.data_dir.clone(),
            has_others,
            repairs: settings.repair_damaged,
            hand_over: OnceLock::new(),
        }
    }

    /// Whether there are other nodes to repair this one from, and it may.
    pub(super) fn can_repair(&self) -> bool {
        self.has_others && self.repairs
    }

    /// The log runs from now on.
    pub(super) fn hands_over_by(&self, log: &GroupHandle) {
        let _ = self.hand_over.set(Box::new(log.last_hand_over()));
    }

    /// Returns if nothing can be done but to stop.
    pub(super) fn act(&self, damage: &Damage) {
        let (file, detail, data_dir) = (&damage.file, &damage.detail, self.data_dir.display());
        if !self.has_others {
            tracing::error!(
                %file, %detail,
                remedy = format!("restore the file, or {data_dir} from a backup"),
                "a file is damaged, and there is no other node to repair it from"
            );
            return;
        }
        match self.repairs {
            true => {
                tracing::warn!(%file, %detail, "a file is damaged; restarting to repair it from another node")
            }
            false => tracing::error!(
                %file, %detail,
                remedy = format!("start this node with --repair-damaged yes, or empty {data_dir} first: it then copies all data from another node"),
                "a file is damaged"
            ),
        }
        // If the record cannot be written, the next start finds the damage again.
        if let Err(error) = Quarantine::write(&self.data_dir, damage) {
            tracing::warn!(%error, "cannot record that a file is damaged");
        }
        // The raft thread cannot wait for itself; the others elect another leader then.
        if let Some(hand_over) = self.hand_over.get().filter(|_| thread::current().name() != Some("raft")) {
            hand_over(HAND_OVER_MAX);
        }
        if self.repairs {
            let error = fail::restart();
            tracing::error!(%error, remedy = "start this process again", "cannot restart");
        }
    }
}
