//! GET and the commands that read a string and then change it.

use super::{set, value_reply};
use crate::{
    command::{Access, Args, Command, Flags, Group, KeyRange, Run},
    error::Result,
    resp::{ErrorReply, Reply},
    store::{EventClass, NewRow, Txn, Type, View},
    types::{expiry::Unit, string::StoredString},
};

pub(super) const GET: Command = Command {
    name: "GET",
    arity: 2,
    keys: KeyRange::ONE,
    run: Run::Read(get),
    reply_bytes: Some(bytes_of_strings),
    flags: Flags::READONLY.with(Flags::FAST),
    group: Group::String,
    since: "1.0.0",
    summary: "Returns the string of a key.",
    syntax: "key",
    ..Command::BASE
};

pub(super) const GETDEL: Command = Command {
    name: "GETDEL",
    access: &[Access::Take],
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
    access: &[Access::Look],
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

/// What the strings of these keys have in all.
pub(super) fn bytes_of_strings(view: &View<'_>, argv: &[&[u8]]) -> Result<usize> {
    argv.iter().skip(1).try_fold(0_usize, |sum, key| {
        let len = match view.get(key)? {
            Some(row) if row.kind == Type::String => StoredString::of_row(view, row)?.len(),
            _ => 0,
        };
        Ok(sum.saturating_add(len))
    })
}

fn get(view: &View<'_>, args: &mut Args<'_>) -> Result<Reply> {
    value_reply(view, StoredString::open(view, args.next_word()?)?.as_ref())
}

fn strlen(view: &View<'_>, args: &mut Args<'_>) -> Result<Reply> {
    let string = StoredString::open(view, args.next_word()?)?;
    Ok(Reply::count(string.map_or(0, |string| string.len())))
}

fn getdel(txn: &mut Txn<'_>, args: &mut Args<'_>) -> Result<Reply> {
    let key = args.next_word()?;
    let string = StoredString::open(&txn.view(), key)?;
    let reply = value_reply(&txn.view(), string.as_ref())?;
    if string.is_some() {
        txn.delete(key)?;
        txn.event(EventClass::Generic, "del", key);
    }
    Ok(reply)
}

fn getex(txn: &mut Txn<'_>, args: &mut Args<'_>) -> Result<Reply> {
    let key = args.next_word()?;
    let change = change_option(args)?;
    // As Redis, an absent key answers before the time is looked at.
    let Some(string) = StoredString::open(&txn.view(), key)? else { return Ok(Reply::Nil) };
    let reply = value_reply(&txn.view(), Some(&string))?;
    let row = string.row();
    let expires_at = match change {
        None => row.expires_at,
        Some(Change::Persist) => 0,
        Some(Change::Set(unit, amount)) => set::expiry_at(unit, amount, txn.now(), "getex")?,
    };
    if expires_at != row.expires_at {
        if expires_at != 0 && expires_at <= txn.expiry_clock() {
            txn.delete(key)?;
            txn.event(EventClass::Generic, "del", key);
        } else {
            txn.put(key, NewRow { kind: row.kind, encoding: row.encoding, expires_at, body: &row.body })?;
            txn.event(EventClass::Generic, if expires_at == 0 { "persist" } else { "expire" }, key);
        }
    }
    Ok(reply)
}

/// The change of GETEX to the expiry.
#[derive(Clone, Copy)]
enum Change<'a> {
    Persist,
    Set(Unit, &'a [u8]),
}

fn change_option<'a>(args: &mut Args<'a>) -> Result<Option<Change<'a>>> {
    let mut change = None;
    while !args.is_empty() {
        let next = if args.take("PERSIST") {
            Some(Change::Persist)
        } else {
            set::unit_option(args).map(|(unit, amount)| Change::Set(unit, amount))
        };
        let repeated = match (&change, &next) {
            (None, _) | (Some(Change::Persist), Some(Change::Persist)) => true,
            (Some(Change::Set(old, _)), Some(Change::Set(new, _))) => old == new,
            _ => false,
        };
        if next.is_none() || !repeated {
            return Err(ErrorReply::syntax().into());
        }
        change = next;
    }
    Ok(change)
}

fn getset(txn: &mut Txn<'_>, args: &mut Args<'_>) -> Result<Reply> {
    let (key, value) = (args.next_word()?, args.next_word()?);
    let before = StoredString::open(&txn.view(), key)?;
    let reply = value_reply(&txn.view(), before.as_ref())?;
    set::store(txn, key, value, 0)?;
    Ok(reply)
}
