//! EXEC: the queued commands as one proposal, or, if none of them writes, as reads at one point in time.
//!
//! Commands that only affect the session (PING, SELECT, CLIENT …) are not in the log entry. They run here, once the
//! transaction is committed, and their replies are merged with the others. SELECT is evaluated while the proposal is built,
//! so that the commands behind it use the right database.

use super::{
    connection::{Close, Connection},
    entry_size::{encoded_len, too_large},
    exec_steps::{Done, Reads, Step, are_short, replies_too_long, run_reads},
    monitor::Shows,
    read::{Attempt, borrowed},
};
use crate::{
    command::{Args, Effect, Run},
    commands::scripting::Inner,
    error::Error,
    limits,
    replica::ProposalBuilder,
    resp::{ErrorReply, Reply},
    session::{CalledBy, CoreRequest, QueuedCall, Transaction},
    state::Work,
    store::{Condition, ReadTime},
};
use std::{
    sync::{Arc, atomic::Ordering},
    time::{Duration, Instant},
};

impl Connection {
    /// Runs the open transaction.
    pub(super) async fn exec(&mut self) -> Result<Reply, Close> {
        let Some(transaction) = self.session.transaction.take() else {
            return Ok(Reply::Error(ErrorReply::err("EXEC without MULTI")));
        };
        let tracked = self.tracks_reads();
        let (watches, touched) = self.session.unwatch(self.thread.group.group());
        let reply = if touched && !transaction.aborted {
            Ok(Reply::NilArray)
        } else {
            self.run_transaction(transaction, watches).await
        };
        self.session.client.queued.store(u32::MAX, Ordering::Relaxed);
        if !tracked {
            self.void_untracked();
        }
        reply
    }

    async fn run_transaction(
        &mut self,
        transaction: Transaction,
        watches: Vec<Condition>,
    ) -> Result<Reply, Close> {
        if transaction.aborted {
            return Ok(Reply::Error(ErrorReply::exec_abort()));
        }
        let mut steps = match self.plan(transaction.calls) {
            Ok(steps) => steps,
            Err(error) => return Ok(Reply::Error(error)),
        };
        for step in steps.iter_mut().filter(|step| step.refused.is_none()) {
            // Rules for trials have no meaning here: a transaction is not tried out.
            if let Some(flags_of) = step.call.command.script_flags
                && self.looks_at_flags()
            {
                let (call, words) = (step.call, borrowed(&step.argv));
                step.refused = Box::pin(self.script_rules(call, flags_of, &words)).await.err();
            }
        }
        let steps = Arc::new(steps);
        if !self.replies_are_bounded(&steps).await? {
            return Ok(replies_too_long());
        }
        let began = Instant::now();
        let writes = steps.iter().any(|step| step.is_data() && step.call.command.is_write());
        let done: Result<Vec<Done>, Reply> = if writes {
            match self.exec_in_log(&steps, &watches).await? {
                Reply::Array(replies) => Ok(replies.into_iter().map(Done::in_log).collect()),
                other => Err(other),
            }
        } else {
            self.exec_as_reads(&steps, watches).await?
        };
        match done {
            Ok(done) => {
                let share = began.elapsed() / u32::try_from(done.len()).unwrap_or(u32::MAX).max(1);
                self.assemble(&steps, done.into_iter(), share).await
            }
            Err(reply) => Ok(reply),
        }
    }

    fn plan(&self, calls: Vec<QueuedCall>) -> Result<Vec<Step>, ErrorReply> {
        let mut db = self.session.db;
        let mut steps = Vec::with_capacity(calls.len());
        for QueuedCall { row, argv } in calls {
            let call = self.thread.table.at(row).ok_or_else(|| ErrorReply::err("internal error"))?;
            let words = borrowed(&argv);
            let admitted = self.admit_queued(call, &words, db).and_then(|()| self.as_logged(call, &words));
            let selected = call.command.selects.filter(|_| admitted.is_ok());
            let behind = selected.and_then(|selects| selects(&words)).unwrap_or(db);
            let (logged, refused) = match admitted {
                Ok(logged) => (logged, None),
                Err(error) => (None, Some(error)),
            };
            let (caller, argv) = (self.caller_of(call), logged.unwrap_or(argv));
            steps.push(Step { call, db, argv, caller, refused });
            db = behind;
        }
        Ok(steps)
    }

