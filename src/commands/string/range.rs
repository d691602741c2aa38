//! Commands on parts of a string.

use super::set::replace;
use crate::{
    command::{Access, Args, Command, Flags, Group, KeyRange, Run},
    error::Result,
    resp::{ErrorReply, Reply},
    store::{Encoding, EventClass, Txn, View},
    types::string::{check_length, expect_string, range},
};

pub(super) const APPEND: Command = Command {
    name: "APPEND",
    access: &[Access::Insert],
    arity: 3,
    keys: KeyRange::ONE,
    run: Run::Write(append),
    flags: Flags::WRITE.with(Flags::DENYOOM).with(Flags::FAST),
    group: Group::String,
    since: "2.0.0",
    complexity: "O(N) where N is the length of the resulting string.",
    summary: "Appends to a string; an absent key counts as empty.",
    syntax: "key value",
    ..Command::BASE
};

pub(super) const GETRANGE: Command = Command {
    name: "GETRANGE",
    arity: 4,
    keys: KeyRange::ONE,
    run: Run::Read(getrange),
    flags: Flags::READONLY,
    group: Group::String,
    since: "2.4.0",
    complexity: "O(N) where N is the length of the returned string.",
    summary: "Returns a part of a string; negative indexes count from the end.",
    syntax: "key start end",
    ..Command::BASE
};

pub(super) const SUBSTR: Command =
    Command { name: "SUBSTR", since: "1.0.0", summary: "The old name of GETRANGE.", ..GETRANGE };

pub(super) const SETRANGE: Command = Command {
    name: "SETRANGE",
    access: &[Access::Update],
    arity: 4,
    keys: KeyRange::ONE,
    run: Run::Write(setrange),
    flags: Flags::WRITE.with(Flags::DENYOOM),
    group: Group::String,
    since: "2.2.0",
    complexity: "O(N) where N is the length of the resulting string.",
    summary: "Overwrites a part of a string, padding with zero bytes up to the offset.",
    syntax: "key offset value",
    ..Command::BASE
};

fn append(txn: &mut Txn<'_>, args: &mut Args<'_>) -> Result<Reply> {
    let (key, tail) = (args.next_word()?, args.next_word()?);
    let before = expect_string(txn.get(key)?)?;
    let Some(row) = &before else {
        replace(txn, key, None, Encoding::Natural, tail)?;
        txn.event(EventClass::String, "append", key);
        return Ok(Reply::count(tail.len()));
    };
    check_length(row.body.len().saturating_add(tail.len()))?;
    let value = [&row.body[..], tail].concat();
    replace(txn, key, before.as_ref(), Encoding::Raw, &value)?;
    txn.event(EventClass::String, "append", key);
    Ok(Reply::count(value.len()))
}

fn getrange(view: &View<'_>, args: &mut Args<'_>) -> Result<Reply> {
    let (key, start, end) = (args.next_word()?, args.next_i64()?, args.next_i64()?);
    let Some(row) = expect_string(view.get(key)?)? else {
        return Ok(Reply::bulk(""));
    };
    Ok(Reply::Bulk(row.body.slice(range(row.body.len(), start, end))))
}

fn setrange(txn: &mut Txn<'_>, args: &mut Args<'_>) -> Result<Reply> {
    let (key, offset, part) = (args.next_word()?, args.next_i64()?, args.next_word()?);
    let offset = usize::try_from(offset).map_err(|_| ErrorReply::err("offset is out of range"))?;
    let before = expect_string(txn.get(key)?)?;
    let old = before.as_ref().map_or(&[][..], |row| &row.body[..]);
    if part.is_empty() {
        return Ok(Reply::count(old.len()));
    }
    let end = offset.saturating_add(part.len());
    check_length(end)?;
    let mut value = old.to_vec();
    if value.len() < end {
        value.resize(end, 0);
    }
    if let Some(slot) = value.get_mut(offset..end) {
        slot.copy_from_slice(part);
    }
    replace(txn, key, before.as_ref(), Encoding::Raw, &value)?;
    txn.event(EventClass::String, "setrange", key);
    Ok(Reply::count(value.len()))
}
