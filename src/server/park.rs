//! Calls that may wait for keys. The handler makes one attempt and never waits; here the connection waits between
//! attempts, parked (`session/parking.rs`), without a log entry.
//!
//! An attempt that takes goes through the log like any write, so an element goes to one session whatever node it is on,
//! also when the leader changes. One that was definitely not made (no leader for now) is made again; one whose outcome is
//! unknown ends the wait with that error, since the element may be gone.

use super::{
    ahead::gone,
    connection::{Close, Connection},
    output::message,
    pending::{is_too_large, too_large},
    read::{Attempt, borrowed, owned},
};
use crate::{
    command::{Args, Finds, Resolved, Run, Wait, WaitFor, guarded},
    config::EdgeWrites,
    error::{Error, Result as HandlerResult},
    replica::ProposalBuilder,
    replication::Outcome,
    resp::{ErrorReply, Reply},
    session::Unblocked,
    store::ReadTime,
};
use std::{sync::Arc, time::Duration};
use tokio::time::Instant;

/// After an attempt that could not be made.
const RETRY_INTERVAL: Duration = Duration::from_millis(200);
/// Waits without an end look at their keys so often all the same.
const FOR_EVER: Duration = Duration::from_secs(3600);

/// How an attempt ended.
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
        let range = self.resolved.command.keys;
        let keys = self.resolved.command.keys_of(&self.argv);
        let is_other = |at: usize, word: &[u8]| {
            keys.iter().any(|key| key.at == at) && others.iter().any(|other| other == word)
        };
        let numbered = self.argv.iter().enumerate();
        let gone = numbered.clone().filter(|(at, word)| is_other(*at, word)).count();
        let kept = numbered.filter(|(at, word)| !is_other(*at, word)).map(|(at, word)| {
            match range.count_at == Some(at) {
                true => keys.len().saturating_sub(gone).to_string().into_bytes(),
                false => word.to_vec(),
            }
        });
        kept.collect()
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
            // The handler says what is wrong, or finds something before that.
            Ok(Some(wait)) if !wait.others.is_empty() => return self.answer(&call).await,
            Ok(Some(wait)) => {
                debug_assert!({
                    let keys = call.resolved.command.keys_of(&call.argv);
                    let is_one =
                        |key: &Vec<u8>| keys.iter().any(|it| call.argv.get(it.at) == Some(&key.as_slice()));
                    wait.keys.iter().all(is_one)
                });
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
        let outcome = loop {
            // The look comes after the registration: what is written from here on rings.
            let mut again = FOR_EVER;
            match self.look(call, wait_for, ReadTime::At(self.log_ms())).await {
                Ok(Some(Wait { finds: Finds::Something, others, .. })) if parked.is_next() => {
                    if let Err(close) = self.paused(call.resolved).await {
                        break Err(close);
                    }
                    // What it would take could not be delivered.
                    if self.is_gone() {
                        break Err(Close::Now);
                    }
                    let words = call.without(&others);
                    match self.try_once(&call.with(&words), Some(&wait.nothing)).await {
                        Ok(Tried::Got(reply)) => break Ok(reply),
                        Ok(Tried::Nothing) => parked.pass_on(),
                        Ok(Tried::NotDone(_)) => again = RETRY_INTERVAL,
                        Err(close) => break Err(close),
                    }
                }
                // Somebody was here before: whatever it finds, it will tell.
                Ok(Some(Wait { finds: Finds::Something, .. })) => {
                    wait.keys.iter().for_each(|key| self.thread.node.parking.ready(self.session.db, key));
                }
                // A group's stream that is gone ends the wait, a key of another type does not.
                Err(Error::Client(error)) if wait.of_group => break Ok(Reply::Error(error)),
                Ok(Some(Wait { finds: Finds::Other, .. })) | Err(Error::Client(_)) => parked.pass_on(),
                // Another group may want what this one has had.
                Ok(_) if wait.of_group => parked.pass_on(),
                Ok(_) => {}
                Err(Error::Fatal(error)) => break self.reply_of(Err(error.into())),
                Err(Error::WouldBlock | Error::NotLogged) => again = RETRY_INTERVAL,
            }
            let due = deadline.unwrap_or_else(|| Instant::now() + FOR_EVER).min(Instant::now() + again);
            let subscriber = self.session.subscriptions.subscriber();
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
                () = message(subscriber.as_deref()) => self.pass_on_and_send().await?,
                () = tokio::time::sleep_until(due) => {
                    if deadline.is_some_and(|deadline| deadline <= Instant::now()) {
                        break Ok(Reply::NilArray);
                    }
                }
            }
            self.clock.tick();
        };
        self.clock.lap();
        outcome
    }

    /// What the call would find. Looks at the data that this node has.
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

    /// Runs the handler once. `nothing`: its answer when there is nothing.
    async fn try_once(&mut self, call: &Waiting<'_>, nothing: Option<&Reply>) -> Result<Tried, Close> {
        let reply = match call.resolved.command.run {
            Run::Read(_) => self.read(call.resolved, &call.argv).await?,
            Run::Write(_) => {
                let mut builder = ProposalBuilder::commands();
                builder.push(self.session.db, &call.argv);
                match self.thread.propose(builder.finish()).await {
                    Outcome::Applied(replies) => {
                        self.note_writes();
                        replies.into_iter().next().unwrap_or(Reply::Nil)
                    }
                    Outcome::NotDone(error) => return Ok(Tried::NotDone(error)),
                    Outcome::Unknown(error) => Reply::Error(error),
                }
            }
            Run::Local(_) | Run::Async(_) | Run::Container => Reply::Error(ErrorReply::err("internal error")),
        };
        Ok(match nothing {
            Some(nothing) if *nothing == reply => Tried::Nothing,
            _ => Tried::Got(reply),
        })
    }

    /// Whether writes are refused here whatever they are.
    fn refuses_writes(&self) -> bool {
        let settings = self.thread.node.config.settings();
        settings.edge.as_ref().is_some_and(|edge| edge.writes == EdgeWrites::Reject)
    }
}
