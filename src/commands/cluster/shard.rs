//! The core as the one shard of a cluster: its nodes, what they say of themselves, and what they refuse.

use super::{
    CLUSTER,
    slots::{SLOTS, slot_of},
};
use crate::{
    command::{Args, Effect},
    commands::{help, server::lead},
    error::Result,
    resp::{ErrorReply, Reply},
    session::Context,
    state::{NodeEndpoint, public_id},
};
use std::fmt::Write;

fn enabled(context: &Context<'_>) -> Result<()> {
    match context.node.config.settings().cluster_enabled {
        true => Ok(()),
        false => Err(ErrorReply::err("This instance has cluster support disabled").into()),
    }
}

fn endpoints(context: &Context<'_>) -> Result<Vec<NodeEndpoint>> {
    enabled(context)?;
    let kind = context.session.client.port_kind();
    Ok(context.node.group.state.endpoints(context.node.identity.node_id, kind))
}

fn term(context: &Context<'_>) -> u64 {
    context.node.group.state.term()
}

pub(super) fn asking(context: &mut Context<'_>, _args: &mut Args<'_>) -> Result<Reply> {
    enabled(context).map(|()| Reply::Ok)
}

pub(super) fn cluster_help(context: &mut Context<'_>, _args: &mut Args<'_>) -> Result<Reply> {
    enabled(context).map(|()| help("CLUSTER", CLUSTER.subcommands))
}

pub(super) fn failover(context: &mut Context<'_>, args: &mut Args<'_>) -> Result<Effect> {
    enabled(context)?;
    match args.rest() {
        [] => {}
        [how] if how.eq_ignore_ascii_case(b"FORCE") || how.eq_ignore_ascii_case(b"TAKEOVER") => {}
        [_] => return Err(ErrorReply::syntax().into()),
        _ => return Err(ErrorReply::subcommand_syntax("CLUSTER", "FAILOVER").into()),
    }
    if !context.node.group.state.follows() && !context.node.group.state.edge.is_edge() {
        return Err(ErrorReply::err("You should send CLUSTER FAILOVER to a replica").into());
    }
    lead(context)
}

pub(super) fn refused(context: &mut Context<'_>, _args: &mut Args<'_>) -> Result<Reply> {
    enabled(context)?;
    Err(ErrorReply::err("use 'flotilla admin' (or the command CORE) to change the nodes of this cluster")
        .into())
}

pub(super) fn bumpepoch(context: &mut Context<'_>, _args: &mut Args<'_>) -> Result<Reply> {
    enabled(context)?;
    Ok(Reply::simple(format!("STILL {}", term(context))))
}

pub(super) fn failure_reports(context: &mut Context<'_>, args: &mut Args<'_>) -> Result<Reply> {
    known(context, args).map(|_| Reply::Int(0))
}

pub(super) fn saveconfig(context: &mut Context<'_>, _args: &mut Args<'_>) -> Result<Reply> {
    enabled(context).map(|()| Reply::Ok)
}

pub(super) fn links(context: &mut Context<'_>, _args: &mut Args<'_>) -> Result<Reply> {
    enabled(context).map(|()| Reply::Array(vec![]))
}

pub(super) fn keyslot(context: &mut Context<'_>, args: &mut Args<'_>) -> Result<Reply> {
    enabled(context)?;
    Ok(Reply::count(slot_of(args.next_word()?)))
}

pub(super) fn myid(context: &mut Context<'_>, _args: &mut Args<'_>) -> Result<Reply> {
    enabled(context)?;
    Ok(Reply::bulk(public_id(context.node.identity.node_id)))
}

pub(super) fn myshardid(context: &mut Context<'_>, _args: &mut Args<'_>) -> Result<Reply> {
    enabled(context)?;
    Ok(Reply::bulk(shard_id(context)))
}

/// Of the cluster's id.
fn shard_id(context: &Context<'_>) -> String {
    let id = context.node.identity.cluster.read().cluster_id.clone();
    let digits: String = id.chars().filter(char::is_ascii_hexdigit).collect();
    format!("{digits:0>40}")
}

/// The node of an id that the client gives.
fn known(context: &Context<'_>, args: &mut Args<'_>) -> Result<NodeEndpoint> {
    let wanted = String::from_utf8_lossy(args.next_word()?).into_owned();
    let found = endpoints(context)?.into_iter().find(|endpoint| endpoint.id() == wanted);
    found.ok_or_else(|| ErrorReply::err(format!("Unknown node {wanted}")).into())
}

pub(super) fn slots(context: &mut Context<'_>, _args: &mut Args<'_>) -> Result<Reply> {
    let endpoints = endpoints(context)?;
    if !endpoints.first().is_some_and(|endpoint| endpoint.leads) {
        return Ok(Reply::Array(vec![]));
    }
    let node = |endpoint: &NodeEndpoint| {
        let rest = [Reply::count(endpoint.port), Reply::bulk(endpoint.id()), Reply::Map(vec![])];
        Reply::Array([Reply::bulk(&endpoint.host)].into_iter().chain(rest).collect())
    };
    let range = [Reply::Int(0), Reply::count(SLOTS - 1)];
    let nodes = endpoints.iter().filter(|endpoint| endpoint.leads || endpoint.answers).map(node);
    Ok(Reply::Array(vec![Reply::Array(range.into_iter().chain(nodes).collect())]))
}

