//! Keys under other names and in other databases.

use crate::{
    command::{Access, Args, Command, Databases, Flags, Group, KeyRange, Run, parse_i64},
    error::Result,
    limits::DATABASES,
    resp::{ErrorReply, Reply},
    store::{EventClass, Txn},
};

pub(super) const COPY: Command = Command {
    name: "COPY",
    access: &[Access::Read, Access::Overwrite],
    arity: -3,
    keys: KeyRange::new(1, 2, 1),
    run: Run::Write(copy),
    databases: Databases::Named(named_by_copy),
    not_in_cluster: Some(copies_to_another),
    flags: Flags::WRITE.with(Flags::DENYOOM).with(Flags::KEYSPACE),
    group: Group::Generic,
    since: "6.2.0",
    complexity: "O(N) where N is the size of the value.",
    summary: "Copies a key with its value and expiry.",
    syntax: "source destination [DB destination-db] [REPLACE]",
    ..Command::BASE
};

pub(super) const MOVE: Command = Command {
    name: "MOVE",
    arity: 3,
    keys: KeyRange::ONE,
    run: Run::Write(move_to),
    databases: Databases::Named(|_| vec![2]),
    not_in_cluster: Some(|_| Some("MOVE is not allowed in cluster mode")),
    flags: Flags::WRITE.with(Flags::FAST).with(Flags::KEYSPACE),
    group: Group::Generic,
    summary: "Moves a key to another database, if it is not there already.",
    syntax: "key db",
    ..Command::BASE
};

pub(super) const RENAME: Command = Command {
    name: "RENAME",
    access: &[Access::Take, Access::Overwrite],
    arity: 3,
    keys: KeyRange::new(1, 2, 1),
    run: Run::Write(rename),
    flags: Flags::WRITE.with(Flags::KEYSPACE),
    group: Group::Generic,
    summary: "Renames a key, replacing any value of the new name.",
    syntax: "key newkey",
    ..Command::BASE
};

pub(super) const RENAMENX: Command = Command {
    name: "RENAMENX",
    access: &[Access::Take, Access::Create],
    run: Run::Write(renamenx),
    flags: Flags::WRITE.with(Flags::FAST).with(Flags::KEYSPACE),
    summary: "Renames a key, but only if the new name does not exist.",
    ..RENAME
};

fn copy(txn: &mut Txn<'_>, args: &mut Args<'_>) -> Result<Reply> {
    let (source, target) = (args.next_word()?, args.next_word()?);
    let (mut db, mut replace) = (txn.db(), false);
    while !args.is_empty() {
        if args.take("REPLACE") {
            replace = true;
        } else if args.remaining() > 1 && args.take("DB") {
            db = database(args.next_i32()?)?;
        } else {
            return Err(ErrorReply::syntax().into());
        }
    }
    if db == txn.db() && source == target {
        return Err(ErrorReply::err("source and destination objects are the same").into());
    }
    let Some(row) = txn.get(source)? else {
        return Ok(Reply::Int(0));
    };
    if !replace && txn.get_in(db, target)?.is_some() {
        return Ok(Reply::Int(0));
    }
    txn.duplicate(&row, db, target)?;
    txn.event_in(db, EventClass::Generic, "copy_to", target);
    Ok(Reply::Int(1))
}

fn copies_to_another(argv: &[&[u8]]) -> Option<&'static str> {
    let option = argv.iter().skip(3).position(|word| word.eq_ignore_ascii_case(b"DB"))?;
    let db = argv.get(option.saturating_add(4)).and_then(|word| parse_i64(word))?;
    let is_another = (1..i64::from(DATABASES)).contains(&db);
    is_another.then_some("Copying to another database is not allowed in cluster mode")
}

fn named_by_copy(argv: &[&[u8]]) -> Vec<usize> {
    let (mut at, mut named) = (3_usize, Vec::new());
    while let Some(word) = argv.get(at) {
        at = at.saturating_add(1);
        if word.eq_ignore_ascii_case(b"DB") {
            named.push(at);
            at = at.saturating_add(1);
        }
    }
    named
}

fn move_to(txn: &mut Txn<'_>, args: &mut Args<'_>) -> Result<Reply> {
    let (key, number) = (args.next_word()?, args.next_i32()?);
    let db = database(number)?;
    if db == txn.db() {
        return Err(ErrorReply::err("source and destination objects are the same").into());
    }
    let Some(row) = txn.get(key)? else {
        return Ok(Reply::Int(0));
    };
    if txn.get_in(db, key)?.is_some() {
        return Ok(Reply::Int(0));
    }
    txn.transfer(key, &row, db, key)?;
    txn.event(EventClass::Generic, "move_from", key);
    txn.event_in(db, EventClass::Generic, "move_to", key);
    Ok(Reply::Int(1))
}

fn rename(txn: &mut Txn<'_>, args: &mut Args<'_>) -> Result<Reply> {
    rename_to(txn, args, true)?;
    Ok(Reply::Ok)
}

fn renamenx(txn: &mut Txn<'_>, args: &mut Args<'_>) -> Result<Reply> {
    Ok(rename_to(txn, args, false)?.into())
}

fn rename_to(txn: &mut Txn<'_>, args: &mut Args<'_>, replace: bool) -> Result<bool> {
    let (key, name) = (args.next_word()?, args.next_word()?);
    let row = txn.get(key)?.ok_or_else(ErrorReply::no_such_key)?;
    if key == name {
        return Ok(replace);
    }
    if !replace && txn.get(name)?.is_some() {
        return Ok(false);
    }
    txn.transfer(key, &row, txn.db(), name)?;
    txn.event(EventClass::Generic, "rename_from", key);
    txn.event(EventClass::Generic, "rename_to", name);
    Ok(true)
}

fn database(number: i32) -> Result<u32> {
    let db = u32::try_from(number).ok().filter(|db| *db < DATABASES);
    Ok(db.ok_or_else(ErrorReply::db_out_of_range)?)
}
