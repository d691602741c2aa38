//! The applier, the only writer of the store, and its thread.
//!
//! It takes chunks of entries, runs them in one batch, commits it, publishes what was applied and only then completes the
//! responders, right here: the replies do not travel through the raft runtime. Entries are applied on a thread of their
//! own; only what is little work runs on the thread of the state machine (`state_machine.rs` says why), and for a short
//! time. Never two at a time.

use super::{
    membership,
    types::{RaftEntry, RaftStoredMembership, Replies, position},
};
use crate::{
    error::StoreError,
    fail,
    replica::{BootstrapSnapshot, NotedCall, Replica, SiteEntry},
    replication::{queue::InFlight, snapshots::directory_of},
    resp::{ErrorReply, Reply},
    state::{LatencyEvent, StateWriter, SumAt, Work},
    store::LogId,
};
use crossbeam::channel::{Sender, bounded};
use openraft::{EntryPayload, storage::ApplyResponder};
use parking_lot::Mutex;
use std::{
    io,
    iter::Peekable,
    path::PathBuf,
    sync::{Arc, atomic::Ordering},
    thread::JoinHandle,
};
use tokio::sync::oneshot;

/// Jobs handed over and not done, at most; the state machine waits with one more.
pub(super) const JOBS_MAX: usize = 2;

/// An entry and the responder of its proposer on this node.
pub(super) type ToApply = (RaftEntry, Option<ApplyResponder<super::types::Types>>);

/// A job for the thread; `done` is signalled when it is finished.
pub(super) enum Job {
    Entries {
        entries: Vec<ToApply>,
        done: oneshot::Sender<()>,
    },
    Install {
        directory: PathBuf,
        done: oneshot::Sender<()>,
    },
    /// On an edge: as `Install`, but entries up to that position will still come.
    GoPast {
        directory: PathBuf,
        done: oneshot::Sender<()>,
    },
}

/// The applier and the channel to its thread, which ends when `jobs` and its clones are gone.
pub(super) struct Running {
    /// `None`: there is no thread; the state machine runs jobs itself.
    pub(super) jobs: Option<Sender<Job>>,
    pub(super) applier: Arc<Mutex<Applier>>,
    pub(super) thread: Option<JoinHandle<()>>,
}

/// Starts the thread, if there are threads.
pub(super) fn start(
    replica: Replica,
    state: Arc<StateWriter>,
    in_flight: Arc<InFlight>,
    bootstrap_directory: PathBuf,
) -> io::Result<Running> {
    let has_threads = state.environment().has_threads();
    let applier = Applier { replica, state, in_flight, bootstrap_directory, passed: None };
    let applier = Arc::new(Mutex::new(applier));
    if !has_threads {
        return Ok(Running { jobs: None, applier, thread: None });
    }
    let (jobs, todo) = bounded(JOBS_MAX);
    let shared = Arc::clone(&applier);
    let work = move || todo.into_iter().for_each(|job| shared.lock().run(job));
    let thread = Some(std::thread::Builder::new().name("apply".into()).spawn(work)?);
    Ok(Running { jobs: Some(jobs), applier, thread })
}

pub(super) struct Applier {
    replica: Replica,
    state: Arc<StateWriter>,
    in_flight: Arc<InFlight>,
    /// On an edge: where the files of a bootstrap snapshot are.
    bootstrap_directory: PathBuf,
    /// On an edge: the store is ahead of the log up to this entry.
    passed: Option<u64>,
}

impl Applier {
    pub(super) fn run(&mut self, job: Job) {
        let done = match job {
            Job::Entries { entries, done } => {
                self.entries(entries);
                done
            }
            Job::Install { directory, done } => {
                or_stop(self.install(&directory));
                done
            }
            Job::GoPast { directory, done } => {
                or_stop(self.install(&directory));
                self.passed = self.replica.store().applied().map(|at| at.index);
                done
            }
        };
        // The state machine may be gone at shutdown.
        let _ = done.send(());
    }

    /// Applies and answers entries on the calling thread. A store that fails stops the process.
    pub(super) fn entries(&self, entries: Vec<ToApply>) {
        self.entries_until(entries, u64::MAX);
    }

    /// As `entries`, until this time (`Applier::monotonic_us`); it is looked at after each entry. Returns what is left.
    pub(super) fn entries_until(&self, entries: Vec<ToApply>, end_us: u64) -> Vec<ToApply> {
        // A handler's panic is an error reply; any other panic leaves a half-finished batch.
        let _guard = fail::StopOnPanic("apply");
        let payloads = entries.iter().filter_map(|(entry, _)| match &entry.payload {
            EntryPayload::Normal(payload) => Some(&payload.0[..]),
            EntryPayload::Blank | EntryPayload::Membership(_) => None,
        });
        or_stop(self.replica.prefetch(payloads));
        let mut entries = entries.into_iter().peekable();
        while entries.peek().is_some() {
            or_stop(self.batch(&mut entries, end_us));
            if self.is_past(end_us) {
                break;
            }
        }
        entries.collect()
    }

