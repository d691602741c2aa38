//! ROLE, WAIT, WAITAOF.

use crate::{
    command::{Args, Command, Effect, Flags, Group, Run},
    error::Result,
    resp::{ErrorReply, Reply},
    session::Context,
    state::{Follower, Following, Leadership},
};
use std::{sync::atomic::Ordering, time::Duration};

pub(super) const ROLE: Command = Command {
    name: "ROLE",
    arity: 1,
    run: Run::Local(role),
    flags: Flags::NOSCRIPT
        .with(Flags::LOADING)
        .with(Flags::STALE)
        .with(Flags::FAST)
        .with(Flags::ADMIN_CATEGORY),
    group: Group::Server,
    since: "2.8.12",
    summary: "The node's role, the log index it has committed, and its replicas.",
    ..Command::BASE
};

pub(super) const WAIT: Command = Command {
    name: "WAIT",
    tips: &["request_policy:all_shards", "response_policy:agg_min"],
    arity: 3,
    run: Run::Async(wait),
    flags: Flags::NOSCRIPT.with(Flags::CONNECTION),
    group: Group::Generic,
    since: "3.0.0",
    summary: "Waits until a number of other nodes have all acknowledged writes of this node on disk; returns how many have.",
    syntax: "numreplicas timeout",
    ..Command::BASE
};

pub(super) const WAITAOF: Command = Command {
    name: "WAITAOF",
    arity: 4,
    run: Run::Async(waitaof),
    flags: Flags::NOSCRIPT.with(Flags::CONNECTION),
    group: Group::Generic,
    since: "7.2.0",
    summary: "As WAIT; the first number is 1, because a majority fsyncs every write before it is acknowledged.",
    syntax: "numlocal numreplicas timeout",
    ..Command::BASE
};

fn role(context: &mut Context<'_>, _args: &mut Args<'_>) -> Result<Reply> {
    let settings = context.node.config.settings();
    // Some clients check the kind of server before they ask it for the master.
    if settings.sentinel_port != 0 && context.session.client.local.port() == Some(settings.sentinel_port) {
        let names = vec![Reply::bulk(settings.sentinel_master_name.clone())];
        return Ok(Reply::Array(vec![Reply::bulk("sentinel"), Reply::Array(names)]));
    }
    let log = &context.node.group.state;
    if log.edge.is_edge() {
        let (host, port) = super::info_edge::upstream(context.node);
        let is_bootstrapping = matches!(*log.edge.following.read(), Following::Bootstrap { .. });
        let state = match (log.is_fed(), is_bootstrapping) {
            (true, _) => "connected",
            (false, true) => "sync",
            (false, false) => "connect",
        };
        return Ok(Reply::Array(vec![
            Reply::bulk("slave"),
            Reply::bulk(host),
            Reply::count(port),
            Reply::bulk(state),
            Reply::count(log.edge.core_index.load(Ordering::Relaxed)),
        ]));
    }
    let leadership = log.leadership();
    if leadership != Leadership::Leads {
        let (host, port) = log.leader_clients(context.session.client.port_kind());
        let state = if leadership == Leadership::Follows { "connected" } else { "connect" };
        let applied = log.applied_index();
        return Ok(Reply::Array(vec![
            Reply::bulk("slave"),
            Reply::bulk(host),
            Reply::count(port),
            Reply::bulk(state),
            Reply::count(applied),
        ]));
    }
    let offset = log.committed_index();
    let follower = |follower: &Follower| {
        Reply::Array(vec![
            Reply::bulk(&follower.host),
            Reply::bulk(follower.port.to_string()),
            Reply::bulk(follower.offset.to_string()),
        ])
    };
    let followers = log.followers().iter().filter(|one| one.is_online).map(follower).collect();
    Ok(Reply::Array(vec![Reply::bulk("master"), Reply::count(offset), Reply::Array(followers)]))
}

fn timeout(args: &mut Args<'_>) -> Result<Duration> {
    let word = args.next_word()?;
    let millis = crate::command::parse_i64(word)
        .ok_or_else(|| ErrorReply::err("timeout is not an integer or out of range"))?;
    let millis = u64::try_from(millis).map_err(|_| ErrorReply::err("timeout is negative"))?;
    // 0 = for ever; a day is long enough to notice that no further node has the writes.
    const FOR_EVER: u64 = 24 * 3600 * 1000;
    Ok(Duration::from_millis(if millis == 0 { FOR_EVER } else { millis.min(FOR_EVER) }))
}

fn wait(_context: &mut Context<'_>, args: &mut Args<'_>) -> Result<Effect> {
    let replicas = args.next_i64()?;
    let within = timeout(args)?;
    Ok(Effect::Replicated { wanted: count(replicas), within, aof: false })
}

fn waitaof(_context: &mut Context<'_>, args: &mut Args<'_>) -> Result<Effect> {
    let (local, replicas) = (args.next_i64()?, args.next_i64()?);
    if !(0..=1).contains(&local) || replicas < 0 {
        return Err(ErrorReply::err("value is out of range").into());
    }
    let within = timeout(args)?;
    Ok(Effect::Replicated { wanted: count(replicas), within, aof: true })
}

/// As Redis: of fewer than none, none are waited for.
fn count(replicas: i64) -> u32 {
    u32::try_from(replicas.max(0)).unwrap_or(u32::MAX)
}
