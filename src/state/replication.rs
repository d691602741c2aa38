//! The state itself, and what follows from it. What changes it is in `writer.rs`.

use super::{
    ClientPorts, Comparison, Contact, DataMemory, Disks, EdgeState, FedEdges, LatencyMonitor, LogClock,
    Other, OwnReport, SiteHeartbeat, StateChecksums, StateSums, SumAt, Unapplied, WallClocks,
    counted::Counted, lease::Lease,
};
use crate::{
    environment::{DiskSpace, Environment, Rule},
    error::StoreError,
    fail::Damage,
    feature_level,
};
use arc_swap::ArcSwap;
use parking_lot::RwLock;
use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU16, AtomicU32, AtomicU64, AtomicUsize, Ordering},
    },
    time::Duration,
};
use tokio::sync::Notify;

/// The leader, as far as this node knows. The only home of this knowledge; replaced as a whole.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Leader {
    /// The term that this node is in.
    pub term: u64,
    /// Whether this node was elected in that term. `leadership` tells whether it still counts as a leader.
    pub is_self: bool,
    /// Id and peer address; `None`: no leader is known.
    pub node: Option<(u64, String)>,
    /// The last known leader; 0 = none yet.
    pub last_id: u64,
}

impl Leader {
    /// 0 = none is known.
    pub fn id(&self) -> u64 {
        self.node.as_ref().map_or(0, |(id, _)| *id)
    }
}

/// The replication state.
#[derive(Debug, Default)]
pub struct ReplicationState {
    environment: Environment,
    pub(super) leader: ArcSwap<Leader>,
    /// Rung when the leader changes, or the first entry of a term is applied.
    pub(super) leader_bell: Notify,
    pub(super) lease: Lease,
    pub(super) contact: Contact,
    /// The term in which this leader last asked another node to lead: that node does not wait for a lease to expire.
    pub(super) offered_term: AtomicU64,
    /// When the leader was last heard and all its committed entries were applied, by the lease's clock; 0 = never.
    pub(super) heard_ms: AtomicU64,
    pub(super) last_index: AtomicU64,
    pub(super) committed_index: AtomicU64,
    pub(super) applied_index: AtomicU64,
    pub(super) applied_term: AtomicU64,
    /// One more than the first commit index that a leader told this node since its start; 0 = none has.
    pub(super) start_goal: AtomicU64,
    /// Whether this node began without the core's data.
    pub begins_anew: AtomicBool,
    /// The last commit index that this leader has told others; they may show those entries before it does.
    pub(super) announced_index: AtomicU64,
    /// Entries that this leader has appended and not applied.
    pub unapplied: Unapplied,
    pub(super) purged_index: AtomicU64,
    pub(super) log_bytes: AtomicU64,
    /// The active feature level of the data here; 0 = nothing was opened yet.
    pub(super) feature_level: AtomicU32,
    /// Entry of the core's log with the last write that was forwarded from here and applied where it went.
    forwarded_index: AtomicU64,
    refuses_leadership: AtomicBool,
    /// Readers that wait for an entry to be applied, and their notification.
    pub(super) readers: AtomicUsize,
    pub(super) applied_bell: Notify,
    /// The disk of this node.
    pub disk: Arc<DiskSpace>,
    /// What other nodes say of theirs.
    pub disks: Disks,
    /// Whether the leader refuses writes that may make the data grow, because the disks of too many nodes are almost full.
    pub(super) refuses_growth: AtomicBool,
    pub memory: DataMemory,
    pub clock: LogClock,
    /// Other nodes' wall clocks.
    pub walls: WallClocks,
    pub latency: Arc<LatencyMonitor>,
    /// What it says of itself.
    pub report: OwnReport,
    pub checksums: StateChecksums,
    pub sums: StateSums,
    /// On an edge: its knowledge of the core. On any node: the position of its data.
    pub edge: EdgeState,
    /// Of a core node: the edges that it feeds.
    pub fed: FedEdges,
    /// Bytes of proposals that wait for the batcher.
    pub queued_bytes: AtomicU64,
    /// Whether a leader asks a majority before each read, as if it had no lease (`lease-reads no`).
    pub asks_to_read: AtomicBool,
    /// The reason why this node cannot serve at all: it waits to join, or for others to come; empty: none.
    pub waiting_for: RwLock<String>,
    /// Whether there are other nodes.
    pub is_one_of_many: AtomicBool,
    /// Log index of the last comparison of states that this node led; 0 = never.
    pub verified_index: AtomicU64,
    /// Nodes that differed then.
    pub divergent_nodes: AtomicU64,
    /// Damage found in this node's data that does not stop it yet, until the others can do without it.
    pub damage: RwLock<Option<Damage>>,
    /// Whether this node was taken out of the core.
    pub is_removed: AtomicBool,
    /// Whether this node has ever known itself as a member of the core.
    pub was_member: AtomicBool,
    /// This node's client address.
    pub own_clients: RwLock<(String, ClientPorts)>,
    /// This node's peer port; 0 = none.
    pub own_peer_port: AtomicU16,
    /// The other nodes, kept current while they answer.
    pub others: RwLock<Vec<Other>>,
}

