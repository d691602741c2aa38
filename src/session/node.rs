//! The node as its sessions see it: what Local and Async handlers may read and change.

use super::{
    AuthFailures, Clients, Group, MemoryMarks, Monitors, Parking, PubSub, Session, Stats, Traces, Tracking,
    Users, machine::memory_limit_bytes,
};
use crate::{config::Config, psync::Psync, state::BackupState};
use parking_lot::RwLock;
use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering},
    },
    time::Instant,
};

/// This node's identity; fixed for the life of its data directory.
#[derive(Debug, Clone)]
pub struct NodeIdentity {
    pub node_id: u64,
    pub node_name: String,
    /// 40 hexadecimal digits, as clients expect of a run id; new at every start.
    pub run_id: String,
    pub cluster: Arc<RwLock<ClusterIdentity>>,
}

/// The node's cluster; empty until it is known.
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
    pub clients: Arc<Clients>,
    pub auth_failures: AuthFailures,
    pub users: Arc<Users>,
    pub stats: Arc<Stats>,
    /// The group that has the data.
    pub group: Arc<Group>,
    pub pubsub: Arc<PubSub>,
    pub monitors: Arc<Monitors>,
    pub parking: Arc<Parking>,
    pub tracking: Arc<Tracking>,
    /// What servers that follow as replicas of a Redis get.
    pub psync: Arc<Psync>,
    pub identity: NodeIdentity,
    /// The client port in use (the configured one may be 0 = any).
    pub port: AtomicU64,
    pub started: Instant,
    pub started_at_ms: u64,
    /// Seconds since the epoch of the last successful checkpoint (LASTSAVE), start time before the first.
    pub last_save: AtomicI64,
    pub checkpoint_running: AtomicBool,
    pub last_checkpoint_ok: AtomicBool,
    /// Start of the running checkpoint, monotonic ms; 0 = none is running.
    pub checkpoint_began_ms: AtomicU64,
    /// Duration of the last checkpoint in whole seconds; -1 before the first.
    pub checkpoint_seconds: AtomicI64,
    /// Successful checkpoints since start.
    pub checkpoints: AtomicU64,
    pub backups: Arc<BackupState>,
    /// `None`: no call is traced.
    pub traces: Option<Traces>,
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

    /// Ends, as the last thing in a process, what would otherwise go on in the background.
    pub fn end_background_work(&self) {
        if let Some(traces) = &self.traces {
            traces.end();
        }
        self.group.store.end_background_work();
    }

    /// To be called once a second: rates, and the peak of memory in use.
    pub fn sample(&self) {
        self.stats.sample_rates();
        self.memory_marks.note(self.memory().total());
        // The first second is 1: 0 means not accessed since the start.
        self.group.store.tick(u32::try_from(self.uptime_seconds()).unwrap_or(u32::MAX).saturating_add(1));
    }

    /// Puts the configured limits on clients' memory into force.
    pub fn limit_clients(&self) {
        let settings = self.config.settings();
        let bytes_max = settings.maxmemory_clients.bytes_max(memory_limit_bytes());
        self.clients.memory.limit(bytes_max.unwrap_or(u64::MAX));
        self.pubsub.output_limit.set(settings.output_limits.pubsub);
    }

    /// Puts the configured thresholds and lengths of logs into force.
    pub fn configure_logs(&self) {
        let settings = self.config.settings();
        self.stats.command_logs.configure(&settings);
        self.group.state.latency.configure(settings.latency_monitor_threshold_ms);
    }

    /// Puts `tracking-changes-bytes` into force.
    pub fn limit_tracking(&self) {
        self.tracking.recent.limit(self.config.settings().tracking_changes_bytes);
    }

    /// Puts `maxmemory` and what belongs to it into force.
    pub fn limit_data(&self) {
        let limit = self.config.settings().data_limit;
        let rules = (limit.lfu.log_factor, limit.lfu.decay_minutes);
        self.group.store.count_frequencies(limit.is_by_frequency().then_some(rules));
        self.group.state.memory.set_limit(limit);
    }

    /// The history that the data are of.
    pub fn history_id(&self) -> String {
        match self.group.state.edge.is_edge() {
            true => self.group.store.latest().site().map_or_else(String::new, |site| site.history.clone()),
            false => self.identity.cluster.read().history_id.clone(),
        }
    }

    /// Why the node cannot serve; `None`: it can.
    pub fn unready(&self) -> Option<String> {
        let (log, edge) = (&self.group.state, &self.group.state.edge);
        let lag_max_ms = self.config.settings().edge.as_ref().map_or(0, |edge| edge.lag_max_ms);
        if self.stopping.load(Ordering::Acquire) {
            Some("this node is stopping".into())
        } else if !self.ready.load(Ordering::Acquire) {
            Some(log.waiting().1)
        } else if edge.is_edge() && !edge.has_data() {
            Some("this edge does not have the core's data yet".into())
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

/// The data that a Local or Async handler may access.
pub struct Context<'a> {
    pub session: &'a mut Session,
    pub node: &'a Node,
    /// Monotonic time, ms.
    pub now: u64,
}
