//! Calls that may wait for keys. The handler makes one attempt and never waits; here the connection waits between
//! attempts, parked (`session/parking.rs`), without a log entry.
//!
//! An attempt that takes goes through the log like any write, so an element goes to one session whatever node it is on,
//! also when the leader changes. An attempt that was certainly not made (no leader at the moment) is repeated; one with an
//! unknown outcome ends the wait with that error, since the element may be gone.
//!
//! A session that is next in turn tries as soon as this node has queued a write to one of its keys (`Parking::expect`), behind that
//! write and in the same entry as a rule: a pop then costs no sync of its own. A guess that comes to nothing, or fails, changes
//! nothing, and the session waits for the write as if it had not tried.

use super::{
    connection::{Close, Connection, gone},
    entry_size::{is_too_large, too_large},
    read::{Answer, Attempt, Form, borrowed, owned},
};
use crate::{
    command::{Args, Finds, Resolved, Run, Wait, WaitFor, guarded},
    config::EdgeWrites,
    error::{Error, Result as HandlerResult},
    limits::BLOCKING_KEYS_MAX,
    replica::ProposalBuilder,
    replication::Outcome,
    resp::{ErrorReply, Reply},
    session::Unblocked,
    store::ReadTime,
};
use std::{
    collections::BTreeSet,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};
use tokio::time::Instant;

/// After an attempt that could not be made.
const RETRY_INTERVAL: Duration = Duration::from_millis(200);
/// Even waits without an end check their keys this often.
const FOR_EVER: Duration = Duration::from_secs(3600);

/// The result of an attempt.
enum Tried {
    Got(Reply),
    Nothing,
    /// It was not made.
    NotDone(ErrorReply),
}

/// A call that may wait.
struct Waiting<'a> {
    resolved: Resolved,
    argv: Vec<&'a [u8]>,
    takes: bool,
}

impl Waiting<'_> {
    /// The words of the call without some of its keys.
    fn without(&self, others: &[Vec<u8>]) -> Vec<Vec<u8>> {
        let count_at = self.resolved.command.keys.count_at;
        let keys: BTreeSet<usize> = self.key_positions().collect();
        let others: BTreeSet<&[u8]> = others.iter().map(Vec::as_slice).collect();
        let is_other = |at: usize, word: &[u8]| others.contains(word) && keys.contains(&at);
        let numbered = self.argv.iter().enumerate();
        let gone = numbered.clone().filter(|(at, word)| is_other(*at, word)).count();
        let kept =
            numbered.filter(|(at, word)| !is_other(*at, word)).map(|(at, word)| match count_at == Some(at) {
                true => keys.len().saturating_sub(gone).to_string().into_bytes(),
                false => word.to_vec(),
            });
        kept.collect()
    }

    fn key_positions(&self) -> impl Iterator<Item = usize> {
        self.resolved.command.keys_of(&self.argv).into_iter().map(|key| key.at)
    }

    /// Whether all these keys are among the call's own.
    fn has_keys(&self, keys: &[Vec<u8>]) -> bool {
        let own: BTreeSet<&[u8]> = self.key_positions().filter_map(|at| self.argv.get(at).copied()).collect();
        keys.iter().all(|key| own.contains(key.as_slice()))
    }

    fn with<'b>(&self, words: &'b [Vec<u8>]) -> Waiting<'b> {
        let argv = words.iter().map(Vec::as_slice).collect();
        Waiting { resolved: self.resolved, argv, takes: self.takes }
    }
}

impl Connection {
    /// Runs a call that may wait for keys, however long it waits.
    pub(super) async fn wait_for_keys(
        &mut self,
        resolved: Resolved,
        wait_for: WaitFor,
        argv: &[&[u8]],
    ) -> Result<Reply, Close> {
        self.flush_writes().await;
        let takes = resolved.command.is_write();
        if takes && is_too_large(argv) {
            // The log would refuse it each time, and it would wait for ever.
            return Ok(Reply::Error(too_large()));
        }
        let call = Waiting { resolved, argv: argv.to_vec(), takes };
        if takes && self.refuses_writes() {
            return self.answer(&call).await;
        }
        if let Err(refusal) = self.barrier().await {
            return Ok(Reply::Error(refusal));
        }
        let time = self.read_time();
        let wait = self.look(&call, wait_for, time).await;
        let wait = match wait {
            // The handler reports the error, or finds something first.
            Ok(Some(wait)) if !wait.others.is_empty() => return self.answer(&call).await,
            Ok(Some(wait)) => {
                debug_assert!(call.has_keys(&wait.keys));
                if wait.keys.len() > BLOCKING_KEYS_MAX {
                    let text = format!("a call may wait for no more than {BLOCKING_KEYS_MAX} keys");
                    return Ok(Reply::Error(ErrorReply::err(text)));
                }
                wait
            }
            Ok(None) => return self.answer(&call).await,
            Err(error) => return self.reply_of(Err(error)),
        };
        let words = wait.argv.clone();
        let argv =
            words.as_ref().map_or_else(|| argv.to_vec(), |words| words.iter().map(Vec::as_slice).collect());
        self.park(&Waiting { argv, ..call }, wait_for, &wait).await
    }