impl ReplicationState {
    pub(super) fn new(environment: Environment) -> Self {
        ReplicationState {
            environment,
            lease: Lease::new(environment),
            clock: LogClock::new(environment),
            walls: WallClocks::new(environment),
            ..ReplicationState::default()
        }
    }

    /// Whose clocks, threads and rules this node has.
    pub fn environment(&self) -> Environment {
        self.environment
    }
}

/// The leader.
impl ReplicationState {
    /// The known leader.
    pub fn known_leader(&self) -> Arc<Leader> {
        self.leader.load_full()
    }

    /// The leader and its peer address, as far as this node knows.
    pub fn leader(&self) -> Option<(u64, String)> {
        self.leader.load().node.clone()
    }

    /// 0 = none is known.
    pub fn leader_id(&self) -> u64 {
        self.leader.load().id()
    }

    pub fn term(&self) -> u64 {
        self.leader.load().term
    }

    /// The active feature level: that of the last entry applied here.
    pub fn feature_level(&self) -> u32 {
        feature_level::said(self.feature_level.load(Ordering::Acquire))
    }

    /// Whether this node was elected; `leadership` tells whether it still counts as a leader.
    pub fn is_leader(&self) -> bool {
        self.leader.load().is_self
    }

    /// The term in which this node leads; 0 = it does not.
    pub fn leader_term(&self) -> u64 {
        let leader = self.leader.load();
        if leader.is_self { leader.term } else { 0 }
    }

    /// Whether this node leads and has applied all earlier entries.
    pub fn has_applied_own_term(&self) -> bool {
        let term = self.leader_term();
        term != 0 && self.applied_term.load(Ordering::Acquire) == term
    }

    /// Waits until it is known that another node leads (which may be this one).
    pub async fn led_by_another_than(&self, id: u64) {
        self.wait_for(|| ![0, id].contains(&self.leader_id())).await;
    }

    async fn wait_for(&self, is_so: impl Fn() -> bool) {
        loop {
            let bell = self.leader_bell.notified();
            if is_so() {
                return;
            }
            bell.await;
        }
    }

    /// This node refuses leadership from now on, because it is stopping or for another reason.
    pub fn refuse_leadership(&self) {
        self.refuses_leadership.store(true, Ordering::Release);
    }

    pub fn refuses_leadership(&self) -> bool {
        self.refuses_leadership.load(Ordering::Acquire)
    }

    /// Whole seconds since the last contact to the leader (on the leader: to a majority).
    pub fn silent_seconds(&self) -> u64 {
        self.contact.silent_seconds()
    }

    /// Whether this node, as leader, is in contact with a majority.
    pub fn has_quorum(&self) -> bool {
        self.contact.has_quorum()
    }
}

/// Permission to read.
impl ReplicationState {
    /// Whether a read now sees every acknowledged write, and all that another node may have shown.
    pub fn can_read(&self) -> bool {
        // The lease before the index: a read need not see announcements made after it began.
        self.knows_all() && self.applied_index.load(Ordering::SeqCst) >= self.announced_index()
    }

    /// Whether its lease guarantees that no node can have acknowledged a write that this node does not know to be
    /// committed. Without `lease-reads` only a node that runs alone knows that without asking.
    pub fn knows_all(&self) -> bool {
        let asks = self.asks_to_read.load(Ordering::Relaxed);
        self.leads_surely() && (!asks || self.lease.is_for_ever())
    }

    /// Whether no other node can lead at the moment. A new leader first proposes an entry of its own term, so once that is
    /// applied, everything committed before is, too. With one voter there is no lease to lose; with more, no other node can
    /// lead before the lease expires, except one that this node asks to.
    pub fn leads_surely(&self) -> bool {
        if !self.environment.keeps(Rule::LeaseToRead) && self.is_leader() {
            return true;
        }
        // An edge that never had any data has nothing to answer from.
        if !self.has_applied_own_term() || self.edge.is_edge() && !self.edge.has_data() {
            return false;
        }
        self.has_lease() && !self.has_offered()
    }

