//! Runs entries: decode, run each call inside the batch (`command::invoke`), collect replies.

use super::{
    entry::{Batch, CallRef, Calls, EntryError, Proposal},
    follow::enter_site,
    raise::{Raise, raise},
    timing::{CallObserver, NotedCall},
};
use crate::{
    acl::User,
    command::{Table, invoke_as},
    commands::{acl, scripting},
    error::{Error, StoreError},
    feature_level,
    limits::APPLIED_REPLIES_BYTES_MAX,
    resp::{ErrorReply, Reply},
    store::{Condition, LogId, Store, Txn},
    value::Value,
};
use parking_lot::Mutex;
use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

/// Applies entries to a store. One per store, on one thread.
pub struct Replica {
    store: Arc<Store>,
    table: &'static Table,
    marked: AtomicBool,
    /// Index and sum of the state, where the log asked for it.
    sums: Mutex<Vec<(u64, u64)>>,
    /// The last user who was asked for, and its row.
    asked: Mutex<Option<(Value, Arc<User>)>>,
    pub(super) observer: Option<CallObserver>,
    /// Of the entry that is being applied.
    pub(super) noted: Mutex<Vec<NotedCall>>,
    /// Whether the log is that of an edge site.
    pub(super) is_edge: bool,
}

/// Rows after which a chunk of entries is written, to bound memory and the time between publications.
const CHUNK_ROWS_MAX: usize = 8192;
/// The same for the bytes of these rows, which batch, memtable and caches hold as well while it is written.
const CHUNK_BYTES_MAX: usize = 16 << 20;
/// The same for replies, which wait for the batch.
const CHUNK_REPLY_BYTES_MAX: u64 = 16 << 20;

impl Replica {
    pub fn new(store: Arc<Store>, table: &'static Table) -> Self {
        Replica {
            store,
            table,
            marked: AtomicBool::new(false),
            sums: Mutex::default(),
            asked: Mutex::default(),
            observer: None,
            noted: Mutex::default(),
            is_edge: false,
        }
    }

    /// The store it applies to.
    pub fn store(&self) -> &Arc<Store> {
        &self.store
    }