    /// One attempt, whose answer is the answer.
    async fn answer(&mut self, call: &Waiting<'_>) -> Result<Reply, Close> {
        match self.try_once(call, None).await? {
            Tried::Got(reply) => Ok(reply),
            Tried::NotDone(error) => Ok(Reply::Error(error)),
            Tried::Nothing => Ok(Reply::NilArray),
        }
    }

    async fn park(&mut self, call: &Waiting<'_>, wait_for: WaitFor, wait: &Wait) -> Result<Reply, Close> {
        self.send().await?;
        let client = Arc::clone(&self.session.client);
        let deadline = wait.within.map(|within| Instant::now() + within);
        let parked = self.thread.node.parking.park(client.id, call.takes, self.session.db, &wait.keys);
        let _blocked = client.block();
        self.drop_output();
        client.memory.parked.store(parked.memory_bytes(), Ordering::Relaxed);
        client.memory.reply_buffer.store(0, Ordering::Relaxed);
        client.memory.tell();
        let outcome = loop {
            match self.still_permitted(call.resolved, &call.argv) {
                Ok(None) => {}
                Ok(Some(refusal)) => break Ok(Reply::Error(refusal)),
                Err(close) => break Err(close),
            }
            if parked.takes_head_start() && !self.is_gone() {
                match self.guess(call, &wait.nothing).await {
                    Ok(Some(reply)) => break Ok(reply),
                    Ok(None) => {}
                    Err(close) => break Err(close),
                }
            }
            // The look comes after the registration: any write from now on wakes this session.
            let mut again = FOR_EVER;
            let now = self.log_ms();
            let found = self.look(call, wait_for, ReadTime::At(now)).await;
            if let Ok(Some(Wait { finds_at: Some(at), .. })) = &found {
                // Log time is not this node's clock: what is due, and yet not found, is looked for again.
                again = at.checked_sub(now).map_or(RETRY_INTERVAL, Duration::from_millis);
            }
            match found {
                Ok(Some(Wait { finds: Finds::Something, others, .. })) if parked.is_next() => {
                    if let Err(close) = self.paused(call.resolved).await {
                        break Err(close);
                    }
                    // An element taken now could not be delivered.
                    if self.is_gone() {
                        break Err(Close::Now);
                    }
                    let words = if others.is_empty() { Vec::new() } else { call.without(&others) };
                    let fewer = call.with(&words);
                    let attempted = if others.is_empty() { call } else { &fewer };
                    match self.try_once(attempted, Some(&wait.nothing)).await {
                        Ok(Tried::Got(reply)) => break Ok(reply),
                        Ok(Tried::Nothing) => parked.pass_on(),
                        Ok(Tried::NotDone(_)) => again = RETRY_INTERVAL,
                        Err(close) => break Err(close),
                    }
                }
                // An earlier session has its turn: it passes on what it does not take.
                Ok(Some(Wait { finds: Finds::Something, .. })) => {
                    wait.keys.iter().for_each(|key| self.thread.node.parking.ready(self.session.db, key));
                }
                // A deleted stream ends a group's wait, a key of another type does not.
                Err(Error::Client(error)) if wait.of_group => break Ok(Reply::Error(error)),
                Ok(Some(Wait { finds: Finds::Other, .. })) | Err(Error::Client(_)) => parked.pass_on(),
                // Another group may want an entry that this one has read.
                Ok(_) if wait.of_group => parked.pass_on(),
                Ok(_) => {}
                Err(Error::Fatal(error)) => break self.reply_of(Err(error.into())),
                Err(Error::WouldBlock | Error::NotLogged | Error::Writes) => again = RETRY_INTERVAL,
            }
            let due = deadline.unwrap_or_else(|| Instant::now() + FOR_EVER).min(Instant::now() + again);
            tokio::select! {
                biased;
                () = client.wait_killed() => break Err(Close::Now),
                _ = self.thread.stop.wait() => break Err(Close::Now),
                unblocked = parked.wait() => match unblocked {
                    None => {}
                    Some(Unblocked::Timeout) => break Ok(Reply::NilArray),
                    Some(Unblocked::Error) => {
                        let text = "client unblocked via CLIENT UNBLOCK";
                        break Ok(Reply::Error(ErrorReply::new("UNBLOCKED", text)));
                    }
                },
                () = gone(&mut self.stream, &mut self.input, &client, &self.thread.node.stats) => break Err(Close::Now),
                () = client.wait_message() => self.pass_on_and_send().await?,
                () = tokio::time::sleep_until(due) => {
                    if deadline.is_some_and(|deadline| deadline <= Instant::now()) {
                        break Ok(Reply::NilArray);
                    }
                }
            }
            self.clock.tick();
        };
        self.clock.lap();
        client.memory.parked.store(0, Ordering::Relaxed);
        outcome
    }

