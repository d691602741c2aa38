//! FAILOVER, REPLICAOF, SLAVEOF: transfer of leadership, in the terms of Redis's replication.
//!
//! Followers follow the leader by themselves, so these commands can only mean "let another node lead": FAILOVER any other
//! node, `REPLICAOF NO ONE` this one. So a redis-sentinel that promotes a node gets the leader that it asked for.

use crate::{
    command::{Args, Command, Effect, Flags, Group, Run, parse_i64},
    error::Result,
    resp::{ErrorReply, Reply},
    session::{Context, CoreRequest},
    state::{Other, PortKind},
};
use std::sync::atomic::Ordering;

const FLAGS: Flags = Flags::ADMIN.with(Flags::NOSCRIPT).with(Flags::STALE);

pub(super) const FAILOVER: Command = Command {
    name: "FAILOVER",
    arity: -1,
    run: Run::Async(failover),
    flags: FLAGS,
    group: Group::Server,
    since: "6.2.0",
    summary: "Transfers leadership to the named node, or to the one whose log is most complete; OK when it leads.",
    syntax: "[TO host port [FORCE]] [ABORT] [TIMEOUT milliseconds]",
    ..Command::BASE
};

pub(super) const REPLICAOF: Command = Command {
    name: "REPLICAOF",
    arity: 3,
    run: Run::Async(replicaof),
    flags: FLAGS.with(Flags::NO_ASYNC_LOADING),
    group: Group::Server,
    since: "5.0.0",
    summary: "NO ONE makes this node the leader. A host and port are refused, unless they are the leader's.",
    syntax: "<host port | NO ONE>",
    ..Command::BASE
};

pub(super) const SLAVEOF: Command = Command { name: "SLAVEOF", since: "1.0.0", ..REPLICAOF };

/// Lets the node of this connection lead.
pub(in crate::commands) fn lead(context: &Context<'_>) -> Result<Effect> {
    let log = &context.node.group.state;
    if log.edge.is_edge() {
        let text =
            "this node is of an edge site, which follows the core and cannot lead it; ask a node of the core";
        return Err(ErrorReply::err(text).into());
    }
    if !log.is_one_of_many.load(Ordering::Relaxed) {
        return Ok(Effect::Reply(Reply::Ok));
    }
    let name = Some(context.node.identity.node_name.clone());
    Ok(Effect::Core(CoreRequest::Transfer { name }))
}

fn replicaof(context: &mut Context<'_>, args: &mut Args<'_>) -> Result<Effect> {
    let settings = context.node.config.settings();
    if settings.cluster_enabled {
        return Err(ErrorReply::err("REPLICAOF not allowed in cluster mode.").into());
    }
    let (host, port) = (args.next_word()?, args.next_word()?);
    if host.eq_ignore_ascii_case(b"NO") && port.eq_ignore_ascii_case(b"ONE") {
        return lead(context);
    }
    let port = parse_i64(port).and_then(|port| u16::try_from(port).ok());
    let port = port.ok_or_else(|| ErrorReply::err("Invalid master port"))?;
    let log = &context.node.group.state;
    let leads = |kind| log.leader_clients(kind) == (String::from_utf8_lossy(host).into_owned(), port);
    if log.follows() && (leads(PortKind::Plain) || leads(PortKind::Tls)) {
        return Ok(Effect::Reply(Reply::simple("OK Already connected to specified master")));
    }
    let text = "nodes of a core follow its leader by themselves; REPLICAOF NO ONE lets this node lead, FAILOVER another one, \
                and 'flotilla import' copies from another server";
    Err(ErrorReply::err(text).into())
}

/// The arguments of FAILOVER.
#[derive(Default)]
struct Wanted<'a> {
    to: Option<(&'a [u8], i64)>,
    timeout_ms: Option<i64>,
    force: bool,
}

fn wanted<'a>(args: &mut Args<'a>) -> Result<Wanted<'a>> {
    let mut wanted = Wanted::default();
    while !args.is_empty() {
        if args.remaining() > 1 && wanted.timeout_ms.is_none() && args.take("TIMEOUT") {
            let ms = args.next_i64()?;
            if ms <= 0 {
                return Err(ErrorReply::err("FAILOVER timeout must be greater than 0").into());
            }
            wanted.timeout_ms = Some(ms);
        } else if args.remaining() > 2 && wanted.to.is_none() && args.take("TO") {
            wanted.to = Some((args.next_word()?, args.next_i64()?));
        } else if !wanted.force && args.take("FORCE") {
            wanted.force = true;
        } else {
            return Err(ErrorReply::syntax().into());
        }
    }
    Ok(wanted)
}

/// A transfer ends within seconds or fails, whatever time the client allows. There is nothing to force or to abort: the
/// leader stops accepting writes only while it hands over.
fn failover(context: &mut Context<'_>, args: &mut Args<'_>) -> Result<Effect> {
    let refused = |text: &'static str| Err(ErrorReply::err(text).into());
    if context.node.config.settings().cluster_enabled {
        return refused("FAILOVER not allowed in cluster mode. Use CLUSTER FAILOVER command instead.");
    }
    if args.remaining() == 1 && args.take("ABORT") {
        return refused("No failover in progress.");
    }
    let wanted = wanted(args)?;
    let log = &context.node.group.state;
    if log.edge.is_edge() || log.follows() {
        return refused("FAILOVER is not valid when server is a replica.");
    }
    let others = log.others.read();
    if !others.iter().any(|other| other.answers) {
        return refused("FAILOVER requires connected replicas.");
    }
    if wanted.force && (wanted.to.is_none() || wanted.timeout_ms.is_none()) {
        return refused("FAILOVER with force option requires both a timeout and target HOST and IP.");
    }
    let Some((host, port)) = wanted.to else {
        return Ok(Effect::Core(CoreRequest::Transfer { name: None }));
    };
    let is_it = |other: &&Other| other.host.as_bytes() == host && other.client_ports.has(port);
    match others.iter().find(is_it) {
        None => refused("FAILOVER target HOST and PORT is not a replica."),
        Some(other) if !other.answers => refused("FAILOVER target replica is not online."),
        Some(other) => Ok(Effect::Core(CoreRequest::Transfer { name: Some(other.name.clone()) })),
    }
}
