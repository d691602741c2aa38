//! A list's length and elements by index.

use crate::{
    command::{Access, Args, Command, Cost, Flags, Group, KeyRange, Run},
    error::Result,
    resp::Reply,
    store::{Direction, View},
    types::list::{self, List},
};

pub(super) const LLEN: Command = Command {
    name: "LLEN",
    access: &[Access::Look],
    arity: 2,
    keys: KeyRange::ONE,
    run: Run::Read(llen),
    cost: Cost::Words,
    flags: Flags::READONLY.with(Flags::FAST),
    group: Group::List,
    since: "1.0.0",
    summary: "Returns the length of a list.",
    syntax: "key",
    ..Command::BASE
};

pub(super) const LINDEX: Command = Command {
    name: "LINDEX",
    arity: 3,
    keys: KeyRange::ONE,
    run: Run::Read(lindex),
    flags: Flags::READONLY,
    group: Group::List,
    since: "1.0.0",
    summary: "Returns the element of a list at an index.",
    syntax: "key index",
    ..Command::BASE
};

pub(super) const LRANGE: Command = Command {
    name: "LRANGE",
    arity: 4,
    keys: KeyRange::ONE,
    run: Run::Read(lrange),
    flags: Flags::READONLY,
    group: Group::List,
    since: "1.0.0",
    complexity: "O(N) where N is the number of elements returned.",
    summary: "Returns the elements of a list from one index to another.",
    syntax: "key start stop",
    ..Command::BASE
};

fn llen(view: &View<'_>, args: &mut Args<'_>) -> Result<Reply> {
    let list = List::open(view, args.next_word()?)?;
    Ok(Reply::count(list.map_or(0, |list| list.len())))
}

fn lindex(view: &View<'_>, args: &mut Args<'_>) -> Result<Reply> {
    let Some(list) = List::open(view, args.next_word()?)? else { return Ok(Reply::Nil) };
    let Some(at) = list::position(list.len(), args.next_i64()?) else { return Ok(Reply::Nil) };
    Ok(list.get(view, at)?.map_or(Reply::Nil, Reply::Bulk))
}

fn lrange(view: &View<'_>, args: &mut Args<'_>) -> Result<Reply> {
    let (key, start, stop) = (args.next_word()?, args.next_i64()?, args.next_i64()?);
    let Some(list) = List::open(view, key)? else { return Ok(Reply::Array(Vec::new())) };
    let found = list.elements(view, list::range(list.len(), start, stop), Direction::Forward)?;
    Ok(Reply::Array(found.into_iter().map(Reply::Bulk).collect()))
}
