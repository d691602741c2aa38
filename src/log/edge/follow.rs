//! An edge's side of a feed: the task that follows the core, on the node that leads the site.
//!
//! ```text
//!  connect ─▶ hello ─▶ entries … ─▶ proposed into the site's group, a few at a time, in order ─▶ applied
//!     ▲          └▶ too far behind, or another history ─▶ a whole copy (`seed.rs`) ─▶ connect again
//!     ├── wait a little, next core node ◀── silence, an error, a core node that knows nothing new
//!     └── a preferred core node is well again (`preference.rs`)
//! ```
//!
//! **Invariants.** It begins behind what is applied here, after everything proposed before has landed, so nothing is left
//! out; what comes twice is passed over by the replica. It never gives up.

use super::{
    EdgeOptions, SiteSeeds, Upstreams,
    flights::{Astray, Flights},
    frames,
    goal::{ASK_FOR, goal},
    preference::{RETURN_AFTER_MAX, RETURN_AFTER_MIN, better},
    wire::{self, kind, lost},
};
use crate::{
    limits::ENTRY_BYTES_MAX,
    log::{
        blocking::blocking,
        broadcast::{Broadcast, from_wire},
        progress::Progress,
        raft::{
            RaftNode,
            wire::{read, write},
        },
    },
    peer::{Feed, PeerClient},
    replica::SiteEntry,
    session::{Following, PubSub, Word},
    store::{Position, Store},
};
use parking_lot::Mutex;
use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};
use tokio::time::Instant;

const CONNECT_MAX: Duration = Duration::from_secs(5);
/// A core node speaks several times a second; one that is silent for so long is given up.
const SILENCE_MAX: Duration = Duration::from_secs(3);
/// A core node that for so long has heard nothing of its own leader, or is behind this edge, is left for another one.
const STALE_MAX: Duration = Duration::from_secs(10);
const AGAIN_MIN: Duration = Duration::from_millis(100);
const AGAIN_MAX: Duration = Duration::from_secs(5);
/// Following for so long is a success: the next attempt begins with the preferred node, at once.
const GOOD_AFTER: Duration = Duration::from_secs(10);
const LEADING_INTERVAL: Duration = Duration::from_millis(50);
const REPORT_INTERVAL: Duration = Duration::from_secs(1);
/// Decompressed on this thread up to here.
const INLINE_BYTES: u64 = 128 << 10;

/// See the module.
pub(in crate::log) struct Follower {
    pub(in crate::log) raft: RaftNode,
    pub(in crate::log) progress: Arc<Progress>,
    pub(in crate::log) store: Arc<Store>,
    pub(in crate::log) pubsub: Arc<PubSub>,
    pub(in crate::log) upstreams: Arc<Upstreams>,
    pub(in crate::log) options: EdgeOptions,
    pub(in crate::log) site_seeds: Arc<SiteSeeds>,
    /// How messages get to the other nodes of the site; `None`: there are none.
    pub(in crate::log) broadcast: Option<Arc<Broadcast>>,
    /// For how long nodes of the core were asked in vain what this site must have before it answers.
    pub(in crate::log) asked: Mutex<Duration>,
}

/// Why following one core node ended.
pub(super) enum End {
    NotLeading,
    /// What is needed is not in that node's log, or the history is another one.
    NeedsSeed(String),
    /// This one is preferred, and well.
    Better(usize),
    Cut(String),
}

