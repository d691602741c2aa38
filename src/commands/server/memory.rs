//! MEMORY.

use crate::{
    command::{Args, Command, Flags, Group, KeyRange, Run},
    commands::help,
    error::Result,
    resp::{ErrorReply, Protocol, Reply},
    session::Context,
    store::{ALL, Direction, FieldExpiries, Life, Row, SubKeys, Type, View},
    types::collection::Collection,
};
use bytes::Bytes;
use std::ops::ControlFlow;

/// Bytes that a row takes beside key and value: record header, storage key, block index and filter, on average.
const ROW_OVERHEAD_BYTES: usize = 22 + 4 + 8;
/// An entry of the expiry index.
const EXPIRY_OVERHEAD_BYTES: usize = 12 + 8;
/// What a sub-key takes beside its own bytes and its value: the life of its collection, block index and filter.
const SUB_OVERHEAD_BYTES: usize = Life::LEN + 8;
/// Sub-keys that MEMORY USAGE measures unless it is told how many.
const SAMPLES: u64 = 5;

pub(super) const MEMORY: Command = Command {
    name: "MEMORY",
    arity: -2,
    group: Group::Server,
    since: "4.0.0",
    complexity: "Depends on subcommand.",
    summary: "Says what takes memory.",
    subcommands: &[
        Command {
            name: "DOCTOR",
            arity: 2,
            run: Run::Local(doctor),
            group: Group::Server,
            since: "4.0.0",
            summary: "Names where memory may go.",
            ..Command::BASE
        },
        Command {
            name: "HELP",
            arity: 2,
            run: Run::Local(memory_help),
            flags: Flags::LOADING.with(Flags::STALE),
            group: Group::Server,
            since: "4.0.0",
            summary: "Lists the subcommands.",
            ..Command::BASE
        },
        Command {
            name: "MALLOC-STATS",
            arity: 2,
            tips: &["nondeterministic_output", "request_policy:all_shards", "response_policy:special"],
            run: Run::Local(malloc_stats),
            group: Group::Server,
            since: "4.0.0",
            summary: "Says that the allocator tells no statistics; MEMORY STATS has those of the store.",
            ..Command::BASE
        },
        Command {
            name: "PURGE",
            arity: 2,
            run: Run::Local(purge),
            group: Group::Server,
            since: "4.0.0",
            summary: "Accepted; the allocator gives memory back by itself.",
            ..Command::BASE
        },
        Command {
            name: "STATS",
            arity: 2,
            run: Run::Local(stats),
            group: Group::Server,
            since: "4.0.0",
            summary: "Sizes of caches, memtables and the process.",
            ..Command::BASE
        },
        Command {
            name: "USAGE",
            arity: -3,
            keys: KeyRange::new(2, 2, 1),
            key_flags: &["RO"],
            run: Run::Read(usage),
            flags: Flags::READONLY,
            group: Group::Server,
            since: "4.0.0",
            complexity: "O(N) where N is the number of samples.",
            summary: "Estimates the bytes that a key takes in the store, before compression.",
            syntax: "key [SAMPLES count]",
            ..Command::BASE
        },
    ],
    ..Command::BASE
};

fn memory_help(_context: &mut Context<'_>, _args: &mut Args<'_>) -> Result<Reply> {
    Ok(help("MEMORY", MEMORY.subcommands))
}

/// As redis-server where its allocator is not jemalloc.
fn malloc_stats(_context: &mut Context<'_>, _args: &mut Args<'_>) -> Result<Reply> {
    Ok(Reply::bulk("Stats not supported for the current allocator"))
}

