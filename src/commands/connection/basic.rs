//! PING, ECHO, SELECT, QUIT, RESET.

use crate::{
    command::{Args, Command, Databases, Flags, Group, InScript, Run, parse_i64},
    error::Result,
    limits::DATABASES,
    resp::{ErrorReply, Protocol, Reply},
    session::Context,
};

const ALWAYS: Flags = Flags::LOADING.with(Flags::STALE).with(Flags::FAST);
const BEFORE_AUTH: Flags = ALWAYS
    .with(Flags::NOSCRIPT)
    .with(Flags::NO_AUTH)
    .with(Flags::ALLOW_BUSY)
    .with(Flags::NOT_QUEUED)
    .with(Flags::WHILE_SUBSCRIBED);

pub(super) const PING: Command = Command {
    name: "PING",
    tips: &["request_policy:all_shards", "response_policy:all_succeeded"],
    arity: -1,
    run: Run::Local(ping),
    in_script: Some(|_, args| pong(args).map(InScript::Reply)),
    flags: Flags::FAST.with(Flags::WHILE_SUBSCRIBED),
    group: Group::Connection,
    summary: "Returns PONG, or its argument.",
    syntax: "[message]",
    ..Command::BASE
};

pub(super) const ECHO: Command = Command {
    name: "ECHO",
    arity: 2,
    run: Run::Local(echo),
    in_script: Some(|_, args| Ok(InScript::Reply(Reply::bulk(args.next_word()?)))),
    flags: ALWAYS,
    group: Group::Connection,
    summary: "Returns its argument.",
    syntax: "message",
    ..Command::BASE
};

pub(super) const SELECT: Command = Command {
    name: "SELECT",
    arity: 2,
    run: Run::Local(select),
    in_script: Some(|_, args| database(args).map(InScript::Select)),
    selects: Some(selected),
    databases: Databases::Named(|_| vec![1]),
    not_in_cluster: Some(selects_another),
    flags: ALWAYS,
    group: Group::Connection,
    summary: "Chooses the logical database of the connection.",
    syntax: "index",
    ..Command::BASE
};

pub(super) const QUIT: Command = Command {
    name: "QUIT",
    arity: -1,
    run: Run::Local(quit),
    flags: BEFORE_AUTH,
    group: Group::Connection,
    summary: "Closes the connection after the reply.",
    ..Command::BASE
};

pub(super) const RESET: Command = Command {
    name: "RESET",
    arity: 1,
    run: Run::Local(reset),
    flags: BEFORE_AUTH,
    group: Group::Connection,
    since: "6.2.0",
    summary: "Puts the connection back into the state of a new one.",
    ..Command::BASE
};

fn ping(context: &mut Context<'_>, args: &mut Args<'_>) -> Result<Reply> {
    // A RESP2 client that listens could not tell an ordinary reply from a message.
    let listens = context.session.protocol == Protocol::Resp2 && !context.session.subscriptions.is_empty();
    match args.rest() {
        [] if listens => Ok(Reply::Array(vec![Reply::bulk("pong"), Reply::bulk("")])),
        [message] if listens => Ok(Reply::Array(vec![Reply::bulk("pong"), Reply::bulk(message)])),
        _ => pong(args),
    }
}

fn pong(args: &Args<'_>) -> Result<Reply> {
    match args.rest() {
        [] => Ok(Reply::simple("PONG")),
        [message] => Ok(Reply::bulk(message)),
        _ => Err(ErrorReply::wrong_arity("ping").into()),
    }
}

fn echo(_context: &mut Context<'_>, args: &mut Args<'_>) -> Result<Reply> {
    Ok(Reply::bulk(args.next_word()?))
}

fn select(context: &mut Context<'_>, args: &mut Args<'_>) -> Result<Reply> {
    context.session.select(database(args)?);
    Ok(Reply::Ok)
}

fn database(args: &mut Args<'_>) -> Result<u32> {
    let number = args.next_i32()?;
    let db = u32::try_from(number).ok().filter(|db| *db < DATABASES);
    Ok(db.ok_or_else(ErrorReply::db_out_of_range)?)
}

fn selected(argv: &[&[u8]]) -> Option<u32> {
    let db = argv.get(1).and_then(|word| parse_i64(word)).and_then(|number| u32::try_from(number).ok());
    db.filter(|db| *db < DATABASES)
}

fn selects_another(argv: &[&[u8]]) -> Option<&'static str> {
    let db = argv.get(1).and_then(|word| parse_i64(word)).and_then(|number| i32::try_from(number).ok());
    db.filter(|db| *db != 0).map(|_| "SELECT is not allowed in cluster mode")
}

fn quit(context: &mut Context<'_>, _args: &mut Args<'_>) -> Result<Reply> {
    context.session.closing = true;
    Ok(Reply::Ok)
}

fn reset(context: &mut Context<'_>, _args: &mut Args<'_>) -> Result<Reply> {
    let users = &context.node.users;
    let open = users.is_open(&context.node.config.settings());
    context.session.reset(users.default_user(), open);
    Ok(Reply::simple("RESET"))
}
