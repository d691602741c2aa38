//! XCLAIM, XAUTOCLAIM: pending entries go to another consumer.

use super::{
    claim_options::{claim_options, min_idle},
    entry_reply, id_reply, interval_start, no_group,
    read_group::{note_active, see_consumer},
};
use crate::{
    command::{Access, Args, Command, Flags, Group as CommandGroup, KeyRange, PassedOn, Run, parse_i64},
    commands::passing,
    error::Result,
    resp::{ErrorReply, Reply},
    store::{Direction, Txn},
    types::stream::{Group, Pending, Stream, StreamId, estimated_entries_read, scan_pending},
    value::Value,
};
use std::ops::ControlFlow;

/// Pending entries that XAUTOCLAIM examines for each that it may claim.
const ATTEMPTS_PER_ENTRY: u64 = 10;
/// Largest COUNT of XAUTOCLAIM.
const COUNT_MAX: i64 = i64::MAX / 16;

pub(super) const XCLAIM: Command = Command {
    name: "XCLAIM",
    passed_on: PassedOn::StreamGroup(passing::group_claimed),
    access: &[Access::Update],
    tips: &["nondeterministic_output"],
    arity: -6,
    keys: KeyRange::ONE,
    run: Run::Write(xclaim),
    flags: Flags::WRITE.with(Flags::FAST),
    group: CommandGroup::Stream,
    since: "5.0.0",
    complexity: "O(log N) for each id.",
    summary: "Transfers pending entries to a consumer.",
    syntax: "key group consumer min-idle-time id [id ...] [IDLE ms] [TIME unix-time-milliseconds] [RETRYCOUNT count] [FORCE] [JUSTID] [LASTID lastid]",
    ..Command::BASE
};

pub(super) const XAUTOCLAIM: Command = Command {
    name: "XAUTOCLAIM",
    passed_on: PassedOn::StreamGroup(passing::group_claimed),
    access: &[Access::Delete],
    tips: &["nondeterministic_output"],
    arity: -6,
    keys: KeyRange::ONE,
    run: Run::Write(xautoclaim),
    flags: Flags::WRITE.with(Flags::FAST),
    group: CommandGroup::Stream,
    since: "6.2.0",
    complexity: "O(N) where N is ten times COUNT at most.",
    summary: "Transfers entries that have been pending for long to a consumer, from an id on.",
    syntax: "key group consumer min-idle-time start [COUNT count] [JUSTID]",
    ..Command::BASE
};

/// The stream and the group of a claim.
fn open<'n>(txn: &Txn<'_>, key: &[u8], name: &'n [u8]) -> Result<(Stream, Group<'n>)> {
    let stream = Stream::open(&txn.view(), key)?.ok_or_else(|| no_group(key, name))?;
    let group = Group::open(&txn.view(), &stream, name)?.ok_or_else(|| no_group(key, name))?;
    Ok((stream, group))
}

fn claimed_reply(id: StreamId, entry: &Value, just_id: bool) -> Result<Reply> {
    if just_id { Ok(id_reply(id)) } else { entry_reply(id, entry) }
}

fn xclaim(txn: &mut Txn<'_>, args: &mut Args<'_>) -> Result<Reply> {
    let (key, name, consumer) = (args.next_word()?, args.next_word()?, args.next_word()?);
    let (stream, mut group) = open(txn, key, name)?;
    let now = txn.now();
    let options = claim_options(args, now)?;
    if options.last_id > group.record.last_id {
        // The number of entries read up to the id before does not hold for this one.
        group.record.entries_read = estimated_entries_read(&stream, options.last_id.min(stream.meta.last_id));
        group.record.last_id = options.last_id;
    }
    see_consumer(txn, key, &mut group, consumer)?;
    let mut replies = Vec::new();
    for id in &options.ids {
        let before = group.pending(&txn.view(), *id)?;
        let Some(entry) = stream.get(&txn.view(), *id)? else {
            // A deleted entry needs no consumer.
            if let Some(before) = before {
                group.acknowledge(txn, *id, &before)?;
            }
            continue;
        };
        let deliveries = match &before {
            Some(before) if !before.is_claimable(now, options.min_idle_ms) => continue,
            Some(before) => before.deliveries,
            None if options.force => 1,
            None => continue,
        };
        let one_more = if options.just_id { 0 } else { 1 };
        let claimed = Pending {
            delivered_at: options.delivered_at,
            deliveries: options.retry_count.unwrap_or_else(|| deliveries.saturating_add(one_more)),
            consumer: Some(consumer.to_vec()),
        };
        group.deliver(txn, *id, before.as_ref(), &claimed)?;
        replies.push(claimed_reply(*id, &entry, options.just_id)?);
    }
    if !replies.is_empty() {
        note_active(txn, &mut group, consumer)?;
    }
    group.save(txn);
    txn.write_bytes_of(key)?;
    Ok(Reply::Array(replies))
}

