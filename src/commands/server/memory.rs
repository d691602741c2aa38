//! MEMORY.

use crate::{
    command::{Access, Args, Command, Effect, Flags, Group, KeyRange, Run},
    commands::{help, scripting},
    error::Result,
    resp::{ErrorReply, Protocol, Reply},
    session::{Context, ProcessUsage},
    store::{
        ALL, CollectionId, Direction, ElementExpiries, LargestKey, LargestKeys, Row, SubKeys, Type, View,
    },
    types::collection::Collection,
};
use bytes::Bytes;
use std::{ops::ControlFlow, sync::atomic::Ordering};

/// Bytes that a row takes besides key and value: record header, storage key, block index and filter, on average.
const ROW_OVERHEAD_BYTES: usize = 22 + 4 + 8;
/// An entry of the expiry index.
const EXPIRY_OVERHEAD_BYTES: usize = 12 + 8;
/// Bytes that a sub-key takes beside itself and its value: collection id, block index and filter.
const SUB_OVERHEAD_BYTES: usize = CollectionId::LEN + 8;
/// Sub-keys that MEMORY USAGE measures by default.
const SAMPLES: u64 = 5;

const TIPS: &[&str] = &["nondeterministic_output", "request_policy:all_shards", "response_policy:special"];

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
            tips: TIPS,
            run: Run::Local(doctor),
            group: Group::Server,
            since: "4.0.0",
            summary: "Describes the use of memory.",
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
            name: "LARGEST",
            arity: -2,
            tips: &["nondeterministic_output"],
            run: Run::Async(largest),
            flags: Flags::ADMIN,
            group: Group::Server,
            since: "0.1.0",
            complexity: "O(N) where N is the number of keys that are returned; the first call begins a pass through the rows of all keys.",
            summary: "Returns the keys that take most bytes at rest, on this node, with what they take.",
            syntax: "[TYPE type] [COUNT count]",
            ..Command::BASE
        },
        Command {
            name: "MALLOC-STATS",
            arity: 2,
            tips: TIPS,
            run: Run::Local(malloc_stats),
            group: Group::Server,
            since: "4.0.0",
            summary: "Answers that the allocator has no statistics; MEMORY STATS has those of the store.",
            ..Command::BASE
        },
        Command {
            name: "PURGE",
            arity: 2,
            tips: &["request_policy:all_shards", "response_policy:all_succeeded"],
            run: Run::Local(purge),
            group: Group::Server,
            since: "4.0.0",
            summary: "Accepted; the allocator gives memory back by itself.",
            ..Command::BASE
        },
        Command {
            name: "STATS",
            arity: 2,
            tips: TIPS,
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
            access: &[Access::Look],
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

const TYPES: [Type; 6] = [Type::String, Type::List, Type::Set, Type::SortedSet, Type::Hash, Type::Stream];
/// Keys of each type that are certainly known once the pass is over.
const LARGEST_MAX: usize = 16;

fn largest(_context: &mut Context<'_>, args: &mut Args<'_>) -> Result<Effect> {
    let (mut kind, mut count) = (None, LARGEST_MAX);
    while !args.is_empty() {
        if args.remaining() > 1 && args.take("TYPE") {
            let name = args.next_word()?;
            let found = TYPES.iter().find(|kind| name.eq_ignore_ascii_case(kind.name().as_bytes()));
            kind = Some(*found.ok_or_else(|| ErrorReply::err("unknown type"))?);
        } else if args.remaining() > 1 && args.take("COUNT") {
            let wanted = usize::try_from(args.next_i64()?).ok();
            let text = format!("COUNT must be between 1 and {LARGEST_MAX}");
            count = wanted
                .filter(|wanted| (1..=LARGEST_MAX).contains(wanted))
                .ok_or_else(|| ErrorReply::err(text))?;
        } else {
            return Err(ErrorReply::syntax().into());
        }
    }
    Ok(Effect::LargestKeys { kind, count })
}

/// The reply of MEMORY LARGEST.
pub fn largest_keys(found: LargestKeys, kind: Option<Type>, count: usize) -> Reply {
    let named = |pairs: Vec<(&str, Reply)>| {
        Reply::Map(pairs.into_iter().map(|(name, value)| (Reply::bulk(name), value)).collect())
    };
    let wanted = found.keys.into_iter().filter(|key| kind.is_none_or(|kind| kind == key.kind)).take(count);
    let key = |key: LargestKey| {
        named(vec![
            ("key", Reply::bulk(key.key)),
            ("db", Reply::count(key.db)),
            ("type", Reply::bulk(key.kind.name())),
            ("bytes", Reply::count(key.bytes)),
        ])
    };
    named(vec![
        ("complete", Reply::Int(found.is_complete.into())),
        ("examined", Reply::count(found.rows)),
        ("keys", Reply::Array(wanted.map(key).collect())),
    ])
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

/// About how many bytes the sub-keys of a collection, or the pieces of a string, take: as many as the first of them take on average (0 = all of them).
fn sub_keys_bytes(view: &View<'_>, row: &Row, samples: u64) -> Result<u64> {
    if !row.has_subkeys() {
        return Ok(0);
    }
    let collection = Collection::of_row(view, row, row.kind)?;
    let by_score = match row.kind {
        Type::Hash | Type::Set => {
            ElementExpiries::decode(&collection.rest)?.map_or(0, |expiries| expiries.count)
        }
        Type::SortedSet => collection.len,
        Type::String | Type::List | Type::Stream => 0,
    };
    let mut bytes = 0_u64;
    for (of, count) in [(SubKeys::Data, collection.len), (SubKeys::Score, by_score)] {
        let (mut seen, mut seen_bytes) = (0_u64, 0_u64);
        view.scan_sub(of, &collection.id, ALL, Direction::Forward, |sub, value| {
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
    let (used, settings) = (context.node.memory(), context.node.config.settings());
    let clients_max = match context.node.clients.memory.bytes_max() {
        u64::MAX => "any number".to_owned(),
        max => max.to_string(),
    };
    let text = format!(
        "Data lives on disk; memory holds caches, buffers and queues.\n\
         Hot cache {} of {} bytes, block cache {} of {} bytes: lower hot-cache-bytes or block-cache-bytes to use less.\n\
         Memtables {} bytes, indexes and filters of files {} bytes: they follow the writes and the data.\n\
         Clients {} of {clients_max} bytes (maxmemory-clients): CLIENT LIST says whose (tot-mem).\n\
         Writes that wait for the log {} bytes.\n",
        used.hot_cache,
        settings.hot_cache_bytes,
        used.block_cache,
        settings.block_cache_bytes,
        used.memtables,
        used.table_readers,
        used.clients,
        used.proposals,
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
    let node = context.node;
    let (store, used, rss) = (node.group.store.stats(), node.memory(), ProcessUsage::read().rss_bytes);
    let total = used.total();
    node.memory_marks.note(total);
    let peak = node.memory_marks.peak.load(Ordering::Relaxed);
    let startup = node.memory_marks.startup.load(Ordering::Relaxed).min(total);
    let published = node.group.store.published();
    let databases = published.state().databases();
    let keys: u64 = databases.iter().map(|db| db.keys).sum();
    let share = |part: u64, whole: u64| if whole == 0 { 0.0 } else { part as f64 / whole as f64 };
    let beyond = i64::try_from(rss).unwrap_or(i64::MAX).saturating_sub_unsigned(total);
    // Keys have no hash tables; those of databases with keys are reported as empty.
    let tables = ["main", "expires", "slot-to-keys"].map(|table| format!("overhead.hashtable.{table}"));
    let empty = Reply::Map(tables.iter().map(|name| (Reply::bulk(name), Reply::Int(0))).collect());
    let (scripts, functions) = scripting::compiled_bytes();
    let mut pairs = Vec::new();
    let mut put = |name: &str, value: Reply| pairs.push((Reply::bulk(name), value));
    put("peak.allocated", Reply::count(peak));
    put("total.allocated", Reply::count(total));
    put("startup.allocated", Reply::count(startup));
    put("replication.backlog", Reply::Int(0));
    put("clients.slaves", Reply::Int(0));
    put("clients.normal", Reply::count(used.clients));
    put("cluster.links", Reply::Int(0));
    put("aof.buffer", Reply::count(used.proposals));
    // Compiled on this node; they come and go, and are not part of the total.
    put("lua.caches", Reply::count(scripts));
    put("functions.caches", Reply::count(functions));
    for (db, _) in databases.iter().enumerate().filter(|(_, counts)| counts.keys > 0) {
        put(&format!("db.{db}"), empty.clone());
    }
    put("overhead.total", Reply::count(used.overhead()));
    put("keys.count", Reply::count(keys));
    put("keys.bytes-per-key", Reply::count(used.dataset().checked_div(keys).unwrap_or(0)));
    put("dataset.bytes", Reply::count(used.dataset()));
    put("dataset.percentage", Reply::Double(share(used.dataset(), total) * 100.0));
    put("peak.percentage", Reply::Double(share(total, peak) * 100.0));
    put("allocator.allocated", Reply::count(total));
    put("allocator.active", Reply::count(rss));
    put("allocator.resident", Reply::count(rss));
    put("allocator-fragmentation.ratio", Reply::Double(share(rss, total)));
    put("allocator-fragmentation.bytes", Reply::Int(beyond));
    put("allocator-rss.ratio", Reply::Double(1.0));
    put("allocator-rss.bytes", Reply::Int(0));
    put("rss-overhead.ratio", Reply::Double(1.0));
    put("rss-overhead.bytes", Reply::Int(0));
    put("fragmentation", Reply::Double(share(rss, total)));
    put("fragmentation.bytes", Reply::Int(beyond));
    put("hot.cache.bytes", Reply::count(store.hot_bytes));
    put("block.cache.bytes", Reply::count(store.block_cache_bytes));
    put("memtable.bytes", Reply::count(store.memtable_bytes));
    put("table.readers.bytes", Reply::count(store.table_reader_bytes));
    Ok(Reply::Map(pairs))
}
