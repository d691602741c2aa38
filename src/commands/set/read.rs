//! Commands that read a set.

use super::members_reply;
use crate::{
    command::{Access, Args, Command, Cost, Flags, Group, KeyRange, Run},
    error::Result,
    resp::Reply,
    store::View,
    types::set::Set,
};

pub(super) const SCARD: Command = Command {
    name: "SCARD",
    access: &[Access::Look],
    arity: 2,
    keys: KeyRange::ONE,
    run: Run::Read(scard),
    cost: Cost::Words,
    flags: Flags::READONLY.with(Flags::FAST),
    group: Group::Set,
    since: "1.0.0",
    summary: "Returns the number of members of a set.",
    syntax: "key",
    ..Command::BASE
};

pub(super) const SISMEMBER: Command = Command {
    name: "SISMEMBER",
    access: &[Access::Look],
    arity: 3,
    keys: KeyRange::ONE,
    run: Run::Read(sismember),
    cost: Cost::Words,
    flags: Flags::READONLY.with(Flags::FAST),
    group: Group::Set,
    since: "1.0.0",
    summary: "Returns whether a set has a member.",
    syntax: "key member",
    ..Command::BASE
};

pub(super) const SMISMEMBER: Command = Command {
    name: "SMISMEMBER",
    arity: -3,
    keys: KeyRange::ONE,
    run: Run::Read(smismember),
    flags: Flags::READONLY.with(Flags::FAST),
    group: Group::Set,
    since: "6.2.0",
    complexity: "O(N) where N is the number of members named.",
    summary: "Returns for each of several members whether a set has it.",
    syntax: "key member [member ...]",
    ..Command::BASE
};

pub(super) const SMEMBERS: Command = Command {
    name: "SMEMBERS",
    tips: &["nondeterministic_output_order"],
    arity: 2,
    keys: KeyRange::ONE,
    run: Run::Read(smembers),
    flags: Flags::READONLY,
    group: Group::Set,
    since: "1.0.0",
    complexity: "O(N) where N is the number of members.",
    summary: "Returns all members of a set.",
    syntax: "key",
    ..Command::BASE
};

fn scard(view: &View<'_>, args: &mut Args<'_>) -> Result<Reply> {
    let set = Set::open(view, args.next_word()?)?;
    Ok(Reply::count(set.map_or(Ok(0), |set| set.len(view))?))
}

fn sismember(view: &View<'_>, args: &mut Args<'_>) -> Result<Reply> {
    let (key, member) = (args.next_word()?, args.next_word()?);
    let Some(set) = Set::open(view, key)? else { return Ok(Reply::Int(0)) };
    Ok(set.contains(view, member)?.into())
}

fn smismember(view: &View<'_>, args: &mut Args<'_>) -> Result<Reply> {
    let set = Set::open(view, args.next_word()?)?;
    let mut found = Vec::with_capacity(args.remaining());
    for member in args.rest() {
        let has = match &set {
            Some(set) => set.contains(view, member)?,
            None => false,
        };
        found.push(Reply::from(has));
    }
    Ok(Reply::Array(found))
}

fn smembers(view: &View<'_>, args: &mut Args<'_>) -> Result<Reply> {
    let Some(set) = Set::open(view, args.next_word()?)? else { return Ok(Reply::Set(Vec::new())) };
    Ok(members_reply(&set.subs(view)?))
}
