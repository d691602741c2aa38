//! A raft node: starts openraft on our stores, founds the cluster if there is none, and wraps openraft's operations.

use super::{
    apply,
    log_store::LogStore,
    network::Network,
    rpc,
    state_machine::StateMachine,
    types::{CallbackResponder, Payload, Peer, RaftSnapshot, RaftVote, Replies, Types},
};
use crate::{
    error::StoreError,
    fail,
    peer::Peers,
    replica::Replica,
    replication::{
        queue::{InFlight, NotDone, Outcome, Unknown},
        snapshots::{BootstrapSnapshots, Fetchers, Snapshots},
        wal::{LogError, Retention, SegmentLog},
    },
    state::{StateWriter, Work},
};
use bytes::Bytes;
use openraft::{
    Config, Raft, ServerState, SnapshotPolicy, StepDownPolicy,
    async_runtime::{Instant as _, WatchReceiver},
    errors::{ClientWriteError, Fatal},
    raft::{
        AppendEntriesRequest, AppendEntriesResponse, ClientWriteResult, TransferLeaderRequest, VoteRequest,
        VoteResponse,
    },
};
use std::{
    collections::BTreeMap,
    sync::{Arc, atomic::Ordering},
    thread::JoinHandle,
    time::Duration,
};

/// The parts of a node.
pub struct RaftParts {
    pub node_id: u64,
    pub log: Arc<SegmentLog>,
    pub replica: Replica,
    pub snapshots: Arc<Snapshots>,
    /// On an edge: bootstrap snapshots of the core's data.
    pub bootstrap_snapshots: Arc<BootstrapSnapshots>,
    pub state: Arc<StateWriter>,
    pub in_flight: Arc<InFlight>,
    pub peers: Arc<Peers>,
    /// Whether there are, or will be, other nodes: then this one does not found a cluster of itself.
    pub is_one_of_many: bool,
}

/// A raft node. Clones are handles of the same node.
#[derive(Clone)]
pub struct RaftNode {
    pub(super) raft: Raft<Types, StateMachine>,
    pub(super) state: Arc<StateWriter>,
    in_flight: Arc<InFlight>,
    pub(super) peers: Arc<Peers>,
    pub(super) snapshots: Arc<Snapshots>,
    log: Arc<SegmentLog>,
    pub fetchers: Arc<Fetchers>,
}

pub(super) const HEARTBEAT_MS: u64 = 75;
/// Shortest time without a heartbeat after which a follower campaigns.
const ELECTION_MIN_MS: u64 = 300;
/// openraft's lease: a follower that heard its leader more recently than this helps no other node to lead.
const ELECTION_MAX_MS: u64 = 450;
/// The leader's side of that lease.
const LEASE_MS: u64 = 280;
const LEASE: Duration = Duration::from_millis(LEASE_MS);

// A leader out of contact has lost its lease before another node campaigns, and long before one votes: clocks may differ in
// speed by a tenth.
const _: () = assert!(LEASE_MS < ELECTION_MIN_MS && ELECTION_MIN_MS < ELECTION_MAX_MS);
const _: () = assert!(LEASE_MS * 11 / 10 < ELECTION_MAX_MS * 9 / 10);
// One heartbeat may be lost, and another may be late.
const _: () = assert!(HEARTBEAT_MS * 3 < LEASE_MS);
/// Interval at which the leader checks its contact to a majority.
const LEASE_TICK: Duration = Duration::from_millis(25);
/// After its start a node does not know its promises; it votes once all of them have expired.
pub const VOTE_DELAY: Duration = Duration::from_millis(ELECTION_MAX_MS);

/// Longest time for the raft core to stop.
const SHUTDOWN_MAX: Duration = Duration::from_secs(1);
/// Longest wait for a snapshot before the caller gets an error.
const SNAPSHOT_WAIT_MAX: Duration = Duration::from_secs(600);

