//! COMMAND INFO and COMMAND DOCS of a row.

use super::{Access, Command, Flags, Group, KeyRange, KeyWord, Run, docs, full_name};
use crate::resp::Reply;

/// The ten elements of COMMAND INFO.
pub fn info(parent: Option<&Command>, command: &Command) -> Reply {
    let KeyRange { first, last, step, count_at, .. } = command.keys;
    // `numkeys` commands have no plain range, but for the destination.
    let has_range = count_at.is_none() || command.keys.destination().is_some();
    let (first, last, step) = if has_range { (first, last, step) } else { (0, 0, 0) };
    let int = |n: i32| Reply::Int(i64::from(n));
    let subcommands: Vec<Reply> = command.subcommands.iter().map(|sub| info(Some(command), sub)).collect();
    let flags = command.flags.names().map(Reply::simple).collect();
    let categories =
        categories(parent, command).into_iter().map(|name| Reply::simple(format!("@{name}"))).collect();
    Reply::Array(vec![
        Reply::bulk(full_name(parent, command)),
        int(command.arity),
        Reply::Set(flags),
        int(first),
        int(last),
        int(step),
        Reply::Set(categories),
        Reply::Set(command.tips.iter().map(|tip| Reply::bulk(*tip)).collect()),
        Reply::Set(
            key_specs(command).into_iter().chain(command.key_words.iter().map(KeyWord::spec)).collect(),
        ),
        // An empty set, but an array of subcommands: so does Redis.
        if subcommands.is_empty() { Reply::Set(subcommands) } else { Reply::Array(subcommands) },
    ])
}

/// A name and its description, as COMMAND DOCS pairs them.
pub fn docs(parent: Option<&Command>, command: &Command) -> (Reply, Reply) {
    let pair = |key: &'static str, value: Reply| (Reply::bulk(key), value);
    let mut pairs = vec![
        pair("summary", Reply::bulk(command.summary)),
        pair("since", Reply::bulk(command.since)),
        pair("group", Reply::bulk(parent.unwrap_or(command).group.name())),
        pair("complexity", Reply::bulk(command.complexity)),
    ];
    let arguments = docs::parse(command.syntax).unwrap_or_default();
    if !arguments.is_empty() {
        pairs.push(pair("arguments", docs::reply(&arguments)));
    }
    if !command.subcommands.is_empty() {
        let subcommands = command.subcommands.iter().map(|sub| docs(Some(command), sub)).collect();
        pairs.push(pair("subcommands", Reply::Map(subcommands)));
    }
    (Reply::bulk(full_name(parent, command)), Reply::Map(pairs))
}

/// ACL categories: they follow from group and flags, in the order Redis lists them.
pub fn categories(parent: Option<&Command>, command: &Command) -> Vec<&'static str> {
    let group = parent.unwrap_or(command).group;
    let flags = command.flags;
    // A container that cannot be called itself belongs to nothing.
    if matches!(command.run, Run::Container) {
        return vec!["slow"];
    }
    let admin = flags.has(Flags::ADMIN) || flags.has(Flags::ADMIN_CATEGORY);
    let all = [
        (flags.has(Flags::KEYSPACE), "keyspace"),
        // As redis-server has it.
        (flags.has(Flags::READONLY) && group != Group::Scripting, "read"),
        (flags.has(Flags::WRITE), "write"),
        (group == Group::Set || flags.has(Flags::COLLECTIONS), "set"),
        (group == Group::SortedSet || flags.has(Flags::COLLECTIONS), "sortedset"),
        (group == Group::List || flags.has(Flags::COLLECTIONS), "list"),
        (group == Group::Hash, "hash"),
        (group == Group::String, "string"),
        (group == Group::Bitmap, "bitmap"),
        (group == Group::HyperLogLog, "hyperloglog"),
        (group == Group::Geo, "geo"),
        (group == Group::Stream, "stream"),
        (flags.has(Flags::PUBSUB), "pubsub"),
        (admin, "admin"),
        (flags.has(Flags::FAST), "fast"),
        (!flags.has(Flags::FAST), "slow"),
        (flags.has(Flags::BLOCKING), "blocking"),
        (admin || flags.has(Flags::DANGEROUS), "dangerous"),
        (group == Group::Connection || flags.has(Flags::CONNECTION), "connection"),
        (group == Group::Transactions, "transaction"),
        (group == Group::Scripting, "scripting"),
    ];
    all.into_iter().filter(|(is, _)| *is).map(|(_, name)| name).collect()
}

fn key_specs(command: &Command) -> Vec<Reply> {
    let keys = command.keys;
    let variable: &[&str] = if command.variable_access.is_some() { &["variable_flags"] } else { &[] };
    let flags = |access: &Access| [access.flags(), variable].concat();
    let (first, second) = match command.accesses() {
        [] => (Vec::new(), None),
        [first] => (flags(first), None),
        [first, second, ..] => (flags(first), Some(flags(second))),
    };
    if keys.streams_from > 0 {
        return vec![streams_spec(keys.streams_from, &first)];
    }
    if keys.first <= 0 {
        return Vec::new();
    }
    // A first key that is accessed differently (COPY, RENAME, BITOP) has a spec of its own.
    match second {
        Some(second) => {
            let (one, rest) = (keys.first, keys.first.saturating_add(1));
            let others =
                if keys.count_at.is_some() { keys } else { KeyRange::new(rest, keys.last, keys.step) };
            vec![spec(KeyRange::new(one, one, 1), &first), spec(others, &second)]
        }
        None => vec![spec(keys, &first)],
    }
}

fn spec(keys: KeyRange, flags: &[&'static str]) -> Reply {
    let int = |n: i32| Reply::Int(i64::from(n));
    let find = match keys.count_at {
        None => {
            let last = if keys.last < 0 { keys.last } else { keys.last - keys.first };
            typed("range", vec![("lastkey", int(last)), ("keystep", int(keys.step)), ("limit", int(0))])
        }
        Some(_) => {
            typed("keynum", vec![("keynumidx", int(0)), ("firstkey", int(1)), ("keystep", int(keys.step))])
        }
    };
    let index = keys.count_at.map_or_else(|| Reply::Int(i64::from(keys.first)), Reply::count);
    whole_spec(flags, typed("index", vec![("index", index)]), find)
}

/// The first half of the words behind STREAMS are keys.
fn streams_spec(from: i32, flags: &[&'static str]) -> Reply {
    let begin = vec![("keyword", Reply::bulk("STREAMS")), ("startfrom", Reply::Int(i64::from(from)))];
    let find = vec![("lastkey", Reply::Int(-1)), ("keystep", Reply::Int(1)), ("limit", Reply::Int(2))];
    whole_spec(flags, typed("keyword", begin), typed("range", find))
}

fn whole_spec(flags: &[&'static str], begin: Reply, find: Reply) -> Reply {
    Reply::Map(vec![
        (Reply::bulk("flags"), Reply::Set(flags.iter().map(|flag| Reply::simple(*flag)).collect())),
        (Reply::bulk("begin_search"), begin),
        (Reply::bulk("find_keys"), find),
    ])
}

fn typed(kind: &'static str, spec: Vec<(&'static str, Reply)>) -> Reply {
    let spec = spec.into_iter().map(|(key, value)| (Reply::bulk(key), value)).collect();
    Reply::Map(vec![(Reply::bulk("type"), Reply::bulk(kind)), (Reply::bulk("spec"), Reply::Map(spec))])
}
