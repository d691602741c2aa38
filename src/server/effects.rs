//! Executes the effects of Async commands.

use super::{
    connection::{Close, Connection, gone},
    read::Attempt,
};
use crate::{
    command::Effect,
    commands::server::largest_keys,
    error::Result as HandlerResult,
    limits,
    replication::without_words,
    resp::{ErrorReply, Reply},
    session::{Publication, Stats},
    store::{Condition, ReadTime},
    time::{monotonic_ms, now_ms},
};
use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

impl Connection {
    /// Does what an Admin handler decided.
    pub(super) async fn perform(&mut self, effect: Effect) -> Result<Reply, Close> {
        Ok(match effect {
            Effect::Reply(reply) => reply,
            Effect::ReplyAfter(delay, reply) => {
                self.send().await?;
                self.pause_for(delay).await?;
                reply
            }
            Effect::Replicated { wanted, within, aof } => {
                self.send().await?;
                self.replicated(wanted, within, aof).await?
            }
            Effect::LastRevision => self.last_revision(),
            Effect::WaitRevision { revision, within } => {
                self.send().await?;
                self.wait_revision(revision, within).await?
            }
            Effect::Checksum => self.checksum().await?,
            Effect::Compact => self.compact().await,
            Effect::Publish(message) => self.publish(message).await,
            Effect::Core(request) => {
                tracing::info!(client = self.session.client.id, ?request, "asked to change the core");
                self.thread.group.core(request).await
            }
            Effect::Source(request) => {
                tracing::info!(client = self.session.client.id, ?request, "asked about a source");
                self.thread.group.source(request).await
            }
            Effect::Exec => self.exec().await?,
            Effect::Watch(keys) => self.watch(keys).await?,
            Effect::Track { options, since } => {
                let reply = self.start_tracking(options);
                if let Some(since) = since {
                    self.tell_since(&since).await?;
                }
                reply
            }
            Effect::TrackingRevision => self.tracking_revision().await?,
            Effect::Cached { revision, keys } => self.cached(&revision, &keys).await,
            Effect::LargestKeys { kind, count } => {
                let store = Arc::clone(&self.thread.node.group.store);
                match self.on_pool(move || store.largest_keys()).await {
                    Ok(Ok(found)) => largest_keys(found, kind, count),
                    Ok(Err(error)) => self.reply_of(Err(error.into()))?,
                    Err(error) => Reply::Error(error),
                }
            }
            Effect::Psync(wanted) => {
                self.feed_follower(*wanted).await?;
                Reply::None
            }
            Effect::Migrate(order) => {
                self.send().await?;
                self.migrate(*order).await?
            }
            Effect::Checkpoint { background } => self.checkpoint(background).await,
            Effect::SaveUsers => self.save_users().await,
            Effect::Report { has_words } => {
                let reports = self.thread.group.reports(false).await;
                Reply::bulk(if has_words { reports } else { without_words(&reports) })
            }
            Effect::KillScripts { of_functions } => self.kill_scripts(of_functions).await,
            Effect::Shutdown(mode) => {
                // As Redis: the closed connection is the answer.
                tracing::info!(client = self.session.client.id, ?mode, "SHUTDOWN asked for");
                let timeout = self.thread.node.config.settings().shutdown_timeout_seconds;
                self.thread.stop.ask(mode, Duration::from_secs(timeout));
                return Err(Close::Now);
            }
        })
    }

    /// Publishes a message: here, or through the leader on all nodes.
    pub(super) async fn publish(&mut self, message: Publication) -> Reply {
        let node = &self.thread.node;
        if !node.group.state.is_one_of_many.load(Ordering::Relaxed) && !node.group.state.edge.is_edge() {
            return Reply::count(node.pubsub.publish(&message));
        }
        // The core counts its own listeners; those of this edge get the message from the feed.
        let reaches_here =
            node.group.state.edge.is_edge() && message.payload.len() <= limits::PUBSUB_TAP_BYTES_MAX;
        let here = if reaches_here { node.pubsub.audience(&message) } else { 0 };
        let published = self.thread.group.publish(message).await;
        self.clock.waited();
        match published {
            Ok(count) => Reply::count(count.saturating_add(here)),
            Err(error) => Reply::Error(error),
        }
    }

    /// WAIT and WAITAOF: acknowledged writes are on disk here or (on a follower) at the leader.
    pub(super) async fn replicated(
        &mut self,
        wanted: u32,
        within: Duration,
        aof: bool,
    ) -> Result<Reply, Close> {
        let client = Arc::clone(&self.session.client);
        let _blocked = client.block();
        let nodes = tokio::select! {
            nodes = self.thread.group.replicated(wanted, within) => nodes,
            () = client.wait_killed() => return Err(Close::Now),
            _ = self.thread.stop.wait() => return Err(Close::Now),
            () = gone(&mut self.stream, &mut self.input, &client, &self.thread.node.stats) => {
                return Err(Close::Now);
            }
        };
        self.clock.lap();
        let nodes = Reply::count(nodes);
        Ok(if aof { Reply::Array(vec![Reply::Int(1), nodes]) } else { nodes })
    }