    /// By the node's clock, which may be simulated.
    pub(super) fn monotonic_us(&self) -> u64 {
        self.state.state().environment().monotonic_us()
    }

    /// `u64::MAX` never comes.
    fn is_past(&self, end_us: u64) -> bool {
        end_us != u64::MAX && self.monotonic_us() >= end_us
    }

    /// Whether the words of these entries bound what they touch. Of its own proposals a leader knows; others are read.
    pub(super) fn is_little_work(&self, entries: &[ToApply]) -> bool {
        let mut known = Work::NONE;
        let unread = entries.iter().filter_map(|(entry, _)| match &entry.payload {
            EntryPayload::Normal(payload) => match self.state.unapplied.work(entry.log_id.index) {
                Some(work) => {
                    known = known.and(work);
                    None
                }
                None => Some(&payload.0[..]),
            },
            EntryPayload::Blank | EntryPayload::Membership(_) => None,
        });
        let unread: Vec<&[u8]> = unread.collect();
        self.replica.is_little_work(known, unread)
    }

    /// Applies entries until the batch is full or the time is up, commits, answers.
    fn batch(
        &self,
        entries: &mut Peekable<impl Iterator<Item = ToApply>>,
        end_us: u64,
    ) -> Result<(), StoreError> {
        if let Some((_, responder)) = entries.next_if(|(entry, _)| self.is_passed(entry)) {
            // This node proposed these as leader and has lost leadership since; no client waits for them.
            self.answer(responder.map(|responder| (responder, Vec::new(), Vec::new())).into_iter().collect());
            return Ok(());
        }
        if let Some((entry, responder)) = entries.next_if(|(entry, _)| self.is_bootstrap(entry)) {
            return self.bootstrap(&entry, responder);
        }
        let mut txn = self.replica.begin();
        let began_us = self.monotonic_us();
        let mut answers = Vec::new();
        let (mut last, mut mark) = (None, false);
        while let Some((entry, responder)) = entries.next_if(|(entry, _)| !self.is_bootstrap(entry)) {
            let at = position(&entry.log_id);
            txn.want_replies(responder.is_some());
            let replies = match entry.payload {
                EntryPayload::Blank => {
                    self.replica.advance(&mut txn, at)?;
                    Vec::new()
                }
                EntryPayload::Normal(payload) if responder.is_none() => {
                    self.replica.apply_unawaited(&mut txn, at, &payload.0)?;
                    Vec::new()
                }
                EntryPayload::Normal(payload) => self.replica.apply(&mut txn, at, &payload.0)?,
                EntryPayload::Membership(membership) => {
                    let stored = RaftStoredMembership::new(Some(entry.log_id), membership);
                    self.replica.membership(&mut txn, at, membership::encode_stored(&stored))?;
                    Vec::new()
                }
            };
            last = Some(at);
            let noted = self.replica.take_noted();
            match responder {
                Some(responder) => answers.push((responder, replies, noted)),
                None => self.replica.log_noted(noted),
            }
            mark = self.replica.take_mark();
            if mark || Replica::is_full(&txn) || self.is_past(end_us) {
                break;
            }
        }
        fail::point("apply.before");
        txn.commit()?;
        fail::point("apply.after");
        let latency = &self.state.state().latency;
        latency.add_us(LatencyEvent::ApplyBatch, self.monotonic_us().saturating_sub(began_us));
        for (index, sum) in self.replica.take_sums() {
            self.state.sums.note(SumAt { index, sum });
        }
        if let Some(last) = last {
            self.followed();
            self.logged();
            if mark {
                // Before the index is published: a mark that is applied and has no checksum will never have one.
                self.state.checksums.begin(last.index, self.replica.store(), self.state.state());
            }
            self.state.applied(last);
        }
        self.answer(answers);
        Ok(())
    }

    fn answer(&self, answers: Vec<(ApplyResponder<super::types::Types>, Replies, Vec<NotedCall>)>) {
        for (responder, replies, noted) in answers {
            match noted.is_empty() {
                true => responder.send(replies),
                false => {
                    let noted = self.in_flight.with_clients(noted, || responder.send(replies));
                    self.replica.log_noted(noted);
                }
            }
        }
        self.in_flight.deliver();
    }

