//! Reads: on the connection's own task while the data is in memory, else on the blocking pool of the network thread.

use super::connection::{Close, Connection, gone};
use crate::{
    acl::User,
    command::{Flags, Resolved, invoke_read},
    commands::scripting::{self, Inner, InnerCall, Wanted},
    error::{Error, Result as HandlerResult},
    limits::{EXPIRE_SWEEP_KEYS_MAX, READ_REPLY_BYTES_MAX},
    replica::ProposalBuilder,
    replication::Outcome,
    resp::{ErrorReply, Reply, encode},
    session::{CalledBy, Consistency, ReplyMode, Stats},
    state::{LatencyEvent, Work},
    store::{LargeReads, Published, ReadTime, ReadWatch, Replies, ScriptReads, Store, View},
    time::monotonic_us,
};
use bytes::BytesMut;
use std::{
    rc::Rc,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

/// Longest wait of a stopping node for a running read.
const READ_GRACE: Duration = Duration::from_secs(1);
const STOPPING: &str = "the server is stopping; nothing was read";
/// The reply of a read on the pool that has looked at more bytes is encoded there.
const ENCODED_BYTES_MIN: u64 = 64 * 1024;

/// An attempt's view: one published state, at one time.
pub(super) struct Attempt<'a> {
    store: &'a Store,
    published: &'a Published,
    time: ReadTime,
    may_wait: bool,
    watch: &'a ReadWatch,
}

/// The outcome of a read: its reply, or the bytes of a large one.
pub(super) enum Answer {
    Reply(Reply),
    Encoded(BytesMut),
    /// A string, which is not copied for its first and its last bytes.
    Bulk(BytesMut),
}

/// Whether the caller wants replies of long reads as they are sent.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    AsSent,
    Values,
}

/// What was made on the pool, and how long it took there.
struct Timed<T> {
    value: T,
    micros: u64,
}

impl<'a> Attempt<'a> {
    /// The data of a database.
    pub(super) fn view(&self, db: u32) -> View<'a> {
        let view = match self.may_wait {
            true => self.store.blocking_view(self.published, db, self.time),
            false => self.store.view(self.published, db, self.time),
        };
        view.watched(self.watch)
    }

    /// As `read` does, with the keys that scripts read there if the client tracks them (`tracks`).
    pub(super) fn tracking<T>(
        &self,
        tracks: bool,
        read: impl FnOnce() -> HandlerResult<T>,
    ) -> HandlerResult<(T, Option<Box<ScriptReads>>)> {
        if tracks {
            self.watch.keep_script_reads();
        }
        let outcome = read()?;
        Ok((outcome, if tracks { self.watch.take_script_reads(self.published) } else { None }))
    }
}

impl Connection {
    /// Runs a read at the latest published state, which holds every write acknowledged so far.
    pub(super) async fn read(&mut self, call: Resolved, argv: &[&[u8]], form: Form) -> Result<Answer, Close> {
        match self.try_read(call, argv, form).await {
            Ok(answer) => Ok(answer),
            Err(error) => self.reply_of(Err(error)).map(Answer::Reply),
        }
    }

