//! Elements onto the ends of a list.

use super::{push_event, save_more};
use crate::{
    command::{Access, Args, Command, Cost, Flags, Group, KeyRange, PassedOn, Run},
    error::Result,
    resp::Reply,
    store::Txn,
    types::list::{End, List},
};

pub(super) const LPUSH: Command = Command {
    name: "LPUSH",
    passed_on: PassedOn::AsCalled,
    access: &[Access::Insert],
    arity: -3,
    keys: KeyRange::ONE,
    run: Run::Write(lpush),
    cost: Cost::Words,
    flags: Flags::WRITE.with(Flags::DENYOOM).with(Flags::FAST),
    group: Group::List,
    since: "1.0.0",
    complexity: "O(N) where N is the number of new elements.",
    summary: "Pushes elements to the front of a list, one after the other; creates the list if needed.",
    syntax: "key element [element ...]",
    ..Command::BASE
};

pub(super) const RPUSH: Command = Command {
    name: "RPUSH",
    run: Run::Write(rpush),
    summary: "Appends elements to a list; creates the list if needed.",
    ..LPUSH
};

pub(super) const LPUSHX: Command = Command {
    name: "LPUSHX",
    run: Run::Write(lpushx),
    since: "2.2.0",
    summary: "Pushes elements to the front of a list, but only if it exists.",
    ..LPUSH
};

pub(super) const RPUSHX: Command = Command {
    name: "RPUSHX",
    run: Run::Write(rpushx),
    since: "2.2.0",
    summary: "Appends elements to a list, but only if it exists.",
    ..LPUSH
};

fn lpush(txn: &mut Txn<'_>, args: &mut Args<'_>) -> Result<Reply> {
    let key = args.next_word()?;
    let list = List::open_or_create(txn, key)?;
    push(txn, key, list, End::Left, args.rest())
}

fn rpush(txn: &mut Txn<'_>, args: &mut Args<'_>) -> Result<Reply> {
    let key = args.next_word()?;
    let list = List::open_or_create(txn, key)?;
    push(txn, key, list, End::Right, args.rest())
}

fn lpushx(txn: &mut Txn<'_>, args: &mut Args<'_>) -> Result<Reply> {
    let key = args.next_word()?;
    let Some(list) = List::open(&txn.view(), key)? else { return Ok(Reply::Int(0)) };
    push(txn, key, list, End::Left, args.rest())
}

fn rpushx(txn: &mut Txn<'_>, args: &mut Args<'_>) -> Result<Reply> {
    let key = args.next_word()?;
    let Some(list) = List::open(&txn.view(), key)? else { return Ok(Reply::Int(0)) };
    push(txn, key, list, End::Right, args.rest())
}

fn push(txn: &mut Txn<'_>, key: &[u8], mut list: List, end: End, elements: &[&[u8]]) -> Result<Reply> {
    list.push(txn, end, elements)?;
    save_more(txn, key, &mut list, push_event(end))?;
    Ok(Reply::count(list.len()))
}
