//! Runs entries: decode, run each call inside the batch (`command::invoke`), collect replies.

use super::{
    entry::{Batch, CallRef, Calls, EntryError, Proposal},
    follow::enter_site,
};
use crate::{
    command::{Table, invoke},
    error::{Error, StoreError},
    resp::Reply,
    store::{Condition, LogId, Store, Txn},
};
use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

/// Applies entries to a store. One per store, on one thread.
pub struct Replica {
    store: Arc<Store>,
    table: &'static Table,
    marked: AtomicBool,
    /// Whether the log is that of an edge site.
    pub(super) is_edge: bool,
}

/// Rows after which a chunk of entries is written, to bound memory and the time between publications.
const CHUNK_ROWS_MAX: usize = 8192;

impl Replica {
    pub fn new(store: Arc<Store>, table: &'static Table) -> Self {
        Replica { store, table, marked: AtomicBool::new(false), is_edge: false }
    }

    /// The store it applies to.
    pub fn store(&self) -> &Arc<Store> {
        &self.store
    }

    /// Begins a batch of entries; `apply`, `advance` and `membership` add to it, `commit` writes it.
    pub fn begin(&self) -> Txn<'_> {
        self.store.begin()
    }

    /// Whether the batch is large enough to be committed before more entries are added.
    pub fn is_full(txn: &Txn<'_>) -> bool {
        txn.pending_rows() >= CHUNK_ROWS_MAX
    }

    /// Whether the entry applied last asks for the checksum of the state after it. Asked once, it forgets.
    pub fn take_mark(&self) -> bool {
        // On an edge the site's entry may have gone on behind the mark.
        self.marked.swap(false, Ordering::Relaxed) && !self.is_edge
    }

    /// An entry without commands.
    pub fn advance(&self, txn: &mut Txn<'_>, log_id: LogId) -> Result<(), StoreError> {
        match self.is_edge {
            true => enter_site(txn, log_id),
            false => begin_entry(txn, log_id, 0, 0),
        }
    }

    /// A membership entry; the bytes are the log's own.
    pub fn membership(
        &self,
        txn: &mut Txn<'_>,
        log_id: LogId,
        membership: Vec<u8>,
    ) -> Result<(), StoreError> {
        self.advance(txn, log_id)?;
        txn.set_membership(membership);
        Ok(())
    }

    /// A command entry: for each of its proposals one reply per call (a transaction: one in all). An error stops the node: the
    /// store failed, or the entry is not one this program can read.
    pub fn apply(
        &self,
        txn: &mut Txn<'_>,
        log_id: LogId,
        payload: &[u8],
    ) -> Result<Vec<Vec<Reply>>, StoreError> {
        match self.is_edge {
            true => self.follow(txn, log_id, payload),
            false => self.batch(txn, log_id, payload),
        }
    }

    /// An entry of the core.
    pub(super) fn batch(
        &self,
        txn: &mut Txn<'_>,
        log_id: LogId,
        payload: &[u8],
    ) -> Result<Vec<Vec<Reply>>, StoreError> {
        let mut batch = Batch::decode(payload).map_err(malformed)?;
        begin_entry(txn, log_id, batch.at, batch.seed)?;
        let mut replies = Vec::with_capacity(batch.len().min(payload.len()));
        while let Some(proposal) = batch.next_proposal().map_err(malformed)? {
            replies.push(self.proposal(txn, proposal)?);
        }
        Ok(replies)
    }

    fn proposal(&self, txn: &mut Txn<'_>, proposal: Proposal<'_>) -> Result<Vec<Reply>, StoreError> {
        match proposal {
            Proposal::Commands(calls) => self.calls(txn, calls),
            Proposal::Transaction { conditions, calls } => match hold(txn, &conditions)? {
                true => Ok(vec![Reply::Array(self.calls(txn, calls)?)]),
                false => Ok(vec![Reply::NilArray]),
            },
            Proposal::Mark => {
                self.marked.store(true, Ordering::Relaxed);
                let index = txn.state().applied.map_or(0, |applied| applied.index);
                Ok(vec![Reply::count(index)])
            }
            Proposal::Sweep { keys_max } => {
                txn.begin_command(0);
                let swept = txn.sweep_expired(keys_max).map_err(fatal)?;
                txn.accept();
                Ok(vec![Reply::Array(vec![Reply::count(swept.keys), Reply::count(swept.fields)])])
            }
        }
    }

    fn call(&self, txn: &mut Txn<'_>, call: &CallRef<'_>) -> Result<Reply, StoreError> {
        txn.begin_command(call.db);
        let reply = invoke(self.table, txn, &call.argv)?;
        txn.accept();
        Ok(reply)
    }

    fn calls(&self, txn: &mut Txn<'_>, mut calls: Calls<'_>) -> Result<Vec<Reply>, StoreError> {
        let mut replies = Vec::with_capacity(calls.len().min(1024));
        while let Some(call) = calls.next_call().map_err(malformed)? {
            replies.push(self.call(txn, &call)?);
        }
        Ok(replies)
    }
}

/// Refuses an entry that the state already holds: applied twice it would count twice.
pub(super) fn begin_entry(txn: &mut Txn<'_>, log_id: LogId, at: u64, seed: u64) -> Result<(), StoreError> {
    if txn.state().applied.is_some_and(|applied| log_id.index <= applied.index) {
        return Err(StoreError::corrupt("apply", format!("entry {} has been applied", log_id.index)));
    }
    txn.begin_entry(log_id, at, seed);
    Ok(())
}

/// Whether every watched key still has the revision it had.
fn hold(txn: &Txn<'_>, conditions: &[Condition]) -> Result<bool, StoreError> {
    for condition in conditions {
        let now = txn.get_in(condition.db, &condition.key).map_err(fatal)?.map(|row| row.revision);
        if now != condition.revision {
            return Ok(false);
        }
    }
    Ok(true)
}

pub(super) fn malformed(error: EntryError) -> StoreError {
    StoreError::corrupt("log entry", error.0)
}

fn fatal(error: Error) -> StoreError {
    match error {
        Error::Fatal(error) => error,
        other => StoreError::corrupt("apply", other.to_string()),
    }
}
