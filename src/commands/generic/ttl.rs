//! The time to live of a key, and the time of its expiry.

use crate::{
    command::{Args, Command, Cost, Flags, Group, KeyRange, Run},
    error::Result,
    resp::Reply,
    store::View,
};

const FLAGS: Flags = Flags::READONLY.with(Flags::FAST).with(Flags::KEYSPACE);

pub(super) const TTL: Command = Command {
    name: "TTL",
    tips: &["nondeterministic_output"],
    arity: 2,
    keys: KeyRange::ONE,
    run: Run::Read(ttl),
    cost: Cost::Words,
    flags: FLAGS,
    group: Group::Generic,
    summary: "Returns a key's time to live in seconds; -1 = no expiry, -2 = no key.",
    syntax: "key",
    ..Command::BASE
};

pub(super) const PTTL: Command = Command {
    name: "PTTL",
    tips: &["nondeterministic_output"],
    run: Run::Read(pttl),
    since: "2.6.0",
    summary: "Returns a key's time to live in milliseconds; -1 = no expiry, -2 = no key.",
    ..TTL
};

pub(super) const EXPIRETIME: Command = Command {
    name: "EXPIRETIME",
    run: Run::Read(expiretime),
    tips: &[],
    since: "7.0.0",
    summary: "Returns the Unix time in seconds at which a key expires; -1 = never, -2 = no key.",
    ..TTL
};

pub(super) const PEXPIRETIME: Command = Command {
    name: "PEXPIRETIME",
    run: Run::Read(pexpiretime),
    tips: &[],
    since: "7.0.0",
    summary: "Returns the Unix time in milliseconds at which a key expires; -1 = never, -2 = no key.",
    ..TTL
};

fn ttl(view: &View<'_>, args: &mut Args<'_>) -> Result<Reply> {
    // To the nearest second, as Redis.
    expiry(view, args, |at, now| at.saturating_sub(now).saturating_add(500) / 1000)
}

fn pttl(view: &View<'_>, args: &mut Args<'_>) -> Result<Reply> {
    expiry(view, args, u64::saturating_sub)
}

fn expiretime(view: &View<'_>, args: &mut Args<'_>) -> Result<Reply> {
    expiry(view, args, |at, _| at.saturating_add(500) / 1000)
}

fn pexpiretime(view: &View<'_>, args: &mut Args<'_>) -> Result<Reply> {
    expiry(view, args, |at, _| at)
}

fn expiry(view: &View<'_>, args: &mut Args<'_>, answer: fn(u64, u64) -> u64) -> Result<Reply> {
    Ok(match view.untouched().get(args.next_word()?)? {
        None => Reply::Int(-2),
        Some(row) if row.expires_at == 0 => Reply::Int(-1),
        Some(row) => Reply::count(answer(row.expires_at, view.now())),
    })
}
