//! MONITOR.

use crate::{
    acl::User,
    command::{Args, Command, Flags, Group, Run, check},
    commands::table,
    error::Result,
    resp::Reply,
    session::Context,
};
use std::sync::atomic::Ordering;

pub(super) const MONITOR: Command = Command {
    name: "MONITOR",
    run: Run::Local(monitor),
    flags: Flags::ADMIN
        .with(Flags::NOSCRIPT)
        .with(Flags::LOADING)
        .with(Flags::STALE)
        .with(Flags::NOT_IN_EXEC),
    group: Group::Server,
    summary: "Shows the calls of all clients of this node, until RESET or the end of the connection.",
    ..Command::BASE
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
