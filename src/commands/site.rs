//! SITE: edge sites, as the core sees them and as they see themselves. `flotilla admin sites` and `reseed` send these.

use crate::{
    command::{Args, Command, Flags, Group, Run},
    commands::help,
    error::Result,
    resp::{ErrorReply, Reply},
    session::Context,
    state::Following,
};
use serde_json::json;
use std::sync::atomic::{AtomicU64, Ordering};

/// Every row of the group.
pub static COMMANDS: &[Command] = &[SITE];

const ROW: Command = Command {
    arity: 2,
    flags: Flags::NOSCRIPT.with(Flags::ADMIN).with(Flags::STALE).with(Flags::LOADING),
    group: Group::Cluster,
    since: "0.1.0",
    ..Command::BASE
};

const SITE: Command = Command {
    name: "SITE",
    arity: -2,
    group: Group::Cluster,
    since: "0.1.0",
    complexity: "Depends on subcommand.",
    summary: "Reports the state of edge sites.",
    subcommands: &[
        Command { name: "HELP", run: Run::Local(site_help), summary: "Lists the subcommands.", ..ROW },
        Command {
            name: "LIST",
            run: Run::Local(list),
            summary: "On a core node: returns the edges that the core feeds, and their lag, as JSON.",
            ..ROW
        },
        Command {
            name: "RESEED",
            run: Run::Local(reseed),
            summary: "On an edge: fetches a bootstrap snapshot of the core's data; the present data serve until it is installed.",
            ..ROW
        },
        Command {
            name: "STATUS",
            run: Run::Local(status),
            summary: "On an edge: returns its upstream and its lag, as JSON.",
            ..ROW
        },
    ],
    ..Command::BASE
};

fn site_help(_context: &mut Context<'_>, _args: &mut Args<'_>) -> Result<Reply> {
    Ok(help("SITE", SITE.subcommands))
}

fn list(context: &mut Context<'_>, _args: &mut Args<'_>) -> Result<Reply> {
    let (node, log) = (context.node, &context.node.group.state);
    if log.edge.is_edge() {
        return Err(ErrorReply::err("this is an edge: ask a core node, or use SITE STATUS").into());
    }
    let committed = log.committed_index();
    let edge = |(fed_by, seen): &(u64, crate::state::FedSeen)| {
        json!({
            "site": seen.site,
            "name": seen.name,
            "state": seen.report.state,
            "core_index": seen.report.core_index,
            "lag_entries": seen.lag_entries(committed),
            "lag_ms": seen.report.lag_ms,
            "feature_level": (seen.report.feature_level != 0).then_some(seen.report.feature_level),
            "sent_index": seen.sent_index,
            "sent_bytes": seen.sent_bytes,
            "fed_by": fed_by,
        })
    };
    let edges: Vec<_> = log.sites(node.identity.node_id).iter().map(edge).collect();
    let told = json!({ "committed_index": committed, "edges": edges });
    Ok(Reply::bulk(told.to_string()))
}

fn reseed(context: &mut Context<'_>, _args: &mut Args<'_>) -> Result<Reply> {
    let edge = &context.node.group.state.edge;
    if !edge.is_edge() {
        return Err(not_an_edge().into());
    }
    tracing::info!(client = context.session.client.id, "SITE RESEED");
    edge.ask_bootstrap();
    Ok(Reply::Ok)
}

fn status(context: &mut Context<'_>, _args: &mut Args<'_>) -> Result<Reply> {
    let (node, edge) = (context.node, &context.node.group.state.edge);
    if !edge.is_edge() {
        return Err(not_an_edge().into());
    }
    let load = |number: &AtomicU64| number.load(Ordering::Relaxed);
    let following = edge.following.read().clone();
    let (why, bootstrap) = match &following {
        Following::Cut(why) => (Some(why.clone()), None),
        Following::Bootstrap { bytes, of_bytes } => {
            (None, Some(json!({ "received_bytes": bytes, "size_bytes": of_bytes })))
        }
        Following::No | Following::Log | Following::Site => (None, None),
    };
    let told = json!({
        "site": *edge.site.read(),
        "name": node.identity.node_name,
        "upstream": *edge.upstream.read(),
        "state": following.name(),
        "why": why,
        "bootstrap": bootstrap,
        "has_data": edge.has_data(),
        "history_id": node.group.store.published().site().map(|site| site.history.clone()),
        "core_index": load(&edge.core_index),
        "committed_index": load(&edge.committed),
        "lag_entries": edge.lag_entries(),
        "lag_bytes": edge.lag_bytes(),
        "lag_ms": u64::try_from(edge.lag().as_millis()).unwrap_or(u64::MAX),
        "bootstraps": load(&edge.bootstraps),
        "contradictions": load(&edge.contradictions),
    });
    Ok(Reply::bulk(told.to_string()))
}

fn not_an_edge() -> ErrorReply {
    ErrorReply::err("this is not an edge (it was not started as flotilla edge)")
}
