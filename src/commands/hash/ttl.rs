//! The time to live of fields, and the time of their expiry.

use super::options;
use crate::{
    command::{Args, Command, Flags, Group, KeyRange, Run},
    error::Result,
    resp::Reply,
    store::View,
    types::hash::Hash,
};

pub(super) const HTTL: Command = Command {
    name: "HTTL",
    tips: &["nondeterministic_output"],
    arity: -5,
    keys: KeyRange::ONE,
    run: Run::Read(httl),
    flags: Flags::READONLY.with(Flags::FAST),
    group: Group::Hash,
    since: "9.0.0",
    complexity: "O(N) where N is the number of fields.",
    summary: "Returns the time to live of hash fields in seconds; -1 = no expiry, -2 = no field.",
    syntax: "key FIELDS numfields field [field ...]",
    ..Command::BASE
};

pub(super) const HPTTL: Command = Command {
    name: "HPTTL",
    run: Run::Read(hpttl),
    summary: "Returns the time to live of hash fields in milliseconds; -1 = no expiry, -2 = no field.",
    ..HTTL
};

pub(super) const HEXPIRETIME: Command = Command {
    name: "HEXPIRETIME",
    tips: &[],
    run: Run::Read(hexpiretime),
    summary: "Returns the Unix times in seconds at which fields expire; -1 = never, -2 = no field.",
    ..HTTL
};

pub(super) const HPEXPIRETIME: Command = Command {
    name: "HPEXPIRETIME",
    run: Run::Read(hpexpiretime),
    summary: "Returns the Unix times in milliseconds at which fields expire; -1 = never, -2 = no field.",
    ..HEXPIRETIME
};

fn httl(view: &View<'_>, args: &mut Args<'_>) -> Result<Reply> {
    // Rounded up, as in Redis (TTL rounds to the nearest second).
    expiries(view, args, "httl", |at, now| at.saturating_sub(now).div_ceil(1000))
}

fn hpttl(view: &View<'_>, args: &mut Args<'_>) -> Result<Reply> {
    expiries(view, args, "hpttl", u64::saturating_sub)
}

fn hexpiretime(view: &View<'_>, args: &mut Args<'_>) -> Result<Reply> {
    expiries(view, args, "hexpiretime", |at, _| at.div_ceil(1000))
}

fn hpexpiretime(view: &View<'_>, args: &mut Args<'_>) -> Result<Reply> {
    expiries(view, args, "hpexpiretime", |at, _| at)
}

fn expiries(
    view: &View<'_>,
    args: &mut Args<'_>,
    command: &str,
    answer: fn(u64, u64) -> u64,
) -> Result<Reply> {
    // As Redis, the type is judged first.
    let hash = Hash::open(view, args.next_word()?)?;
    let fields = options::fields(args, command)?;
    let mut answers = Vec::with_capacity(fields.len());
    for field in fields {
        let found = match &hash {
            Some(hash) => hash.get(view, field)?,
            None => None,
        };
        answers.push(match found {
            None => Reply::Int(-2),
            Some(field) if field.expires_at == 0 => Reply::Int(-1),
            Some(field) => Reply::count(answer(field.expires_at, view.now())),
        });
    }
    Ok(Reply::Array(answers))
}
