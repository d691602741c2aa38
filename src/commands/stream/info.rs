//! XINFO.

use super::{entry_reply, id_reply, info_full::full, no_group_of_key, number_or_nil};
use crate::{
    command::{Args, Command, Flags, Group as CommandGroup, KeyRange, Run},
    commands::help,
    error::Result,
    resp::{ErrorReply, Reply},
    session::Context,
    store::{Direction, View},
    types::stream::{Group, Idempotence, NODE_ENTRIES, Stream, StreamId, lag, scan_consumers, scan_groups},
};
use std::ops::ControlFlow;

const KEY: KeyRange = KeyRange::new(2, 2, 1);
/// Entries and pending entries that FULL lists by default.
const FULL_COUNT: u64 = 10;

pub(super) const XINFO: Command = Command {
    name: "XINFO",
    arity: -2,
    group: CommandGroup::Stream,
    since: "5.0.0",
    complexity: "Depends on subcommand.",
    summary: "Describes streams, groups and consumers.",
    subcommands: &[
        Command {
            name: "CONSUMERS",
            tips: &["nondeterministic_output"],
            arity: 4,
            keys: KEY,
            run: Run::Read(consumers),
            flags: Flags::READONLY,
            since: "5.0.0",
            complexity: "O(N) where N is the number of consumers.",
            summary: "Lists the consumers of a group.",
            syntax: "key groupname",
            ..Command::BASE
        },
        Command {
            name: "GROUPS",
            arity: 3,
            keys: KEY,
            run: Run::Read(groups),
            flags: Flags::READONLY,
            since: "5.0.0",
            complexity: "O(N) where N is the number of groups.",
            summary: "Lists the groups of a stream.",
            syntax: "key",
            ..Command::BASE
        },
        Command {
            name: "HELP",
            arity: 2,
            run: Run::Local(info_help),
            flags: Flags::LOADING.with(Flags::STALE),
            since: "5.0.0",
            summary: "Lists the subcommands.",
            ..Command::BASE
        },
        Command {
            name: "STREAM",
            arity: -3,
            keys: KEY,
            run: Run::Read(stream),
            flags: Flags::READONLY,
            since: "5.0.0",
            summary: "Describes a stream; with FULL also its entries, groups and consumers.",
            syntax: "key [FULL [COUNT count]]",
            ..Command::BASE
        },
    ],
    ..Command::BASE
};

pub(super) fn pair(name: &'static str, value: Reply) -> (Reply, Reply) {
    (Reply::bulk(name), value)
}

fn open(view: &View<'_>, key: &[u8]) -> Result<Stream> {
    Ok(Stream::open(view, key)?.ok_or_else(ErrorReply::no_such_key)?)
}

fn stream(view: &View<'_>, args: &mut Args<'_>) -> Result<Reply> {
    let stream = open(view, args.next_word()?)?;
    let count = full_count(args)?;
    let meta = &stream.meta;
    // Redis's tree is reported as it would be if filled by number.
    let nodes = stream.len().div_ceil(NODE_ENTRIES);
    let mut pairs = vec![
        pair("length", Reply::count(stream.len())),
        pair("radix-tree-keys", Reply::count(nodes)),
        pair("radix-tree-nodes", Reply::count(nodes.saturating_add(1))),
        pair("last-generated-id", id_reply(meta.last_id)),
        pair("max-deleted-entry-id", id_reply(meta.max_deleted_id)),
        pair("entries-added", Reply::count(meta.entries_added)),
        pair("recorded-first-entry-id", id_reply(meta.first_id)),
    ];
    if let Some(known) = Idempotence::of(view, &stream)? {
        pairs.extend([
            pair("idmp-duration", Reply::count(known.duration_s)),
            pair("idmp-maxsize", Reply::count(known.ids_max)),
            pair("pids-tracked", Reply::count(known.producers)),
            pair("iids-tracked", Reply::count(known.ids)),
            pair("iids-added", Reply::count(known.added)),
            pair("iids-duplicates", Reply::count(known.duplicates)),
        ]);
    }
    match count {
        Some(count) => pairs.extend(full(view, &stream, count)?),
        None => pairs.extend([
            pair("groups", Reply::count(meta.groups)),
            pair("first-entry", edge(view, &stream, Direction::Forward)?),
            pair("last-entry", edge(view, &stream, Direction::Backward)?),
        ]),
    }
    Ok(Reply::Map(pairs))
}

/// The number of entries that FULL lists, 0 = all; `None` = FULL is not given.
fn full_count(args: &mut Args<'_>) -> Result<Option<u64>> {
    let word = args.argv().get(1).copied().unwrap_or_default();
    let options = args.rest();
    if options.is_empty() {
        return Ok(None);
    }
    let is_full = matches!(options.len(), 1 | 3) && args.take("FULL");
    if !is_full || !(args.is_empty() || args.take("COUNT")) {
        return Err(ErrorReply::subcommand_syntax("XINFO", word).into());
    }
    if args.is_empty() {
        return Ok(Some(FULL_COUNT));
    }
    Ok(Some(u64::try_from(args.next_i64()?).unwrap_or(FULL_COUNT)))
}

fn edge(view: &View<'_>, stream: &Stream, direction: Direction) -> Result<Reply> {
    let mut found = Reply::Nil;
    stream.visit(view, StreamId::MIN, StreamId::MAX, direction, |id, bytes| {
        found = entry_reply(id, bytes)?;
        Ok(ControlFlow::Break(()))
    })?;
    Ok(found)
}

fn groups(view: &View<'_>, args: &mut Args<'_>) -> Result<Reply> {
    let stream = open(view, args.next_word()?)?;
    let mut found = Vec::new();
    scan_groups(view, &stream, |name, record| {
        found.push(Reply::Map(vec![
            pair("name", Reply::bulk(name)),
            pair("consumers", Reply::count(record.consumers)),
            pair("pending", Reply::count(record.pending.count)),
            pair("last-delivered-id", id_reply(record.last_id)),
            pair("entries-read", number_or_nil(record.entries_read)),
            pair("lag", number_or_nil(lag(&stream, &record))),
        ]));
        Ok(())
    })?;
    Ok(Reply::Array(found))
}

fn consumers(view: &View<'_>, args: &mut Args<'_>) -> Result<Reply> {
    let (key, name) = (args.next_word()?, args.next_word()?);
    let stream = open(view, key)?;
    if Group::open(view, &stream, name)?.is_none() {
        return Err(no_group_of_key(key, name).into());
    }
    let since = |at: u64| Reply::count(view.now().saturating_sub(at));
    let mut found = Vec::new();
    scan_consumers(view, stream.collection_id(), name, |consumer, record| {
        found.push(Reply::Map(vec![
            pair("name", Reply::bulk(consumer)),
            pair("pending", Reply::count(record.pending.count)),
            pair("idle", since(record.seen_at)),
            pair("inactive", record.active_at.map_or(Reply::Int(-1), since)),
        ]));
        Ok(())
    })?;
    Ok(Reply::Array(found))
}

fn info_help(_context: &mut Context<'_>, _args: &mut Args<'_>) -> Result<Reply> {
    Ok(help("XINFO", XINFO.subcommands))
}
