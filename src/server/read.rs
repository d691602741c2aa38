//! Reads: on the connection's own task while the data is in memory, else on the blocking pool.

use super::connection::{Close, Connection};
use crate::{
    command::{Flags, Resolved, invoke_read},
    error::{Error, Result as HandlerResult},
    limits::EXPIRE_SWEEP_KEYS_MAX,
    replica::ProposalBuilder,
    replication::Outcome,
    resp::{ErrorReply, Reply},
    session::{Consistency, Stats},
    store::{Published, ReadTime, Store, View},
};
use std::sync::{Arc, atomic::Ordering};

/// What an attempt to read sees: one published state, as of one time.
pub(super) struct Attempt<'a> {
    store: &'a Store,
    published: &'a Published,
    time: ReadTime,
    may_wait: bool,
}

impl<'a> Attempt<'a> {
    /// The data of a database.
    pub(super) fn view(&self, db: u32) -> View<'a> {
        match self.may_wait {
            true => self.store.blocking_view(self.published, db, self.time),
            false => self.store.view(self.published, db, self.time),
        }
    }
}

impl Connection {
    /// Runs a read at the latest published state, which holds every write acknowledged so far.
    pub(super) async fn read(&mut self, call: Resolved, argv: &[&[u8]]) -> Result<Reply, Close> {
        if let Err(refusal) = self.barrier().await {
            return Ok(Reply::Error(refusal));
        }
        let (db, untouched) = (self.session.db, self.leaves_untouched(call));
        let run = move |attempt: &Attempt<'_>, argv: &[&[u8]]| {
            let view = attempt.view(db);
            let view = if untouched { view.untouched() } else { view };
            invoke_read(call, &view, argv)
        };
        let outcome = self
            .attempt(
                self.read_time(),
                |attempt| run(attempt, argv),
                || {
                    let argv = owned(argv);
                    move |attempt: &Attempt<'_>| run(attempt, &borrowed(&argv))
                },
            )
            .await;
        self.reply_of(outcome)
    }

    /// Runs a read: here, while what it needs is in memory, else on the pool; and if only the log can say what has expired,
    /// again as of the last entry once the log has come to the present. Every read of a connection goes this way.
    ///
    /// `here` makes an attempt on this thread, `elsewhere` makes one that can move to another.
    pub(super) async fn attempt<T, F>(
        &mut self,
        mut time: ReadTime,
        here: impl Fn(&Attempt<'_>) -> HandlerResult<T>,
        elsewhere: impl Fn() -> F,
    ) -> HandlerResult<T>
    where
        T: Send + 'static,
        F: FnOnce(&Attempt<'_>) -> HandlerResult<T> + Send + 'static,
    {
        loop {
            let mut outcome = {
                let store = &self.thread.node.store;
                let published = store.latest();
                here(&Attempt { store, published: &published, time, may_wait: false })
            };
            if let Err(Error::WouldBlock) = outcome {
                Stats::add(&self.thread.node.stats.blocking_reads, 1);
                let (store, run) = (Arc::clone(&self.thread.node.store), elsewhere());
                let waiting = self.on_pool(move || {
                    let published = store.published();
                    run(&Attempt { store: &store, published: &published, time, may_wait: true })
                });
                outcome = waiting.await?;
            }
            match outcome {
                Err(Error::NotLogged) if time != ReadTime::LastEntry => {
                    self.log_the_time().await?;
                    time = ReadTime::LastEntry;
                }
                outcome => return outcome,
            }
        }
    }

    /// Whether what the call reads counts as idle as before: the client asked for it (CLIENT NO-TOUCH), and this is no call
    /// by which it does mean to touch.
    pub(super) fn leaves_untouched(&self, call: Resolved) -> bool {
        self.session.client.no_touch.load(Ordering::Relaxed) && !call.command.flags.has(Flags::TOUCHES)
    }

    /// As of when this connection reads. Where several nodes must agree, what has expired is for the log to say.
    pub(super) fn read_time(&self) -> ReadTime {
        if let Some(time) = self.edge_time() {
            return time;
        }
        let is_one_of_many = self.thread.node.log.is_one_of_many.load(Ordering::Relaxed);
        match is_one_of_many && self.session.consistency == Consistency::Linearizable {
            true => ReadTime::Logged(self.log_ms()),
            false => ReadTime::At(self.log_ms()),
        }
    }

    /// Log time for this command.
    pub(super) fn log_ms(&self) -> u64 {
        self.clock.log_ms(&self.thread.node.log.clock)
    }

    /// Brings the log to the present, so that what has expired by now has expired for every node, for good.
    pub(super) async fn log_the_time(&mut self) -> Result<(), ErrorReply> {
        match self.thread.propose(ProposalBuilder::sweep(EXPIRE_SWEEP_KEYS_MAX)).await {
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
        if self.thread.node.log.edge.is_edge() {
            return self.edge_barrier().await;
        }
        if self.thread.log.can_read() {
            return Ok(());
        }
        let passed = self.thread.log.barrier(self.session.consistency).await;
        self.clock.tick();
        passed.map(|log_ms| self.clock.read_as_of(log_ms))
    }
}

/// Words that can move to another thread.
pub(super) fn owned(argv: &[&[u8]]) -> Vec<Vec<u8>> {
    argv.iter().map(|word| word.to_vec()).collect()
}

/// Words of a call.
pub(super) fn borrowed(argv: &[Vec<u8>]) -> Vec<&[u8]> {
    argv.iter().map(Vec::as_slice).collect()
}