    /// Of an EXEC that writes: whether the replies of its reads are about to be short enough. They are made where the log is
    /// applied. There it is too late to refuse the EXEC: whether replies are made at all differs from node to node.
    async fn replies_are_bounded(&mut self, steps: &Arc<Vec<Step>>) -> Result<bool, Close> {
        let writes = steps.iter().any(|step| step.is_data() && step.call.command.is_write());
        if !writes || !steps.iter().any(Step::returns_data) {
            return Ok(true);
        }
        let outcome = self
            .attempt(
                ReadTime::LastEntry,
                |attempt| are_short(attempt, steps),
                || {
                    let steps = Arc::clone(steps);
                    move |attempt: &Attempt<'_>| are_short(attempt, &steps)
                },
            )
            .await;
        match outcome {
            Err(Error::Fatal(error)) => error.stop_the_process("the store failed while reading"),
            // The calls themselves will tell.
            outcome => Ok(outcome.unwrap_or(true)),
        }
    }

    async fn exec_in_log(&mut self, steps: &[Step], watches: &[Condition]) -> Result<Reply, Close> {
        let mut builder = ProposalBuilder::transaction(watches);
        let mut work = Work { calls: u32::try_from(watches.len()).unwrap_or(u32::MAX), ..Work::NONE };
        for step in steps.iter().filter(|step| step.is_data()) {
            let words = step.words();
            if builder.len().saturating_add(encoded_len(&words)).saturating_add(1024)
                > limits::ENTRY_BYTES_MAX
            {
                return Ok(Reply::Error(too_large()));
            }
            let user = step.caller.as_ref().map(|user| user.name().as_bytes());
            builder.push_as(step.db, user, self.origin_of(step.call), &words);
            work = work.and(step.call.work(&words));
        }
        Ok(match self.thread.propose(&self.session.client, builder.finish(), work).await.applied() {
            Ok(replies) => {
                self.note_writes();
                replies.into_iter().next().unwrap_or(Reply::NilArray)
            }
            Err(error) => Reply::Error(error),
        })
    }

    /// What the reads have found, or the reply to the whole.
    async fn exec_as_reads(
        &mut self,
        steps: &Arc<Vec<Step>>,
        watches: Vec<Condition>,
    ) -> Result<Result<Vec<Done>, Reply>, Close> {
        if steps.iter().all(|step| !step.is_data()) && watches.is_empty() {
            return Ok(Ok(Vec::new()));
        }
        if let Err(refusal) = self.barrier().await {
            return Ok(Err(Reply::Error(refusal)));
        }
        let untouched = steps.iter().map(|step| self.leaves_untouched(step.call)).collect();
        let is_watched = self.thread.node.monitors.is_watched();
        let reads = Arc::new(Reads { steps: Arc::clone(steps), untouched, watches, is_watched });
        let tracks = self.tracks_reads();
        if tracks {
            for step in steps.iter().filter(|step| step.is_data()) {
                Box::pin(self.track(step.call, &step.words())).await;
            }
        }
        let outcome = self
            .attempt(
                self.read_time(),
                |attempt| attempt.tracking(tracks, || run_reads(attempt, &reads)),
                || {
                    let reads = Arc::clone(&reads);
                    move |attempt: &Attempt<'_>| attempt.tracking(tracks, || run_reads(attempt, &reads))
                },
            )
            .await;
        match outcome {
            Ok((done, reads)) => {
                self.track_script(reads);
                for call in done.iter().flatten() {
                    self.note_denied_in_script(&call.inner.denied);
                }
                Ok(done)
            }
            Err(error) => Ok(Err(self.reply_of(Err(error))?)),
        }
    }

