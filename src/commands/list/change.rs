//! Changes anywhere in a list.

use super::{save_less, save_more};
use crate::{
    command::{Access, Args, Command, Flags, Group, KeyRange, PassedOn, Run},
    error::Result,
    resp::{ErrorReply, Reply},
    store::{Direction, Txn},
    types::list::{self, List},
};
use std::ops::ControlFlow;

pub(super) const LSET: Command = Command {
    name: "LSET",
    passed_on: PassedOn::AsCalled,
    access: &[Access::Update],
    arity: 4,
    keys: KeyRange::ONE,
    run: Run::Write(lset),
    flags: Flags::WRITE.with(Flags::DENYOOM),
    group: Group::List,
    since: "1.0.0",
    summary: "Replaces the element of a list at an index.",
    syntax: "key index element",
    ..Command::BASE
};

pub(super) const LINSERT: Command = Command {
    name: "LINSERT",
    passed_on: PassedOn::AsCalled,
    access: &[Access::Insert],
    arity: 5,
    keys: KeyRange::ONE,
    run: Run::Write(linsert),
    flags: Flags::WRITE.with(Flags::DENYOOM),
    group: Group::List,
    since: "2.2.0",
    complexity: "O(N) where N is the distance of the pivot from the left end.",
    summary: "Inserts an element before or after another one.",
    syntax: "key <BEFORE | AFTER> pivot element",
    ..Command::BASE
};

pub(super) const LREM: Command = Command {
    name: "LREM",
    passed_on: PassedOn::AsCalled,
    access: &[Access::Delete],
    arity: 4,
    keys: KeyRange::ONE,
    run: Run::Write(lrem),
    flags: Flags::WRITE,
    group: Group::List,
    since: "1.0.0",
    complexity: "O(N) where N is the number of elements compared; beyond 16 equal ones the shorter side of the list moves.",
    summary: "Removes elements that equal a given one from a list.",
    syntax: "key count element",
    ..Command::BASE
};

pub(super) const LTRIM: Command = Command {
    name: "LTRIM",
    passed_on: PassedOn::AsCalled,
    access: &[Access::Delete],
    arity: 4,
    keys: KeyRange::ONE,
    run: Run::Write(ltrim),
    flags: Flags::WRITE,
    group: Group::List,
    since: "1.0.0",
    complexity: "O(N) where N is the number of elements that go, or that stay if these are fewer.",
    summary: "Keeps the elements of a list from one index to another and removes the rest.",
    syntax: "key start stop",
    ..Command::BASE
};

fn lset(txn: &mut Txn<'_>, args: &mut Args<'_>) -> Result<Reply> {
    let key = args.next_word()?;
    let mut list = List::open(&txn.view(), key)?.ok_or_else(ErrorReply::no_such_key)?;
    let (index, element) = (args.next_i64()?, args.next_word()?);
    let at = list::position(list.len(), index).ok_or_else(ErrorReply::out_of_range)?;
    list.set(txn, at, element)?;
    save_more(txn, key, &mut list, "lset")?;
    Ok(Reply::Ok)
}

fn linsert(txn: &mut Txn<'_>, args: &mut Args<'_>) -> Result<Reply> {
    let key = args.next_word()?;
    let is_behind = if args.take("AFTER") {
        true
    } else if args.take("BEFORE") {
        false
    } else {
        return Err(ErrorReply::syntax().into());
    };
    let (pivot, element) = (args.next_word()?, args.next_word()?);
    let Some(mut list) = List::open(&txn.view(), key)? else { return Ok(Reply::Int(0)) };
    let found = positions(txn, &list, pivot, Direction::Forward, 1)?;
    let Some(at) = found.first() else { return Ok(Reply::Int(-1)) };
    list.insert(txn, at.saturating_add(u64::from(is_behind)), element)?;
    save_more(txn, key, &mut list, "linsert")?;
    Ok(Reply::count(list.len()))
}

fn lrem(txn: &mut Txn<'_>, args: &mut Args<'_>) -> Result<Reply> {
    let (key, count, element) = (args.next_word()?, args.next_i64()?, args.next_word()?);
    let Some(mut list) = List::open(&txn.view(), key)? else { return Ok(Reply::Int(0)) };
    let direction = if count < 0 { Direction::Backward } else { Direction::Forward };
    let wanted = if count == 0 { u64::MAX } else { count.unsigned_abs() };
    let mut found = positions(txn, &list, element, direction, wanted)?;
    if found.is_empty() {
        return Ok(Reply::Int(0));
    }
    found.sort_unstable();
    list.remove(txn, &found, element)?;
    save_less(txn, key, &mut list, "lrem")?;
    Ok(Reply::count(found.len()))
}

fn ltrim(txn: &mut Txn<'_>, args: &mut Args<'_>) -> Result<Reply> {
    let (key, start, stop) = (args.next_word()?, args.next_i64()?, args.next_i64()?);
    let Some(mut list) = List::open(&txn.view(), key)? else { return Ok(Reply::Ok) };
    list.trim(txn, list::range(list.len(), start, stop))?;
    save_less(txn, key, &mut list, "ltrim")?;
    Ok(Reply::Ok)
}

/// The first positions of an element in a direction, up to a number.
fn positions(
    txn: &mut Txn<'_>,
    list: &List,
    element: &[u8],
    direction: Direction,
    wanted: u64,
) -> Result<Vec<u64>> {
    list.will_be_searched(txn)?;
    let mut found = Vec::new();
    let wanted = usize::try_from(wanted).unwrap_or(usize::MAX);
    list.scan(&txn.view().in_passing(), 0..list.len(), direction, |at, other| {
        if other == element {
            found.push(at);
        }
        Ok(if found.len() >= wanted { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
    })?;
    Ok(found)
}
