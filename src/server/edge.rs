//! Differences on an edge: when a read may run, and how writes are forwarded.
//!
//! Reads use the site's data. After a write, a connection waits until its own writes have come back from the core, for a
//! bounded time; after that it gets an error: the writes are committed and not yet visible here, which does not undo them.

use super::connection::{Close, Connection, gone};
use crate::{
    resp::{ErrorReply, Reply},
    session::Consistency,
    state::WriteToken,
    store::ReadTime,
};
use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

impl Connection {
    /// Waits until this edge may answer a read of this connection.
    pub(super) async fn edge_barrier(&mut self) -> Result<(), ErrorReply> {
        let edge = &self.thread.node.group.state.edge;
        if !edge.has_data() {
            return Err(ErrorReply::new("LOADING", "this edge does not have the core's data yet"));
        }
        let consistency = self.session.consistency;
        if consistency == Consistency::Local {
            return Ok(());
        }
        self.wait_for_own_writes().await?;
        match consistency {
            Consistency::Core => {
                let passed = self.thread.group.core_barrier().await;
                self.clock.waited();
                return passed.map(|log_ms| self.clock.read_as_of(log_ms));
            }
            Consistency::Bounded(ms) => {
                let lag = self.thread.node.group.state.edge.lag();
                if lag > Duration::from_millis(ms) {
                    let text = format!("this site is {} ms behind the core, more than {ms}", lag.as_millis());
                    return Err(ErrorReply::new("STALE", text));
                }
            }
            Consistency::Linearizable | Consistency::Session | Consistency::Local => {}
        }
        // Within the site.
        if self.thread.group.can_read() {
            return Ok(());
        }
        let passed = self.thread.group.barrier(Consistency::Linearizable).await;
        self.clock.waited();
        passed.map(|log_ms| self.clock.read_as_of(log_ms))
    }

    /// On an edge: the time of reads. Only the core's log decides what has expired, so no node of the site, whatever its
    /// clock and however often it restarts, shows an expired key again; TTLs count from log time.
    pub(super) fn edge_time(&self) -> Option<ReadTime> {
        self.thread.node.group.state.edge.is_edge().then(|| ReadTime::Copy(self.log_ms()))
    }

    async fn wait_for_own_writes(&mut self) -> Result<(), ErrorReply> {
        if self.thread.group.has_writes_of(&self.session) {
            return Ok(());
        }
        let settings = self.thread.node.config.settings();
        let within = settings.edge.as_ref().map_or(0, |edge| edge.write_wait_ms);
        drop(settings);
        let within = Duration::from_millis(within);
        let come = self.thread.group.wait_for_writes_of(&self.session, within).await;
        self.clock.waited();
        match come {
            true => Ok(()),
            false => Err(ErrorReply::new(
                "STALE",
                "this connection's last write is committed at the core but not yet visible here; try again",
            )),
        }
    }

    /// The core has taken writes of this connection.
    pub(super) fn note_writes(&mut self) {
        self.thread.group.note_writes_of(&mut self.session);
    }

    /// LASTREV. On the core, the last write that this node has acknowledged to any client.
    pub(super) fn last_revision(&self) -> Reply {
        let edge = &self.thread.node.group.state.edge;
        let index = match edge.is_edge() {
            true => {
                self.session.wrote(self.thread.group.group()).max(edge.core_index.load(Ordering::Acquire))
            }
            false => self.thread.group.acknowledged(),
        };
        Reply::count(self.token(index).number())
    }

    fn token(&self, index: u64) -> WriteToken {
        WriteToken { group: self.thread.group.group(), index }
    }

    /// WAITREV.
    pub(super) async fn wait_revision(&mut self, revision: u64, within: Duration) -> Result<Reply, Close> {
        let wanted = WriteToken::of(revision);
        if wanted.group != self.thread.group.group() {
            let text = format!("this node has no group {}: the revision is not one of its own", wanted.group);
            return Ok(Reply::Error(ErrorReply::err(text)));
        }
        let client = Arc::clone(&self.session.client);
        let _blocked = client.block();
        let come = tokio::select! {
            come = self.thread.group.wait_core(wanted.index, within) => come,
            () = client.wait_killed() => return Err(Close::Now),
            _ = self.thread.stop.wait() => return Err(Close::Now),
            () = gone(&mut self.stream, &mut self.input, &client, &self.thread.node.stats) => {
                return Err(Close::Now);
            }
        };
        self.clock.lap();
        let has = self.token(self.thread.node.group.state.edge.core_index.load(Ordering::SeqCst)).number();
        Ok(match come {
            true => Reply::count(has),
            false => {
                let text = format!("this node has revision {has}, not yet {revision}; try again");
                Reply::Error(ErrorReply::new("STALE", text))
            }
        })
    }

    /// DEBUG CHECKSUM: reads everything, on a thread that may wait.
    pub(super) async fn checksum(&mut self) -> Result<Reply, Close> {
        let published = self.thread.node.group.store.published();
        let index = published.state().applied.map_or(0, |applied| applied.index);
        match self.on_pool(move || published.read_all(0)).await {
            Ok(Ok(read)) if !read.missized.is_empty() => {
                let text = format!("the rows of databases {:?} do not take the bytes counted", read.missized);
                Ok(Reply::Error(ErrorReply::err(text)))
            }
            Ok(Ok(read)) => Ok(Reply::Array(vec![Reply::count(index), Reply::count(read.checksum)])),
            Ok(Err(error)) => self.reply_of(Err(error.into())),
            Err(error) => Ok(Reply::Error(error)),
        }
    }
}
