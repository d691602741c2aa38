//! MONITOR; and what belongs to a replication that is not this server's: SYNC, PSYNC, REPLCONF.

use crate::{
    acl::User,
    command::{Args, Command, Flags, Group, Run, check},
    commands::table,
    error::Result,
    resp::{ErrorReply, Reply},
    session::Context,
};
use std::sync::atomic::Ordering;

const ROW: Command = Command {
    run: Run::Local(refused),
    flags: Flags::ADMIN.with(Flags::NOSCRIPT),
    group: Group::Server,
    ..Command::BASE
};

const SYNCS: Flags = ROW.flags.with(Flags::NO_ASYNC_LOADING).with(Flags::NO_MULTI);

pub(super) const MONITOR: Command = Command {
    name: "MONITOR",
    run: Run::Local(monitor),
    flags: ROW.flags.with(Flags::LOADING).with(Flags::STALE).with(Flags::NOT_IN_EXEC),
    summary: "Shows the calls of all clients of this node, until RESET or the end of the connection.",
    ..ROW
};

pub(super) const SYNC: Command = Command {
    name: "SYNC",
    flags: SYNCS,
    summary: "Refused: nodes replicate by Raft, and edges follow the core.",
    ..ROW
};

pub(super) const PSYNC: Command = Command {
    name: "PSYNC",
    arity: -3,
    flags: SYNCS,
    since: "2.8.0",
    summary: "Refused: nodes replicate by Raft, and edges follow the core.",
    syntax: "replicationid offset",
    ..ROW
};

pub(super) const REPLCONF: Command = Command {
    name: "REPLCONF",
    arity: -1,
    flags: ROW.flags.with(Flags::LOADING).with(Flags::STALE).with(Flags::ALLOW_BUSY),
    since: "3.0.0",
    summary: "Refused: nodes replicate by Raft, and edges follow the core.",
    ..ROW
};

/// Whether a user may be shown what others do.
pub fn may_monitor(user: &User) -> bool {
    let argv: &[&[u8]] = &[MONITOR.name.as_bytes()];
    table().resolve(argv).is_ok_and(|monitor| check(user, monitor, argv, 0).is_ok())
}

fn monitor(context: &mut Context<'_>, _args: &mut Args<'_>) -> Result<Reply> {
    let (session, node) = (&mut context.session, context.node);
    let client = std::sync::Arc::clone(&session.client);
    if !session.subscriptions.monitor(&client, &node.monitors, &node.pubsub.output_limit) {
        // As in Redis, once is enough, and the second time there is no answer.
        return Ok(Reply::None);
    }
    client.monitors.store(true, Ordering::Relaxed);
    Ok(Reply::Ok)
}

fn refused(_context: &mut Context<'_>, _args: &mut Args<'_>) -> Result<Reply> {
    let text = "this server has no replicas of Redis's kind: use 'flotilla export', or an edge, to have its data elsewhere";
    Err(ErrorReply::err(text).into())
}
