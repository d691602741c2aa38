//! CONFIG.

use super::info_edge;
use crate::{
    command::{Args, Command, Flags, Group, Run},
    commands::{help, scripting},
    config::is_secret,
    error::Result,
    resp::{ErrorReply, Reply},
    session::{Context, Node},
    state::Leadership,
    types::glob,
};
use bytes::Bytes;
use std::sync::atomic::Ordering;

const PASSWORD: &str = "requirepass";

const FLAGS: Flags = Flags::ADMIN.with(Flags::NOSCRIPT).with(Flags::LOADING).with(Flags::STALE);

const fn sub(name: &'static str, arity: i32, run: Run, since: &'static str) -> Command {
    Command { name, arity, run, flags: FLAGS, group: Group::Server, since, ..Command::BASE }
}

pub(super) const CONFIG: Command = Command {
    name: "CONFIG",
    arity: -2,
    group: Group::Server,
    since: "2.0.0",
    complexity: "Depends on subcommand.",
    summary: "Shows and changes the configuration.",
    subcommands: &[
        Command {
            complexity: "O(N) where N is the number of parameters",
            summary: "Returns the parameters that match one of the patterns.",
            syntax: "parameter [parameter ...]",
            ..sub("GET", -3, Run::Local(get), "2.0.0")
        },
        Command {
            secrets: Some(secrets),
            tips: &["request_policy:all_nodes", "response_policy:all_succeeded"],
            complexity: "O(N) where N is the number of parameters",
            summary: "Sets parameters until the next start, all or none.",
            syntax: "parameter value [parameter value ...]",
            ..sub("SET", -4, Run::Local(set), "2.0.0")
        },
        Command {
            summary: "Sets the counters of INFO to zero.",
            ..sub("RESETSTAT", 2, Run::Local(resetstat), "2.0.0")
        },
        Command {
            summary: "Refused: configuration files belong to the operator and are never written.",
            ..sub("REWRITE", 2, Run::Local(rewrite), "2.8.0")
        },
        Command {
            flags: Flags::LOADING.with(Flags::STALE),
            summary: "Lists the subcommands.",
            ..sub("HELP", 2, Run::Local(config_help), "5.0.0")
        },
    ],
    ..Command::BASE
};

/// The values of parameters that are never shown.
fn secrets(argv: &[&[u8]]) -> Vec<usize> {
    let names = argv.iter().enumerate().skip(2).step_by(2);
    let secret = names.filter(|(_, name)| std::str::from_utf8(name).is_ok_and(is_secret));
    secret.map(|(at, _)| at.saturating_add(1)).collect()
}

fn config_help(_context: &mut Context<'_>, _args: &mut Args<'_>) -> Result<Reply> {
    Ok(help("CONFIG", CONFIG.subcommands))
}

fn get(context: &mut Context<'_>, args: &mut Args<'_>) -> Result<Reply> {
    let all = all(context);
    let mut found: Vec<(Bytes, &str)> = Vec::new();
    for pattern in args.rest() {
        // As in redis-server: a parameter is returned under the spelling that the client used.
        let is_name = !pattern.iter().any(|byte| matches!(byte, b'*' | b'?' | b'['));
        for (name, value) in &all {
            let fits = match is_name {
                true => pattern.eq_ignore_ascii_case(name.as_bytes()),
                false => glob::matches(pattern, name.as_bytes(), true),
            };
            if fits && !found.iter().any(|(known, _)| known.eq_ignore_ascii_case(name.as_bytes())) {
                let said = if is_name { pattern } else { name.as_bytes() };
                found.push((Bytes::copy_from_slice(said), value));
            }
        }
    }
    Ok(Reply::Map(found.into_iter().map(|(name, value)| (Reply::bulk(name), Reply::bulk(value))).collect()))
}

/// Names and values. Whom a node follows is not configured but so.
fn all(context: &Context<'_>) -> Vec<(&'static str, String)> {
    let mut all = context.node.config.all();
    let log = &context.node.group.state;
    let whom = match log.edge.is_edge() {
        true => Some(info_edge::upstream(context.node)),
        false => (log.leadership() == Leadership::Follows)
            .then(|| log.leader_clients(context.session.client.port_kind())),
    };
    if let Some((host, port)) = whom.filter(|(host, _)| !host.is_empty()) {
        for (_, value) in all.iter_mut().filter(|(name, _)| matches!(*name, "replicaof" | "slaveof")) {
            *value = format!("{host} {port}");
        }
    }
    all
}

fn set(context: &mut Context<'_>, args: &mut Args<'_>) -> Result<Reply> {
    let text = |word: &[u8]| String::from_utf8_lossy(word).into_owned();
    let words = args.rest();
    if !words.len().is_multiple_of(2) {
        return Err(ErrorReply::syntax().into());
    }
    let mut pairs = Vec::with_capacity(words.len() / 2);
    let mut words = words.iter();
    while let (Some(name), Some(value)) = (words.next(), words.next()) {
        pairs.push((text(name), text(value)));
    }
    if let Some(why) = password_is_elsewhere(context.node)
        .filter(|_| pairs.iter().any(|(name, _)| name.eq_ignore_ascii_case(PASSWORD)))
    {
        let text = format!("CONFIG SET failed (possibly related to argument '{PASSWORD}') - {why}");
        return Err(ErrorReply::err(text).into());
    }
    let may_set_protected = match context.node.config.settings().enable_protected_configs.as_str() {
        "yes" => true,
        "local" => context.session.client.peer.is_local(),
        _ => false,
    };
    context.node.config.set(&pairs, may_set_protected).map_err(ErrorReply::err)?;
    context.node.stats.threads.switch(context.node.config.settings().latency_tracking);
    context.node.limit_clients();
    context.node.configure_logs();
    context.node.limit_data();
    context.node.limit_tracking();
    Ok(Reply::Ok)
}

/// Why a password cannot be set for this node alone.
fn password_is_elsewhere(node: &Node) -> Option<&'static str> {
    if node.config.settings().requirepass_file.is_some() {
        Some("the password comes from requirepass-file: change that file")
    } else if !node.users.password_is_configured() {
        Some(
            "the password of the user default is the same on all nodes: use ACL SETUSER default resetpass >password, on any of them",
        )
    } else if node.group.state.is_one_of_many.load(Ordering::Relaxed) || node.group.state.edge.is_edge() {
        Some(
            "it would be this node's alone: use ACL SETUSER default resetpass >password, which all nodes follow",
        )
    } else {
        None
    }
}

fn resetstat(context: &mut Context<'_>, _args: &mut Args<'_>) -> Result<Reply> {
    context.node.stats.reset();
    context.node.users.reset_counts();
    context.node.group.store.reset_lookups();
    scripting::reset_inner_calls();
    Ok(Reply::Ok)
}

fn rewrite(_context: &mut Context<'_>, _args: &mut Args<'_>) -> Result<Reply> {
    Err(ErrorReply::err("The server is running without a config file").into())
}