    fn has_offered(&self) -> bool {
        self.offered_term.load(Ordering::SeqCst) == self.leader_term()
    }

    /// Whether a majority acknowledged this leader recently, or it runs alone. Otherwise it accepts no writes.
    pub fn has_lease(&self) -> bool {
        self.lease.is_held()
    }

    /// Whether the leader was heard within this time.
    pub fn heard_within(&self, ms: u64) -> bool {
        let heard = self.heard_ms.load(Ordering::Acquire);
        heard > 0 && self.lease.clock.now_ms().saturating_sub(heard) <= ms
    }

    /// Age of this node's knowledge of the core's log: zero on a leader under its lease.
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

    /// Waits until the entry is applied.
    pub async fn wait_applied(&self, index: u64) {
        self.wait_for_entry(|| self.applied_index.load(Ordering::SeqCst) >= index).await;
    }

    /// Waits until this entry of the core is applied.
    pub async fn wait_core(&self, index: u64) {
        self.wait_for_entry(|| self.edge.core_index.load(Ordering::SeqCst) >= index).await;
    }

    async fn wait_for_entry(&self, is_there: impl Fn() -> bool) {
        let _counted = Counted::new(&self.readers);
        loop {
            let bell = self.applied_bell.notified();
            if is_there() {
                return;
            }
            bell.await;
        }
    }
}

/// The positions of the log.
impl ReplicationState {
    pub fn last_index(&self) -> u64 {
        self.last_index.load(Ordering::Acquire)
    }

    pub fn committed_index(&self) -> u64 {
        self.committed_index.load(Ordering::Relaxed)
    }

    pub fn applied_index(&self) -> u64 {
        self.applied_index.load(Ordering::SeqCst)
    }

    /// The index up to which other nodes may have applied the log because this leader told them that it is committed.
    pub fn announced_index(&self) -> u64 {
        self.announced_index.load(Ordering::SeqCst)
    }

    pub fn purged_index(&self) -> u64 {
        self.purged_index.load(Ordering::Relaxed)
    }

    /// Bytes of log on disk.
    pub fn log_bytes(&self) -> u64 {
        self.log_bytes.load(Ordering::Relaxed)
    }

    /// Writes that were sent from here have been applied where they went, up to this entry of the core's log.
    pub fn forwarded(&self, index: u64) {
        self.forwarded_index.fetch_max(index, Ordering::AcqRel);
    }

    /// The applied index of forwarded writes.
    pub fn forwarded_index(&self) -> u64 {
        self.forwarded_index.load(Ordering::Acquire)
    }

    /// An entry of the core's log that is not before any write that this node has acknowledged.
    pub fn acknowledged(&self) -> u64 {
        let core_index = self.edge.core_index.load(Ordering::Acquire);
        core_index.max(self.forwarded_index())
    }

    /// Whether this node has applied every write that it has acknowledged. On an edge each connection waits for its own.
    pub fn has_applied_own_writes(&self) -> bool {
        self.edge.is_edge() || self.applied_index() >= self.forwarded_index()
    }

    /// On an edge: the data belong to another history from now on, and are at this entry of it.
    pub fn begin_again(&self, core_index: u64) {
        self.forwarded_index.store(0, Ordering::Release);
        self.edge.begin_again(core_index);
        self.sums.forget();
    }

    /// Records damage; other failures are left to the caller.
    pub fn note_damage(&self, error: &StoreError) {
        let Some(damage) = error.damage() else { return };
        let mut known = self.damage.write();
        if known.is_none() {
            tracing::error!(remedy = "none is needed: the node repairs itself when the others can do without it; with --repair-damaged no, empty its data directory", file = %damage.file, detail = %damage.detail, "a file of this node is damaged");
            *known = Some(damage);
        }
    }

    /// For the other nodes of the site.
    pub fn site_heartbeat(&self) -> SiteHeartbeat {
        SiteHeartbeat { agreed: self.sums.confirmed(), ..self.edge.site_heartbeat() }
    }

    /// In a site: its leader has what a majority of the core agrees on. A node that has not must take the data of another.
    pub fn compare_in_site(&self, agreed: SumAt) {
        let stands_at = self.edge.core_index.load(Ordering::SeqCst);
        if self.sums.agree(agreed, stands_at) == Some(Comparison::Differs) {
            let index = agreed.index;
            let detail = format!(
                "its state at entry {index} of the core is not that of the core and of its site's leader"
            );
            self.note_damage(&StoreError::Damaged(Damage::of_store("the data of this node", detail)));
        }
    }

    /// Whether this node knows of damage in its data.
    pub fn is_damaged(&self) -> bool {
        self.damage.read().is_some()
    }
}
