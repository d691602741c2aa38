//! CLIENT CONSISTENCY, READONLY, READWRITE: how current this connection's reads must be.

use crate::{
    command::{Args, Command, Flags, Group, Run, parse_i64},
    error::Result,
    resp::{ErrorReply, Reply},
    session::{Consistency, Context},
};

const ROW: Command = Command {
    arity: 1,
    flags: Flags::LOADING.with(Flags::STALE).with(Flags::FAST),
    group: Group::Cluster,
    since: "3.0.0",
    ..Command::BASE
};

pub(super) const READONLY: Command = Command {
    name: "READONLY",
    run: Run::Local(readonly),
    flags: ROW.flags.with(Flags::CONNECTION),
    summary: "Reads of this connection use the data that this node has applied, as CLIENT CONSISTENCY LOCAL.",
    ..ROW
};

pub(super) const READWRITE: Command = Command {
    name: "READWRITE",
    run: Run::Local(readwrite),
    flags: ROW.flags.with(Flags::CONNECTION),
    summary: "Reads of this connection see every acknowledged write, as CLIENT CONSISTENCY LINEARIZABLE.",
    ..ROW
};

/// As Redis, in cluster mode only; as Valkey, also for clients that can be redirected without one.
fn chooses_nodes(context: &Context<'_>) -> Result<()> {
    match context.node.config.settings().cluster_enabled || context.session.client.can_be_redirected() {
        true => Ok(()),
        false => Err(ErrorReply::err("This instance has cluster support disabled").into()),
    }
}

fn readonly(context: &mut Context<'_>, _args: &mut Args<'_>) -> Result<Reply> {
    chooses_nodes(context)?;
    context.session.consistency = Consistency::Local;
    Ok(Reply::Ok)
}

fn readwrite(context: &mut Context<'_>, _args: &mut Args<'_>) -> Result<Reply> {
    chooses_nodes(context)?;
    context.session.consistency = Consistency::Linearizable;
    Ok(Reply::Ok)
}

pub(super) fn consistency(context: &mut Context<'_>, args: &mut Args<'_>) -> Result<Reply> {
    if args.is_empty() {
        return Ok(Reply::bulk(context.session.consistency.to_string()));
    }
    let wanted = if args.take("LINEARIZABLE") {
        Consistency::Linearizable
    } else if args.take("CORE") {
        Consistency::Core
    } else if args.take("SESSION") {
        Consistency::Session
    } else if args.take("LOCAL") {
        Consistency::Local
    } else if args.take("BOUNDED") {
        let ms = parse_i64(args.next_word()?).and_then(|ms| u64::try_from(ms).ok()).filter(|ms| *ms > 0);
        Consistency::Bounded(ms.ok_or_else(|| ErrorReply::err("milliseconds must be a positive integer"))?)
    } else {
        return Err(ErrorReply::syntax().into());
    };
    if !args.is_empty() {
        return Err(ErrorReply::syntax().into());
    }
    context.session.consistency = wanted;
    Ok(Reply::Ok)
}