    /// As `read`; a script may turn out to write.
    pub(super) async fn try_read(
        &mut self,
        call: Resolved,
        argv: &[&[u8]],
        form: Form,
    ) -> HandlerResult<Answer> {
        if let Err(refusal) = self.barrier().await {
            return Ok(Answer::Reply(Reply::Error(refusal)));
        }
        let protocol = self.session.protocol;
        let encodes = form == Form::AsSent && self.session.reply_mode == ReplyMode::On;
        let (db, untouched) = (self.session.db, self.leaves_untouched(call));
        let in_one_slot = call.command.script_flags.is_some() && self.keeps_scripts_in_one_slot();
        let (caller, tracks) = (self.caller_of(call), self.tracks_reads());
        if tracks {
            Box::pin(self.track(call, argv)).await;
        }
        let wanted = Wanted {
            calls: call.command.flags.has(Flags::RUNS_SCRIPT) && self.thread.node.monitors.is_watched(),
            denied: caller.is_some(),
        };
        let run = move |attempt: &Attempt<'_>, caller: Option<&User>, argv: &[&[u8]]| {
            let replies = Replies::of_one(READ_REPLY_BYTES_MAX);
            let view = attempt.view(db);
            // One that keeps all that it reads, and may be asked for the same large value any number of times.
            let view = if call.command.reply_bytes.is_some() { view.replying(&replies) } else { view };
            let view = if untouched { view.untouched() } else { view };
            let view = if in_one_slot { view.in_one_slot() } else { view };
            let (outcome, inner) = scripting::noting(wanted, || invoke_read(call, &view, caller, argv));
            match outcome {
                Err(Error::Client(error)) if !inner.is_empty() => Ok((Reply::Error(error), inner)),
                outcome => outcome.map(|reply| (reply, inner)),
            }
        };
        let tracks_script = tracks && call.command.flags.has(Flags::RUNS_SCRIPT);
        let outcome = self.attempt(
            self.read_time(),
            |attempt| {
                attempt.tracking(tracks_script, || {
                    run(attempt, caller.as_deref(), argv).map(|(reply, inner)| (Answer::Reply(reply), inner))
                })
            },
            || {
                let (argv, caller) = (owned(argv), caller.clone());
                let answer = move |attempt: &Attempt<'_>| -> HandlerResult<(Answer, Inner)> {
                    let (reply, inner) = run(attempt, caller.as_deref(), &borrowed(&argv))?;
                    if !encodes || attempt.watch.bytes() < ENCODED_BYTES_MIN {
                        return Ok((Answer::Reply(reply), inner));
                    }
                    if let Reply::Bulk(value) = reply {
                        return Ok((Answer::Bulk(value.into_mut()), inner));
                    }
                    // Here, so that the network thread neither encodes nor frees a million elements.
                    let mut bytes = BytesMut::new();
                    encode(&reply, protocol, &mut bytes);
                    Ok((Answer::Encoded(bytes), inner))
                };
                move |attempt: &Attempt<'_>| attempt.tracking(tracks_script, || answer(attempt))
            },
        );
        let ((answer, inner), reads) = outcome.await?;
        self.track_script(reads);
        self.note_denied_in_script(&inner.denied);
        for InnerCall { db, words } in &inner.calls {
            self.thread.node.monitors.show(*db, CalledBy::Script, words);
        }
        Ok(answer)
    }

    /// Runs a read: on this thread while its data are in memory, else on the pool; if only the log can decide what has
    /// expired, again as of the last entry once the log has reached the present. Every read of a connection uses this.
    ///
    /// `here` makes an attempt on this thread, `elsewhere` makes one that can move to another.
    pub(super) async fn attempt<T, F>(
        &mut self,
        mut time: ReadTime,
        here: impl Fn(&Attempt<'_>) -> HandlerResult<T>,
        elsewhere: impl Fn() -> F,
    ) -> HandlerResult<T>
    where
        T: Send + 'static,
        F: FnOnce(&Attempt<'_>) -> HandlerResult<T> + Send + 'static,
    {
        loop {
            let watch = ReadWatch::short();
            let mut outcome = {
                let store = &self.thread.node.group.store;
                let published = store.latest();
                here(&Attempt { store, published: &published, time, may_wait: false, watch: &watch })
            };
            let mut is_long = watch.is_long();
            if matches!(outcome, Err(Error::WouldBlock)) && !is_long {
                let watch = Arc::new(ReadWatch::short());
                let done = Box::pin(self.on_pool(self.elsewhere(time, &watch, elsewhere()))).await?;
                outcome = self.after_pool(done);
                is_long = watch.is_long();
            }
            if matches!(outcome, Err(Error::WouldBlock)) && is_long {
                let done = Box::pin(self.long_read(time, elsewhere())).await?;
                outcome = self.after_pool(done);
            }
            match outcome {
                Err(Error::NotLogged) if time != ReadTime::LastEntry => {
                    Box::pin(self.log_the_time()).await?;
                    time = ReadTime::LastEntry;
                }
                outcome => return outcome,
            }
        }
    }

    /// The pool has done its part.
    fn after_pool<T>(&mut self, done: Timed<T>) -> T {
        let passed = self.clock.waited_but_for(done.micros);
        self.thread.node.group.state.latency.add(LatencyEvent::LongRead, passed);
        done.value
    }

    /// An attempt to be made on the pool.
    fn elsewhere<T, F>(
        &self,
        time: ReadTime,
        watch: &Arc<ReadWatch>,
        run: F,
    ) -> impl FnOnce() -> Timed<T> + Send + use<T, F>
    where
        F: FnOnce(&Attempt<'_>) -> T + Send + 'static,
    {
        Stats::add(&self.thread.node.stats.blocking_reads, 1);
        let (store, watch) = (Arc::clone(&self.thread.node.group.store), Arc::clone(watch));
        move || {
            let began_us = monotonic_us();
            let published = store.published();
            let value =
                run(&Attempt { store: &store, published: &published, time, may_wait: true, watch: &watch });
            Timed { value, micros: monotonic_us().saturating_sub(began_us) }
        }
    }

    /// Runs a read that takes long, once it is its turn. It ends soon after its client has gone, and the connection with it.
    async fn long_read<T: Send + 'static>(
        &mut self,
        time: ReadTime,
        run: impl FnOnce(&Attempt<'_>) -> HandlerResult<T> + Send + 'static,
    ) -> HandlerResult<Timed<HandlerResult<T>>> {
        let (thread, client) = (Rc::clone(&self.thread), Arc::clone(&self.session.client));
        let watch = Arc::new(ReadWatch::long(Arc::clone(&thread.long_reads) as Arc<dyn LargeReads>));
        // What an earlier attempt of this call has read is gone.
        self.hold = None;
        let run = self.elsewhere(time, &watch, run);
        let done = async {
            let turn = thread.long_reads.begin().await?;
            let done = tokio::task::spawn_blocking(move || (run(), turn)).await;
            done.map_err(|_panic| ErrorReply::err("internal error"))
        };
        let ended = tokio::select! {
            biased;
            done = done => {
                let (outcome, turn) = done?;
                self.hold = Some(turn.hold(&client, watch));
                return Ok(outcome);
            }
            () = thread.stop.wait_overdue(READ_GRACE) => STOPPING,
            () = client.wait_killed() => "the client was closed",
            () = gone(&mut self.stream, &mut self.input, &client, &thread.node.stats) => {
                self.session.closing = true;
                "the client has gone"
            }
        };
        watch.cancel();
        Err(ErrorReply::try_again(ended).into())
    }

    /// Runs a read where waiting is allowed. A stopping node does not wait for a long one: its client gets an error, and
    /// the read ends with the process.
    pub(super) async fn on_pool<T: Send + 'static>(
        &self,
        run: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, ErrorReply> {
        tokio::select! {
            biased;
            done = tokio::task::spawn_blocking(run) => done.map_err(|_panic| ErrorReply::err("internal error")),
            () = self.thread.stop.wait_overdue(READ_GRACE) => Err(ErrorReply::try_again(STOPPING)),
        }
    }

    /// Whether the call's reads do not count as accesses: the client asked for that (CLIENT NO-TOUCH), and the call is not
    /// one that touches on purpose.
    pub(super) fn leaves_untouched(&self, call: Resolved) -> bool {
        self.session.client.no_touch.load(Ordering::Relaxed) && !call.command.flags.has(Flags::TOUCHES)
    }

    /// The time of this connection's reads. Where several nodes must agree, the log decides what has expired.
    pub(super) fn read_time(&self) -> ReadTime {
        if let Some(time) = self.edge_time() {
            return time;
        }
        let is_one_of_many = self.thread.node.group.state.is_one_of_many.load(Ordering::Relaxed);
        match is_one_of_many && self.session.consistency == Consistency::Linearizable {
            true => ReadTime::Logged(self.log_ms()),
            false => ReadTime::At(self.log_ms()),
        }
    }

    /// Log time for this command.
    pub(super) fn log_ms(&self) -> u64 {
        self.clock.log_ms(&self.thread.node.group.state.clock)
    }

    /// Brings the log to the present, so that keys due by now have expired on every node, for good.
    pub(super) async fn log_the_time(&mut self) -> Result<(), ErrorReply> {
        let sweep = ProposalBuilder::sweep(EXPIRE_SWEEP_KEYS_MAX);
        match self.thread.propose(&self.session.client, sweep, Work::HOUSEKEEPING).await {
            Outcome::Applied(_) => self.barrier().await,
            Outcome::NotDone(why) => Err(why.into()),
            Outcome::Unknown(_) => {
                let text = "cannot tell whether a key has expired, since the leader changes; try again";
                Err(ErrorReply::new("CLUSTERDOWN", text))
            }
        }
    }

    /// Waits until this node may answer reads; an error means that it may not at the moment.
    pub(super) async fn barrier(&mut self) -> Result<(), ErrorReply> {
        if self.thread.node.group.state.edge.is_edge() {
            return Box::pin(self.edge_barrier()).await;
        }
        if self.thread.group.can_read() {
            return Ok(());
        }
        let passed = Box::pin(self.thread.group.barrier(self.session.consistency)).await;
        self.clock.waited();
        passed.map(|log_ms| self.clock.read_as_of(log_ms))
    }
}

/// Words that can move to another thread.
pub(super) fn owned(argv: &[&[u8]]) -> Vec<Vec<u8>> {
    argv.iter().map(|word| word.to_vec()).collect()
}

/// Words of a call.
pub(super) fn borrowed(argv: &[Vec<u8>]) -> Vec<&[u8]> {
    argv.iter().map(Vec::as_slice).collect()
}
