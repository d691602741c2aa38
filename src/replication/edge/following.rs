//! One core node that is followed: what it says is checked, and what follows the data here is proposed into the site's group.
//!
//! **Invariant.** Entries are proposed only if they continue the data here: the next index, behind an entry of the term that
//! is here, and none of an earlier term behind one of a later. What contradicts the data here is an alarm, and a bootstrap snapshot
//! replaces them. An entry that raises the feature level above what a node of this site understands is not taken, nor what
//! follows it: the site goes on serving what it has.

use super::{
    follow::{End, Follower, REPORT_INTERVAL, SILENCE_MAX, STALE_MAX},
    frames,
    goal::{ASK_FOR, goal},
    in_flight::{InFlightProposals, ProposalError},
    preference::better,
};
use crate::{
    limits::ENTRY_BYTES_MAX,
    peer::{Feed, PeerClient},
    replica::SiteEntry,
    replication::{
        wal::blocking,
        wire::{self, lost, publication_from_wire, read},
    },
    state::{CommitHeartbeat, Comparison, Following, SumAt},
    store::LogId,
};
use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};
use tokio::time::Instant;

/// What time it is a core node says only if it has heard its leader so recently.
const TIME_AGE_MAX: Duration = Duration::from_secs(1);
/// Between two bootstrap snapshots because the data have another sum than the core's.
const RENEW_INTERVAL: Duration = Duration::from_secs(3600);
/// Decompressed on this thread up to here.
const INLINE_BYTES: u64 = 128 << 10;

/// One core node that is followed.
pub(super) struct FollowingOne<'a> {
    pub(super) follower: &'a Follower,
    pub(super) client: &'a Arc<PeerClient>,
    pub(super) index: usize,
    /// Empty until the first entries are proposed on an edge without data.
    pub(super) history: String,
    /// Where the data stood when this began.
    pub(super) had: Option<LogId>,
    /// The last entry that is here, or on its way.
    pub(super) behind: Option<LogId>,
    pub(super) in_flight: InFlightProposals,
    pub(super) is_greeted: bool,
    /// Whether the core is to say what this site must have before it answers.
    pub(super) asks_goal: bool,
    /// When that node last knew something that this edge did not.
    pub(super) fresh_at: Instant,
}

