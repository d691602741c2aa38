//! AUTH and HELLO.

use super::{client::check_name, client_list::client_info};
use crate::{
    command::{Args, Command, Flags, Group, Run, parse_i64},
    error::Result,
    limits::{REPORTED_REDIS_VERSION, USER_NAME},
    resp::{ErrorReply, Protocol, Reply},
    session::{Context, DeniedIn, DeniedReason, Origin, Stats},
    time::now_ms,
};
use std::{sync::atomic::Ordering, time::Instant};

const FLAGS: Flags = Flags::NOSCRIPT
    .with(Flags::LOADING)
    .with(Flags::STALE)
    .with(Flags::FAST)
    .with(Flags::NO_AUTH)
    .with(Flags::ALLOW_BUSY);

pub(super) const AUTH: Command = Command {
    name: "AUTH",
    arity: -2,
    run: Run::Local(auth),
    has_password: Some(|_| true),
    secrets: Some(|argv| (1..argv.len()).collect()),
    flags: FLAGS,
    group: Group::Connection,
    summary: "Authenticates the connection.",
    syntax: "[username] password",
    ..Command::BASE
};

pub(super) const HELLO: Command = Command {
    name: "HELLO",
    arity: -1,
    run: Run::Local(hello),
    has_password: Some(|argv| argv.iter().any(|word| word.eq_ignore_ascii_case(b"AUTH"))),
    secrets: Some(credentials),
    flags: FLAGS,
    group: Group::Connection,
    since: "6.0.0",
    summary: "Chooses RESP2 or RESP3, may authenticate and name the connection, and describes the server.",
    syntax: "[protover [AUTH username password] [SETNAME clientname]]",
    ..Command::BASE
};

/// The two words behind AUTH.
fn credentials(argv: &[&[u8]]) -> Vec<usize> {
    let auths = argv.iter().enumerate().filter(|(_, word)| word.eq_ignore_ascii_case(b"AUTH"));
    auths.flat_map(|(at, _)| [at.saturating_add(1), at.saturating_add(2)]).collect()
}

fn auth(context: &mut Context<'_>, args: &mut Args<'_>) -> Result<Reply> {
    let object = args.argv().first().copied().unwrap_or_default();
    match args.rest() {
        [password] => {
            if !context.node.users.default_has_password(&context.node.config.settings()) {
                let text = "AUTH <password> called without any password configured for the default user. Are you \
                            sure your configuration is correct?";
                return Err(ErrorReply::err(text).into());
            }
            authenticate(context, object, USER_NAME.as_bytes(), password)?;
            Ok(Reply::Ok)
        }
        [user, password] => {
            authenticate(context, object, user, password)?;
            Ok(Reply::Ok)
        }
        _ => Err(ErrorReply::syntax().into()),
    }
}

/// `object`: the word that the client called, for ACL LOG.
fn authenticate(context: &mut Context<'_>, object: &[u8], user: &[u8], password: &[u8]) -> Result<()> {
    let (node, settings) = (context.node, context.node.config.settings());
    if let Some(user) = node.users.authenticate(&settings, user, password) {
        context.session.authenticate(user);
        return Ok(());
    }
    Stats::add(&node.stats.auth_failures, 1);
    let client = client_info(&context.session.client, context.now);
    let why = (DeniedReason::Auth, DeniedIn::TopLevel);
    node.users.log.add(why, object, user, client, now_ms(), settings.acllog_len_max);
    let from = Origin::of(&context.session.client.peer);
    if let Some(failures) = node.auth_failures.failed(from, Instant::now()) {
        tracing::warn!(
            %from,
            failures,
            "wrong password; after ten from one address, further attempts from there are delayed by up to 5 s each"
        );
    }
    Err(ErrorReply::wrong_pass().into())
}

fn hello(context: &mut Context<'_>, args: &mut Args<'_>) -> Result<Reply> {
    let object = args.argv().first().copied().unwrap_or_default();
    let mut protocol = context.session.protocol;
    if let Some(word) = args.next_opt() {
        let version = parse_i64(word)
            .ok_or_else(|| ErrorReply::err("Protocol version is not an integer or out of range"))?;
        protocol = match version {
            2 => Protocol::Resp2,
            3 => Protocol::Resp3,
            _ => return Err(ErrorReply::new("NOPROTO", "unsupported protocol version").into()),
        };
    }
    let mut name = None;
    while let Some(word) = args.peek() {
        if args.remaining() > 2 && args.take("AUTH") {
            let (user, password) = (args.next_word()?, args.next_word()?);
            authenticate(context, object, user, password)?;
        } else if args.remaining() > 1 && args.take("SETNAME") {
            name = Some(check_name(args.next_word()?, "Client names")?);
        } else {
            let word = String::from_utf8_lossy(word).into_owned();
            return Err(ErrorReply::err(format!("Syntax error in HELLO option '{word}'")).into());
        }
    }
    if !context.session.authenticated {
        let text = "HELLO must be called with the client already authenticated, otherwise the HELLO AUTH \
                    <user> <pass> option can be used to authenticate the client and select the RESP protocol version \
                    at the same time";
        return Err(ErrorReply::new("NOAUTH", text).into());
    }
    if let Some(name) = name {
        context.session.client.text.lock().name = name;
    }
    context.session.protocol = protocol;
    let number = match protocol {
        Protocol::Resp2 => 2,
        Protocol::Resp3 => 3,
    };
    context.session.client.resp.store(number, Ordering::Relaxed);
    Ok(describe(context, number))
}

fn describe(context: &Context<'_>, protocol: u32) -> Reply {
    let pair = |key: &'static str, value: Reply| (Reply::bulk(key), value);
    let mode = if context.node.config.settings().cluster_enabled { "cluster" } else { "standalone" };
    let role = if context.node.group.state.is_replica() { "replica" } else { "master" };
    Reply::Map(vec![
        pair("server", Reply::bulk("redis")),
        pair("version", Reply::bulk(REPORTED_REDIS_VERSION)),
        pair("proto", Reply::Int(i64::from(protocol))),
        pair("id", Reply::count(context.session.client.id)),
        pair("mode", Reply::bulk(mode)),
        pair("role", Reply::bulk(role)),
        pair("modules", Reply::Array(Vec::new())),
    ])
}
