//! Runs a call: the gates (`gates.rs`), then its handler, by its kind.

use super::{
    connection::{Close, Connection},
    gates::Refusal,
    monitor::Shows,
    read::{Answer, Form},
};
use crate::{
    command::{Args, Flags, Resolved, Run, TrialRules},
    error::Error,
    resp::{ErrorReply, Reply, bulk_head},
    session::{Commit, Context, Origin, Stats, TracedCall},
};
use bytes::BytesMut;
use std::{
    sync::atomic::Ordering,
    time::{Duration, Instant},
};

/// Longest wait of AUTH for users that this node has yet to apply.
const USERS_WAIT_MAX: Duration = Duration::from_millis(500);

impl Connection {
    /// Runs one call and appends its reply, or queues it behind the chunk's writes.
    pub(super) async fn dispatch(&mut self, argv: &[&[u8]]) -> Result<(), Close> {
        let admitted = match self.admit(argv) {
            Err(Refusal::NotYet(..)) => Box::pin(self.admit_in_time(argv)).await,
            admitted => admitted,
        };
        let call = match admitted {
            Ok(call) => call,
            Err(refusal) => return Box::pin(self.refuse(refusal, argv)).await,
        };
        self.log_request(call, argv);
        if self.queued(call, argv).await {
            return Ok(());
        }
        if self.is_held_back(call) {
            Box::pin(self.paused(call)).await?;
        }
        self.ran = None;
        let shows = self.shows(call);
        if shows == Shows::Before {
            self.show(self.session.db, call, argv);
        }
        let outcome = self.run(call, argv).await;
        if shows == Shows::After {
            self.show(self.session.db, call, argv);
        }
        self.log_run(call, argv);
        outcome
    }

    /// Handles a refused call. A refused EXEC ends its transaction all the same; any other refused call inside MULTI makes
    /// EXEC abort.
    async fn refuse(&mut self, refusal: Refusal, argv: &[&[u8]]) -> Result<(), Close> {
        let name = argv.first().copied().unwrap_or_default();
        let is_exec = self.thread.table.get(name).is_some_and(|row| row.flags.has(Flags::RUNS_QUEUE));
        let error = match refusal {
            Refusal::Security => {
                tracing::warn!(
                    client = self.session.client.id,
                    "a client speaks HTTP, possibly a cross-protocol attack; closing it"
                );
                return Err(Close::Now);
            }
            Refusal::Gone => {
                self.flush_writes().await;
                return Err(Close::AfterReply);
            }
            Refusal::Error(error) | Refusal::NotYet(error, _) if is_exec => {
                let why = if error.code() == "ERR" { error.text().to_owned() } else { error.to_string() };
                ErrorReply::new("EXECABORT", format!("Transaction discarded because of: {why}"))
            }
            Refusal::Error(error) | Refusal::Elsewhere(error) | Refusal::NotYet(error, _) => error,
        };
        self.flush_writes().await;
        if is_exec {
            self.session.transaction = None;
            self.session.unwatch(self.thread.group.group());
            self.session.client.queued.store(u32::MAX, Ordering::Relaxed);
        } else if let Some(transaction) = &mut self.session.transaction {
            transaction.aborted = true;
        }
        self.reply_error(error);
        Ok(())
    }

    /// Counts a call that ran.
    pub(super) fn count_call(&mut self, index: usize, took: Duration, failed: bool) {
        self.count(index, took, failed, None);
    }

    /// As `count_call`, for a write.
    pub(super) fn count_write(&mut self, index: usize, commit: Commit, failed: bool) {
        self.count(index, commit.share(), failed, Some(commit));
    }

    fn count(&mut self, index: usize, took: Duration, failed: bool, commit: Option<Commit>) {
        if let Some(traces) = &self.thread.node.traces
            && traces.is_sampled(self.thread.stats.number_call())
        {
            let name = self.thread.table.names().get(index).map_or("", String::as_str);
            traces.call(TracedCall { name, db: self.session.db, took, failed, commit });
        }
        self.commands = self.commands.saturating_add(1);
        self.thread.stats.record(index, took);
        if let Some(stats) = self.thread.node.stats.command(index) {
            Stats::add(&stats.calls, 1);
            Stats::add(&stats.micros, u64::try_from(took.as_micros()).unwrap_or(u64::MAX));
            if failed {
                Stats::add(&stats.failed, 1);
            }
        }
    }