impl Follower {
    /// Follows for ever.
    pub(in crate::log) async fn run(self) {
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
                End::NeedsSeed(why) => {
                    tracing::info!(%why, "this site needs a whole copy of the core's data");
                    match self.seed(index).await {
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
            rounds => (AGAIN_MIN * 2_u32.saturating_pow(rounds.min(16).saturating_sub(1))).min(AGAIN_MAX),
        }
    }

    async fn wait_leading(&self) {
        while !self.progress.has_applied_own_term() {
            tokio::time::sleep(LEADING_INTERVAL).await;
        }
    }

    /// All that the log held at the start is applied now. If it ever was all that the core had it is served, however old,
    /// whether the core can be reached or not.
    fn serve_what_was_here(&self) {
        let edge = &self.progress.status.edge;
        let (history, position) = self.cursor();
        if let (true, false, Some(position)) =
            (edge.was_whole.load(Ordering::Relaxed), history.is_empty(), position)
        {
            edge.set_goal(position.index);
        }
    }

    pub(super) fn note(&self, following: Following) {
        *self.progress.status.edge.following.write() = following;
    }

    /// Whose history the data are of (empty: there are none), and where they stand.
    pub(super) fn cursor(&self) -> (String, Option<Position>) {
        let published = self.store.published();
        let history = published.site().map_or_else(String::new, |site| site.history.clone());
        (history, published.state().applied)
    }

    async fn follow(&self, index: usize, return_after: Duration) -> End {
        let Some(client) = self.upstreams.client(index) else { return End::Cut("no upstream".into()) };
        let (history, position) = self.cursor();
        let wanted = wire::Follow {
            site: self.options.settings.site.clone(),
            history: history.clone(),
            has_position: position.is_some(),
            term: position.map_or(0, |position| position.term),
            index: position.map_or(0, |position| position.index),
            level: wire::EDGE_LEVEL,
        };
        let feed = match client.feed(kind::FOLLOW, write(&wanted), CONNECT_MAX).await {
            Ok(feed) => feed,
            Err(error) => return End::Cut(format!("{}: {error}", client.address())),
        };
        let began = Instant::now();
        let mut following = FollowingOne {
            follower: self,
            client: &client,
            index,
            history,
            next: position.map_or(0, |position| position.index.saturating_add(1)),
            flights: Flights::new(),
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
        following.flights.settle().await;
        self.progress.status.edge.waiting_bytes.store(0, Ordering::Relaxed);
        end
    }

    /// Tells the core node how this site is. Nobody waits for it.
    pub(super) fn report(&self, client: &Arc<PeerClient>) {
        let edge = &self.progress.status.edge;
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
            let _ = client.send(crate::peer::Lane::Quick, kind::REPORT, body, REPORT_INTERVAL).await;
        });
    }
}

/// One core node that is followed.
struct FollowingOne<'a> {
    follower: &'a Follower,
    client: &'a Arc<PeerClient>,
    index: usize,
    /// Empty until the first entries are proposed on an edge without data.
    history: String,
    next: u64,
    flights: Flights,
    is_greeted: bool,
    /// Whether the core is to say what this site must have before it answers.
    asks_goal: bool,
    /// When that node last knew something that this edge did not.
    fresh_at: Instant,
}