    pub(super) fn table(&self) -> &'static Table {
        self.table
    }

    /// Begins a batch of entries; `apply`, `advance` and `membership` add to it, `commit` writes it.
    pub fn begin(&self) -> Txn<'_> {
        self.store.begin()
    }

    /// Whether the batch must be committed before more entries are added.
    pub fn is_full(txn: &Txn<'_>) -> bool {
        txn.pending_rows() >= CHUNK_ROWS_MAX
            || txn.pending_bytes() >= CHUNK_BYTES_MAX
            || txn.pending_reply_bytes() >= CHUNK_REPLY_BYTES_MAX
    }

    /// Whether the entry applied last asks for the checksum of the state after it. Asked once, it forgets.
    pub fn take_mark(&self) -> bool {
        // On an edge, the site's entry may have continued behind the mark.
        self.marked.swap(false, Ordering::Relaxed) && !self.is_edge
    }

    /// Entries of the core that asked for the sum of the state, and that sum. Asked once, it forgets.
    pub fn take_sums(&self) -> Vec<(u64, u64)> {
        std::mem::take(&mut *self.sums.lock())
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
            false => self.batch(txn, log_id, payload, true),
        }
    }

    /// As `apply`, where nobody waits for the replies: calls that only read are not run.
    pub fn apply_unawaited(
        &self,
        txn: &mut Txn<'_>,
        log_id: LogId,
        payload: &[u8],
    ) -> Result<(), StoreError> {
        match self.is_edge {
            true => self.follow(txn, log_id, payload).map(drop),
            false => self.batch(txn, log_id, payload, false).map(drop),
        }
    }

    /// An entry of the core.
    pub(super) fn batch(
        &self,
        txn: &mut Txn<'_>,
        log_id: LogId,
        payload: &[u8],
        is_awaited: bool,
    ) -> Result<Vec<Vec<Reply>>, StoreError> {
        if Raise::is_one(payload) {
            return raise(txn, log_id, payload);
        }
        let mut batch = Batch::decode(payload).map_err(malformed)?;
        begin_entry(txn, log_id, batch.at, batch.seed)?;
        let mut replies = Vec::with_capacity(batch.len().min(payload.len()));
        while let Some(proposal) = batch.next_proposal().map_err(malformed)? {
            replies.push(self.proposal(txn, replies.len(), proposal, is_awaited)?);
        }
        Ok(replies)
    }

    fn proposal(
        &self,
        txn: &mut Txn<'_>,
        number: usize,
        proposal: Proposal<'_>,
        is_awaited: bool,
    ) -> Result<Vec<Reply>, StoreError> {
        txn.begin_replies(APPLIED_REPLIES_BYTES_MAX);
        match proposal {
            Proposal::Commands(calls) => self.calls(txn, number, calls, is_awaited),
            Proposal::Transaction { conditions, calls } => match hold(txn, &conditions)? {
                true => {
                    txn.begin_transaction();
                    let replies = self.calls(txn, number, calls, is_awaited);
                    txn.end_transaction();
                    Ok(vec![Reply::Array(replies?)])
                }
                false => Ok(vec![Reply::NilArray]),
            },
            Proposal::Mark => {
                self.marked.store(true, Ordering::Relaxed);
                let index = txn.state().applied.map_or(0, |applied| applied.index);
                Ok(vec![Reply::count(index)])
            }
            Proposal::MarkSums => {
                let index = txn.state().applied.map_or(0, |applied| applied.index);
                self.sums.lock().push((index, txn.state().sum()));
                Ok(vec![Reply::count(index)])
            }
            // Only the source deletes keys.
            Proposal::Sweep { .. } if is_a_sources(txn) => {
                Ok(vec![Reply::Array(vec![Reply::Int(0), Reply::Int(0)])])
            }
            Proposal::Evict(_) if is_a_sources(txn) => Ok(vec![Reply::Int(0)]),
            Proposal::Source(proposal) => self.of_source(txn, proposal),
            Proposal::Sweep { keys_max } => upkeep(txn, |txn| {
                let swept = txn.sweep_expired(keys_max).map_err(fatal)?;
                Ok(Reply::Array(vec![Reply::count(swept.keys), Reply::count(swept.elements)]))
            }),
            Proposal::Count(count) => upkeep(txn, |txn| count.apply(txn).map_err(fatal)),
            Proposal::Evict(evict) => upkeep(txn, |txn| evict.apply(txn).map_err(malformed)?.map_err(fatal)),
        }
    }

    fn call(
        &self,
        txn: &mut Txn<'_>,
        proposal: usize,
        call: &CallRef<'_>,
        is_awaited: bool,
    ) -> Result<Reply, StoreError> {
        txn.begin_command(call.db);
        txn.called_by(call.origin);
        let caller = match call.user {
            None => None,
            Some(name) => match self.user(txn, name)? {
                Some(user) => Some(user),
                // Deleted between the call and its entry.
                None => {
                    txn.accept();
                    return Ok(Reply::Error(ErrorReply::new(
                        "NOPERM",
                        "The user who called the script is gone",
                    )));
                }
            },
        };
        let run = || invoke_as(self.table, txn, caller.as_deref(), &call.argv, is_awaited);
        let (reply, inner) = scripting::noting(self.wanted(caller.is_some(), is_awaited), run);
        if !inner.is_empty() {
            self.tell(proposal, inner);
        }
        let reply = reply?;
        if matches!(reply, Reply::Error(_)) && !self.table.knows(&call.argv) {
            return Err(unknown(txn, &call.argv));
        }
        txn.accept();
        Ok(reply)
    }

    /// The user of a call, as these data have it.
    fn user(&self, txn: &Txn<'_>, name: &[u8]) -> Result<Option<Arc<User>>, StoreError> {
        let Ok(name) = std::str::from_utf8(name) else { return Ok(None) };
        let Some(row) = acl::row_in(&txn.view(), name).map_err(fatal)? else { return Ok(None) };
        let mut asked = self.asked.lock();
        if let Some((of, user)) = asked.as_ref()
            && *of == row
            && user.name() == name
        {
            return Ok(Some(Arc::clone(user)));
        }
        let user = Arc::new(acl::compiled(name, &row).map_err(fatal)?);
        *asked = Some((row, Arc::clone(&user)));
        Ok(Some(user))
    }

    /// Replies that nobody waits for are dropped one by one.
    fn calls(
        &self,
        txn: &mut Txn<'_>,
        proposal: usize,
        mut calls: Calls<'_>,
        is_awaited: bool,
    ) -> Result<Vec<Reply>, StoreError> {
        let mut replies = Vec::with_capacity(if is_awaited { calls.len().min(1024) } else { 0 });
        let mut laps = self.laps();
        while let Some(call) = calls.next_call().map_err(malformed)? {
            let reply = self.call(txn, proposal, &call, is_awaited)?;
            if let Some(laps) = &mut laps {
                self.lap(laps, proposal, &call);
            }
            if is_awaited {
                replies.push(reply);
            }
        }
        Ok(replies)
    }
}

/// A command that this program does not know is none that a session of its own let pass: to answer with an error, and go on,
/// would be to part from the nodes that do know it.
fn unknown(txn: &Txn<'_>, argv: &[&[u8]]) -> StoreError {
    let words = argv
        .iter()
        .take(2)
        .map(|word| String::from_utf8_lossy(word.get(..word.len().min(32)).unwrap_or_default()));
    let words = words.collect::<Vec<_>>().join(" ");
    let index = txn.state().applied.map_or(0, |applied| applied.index);
    StoreError::NotUnderstood(format!(
        "entry {index} of the log has the command '{words}', which {} does not know: a later build has proposed it; \
         nothing was changed; start that build",
        feature_level::this_program()
    ))
}

/// What the leader's upkeep has proposed, as one command without a budget: the proposal bounds it.
fn upkeep(
    txn: &mut Txn<'_>,
    run: impl FnOnce(&mut Txn<'_>) -> Result<Reply, StoreError>,
) -> Result<Vec<Reply>, StoreError> {
    txn.begin_command(0);
    txn.without_budget();
    let reply = run(txn)?;
    txn.accept();
    Ok(vec![reply])
}

/// Refuses an entry that the state already holds: applied twice it would count twice.
pub(super) fn begin_entry(txn: &mut Txn<'_>, log_id: LogId, at: u64, seed: u64) -> Result<(), StoreError> {
    if txn.state().applied.is_some_and(|applied| log_id.index <= applied.index) {
        return Err(StoreError::corrupt("apply", format!("entry {} was applied before", log_id.index)));
    }
    txn.begin_entry(log_id, at, seed);
    Ok(())
}

/// Whether the data are those of a source.
fn is_a_sources(txn: &Txn<'_>) -> bool {
    txn.source().is_some_and(|source| source.is_engaged())
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

pub(super) fn fatal(error: Error) -> StoreError {
    match error {
        Error::Fatal(error) => error,
        other => StoreError::corrupt("apply", other.to_string()),
    }
}