struct AutoOptions {
    min_idle_ms: u64,
    from: StreamId,
    count: u64,
    just_id: bool,
}

fn auto_options(args: &mut Args<'_>) -> Result<AutoOptions> {
    let min_idle_ms = min_idle(args.next_word()?, "XAUTOCLAIM")?;
    let from = interval_start(args.next_word()?)?;
    let (mut count, mut just_id) = (100, false);
    while !args.is_empty() {
        if args.remaining() > 1 && args.take("COUNT") {
            let number = parse_i64(args.next_word()?).filter(|number| (1..=COUNT_MAX).contains(number));
            let number = number.and_then(|number| u64::try_from(number).ok());
            count = number.ok_or_else(|| ErrorReply::err("COUNT must be > 0"))?;
        } else if args.take("JUSTID") {
            just_id = true;
        } else {
            return Err(ErrorReply::syntax().into());
        }
    }
    Ok(AutoOptions { min_idle_ms, from, count, just_id })
}

/// A pending entry that XAUTOCLAIM found.
#[derive(Default)]
struct Upon {
    /// Pending for long enough.
    old: Vec<(StreamId, Pending, Value)>,
    /// Pending, but no longer in the stream.
    deleted: Vec<(StreamId, Pending)>,
    /// The id to continue from.
    next: StreamId,
}

fn xautoclaim(txn: &mut Txn<'_>, args: &mut Args<'_>) -> Result<Reply> {
    let (key, name, consumer) = (args.next_word()?, args.next_word()?, args.next_word()?);
    let options = auto_options(args)?;
    let (stream, mut group) = open(txn, key, name)?;
    let upon = look(txn, &stream, &group, &options)?;
    see_consumer(txn, key, &mut group, consumer)?;
    for (id, before) in &upon.deleted {
        group.acknowledge(txn, *id, before)?;
    }
    let mut replies = Vec::with_capacity(upon.old.len());
    for (id, before, entry) in &upon.old {
        let one_more = if options.just_id { 0 } else { 1 };
        let claimed = Pending {
            delivered_at: txn.now(),
            deliveries: before.deliveries.saturating_add(one_more),
            consumer: Some(consumer.to_vec()),
        };
        group.deliver(txn, *id, Some(before), &claimed)?;
        replies.push(claimed_reply(*id, entry, options.just_id)?);
    }
    if !replies.is_empty() {
        note_active(txn, &mut group, consumer)?;
    }
    group.save(txn);
    txn.write_bytes_of(key)?;
    let deleted = upon.deleted.iter().map(|(id, _)| id_reply(*id)).collect();
    Ok(Reply::Array(vec![id_reply(upon.next), Reply::Array(replies), Reply::Array(deleted)]))
}

fn look(txn: &Txn<'_>, stream: &Stream, group: &Group<'_>, options: &AutoOptions) -> Result<Upon> {
    let mut upon = Upon::default();
    let (mut attempts, mut count) = (options.count.saturating_mul(ATTEMPTS_PER_ENTRY), options.count);
    let (view, now) = (txn.view(), txn.now());
    scan_pending(
        &view,
        stream.collection_id(),
        group.name(),
        None,
        &group.record.pending,
        (options.from, StreamId::MAX),
        Direction::Forward,
        |id, pending| {
            if attempts == 0 || count == 0 {
                upon.next = id;
                return Ok(ControlFlow::Break(()));
            }
            attempts = attempts.saturating_sub(1);
            match stream.get(&view, id)? {
                None => upon.deleted.push((id, pending)),
                Some(_) if !pending.is_claimable(now, options.min_idle_ms) => {
                    return Ok(ControlFlow::Continue(()));
                }
                Some(entry) => upon.old.push((id, pending, entry)),
            }
            count = count.saturating_sub(1);
            Ok(ControlFlow::Continue(()))
        },
    )?;
    Ok(upon)
}