impl FollowingOne<'_> {
    async fn run(&mut self, mut feed: Feed, return_after: Duration) -> End {
        let mut reports = tokio::time::interval(REPORT_INTERVAL);
        let better = better(Arc::clone(&self.follower.upstreams), self.index, return_after);
        let edge = &self.follower.progress.status.edge;
        let left = ASK_FOR.saturating_sub(*self.follower.asked.lock());
        let goal = goal(self.client, left);
        tokio::pin!(better, goal);
        loop {
            tokio::select! {
                biased;
                landed = self.flights.next(), if !self.flights.is_empty() => match landed {
                    Ok(()) => {}
                    Err(Astray::NotLeading) => return End::NotLeading,
                    Err(Astray::Refused(why)) => return End::Cut(why),
                },
                index = &mut goal, if self.asks_goal => {
                    self.asks_goal = false;
                    edge.set_goal(index.unwrap_or_else(|| edge.committed.load(Ordering::Relaxed)));
                }
                item = tokio::time::timeout(SILENCE_MAX, feed.next()), if self.flights.have_room() => {
                    let item = match item {
                        Ok(Ok(Some(item))) => item,
                        Ok(Ok(None)) => return self.cut("it has ended the feed"),
                        Ok(Err(error)) => return self.cut(error),
                        Err(_) => return self.cut("silence"),
                    };
                    if let Some(end) = self.take(item).await {
                        return end;
                    }
                }
                _ = reports.tick(), if self.is_greeted => self.follower.report(self.client),
                preferred = &mut better => {
                    tracing::info!(left = %self.client.address(), "going back to a preferred core node");
                    return End::Better(preferred);
                }
            }
            edge.waiting_bytes.store(self.flights.bytes() as u64, Ordering::Relaxed);
            if !self.follower.progress.is_leader() {
                return End::NotLeading;
            }
            if edge.take_reseed() {
                return End::NeedsSeed("an administrator wants one".into());
            }
        }
    }

    fn cut(&self, why: impl std::fmt::Display) -> End {
        End::Cut(format!("{}: {why}", self.client.address()))
    }

    async fn take(&mut self, item: bytes::Bytes) -> Option<End> {
        let edge = &self.follower.progress.status.edge;
        edge.received_bytes.fetch_add(item.len() as u64, Ordering::Relaxed);
        let item: wire::Item = match read(item) {
            Ok(item) => item,
            Err(error) => return Some(self.cut(error)),
        };
        if let Some(hello) = item.hello {
            self.greet(&hello);
        }
        match item.lost {
            0 => {}
            lost::PURGED => return Some(End::NeedsSeed("the core's log does not go back so far".into())),
            lost::HISTORY => {
                return Some(End::NeedsSeed("the core's history is not that of the data here".into()));
            }
            _ => return Some(self.cut("it has ended the feed")),
        }
        let messages: Vec<_> = item.messages.into_iter().map(from_wire).collect();
        match &self.follower.broadcast {
            Some(broadcast) if !messages.is_empty() => broadcast.relay(&messages),
            _ => messages.iter().for_each(|message| {
                self.follower.pubsub.publish(message);
            }),
        }
        if let Some(entries) = item.entries
            && let Err(end) = self.propose(entries).await
        {
            return Some(end);
        }
        let word = item.word?;
        self.hear(&word)
    }

    fn greet(&mut self, hello: &wire::Hello) {
        let (follower, edge) = (self.follower, &self.follower.progress.status.edge);
        tracing::info!(upstream = %self.client.address(), node = %hello.node_name, from = self.next, "following the core");
        self.is_greeted = true;
        if self.history.is_empty() {
            self.history.clone_from(&hello.history);
        }
        self.asks_goal = self.history == hello.history && !edge.has_data();
        self.client.address().clone_into(&mut edge.upstream.write());
        edge.core_history.write().clone_from(&hello.history);
        follower.upstreams.prefer(self.index);
        follower.note(Following::Log);
    }

    async fn propose(&mut self, entries: wire::Entries) -> Result<(), End> {
        if entries.first != self.next || entries.last < entries.first {
            let text = format!("entries {} to {} came, {} is next", entries.first, entries.last, self.next);
            return Err(self.cut(text));
        }
        let (first, last) = (entries.first, entries.last);
        let records = match entries.raw_bytes > INLINE_BYTES {
            false => frames::decode(&entries, ENTRY_BYTES_MAX),
            true => blocking(move || frames::decode(&entries, ENTRY_BYTES_MAX))
                .await
                .unwrap_or_else(|error| Err(error.to_string())),
        };
        let records = records.map_err(|error| self.cut(error))?;
        let count = last.saturating_sub(first).saturating_add(1);
        self.follower.progress.status.edge.count_received(count, records.len() as u64);
        let payload = SiteEntry::entries(&self.history, &records);
        self.flights.propose(&self.follower.raft, payload).await;
        self.next = last.saturating_add(1);
        Ok(())
    }

    fn hear(&mut self, word: &wire::Word) -> Option<End> {
        let now = std::time::Instant::now();
        let age = Duration::from_millis(word.age_ms);
        let at = now.checked_sub(age).unwrap_or(now);
        let own = self.next.saturating_sub(1);
        if age < STALE_MAX && word.committed >= own {
            self.fresh_at = Instant::now();
        }
        // What a node knows that is behind says nothing about now.
        if word.committed >= own {
            let wire::Word { committed, clock_ms, .. } = *word;
            self.follower.progress.status.edge.hear(Word { committed, clock_ms, at });
        }
        let is_stale = self.fresh_at.elapsed() >= STALE_MAX && self.follower.upstreams.len() > 1;
        is_stale.then(|| self.cut("it hears nothing new of the core"))
    }
}
