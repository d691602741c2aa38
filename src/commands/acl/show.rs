//! ACL CAT, GENPASS, GETUSER, LIST, LOG, USERS, WHOAMI.

use super::{commands, definition_at};
use crate::{
    acl::{CATEGORIES, Catalogue, SelectorRules, User, patterns_of_channels, patterns_of_keys, random_hex},
    command::{Args, parse_i64},
    error::Result,
    resp::{ErrorReply, Reply, excerpt},
    session::{AclLogEntry, Context},
    time::now_ms,
};
use std::sync::Arc;

/// Entries that ACL LOG shows unless it is asked for more or fewer.
const LOG_SHOWN: usize = 10;
const PASSWORD_BITS: i64 = 256;
const PASSWORD_BITS_MAX: i64 = 4096;

pub(super) fn cat(_context: &mut Context<'_>, args: &mut Args<'_>) -> Result<Reply> {
    match args.rest() {
        [] => Ok(Reply::Array(CATEGORIES.iter().map(|name| Reply::bulk(*name)).collect())),
        [name] => {
            let bit = std::str::from_utf8(name)
                .ok()
                .and_then(Catalogue::category)
                .ok_or_else(|| ErrorReply::err(format!("Unknown category '{}'", excerpt(name))))?;
            let names = commands().of_category(bit).filter_map(|at| commands().entries().get(at));
            Ok(Reply::Array(names.map(|entry| Reply::bulk(&entry.name)).collect()))
        }
        _ => Err(ErrorReply::subcommand_syntax("ACL", "CAT").into()),
    }
}

pub(super) fn genpass(_context: &mut Context<'_>, args: &mut Args<'_>) -> Result<Reply> {
    let bits = match args.rest() {
        [] => Some(PASSWORD_BITS),
        [bits] => {
            let bits = parse_i64(bits).ok_or_else(ErrorReply::not_integer)?;
            Some(bits).filter(|bits| (1..=PASSWORD_BITS_MAX).contains(bits))
        }
        _ => return Err(ErrorReply::subcommand_syntax("ACL", "GENPASS").into()),
    };
    let bits = bits.and_then(|bits| usize::try_from(bits).ok()).ok_or_else(|| {
        ErrorReply::err(format!(
            "ACL GENPASS argument must be the number of bits for the output password, a positive number up to {PASSWORD_BITS_MAX}"
        ))
    })?;
    Ok(Reply::bulk(random_hex(bits.div_ceil(4), || uuid::Uuid::new_v4().into_bytes())))
}

pub(super) fn getuser(context: &mut Context<'_>, args: &mut Args<'_>) -> Result<Reply> {
    let name = std::str::from_utf8(args.next_word()?).ok();
    let Some(user) = name.and_then(|name| context.node.users.get(name)) else { return Ok(Reply::Nil) };
    let definition = definition_at(context.node, &user);
    let pair = |key: &'static str, value: Reply| (Reply::bulk(key), value);
    let flags = definition.flags().into_iter().map(Reply::bulk).collect();
    let passwords = definition.passwords.iter().map(|hash| Reply::bulk(hash.to_string())).collect();
    let mut pairs = vec![pair("flags", Reply::Set(flags)), pair("passwords", Reply::Array(passwords))];
    // As Valkey 9.1 tells it, and to nobody who has not asked for it.
    let has_databases = definition.selectors().any(|selector| selector.databases.is_some());
    let describe = |selector: &SelectorRules| {
        let mut pairs = describe(selector);
        if has_databases {
            pairs.push(pair("databases", Reply::bulk(selector.describe_databases())));
        }
        pairs
    };
    pairs.extend(describe(&definition.root));
    let others = definition.others.iter().map(|selector| Reply::Map(describe(selector))).collect();
    pairs.push(pair("selectors", Reply::Array(others)));
    Ok(Reply::Map(pairs))
}

fn describe(selector: &SelectorRules) -> Vec<(Reply, Reply)> {
    vec![
        (Reply::bulk("commands"), Reply::bulk(selector.describe_commands())),
        (Reply::bulk("keys"), Reply::bulk(patterns_of_keys(selector))),
        (Reply::bulk("channels"), Reply::bulk(patterns_of_channels(selector))),
    ]
}

pub(super) fn list(context: &mut Context<'_>, _args: &mut Args<'_>) -> Result<Reply> {
    let line = |user: Arc<User>| {
        let rules = definition_at(context.node, &user).describe();
        Reply::bulk([b"user ", user.name().as_bytes(), b" ", &rules].concat())
    };
    Ok(Reply::Array(context.node.users.all().into_iter().map(line).collect()))
}

pub(super) fn users(context: &mut Context<'_>, _args: &mut Args<'_>) -> Result<Reply> {
    Ok(Reply::Array(context.node.users.all().iter().map(|user| Reply::bulk(user.name())).collect()))
}

pub(super) fn whoami(context: &mut Context<'_>, _args: &mut Args<'_>) -> Result<Reply> {
    Ok(Reply::bulk(context.session.user.name()))
}

pub(super) fn log(context: &mut Context<'_>, args: &mut Args<'_>) -> Result<Reply> {
    let count = match args.rest() {
        [] => LOG_SHOWN,
        [word] if word.eq_ignore_ascii_case(b"RESET") => {
            context.node.users.log.reset();
            return Ok(Reply::Ok);
        }
        [count] => {
            let count = parse_i64(count).ok_or_else(ErrorReply::not_integer)?;
            usize::try_from(count).unwrap_or(0)
        }
        _ => return Err(ErrorReply::subcommand_syntax("ACL", "LOG").into()),
    };
    let (now, entries) = (now_ms(), context.node.users.log.latest(count));
    Ok(Reply::Array(entries.into_iter().map(|entry| of_log(entry, now)).collect()))
}

fn of_log(entry: AclLogEntry, now: u64) -> Reply {
    let pair = |key: &'static str, value: Reply| (Reply::bulk(key), value);
    let age = now.saturating_sub(entry.updated_ms) as f64 / 1000.0;
    Reply::Map(vec![
        pair("count", Reply::count(entry.count)),
        pair("reason", Reply::bulk(entry.reason.name())),
        pair("context", Reply::bulk(entry.context.name())),
        pair("object", Reply::bulk(entry.object)),
        pair("username", Reply::bulk(entry.user)),
        pair("age-seconds", Reply::Double(age)),
        pair("client-info", Reply::bulk(entry.client)),
        pair("entry-id", Reply::count(entry.id)),
        pair("timestamp-created", Reply::count(entry.created_ms)),
        pair("timestamp-last-updated", Reply::count(entry.updated_ms)),
    ])
}
