//! Reading fields.

use crate::{
    command::{Access, Args, Command, Flags, Group, KeyRange, Run},
    error::Result,
    resp::Reply,
    store::View,
    types::hash::{Field, Hash},
};
use std::ops::ControlFlow;

pub(super) const HGET: Command = Command {
    name: "HGET",
    arity: 3,
    keys: KeyRange::ONE,
    run: Run::Read(hget),
    reply_bytes: Some(bytes_of_fields),
    flags: Flags::READONLY.with(Flags::FAST),
    group: Group::Hash,
    since: "2.0.0",
    summary: "Returns a field of a hash.",
    syntax: "key field",
    ..Command::BASE
};

pub(super) const HMGET: Command = Command {
    name: "HMGET",
    arity: -3,
    run: Run::Read(hmget),
    complexity: "O(N) where N is the number of fields.",
    summary: "Returns several fields of a hash.",
    syntax: "key field [field ...]",
    ..HGET
};

pub(super) const HGETALL: Command = Command {
    name: "HGETALL",
    tips: &["nondeterministic_output_order"],
    arity: 2,
    run: Run::Read(hgetall),
    reply_bytes: None,
    flags: Flags::READONLY,
    complexity: "O(N) where N is the size of the hash.",
    summary: "Returns all fields of a hash and their values.",
    syntax: "key",
    ..HGET
};

pub(super) const HKEYS: Command = Command {
    name: "HKEYS",
    run: Run::Read(hkeys),
    summary: "Returns all fields of a hash, without their values.",
    ..HGETALL
};

pub(super) const HVALS: Command = Command {
    name: "HVALS",
    run: Run::Read(hvals),
    summary: "Returns the values of all fields of a hash.",
    ..HGETALL
};

pub(super) const HLEN: Command = Command {
    name: "HLEN",
    access: &[Access::Look],
    arity: 2,
    run: Run::Read(hlen),
    reply_bytes: None,
    summary: "Counts the fields of a hash; those that have expired do not count.",
    syntax: "key",
    ..HGET
};

pub(super) const HSTRLEN: Command = Command {
    name: "HSTRLEN",
    access: &[Access::Look],
    run: Run::Read(hstrlen),
    reply_bytes: None,
    since: "3.2.0",
    summary: "Returns the length of a field's value in bytes; 0 if there is no such field.",
    ..HGET
};

pub(super) const HEXISTS: Command = Command {
    name: "HEXISTS",
    access: &[Access::Look],
    run: Run::Read(hexists),
    reply_bytes: None,
    summary: "Returns whether a hash has a field.",
    ..HGET
};

/// What these fields have in all.
fn bytes_of_fields(view: &View<'_>, argv: &[&[u8]]) -> Result<usize> {
    let [_, key, fields @ ..] = argv else { return Ok(0) };
    let Some(hash) = Hash::open(view, key)? else { return Ok(0) };
    fields.iter().try_fold(0_usize, |sum, field| {
        let len = hash.get(view, field)?.map_or(0, |field| field.value.len());
        Ok(sum.saturating_add(len))
    })
}

/// A field's value as a reply.
pub(super) fn value_reply(field: Option<Field>) -> Reply {
    field.map_or(Reply::Nil, |field| Reply::Bulk(field.value))
}

fn field(view: &View<'_>, args: &mut Args<'_>) -> Result<Option<Field>> {
    let (key, field) = (args.next_word()?, args.next_word()?);
    match Hash::open(view, key)? {
        Some(hash) => hash.get(view, field),
        None => Ok(None),
    }
}

fn hget(view: &View<'_>, args: &mut Args<'_>) -> Result<Reply> {
    Ok(value_reply(field(view, args)?))
}

fn hstrlen(view: &View<'_>, args: &mut Args<'_>) -> Result<Reply> {
    Ok(Reply::count(field(view, args)?.map_or(0, |field| field.value.len())))
}

fn hexists(view: &View<'_>, args: &mut Args<'_>) -> Result<Reply> {
    Ok(field(view, args)?.is_some().into())
}

fn hmget(view: &View<'_>, args: &mut Args<'_>) -> Result<Reply> {
    let hash = Hash::open(view, args.next_word()?)?;
    let mut values = Vec::with_capacity(args.remaining());
    for field in args.rest() {
        values.push(match &hash {
            Some(hash) => value_reply(hash.get(view, field)?),
            None => Reply::Nil,
        });
    }
    Ok(Reply::Array(values))
}

fn hlen(view: &View<'_>, args: &mut Args<'_>) -> Result<Reply> {
    let hash = Hash::open(view, args.next_word()?)?;
    Ok(Reply::count(hash.map_or(Ok(0), |hash| hash.len(view))?))
}

fn hgetall(view: &View<'_>, args: &mut Args<'_>) -> Result<Reply> {
    Ok(Reply::Map(collect(view, args, |field, value| (Reply::bulk(field), Reply::bulk(value)))?))
}

fn hkeys(view: &View<'_>, args: &mut Args<'_>) -> Result<Reply> {
    Ok(Reply::Array(collect(view, args, |field, _| Reply::bulk(field))?))
}

fn hvals(view: &View<'_>, args: &mut Args<'_>) -> Result<Reply> {
    Ok(Reply::Array(collect(view, args, |_, value| Reply::bulk(value))?))
}

fn collect<T>(view: &View<'_>, args: &mut Args<'_>, make: impl Fn(&[u8], &[u8]) -> T) -> Result<Vec<T>> {
    let mut made = Vec::new();
    if let Some(hash) = Hash::open(view, args.next_word()?)? {
        hash.visit(view, |seen| {
            made.push(make(seen.field, seen.value));
            Ok(ControlFlow::Continue(()))
        })?;
    }
    Ok(made)
}