    /// The finding of the call in this node's data.
    async fn look(
        &mut self,
        call: &Waiting<'_>,
        wait_for: WaitFor,
        time: ReadTime,
    ) -> HandlerResult<Option<Wait>> {
        let (db, names) = (self.session.db, call.resolved.names);
        let run = move |attempt: &Attempt<'_>, argv: &[&[u8]]| {
            let view = attempt.view(db).quiet();
            guarded(|| wait_for(&view, &mut Args::new(argv, names)))
        };
        self.attempt(
            time,
            |attempt| run(attempt, &call.argv),
            || {
                let argv = owned(&call.argv);
                move |attempt: &Attempt<'_>| run(attempt, &borrowed(&argv))
            },
        )
        .await
    }

    /// An attempt before the write that it is meant for is applied. `None`: it has changed nothing.
    async fn guess(&mut self, call: &Waiting<'_>, nothing: &Reply) -> Result<Option<Reply>, Close> {
        if self.is_held_back(call.resolved) {
            return Ok(None);
        }
        let mut builder = ProposalBuilder::commands();
        builder.push_as(self.session.db, None, self.origin_of(call.resolved), &call.argv);
        let work = call.resolved.work(&call.argv);
        let guessed = match self.thread.propose(&self.session.client, builder.finish(), work).await {
            Outcome::Applied(replies) => {
                self.note_writes();
                let reply = replies.into_iter().next().unwrap_or(Reply::Nil);
                // What the keys hold then is looked at as if there had been no guess: another type, for one, is no error.
                (!matches!(reply, Reply::Error(_)) && reply != *nothing).then_some(reply)
            }
            Outcome::NotDone(_) => None,
            Outcome::Unknown(why) => Some(Reply::Error(why.into())),
        };
        Ok(guessed)
    }

    /// Runs the handler once. `nothing`: its answer when there is nothing.
    async fn try_once(&mut self, call: &Waiting<'_>, nothing: Option<&Reply>) -> Result<Tried, Close> {
        let reply = match call.resolved.command.run {
            Run::Read(_) => match self.read(call.resolved, &call.argv, Form::Values).await? {
                Answer::Reply(reply) => reply,
                Answer::Encoded(_) | Answer::Bulk(_) => Reply::Error(ErrorReply::err("internal error")),
            },
            Run::Write(_) => {
                let mut builder = ProposalBuilder::commands();
                builder.push_as(self.session.db, None, self.origin_of(call.resolved), &call.argv);
                let work = call.resolved.work(&call.argv);
                match self.thread.propose(&self.session.client, builder.finish(), work).await {
                    Outcome::Applied(replies) => {
                        self.note_writes();
                        replies.into_iter().next().unwrap_or(Reply::Nil)
                    }
                    Outcome::NotDone(why) => return Ok(Tried::NotDone(why.into())),
                    Outcome::Unknown(why) => Reply::Error(why.into()),
                }
            }
            Run::Local(_) | Run::Async(_) | Run::Script(_) | Run::Container => {
                Reply::Error(ErrorReply::err("internal error"))
            }
        };
        Ok(match nothing {
            Some(nothing) if *nothing == reply => Tried::Nothing,
            _ => Tried::Got(reply),
        })
    }

    /// Whether this node refuses all writes.
    fn refuses_writes(&self) -> bool {
        let settings = self.thread.node.config.settings();
        settings.edge.as_ref().is_some_and(|edge| edge.writes == EdgeWrites::Reject)
    }
}