impl FollowingOne<'_> {
    pub(super) async fn run(&mut self, mut feed: Feed, return_after: Duration) -> End {
        let mut reports = tokio::time::interval(REPORT_INTERVAL);
        let better = better(Arc::clone(&self.follower.upstreams), self.index, return_after);
        let edge = &self.follower.state.edge;
        let left = ASK_FOR.saturating_sub(*self.follower.asked.lock());
        let goal = goal(self.client, left);
        tokio::pin!(better, goal);
        loop {
            tokio::select! {
                biased;
                completed = self.in_flight.next(), if !self.in_flight.is_empty() => match completed {
                    Ok(()) => {}
                    Err(ProposalError::NotLeading) => return End::NotLeading,
                    Err(ProposalError::Refused(why)) => return End::Cut(why),
                },
                index = &mut goal, if self.asks_goal => {
                    self.asks_goal = false;
                    edge.set_goal(index.unwrap_or_else(|| edge.committed.load(Ordering::Relaxed)));
                }
                item = tokio::time::timeout(SILENCE_MAX, feed.next()), if self.in_flight.has_room() => {
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
            edge.waiting_bytes.store(self.in_flight.bytes() as u64, Ordering::Relaxed);
            if !self.follower.state.is_leader() {
                return End::NotLeading;
            }
            if edge.take_bootstrap_request() {
                return End::NeedsBootstrap("an administrator wants one".into());
            }
        }
    }

    fn cut(&self, why: impl std::fmt::Display) -> End {
        End::Cut(format!("{}: {why}", self.client.address()))
    }

    async fn take(&mut self, item: bytes::Bytes) -> Option<End> {
        let edge = &self.follower.state.edge;
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
            lost::PURGED => {
                return Some(End::NeedsBootstrap("the core's log does not go back so far".into()));
            }
            lost::HISTORY if self.had.is_some() && *edge.core_history.read() == self.history => {
                return Some(self.contradiction("it has another entry where the data here stand"));
            }
            lost::HISTORY => {
                return Some(End::NeedsBootstrap("the core's history is not that of the data here".into()));
            }
            _ => return Some(self.cut("it has ended the feed")),
        }
        let messages: Vec<_> = item.messages.into_iter().map(publication_from_wire).collect();
        match &self.follower.broadcast {
            Some(broadcast) if !messages.is_empty() => broadcast.relay(&messages, &self.history),
            _ => messages.iter().for_each(|message| {
                self.follower.pubsub.publish(message);
            }),
        }
        if let Some(entries) = item.entries
            && let Err(end) = self.propose(entries).await
        {
            return Some(end);
        }
        let heartbeat = item.heartbeat?;
        self.observe(&heartbeat)
    }

    fn greet(&mut self, hello: &wire::Hello) {
        let (follower, edge) = (self.follower, &self.follower.state.edge);
        tracing::info!(upstream = %self.client.address(), node = %hello.node_name, from = self.next(), "following the core");
        self.is_greeted = true;
        if self.history.is_empty() {
            self.history.clone_from(&hello.history);
            follower.pubsub.follow(&self.history);
        }
        self.asks_goal = self.history == hello.history && !edge.has_data();
        self.client.address().clone_into(&mut edge.upstream.write());
        edge.core_history.write().clone_from(&hello.history);
        follower.upstreams.prefer(self.index);
        follower.note(Following::Log);
    }

    fn next(&self) -> u64 {
        self.behind.map_or(0, |behind| behind.index.saturating_add(1))
    }

    /// The core says something that cannot be if the data here are what it has committed, or does not keep to its own order.
    /// None of it is applied.
    fn contradiction(&self, why: impl std::fmt::Display) -> End {
        let LogId { term, index } = self.behind.unwrap_or_default();
        let edge = &self.follower.state.edge;
        edge.contradictions.fetch_add(1, Ordering::Relaxed);
        let mut alarmed = self.follower.alarmed.lock();
        // Once for each place, however often fetching the copy fails.
        if alarmed.replace((term, index)) != Some((term, index)) {
            tracing::error!(
                upstream = %self.client.address(), index, term, %why,
                remedy = "compare what clients read here with the core, since some of it may never have been committed, and \
                          upgrade core nodes that run an older version",
                "the data of this site contradict the core's log: a bootstrap snapshot will replace them"
            );
        }
        End::NeedsBootstrap(format!("{}: {why}", self.client.address()))
    }

    async fn propose(&mut self, entries: wire::Entries) -> Result<(), End> {
        let (first, last, next) = (entries.first, entries.last, self.next());
        if first != next || last < first {
            return Err(self.cut(format!("entries {first} to {last} came, {next} is next")));
        }
        let term = self.behind.map_or(0, |behind| behind.term);
        if entries.previous_term != term {
            let text =
                format!("the entry before {first} is of term {}, here of {term}", entries.previous_term);
            return Err(self.contradiction(text));
        }
        let understood = self.follower.understands();
        let checked = move |entries: wire::Entries| {
            let records = frames::decode(&entries, ENTRY_BYTES_MAX)?;
            frames::understood(&records, understood)?;
            Ok((frames::check(&entries, &records, term), records))
        };
        let records = match entries.raw_bytes > INLINE_BYTES {
            false => checked(entries),
            true => blocking(move || checked(entries)).await.unwrap_or_else(|error| Err(error.to_string())),
        };
        let (at, records) = records.map_err(|error: String| self.cut(error))?;
        let at = at.map_err(|why| self.contradiction(why))?;
        let count = last.saturating_sub(first).saturating_add(1);
        self.follower.state.edge.count_received(count, records.len() as u64);
        let payload = SiteEntry::entries(&self.history, &records);
        self.in_flight.propose(&self.follower.raft, payload).await;
        self.behind = Some(at);
        Ok(())
    }

    /// A majority of the core agrees on this. A site whose state has another sum there takes a bootstrap snapshot, but not
    /// over and over: if that does not help, the fault is the program's.
    fn compare(&self, agreed: SumAt) -> Option<End> {
        let state = &self.follower.state;
        if agreed.index == 0 || *state.edge.core_history.read() != self.history {
            return None;
        }
        let stands_at = state.edge.core_index.load(Ordering::SeqCst);
        if state.sums.agree(agreed, stands_at) != Some(Comparison::Differs) {
            return None;
        }
        let mut renewed = self.follower.renewed.lock();
        let again = renewed.is_some_and(|at| at.elapsed() < RENEW_INTERVAL);
        tracing::error!(
            index = agreed.index,
            upstream = %self.client.address(),
            remedy = if again {
                "report a fault of the program: a bootstrap snapshot did not help"
            } else {
                "none is needed: a bootstrap snapshot replaces the data, which serve until then"
            },
            "the data of this site are not those that a majority of the core has"
        );
        if again {
            return None;
        }
        *renewed = Some(Instant::now());
        Some(End::NeedsBootstrap("its state has not the sum that the core agrees on".into()))
    }

    fn observe(&mut self, heartbeat: &wire::CommitHeartbeat) -> Option<End> {
        let now = std::time::Instant::now();
        let age = Duration::from_millis(heartbeat.age_ms);
        let at = now.checked_sub(age).unwrap_or(now);
        let own = self.behind.map_or(0, |behind| behind.index);
        if age < STALE_MAX && heartbeat.committed >= own {
            self.fresh_at = Instant::now();
        }
        // Log time goes on alone at a node that is cut off.
        if age <= TIME_AGE_MAX {
            self.follower.state.clock.heard(heartbeat.clock_ms);
        }
        // What a node knows that is behind says nothing about now.
        if heartbeat.committed >= own {
            self.follower.state.edge.observe(CommitHeartbeat { committed: heartbeat.committed, at });
        }
        if let Some(end) = self.compare(SumAt { index: heartbeat.agreed_index, sum: heartbeat.agreed_sum }) {
            return Some(end);
        }
        let is_stale = self.fresh_at.elapsed() >= STALE_MAX && self.follower.upstreams.len() > 1;
        is_stale.then(|| self.cut("it hears nothing new of the core"))
    }
}
