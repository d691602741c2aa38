//! EXEC: the queued commands as one proposal, or, if none of them writes, as reads at one point in time.
//!
//! Commands that only affect the session (PING, SELECT, CLIENT …) are not in the log entry. They run here, once the
//! transaction is committed, and their replies are merged with the others. SELECT is evaluated while the proposal is built,
//! so that the commands behind it use the right database.

use super::{
    connection::{Close, Connection},
    entry_size::{encoded_len, too_large},
    monitor::Shows,
    read::{Attempt, borrowed},
};
use crate::{
    acl::User,
    command::{Args, Effect, Resolved, Run, invoke_read},
    commands::scripting::{InnerDenial, Wanted, noting},
    error::Error,
    limits,
    replica::ProposalBuilder,
    resp::{ErrorReply, Reply},
    session::{CoreRequest, QueuedCall, Transaction},
    state::Work,
    store::{Condition, ReadTime, Replies},
    time::monotonic_us,
};
use std::{
    sync::{Arc, atomic::Ordering},
    time::{Duration, Instant},
};

/// A queued call and where it runs.
struct Step {
    call: Resolved,
    argv: Vec<Vec<u8>>,
    db: u32,
    /// For whom the calls of its script are asked for.
    caller: Option<Arc<User>>,
    /// It is not run: its answer.
    refused: Option<ErrorReply>,
}

impl Step {
    fn words(&self) -> Vec<&[u8]> {
        borrowed(&self.argv)
    }

    /// Whether it reads more than its words bound.
    fn returns_data(&self) -> bool {
        self.is_data() && !self.call.command.is_write() && !self.call.command.cost.is_of_words(&self.words())
    }

