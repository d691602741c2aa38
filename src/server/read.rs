//! Reads: on the connection's own task while the data is in memory, else on the blocking pool.

use super::connection::{Close, Connection};
use crate::{
    command::Args,
    error::{Error, Result},
    limits::EXPIRE_SWEEP_KEYS_MAX,
    replica::ProposalBuilder,
    replication::Outcome,
    resp::{ErrorReply, Reply},
    session::Consistency,
    store::{ReadTime, View},
};
use std::sync::atomic::Ordering;

/// A read handler.
pub(super) type ReadHandler = fn(&View<'_>, &mut Args<'_>) -> Result<Reply>;

impl Connection {
    /// Runs a read at the latest published state, which holds every write acknowledged so far.
    pub(super) async fn read(
        &mut self,
        handler: ReadHandler,
        names: usize,
        argv: &[&[u8]],
    ) -> Result<Reply, Close> {
        if let Err(refusal) = self.barrier().await {
            return Ok(Reply::Error(refusal));
        }
        let mut time = self.read_time();
        // TOUCH is what such a client says where it does mean to touch.
        let untouched =
            self.leaves_untouched() && !argv.first().is_some_and(|word| word.eq_ignore_ascii_case(b"TOUCH"));
        loop {
            let mut outcome = {
                let store = &self.local.node.store;
                let published = store.latest();
                let view = store.view(&published, self.session.db, time);
                let view = if untouched { view.untouched() } else { view };
                handler(&view, &mut Args::new(argv, names))
            };
            if let Err(Error::WouldBlock) = outcome {
                let call = BlockingCall {
                    handler,
                    names,
                    untouched,
                    db: self.session.db,
                    argv: argv.iter().map(|word| word.to_vec()).collect(),
                };
                outcome = self.read_blocking(call, time).await;
            }
            match outcome {
                Err(Error::NotLogged) if time != ReadTime::LastEntry => {
                    if let Err(refusal) = self.log_the_time().await {
                        return Ok(Reply::Error(refusal));
                    }
                    time = ReadTime::LastEntry;
                }
                outcome => return self.reply_of(outcome),
            }
        }
    }

    /// Whether the client asked that what it reads counts as idle (CLIENT NO-TOUCH).
    pub(super) fn leaves_untouched(&self) -> bool {
        self.session.client.no_touch.load(Ordering::Relaxed)
    }

    /// As of when this connection reads. Where several nodes must agree, what has expired is for the log to say.
    pub(super) fn read_time(&self) -> ReadTime {
        if let Some(time) = self.edge_time() {
            return time;
        }
        let is_one_of_many = self.local.node.log.is_one_of_many.load(Ordering::Relaxed);
        match is_one_of_many && self.session.consistency == Consistency::Linearizable {
            true => ReadTime::Logged(self.log_ms()),
            false => ReadTime::At(self.log_ms()),
        }
    }

    /// Log time for this command.
    pub(super) fn log_ms(&self) -> u64 {
        self.clock.log_ms(&self.local.node.log.clock)
    }

    /// Brings the log to the present, so that what has expired by now has expired for every node, for good.
    pub(super) async fn log_the_time(&mut self) -> Result<(), ErrorReply> {
        match self.local.propose(ProposalBuilder::sweep(EXPIRE_SWEEP_KEYS_MAX)).await {
            Outcome::Applied(_) => self.barrier().await,
            Outcome::NotDone(error) => Err(error),
            Outcome::Unknown(_) => {
                let text = "cannot tell whether a key has expired, since the leader changes; try again";
                Err(ErrorReply::new("CLUSTERDOWN", text))
            }
        }
    }

    /// Waits until this node may answer reads; an error says that it may not for now.
    pub(super) async fn barrier(&mut self) -> Result<(), ErrorReply> {
        if self.local.node.log.edge.is_edge() {
            return self.edge_barrier().await;
        }
        if self.local.log.can_read() {
            return Ok(());
        }
        let passed = self.local.log.barrier(self.session.consistency).await;
        self.clock.tick();
        passed.map(|log_ms| self.clock.read_as_of(log_ms))
    }

    /// Runs a read where waiting for the disk is allowed.
    async fn read_blocking(&self, call: BlockingCall, time: ReadTime) -> Result<Reply> {
        let outcomes = self.read_blocking_if(vec![call], Vec::new(), time).await?;
        outcomes.unwrap_or_default().pop().unwrap_or(Err(Error::WouldBlock))
    }
}

/// A read that moves to another thread with its words.
pub(super) struct BlockingCall {
    pub(super) handler: ReadHandler,
    pub(super) names: usize,
    /// What it reads counts as idle.
    pub(super) untouched: bool,
    pub(super) db: u32,
    pub(super) argv: Vec<Vec<u8>>,
}