impl RaftNode {
    /// Starts a node inside the current runtime; returns it with its apply thread.
    pub async fn start(parts: RaftParts) -> Result<(Self, Option<JoinHandle<()>>), LogError> {
        let RaftParts {
            node_id,
            log,
            replica,
            snapshots,
            bootstrap_snapshots,
            state,
            in_flight,
            peers,
            is_one_of_many,
        } = parts;
        let store = Arc::clone(replica.store());
        state.set_feature_level(store.latest().state().feature_level);
        state.set_data_bytes(store.latest().state().bytes());
        if let Some(applied) = store.applied() {
            state.applied(applied);
        }
        let apply::Running { jobs, applier, thread } = apply::start(
            replica,
            Arc::clone(&state),
            Arc::clone(&in_flight),
            bootstrap_snapshots.directory.clone(),
        )
        .map_err(failed)?;
        let state_machine =
            StateMachine::new(store, Arc::clone(&snapshots), jobs, applier, bootstrap_snapshots);
        let log_store = LogStore::new(Arc::clone(&log), Arc::clone(&state));
        let config = Arc::new(config().validate().map_err(failed)?);
        let fetchers = Arc::new(Fetchers::default());
        let for_network = (Arc::clone(&snapshots), Arc::clone(&fetchers));
        let network = Network::new(Arc::clone(&peers), for_network.0, for_network.1, Arc::clone(&state));
        let raft = Raft::new(node_id, config, network, log_store, state_machine).await.map_err(failed)?;
        let node = RaftNode { raft, state, in_flight, peers, snapshots, log, fetchers };
        tokio::spawn(node.clone().watch_leadership(node_id));
        tokio::spawn(node.clone().watch_removal());
        tokio::spawn(node.clone().watch_lease());
        if !is_one_of_many {
            node.found_or_lead(node_id).await?;
        }
        Ok((node, thread))
    }

    /// A new node founds a cluster of itself; a sole voter leads without asking.
    async fn found_or_lead(&self, node_id: u64) -> Result<(), LogError> {
        if !self.raft.is_initialized().await.map_err(failed)? {
            let members = BTreeMap::from([(node_id, Peer::default())]);
            return self.raft.initialize(members).await.map_err(failed);
        }
        if self.raft.voter_ids().eq([node_id]) {
            self.raft.trigger().elect(false).await.map_err(failed)?;
        }
        Ok(())
    }

    /// Keeps the replication state current; a raft core that fails stops the process.
    async fn watch_leadership(self, node_id: u64) {
        let mut metrics = self.raft.server_metrics();
        let running = self.raft.metrics();
        let mut members_at = 0;
        loop {
            let seen = metrics.borrow_watched().clone();
            let term = seen.vote.leader_id.term;
            let leads = seen.state == ServerState::Leader && seen.vote.committed;
            let leader = seen.current_leader.unwrap_or(0);
            let members = seen.membership_config.membership();
            let address = members.get_node(&leader).map(|peer| peer.address.clone());
            let changed_at = seen.membership_config.log_id().as_ref().map_or(0, |id| id.index);
            if changed_at > std::mem::replace(&mut members_at, changed_at)
                && members.get_node(&node_id).is_some()
            {
                // Let in, perhaps again: it serves from now on, not when it next asks the others.
                self.state.is_removed.store(false, Ordering::Relaxed);
            }
            self.renew_lease();
            let known = self.state.leader_id();
            // A node that was the leader before its restart does not follow itself: it must first apply its own entries.
            let follows_or_leads = leads || leader != node_id;
            let node = address.filter(|_| follows_or_leads).map(|address| (leader, address));
            self.state.set_leader(term, leads && leader == node_id, node);
            if leads && members.get_node(&node_id).is_none() {
                // Long before `leave` asks another node to lead.
                self.state.offers_leadership();
            }
            if leader != 0 && leader != known && members.nodes().count() > 1 {
                let name = members.get_node(&leader).map_or("", |peer| &peer.name);
                tracing::info!(leader = name, term, here = leader == node_id, "a node leads");
            }
            // A batcher that waits for room must learn that there will be none.
            self.in_flight.wake_batcher();
            if metrics.changed().await.is_err() {
                break;
            }
        }
        self.state.set_leader(self.state.term(), false, self.state.leader());
        self.in_flight.wake_batcher();
        match &running.borrow_watched().running_state {
            Err(Fatal::Stopped) => {}
            Err(fatal) => fail::stop_the_process(&format!("the raft core failed: {fatal}")),
            // tokio has caught a panic of the raft core: this node can neither lead nor follow any more.
            Ok(()) => fail::stop_the_process("the raft core has panicked"),
        }
    }

