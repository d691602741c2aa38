//! Saving, stopping, time.

use crate::{
    command::{Args, Command, Effect, Flags, Group, InScript, Run, ShutdownMode},
    error::Result,
    resp::{ErrorReply, Reply},
    session::Context,
};
use std::sync::atomic::Ordering;

const ADMIN: Flags = Flags::ADMIN.with(Flags::NOSCRIPT);
const SAVING: Flags = ADMIN.with(Flags::NO_ASYNC_LOADING);

pub(super) const BGSAVE: Command = Command {
    name: "BGSAVE",
    arity: -1,
    run: Run::Async(bgsave),
    flags: SAVING,
    group: Group::Server,
    summary: "Flushes the store and writes a checkpoint of it in the background.",
    syntax: "[SCHEDULE]",
    ..Command::BASE
};

pub(super) const SAVE: Command = Command {
    name: "SAVE",
    arity: 1,
    run: Run::Async(save),
    flags: SAVING.with(Flags::NO_MULTI),
    group: Group::Server,
    summary: "Flushes the store, writes a checkpoint of it, and answers when it is complete.",
    ..Command::BASE
};

pub(super) const BGREWRITEAOF: Command = Command {
    name: "BGREWRITEAOF",
    arity: 1,
    run: Run::Local(bgrewriteaof),
    flags: SAVING,
    group: Group::Server,
    summary: "Answers as Redis does; there is no append-only file, and the log is purged automatically.",
    ..Command::BASE
};

pub(super) const LASTSAVE: Command = Command {
    name: "LASTSAVE",
    tips: &["nondeterministic_output"],
    arity: 1,
    run: Run::Local(lastsave),
    flags: Flags::LOADING.with(Flags::STALE).with(Flags::FAST).with(Flags::ADMIN_CATEGORY),
    group: Group::Server,
    summary: "Unix time of the last checkpoint, or of the start if there was none since.",
    ..Command::BASE
};

pub(super) const TIME: Command = Command {
    name: "TIME",
    tips: &["nondeterministic_output"],
    arity: 1,
    run: Run::Local(time),
    in_script: Some(|now_ms, _| Ok(InScript::Reply(time_reply(now_ms.saturating_mul(1000))))),
    flags: Flags::LOADING.with(Flags::STALE).with(Flags::FAST),
    group: Group::Server,
    since: "2.6.0",
    summary: "The server's clock: seconds since 1970 and microseconds of the second.",
    ..Command::BASE
};

pub(super) const SHUTDOWN: Command = Command {
    name: "SHUTDOWN",
    arity: -1,
    run: Run::Async(shutdown),
    flags: ADMIN.with(Flags::LOADING).with(Flags::STALE).with(Flags::NO_MULTI).with(Flags::ALLOW_BUSY),
    group: Group::Server,
    summary: "Stops the node; no acknowledged write is lost, whichever option is given.",
    syntax: "[NOSAVE | SAVE] [NOW] [FORCE] [ABORT]",
    ..Command::BASE
};

fn bgsave(_context: &mut Context<'_>, args: &mut Args<'_>) -> Result<Effect> {
    let _ = args.take("SCHEDULE");
    args.finish()?;
    Ok(Effect::Checkpoint { background: true })
}

fn save(_context: &mut Context<'_>, _args: &mut Args<'_>) -> Result<Effect> {
    Ok(Effect::Checkpoint { background: false })
}

fn bgrewriteaof(_context: &mut Context<'_>, _args: &mut Args<'_>) -> Result<Reply> {
    Ok(Reply::simple("Background append only file rewriting started"))
}

fn lastsave(context: &mut Context<'_>, _args: &mut Args<'_>) -> Result<Reply> {
    Ok(Reply::Int(context.node.last_save.load(Ordering::Relaxed)))
}

fn time(_context: &mut Context<'_>, _args: &mut Args<'_>) -> Result<Reply> {
    Ok(time_reply(crate::time::now_micros()))
}

fn time_reply(micros: u64) -> Reply {
    let part = |n: u64| Reply::bulk(n.to_string());
    Reply::Array(vec![part(micros / 1_000_000), part(micros % 1_000_000)])
}

fn shutdown(_context: &mut Context<'_>, args: &mut Args<'_>) -> Result<Effect> {
    let mut mode = ShutdownMode { nosave: false, now: false, force: false };
    let (mut save, mut abort) = (false, false);
    while !args.is_empty() {
        if args.take("NOSAVE") {
            mode.nosave = true;
        } else if args.take("SAVE") {
            save = true;
        } else if args.take("NOW") {
            mode.now = true;
        } else if args.take("FORCE") {
            mode.force = true;
        } else if args.take("ABORT") {
            abort = true;
        } else {
            return Err(ErrorReply::syntax().into());
        }
    }
    if (mode.nosave && save) || (abort && (mode.nosave || save || mode.now || mode.force)) {
        return Err(ErrorReply::syntax().into());
    }
    if abort {
        return Err(ErrorReply::err("No shutdown in progress.").into());
    }
    Ok(Effect::Shutdown(mode))
}
