//! The time to live of members, and the time of their expiry.

use super::members;
use crate::{
    command::{Args, Command, Flags, Group, KeyRange, Run},
    commands::element_expiry::{NO_ELEMENT, NO_EXPIRY},
    error::Result,
    feature_level,
    resp::Reply,
    store::View,
    types::set::Set,
};

pub(super) const STTL: Command = Command {
    name: "STTL",
    tips: &["nondeterministic_output"],
    arity: -5,
    keys: KeyRange::ONE,
    run: Run::Read(sttl),
    flags: Flags::READONLY.with(Flags::FAST),
    since_level: feature_level::SET_EXPIRY,
    group: Group::Set,
    since: "8.12.0",
    complexity: "O(N) where N is the number of members named.",
    summary: "Returns the time to live of members of a set in seconds; -1 = no expiry, -2 = no member.",
    syntax: "key MEMBERS nummembers member [member ...]",
    ..Command::BASE
};

pub(super) const SPTTL: Command = Command {
    name: "SPTTL",
    run: Run::Read(spttl),
    summary: "Returns the time to live of members of a set in milliseconds; -1 = no expiry, -2 = no member.",
    ..STTL
};

pub(super) const SEXPIRETIME: Command = Command {
    name: "SEXPIRETIME",
    tips: &[],
    run: Run::Read(sexpiretime),
    summary: "Returns the Unix times in seconds at which members expire; -1 = never, -2 = no member.",
    ..STTL
};

pub(super) const SPEXPIRETIME: Command = Command {
    name: "SPEXPIRETIME",
    run: Run::Read(spexpiretime),
    summary: "Returns the Unix times in milliseconds at which members expire; -1 = never, -2 = no member.",
    ..SEXPIRETIME
};

fn sttl(view: &View<'_>, args: &mut Args<'_>) -> Result<Reply> {
    // Rounded up, as in Redis (TTL rounds to the nearest second).
    expiries(view, args, |at, now| at.saturating_sub(now).div_ceil(1000))
}

fn spttl(view: &View<'_>, args: &mut Args<'_>) -> Result<Reply> {
    expiries(view, args, u64::saturating_sub)
}

fn sexpiretime(view: &View<'_>, args: &mut Args<'_>) -> Result<Reply> {
    expiries(view, args, |at, _| at.div_ceil(1000))
}

fn spexpiretime(view: &View<'_>, args: &mut Args<'_>) -> Result<Reply> {
    expiries(view, args, |at, _| at)
}

fn expiries(view: &View<'_>, args: &mut Args<'_>, answer: fn(u64, u64) -> u64) -> Result<Reply> {
    // As Redis, the type is judged first.
    let set = Set::open(view, args.next_word()?)?;
    let members = members::all_of_rest(args)?;
    let mut answers = Vec::with_capacity(members.len());
    for member in members {
        let found = match &set {
            Some(set) => set.expiry_of(view, member)?,
            None => None,
        };
        answers.push(match found {
            None => Reply::Int(NO_ELEMENT),
            Some(0) => Reply::Int(NO_EXPIRY),
            Some(at) => Reply::count(answer(at, view.now())),
        });
    }
    Ok(Reply::Array(answers))
}
