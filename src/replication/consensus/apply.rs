//! The applier, the only one that writes to the store, and its thread.
//!
//! It takes chunks of entries, runs them in one batch, commits it, publishes what was applied and only then completes the
//! responders, right here: the replies do not travel through the raft runtime. Large chunks are applied on a thread of
//! their own, small ones on the thread of the state machine (`state_machine.rs` says why); never two at a time.

use super::{
    membership,
    types::{RaftEntry, RaftStoredMembership, position},
};
use crate::{
    error::StoreError,
    fail,
    replica::{BootstrapSnapshot, Replica, SiteEntry},
    replication::{
        queue::{InFlight, Outbox, Verdict},
        snapshots::place_of,
    },
    resp::{ErrorReply, Reply},
    state::StateWriter,
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

/// An entry and who waits for it on this node.
pub(super) type Work = (RaftEntry, Option<ApplyResponder<super::types::Types>>);

/// What the thread is asked to do; `done` is told when it is.
pub(super) enum Job {
    Entries {
        entries: Vec<Work>,
        done: oneshot::Sender<()>,
    },
    Install {
        directory: PathBuf,
        done: oneshot::Sender<()>,
    },
    /// On an edge: as `Install`, but entries up to where that stands will come all the same.
    GoPast {
        directory: PathBuf,
        done: oneshot::Sender<()>,
    },
}

/// The applier and the way to its thread, which ends when `jobs` and its clones are gone.
pub(super) struct Running {
    pub(super) jobs: Sender<Job>,
    pub(super) applier: Arc<Mutex<Applier>>,
    pub(super) thread: Option<JoinHandle<()>>,
}

/// Starts the thread.
pub(super) fn start(
    replica: Replica,
    state: Arc<StateWriter>,
    in_flight: Arc<InFlight>,
    bootstrap_directory: PathBuf,
) -> io::Result<Running> {
    let (jobs, todo) = bounded(JOBS_MAX);
    let outbox = Arc::new(Mutex::new(Outbox::default()));
    let applier = Applier { replica, state, in_flight, bootstrap_directory, passed: None, outbox };
    let applier = Arc::new(Mutex::new(applier));
    let shared = Arc::clone(&applier);
    let work = move || todo.into_iter().for_each(|job| shared.lock().run(job));
    // In a simulation its one thread does everything (`StateMachine::hand_over`).
    #[cfg(test)]
    if crate::tests::stage::is_set() {
        return Ok(Running { jobs, applier, thread: None });
    }
    let thread = Some(std::thread::Builder::new().name("apply".into()).spawn(work)?);
    Ok(Running { jobs, applier, thread })
}

pub(super) struct Applier {
    replica: Replica,
    state: Arc<StateWriter>,
    in_flight: Arc<InFlight>,
    /// On an edge: where the files of a bootstrap snapshot are.
    bootstrap_directory: PathBuf,
    /// On an edge: the store has gone past entries up to this one.
    passed: Option<u64>,
    /// One for the life of the thread: entries that end up in one chunk share their wakes.
    outbox: Arc<Mutex<Outbox>>,
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
    pub(super) fn entries(&self, entries: Vec<Work>) {
        // A handler's panic is an error reply; one that gets here has left a batch half done.
        let _guard = fail::StopOnPanic("apply");
        let mut entries = entries.into_iter().peekable();
        while entries.peek().is_some() {
            or_stop(self.batch(&mut entries));
        }
    }

    /// Applies entries until the batch is full, commits, answers.
    fn batch(&self, entries: &mut Peekable<impl Iterator<Item = Work>>) -> Result<(), StoreError> {
        if let Some((_, responder)) = entries.next_if(|(entry, _)| self.is_passed(entry)) {
            // Nobody waits for what this node, which led nothing meanwhile, proposed.
            self.answer(responder.map(|responder| (responder, Vec::new())).into_iter().collect());
            return Ok(());
        }
        if let Some((entry, responder)) = entries.next_if(|(entry, _)| self.is_bootstrap(entry)) {
            return self.bootstrap(&entry, responder);
        }
        let mut txn = self.replica.begin();
        let mut answers = Vec::new();
        let (mut last, mut mark) = (None, false);
        while let Some((entry, responder)) = entries.next_if(|(entry, _)| !self.is_bootstrap(entry)) {
            let at = position(&entry.log_id);
            let replies = match entry.payload {
                EntryPayload::Blank => {
                    self.replica.advance(&mut txn, at)?;
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
            if let Some(responder) = responder {
                answers.push((responder, replies));
            }
            mark = self.replica.take_mark();
            if mark || Replica::is_full(&txn) {
                break;
            }
        }
        fail::point("apply.before");
        txn.commit()?;
        fail::point("apply.after");
        if let Some(last) = last {
            self.followed();
            self.logged();
            if mark {
                // Before the index is told: a mark that is applied and has no checksum will never have one.
                self.state.checksums.begin(last.index, self.replica.store(), self.state.state());
            }
            self.state.applied(last);
        }
        self.answer(answers);
        Ok(())
    }

    fn answer(&self, answers: Vec<(ApplyResponder<super::types::Types>, Vec<Vec<Reply>>)>) {
        for (responder, replies) in answers {
            responder.send(Verdict::Applied { replies, outbox: Arc::clone(&self.outbox) });
        }
        self.outbox.lock().deliver();
        self.in_flight.wake_batcher();
    }

    fn is_bootstrap(&self, entry: &RaftEntry) -> bool {
        self.replica.is_edge() && is_bootstrap(entry)
    }

    fn is_passed(&self, entry: &RaftEntry) -> bool {
        self.passed.is_some_and(|passed| entry.log_id.index <= passed)
    }

    /// On an edge: bootstrap snapshots that these entries put in place, each with the index of its entry.
    pub(super) fn wanted_bootstraps(&self, entries: &[Work]) -> Vec<(u64, BootstrapSnapshot)> {
        let bootstraps = entries.iter().filter(|(entry, _)| self.is_bootstrap(entry));
        // One that cannot be read stops the process when it is applied.
        let read =
            bootstraps.filter_map(|(entry, _)| Some((entry.log_id.index, read_bootstrap(entry).ok()?)));
        read.filter(|(_, snapshot)| self.replica.wants(snapshot)).collect()
    }

    /// On an edge: the data become those of a bootstrap snapshot, whose files are there.
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
                self.state.edge.seeds.fetch_add(1, Ordering::Relaxed);
                self.replica.install_bootstrap(
                    at,
                    &snapshot,
                    &place_of(&self.bootstrap_directory, snapshot.position),
                )?;
                if is_other {
                    self.begin_again(snapshot.position.index);
                }
                Reply::count(snapshot.position.index)
            }
            false => {
                let mut txn = self.replica.begin();
                self.replica.advance(&mut txn, at)?;
                txn.commit()?;
                Reply::Error(ErrorReply::err("the data here are newer"))
            }
        };
        self.followed();
        self.logged();
        self.state.applied(at);
        self.answer(responder.map(|responder| (responder, vec![vec![reply]])).into_iter().collect());
        Ok(())
    }

    /// Log time is no earlier than that of the last entry applied.
    fn logged(&self) {
        self.state.clock.logged(self.replica.store().published().state().last_at);
    }

    /// On an edge: the data are of another history from here on. What the old one said of anything counts no more.
    fn begin_again(&self, core_index: u64) {
        self.state.clock.begin(self.replica.store().published().state().last_at, None);
        self.state.begin_again(core_index);
    }

    /// On an edge: says where the core's data stand now.
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

/// Whether an entry of an edge site's log puts a bootstrap snapshot in place.
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
