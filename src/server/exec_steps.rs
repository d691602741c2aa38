//! The queued calls of an EXEC, and how those that only read run: all at one point in time.

use super::read::{Attempt, borrowed};
use crate::{
    acl::User,
    command::{Flags, Resolved, Run, invoke_read},
    commands::scripting::{Inner, Wanted, noting},
    error::Error,
    limits,
    resp::{ErrorReply, Reply},
    store::{Condition, Replies},
    time::monotonic_us,
};
use std::sync::Arc;

/// A queued call and where it runs.
pub(super) struct Step {
    pub(super) call: Resolved,
    pub(super) argv: Vec<Vec<u8>>,
    pub(super) db: u32,
    /// For whom the calls of its script are asked for.
    pub(super) caller: Option<Arc<User>>,
    /// It is not run: its answer.
    pub(super) refused: Option<ErrorReply>,
}

impl Step {
    pub(super) fn words(&self) -> Vec<&[u8]> {
        borrowed(&self.argv)
    }

    /// Whether it reads more than its words bound.
    pub(super) fn returns_data(&self) -> bool {
        self.is_data() && !self.call.command.is_write() && !self.call.command.cost.is_of_words(&self.words())
    }

    pub(super) fn is_data(&self) -> bool {
        self.refused.is_none()
            && matches!(self.call.command.run, Run::Read(_) | Run::Write(_) | Run::Script(_))
    }
}

/// What came of a queued call that is about data.
pub(super) struct Done {
    pub(super) reply: Reply,
    /// `None`: where the log is applied.
    pub(super) executed_us: Option<u64>,
    /// Calls of its script, for those who monitor the node, and what its caller was refused.
    pub(super) inner: Inner,
}

impl Done {
    pub(super) fn in_log(reply: Reply) -> Self {
        Done { reply, executed_us: None, inner: Inner::default() }
    }
}

/// An EXEC that only reads.
pub(super) struct Reads {
    pub(super) steps: Arc<Vec<Step>>,
    /// Whether the reads of each step do not count as accesses.
    pub(super) untouched: Vec<bool>,
    pub(super) watches: Vec<Condition>,
    /// Somebody is shown the calls of scripts.
    pub(super) is_watched: bool,
}

pub(super) fn replies_too_long() -> Reply {
    let mib = limits::EXEC_REPLIES_BYTES_MAX >> 20;
    let text = format!(
        "Transaction discarded because of: the replies of its reads would take more than {mib} MiB; nothing was changed"
    );
    Reply::Error(ErrorReply::new("EXECABORT", text))
}

/// Whether the replies of the reads would be short enough now.
pub(super) fn are_short(attempt: &Attempt<'_>, steps: &[Step]) -> Result<bool, Error> {
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

/// What the reads find, all at one point in time; nil for the whole if a watched key has changed. A client error is the reply of one
/// call; any other error ends the whole.
pub(super) fn run_reads(attempt: &Attempt<'_>, reads: &Reads) -> Result<Result<Vec<Done>, Reply>, Error> {
    let view = attempt.view(0).quiet();
    for watch in &reads.watches {
        if view.get_in(watch.db, &watch.key)?.map(|row| row.revision) != watch.revision {
            return Ok(Err(Reply::NilArray));
        }
    }
    let (mut all, bounded) =
        (Vec::with_capacity(reads.steps.len()), Replies::of(limits::EXEC_REPLIES_BYTES_MAX));
    let mut began_us = monotonic_us();
    for (step, untouched) in reads.steps.iter().zip(&reads.untouched).filter(|(step, _)| step.is_data()) {
        let view = attempt.view(step.db).replying(&bounded);
        let view = if *untouched { view.untouched() } else { view };
        let wanted = Wanted {
            calls: reads.is_watched && step.call.command.flags.has(Flags::RUNS_SCRIPT),
            denied: step.caller.is_some(),
        };
        let run = || invoke_read(step.call, &view, step.caller.as_deref(), &step.words());
        let (outcome, inner) = noting(wanted, run);
        let reply = match outcome {
            Err(Error::Client(_)) if bounded.is_over() => return Ok(Err(replies_too_long())),
            Err(Error::Client(error)) => Reply::Error(error),
            outcome => outcome?,
        };
        let now_us = monotonic_us();
        let executed_us = Some(now_us.saturating_sub(std::mem::replace(&mut began_us, now_us)));
        all.push(Done { reply, executed_us, inner });
    }
    Ok(Ok(all))
}