    /// Keeps the lease current while there is one to keep.
    async fn watch_lease(self) {
        let mut ticks = tokio::time::interval(LEASE_TICK);
        let mut metrics = self.raft.server_metrics();
        loop {
            self.renew_lease();
            // A sole voter has no lease to lose; it wakes when that changes.
            if self.raft.voter_ids().count() > 1 {
                ticks.tick().await;
            } else if metrics.changed().await.is_err() {
                return;
            }
        }
    }

    fn renew_lease(&self) {
        let others = self.raft.voter_ids().count() > 1;
        let heard = self.raft.data_metrics().borrow_watched().last_quorum_acked;
        let now = tokio::time::Instant::now();
        let heard = others.then(|| {
            let ago = heard.map_or(Duration::from_secs(3600), |heard| heard.into_inner().elapsed());
            now.checked_sub(ago).unwrap_or(now - LEASE)
        });
        self.state.heard_by_quorum(heard, LEASE);
    }

    /// The first entry of a new cluster's log: its members.
    pub async fn initialize(&self, nodes: BTreeMap<u64, Peer>) -> Result<(), LogError> {
        self.raft.initialize(nodes).await.map_err(failed)
    }

    /// Whether the log has anything in it.
    pub async fn is_initialized(&self) -> Result<bool, LogError> {
        self.raft.is_initialized().await.map_err(failed)
    }

    pub(super) async fn append(
        &self,
        request: AppendEntriesRequest<Types>,
    ) -> Result<AppendEntriesResponse<Types>, LogError> {
        self.raft.append_entries(request).await.map_err(failed)
    }

    pub(super) async fn vote(
        &self,
        request: VoteRequest<Types>,
        is_trial: bool,
    ) -> Result<VoteResponse<Types>, LogError> {
        match is_trial {
            true => self.raft.pre_vote(request).await.map_err(failed),
            false => self.raft.vote(request).await.map_err(failed),
        }
    }

    /// The leader wants this node to lead.
    pub(super) async fn transfer_to_us(&self, transfer: &rpc::Transfer) -> Result<(), LogError> {
        let last = transfer.last.map(Into::into);
        let request = TransferLeaderRequest::new((&transfer.from).into(), transfer.to, last);
        self.raft.handle_transfer_leader(request).await.map(|_| ()).map_err(failed)
    }

    pub(super) async fn install(&self, vote: RaftVote, snapshot: RaftSnapshot) -> Result<RaftVote, LogError> {
        self.raft.install_full_snapshot(vote, snapshot).await.map(|answer| answer.vote).map_err(failed)
    }

    /// Proposes an entry, and says what it amounts to if that is known; `then` gets its outcome, or is dropped when the node
    /// stops before there is one.
    pub async fn propose(
        &self,
        payload: Bytes,
        work: Option<Work>,
        then: impl FnOnce(Outcome<Replies>) + Send + 'static,
    ) {
        let responder = CallbackResponder::new(move |result: ClientWriteResult<Types>| then(outcome(result)));
        // On an error the responder is dropped, and with it `then`.
        let _ = self.raft.client_write_ff(Payload(payload, work), Some(responder)).await;
    }

