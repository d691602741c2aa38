//! openraft's view of the segment log.

use super::types::{RaftEntry, RaftLogId, RaftVote, Types, log_id, position, to_log_entry, to_raft_entry};
use crate::{
    replication::wal::{Done, LogError, SegmentLog, VoteRecord, blocking},
    state::StateWriter,
    store::LogId,
};
use futures::{Stream, StreamExt, stream};
use openraft::{
    EntryPayload, OptionalSend, RaftLogReader,
    storage::{IOFlushed, LogState, RaftLogStorage},
};
use std::{
    fmt::Debug,
    io,
    ops::{Bound, RangeBounds},
    sync::Arc,
};
use tokio::sync::oneshot;

/// Payload bytes to read at a time, so that a long replay never holds the whole log in memory.
const READ_BYTES_MAX: usize = 4 << 20;

/// Appends to and reads from one segment log.
#[derive(Clone)]
pub struct LogStore {
    log: Arc<SegmentLog>,
    state: Arc<StateWriter>,
}

impl LogStore {
    pub fn new(log: Arc<SegmentLog>, state: Arc<StateWriter>) -> Self {
        let store = LogStore { log, state };
        store.publish();
        store
    }

    fn publish(&self) {
        let (purged, last) = self.log.state();
        let index = |at: Option<LogId>| at.map_or(0, |at| at.index);
        self.state.logged(index(purged), index(last), self.log.bytes());
    }

    /// Reads entries in memory at once; others on a thread where waiting for the disk delays no heartbeat.
    async fn read(&self, start: u64, end: u64, bytes_max: usize) -> io::Result<Vec<RaftEntry>> {
        if start >= end {
            return Ok(Vec::new());
        }
        let entries = match self.log.read_memory(start, end, bytes_max) {
            Some(entries) => entries,
            None => {
                let log = Arc::clone(&self.log);
                let read =
                    blocking(move || log.read(start, end, bytes_max)).await.map_err(io::Error::other)?;
                read.map_err(LogError::or_repair)?
            }
        };
        entries.into_iter().map(|entry| to_raft_entry(entry).map_err(io::Error::other)).collect()
    }
}

/// Queues a task of the log and waits until it is durable.
async fn durably<E>(queue: impl FnOnce(Done) -> Result<(), E>) -> io::Result<()>
where
    io::Error: From<E>,
{
    let (done, wait) = oneshot::channel();
    queue(Box::new(move || {
        let _ = done.send(());
    }))?;
    wait.await.map_err(|_| io::Error::other("the log is closed"))
}

fn bounds(range: &impl RangeBounds<u64>) -> (u64, u64) {
    let start = match range.start_bound() {
        Bound::Included(index) => *index,
        Bound::Excluded(index) => index.saturating_add(1),
        Bound::Unbounded => 0,
    };
    let end = match range.end_bound() {
        Bound::Included(index) => index.saturating_add(1),
        Bound::Excluded(index) => *index,
        Bound::Unbounded => u64::MAX,
    };
    (start, end)
}

impl RaftLogReader<Types> for LogStore {
    /// A few at a time; the caller gets them all, or an error if one is missing.
    async fn entries_stream<RB>(
        &mut self,
        range: RB,
    ) -> impl Stream<Item = io::Result<RaftEntry>> + OptionalSend
    where
        RB: RangeBounds<u64> + Clone + Debug + OptionalSend,
    {
        let (start, end) = bounds(&range);
        let store = self.clone();
        let chunks = stream::unfold((store, start), move |(store, next)| async move {
            match store.read(next, end, READ_BYTES_MAX).await {
                Ok(entries) => (!entries.is_empty()).then(|| {
                    let after = next.saturating_add(entries.len() as u64);
                    (entries.into_iter().map(Ok).collect::<Vec<_>>(), (store, after))
                }),
                Err(error) => Some((vec![Err(error)], (store, end))),
            }
        });
        chunks.boxed().flat_map(stream::iter)
    }

    async fn try_get_log_entries<RB>(&mut self, range: RB) -> io::Result<Vec<RaftEntry>>
    where
        RB: RangeBounds<u64> + Clone + Debug + OptionalSend,
    {
        let (start, end) = bounds(&range);
        self.read(start, end, usize::MAX).await
    }

    async fn limited_get_log_entries(&mut self, start: u64, end: u64) -> io::Result<Vec<RaftEntry>> {
        self.read(start, end, READ_BYTES_MAX).await
    }

    async fn read_vote(&mut self) -> io::Result<Option<RaftVote>> {
        Ok(self.log.vote().map(|vote| match vote.committed {
            true => RaftVote::new_committed(vote.term, vote.node_id),
            false => RaftVote::new(vote.term, vote.node_id),
        }))
    }
}

impl RaftLogStorage<Types> for LogStore {
    type LogReader = Self;

    async fn get_log_state(&mut self) -> io::Result<LogState<Types>> {
        let (purged, last) = self.log.state();
        Ok(LogState { last_purged_log_id: purged.map(log_id), last_log_id: last.map(log_id) })
    }

    async fn get_log_reader(&mut self) -> Self {
        self.clone()
    }

    async fn save_vote(&mut self, vote: &RaftVote) -> io::Result<()> {
        let record = VoteRecord {
            term: vote.leader_id.term,
            node_id: vote.leader_id.voted_for,
            committed: vote.committed,
        };
        durably(|done| self.log.save_vote(record, done)).await
    }

    async fn append<I>(&mut self, entries: I, callback: IOFlushed<Types>) -> io::Result<()>
    where
        I: IntoIterator<Item = RaftEntry> + OptionalSend,
        I::IntoIter: OptionalSend,
    {
        let appends = |entry: RaftEntry| {
            let work = match &entry.payload {
                EntryPayload::Normal(payload) => payload.1,
                EntryPayload::Blank | EntryPayload::Membership(_) => None,
            };
            self.state.appends(entry.log_id.index, work);
            let entry = to_log_entry(entry);
            self.state.disk.appended(entry.payload.len() as u64);
            entry
        };
        let entries = entries.into_iter().map(appends).collect();
        self.log.append(entries, Box::new(move || callback.io_completed(Ok(()))))?;
        self.publish();
        Ok(())
    }

    async fn truncate_after(&mut self, last: Option<RaftLogId>) -> io::Result<()> {
        durably(|done| self.log.truncate_after(last.as_ref().map(position), done)).await?;
        self.publish();
        Ok(())
    }

    async fn purge(&mut self, upto: RaftLogId) -> io::Result<()> {
        durably(|done| self.log.purge(position(&upto), done)).await?;
        self.publish();
        Ok(())
    }
}