    pub(super) async fn pause_for(&mut self, delay: Duration) -> Result<(), Close> {
        self.unless_gone(tokio::time::sleep(delay)).await
    }

    /// Waits for something as long as somebody waits for the reply.
    pub(super) async fn unless_gone<T>(&mut self, work: impl Future<Output = T>) -> Result<T, Close> {
        let client = Arc::clone(&self.session.client);
        tokio::select! {
            done = work => Ok(done),
            () = client.wait_killed() => Err(Close::Now),
            _ = self.thread.stop.wait() => Err(Close::Now),
            () = gone(&mut self.stream, &mut self.input, &client, &self.thread.node.stats) => Err(Close::Now),
        }
    }

    async fn watch(&mut self, keys: Vec<Vec<u8>>) -> Result<Reply, Close> {
        let (db, group) = (self.session.db, self.thread.group.group());
        let fresh = self.session.of_group(group).unwatched(db, keys);
        let (count, bytes) = self.session.watching();
        let bytes = fresh.iter().fold(bytes, |sum, key| sum.saturating_add(key.len()));
        if count.saturating_add(fresh.len()) > limits::WATCHED_KEYS_MAX || bytes > limits::WATCHED_BYTES_MAX {
            return Ok(Reply::Error(ErrorReply::err("too many watched keys")));
        }
        if let Err(refusal) = self.barrier().await {
            return Ok(Reply::Error(refusal));
        }
        let own = self.session.of_group(group);
        let store = Arc::clone(&self.thread.node.group.store);
        let watched = own.watched.get_or_insert_with(|| store.watches());
        for key in &fresh {
            store.watch(watched, db, key);
        }
        let time = self.edge_time().unwrap_or(ReadTime::At(self.log_ms()));
        let conditions = self
            .attempt(
                time,
                |attempt| revisions(attempt, db, &fresh),
                || {
                    let keys = fresh.clone();
                    move |attempt: &Attempt<'_>| revisions(attempt, db, &keys)
                },
            )
            .await;
        match conditions {
            Ok(conditions) => {
                self.session.of_group(group).watch(conditions);
                let watched = u32::try_from(self.session.watching().0).unwrap_or(u32::MAX);
                self.session.client.watched.store(watched, Ordering::Relaxed);
                Ok(Reply::Ok)
            }
            Err(error) => self.reply_of(Err(error)),
        }
    }

    /// DEBUG COMPACT.
    async fn compact(&self) -> Reply {
        let store = Arc::clone(self.thread.group.store());
        match tokio::task::spawn_blocking(move || store.compact()).await {
            Ok(Ok(())) => Reply::Ok,
            Ok(Err(error)) if error.is_disk_full() => Reply::Error(ErrorReply::err(error.to_string())),
            Ok(Err(error)) => error.stop_the_process("the store failed while it was compacted"),
            Err(_) => Reply::Error(ErrorReply::err("compaction failed, see the log")),
        }
    }

    /// BGSAVE and SAVE: a checkpoint of the store.
    pub(super) async fn checkpoint(&mut self, background: bool) -> Reply {
        let node = Arc::clone(&self.thread.node);
        if node.checkpoint_running.swap(true, Ordering::AcqRel) {
            return Reply::Error(ErrorReply::err("Background save already in progress"));
        }
        let began_ms = monotonic_ms();
        node.checkpoint_began_ms.store(began_ms, Ordering::Relaxed);
        let log = self.thread.group.clone();
        let work = async move {
            let outcome = log.snapshot().await;
            node.last_checkpoint_ok.store(outcome.is_ok(), Ordering::Relaxed);
            match &outcome {
                Ok(()) => {
                    let seconds = i64::try_from(now_ms() / 1000).unwrap_or(i64::MAX);
                    node.last_save.store(seconds, Ordering::Relaxed);
                    Stats::add(&node.checkpoints, 1);
                }
                Err(error) => {
                    tracing::warn!(%error, "checkpoint failed; INFO says rdb_last_bgsave_status:err")
                }
            }
            let took = monotonic_ms().saturating_sub(began_ms) / 1000;
            node.checkpoint_seconds.store(i64::try_from(took).unwrap_or(i64::MAX), Ordering::Relaxed);
            node.checkpoint_began_ms.store(0, Ordering::Relaxed);
            node.checkpoint_running.store(false, Ordering::Release);
            outcome.is_ok()
        };
        if background {
            tokio::task::spawn_local(work);
            return Reply::Simple("Background saving started".into());
        }
        if work.await { Reply::Ok } else { Reply::Error(ErrorReply::err("checkpoint failed, see the log")) }
    }
}

/// The state that WATCH remembers for these keys.
fn revisions(attempt: &Attempt<'_>, db: u32, keys: &[Vec<u8>]) -> HandlerResult<Vec<Condition>> {
    let view = attempt.view(db).quiet();
    keys.iter()
        .map(|key| {
            let revision = view.get(key)?.map(|row| row.revision);
            Ok(Condition { db, key: key.clone(), revision })
        })
        .collect()
}
