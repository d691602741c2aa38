//! The keeper of a source: on every node a thread that waits until this node leads and something is to be followed.
//!
//! Whoever has begun goes on, also as a follower, which sends its proposals to the leader: an RDB that is being read would have
//! to be read again. A leader takes over once nothing has moved for a while.

use super::{feeder::Trouble, following::Following};
use crate::{
    limits::SYSTEM_DATABASE,
    replica::{STALE, SourceChange},
    replication::GroupHandle,
    resp::ErrorReply,
    session::{Node, SourceSettings},
    store::{ReadTime, SourcePhase, SourceRecord},
};
use bytes::Bytes;
use std::{
    io,
    sync::{Arc, atomic::Ordering},
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};
use tokio::runtime::Runtime;

/// Between two looks at whether there is something to follow: every node of every core has this thread.
const IDLE_LOOK: Duration = Duration::from_millis(500);
/// The same while there is.
const LOOK: Duration = Duration::from_millis(100);
/// After a failure, the first time and at most.
const PAUSE: Duration = Duration::from_millis(500);
const PAUSE_MAX: Duration = Duration::from_secs(10);
/// A busy log, or a full disk.
const BUSY_PAUSE: Duration = Duration::from_millis(100);
/// After so long without a failure, the next pause is short again.
const QUIET: Duration = Duration::from_secs(60);
const END_LOOK: Duration = Duration::from_millis(1);
/// A leader takes over from another node if the record has not changed for so long.
const TAKE_OVER: Duration = Duration::from_secs(3);
/// Of an error in the record.
const ERROR_BYTES_MAX: usize = 500;

/// See the module.
pub struct Keeper {
    group: GroupHandle,
    node: Arc<Node>,
    runtime: Runtime,
}

