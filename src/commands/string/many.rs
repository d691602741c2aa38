//! Commands on many strings at once.

use super::{
    get::bytes_of_strings,
    set::{Chosen, choose_expiry, expiry_at, store},
    value_reply,
};
use crate::{
    command::{Access, Args, Command, Cost, Flags, Group, KeyRange, Run, parse_i64},
    error::Result,
    resp::{ErrorReply, Reply},
    store::{Txn, Type, View},
    types::string::StoredString,
};

pub(super) const MGET: Command = Command {
    name: "MGET",
    tips: &["request_policy:multi_shard"],
    arity: -2,
    keys: KeyRange::ALL,
    run: Run::Read(mget),
    reply_bytes: Some(bytes_of_strings),
    flags: Flags::READONLY.with(Flags::FAST),
    group: Group::String,
    since: "1.0.0",
    complexity: "O(N) where N is the number of keys.",
    summary: "Returns the strings of several keys, all as of one moment.",
    syntax: "key [key ...]",
    ..Command::BASE
};

pub(super) const MSET: Command = Command {
    name: "MSET",
    access: &[Access::Overwrite],
    tips: &["request_policy:multi_shard", "response_policy:all_succeeded"],
    arity: -3,
    keys: KeyRange::new(1, -1, 2),
    run: Run::Write(mset),
    cost: Cost::Words,
    flags: Flags::WRITE.with(Flags::DENYOOM),
    group: Group::String,
    since: "1.0.1",
    complexity: "O(N) where N is the number of keys.",
    summary: "Sets several strings at once.",
    syntax: "key value [key value ...]",
    ..Command::BASE
};

pub(super) const MSETNX: Command = Command {
    name: "MSETNX",
    access: &[Access::Create],
    tips: &["request_policy:multi_shard", "response_policy:agg_min"],
    arity: -3,
    keys: KeyRange::new(1, -1, 2),
    run: Run::Write(msetnx),
    cost: Cost::Words,
    flags: Flags::WRITE.with(Flags::DENYOOM),
    group: Group::String,
    since: "1.0.1",
    complexity: "O(N) where N is the number of keys.",
    summary: "Sets several strings at once, but only if none of the keys exists.",
    syntax: "key value [key value ...]",
    ..Command::BASE
};

pub(super) const MSETEX: Command = Command {
    name: "MSETEX",
    access: &[Access::Overwrite],
    arity: -4,
    keys: KeyRange { count_at: Some(1), ..KeyRange::new(2, -1, 2) },
    run: Run::Write(msetex),
    cost: Cost::Words,
    flags: Flags::WRITE.with(Flags::DENYOOM).with(Flags::MOVABLEKEYS),
    group: Group::String,
    since: "9.1.0",
    complexity: "O(N) where N is the number of keys.",
    summary: "Sets several strings at once, with one condition and one expiry for all.",
    syntax: "numkeys key value [key value ...] [NX | XX] [EX seconds | PX milliseconds | EXAT unix-time-seconds | PXAT unix-time-milliseconds | KEEPTTL]",
    ..Command::BASE
};

fn mget(view: &View<'_>, args: &mut Args<'_>) -> Result<Reply> {
    let mut values = Vec::with_capacity(args.remaining());
    for key in args.rest() {
        // Another type is no error here, only no string.
        let row = view.get(key)?.filter(|row| row.kind == Type::String);
        let string = row.map(|row| StoredString::of_row(view, row)).transpose()?;
        values.push(value_reply(view, string.as_ref())?);
    }
    Ok(Reply::Array(values))
}

fn mset(txn: &mut Txn<'_>, args: &mut Args<'_>) -> Result<Reply> {
    for (key, value) in pairs(args, "mset")? {
        store(txn, key, value, 0)?;
    }
    Ok(Reply::Ok)
}

fn msetnx(txn: &mut Txn<'_>, args: &mut Args<'_>) -> Result<Reply> {
    let pairs = pairs(args, "msetnx")?;
    for (key, _) in &pairs {
        if txn.get(key)?.is_some() {
            return Ok(Reply::Int(0));
        }
    }
    for (key, value) in pairs {
        store(txn, key, value, 0)?;
    }
    Ok(Reply::Int(1))
}

fn msetex(txn: &mut Txn<'_>, args: &mut Args<'_>) -> Result<Reply> {
    let count = args.next_word().ok().and_then(parse_i64).and_then(|n| usize::try_from(n).ok());
    let count = count.filter(|n| *n > 0).ok_or_else(|| ErrorReply::err("invalid numkeys value"))?;
    if args.remaining() / 2 < count {
        return Err(ErrorReply::wrong_arity("msetex").into());
    }
    let mut pairs = Vec::with_capacity(count);
    for _ in 0..count {
        pairs.push((args.next_word()?, args.next_word()?));
    }
    let (mut must_exist, mut chosen) = (None, None);
    while !args.is_empty() {
        if must_exist.is_none() && args.take("NX") {
            must_exist = Some(false);
        } else if must_exist.is_none() && args.take("XX") {
            must_exist = Some(true);
        } else {
            choose_expiry(args, &mut chosen)?;
        }
    }
    let at = match chosen {
        Some(Chosen::In(unit, amount)) => expiry_at(unit, amount, txn.now(), "msetex")?,
        None | Some(Chosen::Keep) => 0,
    };
    let mut rows = Vec::with_capacity(count);
    for (key, _) in &pairs {
        let row = txn.get(key)?;
        if must_exist.is_some_and(|must| must != row.is_some()) {
            return Ok(Reply::Int(0));
        }
        rows.push(row);
    }
    for ((key, value), row) in pairs.into_iter().zip(rows) {
        let keep = matches!(chosen, Some(Chosen::Keep));
        let expires_at = if keep { row.map_or(0, |row| row.expires_at) } else { at };
        store(txn, key, value, expires_at)?;
    }
    Ok(Reply::Int(1))
}

fn pairs<'a>(args: &mut Args<'a>, command: &str) -> Result<Vec<(&'a [u8], &'a [u8])>> {
    if !args.remaining().is_multiple_of(2) {
        return Err(ErrorReply::wrong_arity(command).into());
    }
    let mut pairs = Vec::with_capacity(args.remaining() / 2);
    while let (Some(key), Some(value)) = (args.next_opt(), args.next_opt()) {
        pairs.push((key, value));
    }
    Ok(pairs)
}
