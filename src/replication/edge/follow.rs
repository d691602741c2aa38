//! An edge's side of a feed: the task that follows the core, on the node that leads the site.
//!
//! ```text
//!  connect ─▶ hello ─▶ entries … ─▶ proposed into the site's group, a few at a time, in order ─▶ applied
//!     ▲          └▶ too far behind, or another history ─▶ a bootstrap snapshot (`bootstrap.rs`) ─▶ connect again
//!     ├── wait a little, next core node ◀── silence, an error, a core node that is cut off
//!     └── a preferred core node is healthy again (`preference.rs`)
//! ```
//!
//! **Invariants.** It starts behind the last applied entry, after all earlier proposals have completed, so it leaves nothing
//! out. The replica skips entries that come twice. The task never gives up.

use super::{
    following::FollowingOne,
    in_flight::InFlightProposals,
    options::EdgeOptions,
    preference::{RETURN_AFTER_MAX, RETURN_AFTER_MIN},
    upstreams::Upstreams,
};
use crate::{
    feature_level,
    peer::PeerClient,
    replication::{
        consensus::RaftNode,
        pubsub::Broadcast,
        snapshots::BootstrapSnapshots,
        upkeep::follow_answer,
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
/// A core node sends several times a second; after this much silence the edge gives it up.
pub(super) const SILENCE_MAX: Duration = Duration::from_secs(3);
/// After this long without contact to its leader, or behind this edge, the edge leaves a core node for another.
pub(super) const STALE_MAX: Duration = Duration::from_secs(10);
const RETRY_INTERVAL_MIN: Duration = Duration::from_millis(100);
const RETRY_INTERVAL_MAX: Duration = Duration::from_secs(5);
/// After following this long, the next attempt starts at once with the preferred node.
const GOOD_AFTER: Duration = Duration::from_secs(10);
const LEADING_INTERVAL: Duration = Duration::from_millis(50);
pub(super) const REPORT_INTERVAL: Duration = Duration::from_secs(1);

/// The task that follows the core.
pub struct Follower {
    pub raft: RaftNode,
    pub state: Arc<ReplicationState>,
    pub store: Arc<Store>,
    pub pubsub: Arc<PubSub>,
    pub upstreams: Arc<Upstreams>,
    pub options: EdgeOptions,
    pub bootstrap_snapshots: Arc<BootstrapSnapshots>,
    /// Sends messages to the other nodes of the site; `None` if there are none.
    pub broadcast: Option<Arc<Broadcast>>,
    /// For how long core nodes have failed to say how far this site must come before it answers.
    pub asked: Mutex<Duration>,
    /// Term and index at which data of this site were last found to contradict the core.
    pub alarmed: Mutex<Option<(u64, u64)>>,
    /// When the data were last replaced because their sum is not the core's.
    pub renewed: Mutex<Option<Instant>>,
}

/// Why following one core node ended.
pub(super) enum End {
    NotLeading,
    /// That node's log no longer has the entries this site needs, or the history differs.
    NeedsBootstrap(String),
    /// This preferred core node is healthy again.
    Better(usize),
    Cut(String),
}

impl Follower {
    /// Follows until the process ends.
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
                tracing::warn!(%why, "cut off from the core; trying the next core node");
                said.clone_from(&why);
            }
            self.note(Following::Cut(why));
            tokio::time::sleep(self.pause(failures)).await;
        }
    }

    /// The first round over all nodes has no pause; later rounds pause longer and longer.
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

    /// All that the log held at start is applied now. If this node ever had all that the core had, it serves that now, however
    /// old it is and whether or not the core can be reached.
    fn serve_what_was_here(&self) {
        let edge = &self.state.edge;
        let (history, position) = self.cursor();
        if let (true, false, Some(position)) =
            (edge.was_whole.load(Ordering::Relaxed), history.is_empty(), position)
        {
            edge.set_goal(position.index);
        }
    }

    /// The highest feature level that all nodes of this site understand. One that does not answer may come back as it was.
    pub(super) fn understands(&self) -> u32 {
        let others = self.state.others.read();
        let said = others.iter().map(|other| other.feature_levels.1).filter(|level| *level != 0);
        said.fold(feature_level::NEWEST, u32::min)
    }

    pub(super) fn note(&self, following: Following) {
        *self.state.edge.following.write() = following;
    }

    /// History and log id of the data; the history is empty if there are no data.
    pub(super) fn cursor(&self) -> (String, Option<LogId>) {
        let published = self.store.published();
        let history = published.site().map_or_else(String::new, |site| site.history.clone());
        (history, published.state().applied)
    }

    async fn follow(&self, index: usize, return_after: Duration) -> End {
        let Some(client) = self.upstreams.client(index) else { return End::Cut("no upstream".into()) };
        let (history, position) = self.cursor();
        // Without data the history is not known yet; `greet` sets it.
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
            feature_level: self.understands(),
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
        // Wait for proposals in flight, so that the next attempt starts behind them.
        following.in_flight.drain().await;
        self.state.edge.waiting_bytes.store(0, Ordering::Relaxed);
        end
    }

    /// Reports this site's state to the core node, without waiting for the call.
    pub(super) fn report(&self, client: &Arc<PeerClient>) {
        let edge = &self.state.edge;
        let report = wire::Report {
            core_index: edge.core_index.load(Ordering::Relaxed),
            lag_ms: u64::try_from(edge.lag().as_millis()).unwrap_or(u64::MAX),
            state: edge.following.read().name().to_owned(),
            name: self.options.identity.node_name.clone(),
            site: self.options.settings.site.clone(),
            feature_level: self.understands(),
            reads: self.store.take_read_samples(),
        };
        let (client, store) = (Arc::clone(client), Arc::clone(&self.store));
        tokio::spawn(async move {
            let body = write(&report);
            // A failure does not matter: the next report comes in a second.
            let answer =
                client.send(crate::peer::Lane::Quick, edge_kind::REPORT, body, REPORT_INTERVAL).await;
            follow_answer(&store, answer.unwrap_or_default());
        });
    }
}