pub(super) fn shards(context: &mut Context<'_>, _args: &mut Args<'_>) -> Result<Reply> {
    let endpoints = endpoints(context)?;
    let node = |endpoint: &NodeEndpoint| {
        let pair = |name: &str, value: Reply| (Reply::bulk(name), value);
        // As in Redis, all of a node's ports, whoever asks.
        let tls = Some(endpoint.ports.tls).filter(|port| *port != 0);
        let ports = [("port", endpoint.ports.plain()), ("tls-port", tls)];
        let ports = ports.into_iter().filter_map(|(name, port)| Some(pair(name, Reply::count(port?))));
        let mut pairs = vec![pair("id", Reply::bulk(endpoint.id()))];
        pairs.extend(ports);
        pairs.extend([
            pair("ip", Reply::bulk(&endpoint.host)),
            pair("endpoint", Reply::bulk(&endpoint.host)),
            pair("role", Reply::bulk(if endpoint.leads { "master" } else { "replica" })),
            pair("replication-offset", Reply::count(endpoint.offset)),
            pair("health", Reply::bulk(if endpoint.answers { "online" } else { "fail" })),
        ]);
        Reply::Map(pairs)
    };
    Ok(Reply::Array(vec![Reply::Map(vec![
        (Reply::bulk("slots"), Reply::Array(vec![Reply::Int(0), Reply::count(SLOTS - 1)])),
        (Reply::bulk("nodes"), Reply::Array(endpoints.iter().map(node).collect())),
    ])]))
}

/// A line of CLUSTER NODES.
fn line(context: &Context<'_>, endpoint: &NodeEndpoint, leader: Option<&NodeEndpoint>) -> String {
    let myself = if endpoint.node_id == context.node.identity.node_id { "myself," } else { "" };
    let role = if endpoint.leads { "master" } else { "slave" };
    let failed = if endpoint.answers { "" } else { ",fail" };
    let master = leader.filter(|_| !endpoint.leads).map_or_else(|| "-".to_owned(), NodeEndpoint::id);
    let link = if endpoint.answers { "connected" } else { "disconnected" };
    let slots = if endpoint.leads { format!(" 0-{}", SLOTS - 1) } else { String::new() };
    let (id, host, port, epoch) = (endpoint.id(), &endpoint.host, endpoint.port, term(context));
    let (bus, ping, pong) = (endpoint.peer_port, endpoint.asked_ms, endpoint.answered_ms);
    format!("{id} {host}:{port}@{bus} {myself}{role}{failed} {master} {ping} {pong} {epoch} {link}{slots}")
}

pub(super) fn nodes(context: &mut Context<'_>, _args: &mut Args<'_>) -> Result<Reply> {
    let endpoints = endpoints(context)?;
    let leader = endpoints.iter().find(|endpoint| endpoint.leads);
    let mut out = String::new();
    for endpoint in &endpoints {
        // Writing to a String cannot fail.
        let _ = writeln!(out, "{}", line(context, endpoint, leader));
    }
    Ok(Reply::Verbatim("txt", out.into()))
}

pub(super) fn replicas(context: &mut Context<'_>, args: &mut Args<'_>) -> Result<Reply> {
    let of = known(context, args)?;
    if !of.leads {
        return Err(ErrorReply::err("The specified node is not a master").into());
    }
    let endpoints = endpoints(context)?;
    let lines = endpoints
        .iter()
        .filter(|endpoint| !endpoint.leads)
        .map(|endpoint| Reply::bulk(line(context, endpoint, Some(&of))));
    Ok(Reply::Array(lines.collect()))
}

pub(super) fn info(context: &mut Context<'_>, _args: &mut Args<'_>) -> Result<Reply> {
    let endpoints = endpoints(context)?;
    let is_sound = context.node.group.state.leadership().is_sound();
    let (state, ok, failed) = if is_sound { ("ok", SLOTS, 0) } else { ("fail", 0, SLOTS) };
    let (term, count) = (term(context), endpoints.len());
    let text = format!(
        "cluster_state:{state}\r\ncluster_slots_assigned:{SLOTS}\r\ncluster_slots_ok:{ok}\r\ncluster_slots_pfail:0\r\n\
         cluster_slots_fail:{failed}\r\ncluster_known_nodes:{count}\r\ncluster_size:1\r\ncluster_current_epoch:{term}\r\n\
         cluster_my_epoch:{term}\r\ncluster_stats_messages_sent:0\r\ncluster_stats_messages_received:0\r\n\
         total_cluster_links_buffer_limit_exceeded:0\r\n"
    );
    Ok(Reply::Verbatim("txt", text.into()))
}
