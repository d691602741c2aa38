//! What is different on an edge: when a read may go on, and what becomes of writes.
//!
//! Reads answer from what the site has. A connection that wrote waits until its own writes have come back from the core,
//! for a bounded time; then it is told that they are committed and not yet visible here, which is no failure of the write.

use super::{
    ahead::gone,
    connection::{Close, Connection},
};
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
        let edge = &self.thread.node.log.edge;
        if !edge.has_data() {
            return Err(ErrorReply::new("LOADING", "this edge has not yet got the data of the core"));
        }
        let consistency = self.session.consistency;
        if consistency == Consistency::Local {
            return Ok(());
        }
        if self.session.wrote > edge.core_index.load(Ordering::SeqCst) {
            self.wait_for_own_writes().await?;
        }
        match consistency {
            Consistency::Core => {
                let passed = self.thread.log.core_barrier().await;
                self.clock.tick();
                return passed.map(|log_ms| self.clock.read_as_of(log_ms));
            }
            Consistency::Bounded(ms) => {
                let lag = self.thread.node.log.edge.lag();
                if lag > Duration::from_millis(ms) {
                    let text = format!("this site is {} ms behind the core, more than {ms}", lag.as_millis());
                    return Err(ErrorReply::new("STALE", text));
                }
            }
            Consistency::Linearizable | Consistency::Session | Consistency::Local => {}
        }
        // Within the site.
        if self.thread.log.can_read() {
            return Ok(());
        }
        let passed = self.thread.log.barrier(Consistency::Linearizable).await;
        self.clock.tick();
        passed.map(|log_ms| self.clock.read_as_of(log_ms))
    }

    /// On an edge: as of when reads are. What has expired is for the core's log to say, so that no node of the site, whatever
    /// its clock and however often it starts, shows again what was gone; time left is counted from log time.
    pub(super) fn edge_time(&self) -> Option<ReadTime> {
        self.thread.node.log.edge.is_edge().then(|| ReadTime::Copy(self.log_ms()))
    }

    async fn wait_for_own_writes(&mut self) -> Result<(), ErrorReply> {
        let settings = self.thread.node.config.settings();
        let within = settings.edge.as_ref().map_or(0, |edge| edge.write_wait_ms);
        drop(settings);
        let come = self.thread.log.wait_core(self.session.wrote, Duration::from_millis(within)).await;
        self.clock.tick();
        match come {
            true => Ok(()),
            false => Err(ErrorReply::new(
                "STALE",
                "what this connection wrote is committed at the core and not yet visible here; try again",
            )),
        }
    }

    /// The core has taken writes of this connection.
    pub(super) fn note_writes(&mut self) {
        let state = &self.thread.node.log;
        if state.edge.is_edge() {
            self.session.wrote = self.session.wrote.max(state.forwarded_index());
        }
    }

    /// LASTREV. On the core what this node has acknowledged to anybody.
    pub(super) fn last_revision(&self) -> Reply {
        let edge = &self.thread.node.log.edge;
        let index = match edge.is_edge() {
            true => self.session.wrote.max(edge.core_index.load(Ordering::Acquire)),
            false => self.thread.log.acknowledged(),
        };
        Reply::count(self.token(index).number())
    }

    fn token(&self, index: u64) -> WriteToken {
        WriteToken { group: self.thread.log.group(), index }
    }

    /// WAITREV.
    pub(super) async fn wait_revision(&mut self, revision: u64, within: Duration) -> Result<Reply, Close> {
        let wanted = WriteToken::of(revision);
        if wanted.group != self.thread.log.group() {
            let text = format!("this node has no group {}: the revision is not one of its own", wanted.group);
            return Ok(Reply::Error(ErrorReply::err(text)));
        }
        let client = Arc::clone(&self.session.client);
        let _blocked = client.block();
        let come = tokio::select! {
            come = self.thread.log.wait_core(wanted.index, within) => come,
            () = client.wait_killed() => return Err(Close::Now),
            _ = self.thread.stop.wait() => return Err(Close::Now),
            () = gone(&mut self.stream, &mut self.input, &client, &self.thread.node.stats) => {
                return Err(Close::Now);
            }
        };
        self.clock.lap();
        let has = self.token(self.thread.node.log.edge.core_index.load(Ordering::SeqCst)).number();
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
        let published = self.thread.node.store.published();
        let index = published.state().applied.map_or(0, |applied| applied.index);
        match self.on_pool(move || published.checksum()).await {
            Ok(Ok(sum)) => Ok(Reply::Array(vec![Reply::count(index), Reply::count(sum)])),
            Ok(Err(error)) => self.reply_of(Err(error.into())),
            Err(error) => Ok(Reply::Error(error)),
        }
    }
}
