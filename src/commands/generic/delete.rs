//! Commands that test, name and delete keys.

use crate::{
    command::{Access, Args, Command, Cost, Flags, Group, KeyRange, Run},
    error::Result,
    resp::Reply,
    store::{EventClass, Txn, View},
};

pub(super) const DEL: Command = Command {
    name: "DEL",
    access: &[Access::Remove],
    tips: &["request_policy:multi_shard", "response_policy:agg_sum"],
    arity: -2,
    keys: KeyRange::ALL,
    run: Run::Write(del),
    cost: Cost::Words,
    flags: Flags::WRITE.with(Flags::KEYSPACE),
    group: Group::Generic,
    complexity: "O(N) where N is the number of keys.",
    summary: "Deletes keys and returns how many existed.",
    syntax: "key [key ...]",
    ..Command::BASE
};

pub(super) const UNLINK: Command = Command {
    name: "UNLINK",
    cost: Cost::Words,
    flags: Flags::WRITE.with(Flags::FAST).with(Flags::KEYSPACE),
    since: "4.0.0",
    summary: "Deletes keys, as DEL does; neither waits for space to be reclaimed.",
    ..DEL
};

pub(super) const EXISTS: Command = Command {
    name: "EXISTS",
    access: &[Access::Look],
    tips: &["request_policy:multi_shard", "response_policy:agg_sum"],
    arity: -2,
    keys: KeyRange::ALL,
    run: Run::Read(exists),
    cost: Cost::Words,
    flags: Flags::READONLY.with(Flags::FAST).with(Flags::KEYSPACE),
    complexity: "O(N) where N is the number of keys.",
    summary: "Counts how many of the keys exist; a key named twice counts twice.",
    syntax: "key [key ...]",
    ..Command::BASE
};

pub(super) const TOUCH: Command = Command {
    name: "TOUCH",
    run: Run::Read(touch),
    cost: Cost::Words,
    flags: Flags::READONLY.with(Flags::FAST).with(Flags::KEYSPACE).with(Flags::TOUCHES),
    since: "3.2.1",
    summary: "Counts how many of the keys exist; they are no longer idle.",
    ..EXISTS
};

pub(super) const TYPE: Command = Command {
    name: "TYPE",
    access: &[Access::Look],
    arity: 2,
    keys: KeyRange::ONE,
    run: Run::Read(kind),
    cost: Cost::Words,
    flags: Flags::READONLY.with(Flags::FAST).with(Flags::KEYSPACE),
    group: Group::Generic,
    summary: "Returns the type of a key, or none.",
    syntax: "key",
    ..Command::BASE
};

fn del(txn: &mut Txn<'_>, args: &mut Args<'_>) -> Result<Reply> {
    let mut deleted = 0_i64;
    for key in args.rest() {
        if txn.delete(key)? {
            txn.event(EventClass::Generic, "del", key);
            deleted = deleted.saturating_add(1);
        }
    }
    Ok(Reply::Int(deleted))
}

fn exists(view: &View<'_>, args: &mut Args<'_>) -> Result<Reply> {
    touch(&view.untouched(), args)
}

fn touch(view: &View<'_>, args: &mut Args<'_>) -> Result<Reply> {
    let mut found = 0_i64;
    for key in args.rest() {
        found = found.saturating_add(i64::from(view.exists(key)?));
    }
    Ok(Reply::Int(found))
}

fn kind(view: &View<'_>, args: &mut Args<'_>) -> Result<Reply> {
    let row = view.untouched().get(args.next_word()?)?;
    Ok(Reply::simple(row.map_or("none", |row| row.kind.name())))
}
