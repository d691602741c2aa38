//! Whole databases: DBSIZE, FLUSHDB, FLUSHALL, SWAPDB.

use crate::{
    command::{Args, Command, Databases, Flags, Group, Run, parse_i64},
    error::Result,
    limits::DATABASES,
    resp::{ErrorReply, Reply},
    store::{Txn, View},
};

pub(super) const DBSIZE: Command = Command {
    name: "DBSIZE",
    tips: &["request_policy:all_shards", "response_policy:agg_sum"],
    arity: 1,
    run: Run::Read(dbsize),
    flags: Flags::READONLY.with(Flags::FAST).with(Flags::KEYSPACE),
    group: Group::Server,
    summary: "Counts the keys of the database; an expired key counts until it is deleted.",
    ..Command::BASE
};

pub(super) const FLUSHDB: Command = Command {
    name: "FLUSHDB",
    tips: &["request_policy:all_shards", "response_policy:all_succeeded"],
    arity: -1,
    run: Run::Write(flushdb),
    flags: Flags::WRITE.with(Flags::KEYSPACE).with(Flags::DANGEROUS),
    group: Group::Server,
    summary: "Empties the database; its space is reclaimed in the background.",
    syntax: "[ASYNC | SYNC]",
    ..Command::BASE
};

pub(super) const FLUSHALL: Command = Command {
    name: "FLUSHALL",
    run: Run::Write(flushall),
    databases: Databases::All,
    summary: "Empties all databases; their space is reclaimed in the background.",
    ..FLUSHDB
};

pub(super) const SWAPDB: Command = Command {
    name: "SWAPDB",
    arity: 3,
    run: Run::Write(swapdb),
    databases: Databases::Named(|_| vec![1, 2]),
    not_in_cluster: Some(|_| Some("SWAPDB is not allowed in cluster mode")),
    flags: Flags::WRITE.with(Flags::FAST).with(Flags::KEYSPACE).with(Flags::DANGEROUS),
    group: Group::Server,
    since: "4.0.0",
    summary: "Exchanges two databases for all clients.",
    syntax: "index1 index2",
    ..Command::BASE
};

fn dbsize(view: &View<'_>, _args: &mut Args<'_>) -> Result<Reply> {
    Ok(Reply::count(view.key_count(view.db())))
}

fn mode(args: &mut Args<'_>) -> Result<()> {
    // Both take constant time, so the modes do not differ.
    if !(args.is_empty() || args.take("ASYNC") || args.take("SYNC")) {
        return Err(ErrorReply::syntax().into());
    }
    args.finish()
}

fn flushdb(txn: &mut Txn<'_>, args: &mut Args<'_>) -> Result<Reply> {
    mode(args)?;
    txn.flush_db(txn.db());
    Ok(Reply::Ok)
}

fn flushall(txn: &mut Txn<'_>, args: &mut Args<'_>) -> Result<Reply> {
    mode(args)?;
    for db in 0..DATABASES {
        if txn.state().database(db).keys > 0 || txn.state().database(db).expires > 0 {
            txn.flush_db(db);
        }
    }
    Ok(Reply::Ok)
}

fn swapdb(txn: &mut Txn<'_>, args: &mut Args<'_>) -> Result<Reply> {
    let mut number = |text: &'static str| -> Result<i64> {
        let number = parse_i64(args.next_word()?).filter(|n| i32::try_from(*n).is_ok());
        Ok(number.ok_or_else(|| ErrorReply::err(text))?)
    };
    let (first, second) = (number("invalid first DB index")?, number("invalid second DB index")?);
    let db = |n: i64| u32::try_from(n).ok().filter(|db| *db < DATABASES);
    let (Some(first), Some(second)) = (db(first), db(second)) else {
        return Err(ErrorReply::db_out_of_range().into());
    };
    txn.swap_db(first, second);
    Ok(Reply::Ok)
}