    async fn run(&mut self, resolved: Resolved, argv: &[&[u8]]) -> Result<(), Close> {
        let checked = self
            .in_cluster(resolved, argv)
            .and_then(|()| self.may_read_untold(resolved, argv, self.session.db));
        if let Err(error) = checked {
            self.flush_writes().await;
            self.finish(resolved.index, &Reply::Error(error));
            return Ok(());
        }
        let rules = match resolved.command.script_flags {
            Some(flags_of) if self.looks_at_flags() => {
                match Box::pin(self.script_rules(resolved, flags_of, argv)).await {
                    Ok(rules) => rules,
                    Err(error) => {
                        self.flush_writes().await;
                        self.finish(resolved.index, &Reply::Error(error));
                        return Ok(());
                    }
                }
            }
            _ => TrialRules::NONE,
        };
        if let Some(wait_for) = resolved.command.wait {
            let reply = Box::pin(self.wait_for_keys(resolved, wait_for, argv)).await?;
            self.clock.waited();
            self.finish(resolved.index, &reply);
            return Ok(());
        }
        match resolved.command.run {
            Run::Write(_) if resolved.command.flags.has(Flags::CHANGES_USERS) => {
                Box::pin(self.change_users(resolved, argv)).await;
            }
            Run::Write(_) => self.write(resolved, argv).await,
            Run::Script(script) => Box::pin(self.script(resolved, script, rules, argv)).await?,
            // A read behind writes of the same chunk, with a short reply, travels with them: one round trip for all.
            Run::Read(_) if self.travels(resolved, argv) => self.write(resolved, argv).await,
            Run::Read(_) => {
                self.flush_writes().await;
                match self.read(resolved, argv, Form::AsSent).await? {
                    Answer::Reply(reply) => self.finish(resolved.index, &reply),
                    Answer::Encoded(reply) => self.finish_encoded(resolved.index, reply).await?,
                    Answer::Bulk(value) => self.finish_bulk(resolved.index, value).await?,
                }
            }
            Run::Local(handler) => {
                self.flush_writes().await;
                if resolved.command.has_password.is_some() {
                    Box::pin(self.wait_to_authenticate(resolved, argv)).await?;
                }
                if resolved.command.flags.has(Flags::AFTER_BARRIER)
                    && let Err(error) = Box::pin(self.barrier()).await
                {
                    self.finish(resolved.index, &Reply::Error(error));
                    return Ok(());
                }
                let (mut context, mut args) = (self.context(), Args::new(argv, resolved.names));
                let outcome = handler(&mut context, &mut args);
                if resolved.command.flags.has(Flags::AFTER_MESSAGES) {
                    self.pass_on().await?;
                }
                let reply = self.reply_of(outcome)?;
                self.finish(resolved.index, &reply);
            }
            Run::Async(handler) => {
                self.flush_writes().await;
                let (mut context, mut args) = (self.context(), Args::new(argv, resolved.names));
                let outcome = handler(&mut context, &mut args);
                match outcome {
                    Ok(effect) => {
                        let reply = Box::pin(self.perform(effect)).await?;
                        self.finish(resolved.index, &reply);
                    }
                    Err(error) => {
                        let reply = self.reply_of(Err(error))?;
                        self.finish(resolved.index, &reply);
                    }
                }
            }
            Run::Container => {
                self.flush_writes().await;
                self.count_rejected(Some(resolved.index));
                let name = resolved.command.name.to_ascii_lowercase();
                self.reply_error(ErrorReply::wrong_arity(&name));
            }
        }
        Ok(())
    }

    /// After wrong passwords from its address, an attempt waits until it is due.
    async fn wait_to_authenticate(&mut self, resolved: Resolved, argv: &[&[u8]]) -> Result<(), Close> {
        let has_password = resolved.command.has_password.is_some_and(|has_password| has_password(argv));
        let from = Origin::of(&self.session.client.peer);
        // A user that was just made through another node. Bounded: while the leader is away, users known here still get in.
        let node = &self.thread.node;
        if has_password && !self.thread.group.can_read() && node.group.state.is_link_up() {
            let _ = tokio::time::timeout(USERS_WAIT_MAX, self.barrier()).await;
        }
        while has_password && let Some(left) = self.thread.node.auth_failures.held_for(from, Instant::now()) {
            self.send().await?;
            self.pause_for(left).await?;
            self.clock.waited();
        }
        Ok(())
    }

    /// The words that the log carries, if they are others than those of the call.
    pub(super) fn as_logged(
        &self,
        call: Resolved,
        argv: &[&[u8]],
    ) -> Result<Option<Vec<Vec<u8>>>, ErrorReply> {
        call.command.logged_as.map(|as_logged| as_logged(&self.thread.node, argv)).transpose()
    }

    /// Counts a call and appends its reply.
    pub(super) fn finish(&mut self, index: usize, reply: &Reply) {
        let took = self.clock.lap();
        self.count_call(index, took, matches!(reply, Reply::Error(_)));
        let before = self.output.len();
        self.reply(reply);
        self.note_ran(self.output.len().saturating_sub(before));
    }

    /// As `finish`, for the reply of a long read, already encoded. It is not copied: it becomes the output.
    async fn finish_encoded(&mut self, index: usize, reply: BytesMut) -> Result<(), Close> {
        let took = self.clock.lap();
        self.count_call(index, took, false);
        self.note_ran(reply.len());
        let hold = self.hold.take();
        self.send().await?;
        let empty = std::mem::replace(&mut self.output, reply);
        self.thread.buffers.give_back(empty);
        self.hold = hold;
        Ok(())
    }

    /// As `finish_encoded`, for a large string: the client takes it before anything follows.
    async fn finish_bulk(&mut self, index: usize, value: BytesMut) -> Result<(), Close> {
        bulk_head(value.len(), &mut self.output);
        self.finish_encoded(index, value).await?;
        self.send().await?;
        self.output.extend_from_slice(b"\r\n");
        Ok(())
    }

    pub(super) fn context(&mut self) -> Context<'_> {
        Context { session: &mut self.session, node: &self.thread.node, now: self.clock.now_ms() }
    }

    /// A handler's outcome as a reply; a store failure stops the node.
    pub(super) fn reply_of(&self, outcome: Result<Reply, Error>) -> Result<Reply, Close> {
        match outcome {
            Ok(reply) => Ok(reply),
            Err(Error::Client(error)) => Ok(Reply::Error(error)),
            Err(Error::WouldBlock | Error::NotLogged | Error::Writes) => {
                Ok(Reply::Error(ErrorReply::err("internal error")))
            }
            Err(Error::Fatal(error)) => error.stop_the_process("the store failed while reading"),
        }
    }
}
