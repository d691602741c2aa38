//! An edge's side of a feed: the task that follows the core, on the node that leads the site.
//!
//! ```text
//!  connect ─▶ hello ─▶ entries … ─▶ proposed into the site's group, a few at a time, in order ─▶ applied
//!     ▲          └▶ too far behind, or another history ─▶ a bootstrap snapshot (`bootstrap.rs`) ─▶ connect again
//!     ├── wait a little, next core node ◀── silence, an error, a core node that knows nothing new
//!     └── a preferred core node is well again (`preference.rs`)
//! ```
//!
//! **Invariants.** It begins behind what is applied here, after everything proposed before has completed, so nothing is left
//! out; what comes twice is passed over by the replica. It never gives up.

use super::{
    following::FollowingOne,
    in_flight::InFlightProposals,
    options::EdgeOptions,
    preference::{RETURN_AFTER_MAX, RETURN_AFTER_MIN},
    upstreams::Upstreams,
};
use crate::{
    peer::PeerClient,
    replication::{
        consensus::RaftNode,
        pubsub::Broadcast,
        snapshots::BootstrapSnapshots,
        wire::{self, edge_kind, write},
    },
    session::PubSub,
    state::{Following, ReplicationState},
    store::{LogId, Store},
};
use parking_lot::Mutex;
use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};
use tokio::time::Instant;

const CONNECT_MAX: Duration = Duration::from_secs(5);
/// A core node speaks several times a second; one that is silent for so long is given up.
pub(super) const SILENCE_MAX: Duration = Duration::from_secs(3);
/// A core node that for so long has heard nothing of its own leader, or is behind this edge, is left for another one.
pub(super) const STALE_MAX: Duration = Duration::from_secs(10);
const RETRY_INTERVAL_MIN: Duration = Duration::from_millis(100);
const RETRY_INTERVAL_MAX: Duration = Duration::from_secs(5);
/// Following for so long is a success: the next attempt begins with the preferred node, at once.
const GOOD_AFTER: Duration = Duration::from_secs(10);
const LEADING_INTERVAL: Duration = Duration::from_millis(50);
pub(super) const REPORT_INTERVAL: Duration = Duration::from_secs(1);

/// See the module.
pub struct Follower {
    pub raft: RaftNode,
    pub state: Arc<ReplicationState>,
    pub store: Arc<Store>,
    pub pubsub: Arc<PubSub>,
    pub upstreams: Arc<Upstreams>,
    pub options: EdgeOptions,
    pub bootstrap_snapshots: Arc<BootstrapSnapshots>,
    /// How messages get to the other nodes of the site; `None`: there are none.
    pub broadcast: Option<Arc<Broadcast>>,
    /// For how long nodes of the core were asked in vain what this site must have before it answers.
    pub asked: Mutex<Duration>,
    /// Term and index at which data of this site were last found to contradict the core.
    pub alarmed: Mutex<Option<(u64, u64)>>,
}

/// Why following one core node ended.
pub(super) enum End {
    NotLeading,
    /// What is needed is not in that node's log, or the history is another one.
    NeedsBootstrap(String),
    /// This one is preferred, and well.
    Better(usize),
    Cut(String),
}

impl Follower {
    /// Follows for ever.
    pub async fn run(self) {
        let (mut index, mut failures) = (0_usize, 0_u32);
        let (mut return_after, mut has_returned) = (RETURN_AFTER_MIN, false);
        let mut said = String::new();
        self.wait_leading().await;
        self.serve_what_was_here();
        loop {
            self.wait_leading().await;
            let began = Instant::now();
            let why = match self.follow(index, return_after).await {
                End::NotLeading => {
                    self.note(Following::No);
                    continue;
                }
                End::NeedsBootstrap(why) => {
                    tracing::info!(%why, "this site needs a bootstrap snapshot of the core's data");
                    match self.bootstrap(index).await {
                        Ok(()) => {
                            (failures, said) = (0, String::new());
                            continue;
                        }
                        Err(why) => why,
                    }
                }
                End::Better(preferred) => {
                    (index, failures, has_returned) = (preferred, 0, true);
                    continue;
                }
                End::Cut(why) => why,
            };
            if began.elapsed() >= GOOD_AFTER {
                (index, failures, return_after) = (0, 0, RETURN_AFTER_MIN);
            } else {
                if has_returned {
                    return_after = return_after.saturating_mul(2).min(RETURN_AFTER_MAX);
                }
                index = (index + 1) % self.upstreams.len().max(1);
                failures = failures.saturating_add(1);
            }
            has_returned = false;
            if why != said {
                tracing::warn!(%why, "the core is not followed");
                said.clone_from(&why);
            }
            self.note(Following::Cut(why));
            tokio::time::sleep(self.pause(failures)).await;
        }
    }

