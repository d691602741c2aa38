//! MULTI, EXEC, DISCARD, WATCH, UNWATCH. The server queues and runs; these handlers change the session and return the
//! action.

use crate::{
    command::{Access, Args, Command, Effect, Flags, Group, KeyRange, Run},
    error::Result,
    resp::{ErrorReply, Reply},
    session::{Context, Transaction},
};
use std::sync::atomic::Ordering;

const FLAGS: Flags =
    Flags::NOSCRIPT.with(Flags::LOADING).with(Flags::STALE).with(Flags::FAST).with(Flags::ALLOW_BUSY);
const AT_ONCE: Flags = FLAGS.with(Flags::NOT_QUEUED);

const WATCH: Command = Command {
    name: "WATCH",
    arity: -2,
    keys: KeyRange::ALL,
    access: &[Access::Look],
    run: Run::Async(watch),
    flags: AT_ONCE,
    group: Group::Transactions,
    since: "2.2.0",
    complexity: "O(1) for every key.",
    summary: "Remembers the revisions of keys; EXEC does nothing if one of them has changed.",
    syntax: "key [key ...]",
    ..Command::BASE
};

/// Every row of the group.
pub static COMMANDS: &[Command] = &[
    Command {
        name: "MULTI",
        arity: 1,
        run: Run::Local(multi),
        flags: AT_ONCE,
        group: Group::Transactions,
        since: "1.2.0",
        summary: "Starts a transaction: the commands that follow are queued until EXEC.",
        ..Command::BASE
    },
    Command {
        name: "EXEC",
        arity: 1,
        run: Run::Async(exec),
        flags: Flags::NOSCRIPT
            .with(Flags::LOADING)
            .with(Flags::STALE)
            .with(Flags::SKIP_SLOWLOG)
            .with(Flags::NOT_QUEUED)
            .with(Flags::RUNS_QUEUE),
        group: Group::Transactions,
        since: "1.2.0",
        complexity: "Depends on commands in the transaction",
        summary: "Runs the queued commands as one log entry, if no watched key has changed.",
        ..Command::BASE
    },
    Command {
        name: "DISCARD",
        arity: 1,
        run: Run::Local(discard),
        flags: AT_ONCE,
        group: Group::Transactions,
        since: "2.0.0",
        complexity: "O(N), when N is the number of queued commands",
        summary: "Drops the queued commands and all watches.",
        ..Command::BASE
    },
    WATCH,
    Command {
        name: "UNWATCH",
        arity: 1,
        run: Run::Local(unwatch),
        flags: FLAGS,
        group: Group::Transactions,
        since: "2.2.0",
        summary: "Forgets all watches.",
        ..Command::BASE
    },
];

fn multi(context: &mut Context<'_>, _args: &mut Args<'_>) -> Result<Reply> {
    if context.session.transaction.is_some() {
        return Err(ErrorReply::err("MULTI calls can not be nested").into());
    }
    context.session.transaction = Some(Transaction::at(context.session.db));
    context.session.client.queued.store(0, Ordering::Relaxed);
    Ok(Reply::Ok)
}

fn exec(context: &mut Context<'_>, _args: &mut Args<'_>) -> Result<Effect> {
    if context.session.transaction.is_none() {
        return Err(ErrorReply::err("EXEC without MULTI").into());
    }
    Ok(Effect::Exec)
}

fn discard(context: &mut Context<'_>, _args: &mut Args<'_>) -> Result<Reply> {
    if context.session.transaction.take().is_none() {
        return Err(ErrorReply::err("DISCARD without MULTI").into());
    }
    context.session.client.queued.store(u32::MAX, Ordering::Relaxed);
    context.session.unwatch(context.node.group.id);
    Ok(Reply::Ok)
}

fn watch(context: &mut Context<'_>, args: &mut Args<'_>) -> Result<Effect> {
    if context.session.transaction.is_some() {
        return Err(ErrorReply::err("WATCH inside MULTI is not allowed").into());
    }
    let argv = args.argv();
    let keys = WATCH.keys_of(argv).into_iter().filter_map(|named| argv.get(named.at));
    Ok(Effect::Watch(keys.map(|key| key.to_vec()).collect()))
}

fn unwatch(context: &mut Context<'_>, _args: &mut Args<'_>) -> Result<Reply> {
    context.session.unwatch(context.node.group.id);
    Ok(Reply::Ok)
}
