//! Calls of scripts and functions. One that only reads is answered from a view, as a read; any other is logged.
//!
//! **Which way.** What this node has seen of a script decides (`ScriptRun::outlook`). One that has not written so far begins on a
//! view; when it is about to write, that run is dropped and the call is logged. One that is not known to be short is tried
//! out first: in a batch that is thrown away, on the pool, where it stalls nobody and can be killed. Only what came to its
//! end there is logged, so a script without end never reaches the log by surprise; the budget of apply is the net below.
//! What the trial saw may have changed when the entry is applied: it decides nothing else.

use super::{
    connection::{Close, Connection},
    read::{Answer, Form, borrowed, owned},
};
use crate::{
    command::{Args, Outlook, Resolved, ScriptRun, guarded},
    config::{EdgeWrites, OnFollower},
    error::Error,
    resp::{ErrorReply, Reply},
    store::{LogId, ReadTime},
};
use std::sync::Arc;

impl Connection {
    /// Runs a script, or queues it behind the chunk's writes.
    pub(super) async fn script(
        &mut self,
        call: Resolved,
        script: ScriptRun,
        argv: &[&[u8]],
    ) -> Result<(), Close> {
        let outlook = self.outlook(call, script, argv);
        if outlook.writes && outlook.is_short && outlook.is_kept && self.may_keep() {
            self.write(call, argv).await;
            return Ok(());
        }
        self.flush_writes().await;
        let mut was_short = outlook.is_short;
        if !outlook.writes {
            match self.try_read(call, argv, Form::Values).await {
                Err(Error::Writes) => {}
                // EVAL keeps its script, for those who call it by its SHA-1.
                Ok(Answer::Reply(reply))
                    if !outlook.is_kept && !matches!(reply, Reply::Error(_)) && self.may_keep() =>
                {
                    was_short = true;
                }
                Ok(Answer::Reply(reply)) => return self.answer_script(call, Ok(reply)),
                Ok(Answer::Encoded(_) | Answer::Bulk(_)) => {
                    return self.answer_script(call, Err(ErrorReply::err("internal error").into()));
                }
                Err(error) => return self.answer_script(call, Err(error)),
            }
        }
        if self.takes_no_writes() {
            return self.answer_script(call, Err(ErrorReply::read_only().into()));
        }
        if !self.may_grow() {
            return self.answer_script(call, Err(ErrorReply::disk_is_almost_full().into()));
        }
        if !was_short && let Err(error) = self.try_out(call, script, argv).await {
            return self.answer_script(call, Err(error));
        }
        self.write(call, argv).await;
        Ok(())
    }

    fn answer_script(&mut self, call: Resolved, outcome: Result<Reply, Error>) -> Result<(), Close> {
        let reply = self.reply_of(outcome)?;
        self.finish(call.index, &reply);
        Ok(())
    }

    fn outlook(&self, call: Resolved, script: ScriptRun, argv: &[&[u8]]) -> Outlook {
        let store = &self.thread.node.group.store;
        let published = store.latest();
        let view = store.view(&published, self.session.db, ReadTime::LastEntry).quiet();
        let unknown = Outlook { writes: false, is_short: false, is_kept: false };
        guarded(|| (script.outlook)(&view, &mut Args::new(argv, call.names))).unwrap_or(unknown)
    }

    /// Whether there is room on disk for what a script may add: how much is not known before it runs.
    fn may_grow(&self) -> bool {
        self.thread.node.group.state.may_grow(0)
    }

    /// Whether this node can have a script kept that it has just run.
    fn may_keep(&self) -> bool {
        !self.takes_no_writes() && self.may_grow()
    }

    /// Whether clients of this node must send their writes elsewhere. For a script it is too early to say before it runs.
    fn takes_no_writes(&self) -> bool {
        let node = &self.thread.node;
        let settings = node.config.settings();
        match settings.edge.as_ref() {
            Some(edge) => edge.writes == EdgeWrites::Reject,
            None => settings.on_follower == OnFollower::Readonly && node.group.state.follows(),
        }
    }

    /// Runs it in a batch that is thrown away. An error says why it must not be logged.
    async fn try_out(&mut self, call: Resolved, script: ScriptRun, argv: &[&[u8]]) -> Result<(), Error> {
        // A script that was loaded through another node is known here by now.
        self.barrier().await?;
        let turn = self.thread.long_reads.begin().await?;
        let node = &self.thread.node;
        let (store, seed) = (Arc::clone(&node.group.store), node.group.state.environment().random());
        let (at, db, argv) = (self.log_ms(), self.session.db, owned(argv));
        self.on_pool(move || {
            let published = store.published();
            let index = published.state().applied.map_or(0, |applied| applied.index).saturating_add(1);
            let mut txn = store.trial(published);
            txn.begin_entry(LogId { term: 0, index }, at, seed);
            txn.begin_command(db);
            let argv = borrowed(&argv);
            let tried = guarded(|| (script.tried)(&mut txn, &mut Args::new(&argv, call.names)));
            drop(turn);
            tried
        })
        .await?
    }
}