    /// Puts the data replies and those of the session's own commands in the order of the queue. `share`: what each of the
    /// former took, with its way through the log, if it did not run here.
    async fn assemble(
        &mut self,
        steps: &[Step],
        mut data: impl Iterator<Item = Done>,
        share: Duration,
    ) -> Result<Reply, Close> {
        self.clock.tick();
        let mut replies = Vec::with_capacity(steps.len());
        for step in steps {
            let words = step.words();
            let mut args = Args::new(&words, step.call.names);
            let (mut executed_us, mut inner) = (None, Inner::default());
            let reply = match step.call.command.run {
                _ if step.refused.is_some() => step.refused.clone().map_or(Reply::Nil, Reply::Error),
                Run::Read(_) | Run::Write(_) | Run::Script(_) => {
                    let done = data.next().unwrap_or_else(|| Done::in_log(Reply::Nil));
                    (executed_us, inner) = (done.executed_us, done.inner);
                    done.reply
                }
                Run::Local(handler) => {
                    let mut context = self.context();
                    let outcome = handler(&mut context, &mut args);
                    self.reply_of(outcome)?
                }
                Run::Async(handler) => {
                    let mut context = self.context();
                    match handler(&mut context, &mut args) {
                        // Inside a transaction nothing waits.
                        Ok(Effect::Reply(reply) | Effect::ReplyAfter(_, reply)) => reply,
                        Ok(Effect::Publish(message)) => self.publish(message).await,
                        Ok(Effect::Replicated { aof, .. }) => self.replicated(0, Duration::ZERO, aof).await?,
                        Ok(Effect::Checkpoint { .. }) => self.checkpoint(true).await,
                        Ok(Effect::LastRevision) => self.last_revision(),
                        Ok(Effect::WaitRevision { revision, .. }) => {
                            self.wait_revision(revision, Duration::ZERO).await?
                        }
                        Ok(Effect::Checksum) => self.checksum().await?,
                        Ok(Effect::Track { options, since: None }) => self.start_tracking(options),
                        Ok(Effect::SaveUsers) => self.save_users().await,
                        Ok(Effect::KillScripts { of_functions }) => self.kill_scripts(of_functions).await,
                        // So a redis-sentinel promotes a node: SLAVEOF NO ONE among other things.
                        Ok(Effect::Core(request @ CoreRequest::Transfer { .. })) => {
                            self.thread.group.core(request).await
                        }
                        Ok(
                            Effect::Core(_)
                            | Effect::Compact
                            | Effect::Exec
                            | Effect::LargestKeys { .. }
                            | Effect::Track { .. }
                            | Effect::TrackingRevision
                            | Effect::Cached { .. }
                            | Effect::Migrate(_)
                            | Effect::Psync(_)
                            | Effect::Report { .. }
                            | Effect::Source(_)
                            | Effect::Watch(_)
                            | Effect::Shutdown(_),
                        ) => Reply::Error(ErrorReply::err("Command not allowed inside a transaction")),
                        Err(error) => self.reply_of(Err(error))?,
                    }
                }
                Run::Container => Reply::Error(ErrorReply::syntax()),
            };
            let mut took = self.clock.tick();
            if step.is_data() {
                took = executed_us.map_or(share, Duration::from_micros);
            } else if step.refused.is_none() {
                executed_us = u64::try_from(took.as_micros()).ok();
            }
            if step.refused.is_none() {
                self.log_queued(step.call, &words, executed_us, &reply);
            }
            if step.refused.is_none() && self.shows(step.call) != Shows::Never {
                self.show(step.db, step.call, &words);
            }
            // Of what the log has run, apply tells.
            for call in &inner.calls {
                self.thread.node.monitors.show(call.db, CalledBy::Script, &call.words);
            }
            self.count_call(step.call.index, took, matches!(reply, Reply::Error(_)));
            self.count_error(&reply);
            replies.push(reply);
        }
        // Messages that arrived between this EXEC's SUBSCRIBE and UNSUBSCRIBE are dropped.
        self.session.subscriptions.drop_unwanted();
        Ok(Reply::Array(replies))
    }
}