    fn is_data(&self) -> bool {
        self.refused.is_none()
            && matches!(self.call.command.run, Run::Read(_) | Run::Write(_) | Run::Script(_))
    }
}

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
        let (data, micros) = if steps.iter().any(|step| step.is_data() && step.call.command.is_write()) {
            // Apply tells of slow ones, and of what scripts are refused.
            (self.exec_in_log(&steps, &watches).await?, Vec::new())
        } else {
            self.exec_as_reads(&steps, &watches).await?
        };
        match data {
            Reply::Array(replies) => {
                let share = began.elapsed() / u32::try_from(replies.len()).unwrap_or(u32::MAX).max(1);
                let data =
                    replies.into_iter().zip(micros.into_iter().map(Some).chain(std::iter::repeat(None)));
                self.assemble(&steps, data, share).await
            }
            other => Ok(other),
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

    /// The replies, and the microseconds that each took.
    async fn exec_as_reads(
        &mut self,
        steps: &Arc<Vec<Step>>,
        watches: &[Condition],
    ) -> Result<(Reply, Vec<u64>), Close> {
        if steps.iter().all(|step| !step.is_data()) && watches.is_empty() {
            return Ok((Reply::Array(Vec::new()), Vec::new()));
        }
        if let Err(refusal) = self.barrier().await {
            return Ok((Reply::Error(refusal), Vec::new()));
        }
        let untouched: Vec<bool> = steps.iter().map(|step| self.leaves_untouched(step.call)).collect();
        let tracks = self.tracks_reads();
        if tracks {
            for step in steps.iter().filter(|step| step.is_data()) {
                Box::pin(self.track(step.call, &step.words())).await;
            }
        }
        let outcome = self
            .attempt(
                self.read_time(),
                |attempt| attempt.tracking(tracks, || run_reads(attempt, steps, &untouched, watches)),
                || {
                    let (steps, untouched, watches) =
                        (Arc::clone(steps), untouched.clone(), watches.to_vec());
                    move |attempt: &Attempt<'_>| {
                        attempt.tracking(tracks, || run_reads(attempt, &steps, &untouched, &watches))
                    }
                },
            )
            .await;
        match outcome {
            Ok(((reply, micros, denied), reads)) => {
                self.track_script(reads);
                self.note_denied_in_script(&denied);
                Ok((reply, micros))
            }
            Err(error) => Ok((self.reply_of(Err(error))?, Vec::new())),
        }
    }

    /// Puts the data replies and those of the session's own commands in the order of the queue. `share`: what each of the
    /// former took, with its way through the log; beside it the microseconds of its execution, if it ran here.
    async fn assemble(
        &mut self,
        steps: &[Step],
        mut data: impl Iterator<Item = (Reply, Option<u64>)>,
        share: Duration,
    ) -> Result<Reply, Close> {
        self.clock.tick();
        let mut replies = Vec::with_capacity(steps.len());
        for step in steps {
            let words = step.words();
            let mut args = Args::new(&words, step.call.names);
            let mut executed_us = None;
            let reply = match step.call.command.run {
                _ if step.refused.is_some() => step.refused.clone().map_or(Reply::Nil, Reply::Error),
                Run::Read(_) | Run::Write(_) | Run::Script(_) => {
                    let (reply, micros) = data.next().unwrap_or((Reply::Nil, None));
                    executed_us = micros;
                    reply
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
                        Ok(Effect::Track(options)) => self.start_tracking(options),
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
                            | Effect::Watch(_)
                            | Effect::Shutdown(_),
                        ) => Reply::Error(ErrorReply::err("Command not allowed inside a transaction")),
                        Err(error) => self.reply_of(Err(error))?,
                    }
                }
                Run::Container => Reply::Error(ErrorReply::syntax()),
            };
            let took = if step.is_data() { share } else { self.clock.tick() };
            if !step.is_data() && step.refused.is_none() {
                executed_us = u64::try_from(took.as_micros()).ok();
            }
            if let Some(executed_us) = executed_us {
                self.log_execution(step.call, &words, executed_us);
            }
            if step.refused.is_none() && self.shows(step.call) != Shows::Never {
                self.show(step.db, step.call, &words);
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

fn replies_too_long() -> Reply {
    let mib = limits::EXEC_REPLIES_BYTES_MAX >> 20;
    let text = format!(
        "Transaction discarded because of: the replies of its reads would take more than {mib} MiB; nothing was changed"
    );
    Reply::Error(ErrorReply::new("EXECABORT", text))
}

/// Whether the replies of the reads would be short enough now.
fn are_short(attempt: &Attempt<'_>, steps: &[Step]) -> Result<bool, Error> {
    let replies = Replies::of(limits::EXEC_REPLIES_BYTES_MAX);
    for step in steps.iter().filter(|step| step.returns_data()) {
        let view = attempt.view(step.db).quiet().replying(&replies);
        match invoke_read(step.call, &view, step.caller.as_deref(), &step.words()) {
            Err(Error::Client(_)) if replies.is_over() => return Ok(false),
            Ok(_) | Err(Error::Client(_)) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(true)
}

/// The replies of the reads, all at one point in time, the microseconds that each took, and what scripts among them were refused; nil
/// if a watched key has changed. A client error is the reply of one call; any other error ends the whole.
fn run_reads(
    attempt: &Attempt<'_>,
    steps: &[Step],
    untouched: &[bool],
    watches: &[Condition],
) -> Result<(Reply, Vec<u64>, Vec<InnerDenial>), Error> {
    let view = attempt.view(0).quiet();
    for watch in watches {
        if view.get_in(watch.db, &watch.key)?.map(|row| row.revision) != watch.revision {
            return Ok((Reply::NilArray, Vec::new(), Vec::new()));
        }
    }
    let mut denied = Vec::new();
    let (mut replies, bounded) =
        (Vec::with_capacity(steps.len()), Replies::of(limits::EXEC_REPLIES_BYTES_MAX));
    let (mut micros, mut began_us) = (Vec::with_capacity(steps.len()), monotonic_us());
    for (step, untouched) in steps.iter().zip(untouched).filter(|(step, _)| step.is_data()) {
        let view = attempt.view(step.db).replying(&bounded);
        let view = if *untouched { view.untouched() } else { view };
        let (caller, words) = (step.caller.as_deref(), step.words());
        let wanted = Wanted { calls: false, denied: caller.is_some() };
        let (outcome, inner) = noting(wanted, || invoke_read(step.call, &view, caller, &words));
        denied.extend(inner.denied);
        replies.push(match outcome {
            Err(Error::Client(_)) if bounded.is_over() => {
                return Ok((replies_too_long(), Vec::new(), Vec::new()));
            }
            Err(Error::Client(error)) => Reply::Error(error),
            outcome => outcome?,
        });
        let now_us = monotonic_us();
        micros.push(now_us.saturating_sub(std::mem::replace(&mut began_us, now_us)));
    }
    Ok((Reply::Array(replies), micros, denied))
}
