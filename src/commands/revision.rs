//! LASTREV, WAITREV: carry a connection's writes to another connection, node or site.
//!
//! A revision here is the index of an entry of the core's log; it means the same on every node of the core and of every
//! edge site.

use crate::{
    command::{Args, Command, Effect, Flags, Group, Run, parse_i64},
    error::Result,
    resp::ErrorReply,
    session::Context,
};
use std::time::Duration;

/// Longest wait, ms.
const WAIT_MS_MAX: u64 = 3_600_000;

/// Every row of the group.
pub static COMMANDS: &[Command] = &[
    Command {
        name: "LASTREV",
        arity: 1,
        run: Run::Async(lastrev),
        flags: Flags::NOSCRIPT.with(Flags::STALE).with(Flags::FAST).with(Flags::CONNECTION),
        group: Group::Generic,
        since: "0.1.0",
        summary: "Returns the revision at which all writes of this connection are visible, for WAITREV elsewhere.",
        ..Command::BASE
    },
    Command {
        name: "WAITREV",
        arity: 3,
        run: Run::Async(waitrev),
        flags: Flags::NOSCRIPT.with(Flags::STALE).with(Flags::CONNECTION),
        group: Group::Generic,
        since: "0.1.0",
        summary: "Waits until this node has applied the revision; returns its own, or STALE if it is still behind.",
        syntax: "revision milliseconds",
        ..Command::BASE
    },
];

fn lastrev(_context: &mut Context<'_>, _args: &mut Args<'_>) -> Result<Effect> {
    Ok(Effect::LastRevision)
}

fn waitrev(_context: &mut Context<'_>, args: &mut Args<'_>) -> Result<Effect> {
    let number = |word: &[u8]| parse_i64(word).and_then(|number| u64::try_from(number).ok());
    let revision = number(args.next_word()?);
    let revision = revision.ok_or_else(|| ErrorReply::err("the revision is not what LASTREV answers"))?;
    let ms = number(args.next_word()?).ok_or_else(|| ErrorReply::err("timeout is negative or no integer"))?;
    Ok(Effect::WaitRevision { revision, within: Duration::from_millis(ms.min(WAIT_MS_MAX)) })
}
