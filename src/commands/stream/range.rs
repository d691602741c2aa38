//! XLEN, XRANGE, XREVRANGE.

use super::{entry_reply, interval_end, interval_start};
use crate::{
    command::{Access, Args, Command, Flags, Group, KeyRange, Run},
    error::Result,
    resp::{ErrorReply, Reply},
    store::{Direction, View},
    types::stream::{Stream, StreamId},
};
use std::ops::ControlFlow;

pub(super) const XLEN: Command = Command {
    name: "XLEN",
    access: &[Access::Look],
    arity: 2,
    keys: KeyRange::ONE,
    run: Run::Read(xlen),
    flags: Flags::READONLY.with(Flags::FAST),
    group: Group::Stream,
    since: "5.0.0",
    summary: "Returns the number of a stream's entries.",
    syntax: "key",
    ..Command::BASE
};

pub(super) const XRANGE: Command = Command {
    name: "XRANGE",
    arity: -4,
    keys: KeyRange::ONE,
    run: Run::Read(xrange),
    flags: Flags::READONLY,
    group: Group::Stream,
    since: "5.0.0",
    complexity: "O(log N + M) where M is the number of entries returned.",
    summary: "Returns the entries between two ids.",
    syntax: "key start end [COUNT count]",
    ..Command::BASE
};

pub(super) const XREVRANGE: Command = Command {
    name: "XREVRANGE",
    run: Run::Read(xrevrange),
    summary: "Returns the entries between two ids, the newest first.",
    syntax: "key end start [COUNT count]",
    ..XRANGE
};

fn xlen(view: &View<'_>, args: &mut Args<'_>) -> Result<Reply> {
    let stream = Stream::open(view, args.next_word()?)?;
    Ok(Reply::count(stream.map_or(0, |stream| stream.len())))
}

fn xrange(view: &View<'_>, args: &mut Args<'_>) -> Result<Reply> {
    let key = args.next_word()?;
    let from = interval_start(args.next_word()?)?;
    let to = interval_end(args.next_word()?)?;
    range(view, args, key, from, to, Direction::Forward)
}

fn xrevrange(view: &View<'_>, args: &mut Args<'_>) -> Result<Reply> {
    let (key, end) = (args.next_word()?, args.next_word()?);
    let from = interval_start(args.next_word()?)?;
    let to = interval_end(end)?;
    range(view, args, key, from, to, Direction::Backward)
}

fn range(
    view: &View<'_>,
    args: &mut Args<'_>,
    key: &[u8],
    from: StreamId,
    to: StreamId,
    direction: Direction,
) -> Result<Reply> {
    let mut count = None;
    while !args.is_empty() {
        if args.remaining() < 2 || !args.take("COUNT") {
            return Err(ErrorReply::syntax().into());
        }
        count = Some(args.next_i64()?);
    }
    let Some(stream) = Stream::open(view, key)? else {
        return Ok(Reply::Array(Vec::new()));
    };
    match count.map(u64::try_from) {
        Some(Ok(0) | Err(_)) => Ok(Reply::NilArray),
        None => entries(view, &stream, from, to, direction, None),
        Some(Ok(count)) => entries(view, &stream, from, to, direction, Some(count)),
    }
}

/// The entries between two ids, at most `count` of them.
pub(super) fn entries(
    view: &View<'_>,
    stream: &Stream,
    from: StreamId,
    to: StreamId,
    direction: Direction,
    count: Option<u64>,
) -> Result<Reply> {
    let mut found = Vec::new();
    stream.visit(view, from, to, direction, |id, bytes| {
        found.push(entry_reply(id, bytes)?);
        let is_full = count.is_some_and(|count| found.len() as u64 >= count);
        Ok(if is_full { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
    })?;
    Ok(Reply::Array(found))
}