fn usage(view: &View<'_>, args: &mut Args<'_>) -> Result<Reply> {
    let key = args.next_word()?;
    let mut samples = SAMPLES;
    while !args.is_empty() {
        if args.remaining() > 1 && args.take("SAMPLES") {
            samples = u64::try_from(args.next_i64()?).map_err(|_negative| ErrorReply::syntax())?;
        } else {
            return Err(ErrorReply::syntax().into());
        }
    }
    let Some(row) = view.quiet().get(key)? else {
        return Ok(Reply::Nil);
    };
    let mut bytes = key.len().saturating_add(row.body.len()).saturating_add(ROW_OVERHEAD_BYTES);
    if row.expires_at != 0 {
        bytes = bytes.saturating_add(key.len()).saturating_add(EXPIRY_OVERHEAD_BYTES);
    }
    Ok(Reply::count(sub_keys_bytes(view, &row, samples)?.saturating_add(bytes as u64)))
}

/// About how many bytes the sub-keys of a collection take: as many as the first of them take on average (0 = all of them).
fn sub_keys_bytes(view: &View<'_>, row: &Row, samples: u64) -> Result<u64> {
    if row.kind == Type::String {
        return Ok(0);
    }
    let collection = Collection::of_row(view, row, row.kind)?;
    let by_score = match row.kind {
        Type::Hash => FieldExpiries::decode(&collection.rest)?.map_or(0, |expiries| expiries.count),
        Type::SortedSet => collection.len,
        Type::String | Type::List | Type::Set | Type::Stream => 0,
    };
    let mut bytes = 0_u64;
    for (of, count) in [(SubKeys::Data, collection.len), (SubKeys::Score, by_score)] {
        let (mut seen, mut seen_bytes) = (0_u64, 0_u64);
        view.scan_sub(of, &collection.life, ALL, Direction::Forward, |sub, value| {
            seen = seen.saturating_add(1);
            let one = sub.len().saturating_add(value.len()).saturating_add(SUB_OVERHEAD_BYTES);
            seen_bytes = seen_bytes.saturating_add(one as u64);
            Ok(if seen == samples { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
        })?;
        // Whether there are more than were seen is known from the count alone.
        let all = if seen == samples {
            seen_bytes.saturating_mul(count.max(seen)) / seen.max(1)
        } else {
            seen_bytes
        };
        bytes = bytes.saturating_add(all);
    }
    Ok(bytes)
}

fn doctor(context: &mut Context<'_>, _args: &mut Args<'_>) -> Result<Reply> {
    let stats = context.node.store.stats();
    let text = format!(
        "Data lives on disk; memory holds caches only. Hot cache {} of {} bytes, block cache {} of {} bytes, memtables {} \
         bytes. Lower hot-cache-bytes or block-cache-bytes to use less.\n",
        stats.hot_bytes,
        context.node.config.settings().hot_cache_bytes,
        stats.block_cache_bytes,
        context.node.config.settings().block_cache_bytes,
        stats.memtable_bytes,
    );
    Ok(match context.session.protocol {
        Protocol::Resp2 => Reply::bulk(text),
        Protocol::Resp3 => Reply::Verbatim("txt", Bytes::from(text)),
    })
}

fn purge(_context: &mut Context<'_>, _args: &mut Args<'_>) -> Result<Reply> {
    Ok(Reply::Ok)
}

fn stats(context: &mut Context<'_>, _args: &mut Args<'_>) -> Result<Reply> {
    let stats = context.node.store.stats();
    let usage = crate::session::ProcessUsage::read();
    let keys: u64 = context.node.store.published().state().databases().iter().map(|db| db.keys).sum();
    let pairs: [(&'static str, u64); 8] = [
        ("total.allocated", usage.rss_bytes),
        ("peak.allocated", usage.rss_peak_bytes),
        ("keys.count", keys),
        ("hot.cache.bytes", stats.hot_bytes),
        ("block.cache.bytes", stats.block_cache_bytes),
        ("memtable.bytes", stats.memtable_bytes),
        ("table.readers.bytes", stats.table_reader_bytes),
        ("clients.normal", context.node.clients.len() as u64),
    ];
    Ok(Reply::Map(pairs.into_iter().map(|(name, value)| (Reply::bulk(name), Reply::count(value))).collect()))
}