    fn is_bootstrap(&self, entry: &RaftEntry) -> bool {
        self.replica.is_edge() && is_bootstrap(entry)
    }

    fn is_passed(&self, entry: &RaftEntry) -> bool {
        self.passed.is_some_and(|passed| entry.log_id.index <= passed)
    }

    /// On an edge: bootstrap snapshots that these entries install, each with the index of its entry.
    pub(super) fn wanted_bootstraps(&self, entries: &[ToApply]) -> Vec<(u64, BootstrapSnapshot)> {
        let bootstraps = entries.iter().filter(|(entry, _)| self.is_bootstrap(entry));
        // An unreadable entry stops the process when it is applied.
        let read =
            bootstraps.filter_map(|(entry, _)| Some((entry.log_id.index, read_bootstrap(entry).ok()?)));
        read.filter(|(_, snapshot)| self.replica.wants(snapshot)).collect()
    }

    /// On an edge: replaces the data by a bootstrap snapshot, whose files are here.
    fn bootstrap(
        &self,
        entry: &RaftEntry,
        responder: Option<ApplyResponder<super::types::Types>>,
    ) -> Result<(), StoreError> {
        let (at, snapshot) = (position(&entry.log_id), read_bootstrap(entry)?);
        let reply = match self.replica.wants(&snapshot) {
            true => {
                fail::point("snapshot.install");
                let is_other = self.replica.is_of_other_history(&snapshot);
                // Before the first read can see it.
                self.state.edge.bootstraps.fetch_add(1, Ordering::Relaxed);
                self.replica.install_bootstrap(
                    at,
                    &snapshot,
                    &directory_of(&self.bootstrap_directory, snapshot.position),
                )?;
                self.state.sums.forget();
                if is_other {
                    self.begin_again(snapshot.position.index);
                }
                Reply::count(snapshot.position.index)
            }
            false => {
                let mut txn = self.replica.begin();
                self.replica.advance(&mut txn, at)?;
                txn.commit()?;
                Reply::Error(ErrorReply::err("the data here is newer"))
            }
        };
        self.followed();
        self.logged();
        self.state.applied(at);
        self.answer(
            responder.map(|responder| (responder, vec![vec![reply]], Vec::new())).into_iter().collect(),
        );
        Ok(())
    }

    /// Log time is no earlier than that of the last entry applied; the feature level, and what the data take, are as after it.
    fn logged(&self) {
        let published = self.replica.store().published();
        self.state.clock.logged(published.state().last_at);
        self.state.set_feature_level(published.state().feature_level);
        self.state.set_data_bytes(published.state().bytes());
    }

    /// On an edge: the data now belong to another history. Knowledge of the old one is void.
    fn begin_again(&self, core_index: u64) {
        self.state.clock.begin(self.replica.store().published().state().last_at, None);
        self.state.begin_again(core_index);
    }

    /// On an edge: publishes the core's position of the data.
    fn followed(&self) {
        if self.replica.is_edge()
            && let Some(LogId { index, .. }) = self.replica.store().latest().state().applied
        {
            self.state.followed(index);
        }
    }

    fn install(&self, directory: &std::path::Path) -> Result<(), StoreError> {
        fail::point("snapshot.install");
        let store = self.replica.store();
        let history = || store.published().site().map(|site| site.history.clone()).unwrap_or_default();
        let before = history();
        store.install(directory)?;
        self.state.sums.forget();
        if !before.is_empty() && before != history() {
            let index = store.latest().state().applied.map_or(0, |at| at.index);
            self.begin_again(index);
        }
        self.followed();
        self.logged();
        if let Some(applied) = store.applied() {
            self.state.applied(applied);
        }
        Ok(())
    }
}

/// Whether an entry of an edge site's log installs a bootstrap snapshot.
pub(super) fn is_bootstrap(entry: &RaftEntry) -> bool {
    matches!(&entry.payload, EntryPayload::Normal(payload) if SiteEntry::is_bootstrap(&payload.0))
}

fn read_bootstrap(entry: &RaftEntry) -> Result<BootstrapSnapshot, StoreError> {
    let bad = |detail: &str| StoreError::corrupt("log entry", detail);
    let EntryPayload::Normal(payload) = &entry.payload else { return Err(bad("not a bootstrap snapshot")) };
    match SiteEntry::decode(&payload.0) {
        Ok(SiteEntry::Bootstrap(snapshot)) => Ok(snapshot),
        Ok(SiteEntry::Entries { .. }) => Err(bad("not a bootstrap snapshot")),
        Err(error) => Err(bad(error.0)),
    }
}

fn or_stop(result: Result<(), StoreError>) {
    if let Err(error) = result {
        error.stop_the_process("cannot apply the log");
    }
}
