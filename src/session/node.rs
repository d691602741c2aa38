//! The node as its sessions see it: what Local and Async handlers may read and change.

use super::{AuthFailures, Clients, MemoryMarks, Parking, PubSub, Session, Stats};
use crate::{config::Config, state::ReplicationState, store::Store};
use parking_lot::RwLock;
use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering},
    },
    time::Instant,
};

/// Who this node is; fixed for the life of its data directory.
#[derive(Debug, Clone)]
pub struct NodeIdentity {
    pub node_id: u64,
    pub node_name: String,
    /// 40 hexadecimal digits, as clients expect of a run id; new at every start.
    pub run_id: String,
    pub cluster: Arc<RwLock<ClusterIdentity>>,
}

/// Which cluster the node is of; empty until it has been told.
#[derive(Debug, Clone, Default)]
pub struct ClusterIdentity {
    /// A UUID.
    pub cluster_id: String,
    /// Changes when a core is restored from backup.
    pub history_id: String,
}

/// Shared by all threads of the process.
pub struct Node {
    pub config: Arc<Config>,
    pub store: Arc<Store>,
    pub clients: Clients,
    pub auth_failures: AuthFailures,
    pub stats: Arc<Stats>,
    /// What this node knows of its group.
    pub log: Arc<ReplicationState>,
    pub pubsub: Arc<PubSub>,
    pub parking: Arc<Parking>,
    pub identity: NodeIdentity,
    /// The client port in use (the configured one may be 0 = any).
    pub port: AtomicU64,
    pub started: Instant,
    pub started_at_ms: u64,
    /// Seconds since the epoch of the last successful checkpoint (LASTSAVE), start time before the first.
    pub last_save: AtomicI64,
    pub checkpoint_running: AtomicBool,
    pub last_checkpoint_ok: AtomicBool,
    /// When the checkpoint that is running began, monotonic ms; 0 = none is.
    pub checkpoint_began_ms: AtomicU64,
    /// Whole seconds that the last checkpoint took; -1 before the first.
    pub checkpoint_seconds: AtomicI64,
    /// Successful checkpoints since start.
    pub checkpoints: AtomicU64,
    pub memory_marks: MemoryMarks,
    /// True from the moment SHUTDOWN or a signal arrives.
    pub stopping: AtomicBool,
    /// True once commands can be served.
    pub ready: AtomicBool,
}

impl Node {
    /// Whole seconds since start.
    pub fn uptime_seconds(&self) -> u64 {
        self.started.elapsed().as_secs()
    }

    /// To be called once a second: rates, and the peak of memory in use.
    pub fn sample(&self) {
        self.stats.sample_rates();
        self.memory_marks.note(self.memory().total());
        // The first second is 1: 0 is what was not accessed since the start.
        self.store.tick(u32::try_from(self.uptime_seconds()).unwrap_or(u32::MAX).saturating_add(1));
    }

    /// The history that the data are of.
    pub fn history_id(&self) -> String {
        match self.log.edge.is_edge() {
            true => self.store.latest().site().map_or_else(String::new, |site| site.history.clone()),
            false => self.identity.cluster.read().history_id.clone(),
        }
    }

    /// Why the node cannot serve; `None`: it can.
    pub fn unready(&self) -> Option<String> {
        let (log, edge) = (&self.log, &self.log.edge);
        let lag_max_ms = self.config.settings().edge.as_ref().map_or(0, |edge| edge.lag_max_ms);
        if self.stopping.load(Ordering::Acquire) {
            Some("this node is stopping".into())
        } else if !self.ready.load(Ordering::Acquire) {
            Some(log.waiting().1)
        } else if edge.is_edge() && !edge.has_data() {
            Some("this edge has not yet got the data of the core".into())
        } else if let Some(problem) = log.leadership().problem() {
            Some(problem.into())
        } else if lag_max_ms > 0 && edge.lag().as_millis() > u128::from(lag_max_ms) {
            let lag = edge.lag().as_millis();
            Some(format!("this edge is {lag} ms behind the core, more than --edge-lag-max-ms {lag_max_ms}"))
        } else {
            None
        }
    }
}

/// What a Local or Async handler may reach.
pub struct Context<'a> {
    pub session: &'a mut Session,
    pub node: &'a Node,
    /// Monotonic time, ms.
    pub now: u64,
}