    /// All nodes are tried in turn without a pause, then with longer and longer ones.
    fn pause(&self, failures: u32) -> Duration {
        let rounds = usize::try_from(failures).unwrap_or(usize::MAX) / self.upstreams.len().max(1);
        match u32::try_from(rounds).unwrap_or(u32::MAX) {
            0 => Duration::ZERO,
            rounds => (RETRY_INTERVAL_MIN * 2_u32.saturating_pow(rounds.min(16).saturating_sub(1)))
                .min(RETRY_INTERVAL_MAX),
        }
    }

    async fn wait_leading(&self) {
        while !self.state.has_applied_own_term() {
            tokio::time::sleep(LEADING_INTERVAL).await;
        }
    }

    /// All that the log held at the start is applied now. If it ever was all that the core had it is served, however old,
    /// whether the core can be reached or not.
    fn serve_what_was_here(&self) {
        let edge = &self.state.edge;
        let (history, position) = self.cursor();
        if let (true, false, Some(position)) =
            (edge.was_whole.load(Ordering::Relaxed), history.is_empty(), position)
        {
            edge.set_goal(position.index);
        }
    }

    pub(super) fn note(&self, following: Following) {
        *self.state.edge.following.write() = following;
    }

    /// Whose history the data are of (empty: there are none), and where they stand.
    pub(super) fn cursor(&self) -> (String, Option<LogId>) {
        let published = self.store.published();
        let history = published.site().map_or_else(String::new, |site| site.history.clone());
        (history, published.state().applied)
    }

    async fn follow(&self, index: usize, return_after: Duration) -> End {
        let Some(client) = self.upstreams.client(index) else { return End::Cut("no upstream".into()) };
        let (history, position) = self.cursor();
        // Of another history it has none to tell of yet; if the core's turns out to be that, `greet` says so.
        let heard = self.pubsub.follow(&history).unwrap_or_default();
        let wanted = wire::Follow {
            site: self.options.settings.site.clone(),
            history: history.clone(),
            has_position: position.is_some(),
            term: position.map_or(0, |position| position.term),
            index: position.map_or(0, |position| position.index),
            level: wire::EDGE_LEVEL,
            heard_term: heard.term,
            heard_number: heard.number,
        };
        let feed = match client.feed(edge_kind::FOLLOW, write(&wanted), CONNECT_MAX).await {
            Ok(feed) => feed,
            Err(error) => return End::Cut(format!("{}: {error}", client.address())),
        };
        let began = Instant::now();
        let mut following = FollowingOne {
            follower: self,
            client: &client,
            index,
            history,
            had: position,
            behind: position,
            in_flight: InFlightProposals::new(),
            is_greeted: false,
            asks_goal: false,
            fresh_at: Instant::now(),
        };
        let end = following.run(feed, return_after).await;
        if following.asks_goal {
            let mut asked = self.asked.lock();
            *asked = asked.saturating_add(began.elapsed());
        }
        // What is on its way counts before the next attempt asks where the data stand.
        following.in_flight.drain().await;
        self.state.edge.waiting_bytes.store(0, Ordering::Relaxed);
        end
    }

    /// Tells the core node how this site is. Nobody waits for it.
    pub(super) fn report(&self, client: &Arc<PeerClient>) {
        let edge = &self.state.edge;
        let report = wire::Report {
            core_index: edge.core_index.load(Ordering::Relaxed),
            lag_ms: u64::try_from(edge.lag().as_millis()).unwrap_or(u64::MAX),
            state: edge.following.read().name().to_owned(),
            name: self.options.identity.node_name.clone(),
            site: self.options.settings.site.clone(),
        };
        let client = Arc::clone(client);
        tokio::spawn(async move {
            let body = write(&report);
            // The next one is soon.
            let _ = client.send(crate::peer::Lane::Quick, edge_kind::REPORT, body, REPORT_INTERVAL).await;
        });
    }
}
