//! Reads: on the connection's own task while the data is in memory, else on the blocking pool.

use super::connection::{Close, Connection};
use crate::{
    command::Args,
    error::{Error, Result},
    resp::{ErrorReply, Reply},
    store::View,
};

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
        let outcome = {
            let store = &self.local.node.store;
            let published = store.latest();
            let now = self.local.node.data_time(self.clock.now_ms());
            let view = store.view(&published, self.session.db, now);
            handler(&view, &mut Args::new(argv, names))
        };
        match outcome {
            Err(Error::WouldBlock) => {
                let calls = vec![BlockingCall {
                    handler,
                    names,
                    db: self.session.db,
                    argv: argv.iter().map(|word| word.to_vec()).collect(),
                }];
                let outcomes = self.read_blocking(calls).await;
                let outcome = outcomes.into_iter().next().unwrap_or(Err(Error::WouldBlock));
                self.reply_of(outcome)
            }
            outcome => self.reply_of(outcome),
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
        passed
    }

    /// Runs reads, all at one point in time, where waiting for the disk is allowed.
    pub(super) async fn read_blocking(&self, calls: Vec<BlockingCall>) -> Vec<Result<Reply>> {
        self.read_blocking_if(calls, Vec::new()).await.unwrap_or_default()
    }
}

/// A read that moves to another thread with its words.
pub(super) struct BlockingCall {
    pub(super) handler: ReadHandler,
    pub(super) names: usize,
    pub(super) db: u32,
    pub(super) argv: Vec<Vec<u8>>,
}
