//! GET and the commands that read a string and then change it.

use super::{set, value_reply};
use crate::{
    command::{Args, Command, Flags, Group, KeyRange, Run},
    error::Result,
    resp::{ErrorReply, Reply},
    store::{NewRow, Txn, View},
    types::string::expect_string,
};

pub(super) const GET: Command = Command {
    name: "GET",
    arity: 2,
    keys: KeyRange::ONE,
    run: Run::Read(get),
    flags: Flags::READONLY.with(Flags::FAST),
    group: Group::String,
    since: "1.0.0",
    summary: "Returns the string of a key.",
    syntax: "key",
    ..Command::BASE
};

pub(super) const GETDEL: Command = Command {
    name: "GETDEL",
    key_flags: &["RW", "access", "delete"],
    arity: 2,
    keys: KeyRange::ONE,
    run: Run::Write(getdel),
    flags: Flags::WRITE.with(Flags::FAST),
    group: Group::String,
    since: "6.2.0",
    summary: "Returns the string of a key and deletes the key.",
    syntax: "key",
    ..Command::BASE
};

pub(super) const GETEX: Command = Command {
    name: "GETEX",
    arity: -2,
    keys: KeyRange::ONE,
    run: Run::Write(getex),
    flags: Flags::WRITE.with(Flags::FAST),
    group: Group::String,
    since: "6.2.0",
    summary: "Returns the string of a key and sets or removes its expiry.",
    syntax: "key [EX seconds | PX milliseconds | EXAT unix-time-seconds | PXAT unix-time-milliseconds | PERSIST]",
    ..Command::BASE
};

pub(super) const GETSET: Command = Command {
    name: "GETSET",
    arity: 3,
    keys: KeyRange::ONE,
    run: Run::Write(getset),
    flags: Flags::WRITE.with(Flags::DENYOOM).with(Flags::FAST),
    group: Group::String,
    since: "1.0.0",
    summary: "Returns the string of a key and sets a new one.",
    syntax: "key value",
    ..Command::BASE
};

pub(super) const STRLEN: Command = Command {
    name: "STRLEN",
    key_flags: &["RO"],
    arity: 2,
    keys: KeyRange::ONE,
    run: Run::Read(strlen),
    flags: Flags::READONLY.with(Flags::FAST),
    group: Group::String,
    since: "2.2.0",
    summary: "Returns the length of a string in bytes.",
    syntax: "key",
    ..Command::BASE
};

fn get(view: &View<'_>, args: &mut Args<'_>) -> Result<Reply> {
    Ok(value_reply(expect_string(view.get(args.next_word()?)?)?))
}

fn strlen(view: &View<'_>, args: &mut Args<'_>) -> Result<Reply> {
    let row = expect_string(view.get(args.next_word()?)?)?;
    Ok(Reply::count(row.map_or(0, |row| row.body.len())))
}

fn getdel(txn: &mut Txn<'_>, args: &mut Args<'_>) -> Result<Reply> {
    let key = args.next_word()?;
    let row = expect_string(txn.get(key)?)?;
    if row.is_some() {
        txn.delete(key)?;
    }
    Ok(value_reply(row))
}

fn getex(txn: &mut Txn<'_>, args: &mut Args<'_>) -> Result<Reply> {
    let key = args.next_word()?;
    let mut change = None;
    while !args.is_empty() {
        if change.is_some() {
            return Err(ErrorReply::syntax().into());
        }
        change = if args.take("PERSIST") { Some(0) } else { set::expiry_option(args, txn.now(), "getex")? };
        if change.is_none() {
            return Err(ErrorReply::syntax().into());
        }
    }
    let row = expect_string(txn.get(key)?)?;
    if let (Some(row), Some(expires_at)) = (&row, change)
        && row.expires_at != expires_at
    {
        if expires_at != 0 && expires_at <= txn.now() {
            txn.delete(key)?;
        } else {
            txn.put(key, NewRow { kind: row.kind, encoding: row.encoding, expires_at, body: &row.body })?;
        }
    }
    Ok(value_reply(row))
}

fn getset(txn: &mut Txn<'_>, args: &mut Args<'_>) -> Result<Reply> {
    let (key, value) = (args.next_word()?, args.next_word()?);
    let before = expect_string(txn.get(key)?)?;
    set::store(txn, key, value, 0)?;
    Ok(value_reply(before))
}