    /// Makes a snapshot of at least everything applied when it was called; the log may then be purged up to it.
    pub async fn snapshot(&self) -> Result<(), LogError> {
        let target = self.state.applied_index();
        let reached = |index: Option<u64>| index.is_some_and(|index| index >= target);
        let deadline = tokio::time::Instant::now() + SNAPSHOT_WAIT_MAX;
        let mut metrics = self.raft.data_metrics();
        while !reached(metrics.borrow_watched().snapshot.as_ref().map(|id| id.index)) {
            // Ignored while a snapshot is being built; that one may be too old, hence the loop.
            self.raft.trigger().snapshot().await.map_err(failed)?;
            let again = tokio::time::Instant::now() + Duration::from_millis(200);
            while tokio::time::Instant::now() < again
                && !reached(metrics.borrow_watched().snapshot.as_ref().map(|id| id.index))
            {
                if let Ok(Err(closed)) = tokio::time::timeout_at(again, metrics.changed()).await {
                    return Err(failed(closed));
                }
            }
            if tokio::time::Instant::now() > deadline {
                return Err(LogError::Raft("the snapshot takes too long".into()));
            }
        }
        Ok(())
    }

    /// Lets go of log segments that need not be kept; snapshots first if that is needed for it.
    pub async fn purge(&self, keep: &Retention) -> Result<(), LogError> {
        self.state.log_size(self.log.bytes());
        let members = self.members();
        for (id, matched) in members.list.iter().filter_map(|member| Some((member.id, member.matched?))) {
            self.fetchers.progressed(id, matched, members.last_index);
        }
        self.fetchers.retain_followers(|id| members.find(id).is_some());
        let keep = if self.fetchers.are_there() { keep.at_most() } else { *keep };
        let Some(point) = self.log.purge_point(&keep) else {
            return Ok(());
        };
        let snapshot = self.raft.data_metrics().borrow_watched().snapshot.as_ref().map(|id| id.index);
        if snapshot.is_none_or(|index| index < point) {
            self.snapshot().await?;
        }
        self.raft.trigger().purge_log(point).await.map_err(failed)
    }

    /// The last applied index of this node's log.
    pub fn applied_index(&self) -> u64 {
        self.state.applied_index()
    }

    /// Whether a node at this entry can continue from this node's log.
    pub fn can_feed_from(&self, index: u64) -> bool {
        self.log.has(index.saturating_add(1))
    }

    /// Records damage in this node's own data by a caller that can continue without them.
    pub fn note_damage(&self, error: &StoreError) {
        self.state.note_damage(error);
    }

    /// Stops the core, or gives up when it takes too long; entries that were queued get no outcome from it.
    pub async fn shutdown(&self) {
        match tokio::time::timeout(SHUTDOWN_MAX, self.raft.shutdown()).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::warn!(%error, "raft core did not stop cleanly"),
            Err(_) => tracing::warn!("raft core did not stop in {} s", SHUTDOWN_MAX.as_secs()),
        }
    }
}

fn config() -> Config {
    Config {
        cluster_name: "flotilla".into(),
        heartbeat_interval: HEARTBEAT_MS,
        election_timeout_min: ELECTION_MIN_MS,
        election_timeout_max: ELECTION_MAX_MS,
        // A node that was cut off must not disturb the others when it comes back.
        enable_pre_vote: Some(true),
        // Done by `step_down.rs`: openraft asks another node to lead without telling those who read under the lease.
        removed_leader_step_down: StepDownPolicy::Never,
        // Snapshots and purges are ours to start: openraft counts entries, disks have bytes.
        snapshot_policy: SnapshotPolicy::Never,
        max_in_snapshot_log_to_keep: u64::MAX,
        replication_lag_threshold: u64::MAX,
        // A restarted node becomes leader only in a new term: the first entry of that term marks when it may serve.
        enable_leader_restore: Some(false),
        ..Config::default()
    }
}

fn outcome(result: ClientWriteResult<Types>) -> Outcome<Replies> {
    match result {
        Ok(response) => Outcome::Applied(response.data),
        Err(ClientWriteError::ForwardToLeader(_)) => Outcome::NotDone(NotDone::NotLeader),
        Err(_) => Outcome::Unknown(Unknown::LeaderChanged),
    }
}

pub(super) fn failed(error: impl std::fmt::Display) -> LogError {
    LogError::Raft(error.to_string())
}
