//! XPENDING.

use super::{consumer_reply, id_reply, idle_reply, interval_end, interval_start, no_group};
use crate::{
    command::{Args, Command, Flags, Group as CommandGroup, KeyRange, Run, parse_i64},
    error::Result,
    resp::{ErrorReply, Reply},
    store::{Direction, View},
    types::stream::{Group, Pending, Stream, StreamId, scan_consumers, scan_pending},
};
use std::ops::ControlFlow;

pub(super) const XPENDING: Command = Command {
    name: "XPENDING",
    tips: &["nondeterministic_output"],
    arity: -3,
    keys: KeyRange::ONE,
    run: Run::Read(xpending),
    flags: Flags::READONLY,
    group: CommandGroup::Stream,
    since: "5.0.0",
    complexity: "O(N) where N is the number of entries returned, or passed over because of IDLE; O(consumers) for the summary.",
    summary: "Describes the entries delivered to a group and not acknowledged.",
    syntax: "key group [[IDLE min-idle-time] start end count [consumer]]",
    ..Command::BASE
};

/// The range of pending entries to list.
struct Range<'a> {
    min_idle_ms: u64,
    from: StreamId,
    to: StreamId,
    count: u64,
    consumer: Option<&'a [u8]>,
}

fn xpending(view: &View<'_>, args: &mut Args<'_>) -> Result<Reply> {
    let (key, name) = (args.next_word()?, args.next_word()?);
    let range = if args.is_empty() { None } else { Some(range(args)?) };
    let stream = Stream::open(view, key)?.ok_or_else(|| no_group(key, name))?;
    let group = Group::open(view, &stream, name)?.ok_or_else(|| no_group(key, name))?;
    match range {
        None => summary(view, &stream, &group),
        Some(range) => entries(view, &stream, &group, range),
    }
}

fn range<'a>(args: &mut Args<'a>) -> Result<Range<'a>> {
    if !(3..=6).contains(&args.remaining()) {
        return Err(ErrorReply::syntax().into());
    }
    let mut min_idle_ms = 0;
    if args.take("IDLE") {
        min_idle_ms = u64::try_from(args.next_i64()?).unwrap_or(0);
        if args.remaining() < 3 {
            return Err(ErrorReply::syntax().into());
        }
    }
    let (start, end, count) = (args.next_word()?, args.next_word()?, args.next_word()?);
    let count = parse_i64(count).ok_or_else(ErrorReply::not_integer)?;
    Ok(Range {
        min_idle_ms,
        from: interval_start(start)?,
        to: interval_end(end)?,
        count: u64::try_from(count).unwrap_or(0),
        consumer: args.next_opt(),
    })
}

/// The number of pending entries, the first and the last of them, and the number per consumer.
fn summary(view: &View<'_>, stream: &Stream, group: &Group<'_>) -> Result<Reply> {
    let bounds = &group.record.pending;
    if bounds.count == 0 {
        return Ok(Reply::Array(vec![Reply::Int(0), Reply::Nil, Reply::Nil, Reply::NilArray]));
    }
    let end = |direction| {
        let mut found = StreamId::MIN;
        let whole = (StreamId::MIN, StreamId::MAX);
        scan_pending(view, stream.collection_id(), group.name(), None, bounds, whole, direction, |id, _| {
            found = id;
            Ok(ControlFlow::Break(()))
        })?;
        Ok::<_, crate::error::Error>(id_reply(found))
    };
    let (first, last) = (end(Direction::Forward)?, end(Direction::Backward)?);
    let mut consumers = Vec::new();
    scan_consumers(view, stream.collection_id(), group.name(), |name, record| {
        if record.pending.count > 0 {
            let count = Reply::bulk(record.pending.count.to_string());
            consumers.push(Reply::Array(vec![Reply::bulk(name), count]));
        }
        Ok(())
    })?;
    Ok(Reply::Array(vec![Reply::count(bounds.count), first, last, Reply::Array(consumers)]))
}

fn entries(view: &View<'_>, stream: &Stream, group: &Group<'_>, range: Range<'_>) -> Result<Reply> {
    let bounds = match range.consumer {
        None => group.record.pending,
        Some(name) => match group.consumer(view, name)? {
            Some(record) => record.pending,
            None => return Ok(Reply::Array(Vec::new())),
        },
    };
    let mut found = Vec::new();
    if range.count == 0 {
        return Ok(Reply::Array(found));
    }
    let (name, between) = (group.name(), (range.from, range.to));
    scan_pending(
        view,
        stream.collection_id(),
        name,
        range.consumer,
        &bounds,
        between,
        Direction::Forward,
        |id, pending| {
            if pending.is_claimable(view.now(), range.min_idle_ms) {
                found.push(entry(id, &pending, view.now()));
            }
            let is_full = found.len() as u64 >= range.count;
            Ok(if is_full { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
        },
    )?;
    Ok(Reply::Array(found))
}

fn entry(id: StreamId, pending: &Pending, now: u64) -> Reply {
    let (consumer, idle) = (consumer_reply(pending), idle_reply(pending.idle_ms(now)));
    Reply::Array(vec![id_reply(id), consumer, idle, Reply::count(pending.deliveries)])
}