impl Keeper {
    /// Starts the thread.
    pub fn start(group: GroupHandle, node: Arc<Node>) -> io::Result<KeeperThread> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let keeper = Keeper { group, node, runtime };
        thread::Builder::new().name("source".into()).spawn(move || keeper.run()).map(KeeperThread)
    }

    fn run(self) {
        let (mut pause, mut own, mut seen) = (PAUSE, 0, (SourceRecord::default(), Instant::now()));
        while !self.is_stopping() {
            let record = self.record().filter(|record| record.is_active() && self.leads());
            let Some(record) = record else {
                thread::park_timeout(IDLE_LOOK);
                continue;
            };
            if record != seen.0 {
                seen = (record.clone(), Instant::now());
            }
            if ![0, own].contains(&record.owner) && seen.1.elapsed() < TAKE_OVER {
                thread::park_timeout(LOOK);
                continue;
            }
            if !record.history.is_empty() && record.history != self.history() {
                self.leave(record);
                thread::park_timeout(LOOK);
                continue;
            }
            let began = Instant::now();
            let trouble = match self.follow(record, &mut own) {
                Ok(()) | Err(Trouble::Unwanted) => {
                    thread::sleep(LOOK);
                    continue;
                }
                Err(trouble) => trouble,
            };
            if began.elapsed() > QUIET {
                pause = PAUSE;
            }
            self.tell(&trouble);
            self.sleep(pause);
            pause = pause.saturating_mul(2).min(PAUSE_MAX);
        }
    }

    /// `own`: the last owner that was this node.
    fn follow(&self, record: SourceRecord, own: &mut u64) -> Result<(), Trouble> {
        let settings = self.settings()?;
        let following = Following::begin(self, record, settings)?;
        *own = following.owner();
        following.run()
    }

    /// The data were restored, or a node was made the only one of a new cluster: that was not to follow anybody.
    fn leave(&self, record: SourceRecord) {
        tracing::warn!(source = %record.address, "these data are a copy of others that followed a source; it is not followed here");
        let error = "these data were restored from a copy of others, which followed it".to_owned();
        let _ = self.change(&SourceRecord { phase: SourcePhase::Stopped, error, ..record }, false);
    }

    pub(super) fn history(&self) -> String {
        self.node.history_id()
    }

    /// Puts a trouble where an administrator sees it.
    fn tell(&self, trouble: &Trouble) {
        let (why, is_lasting) = match trouble {
            Trouble::Passing(why) => (why, false),
            Trouble::Lasting(why) => (why, true),
            Trouble::Unwanted => return,
        };
        let Some(before) = self.record().filter(SourceRecord::is_engaged) else { return };
        if is_lasting {
            tracing::warn!(source = %before.address, %why, "the source cannot be followed any further");
        } else {
            tracing::warn!(source = %before.address, %why, "the source is not followed at the moment; trying again");
        }
        let error: String = why.chars().take(ERROR_BYTES_MAX).collect();
        let phase = if is_lasting { SourcePhase::Failed } else { before.phase };
        if before.error == error && before.phase == phase {
            return;
        }
        // Another node, or an administrator, may have been faster.
        let _ = self.change(&SourceRecord { error, phase, ..before }, false);
    }

    /// What this node has of it.
    pub(super) fn record(&self) -> Option<SourceRecord> {
        self.group.store().published().source().map(|record| (**record).clone())
    }

    fn settings(&self) -> Result<SourceSettings, Trouble> {
        let store = self.group.store();
        let published = store.published();
        let view = store.blocking_view(&published, SYSTEM_DATABASE, ReadTime::LastEntry);
        let row = view.source_settings().map_err(|error| Trouble::Passing(error.to_string()))?;
        let row = row.ok_or_else(|| Trouble::Passing("nothing says how it is reached".to_owned()))?;
        // What is wrong could show a part of the password.
        serde_json::from_slice(&row)
            .map_err(|_| Trouble::Lasting("what says how it is reached cannot be read".to_owned()))
    }

    pub(super) fn is_stopping(&self) -> bool {
        self.node.stopping.load(Ordering::Acquire)
    }

    pub(super) fn leads(&self) -> bool {
        !self.group.state().edge.is_edge() && self.group.state().leads_surely()
    }

    /// Log time.
    pub(super) fn now_ms(&self) -> u64 {
        self.group.state().clock.now_ms()
    }

    /// The port of this node's clients.
    pub(super) fn port(&self) -> u16 {
        u16::try_from(self.node.port.load(Ordering::Relaxed)).unwrap_or(0)
    }

    /// Stores another record in the place of the one of its version; as it is then.
    pub(super) fn change(
        &self,
        record: &SourceRecord,
        takes_position: bool,
    ) -> Result<SourceRecord, ErrorReply> {
        let json = record.to_json().map_err(|error| ErrorReply::err(error.to_string()))?;
        let change = SourceChange {
            version: record.version,
            takes_position,
            only_if_empty: false,
            record: &json,
            // Nobody needs the password any more.
            settings: (!record.is_engaged()).then_some(b"{}"),
        };
        let version = self.propose(&change.encode())?;
        Ok(SourceRecord { version, ..record.clone() })
    }

    /// Proposes; while the log is busy or a disk is full, again.
    pub(super) fn propose(&self, proposal: &Bytes) -> Result<u64, ErrorReply> {
        loop {
            let room = self.group.state().room(proposal.len() as u64).refusal();
            let done = match room {
                Some(refusal) => Err(refusal),
                None => self.runtime.block_on(self.group.propose_source(proposal.clone())),
            };
            match done {
                Err(error) if ["TRYAGAIN", "OOM"].contains(&error.code()) && !self.is_stopping() => {
                    tracing::debug!(why = %error, "the source's commands wait");
                    thread::sleep(BUSY_PAUSE);
                }
                done => return done,
            }
        }
    }

    /// Waits, unless an administrator wants something meanwhile: a cut-over must not take as long as a pause.
    fn sleep(&self, pause: Duration) {
        let (until, version) = (Instant::now() + pause, self.version());
        while Instant::now() < until && self.version() == version && !self.is_stopping() {
            thread::park_timeout(LOOK);
        }
    }

    fn version(&self) -> u64 {
        self.record().map_or(0, |record| record.version)
    }
}

/// A keeper that was started.
pub struct KeeperThread(JoinHandle<()>);

impl KeeperThread {
    /// Waits until it has ended, once the node stops; false: it has not in that time.
    pub fn end(self, within: Duration) -> bool {
        self.0.thread().unpark();
        let until = Instant::now() + within;
        while !self.0.is_finished() && Instant::now() < until {
            thread::sleep(END_LOOK);
        }
        self.0.is_finished()
    }
}

/// Whether a proposal was refused because the record has changed, or the position has moved.
pub(super) fn is_stale(error: &ErrorReply) -> bool {
    error.code() == STALE
}
