//! Commands on parts of a string.

use super::set::replace;
use crate::{
    command::{Access, Args, Command, Flags, Group, KeyRange, PassedOn, Run},
    error::Result,
    resp::{ErrorReply, Reply},
    store::{Encoding, EventClass, Txn, View},
    types::string::{Edit, StoredString, check_length, range},
};

pub(super) const APPEND: Command = Command {
    name: "APPEND",
    passed_on: PassedOn::AsCalled,
    access: &[Access::Insert],
    arity: 3,
    keys: KeyRange::ONE,
    run: Run::Write(append),
    flags: Flags::WRITE.with(Flags::DENYOOM).with(Flags::FAST),
    group: Group::String,
    since: "2.0.0",
    complexity: "O(N) where N is the length of what is appended.",
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
    passed_on: PassedOn::AsCalled,
    access: &[Access::Update],
    arity: 4,
    keys: KeyRange::ONE,
    run: Run::Write(setrange),
    flags: Flags::WRITE.with(Flags::DENYOOM),
    group: Group::String,
    since: "2.2.0",
    complexity: "O(N) where N is the length of the value.",
    summary: "Overwrites a part of a string, padding with zero bytes up to the offset.",
    syntax: "key offset value",
    ..Command::BASE
};

fn append(txn: &mut Txn<'_>, args: &mut Args<'_>) -> Result<Reply> {
    let (key, tail) = (args.next_word()?, args.next_word()?);
    let Some(before) = StoredString::open(&txn.view(), key)? else {
        replace(txn, key, None, Encoding::Natural, tail)?;
        txn.event(EventClass::String, "append", key);
        return Ok(Reply::count(tail.len()));
    };
    let (at, mut edit) = (before.len(), Edit::of(Some(before)));
    let len = at.saturating_add(tail.len());
    check_length(len)?;
    edit.write(&txn.view(), at, tail)?;
    edit.save(txn, key, Encoding::Raw)?;
    txn.event(EventClass::String, "append", key);
    Ok(Reply::count(len))
}

fn getrange(view: &View<'_>, args: &mut Args<'_>) -> Result<Reply> {
    let (key, start, end) = (args.next_word()?, args.next_i64()?, args.next_i64()?);
    let Some(string) = StoredString::open(view, key)? else {
        return Ok(Reply::bulk(""));
    };
    string.reply(view, range(string.len(), start, end))
}

fn setrange(txn: &mut Txn<'_>, args: &mut Args<'_>) -> Result<Reply> {
    let (key, offset, part) = (args.next_word()?, args.next_i64()?, args.next_word()?);
    let offset = usize::try_from(offset).map_err(|_| ErrorReply::err("offset is out of range"))?;
    let mut edit = Edit::of(StoredString::open(&txn.view(), key)?);
    if part.is_empty() {
        return Ok(Reply::count(edit.len()));
    }
    let end = offset.saturating_add(part.len());
    check_length(end)?;
    edit.write(&txn.view(), offset, part)?;
    let len = edit.len();
    edit.save(txn, key, Encoding::Raw)?;
    txn.event(EventClass::String, "setrange", key);
    Ok(Reply::count(len))
}
